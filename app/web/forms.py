"""Forms that visitors post: fields, and files that do not have to fit into memory."""

import asyncio
import contextlib
import os
import re
from collections.abc import AsyncIterator
from io import BytesIO
from typing import TYPE_CHECKING, BinaryIO, Final
from urllib.parse import parse_qsl

import attrs

from ...persist.files import temporary_name
from .body import BodyTooLargeError, RequestBody
from .errors import HTTPError
from .limits import Limits
from .spool import Spool

if TYPE_CHECKING:
    from werkzeug.datastructures import MultiDict
    from werkzeug.sansio.multipart import Event, Field, File

    from .request import Request

_PIECE: Final = 64 * 1024
_WRITE: Final = 256 * 1024
"""So much is written at a time, by a thread."""

_HEADER: Final = 16 * 1024
"""The fields of one part, and what may stand before the first."""

_LONGEST_BOUNDARY: Final = 200

_LONGEST_PADDING: Final = 100
"""Blanks behind a boundary (RFC 2046, 5.1.1)."""


class Upload:
    """A file that came with a form; it is there until the reply has left.

    `name` is the field's, `filename` what the visitor's system called it: anything, never a path to
    be opened. `content_type` is what the visitor says it is, and `size` is in bytes.
    """

    __slots__ = ("_content", "_offset", "_spool", "content_type", "filename", "name", "size")

    def __init__(
        self,
        name: str,
        filename: str,
        content_type: str,
        size: int,
        content: bytes | None,
        spool: Spool | None,
        offset: int,
    ) -> None:
        self.name = name
        self.filename = filename
        self.content_type = content_type
        self.size = size
        self._content = content
        self._spool = spool
        self._offset = offset

    @property
    def is_in_memory(self) -> bool:
        """Whether it was small enough not to be written to the disk."""
        return self._content is not None

    def open(self) -> BinaryIO:
        """The content as a file, for a library that wants one. Reads from a disk: best in a thread."""
        if self._content is not None:
            return BytesIO(self._content)
        assert self._spool is not None
        return self._spool.open(self._offset, self.size)

    async def read(self) -> bytes:
        """The whole content, in memory. Raises `ValueError` when the reply has left."""
        if self._content is not None:
            return self._content
        assert self._spool is not None
        return await asyncio.to_thread(self._spool.read, self.size, self._offset)

    async def save(self, path: str | os.PathLike[str]) -> None:
        """Have the content in the file `path`, in place of what is there: whole, or not at all.

        It is on the disk then, with the rights that a new file has. A large file that came alone
        is not copied if `path` is on the file system of the temporary files. Raises OSError, and
        `ValueError` when the reply has left.
        """
        # In one thread, which also clears up: it goes on when the visitor leaves and this is cancelled.
        await asyncio.to_thread(self._save, os.fspath(path))

    def _save(self, path: str) -> None:
        folder, name = os.path.split(path)
        beside = os.path.join(folder, temporary_name(name))
        try:
            if self._spool is None:
                _write(beside, self._content or b"")
            else:
                self._spool.give(beside, self._offset, self.size)
            os.replace(beside, path)
            _sync_folder(folder or ".")
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(beside)
            raise


