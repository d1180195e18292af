"""One request of an HTTP/2 connection, and the reply to it."""

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Final

from h2.errors import ErrorCodes

from .body import BodyLateError, RequestBody
from .errors import HTTPError, error_page
from .head import END, Head, RequestError
from .http2head import reply_fields
from .output import BUSY, CLOSING, IDLE
from .rendering import Rendering
from .request import Request
from .upgrade import Upgrade

if TYPE_CHECKING:
    from .http2 import HTTP2Connection

_ROOM: Final = 64 * 1024
"""Bytes of a reply that wait for the client; beyond it, who makes it has to wait."""


class _Frames:
    """The framing of a body that came in frames, which are off already."""

    def __init__(self, length: int) -> None:
        self.left = max(length, 0)
        self.complete = False
        self._counts = length >= 0

    def feed(self, data: bytes) -> tuple[list[bytes], bytes]:
        """The contents in `data`, and nothing behind it."""
        if self._counts:
            if len(data) > self.left:
                raise RequestError(400, "The body is longer than was declared.")
            self.left -= len(data)
        return ([data] if data else []), b""


class HTTP2Stream(Rendering):
    """Renders as a connection of its own would; what leaves becomes frames of the one there is."""

    __slots__ = (
        "_begun",
        "_connection",
        "_frames",
        "_held",
        "_thrown",
        "_waits",
        "ended",
        "is_heard",
        "is_told",
        "number",
        "unsent",
    )

    def __init__(self, connection: "HTTP2Connection", number: int) -> None:
        super().__init__(connection.server, secure=True)
        self._connection = connection
        self._client = connection.client
        self._since = self._server.now
        self._frames: _Frames | None = None
        self._begun = False
        self._held = 0
        self._thrown = 0
        self._waits: deque[memoryview] = deque()
        self.number = number
        self.unsent = 0
        """How many bytes of the reply wait."""
        self.ended = False
        """Whether nothing will be added to the reply."""
        self.is_told = False
        """Whether all of the reply has been sent."""
        self.is_heard = False
        """Whether all of the request has come."""

    # Input.

    def prepare(self, head: Head) -> Request:
        """The request that is to be answered. Raises `RequestError`."""
        server = self._server
        proxies = server.proxies
        origin = None
        if proxies is not None and proxies.trusts(self._client):
            origin = proxies.origin(head.headers, self._client)
        if head.length:
            self._frames = _Frames(head.length)
            self._body = RequestBody(self, head, server.limits, self._frames)
        request = Request(head, self._client, True, server.registry, server.sessions, self._body)
        if origin is not None:
            origin.apply(request)
        return request

    def feed(self, data: bytes, size: int) -> None:
        """Takes a piece of the body, which counted as `size` bytes for the flow control."""
        if self.ended:
            self._thrown += size
            self._connection.acknowledge(self, size)
            if self._thrown > self._server.limits.drain:
                # RFC 9113, 8.1: the reply is whole, the rest of the request is for nothing.
                self._connection.reset(self, ErrorCodes.NO_ERROR)
            return
        self._held += size
        body = self._body
        if body is not None and not body.failed:
            try:
                body.feed(data)
            except RequestError as error:
                body.fail(error)
            else:
                self._since = self._server.now
        self.body_taken()

    def finish_body(self) -> None:
        """The body has come to its end."""
        self.is_heard = True
        body, frames = self._body, self._frames
        if body is None or frames is None or body.failed or self.ended:
            return
        if frames.left:
            body.fail(RequestError(400, "The body is shorter than was declared."))
            return
        frames.complete = True
        body.feed(b"")

    def body_wanted(self) -> None:
        body = self._body
        self._since = self._server.now
        if body is not None and body.expects:
            body.expects = False
            self._connection.send_head(self, [(b":status", b"100")])

    def body_taken(self) -> None:
        kept = self._body.buffered if self._body is not None else 0
        taken, self._held = self._held - kept, kept
        if taken > 0:
            self._connection.acknowledge(self, taken)

    # Output.

    def leave(self, data: bytes) -> None:
        if self._phase == CLOSING:
            return
        if not self._begun:
            end = data.index(END) + 4
            self._begun = True
            self._connection.send_head(self, reply_fields(data[:end]))
            if self.ended:
                return  # the client has taken its request back meanwhile
            data = data[end:]
        if data:
            self._waits.append(memoryview(data))
            self.unsent += len(data)
            self._connection.added(len(data))
            if self.unsent > _ROOM:
                self._blocked = True
                self._since = self._server.now
        self._connection.flush_soon(self)

    def take(self, size: int) -> bytes:
        """The next `size` bytes of the reply at the most, to be sent now."""
        waits = self._waits
        piece = waits.popleft()
        if len(piece) < size and waits:
            pieces = [piece]
            missing = size - len(piece)
            while waits and missing:
                piece = waits.popleft()
                if len(piece) > missing:
                    waits.appendleft(piece[missing:])
                    piece = piece[:missing]
                missing -= len(piece)
                pieces.append(piece)
            taken = b"".join(pieces)
        else:
            if len(piece) > size:
                waits.appendleft(piece[size:])
            taken = bytes(piece[:size])
        self.unsent -= len(taken)
        self._since = self._server.now
        if self._blocked and self.unsent <= _ROOM // 2:
            self.resume_writing()
        return taken

    def finish(self, request: Request, status: int, sent: int, keeps: bool) -> None:
        if self._request is not request:
            return
        if self._server.log is not None:
            self._server.note(request, status, sent)
        self._request = None
        self._phase = IDLE
        if self._body is not None and not self._body.complete:
            self._body.discard()
        self._end()

    def break_off(self, request: Request, status: int, sent: int) -> None:
        if self._request is not request:
            return
        self._server.note(request, status, sent)
        self._request = None
        request.close()
        self._connection.reset(self, ErrorCodes.INTERNAL_ERROR)

    def upgrade(self, request: Request, upgrade: Upgrade) -> None:
        # RFC 9113, 8.6: there is no such thing here. The client may ask again in HTTP/1.1.
        self._request = None
        request.close()
        upgrade.tunnel.closed(None)
        self._connection.reset(self, ErrorCodes.HTTP_1_1_REQUIRED)

    def refuse(self, error: HTTPError, beginning: bytes) -> None:
        """Answers what is no request."""
        server = self._server
        server.tick()
        page = error_page(error.status, error.detail, headers=error.headers)
        body = page.body.encode() if isinstance(page.body, str) else b""
        self.leave(page.head(len(body)) + server.fields + body)
        server.note_refused(self._client, beginning, error.status)
        self._end()

    def rendered(self) -> None:
        pass

    @property
    def waits(self) -> bool:
        """Whether somebody waits for more of the body."""
        return self._body is not None and self._body.wanted

    # The end.

    def _end(self) -> None:
        """The reply is complete; what else comes of the request is read as far as that costs little.

        Some clients take it for a failure when their request is cut off, though it is none.
        """
        self.ended = True
        held, self._held = self._held, 0
        self._connection.acknowledge(self, held)
        self._connection.flush_soon(self)

    @property
    def task(self) -> "asyncio.Task[None] | None":
        """What still works for the reply."""
        return self._task

    def drain(self) -> None:
        """The server is stopping."""
        if self._request is not None:
            self._request.drain()

    def gone(self) -> None:
        """The stream is no more, whatever was still to come or to leave."""
        self._phase = CLOSING
        self._connection.added(-self.unsent)
        self.unsent = 0
        self._waits.clear()
        self._end()
        self._give_up()

    def check(self, now: float) -> None:
        """Ends what has taken too long by `now`."""
        limits = self._server.limits
        age = now - self._since
        body = self._body
        if self.unsent:
            if age > limits.send_time:
                self._connection.reset(self, ErrorCodes.CANCEL)
        elif self.is_told:
            if age > limits.linger_time:
                self._connection.reset(self, ErrorCodes.NO_ERROR)
        elif self._phase == BUSY and body is not None and body.wanted and age > limits.body_time:
            body.fail(BodyLateError())
            self._since = now
