"""Replies compressed as they leave (RFC 9110, 8.4.1: gzip; RFC 7932: br; RFC 8878: zstd).

Over TLS, a page that shows both a secret and something that others may choose (a search term, say)
tells by its compressed length what the secret begins with: BREACH. Such a page says
``Cache-Control: no-transform``, and is left as it is; or it stands outside of what is compressed.
"""

import asyncio
import os
import zlib
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Callable,
    Mapping,
    Sequence,
)
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from fnmatch import fnmatchcase
from functools import cache, partial
from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Final, ParamSpec, TypeVar
from weakref import WeakSet

import attrs

from ..filebody import FileBody, FileRange
from ..files.precompressed import chosen
from ..resource import Resource, Wrapper
from ..response import BODILESS, Body, Response
from ..sending import FileShrunkError, LengthError, PieceError
from ..setting import SettingError

if TYPE_CHECKING:
    from ..request import Request

P = ParamSpec("P")
R = TypeVar("R")

TYPES: Final = (
    "text/*",
    "application/javascript",
    "application/json",
    "application/manifest+json",
    "application/wasm",
    "application/xml",
    "*+json",
    "*+xml",
    "font/otf",
    "font/ttf",
    "image/bmp",
    "image/x-icon",
)
"""What becomes smaller: pictures, films, archives and most fonts are compressed already."""

_NEVER: Final = "text/event-stream"
_AT_ONCE: Final = 16 * 1024
"""Up to so many bytes are compressed in the loop: a thread would take longer."""

_SLICE: Final = 64 * 1024

_MOST: Final = 128
"""Replies that are compressed as they come, at a time. Each has up to two megabytes, and its client may take
its time; those beyond leave as they are."""


class CompressionError(SettingError):
    """`Compressed` cannot work as it was described."""

    subject: ClassVar[str] = "compression: "


@attrs.frozen(eq=False)
class _Coder:
    """One body being compressed: `add` takes bytes, `push` gives what it held back, `end` the end."""

    add: Callable[[bytes], bytes]
    push: Callable[[], bytes]
    end: Callable[[], bytes]


_under_way: "WeakSet[_Coder]" = WeakSet()
"""Those of replies that come in pieces; also of one that nobody ever began to send, until it is gone."""


def _gzip() -> _Coder:
    coder = zlib.compressobj(5, zlib.DEFLATED, zlib.MAX_WBITS | 16)
    return _Coder(coder.compress, partial(coder.flush, zlib.Z_SYNC_FLUSH), coder.flush)


def _brotli() -> _Coder:
    # It has no types. A window of half a megabyte: the usual four are for each reply under way.
    coder: Any = import_module("brotli").Compressor(quality=4, lgwin=19)
    return _Coder(coder.process, coder.flush, coder.finish)


def _zstandard() -> _Coder:
    import zstandard

    # As for br: it would take two megabytes more.
    how = zstandard.ZstdCompressionParameters(compression_level=3, window_log=19)
    coder = zstandard.ZstdCompressor(compression_params=how).compressobj()
    push = partial(coder.flush, zstandard.COMPRESSOBJ_FLUSH_BLOCK)
    return _Coder(coder.compress, push, coder.flush)


_CODERS: Final[Mapping[str, Callable[[], _Coder]]] = MappingProxyType(
    {"zstd": _zstandard, "br": _brotli, "gzip": _gzip}
)
CODINGS: Final = tuple(_CODERS)
"""What a client gets that likes all of them alike is the first."""


class Compressed(Wrapper):
    """Compresses what `wrapped` replies, for clients that take it: by `types`, from `minimum` bytes.

    - `codings`: which of ``zstd``, ``br`` and ``gzip``, those preferred first;
    - `types`: of content; ``*`` stands for a part of one. Event streams are never compressed. Where
      these two are not given, they are `CODINGS` and `TYPES` of the version that runs;
    - `minimum`: shorter bodies leave as they are. A stream is compressed in any case, and each of
      its pieces leaves when it is there.

    Left as it is: what is compressed already, a part of something (206), and what says
    ``Cache-Control: no-transform``. The tag of what is compressed becomes a weak one, so that nobody
    puts parts of it together with others. Work on more than a few kilobytes is done in threads.

    Raises `CompressionError`.
    """

    def __init__(
        self,
        wrapped: Resource,
        *,
        codings: Sequence[str] | None = None,
        types: Sequence[str] | None = None,
        minimum: int = 512,
    ) -> None:
        self.wrapped = wrapped
        self.codings = None if codings is None else CompressionError.texts("codings", codings)
        self.types = None if types is None else CompressionError.texts("types", types)
        self.minimum = minimum
        for coding in self.codings or ():
            if coding not in _CODERS:
                raise CompressionError("coding", coding, f"there are {', '.join(CODINGS)}")
        if self.codings == ():
            raise CompressionError("codings", codings, "a list of one or more is expected")
        if minimum < 0:
            raise CompressionError("minimum", minimum, "a number of bytes is expected")

    def enter(self, request: "Request") -> Resource:
        request.transform(self._answer)
        return self.wrapped

    def _answer(self, request: "Request", response: Response) -> Response:
        status = response.status
        if status == 304:
            return response.replaced(headers=_varied(_weak(response.headers)))
        if status == 206:
            # It says what the whole would have said (RFC 9110, 15.3.7).
            return response.replaced(headers=_varied(response.headers))
        if (
            status in BODILESS
            or response.get_header("content-encoding") is not None
            or not self._fits(response.type)
        ):
            return response
        fields = _varied(response.headers)
        size = _size(response.body)
        codings = CODINGS if self.codings is None else self.codings
        coding = chosen(request.headers.get("accept-encoding", ""), codings)
        if (
            coding is None
            or (size is not None and size < self.minimum)
            or "no-transform" in (response.get_header("cache-control") or "").lower()
        ):
            return response.replaced(headers=fields)
        kept = [each for each in _weak(fields) if each[0].lower() not in _OF_PLAIN]
        kept.append(("Content-Encoding", coding))
        coder = _CODERS[coding]()
        if request.method == "HEAD":
            if isinstance(response.body, FileBody):
                response.body.close()
            return response.replaced(body=_nothing(), headers=kept)
        body = response.body
        if size is not None and size <= _AT_ONCE and isinstance(body, str | bytes):
            data = body.encode() if isinstance(body, str) else body
            return response.replaced(body=coder.add(data) + coder.end(), headers=kept)
        if len(_under_way) >= _MOST:
            return response.replaced(headers=fields)
        _under_way.add(coder)
        coded = _coded(_pieces(response), coder)
        return response.replaced(body=coded, headers=kept)

    def _fits(self, kind: str) -> bool:
        types = TYPES if self.types is None else self.types
        return kind != _NEVER and any(fnmatchcase(kind, each) for each in types)


