from collections.abc import AsyncIterator

from harbour import Boats

from perdure.app.watching import watching
from perdure.app.web.live.events import Event, EventStream
from perdure.app.web.request import Request
from perdure.app.web.resource import Resource
from perdure.app.web.response import Response

PAGE = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<link rel="icon" href="data:,">
<title>Boats in the harbour</title>
<p>Boats in the harbour: <output>?</output></p>
<form method="post"><button name="move" value="arrive">A boat arrives</button>
<button name="move" value="leave">A boat leaves</button></form>
<script>
  const shown = document.querySelector("output");
  new EventSource("boats.rpy/events").onmessage = (event) => { shown.value = event.data; };
  document.querySelector("form").onsubmit = (event) => {
    event.preventDefault();
    fetch("boats.rpy", {method: "POST", body: new URLSearchParams({move: event.submitter.value})});
  };
</script>
</html>
"""


class Page(Resource):
    def render_GET(self, request: Request) -> str:
        return PAGE

    async def render_POST(self, request: Request) -> Response:
        boats = request.registry.get_component(Boats, default=Boats)
        if (await request.form()).fields["move"] == "arrive":
            boats.arrive()
        else:
            boats.leave()
        return Response(status=303, headers=[("Location", "boats.rpy")])


class Events(EventStream):
    async def events(self, request: Request) -> AsyncIterator[Event | str]:
        async for boats in watching(request.registry, Boats, default=Boats):
            yield str(boats.value)


resource = Page()
resource.put_child("events", Events())
