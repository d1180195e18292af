"""The web as a service of an application: a site, and the endpoints where it answers."""

import asyncio
import socket
from collections.abc import Sequence

import attrs

from ...persist.persistent import persistent
from ..endpoints import Endpoint, TLSEndpoint, describe
from ..renewal import Certificates
from ..service import Service
from .http import PROTOCOLS, HTTPServer
from .resource import Resource
from .site import Site, close_all


@attrs.frozen
class _Listening:
    endpoint: Endpoint
    bound: Sequence[socket.socket]
    certificates: Certificates | None


@persistent(transient=("_listening", "_opened", "_server", "_watches"))
class WebService(Service):
    """Serves `site` at each of `endpoints`, with the registry of its application.

    Binding is all or none. Coming to rest closes the listening sockets and lets the requests that
    have begun finish. Certificates that are renewed while it runs are shown from then on.
    """

    _listening: tuple[_Listening, ...] = ()
    _server: HTTPServer | None = None
    _opened: Sequence[Resource] = ()
    _watches: tuple["asyncio.Task[None]", ...] = ()

    def __init__(
        self, site: Site, endpoints: Sequence[Endpoint], *, name: str | None = None
    ) -> None:
        super().__init__(name=name)
        self.site = site
        self.endpoints = list(endpoints)

    @property
    def addresses(self) -> list[str]:
        """Where it listens now, as addresses for a browser where there are such."""
        return [_address(each.endpoint, bound) for each in self._listening for bound in each.bound]

    async def bind(self) -> None:
        # Certificates are read first: one that cannot be used must be found before a port is
        # open, and their keys may not be readable once privileges are dropped.
        shown = [endpoint.certificates(PROTOCOLS) for endpoint in self.endpoints]
        self.site.check()
        for endpoint, certificates in zip(self.endpoints, shown, strict=True):
            self._listening += (_Listening(endpoint, endpoint.bind(), certificates),)

    async def start(self) -> None:
        application = self.application
        self._opened = await self.site.open(application)
        self._server = HTTPServer(self.site, application.registry, ledger=application.ledger)
        for each in self._listening:
            if each.certificates is None:
                await self._server.listen(each.bound)
            else:
                await self._server.listen(each.bound, each.certificates.context)
                self._watches += (asyncio.create_task(each.certificates.watch()),)

    async def quiesce(self) -> None:
        if self._server is not None:
            await self._server.drain(None)
        await self.site.quiesce()

    async def stop(self) -> None:
        watches, self._watches = self._watches, ()
        for watch in watches:
            watch.cancel()
        if self._server is not None:
            await self._server.drain(0)
            self._server.close_log()
        opened, self._opened = self._opened, ()
        await close_all(opened)
        for each in self._listening:
            for bound in each.bound:
                each.endpoint.release(bound)
        self._listening, self._server = (), None


def _address(endpoint: Endpoint, listening: socket.socket) -> str:
    text = describe(listening)
    if listening.family == socket.AF_UNIX:
        return text
    return f"{'https' if isinstance(endpoint, TLSEndpoint) else 'http'}://{text}/"