# The digests are those of RFC 9530 and of what was before: of the very bytes that were to leave.
_OF_PLAIN: Final = frozenset(
    ("content-length", "accept-ranges", "content-digest", "repr-digest", "digest", "content-md5")
)


def _varied(fields: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    varies = ", ".join(value for name, value in fields if name.lower() == "vary")
    known = {each.strip().lower() for each in varies.split(",")}
    if known & {"*", "accept-encoding"}:
        return list(fields)
    return [*fields, ("Vary", "Accept-Encoding")]


def _weak(fields: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    return [
        (name, f"W/{value}" if name.lower() == "etag" and not value.startswith("W/") else value)
        for name, value in fields
    ]


def _size(body: Body) -> int | None:
    """How many bytes a body has; None for a stream."""
    if isinstance(body, FileBody):
        return body.length
    if isinstance(body, str | bytes):
        # Text may become longer in UTF-8: what is small enough to stay is small in letters, too.
        return len(body)
    return None


@cache
def _threads() -> ThreadPoolExecutor:
    # Not the loop's own, which has many: together they would keep the loop from its core.
    return ThreadPoolExecutor(max((os.cpu_count() or 1) - 1, 1), "perdure-compression")


async def _in_thread(function: Callable[P, R], *given: P.args, **named: P.kwargs) -> R:
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(_threads(), partial(function, *given, **named))


async def _nothing() -> AsyncIterator[bytes]:
    return
    yield b""


async def _pieces(response: Response) -> AsyncGenerator[bytes]:
    """The body of `response` as bytes, as it comes."""
    body = response.body
    if isinstance(body, str):
        yield body.encode()
    elif isinstance(body, bytes):
        yield body
    elif isinstance(body, FileBody):
        try:
            async for piece in _read(body):
                yield piece
        finally:
            body.close()
    else:
        async with aclosing(_streamed(body, response.declared_length)) as pieces:
            async for piece in pieces:
                yield piece


async def _read(body: FileBody) -> AsyncIterator[bytes]:
    for part in body.parts:
        if not isinstance(part, FileRange):
            yield part
            continue
        offset, end = part.offset, part.offset + part.length
        while offset < end:
            size = min(_SLICE, end - offset)
            piece = await _in_thread(os.pread, body.fd, size, offset)
            if not piece:
                raise FileShrunkError(end - offset)
            offset += len(piece)
            yield piece


async def _streamed(body: AsyncIterable[str | bytes], length: int | None) -> AsyncGenerator[bytes]:
    pieces = aiter(body)
    sent = 0
    try:
        async for piece in pieces:
            data = piece.encode() if isinstance(piece, str) else piece
            if not isinstance(data, bytes):  # pyright: ignore[reportUnnecessaryIsInstance]
                raise PieceError(piece)
            sent += len(data)
            yield data
    finally:
        close = getattr(pieces, "aclose", None)
        if close is not None:
            await close()
    # Compressed, it would not be seen any more.
    if length is not None and sent != length:
        raise LengthError(length)


async def _coded(pieces: AsyncGenerator[bytes], coder: _Coder) -> AsyncIterator[bytes]:
    async with aclosing(pieces):
        async for piece in pieces:
            if len(piece) <= _AT_ONCE:
                yield (coder.add(piece) + coder.push()) if piece else b""
                continue
            for start in range(0, len(piece), _SLICE):
                data = await _in_thread(coder.add, piece[start : start + _SLICE])
                if data:
                    yield data
            yield await _in_thread(coder.push)
        yield coder.end()
