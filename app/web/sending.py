"""Bodies that do not leave in one piece: files and streams."""

import asyncio
import logging
import os
from collections.abc import AsyncIterable, AsyncIterator
from typing import TYPE_CHECKING, Final, cast

from ...persist.errors import PerdureError
from ..turns import UnsafeError
from .errors import HTTPError
from .filebody import FileBody, FileRange
from .response import BODILESS, Response

if TYPE_CHECKING:
    from .output import Output
    from .request import Request

SMALL: Final = 32 * 1024
"""Up to this many bytes, reading a file and sending it with the head is faster than sendfile."""

# As much as a socket's buffer takes at once; with half of it the calls cost a fifth more.
_SLICE: Final = 2 * 1024 * 1024
_COPY: Final = 64 * 1024

_report = logging.getLogger("perdure.web")


class FileShrunkError(PerdureError):
    """A file ended before the bytes that were promised. Attribute `missing`: how many."""

    def __init__(self, missing: int) -> None:
        super().__init__(f"a file became shorter while it was sent: {missing} bytes are missing")
        self.missing = missing


class PieceError(PerdureError):
    """A stream gave something that is neither text nor bytes. Attribute: `piece`."""

    def __init__(self, piece: object) -> None:
        super().__init__(f"a stream is made of str or bytes, not {piece!r}")
        self.piece = piece


def read_file(body: FileBody) -> bytes:
    """All of a small body; raises `FileShrunkError` and `OSError`."""
    pieces: list[bytes] = []
    for part in body.parts:
        if isinstance(part, FileRange):
            piece = os.pread(body.fd, part.length, part.offset)
            if len(piece) < part.length:
                raise FileShrunkError(part.length - len(piece))
            pieces.append(piece)
        else:
            pieces.append(part)
    return b"".join(pieces)


class FileSender:
    """Sends a body from its file to the socket inside the kernel.

    uvloop has no ``sendfile`` of its own, so this uses the transport's socket while the
    transport's buffer is empty, and a duplicate of it to wait until it takes more: the
    loop refuses a second watcher on a descriptor it watches already.
    """

    __slots__ = ("_body", "_channel", "_own", "_parts", "_socket")

    def __init__(self, channel: "Output", body: FileBody) -> None:
        self._channel = channel
        self._body = body
        self._parts = list(reversed(body.parts))
        self._socket: int = channel.transport.get_extra_info("socket").fileno()
        self._own = -1

    def begin(self) -> bool:
        """Sends what the socket takes at once; True when that was all. Raises `OSError`."""
        if self.push():
            return True
        # Now, while the transport is sure to be open: later its number may be another's.
        self._socket = self._own = os.dup(self._socket)
        return False

    def push(self) -> bool:
        """Sends what the socket takes now; True when all has left. Raises `OSError`."""
        transport = self._channel.transport
        parts = self._parts
        if transport.is_closing():
            raise ConnectionResetError
        while parts:
            if transport.get_write_buffer_size():
                return False
            part = parts.pop()
            if isinstance(part, bytes):
                transport.write(part)
                continue
            if not part.length:
                continue
            try:
                sent = os.sendfile(
                    self._socket, self._body.fd, part.offset, min(part.length, _SLICE)
                )
            except BlockingIOError:
                parts.append(part)
                return False
            if not sent:
                raise FileShrunkError(part.length)
            if sent < part.length:
                parts.append(FileRange(part.offset + sent, part.length - sent))
                if sent == _SLICE:
                    return False  # the others' turn
        return True

    async def run(self) -> None:
        """Sends the rest, as fast as the client takes it; after `begin`."""
        loop = asyncio.get_running_loop()
        try:
            await self._channel.flushed()
            done = loop.create_future()
            loop.add_writer(self._own, self._step, done)
            try:
                await done
            finally:
                loop.remove_writer(self._own)
        finally:
            self.close()

    def close(self) -> None:
        """Gives the duplicate of the socket back; a second time does nothing."""
        own, self._own = self._own, -1
        if own >= 0:
            os.close(own)

    def __del__(self) -> None:
        self.close()

    def _step(self, done: "asyncio.Future[None]") -> None:
        if done.done():
            return
        try:
            if self.push():
                done.set_result(None)
        except (OSError, PerdureError) as error:
            done.set_exception(error)
        self._channel.touch()


