-- Every request has a query of its own: what a server remembers of earlier requests is of no use.
local folder = debug.getinfo(1, "S").source:sub(2):gsub("[^/]*$", "")
dofile(folder .. "report.lua")

local number = 0
function request()
  number = number + 1
  return "GET " .. wrk.path .. "?" .. number .. " HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
end
