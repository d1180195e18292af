"""What goes into a CGI script: the body of a request, whose length the script is told before."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from typing import TYPE_CHECKING, Final, cast

from ..body import BodyLateError, BodyTooLargeError
from ..head import CHUNKED
from ..spool import Spool

if TYPE_CHECKING:
    from ..request import Request

_AHEAD: Final = 64 * 1024


class CGIBody:
    """A request's body on its way to a script.

    `begin` takes what there is up to 64 KB: as much as the channel would keep anyway. So a form that is
    sent slowly costs a connection and no process. A longer body is streamed if the client said how
    long it is; if not, `measure` has to find out.
    """

    def __init__(self, request: "Request") -> None:
        self._file: Spool | None = None
        self.ahead = b""
        self._length = 0 if request.body is None else request.head.length
        self._rest = cast("AsyncGenerator[bytes]", request.stream())
        self._ended = request.body is None

    @property
    def length(self) -> int:
        """How many bytes the script will get; to be asked after `measure`."""
        return self._length

    @property
    def file(self) -> int | None:
        """The whole body as an open file, if it had to be measured."""
        return None if self._file is None else self._file.descriptor

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to give."""
        return self._ended and not self.ahead

    async def begin(self) -> None:
        """Takes the beginning. Raises what `Request.stream` does."""
        pieces: list[bytes] = []
        size = 0
        while not self._ended and size < _AHEAD:
            piece = await anext(self._rest, b"")
            pieces.append(piece)
            size += len(piece)
            self._ended = not piece or size == self._length
        self.ahead = b"".join(pieces)
        if self._ended:
            self._length = size

    @property
    def is_unmeasured(self) -> bool:
        """Whether `measure` is needed."""
        return self._length == CHUNKED

    async def measure(self, limit: int, seconds: float | None) -> None:
        """Finds the length of a body that did not tell, by keeping it in a temporary file.

        Raises `BodyTooLargeError` over `limit` bytes, `BodyLateError` after `seconds`, and as
        `Spool.append`.
        """
        try:
            async with asyncio.timeout(seconds):
                await self._spool(limit)
        except TimeoutError:
            raise BodyLateError from None

    async def _spool(self, limit: int) -> None:
        self._file = file = Spool()
        piece = self.ahead
        while piece:
            if file.size + len(piece) > limit:
                raise BodyTooLargeError(limit)
            await file.append(piece)
            piece = await anext(self._rest, b"")
        self._length = file.size
        self._ended = True
        self.ahead = b""

    async def pieces(self) -> AsyncIterator[bytes]:
        """What is not in `file`, as it comes."""
        if self.ahead:
            yield self.ahead
            self.ahead = b""
        if not self._ended:
            async for piece in self._rest:
                yield piece

    async def close(self) -> None:
        """Forgets it; what was not taken is the channel's to deal with."""
        if self._file is not None:
            self._file.close()
        await self._rest.aclose()
