"""An open file, saved as what it takes to open it again at the same place."""

import io
import os
from pathlib import Path
from typing import IO, Any, ClassVar, cast

import attrs

from .errors import PerdureError


@attrs.define
class ReopenError(PerdureError):
    """A file that was open when its object was saved cannot be opened again."""

    path: str
    reason: str
    remedy: str
    exit_status: ClassVar[int] = os.EX_NOINPUT

    def __str__(self) -> str:
        return f"{self.path}, open when the state was saved: {self.reason}; {self.remedy}"


@attrs.frozen
class OpenFile:
    """Where a file stood. `position` is what its ``tell`` said; None: it was closed already."""

    path: str
    mode: str
    encoding: str | None
    errors: str | None
    line_buffering: bool
    unbuffered: bool
    position: int | None


_STANDARD = ("<stdin>", "<stdout>", "<stderr>")
_FILES = (io.TextIOWrapper, io.BufferedReader, io.BufferedWriter, io.BufferedRandom, io.FileIO)


def keep_file(value: object) -> object:
    """The record of `value` if it is an open file, else `value` itself.

    The newline setting of a text file cannot be asked for, and comes back as the default one.
    Raises TypeError for a file that has no path: a pipe, a socket, a standard stream.
    """
    if not isinstance(value, _FILES):
        return value
    file = cast("Any", value)
    name, mode = getattr(file, "name", None), getattr(file, "mode", None)
    if not isinstance(name, str | bytes | Path) or not isinstance(mode, str):
        raise TypeError("the open file has no path to be opened by again")
    if name in _STANDARD:
        raise TypeError(f"{name} is a standard stream: whoever starts the next process gives it")
    path = os.path.abspath(os.fsdecode(name))
    text = isinstance(file, io.TextIOWrapper)
    position: int | None = None
    if not file.closed:
        if not file.seekable():
            raise TypeError(f"{path} is no file on disk but a stream: it has no position")
        if file.writable():
            file.flush()
        position = file.tell()
    return OpenFile(
        path,
        mode,
        file.encoding if text else None,
        file.errors if text else None,
        text and file.line_buffering,
        isinstance(file, io.FileIO),
        position,
    )


def reopen_file(value: object) -> object:
    """The open file of a record that `keep_file` made, else `value` itself. Raises `ReopenError`."""
    if not isinstance(value, OpenFile):
        return value
    if value.position is None:
        file = _open(value, os.devnull)
        file.close()
        return file
    try:
        file = _open(value, value.path)
    except OSError as error:
        raise ReopenError(
            value.path, os.strerror(error.errno or 0), "put it back, or make it accessible"
        ) from error
    try:
        _seek(value, file)
    except BaseException:
        file.close()
        raise
    return file


def _open(record: OpenFile, path: str) -> IO[Any]:
    buffering = 0 if record.unbuffered else 1 if record.line_buffering else -1
    return open(
        path,
        record.mode,
        buffering,
        record.encoding,
        record.errors,
        opener=_open_as_it_is,
    )


def _open_as_it_is(path: str, flags: int) -> int:
    # "w" would empty the file and "x" refuse it, and what is in it was written before the save.
    return os.open(path, flags & ~(os.O_TRUNC | os.O_EXCL), 0o666)


def _seek(record: OpenFile, file: IO[Any]) -> None:
    position = record.position or 0
    size = os.fstat(file.fileno()).st_size
    # A text file's position holds the decoder's state in its upper bits, the byte in its lower 64.
    place = position & 0xFFFF_FFFF_FFFF_FFFF
    if place <= size:
        file.seek(position)
    elif file.writable():
        file.seek(0, os.SEEK_END)
    else:
        raise ReopenError(
            record.path,
            f"it has {size} bytes, and {place} of it were read already",
            "put the file back as it was",
        )
