"""The sending half of a connection: what leaves, in which order, and how it ends."""

import asyncio
import socket
import struct
from time import time
from typing import TYPE_CHECKING, Final, cast

from .body import RequestBody
from .request import Request

if TYPE_CHECKING:
    from .http import HTTPServer

IDLE, HEAD, BUSY, SENDING, REST, LINGER, CLOSING = range(7)
"""What a connection is in: between requests, within a head, rendering, sending a file, throwing
away the rest of a body, waiting for the client's close, closing."""

_CORK: Final = 16
_CLIENT_CLOSED: Final = 499
_CUT: Final = struct.pack("ii", 1, 0)


class Output(asyncio.Protocol):
    """Sends the replies of one connection. All that leaves goes through `leave`."""

    __slots__ = (
        "_blocked",
        "_body",
        "_client",
        "_corked",
        "_drained",
        "_phase",
        "_reading",
        "_request",
        "_secure",
        "_server",
        "_since",
        "_task",
        "_unsent",
        "transport",
    )

    def __init__(self, server: "HTTPServer", secure: bool) -> None:
        self._server = server
        self._secure = secure
        self._client = ""
        self._request: Request | None = None
        self._body: RequestBody | None = None
        self._task: asyncio.Task[None] | None = None
        self._corked: list[bytes] | None = None
        self._drained: asyncio.Future[None] | None = None
        self._phase = IDLE
        self._since = 0.0
        self._unsent = 0
        self._blocked = False
        self._reading = True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        peer: object = transport.get_extra_info("peername")
        self._client = cast("tuple[str, int]", peer)[0] if isinstance(peer, tuple) else "unix"
        self._since = self._server.now

    def connection_lost(self, exc: Exception | None) -> None:
        self._phase = CLOSING
        self._server.leave(self)
        self._give_up()

    def _give_up(self) -> None:
        """The reply that was being made has nobody to go to."""
        request, self._request = self._request, None
        if request is not None:
            self._server.note(request, _CLIENT_CLOSED, 0)
            request.close()
        if self._task is not None and not self._task.cancelling():
            # Not at once: a task that has not begun would leave its coroutine never awaited.
            self._server.loop.call_soon(self._task.cancel)

    # Replies.

    def leave(self, data: bytes) -> None:
        """Sends `data`; the one door through which replies leave.

        Replies to pipelined requests gather until the last of them and leave in one write.
        """
        if self._corked is not None:
            self._corked.append(data)
            if len(self._corked) >= _CORK:
                self.uncork()
                self._corked = []
        elif self._phase < LINGER:
            self.transport.write(data)

    def uncork(self) -> None:
        """Sends what has gathered, and from now on at once."""
        corked, self._corked = self._corked, None
        if corked:
            self.transport.write(b"".join(corked))

    def keeps(self, request: Request, closes: bool = False) -> bool:
        """Whether the connection stays open after the reply; to be decided with its head."""
        body = self._body
        return self.wants_more(request, closes) and (
            body is None or body.complete or body.can_be_skipped
        )

    def wants_more(self, request: Request, closes: bool = False) -> bool:
        """Whether both sides will go on with further requests, whatever is left of this one."""
        return request.head.keep_alive and not closes and not self._server.draining

    def ending(self, request: Request, keeps: bool) -> bytes:
        """What every head ends with: Connection, the fields of session and site, Date, an empty line."""
        server = self._server
        if int(time()) != server.second:
            server.tick()
        persistence = request.head.persistence if keeps else b"Connection: close\r\n"
        return persistence + request.head_fields() + server.fields

    def reply(
        self, request: Request, status: int, head: bytes, body: bytes, closes: bool = False
    ) -> None:
        """Sends a whole reply. `head` is without what `ending` adds."""
        keeps = self.keeps(request, closes)
        if request.method == "HEAD":
            body = b""
        self.leave(b"".join((head, self.ending(request, keeps), body)))
        self.finish(request, status, len(body), keeps)

    def finish(self, request: Request, status: int, sent: int, keeps: bool) -> None:
        """The reply to `request` has left; `sent` bytes of it were body."""
        server = self._server
        keeps = keeps and not server.draining
        if server.log is not None:
            server.note(request, status, sent)
        self._request = None
        self._since = server.now
        body = self._body
        if body is None or body.complete:
            self._body = None
            if keeps:
                self._phase = IDLE
            else:
                self.close()
        elif body.discard() and keeps:
            self._phase = REST
        else:
            self.close(linger=True)

    def break_off(self, request: Request, status: int, sent: int) -> None:
        """Cuts the connection, so that nobody takes the part of a reply that left for the whole."""
        if self._request is not request:
            return  # the client has gone before
        self._server.note(request, status, sent)
        self._request = None
        request.close()
        sock = self.transport.get_extra_info("socket")
        if sock.family != socket.AF_UNIX and not self.transport.is_closing():
            # A body that ends with the connection is told from a cut one only by a reset.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _CUT)
        self.abort()

    # The transport's flow.

    def pause_writing(self) -> None:
        self._blocked = True
        self._unsent = self.transport.get_write_buffer_size()
        self._since = self._server.now

    def resume_writing(self) -> None:
        self._blocked = False
        drained, self._drained = self._drained, None
        if drained is not None and not drained.done():
            drained.set_result(None)

    async def drained(self) -> None:
        """Returns when the client has taken so much that more may be sent.

        Always lets others have a turn: a source that never waits would otherwise hold the loop, and
        not even notice that its client has gone.
        """
        if self._blocked:
            self._drained = self._server.loop.create_future()
            await self._drained
        else:
            await asyncio.sleep(0)

    async def flushed(self) -> None:
        """Returns when nothing is left in the transport's buffer."""
        self.transport.set_write_buffer_limits(0)
        try:
            await self.drained()
        finally:
            self.transport.set_write_buffer_limits()

    def body_gathered(self, size: int) -> bool:
        """So many bytes more, or fewer, of bodies are kept; whether that is not too much."""
        server = self._server
        server.gathered += size
        return server.gathered <= max(server.limits.bodies, server.limits.body)

    def touch(self) -> None:
        """Something went on: the time allowed begins anew."""
        self._since = self._server.now

    # The end.

    def close(self, *, linger: bool = False) -> None:
        """Closes once all has been sent.

        After an error, with `linger`, the client may still be sending: closing at once would
        reset the connection and lose the reply on its way (RFC 9112, 9.6).
        """
        if self._corked is not None:
            self.uncork()
        self._since = self._server.now
        if linger:
            self._phase = LINGER
            if not self._secure:
                self.transport.write_eof()
            if not self._reading:
                self._reading = True
                self.transport.resume_reading()
        else:
            self._phase = CLOSING
            self.transport.close()

    def abort(self) -> None:
        """Closes at once, whatever has not been sent."""
        self._phase = CLOSING
        self.transport.abort()

    def cut(self) -> "asyncio.Task[None] | None":
        """As `abort`; returns the task that is being cancelled, if any."""
        self.abort()
        return self._task
