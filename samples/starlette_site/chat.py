"""A chat in Starlette, by WebSocket. What was said is a component; who is there is not.

Run by Perdure: ``mkapp web --asgi chat:app --pythonpath samples/starlette_site``, then ``rundaemon``.
"""

from contextlib import suppress

import attrs
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from perdure.app.web.gateways.gateway import current_registry

PAGE = """\
<!doctype html>
<title>Chat</title>
<ul id="lines"></ul>
<form id="form"><input id="line" autofocus> <button>Say</button></form>
<script>
const here = new URL("talk", location);
here.protocol = location.protocol.replace("http", "ws");
const socket = new WebSocket(here);
socket.onmessage = (event) => {
  const item = document.createElement("li");
  item.textContent = event.data;
  document.getElementById("lines").append(item);
};
document.getElementById("form").onsubmit = (event) => {
  event.preventDefault();
  const line = document.getElementById("line");
  socket.send(line.value);
  line.value = "";
};
</script>
"""


@attrs.define
class History:
    """The last so many lines, oldest first."""

    lines: list[str] = attrs.field(factory=list[str])
    room: int = 50

    def add(self, line: str) -> None:
        """Take a line down; the oldest is forgotten."""
        self.lines.append(line)
        del self.lines[: -self.room]


present: set[WebSocket] = set()


async def page(_request: Request) -> HTMLResponse:
    return HTMLResponse(PAGE)


async def talk(socket: WebSocket) -> None:
    history = current_registry().get_component(History, default=History)
    await socket.accept()
    for line in tuple(history.lines):
        await socket.send_text(line)
    present.add(socket)
    try:
        while True:
            line = (await socket.receive_text())[:500]
            history.add(line)
            for each in tuple(present):
                with suppress(WebSocketDisconnect):  # Somebody else has gone.
                    await each.send_text(line)
    except WebSocketDisconnect:
        pass
    finally:
        present.discard(socket)


app = Starlette(routes=[Route("/", page), WebSocketRoute("/talk", talk)])
