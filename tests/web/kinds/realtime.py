"""Pages that go on talking, and those made from templates or called by programs."""

from collections.abc import AsyncIterator
from pathlib import Path

from perdure.app.registry import Registry
from perdure.app.watching import watching
from perdure.app.web.live.events import Event, EventStream
from perdure.app.web.live.websocket import WebSocket, WebSocketResource
from perdure.app.web.request import Request
from perdure.app.web.resource import Resource
from perdure.app.web.template import Template, TemplateFile
from perdure.app.web.xmlrpc import XMLRPC

from .case import KindCase


class Tally:
    """A component."""

    def __init__(self) -> None:
        self.value = 17


def _prepare(registry: Registry) -> None:
    registry.set_component(Tally, Tally())


class Watched(EventStream):
    """Tells once what there is."""

    async def events(self, request: Request) -> AsyncIterator[Event | str]:
        async for tally in watching(request.registry, Tally):
            yield f"the tally is {tally.value}"
            return


class Talking(WebSocketResource):
    """Says what there is, and goodbye."""

    async def connected(self, socket: WebSocket, request: Request) -> None:
        tally = request.registry.get_component(Tally, default=Tally)
        await socket.send(f"the tally is {tally.value}")


class Called(XMLRPC):
    """Says who it is."""

    def xmlrpc_name(self) -> str:
        return "the keeper"


def _called(_folder: Path) -> Resource:
    root = Called()
    root.put_sub_handler("inner", Called())
    return root


def _template(folder: Path) -> Resource:
    path = folder / "page.html.jinja"
    path.write_text("{{ told }} {{ request.path }}")
    path.chmod(0o644)
    return Template(path.name, folder=folder, told="<told>")


_ASK_FOR_SOCKET = (
    "GET / HTTP/1.1",
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Version: 12",
)

CASES = (
    KindCase(EventStream, lambda folder: Watched(), "data: the tally is 17", prepare=_prepare),
    KindCase(
        WebSocketResource,
        lambda folder: Talking(),
        "This page speaks version 13",
        _ASK_FOR_SOCKET,
        400,
        _prepare,
    ),
    KindCase(Template, _template, "&lt;told&gt; /", also=(TemplateFile,)),
    KindCase(XMLRPC, _called, "does not answer that method", status=405),
)
