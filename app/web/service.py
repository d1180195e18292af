"""The web as a service of an application: a site, and the endpoints where it answers."""

import socket
from collections.abc import Sequence

from ...persist.persistent import persistent
from ..endpoints import Endpoint, TLSEndpoint, describe
from ..service import Service
from .http import HTTPServer
from .site import Site


@persistent(transient=("_sockets", "_server"))
class WebService(Service):
    """Serves `site` at each of `endpoints`, with the registry of its application.

    Binding is all or none. Coming to rest closes the listening sockets and lets the requests that
    have begun finish.
    """

    def __init__(
        self, site: Site, endpoints: Sequence[Endpoint], *, name: str | None = None
    ) -> None:
        super().__init__(name=name)
        self.site = site
        self.endpoints = list(endpoints)
        self._sockets: list[tuple[Endpoint, list[socket.socket]]] | None = None
        self._server: HTTPServer | None = None

    @property
    def addresses(self) -> list[str]:
        """Where it listens now, as addresses for a browser where there are such."""
        return [
            _address(endpoint, each)
            for endpoint, sockets in self._sockets or []
            for each in sockets
        ]

    async def bind(self) -> None:
        self._sockets = []
        for endpoint in self.endpoints:
            # A certificate that cannot be used must be found before any port is open.
            endpoint.check()
        for endpoint in self.endpoints:
            self._sockets.append((endpoint, endpoint.bind()))

    async def start(self) -> None:
        self._server = HTTPServer(self.site, self.application.registry)
        for endpoint, sockets in self._sockets or []:
            await self._server.listen(sockets, endpoint.ssl_context())

    async def quiesce(self) -> None:
        if self._server is not None:
            await self._server.drain(None)

    async def stop(self) -> None:
        if self._server is not None:
            await self._server.drain(0)
            self._server.close_log()
        for endpoint, sockets in self._sockets or []:
            for each in sockets:
                endpoint.release(each)
        self._sockets = self._server = None


def _address(endpoint: Endpoint, listening: socket.socket) -> str:
    text = describe(listening)
    if listening.family == socket.AF_UNIX:
        return text
    return f"{'https' if isinstance(endpoint, TLSEndpoint) else 'http'}://{text}/"