def _sync_folder(folder: str) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write(path: str, content: bytes) -> None:
    with open(path, "xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


@attrs.frozen
class Form:
    """What a form sent: `fields` are texts by name, `files` are uploads by name.

    A name may have several: ``fields["name"]`` is the first, ``fields.getlist("name")`` has all.
    """

    fields: "MultiDict[str, str]"
    files: "MultiDict[str, Upload]"
    _spool: Spool | None = None

    def close(self) -> None:
        """Forget the files that were not saved."""
        if self._spool is not None:
            self._spool.close()


async def read_form(request: "Request") -> Form:
    """The form that is the body of `request`; see `Request.form`."""
    from werkzeug.datastructures import MultiDict
    from werkzeug.http import parse_options_header

    kind, options = parse_options_header(request.headers.get("content-type", ""))
    body = request.body
    if body is not None and kind == "multipart/form-data":
        boundary = options.get("boundary", "")
        if not boundary.isascii() or not 0 < len(boundary) <= _LONGEST_BOUNDARY:
            raise HTTPError(400, "The form does not say what separates its parts.")
        try:
            return await _Reader(body, boundary).read(request.stream())
        finally:
            body.let_go()
    fields: MultiDict[str, str] = MultiDict()
    if body is not None and kind == "application/x-www-form-urlencoded":
        fields = MultiDict(await _urlencoded(request, body.limits))
    return Form(fields, MultiDict())


async def _urlencoded(request: "Request", limits: Limits) -> list[tuple[str, str]]:
    try:
        content = await request.read(limits.form_text)
    except BodyTooLargeError:
        raise _too_much_text(limits) from None
    if content.count(b"&") >= limits.form_parts:
        raise _too_many(limits)
    return parse_qsl(content.decode("utf-8", "replace"), keep_blank_values=True)


def _too_many(limits: Limits) -> HTTPError:
    return HTTPError(413, f"The form has more than {limits.form_parts} fields.")


def _too_much_text(limits: Limits) -> HTTPError:
    return HTTPError(
        413, f"The fields of the form have more than {limits.form_text} bytes of text."
    )


@attrs.define
class _Part:
    """One part of a form, as far as it has come."""

    name: str
    filename: str | None
    content_type: str
    pieces: list[bytes] = attrs.field(factory=list[bytes])
    size: int = 0
    waiting: int = 0
    """Bytes in `pieces`: all, or those that are not in the spool yet."""
    offset: int = -1
    """Where in the spool it begins; -1 while it is in memory."""


class _Reader:
    """Reads one multipart form as it comes (RFC 7578).

    The parts are taken apart by werkzeug's decoder. The upload that is too large for what is left of
    `_memory` goes to the spool. All do so into one file, so that a form with a thousand of them
    does not use up the descriptors of the process.
    """

    def __init__(self, body: RequestBody, boundary: str) -> None:
        from werkzeug.datastructures import MultiDict
        from werkzeug.sansio.multipart import MultipartDecoder

        limits = self._limits = body.limits
        self._body = body
        self._decoder = MultipartDecoder(boundary.encode(), 2 * _PIECE + _HEADER)
        # What ends within the line of a boundary, or may do so, waits for the rest: the decoder (werkzeug
        # 3.1) would take the line end in front of it for a byte of the part.
        self._line = b"--" + boundary.encode()
        self._open_line = re.compile(
            rb"(?:\r\n|\r|\n)--%b(?:-|[^\S\r\n]{0,%d}\r?)\Z"
            % (re.escape(boundary.encode()), _LONGEST_PADDING)
        )
        self._longest_line = len(boundary) + _LONGEST_PADDING + len(b"\r\n--\r")
        self._held = b"\r\n"  # which the first boundary may have in front of it as well
        self._fields: MultiDict[str, str] = MultiDict()
        self._files: MultiDict[str, Upload] = MultiDict()
        self._parts = 0
        self._memory = limits.form_memory
        self._text = limits.form_text
        self._spool: Spool | None = None
        self._part: _Part | None = None

    async def read(self, stream: AsyncIterator[bytes]) -> Form:
        try:
            is_complete = False
            async for data in stream:
                for start in range(0, len(data), _PIECE):
                    # What follows the last part is read, and of no interest.
                    if not is_complete:
                        is_complete = await self._feed(data[start : start + _PIECE])
            if not is_complete:
                raise HTTPError(400, "The form breaks off before its end.")
        except BaseException:
            if self._spool is not None:
                self._spool.close()
            raise
        return Form(self._fields, self._files, self._spool)

    async def _feed(self, data: bytes) -> bool:
        """Take what came; whether the last part is complete with it."""
        from werkzeug.sansio.multipart import Data, Field, File, NeedData, State

        decoder = self._decoder
        data = self._held + data
        end = self._sure(data)
        self._held = data[end:]
        decoder.receive_data(data[:end])
        while not isinstance(event := self._next(), NeedData):
            if isinstance(event, Field | File):
                self._begin(event)
            elif isinstance(event, Data) and self._part is not None:
                await self._take(self._part, event.data)
                if not event.more_data:
                    await self._end(self._part)
        if decoder.state in (State.PREAMBLE, State.PART) and len(decoder.buffer) > _HEADER:
            raise HTTPError(400, f"A part of the form has more than {_HEADER} bytes of header.")
        return decoder.state is State.EPILOGUE

    def _sure(self, data: bytes) -> int:
        """How much of `data` is before a line that may be a boundary, and that has not come to its end."""
        near = max(len(data) - self._longest_line, 0)
        open_line = self._open_line.search(data, near)
        if open_line is not None:
            return open_line.start()
        last = max(data.rfind(b"\r", near), data.rfind(b"\n", near))
        if last < 0 or not self._line.startswith(data[last + 1 :]):
            return len(data)
        start = last - data.endswith(b"\r\n", 0, last + 1)
        # The end of a boundary's line belongs to it.
        return len(data) if self._open_line.search(data[:start], near) else start

    def _next(self) -> "Event":
        try:
            return self._decoder.next_event()
        except ValueError:
            raise HTTPError(400, "The form breaks the grammar of its parts.") from None

    def _begin(self, event: "Field | File") -> None:
        self._parts += 1
        if self._parts > self._limits.form_parts:
            raise _too_many(self._limits)
        # The declared type knows nothing of a part that has no name.
        if not isinstance(event.name, str):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise HTTPError(400, "A part of the form has no name.")
        filename: str | None = getattr(event, "filename", None)
        self._part = _Part(event.name, filename, event.headers.get("content-type", ""))

    async def _take(self, part: _Part, data: bytes) -> None:
        part.size += len(data)
        part.waiting += len(data)
        part.pieces.append(data)
        if part.filename is None:
            self._text -= len(data)
            if self._text < 0:
                raise _too_much_text(self._limits)
            self._body.gather(len(data))
            return
        if part.size > self._limits.upload:
            detail = f"A file of the form is larger than {self._limits.upload} bytes."
            raise HTTPError(413, detail)
        if part.offset < 0 and part.size > self._memory:
            if self._spool is None:
                self._spool = Spool()
            part.offset = self._spool.size
        if part.offset >= 0 and part.waiting >= _WRITE:
            await self._spill(part)

    async def _spill(self, part: _Part) -> None:
        assert self._spool is not None
        pieces, part.pieces, part.waiting = part.pieces, [], 0
        await self._spool.append(b"".join(pieces))

    async def _end(self, part: _Part) -> None:
        self._part = None
        if part.filename is None:
            self._fields.add(part.name, b"".join(part.pieces).decode("utf-8", "replace"))
            return
        if not part.filename and not part.size:
            return  # what a browser sends of a field where no file was chosen
        content = None
        if part.offset >= 0:
            await self._spill(part)
        else:
            content = b"".join(part.pieces)
            self._memory -= part.size
        upload = Upload(
            part.name,
            part.filename,
            part.content_type,
            part.size,
            content,
            None if content is not None else self._spool,
            part.offset,
        )
        self._files.add(part.name, upload)
