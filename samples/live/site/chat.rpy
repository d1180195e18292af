import json

from harbour import Room

from perdure.app.watching import watching
from perdure.app.web.request import Request
from perdure.app.web.resource import Resource
from perdure.app.web.live.websocket import WebSocket, WebSocketResource

PAGE = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<link rel="icon" href="data:,">
<title>Harbour radio</title>
<ul></ul>
<form><input name="text" required maxlength="500" autofocus> <button>Say</button></form>
<script>
  const list = document.querySelector("ul"), form = document.querySelector("form");
  let socket, heard = 0;
  function connect() {
    const address = new URL("chat.rpy/talk", location);
    address.protocol = address.protocol.replace("http", "ws");
    address.searchParams.set("heard", heard);
    socket = new WebSocket(address);
    socket.onmessage = (event) => {
      const message = JSON.parse(event.data);
      heard = message.number;
      list.append(Object.assign(document.createElement("li"), {textContent: message.text}));
    };
    socket.onclose = () => setTimeout(connect, 1000);
  }
  form.onsubmit = (event) => {
    event.preventDefault();
    socket.send(form.text.value);
    form.reset();
  };
  connect();
</script>
</html>
"""


class Page(Resource):
    def render_GET(self, request: Request) -> str:
        return PAGE


class Talk(WebSocketResource):
    async def connected(self, socket: WebSocket, request: Request) -> None:
        socket.beside(self.tell(socket, request))
        async for message in socket:
            if isinstance(message, str):
                request.registry.get_component(Room, default=Room).say(message)

    async def tell(self, socket: WebSocket, request: Request) -> None:
        heard = int(request.args.get("heard", 0))
        async for room in watching(request.registry, Room, default=Room):
            for message in room.since(heard):
                heard = message.number
                await socket.send(json.dumps({"number": heard, "text": message.text}))


resource = Page()
resource.put_child("talk", Talk())
