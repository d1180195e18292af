"""The connections to one other server: kept, counted, and given to one exchange at a time."""

import asyncio
import contextvars
import ssl
from collections import deque
from collections.abc import Callable
from typing import Final, Protocol, TypeVar

import attrs

from ...bounds import bound
from ...connecting import ConnectError
from .gatewayerror import (
    GatewayError,
    UpstreamBusyError,
    UpstreamGoneError,
    UpstreamLateError,
)
from .passage import Passage
from .upstreamconnection import UpstreamConnection

P = TypeVar("P", bound=asyncio.BaseProtocol)

_SWEEP: Final = 1.0


@attrs.frozen
class UpstreamLimits:
    """Bounds for what is asked of one other server. Sizes in bytes, times in seconds.

    Times are kept to about a second, but for the first two.
    """

    connect_time: float = bound(5.0)
    """To make a connection, TLS included; over it 504."""

    wait_time: float = bound(10.0)
    """For a connection to become free; over it 503."""

    answer_time: float = bound(60.0)
    """From the end of the request to the end of the answer's head; over it 504."""

    read_time: float = bound(60.0)
    """Without a byte of an answer's body, or of the request taken; then the answer is cut off."""

    idle_time: float = bound(20.0)
    """That an unused connection is kept for the next request."""

    tunnel_time: float = bound(600.0)
    """Without a byte either way over a WebSocket or another tunnel; then it is closed."""

    connections: int = bound(128)
    """At one time, tunnels not counted; further requests wait."""

    tunnels: int = bound(1024)
    """At one time; over it 503."""

    waiting: int = bound(1024)
    """Requests that wait for a connection; over it 503."""

    head: int = bound(32 * 1024)
    """Status line and fields of an answer together; over it 502."""

    buffer: int = bound(64 * 1024)
    """Bytes of an answer that the client has not taken yet: beyond it, the server is not read
    from."""


class Place(Protocol):
    """What can be connected to: an endpoint, or some addresses."""

    async def connect(
        self, factory: Callable[[], P], *, timeout: float, context: ssl.SSLContext | None = None
    ) -> tuple[asyncio.Transport, P]:
        """As `Endpoint.connect`."""
        ...


class Pool:
    """The connections to `place` in one event loop. Never saved.

    Those that were idle longest are used last, and closed first; without `keeps` none is used twice.
    """

    def __init__(
        self,
        place: Place,
        limits: UpstreamLimits,
        context: ssl.SSLContext | None = None,
        *,
        keeps: bool = True,
    ) -> None:
        self._place = place
        self.limits = limits
        self.loop = asyncio.get_running_loop()
        self.now = self.loop.time()
        self.passages: set[Passage] = set()
        """The tunnels that lead there."""
        self._context = context
        self._keeps = keeps
        self._idle: list[UpstreamConnection] = []
        self.connections: set[UpstreamConnection] = set()
        """Those that are open, but for tunnels."""
        self._connecting = 0
        self._waiting: deque[asyncio.Future[UpstreamConnection | None]] = deque()
        self._keeper: asyncio.Task[None] | None = None

    @property
    def open(self) -> int:
        """How many connections there are, those in the making included."""
        return len(self.connections) + self._connecting

    @property
    def waiting(self) -> int:
        """How many requests wait for a connection."""
        return len(self._waiting)

    def take(self) -> UpstreamConnection | None:
        """A connection that is there and unused, if there is one."""
        while self._idle:
            connection = self._idle.pop()
            if not connection.transport.is_closing():
                return connection
        return None

    async def connection(self, *, fresh: bool = False) -> UpstreamConnection:
        """A connection, as soon as there may be one more; a new one if it shall be `fresh`.

        Raises `GatewayError`.
        """
        deadline = self.loop.time() + self.limits.wait_time
        while True:
            found = None if fresh else self.take()
            if found is not None:
                return found
            if self.open < self.limits.connections:
                connection = await self._connect()
                if connection.transport.is_closing():
                    raise UpstreamGoneError("it closed the connection at once")
                return connection
            if fresh and self._idle:
                # Where one was stale the others may be as well.
                stale = self._idle.pop(0)
                self.forget(stale)
                stale.abort()
                continue
            found = await self._turn(deadline)
            # It may have been closed between the giving and the taking.
            if found is not None and not found.transport.is_closing():
                return found

    def check_tunnels(self) -> None:
        """Raises `GatewayError` if no further tunnel may lead there."""
        if len(self.passages) >= self.limits.tunnels:
            raise UpstreamBusyError(f"{self.limits.tunnels} tunnels lead there already")

    def join(self, connection: UpstreamConnection) -> None:
        """`connection` has been made."""
        # While there was none, nobody looked at the clock.
        self.now = self.loop.time()
        self.connections.add(connection)
        if self._keeper is None:
            # In no request's context: it outlives them all.
            self._keeper = self.loop.create_task(self._keep(), context=contextvars.Context())

    def release(self, connection: UpstreamConnection) -> None:
        """The exchange on `connection` is over, and it can be used again."""
        if not self._keeps:
            connection.abort()
            return
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(connection)
                return
        self._idle.append(connection)

    def forget(self, connection: UpstreamConnection) -> None:
        """`connection` is no longer among those that count."""
        if connection in self.connections:
            self.connections.discard(connection)
            if connection in self._idle:
                self._idle.remove(connection)
            self._let_one_in()

    def close(self) -> None:
        """Close all connections."""
        for connection in tuple(self.connections):
            connection.abort()

    async def _turn(self, deadline: float) -> UpstreamConnection | None:
        """Wait until a connection is free, and given, or another may be made."""
        if len(self._waiting) >= self.limits.waiting:
            raise UpstreamBusyError(f"{self.limits.waiting} requests wait for it already")
        waiter: asyncio.Future[UpstreamConnection | None] = self.loop.create_future()
        self._waiting.append(waiter)
        try:
            async with asyncio.timeout_at(deadline):
                return await waiter
        except TimeoutError:
            self._give_back(waiter)
            reason = f"no connection to it became free within {self.limits.wait_time:g} s"
            raise UpstreamBusyError(reason) from None
        except asyncio.CancelledError:
            self._give_back(waiter)
            raise

    def _give_back(self, waiter: "asyncio.Future[UpstreamConnection | None]") -> None:
        if waiter in self._waiting:
            self._waiting.remove(waiter)
        elif waiter.done() and not waiter.cancelled():
            connection = waiter.result()
            if connection is None:
                self._let_one_in()
            else:
                self.release(connection)

    def _let_one_in(self) -> None:
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return

    async def _connect(self) -> UpstreamConnection:
        self._connecting += 1
        try:
            _, connection = await self._place.connect(
                lambda: UpstreamConnection(self),
                timeout=self.limits.connect_time,
                context=self._context,
            )
        except ConnectError as error:
            late = isinstance(error.__cause__, TimeoutError)
            kind: type[GatewayError] = UpstreamLateError if late else GatewayError
            self._let_one_in()
            raise kind(error.reason) from None
        except BaseException:
            self._let_one_in()
            raise
        finally:
            self._connecting -= 1
        return connection

    def sweep(self, now: float) -> None:
        """End what has taken too long by `now`, in the loop's time."""
        self.now = now
        for connection in tuple(self.connections):
            connection.check(now)

    async def _keep(self) -> None:
        """Look at the clock as long as there are connections; close them when the loop ends."""
        try:
            while self.connections:
                self.sweep(self.loop.time())
                await asyncio.sleep(_SWEEP)
        finally:
            self._keeper = None
            self.close()
