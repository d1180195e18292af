"""The body of a request, taken as it comes and given as it is asked for."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from typing import Final, Protocol

from httptools import HttpParserError, HttpRequestParser

from ...persist.errors import PerdureError
from .errors import HTTPError
from .head import CHUNKED, Head, RequestError
from .limits import Limits

_PROLOGUE: Final = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
_LONGEST_LINE: Final = 4096


class BodyTooLargeError(HTTPError):
    """A body is longer than allowed. Attribute `limit`: in bytes."""

    def __init__(self, limit: int) -> None:
        super().__init__(413, f"The request's body is larger than {limit} bytes.")
        self.limit = limit


class BodyLateError(HTTPError):
    """Nothing came of a body for longer than `Limits.body_time`."""

    def __init__(self) -> None:
        super().__init__(408)


class BodyTakenError(PerdureError):
    """A body was asked for a second time after it had been streamed."""

    def __init__(self) -> None:
        super().__init__("the body was streamed already; keep what stream() gave, or use read()")


class ClientGoneError(PerdureError):
    """The client closed the connection before its request was complete."""

    def __init__(self) -> None:
        super().__init__("the client closed the connection in the middle of its request")


class BodyDroppedError(PerdureError):
    """The reply was complete before the body was: what there is of it is thrown away."""

    def __init__(self) -> None:
        super().__init__("the reply has left, so the rest of its request is not read")


class Source(Protocol):
    """What a body comes from: the channel."""

    def body_wanted(self) -> None:
        """Somebody waits for more of the body."""

    def body_taken(self) -> None:
        """Some of what was buffered has been taken."""

    def body_gathered(self, size: int) -> bool:
        """So many bytes more, or fewer, of bodies are kept; whether that is not too much."""
        ...


class Framing(Protocol):
    """Knows where a body ends whose length is not given."""

    @property
    def complete(self) -> bool:
        """Whether the end has come."""
        ...

    @property
    def left(self) -> int:
        """How much has been announced and not come."""
        ...

    def feed(self, data: bytes) -> tuple[list[bytes], bytes]:
        """The contents in `data`, and what follows the body. Raises `RequestError`."""
        ...


class Chunks:
    """Takes the framing off a chunked body (RFC 9112, 7.1).

    llhttp judges every byte; this keeps count beside it, to know where the body ends in what came.
    If the two should ever disagree, the message is refused.
    """

    __slots__ = ("_line", "_parser", "_sink", "_trailers", "left")

    def __init__(self) -> None:
        self._sink = _Sink()
        self._parser = HttpRequestParser(self._sink)
        self._parser.feed_data(_PROLOGUE)
        self._line = b""
        self.left = 0
        """How much of a chunk that was announced has not come."""
        self._trailers = False

    @property
    def complete(self) -> bool:
        """Whether the last chunk and the trailers, which are dropped, have been read."""
        return self._sink.complete

    def feed(self, data: bytes) -> tuple[list[bytes], bytes]:
        """The contents in `data`, and what follows the body. Raises `RequestError`."""
        position = 0
        while not self._sink.complete and position < len(data):
            if self.left:
                piece = data[position : position + self.left]
                self._check(piece)
                self.left -= len(piece)
            else:
                end = data.find(b"\n", position)
                piece = data[position : end + 1] if end >= 0 else data[position:]
                self._check(piece)
                self._line += piece
                if len(self._line) > _LONGEST_LINE:
                    raise RequestError(400, "A line between chunks is too long.")
                if end >= 0 and not self._trailers:
                    size = int(self._line.partition(b";")[0], 16)
                    self.left = size + 2 if size else 0
                    self._trailers = not size
                    self._line = b""
            position += len(piece)
        pieces, self._sink.pieces = self._sink.pieces, []
        return pieces, data[position:]

    def _check(self, piece: bytes) -> None:
        try:
            self._parser.feed_data(piece)
        except HttpParserError as error:
            raise RequestError(400, f"The body breaks the grammar of chunks: {error}.") from None


class _Sink:
    """Takes llhttp's events. Apart from `Chunks`, so that no cycle needs the collector."""

    __slots__ = ("complete", "pieces")

    def __init__(self) -> None:
        self.complete = False
        self.pieces: list[bytes] = []

    def on_body(self, piece: bytes) -> None:
        self.pieces.append(piece)

    def on_message_complete(self) -> None:
        self.complete = True


