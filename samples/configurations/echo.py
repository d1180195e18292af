"""Two protocols in one application: an echo, and a page that shows what the echo has said.

``nc 127.0.0.1 8007`` talks to it by hand.
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Sequence
from html import escape
from typing import cast

from perdure.app.application import Application
from perdure.app.collection import ServiceCollection
from perdure.app.endpoints import Endpoint, parse_endpoint
from perdure.app.service import Service
from perdure.app.web.request import Request
from perdure.app.web.resource import Resource
from perdure.app.web.service import WebService
from perdure.app.web.site import Site
from perdure.persist.persistent import persistent


class Echo(asyncio.Protocol):
    """Says what it hears."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.WriteTransport, transport)

    def data_received(self, data: bytes) -> None:
        self.transport.write(data)


@persistent(transient=("_bound", "_servers"))
class EchoService(Service):
    """An `Echo` for each connection to `endpoint`."""

    _bound: Sequence[socket.socket] = ()
    _servers: Sequence[asyncio.Server] = ()

    def __init__(self, endpoint: Endpoint) -> None:
        super().__init__(name="echo")
        self.endpoint = endpoint

    async def bind(self) -> None:
        self._bound = self.endpoint.bind()

    async def start(self) -> None:
        loop = asyncio.get_running_loop()
        self._servers = [await loop.create_server(Echo, sock=bound) for bound in self._bound]

    async def stop(self) -> None:
        for server in self._servers:
            server.close()
        for bound in self._bound:
            self.endpoint.release(bound)
        self._bound = self._servers = ()


class Heard(asyncio.Protocol):
    """One line, when it has come."""

    def __init__(self) -> None:
        self.line: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._data = b""

    def data_received(self, data: bytes) -> None:
        self._data += data
        if b"\n" in self._data and not self.line.done():
            self.line.set_result(self._data.partition(b"\n")[0].decode())


class EchoPage(Resource):
    """Leaves in two parts: the second when the echo has answered, and nobody waits meanwhile."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint

    async def render_GET(self, request: Request) -> AsyncIterator[str]:
        yield "<!doctype html>\n<title>Echo</title>\n<p>The cliff says: "
        transport, heard = await self.endpoint.connect(Heard)
        try:
            transport.write(request.args.get("say", "Ahoy").encode()[:1000] + b"\n")
            yield f"<b>{escape(await asyncio.wait_for(heard.line, 10))}</b></p>\n"
        finally:
            transport.close()


echo = parse_endpoint("tcp:8007:interface=127.0.0.1")
web = WebService(Site(EchoPage(echo)), [parse_endpoint("tcp:8080:interface=127.0.0.1")], name="web")
application = Application("echo", services=ServiceCollection([EchoService(echo), web]))
