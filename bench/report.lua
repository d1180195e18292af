-- wrk rounds what it prints ("1.45GB"); this line has the exact numbers of the run as JSON.
function done(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format(
    'report {"requests": %d, "bytes": %d, "microseconds": %d, "p99": %d, "refused": %d, "broken": %d}\n',
    summary.requests, summary.bytes, summary.duration, latency:percentile(99), errors.status,
    errors.connect + errors.read + errors.write + errors.timeout))
end