class RequestBody:
    """The body of one request.

    The channel feeds it; a resource streams or reads it. `buffered` bytes came and were not
    taken yet: the channel stops reading when they are too many.
    """

    __slots__ = (
        "_chunks",
        "_discarding",
        "_drained",
        "_error",
        "_gathered",
        "_left",
        "_pieces",
        "_source",
        "_streamed",
        "_waiter",
        "_whole",
        "buffered",
        "complete",
        "expects",
        "limits",
        "received",
    )

    def __init__(
        self, source: Source, head: Head, limits: Limits, framing: Framing | None = None
    ) -> None:
        if head.length > limits.body:
            raise _too_large(limits)
        self._source = source
        self.limits = limits
        self._chunks = Chunks() if framing is None and head.length == CHUNKED else framing
        self._left = max(head.length, 0)
        self.expects = head.expects
        self._pieces: deque[bytes] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._error: PerdureError | None = None
        self._whole: bytes | None = None
        self._streamed = False
        self._discarding = False
        self._drained = 0
        self._gathered = 0
        self.buffered = 0
        self.received = 0
        self.complete = False

    @property
    def wanted(self) -> bool:
        """Whether somebody waits for more, or the rest is being thrown away."""
        return self._waiter is not None or self._discarding

    def feed(self, data: bytes) -> bytes:
        """Takes what belongs to the body, returns what follows it. Raises `RequestError`."""
        if self._chunks is None:
            piece = data if len(data) <= self._left else data[: self._left]
            rest = data[len(piece) :]
            self._left -= len(piece)
            self.complete = not self._left
            pieces = [piece] if piece else []
        else:
            pieces, rest = self._chunks.feed(data)
            self.complete = self._chunks.complete
            self._left = self._chunks.left
        size = sum(map(len, pieces))
        self.received += size
        self.expects = self.expects and not data
        if self.received + self._left > self.limits.body:
            raise _too_large(self.limits)
        if self._discarding:
            self._drained += size
            if self._drained > self.limits.drain:
                raise _too_large(self.limits)
        else:
            self._pieces.extend(pieces)
            self.buffered += size
            self._wake()
        return rest

    def discard(self) -> bool:
        """Throws away what came and what comes; False if it is better to close the connection.

        Whoever still waits for it, or asks for more, gets `BodyDroppedError`.
        """
        self._discarding = True
        self._pieces.clear()
        self.buffered = 0
        self._wake()
        return self.can_be_skipped

    @property
    def can_be_skipped(self) -> bool:
        """Whether what has not come is little enough to be read for nothing, as far as known."""
        return not self.expects and not self.failed and self._left <= self.limits.drain

    @property
    def failed(self) -> bool:
        """Whether nothing of use can come any more."""
        return self._error is not None

    def fail(self, error: PerdureError) -> None:
        """Whoever asks for more gets `error`."""
        if self._error is None and not self.complete:
            self._error = error
            self._wake()

    def _wake(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    async def _next(self) -> bytes:
        """The next piece; empty at the end."""
        while True:
            if isinstance(self._error, HTTPError):
                raise self._error
            if self._discarding:
                raise BodyDroppedError
            if self._pieces:
                piece = self._pieces.popleft()
                self.buffered -= len(piece)
                self._source.body_taken()
                return piece
            if self.complete:
                return b""
            if self._error is not None:
                raise self._error
            self._waiter = asyncio.get_running_loop().create_future()
            self._source.body_wanted()
            await self._waiter

    async def stream(self) -> AsyncIterator[bytes]:
        """See `Request.stream`."""
        if self._whole is not None:
            yield self._whole
            return
        if self._streamed:
            raise BodyTakenError
        self._streamed = True
        while piece := await self._next():
            yield piece

    async def read(self, limit: int | None = None) -> bytes:
        """See `Request.read`."""
        if self._whole is None:
            pieces: list[bytes] = []
            size = 0
            if limit is not None and self._left > limit:
                raise BodyTooLargeError(limit)
            try:
                async for piece in self.stream():
                    size += len(piece)
                    if limit is not None and size > limit:
                        raise BodyTooLargeError(limit)
                    self.gather(len(piece))
                    pieces.append(piece)
                self._whole = b"".join(pieces)
            finally:
                self.let_go()
        if limit is not None and len(self._whole) > limit:
            raise BodyTooLargeError(limit)
        return self._whole

    def gather(self, size: int) -> None:
        """So many bytes more of it are kept until all has come. Raises `HTTPError` 503 if all bodies
        together are too much."""
        before = max(self._gathered - self.limits.buffer, 0)
        self._gathered += size
        more = max(self._gathered - self.limits.buffer, 0) - before
        if more and not self._source.body_gathered(more):
            raise HTTPError(503, headers=[("Retry-After", "1")])

    def let_go(self) -> None:
        """It is not being gathered any more."""
        counted = max(self._gathered - self.limits.buffer, 0)
        self._gathered = 0
        if counted:
            self._source.body_gathered(-counted)


def _too_large(limits: Limits) -> RequestError:
    return RequestError(413, f"The request's body is larger than {limits.body} bytes.")
