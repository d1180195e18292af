"""A proxy for clients that want to go elsewhere, and only where they were allowed to."""

import asyncio
import logging
from collections.abc import Iterable
from ipaddress import ip_address
from typing import TYPE_CHECKING, ClassVar, Final, cast

from ....persist.persistent import persistent
from ...connecting import ConnectError
from ..errors import HTTPError, error_page
from ..resource import ErrorPage, Rendered, Resource, Wrapper
from ..upgrade import Upgrade
from .destination import (
    Addresses,
    addresses,
    is_within,
    networks,
    parse_destination,
    target_place,
    true_address,
)
from .gatewayerror import (
    BadAnswerError,
    GatewayError,
    UpstreamBusyError,
    UpstreamLateError,
)
from .passage import Passage
from .passing import asked, passed_answer
from .proxyfields import ALLOWED, passed_back, passed_on, via
from .upstream import Pool, UpstreamLimits

if TYPE_CHECKING:
    from ..request import Request

LOOPBACK: Final = ("127.0.0.0/8", "::1/128")
"""The networks whose clients may use a proxy unless it is told otherwise."""

_report = logging.getLogger("perdure.web")


@persistent(transient=("_pools", "_passages", "beginning"))
class ForwardProxy(Wrapper):
    """Passes requests on to where their clients want them to go: ``http://`` addresses, and CONNECT.

    Where that may be is in `allow`, as ``example.org:443``, ``*.example.org:80`` or ``*:443``; to
    anything else the answer is 403. So it is for clients outside of the networks `clients`, by
    default all but this machine, and at hosts whose addresses are not public, unless they are in the
    networks `private`: what is connected to is the very address that was judged. Nothing is told of
    who asks.

    It is put where a site begins: requests that are for the site itself go to `wrapped`, by default
    a page that says there is none. Connections are not kept, and no more are open at one time than
    `limits` allow. Raises `DestinationError` when made.
    """

    _pools: set[Pool] | None = None
    _passages: set[Passage] | None = None
    beginning: int = 0
    """How many tunnels are on their way to be opened."""

    def __init__(
        self,
        allow: Iterable[str],
        wrapped: Resource | None = None,
        *,
        clients: Iterable[str] = LOOPBACK,
        private: Iterable[str] = (),
        limits: UpstreamLimits | None = None,
    ) -> None:
        self.allow = tuple(parse_destination(each) for each in allow)
        self.wrapped = wrapped if wrapped is not None else ErrorPage(404)
        self.clients = tuple(clients)
        self.private = tuple(private)
        self.limits = limits
        networks(self.clients)
        networks(self.private)

    def enter(self, request: "Request") -> Resource:
        return self.wrapped if request.head.authority is None else _Onward(self)

    def serves(self, client: str) -> bool:
        """Whether `client`, an address or ``unix``, may use this proxy."""
        if client == "unix":
            return True
        try:
            address = true_address(ip_address(client.partition("%")[0]))
        except ValueError:
            return False
        return is_within(address, networks(self.clients))

    @property
    def bounds(self) -> UpstreamLimits:
        """Its limits, or those of the version that runs."""
        return UpstreamLimits() if self.limits is None else self.limits

    async def way(self, authority: str, default_port: int | None) -> Addresses:
        """The addresses behind `authority`. Raises `HTTPError` if it does not lead there."""
        host, port = target_place(authority, default_port)
        if not any(each.matches(host, port) for each in self.allow):
            raise HTTPError(403, "This proxy does not lead there.")
        found = await addresses(host, port, networks(self.private), self.bounds.connect_time)
        if found is None:
            raise GatewayError(f"no address of {host} was found")
        return found

    def new_pool(self, where: Addresses) -> Pool:
        """For one request. Raises `GatewayError` if there are as many as may be."""
        pools = self._pools = {each for each in self._pools or () if each.open}
        if len(pools) >= self.bounds.connections:
            raise UpstreamBusyError(f"{len(pools)} requests are on their way already")
        pool = Pool(where, self.bounds, keeps=False)
        pools.add(pool)
        return pool

    def passages(self) -> set[Passage]:
        """The tunnels that are open. Raises `GatewayError` if there are as many as may be."""
        if self._passages is None:
            self._passages = set()
        if len(self._passages) + self.beginning >= self.bounds.tunnels:
            raise UpstreamBusyError(f"{self.bounds.tunnels} tunnels are open already")
        return self._passages

    async def close(self) -> None:
        """Closes what is still open to other servers; tunnels end with their clients."""
        for pool in self._pools or ():
            pool.close()


class _Onward(Resource):
    """What answers a request that is for another server."""

    is_leaf = True
    tells_state: ClassVar[bool] = False
    takes_connect: ClassVar[bool] = True

    def __init__(self, proxy: ForwardProxy) -> None:
        self._proxy = proxy

    def render(self, request: "Request") -> Rendered:
        if not self._proxy.serves(request.client):
            return error_page(403, "This proxy is not for everybody.")
        return self._passed(request)

    async def _passed(self, request: "Request") -> Rendered:
        try:
            if request.method == "CONNECT":
                return await self._connected(request)
            return await self._asked(request)
        except GatewayError as error:
            line = request.head.line.decode("latin-1")
            _report.error("%s from %s: %s", line, request.client, error)
            raise

    async def _asked(self, request: "Request") -> Rendered:
        head, proxy = request.head, self._proxy
        authority = head.authority or ""
        if head.target[:7].lower() != "http://":
            raise HTTPError(400, "A proxy is asked for https addresses by CONNECT.")
        if request.method == "TRACE":
            return error_page(405, headers=[("Allow", f"{ALLOWED}, CONNECT")])
        pool = proxy.new_pool(await proxy.way(authority, 80))
        target = f"{head.path}?{head.query}" if head.query else head.path
        asking = b"%b %b HTTP/1.1\r\nHost: %b\r\n%b%bConnection: close\r\n" % (
            request.method.encode(),
            target.encode("ascii"),
            authority.encode("ascii"),
            passed_on(request),
            via(request.version),
        )
        exchange, answer = await asked(request, pool, asking)
        if answer.status == 101:
            exchange.abandon()
            raise BadAnswerError("it changed to a protocol that nobody asked for")
        fields = passed_back(answer) + via(answer.version)
        return passed_answer(exchange, answer, fields)

    async def _connected(self, request: "Request") -> Upgrade:
        proxy = self._proxy
        if request.body is not None:
            raise HTTPError(400, "CONNECT has no body.")
        where = await proxy.way(request.head.target, None)
        passages = proxy.passages()
        proxy.beginning += 1
        try:
            transport, early = await where.connect(_Early, timeout=proxy.bounds.connect_time)
        except ConnectError as error:
            late = isinstance(error.__cause__, TimeoutError)
            raise (UpstreamLateError if late else GatewayError)(str(error)) from None
        finally:
            proxy.beginning -= 1
        return Upgrade(
            Passage(transport, early.taken(), proxy.bounds.tunnel_time, passages), status=200
        )


class _Early(asyncio.Protocol):
    """Keeps what a server says before its client hears that the way is open."""

    def __init__(self) -> None:
        self._data = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._data += data
        self._transport.pause_reading()

    def taken(self) -> bytes:
        """What came; from now on nothing does."""
        if not self._transport.is_closing():
            self._transport.pause_reading()
        return self._data
