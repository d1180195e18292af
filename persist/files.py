"""The one way to write a whole file: it is replaced as a whole, or not at all.

The new content goes to a temporary file beside its target, readable by its owner alone, is flushed
to the device, read back and compared, and only then takes the target's name; the folder is flushed
last. Whoever reads the target, at any moment and after any crash, finds all of the old content or
all of the new.
"""

import contextlib
import errno
import hashlib
import os
import re
import secrets
from collections.abc import Callable, Generator, Iterable, Iterator
from pathlib import Path
from typing import ClassVar

import attrs

from .disk import DISK, Disk
from .errors import PerdureError

_TEMPORARY = re.compile(r"\.(.+)\.[0-9a-f]{12}\.tmp", re.DOTALL)
_PIECE = 1 << 20
_FLUSHED = 1 << 18

_WAYS_OUT = {
    errno.ENOSPC: "free some space on that disk",
    errno.EDQUOT: "free some of this user's quota",
    errno.EROFS: "choose a folder on a file system that is not read-only",
    errno.EACCES: "give this user the right to write there, or choose another folder",
    errno.EPERM: "give this user the right to write there, or choose another folder",
    errno.ENOENT: "make the folder first",
    errno.ENOTDIR: "a part of the path is a file; choose another folder",
    errno.EISDIR: "that is a folder; choose another name",
    errno.ENAMETOOLONG: "choose a shorter name",
}
_NOT_CREATED = frozenset(_WAYS_OUT) - {errno.ENOSPC, errno.EDQUOT}


@attrs.define
class WriteError(PerdureError):
    """A file could not be written; what was there before is still there, whole.

    `operation` is the step that failed, such as ``write`` or ``flush``. `number` is the
    operating system's error number, or None if what came back differed from what was written.
    """

    path: Path
    operation: str
    number: int | None
    exit_status: ClassVar[int] = os.EX_IOERR

    def __str__(self) -> str:
        if self.number is None:
            cause, way_out = "it reads back changed", "check the disk"
        else:
            cause = os.strerror(self.number)
            way_out = _WAYS_OUT.get(self.number, "check the disk and try again")
        return f"{self.path} cannot be written: {cause} (at {self.operation}); {way_out}"


@attrs.define
class CreateError(WriteError):
    """A file could not be made where it was asked for: no such folder, no right to write."""

    exit_status: ClassVar[int] = os.EX_CANTCREAT


def replace(
    path: Path,
    data: bytes | Iterable[bytes],
    *,
    mode: int = 0o600,
    verify: Callable[[Path], object] | None = None,
    retire: Callable[[], object] | None = None,
    disk: Disk = DISK,
) -> None:
    """Give `path` the content `data`, or its pieces in turn, durably and all at once.

    `verify` is called with the temporary file once it is on the device, and may raise to stop;
    `retire` is called after it, right before the new file takes the name: the last moment to put
    the old one elsewhere. A symbolic link at `path` is itself replaced.

    Raises `WriteError` (`CreateError` if the place is the trouble), or what `data`, `verify` or
    `retire` raise; in each case the temporary file is gone and the old content is in place. The one
    exception is an error at ``flush of the folder``: the new content is in place, but a loss of
    power might still bring the old one back.
    """
    temporary = path.with_name(temporary_name(path.name))
    try:
        with _failing_as(path, "creation"):
            handle = disk.create(temporary, mode)
        try:
            with _failing_as(path, "write"):
                written = _write_all(disk, handle, [data] if isinstance(data, bytes) else data)
            with _failing_as(path, "flush"):
                disk.sync(handle)
        finally:
            with _failing_as(path, "closing"):
                disk.close(handle)
        with _failing_as(path, "reading back"):
            if _summary(disk, temporary, written.size) != written:
                raise WriteError(path, "reading back", None)
        if verify is not None:
            verify(temporary)
        if retire is not None:
            retire()
        with _failing_as(path, "renaming"):
            disk.rename(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            disk.unlink(temporary)
        raise
    with _failing_as(path, "flush of the folder"):
        disk.sync_folder(path.parent)


def temporary_name(name: str) -> str:
    """A fresh name for the temporary file of `name`; `target_of` it is `name` again."""
    return f".{name}.{secrets.token_hex(6)}.tmp"


def target_of(temporary: str) -> str | None:
    """The name whose temporary file is called `temporary`; None if that is another file's name."""
    found = _TEMPORARY.fullmatch(temporary)
    return found.group(1) if found else None


def make_folder(folder: Path, disk: Disk = DISK) -> None:
    """Make `folder`, durably, if there is none. Raises `WriteError`."""
    with _failing_as(folder, "creation"):
        with contextlib.suppress(FileExistsError):
            disk.make_folder(folder)
        # Even if it was there: a process that was killed may have made it just before.
        disk.sync_folder(folder.parent)


def write_error(path: Path, operation: str, error: OSError) -> WriteError:
    """The typed form of `error`, met while doing `operation` for `path`."""
    kind = CreateError if error.errno in _NOT_CREATED else WriteError
    return kind(path, operation, error.errno)


@contextlib.contextmanager
def _failing_as(path: Path, operation: str) -> Generator[None]:
    try:
        yield
    except OSError as error:
        raise write_error(path, operation, error) from error


@attrs.frozen
class _Summary:
    """What was written, or read back, without keeping it."""

    size: int
    digest: bytes


def _write_all(disk: Disk, handle: int, pieces: Iterable[bytes]) -> _Summary:
    size, checksum = 0, hashlib.sha256()
    for piece in pieces:
        checksum.update(piece)
        # Flushed bit by bit: whoever flushes another file meanwhile, as the journal of a server
        # does for each reply, would wait until the device has taken all that there is.
        for part in _parts(piece):
            disk.write(handle, part, size)
            size += len(part)
            if len(part) == _FLUSHED:
                disk.sync(handle)
    return _Summary(size, checksum.digest())


def _parts(piece: bytes) -> Iterator[bytes]:
    return (piece[begin : begin + _FLUSHED] for begin in range(0, len(piece), _FLUSHED))


def _summary(disk: Disk, path: Path, most: int) -> _Summary:
    size, checksum = 0, hashlib.sha256()
    while size < most and (piece := disk.read_part(path, size, min(_PIECE, most - size))):
        checksum.update(piece)
        size += len(piece)
    return _Summary(size, checksum.digest())
