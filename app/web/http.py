"""The HTTP server: the connections of one site, their clock, log and end."""

import asyncio
import socket
import ssl
import time
from collections.abc import Sequence
from email.utils import formatdate
from typing import TYPE_CHECKING, Any, Final, Protocol, cast

from ..ledger import Ledger
from ..registry import Registry
from .accesslog import AccessLog, escaped
from .channel import HTTPChannel
from .head import Head, parse_head
from .limits import Limits
from .request import Request
from .sessions import Sessions
from .site import Site

if TYPE_CHECKING:
    from .door import Door

PROTOCOLS: Final = ("h2", "http/1.1")
"""What is spoken behind TLS, the best first (RFC 7301)."""

_SWEEP: Final = 1.0
_GRACE: Final = 5.0
"""For what a cancelled render still does in its ``finally``."""

_BACKLOG: Final = 1024
_REMEMBERED_HEADS: Final = 512
_REMEMBERED_SIZE: Final = 2048


class Connection(Protocol):
    """A connection as the server knows it, whatever is spoken on it."""

    def check(self, now: float) -> None:
        """Ends what has taken too long by `now`."""
        ...

    def drain(self) -> None:
        """The server is stopping: comes to an end soon."""
        ...

    def cut(self) -> asyncio.Future[Any] | None:
        """Closes at once; gives the task that is being cancelled, or all of them, if any."""
        ...


class HTTPServer:
    """Serves one site to any number of connections. Never saved: a site may have several.

    Made where an event loop runs, or for `loop`. Raises `AccessLogError`.
    """

    def __init__(
        self,
        site: Site,
        registry: Registry,
        loop: asyncio.AbstractEventLoop | None = None,
        *,
        ledger: Ledger | None = None,
    ) -> None:
        self.loop = loop or asyncio.get_running_loop()
        self.site = site
        self.registry = registry
        self.ledger = ledger
        """What makes changes durable before replies tell of them; None if nothing does."""
        self.limits = Limits() if site.limits is None else site.limits
        self.proxies = site.proxies()
        self.sessions = Sessions(registry, self.limits, self.loop, ledger=ledger)
        self.log = AccessLog(site.log, self.loop) if site.log is not None else None
        self.connections: set[Connection] = set()
        self.gathered = 0
        """Bytes of bodies that are being gathered in memory, see `Limits.bodies`."""
        self.draining = False
        self.now = self.loop.time()
        self.second = 0
        self.fields = b""
        """What the head of every reply ends with, this second."""
        self._extra = site.head_fields()
        self._when = ""
        self._heads: dict[bytes, Head] = {}
        self._doors: list[asyncio.Server | Door] = []
        self._timer: asyncio.TimerHandle | None = None
        self._emptied: asyncio.Event | None = None
        self.tick()

    async def listen(
        self, sockets: Sequence[socket.socket], ssl_context: ssl.SSLContext | None = None
    ) -> None:
        """Accepts connections on `sockets`, which are bound. They stay the caller's to close:
        after `drain`, connections wait in the kernel's queue until then.

        With `ssl_context`, TLS is spoken there, and HTTP/2 with clients that can if the context offers
        it, see `PROTOCOLS`."""
        self.sessions.open()
        for each in sockets:
            if ssl_context is not None:
                from .door import Door

                self._doors.append(Door(self, each.dup(), ssl_context))
                continue
            self._doors.append(
                await self.loop.create_server(
                    lambda: HTTPChannel(self, False), sock=each.dup(), backlog=_BACKLOG
                )
            )

    async def drain(self, seconds: float | None) -> None:
        """Comes to an end: accepts no more, lets begun requests finish, writes the log.

        Idle connections are closed at once; replies from now on close theirs. What is not done
        after `seconds` is cut off; None waits as long as it takes. May be called again.
        """
        self.draining = True
        doors, self._doors = self._doors, []
        for door in doors:
            door.close()
        for channel in tuple(self.connections):
            channel.drain()
        try:
            async with asyncio.timeout(seconds):
                await self._empty()
        except TimeoutError:
            tasks = [task for channel in tuple(self.connections) if (task := channel.cut())]
            await self._empty()
            if tasks:
                await asyncio.wait(tasks, timeout=_GRACE)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.sessions.close()
        if self.log is not None:
            self.log.flush()

    async def _empty(self) -> None:
        if self.connections:
            self._emptied = asyncio.Event()
            await self._emptied.wait()

    def close_log(self) -> None:
        """Writes and closes the access log; the last call."""
        log, self.log = self.log, None
        if log is not None:
            log.close()

    # What follows is for the channels.

    def join(self, channel: Connection) -> bool:
        """Counts a connection in; False when there are more than may be."""
        if self._timer is None:
            self.now = self.loop.time()
            self._timer = self.loop.call_later(_SWEEP, self._sweep_again)
        self.connections.add(channel)
        return len(self.connections) <= self.limits.connections

    def replace(self, channel: Connection, other: Connection) -> None:
        """Counts `other` instead of `channel`: it is the same connection."""
        self.connections.discard(channel)
        self.connections.add(other)

    def leave(self, channel: object) -> None:
        """Counts a connection out."""
        self.connections.discard(cast(Connection, channel))
        if not self.connections and self._emptied is not None:
            self._emptied.set()

    def _sweep_again(self) -> None:
        self._timer = None
        self.sweep(self.loop.time())
        if self.connections:
            self._timer = self.loop.call_later(_SWEEP, self._sweep_again)

    def sweep(self, now: float) -> None:
        """Closes what has taken too long by `now`, in the loop's time.

        One timer for all connections: a timer a request costs as much as parsing it.
        """
        self.now = now
        for channel in tuple(self.connections):
            channel.check(now)

    def tick(self) -> None:
        """Makes `fields` those of the present second."""
        self.second = int(time.time())
        date = formatdate(self.second, usegmt=True)
        self.fields = b"%bDate: %b\r\n\r\n" % (self._extra, date.encode())
        self._when = time.strftime("%d/%b/%Y:%H:%M:%S %z", time.localtime(self.second))

    def head(self, raw: bytes) -> Head:
        """The head in `raw`; clients repeat themselves, so those seen lately are remembered.

        Raises `RequestError`.
        """
        head = self._heads.get(raw)
        if head is None:
            head = parse_head(raw, self.limits.fields)
            if not head.length and len(raw) <= _REMEMBERED_SIZE:
                if len(self._heads) >= _REMEMBERED_HEADS:
                    self._heads.clear()
                self._heads[raw] = head
        return head

    def note(self, request: Request, status: int, sent: int) -> None:
        """Logs a reply of `sent` bytes."""
        if self.log is not None:
            self.log.add(request.client, request.user, self._when, request.head, status, sent)

    def note_refused(self, client: str, beginning: bytes, status: int) -> None:
        """Logs that what began with `beginning` was no request, and answered with `status`."""
        if self.log is not None:
            line = escaped(beginning[:200].split(b"\r\n")[0].decode("latin-1"))
            self.log.add_line(f'{client} - - [{self._when}] "{line}" {status} 0 "-" "-"\n')