async def copy_file(channel: "Output", body: FileBody) -> None:
    """Sends a body piece by piece, for connections that encrypt."""
    for part in body.parts:
        if isinstance(part, bytes):
            channel.leave(part)
            continue
        offset, end = part.offset, part.offset + part.length
        while offset < end:
            piece = os.pread(body.fd, min(_COPY, end - offset), offset)
            if not piece:
                raise FileShrunkError(end - offset)
            offset += len(piece)
            channel.leave(piece)
            await channel.drained()


async def send_stream(
    channel: "Output", request: "Request", response: Response, *, tells_state: bool = True
) -> None:
    """Sends a response whose body comes in pieces: chunked, or up to the connection's end.

    The head leaves with the first piece, which may be empty; so what fails before it raises and can
    still be answered with an error page. What fails later cuts the connection.

    Each piece waits until all is durable that it may tell of; see `Resource.tells_state`.
    """
    status = response.status
    length = response.declared_length
    chunked = length is None and request.version == "1.1" and status not in BODILESS
    head = response.head(length)
    if chunked:
        head += b"Transfer-Encoding: chunked\r\n"
    pieces = aiter(cast(AsyncIterable[str | bytes], response.body))
    sent = 0
    begun = False
    try:
        if request.method == "HEAD" or status in BODILESS:
            await _durable(request, tells_state)
            channel.reply(request, status, head, b"", response.closes)
            return
        piece = await _next(pieces)
        # Its body may be what the stream is made from, so it is not yet a reason to close.
        keeps = channel.wants_more(request, response.closes or (length is None and not chunked))
        begin = head + channel.ending(request, keeps)
        while piece is not None:
            sent += len(piece)
            if length is not None and sent > length:
                raise LengthError(length)
            if chunked and piece:
                piece = b"%x\r\n%b\r\n" % (len(piece), piece)
            await _durable(request, tells_state)
            begun = True
            channel.leave(begin + piece)
            begin = b""
            await channel.drained()
            piece = await _next(pieces)
        if length is not None and sent < length:
            raise LengthError(length)
        # Its end tells of what was done after the last piece, too.
        await _durable(request, tells_state)
        channel.leave(begin + (b"0\r\n\r\n" if chunked else b""))
        channel.finish(request, status, sent, keeps)
    except Exception as error:
        if not begun:
            raise
        line = request.head.line.decode("latin-1")
        # That the disk is full, or a server behind gone, is no fault of the page.
        trace = None if isinstance(error, UnsafeError | HTTPError) else error
        _report.error("%s from %s broke off: %s", line, request.client, error, exc_info=trace)
        channel.break_off(request, status, sent)
    finally:
        close = getattr(pieces, "aclose", None)
        if close is not None:
            await close()


async def _durable(request: "Request", tells_state: bool) -> None:
    turn = request.turn
    if turn is not None and (tells_state or turn.touched):
        await turn.durable()


class LengthError(PerdureError):
    """A stream gave more or less than the Content-Length it declared. Attribute: `length`."""

    def __init__(self, length: int) -> None:
        super().__init__(f"a stream that declared {length} bytes gave more or less")
        self.length = length


async def _next(pieces: AsyncIterator[str | bytes]) -> bytes | None:
    """The next piece as bytes; None at the end."""
    try:
        piece = await anext(pieces)
    except StopAsyncIteration:
        return None
    if isinstance(piece, str):
        return piece.encode()
    if not isinstance(piece, bytes):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise PieceError(piece)
    return piece
