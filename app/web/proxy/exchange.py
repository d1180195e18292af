"""One request to another server, and its answer."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from .answerhead import AnswerHead
from .gatewayerror import UpstreamGoneError

if TYPE_CHECKING:
    from .upstreamconnection import UpstreamConnection


class Exchange(AsyncIterator[bytes]):
    """One request and its answer, whose body it iterates over, in pieces as they come.

    Reading slowly slows the upstream. Who does not read to the end calls `aclose`: the connection,
    on which the rest is still to come, is then closed. Raises `GatewayError`.
    """

    __slots__ = (
        "_pieces",
        "_waiter",
        "buffered",
        "complete",
        "connection",
        "error",
        "head",
        "method",
        "sent",
        "upload",
    )

    def __init__(self, connection: "UpstreamConnection", method: str, sent: bool) -> None:
        self.connection: UpstreamConnection = connection
        self.method = method
        self.sent = sent
        """Whether all of the request has been sent."""
        self.head: AnswerHead | None = None
        self.complete = False
        self.error: Exception | None = None
        self.buffered = 0
        self.upload: asyncio.Task[None] | None = None
        self._pieces: deque[bytes] = deque()
        self._waiter: asyncio.Future[None] | None = None

    async def answered(self) -> AnswerHead:
        """The head of the answer, once it is there."""
        while self.head is None:
            if self.error is not None:
                raise self.error
            await self._progress()
        return self.head

    def taken(self) -> bytes:
        """What has come of the body and was not taken yet."""
        pieces = self._pieces
        piece = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        pieces.clear()
        self.buffered = 0
        return piece

    async def __anext__(self) -> bytes:
        while not self._pieces:
            if self.complete:
                raise StopAsyncIteration
            if self.error is not None:
                raise self.error
            await self._progress()
        piece = self.taken()
        if not self.complete:
            self.connection.steer()
        return piece

    async def aclose(self) -> None:
        """The answer is wanted no more, or was read to its end."""
        self.abandon()

    def abandon(self) -> None:
        """As `aclose`."""
        if self.upload is not None:
            self.upload.cancel()
        if not self.complete and self.error is None:
            self.fail(UpstreamGoneError("nobody waits for its answer any more"))
            self.connection.abort()

    # For the connection.

    def add(self, piece: bytes) -> None:
        """More of the body."""
        self._pieces.append(piece)
        self.buffered += len(piece)
        self.wake()

    def fail(self, error: Exception) -> None:
        """There will be no more, for this reason."""
        if not self.complete and self.error is None:
            self.error = error
            self.wake()

    def wake(self) -> None:
        """Something has come."""
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    async def _progress(self) -> None:
        self._waiter = self.connection.pool.loop.create_future()
        await self._waiter
