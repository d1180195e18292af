"""A disk on which nothing is changed: what is written stays in memory, over the files that are there."""

import errno
import os
from pathlib import Path
from typing import Final

from .disk import Disk

_ACCESS: Final = os.W_OK | os.X_OK


class Overlay(Disk):
    """The files of this machine as they are, and over them what was done through this.

    So a save can be tried, to the last look at what it has written, and leaves no trace. Whether
    this process might write is asked of the system; whether there is room cannot be known. It is for
    one thread, and for as long as the process lives: what is in memory goes with it.
    """

    def __init__(self) -> None:
        # None: the name is gone. A handle: the file, which may be one in memory.
        self._files: dict[Path, int | None] = {}
        self._folders: set[Path] = set()

    def create(self, path: Path, mode: int = 0o600) -> int:
        """A handle to a new file in memory."""
        self._check(path.parent)
        self._check_free(path)
        handle = self._files[path] = os.memfd_create(path.name)
        os.fchmod(handle, mode)
        return os.dup(handle)

    def lock(self, path: Path) -> int:
        """Refused: a lock is for those who write."""
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))

    def read(self, path: Path, *, links: bool = False) -> bytes:
        """As `Disk.read`."""
        handle = self._handle(path)
        return super().read(path, links=links) if handle is None else _content(handle)

    def read_owned(self, path: Path) -> tuple[bytes, int]:
        """As `Disk.read_owned`."""
        handle = self._handle(path)
        if handle is None:
            return super().read_owned(path)
        return _content(handle), os.fstat(handle).st_uid

    def read_part(self, path: Path, offset: int, length: int, *, links: bool = False) -> bytes:
        """As `Disk.read_part`."""
        handle = self._handle(path)
        if handle is None:
            return super().read_part(path, offset, length, links=links)
        return os.pread(handle, length, offset)

    def status(self, path: Path) -> os.stat_result:
        """As `Disk.status`; of a folder that was made here, that of the one it is in."""
        if path in self._folders:
            return self.status(path.parent)
        handle = self._handle(path)
        return super().status(path) if handle is None else os.fstat(handle)

    def names(self, folder: Path) -> list[str]:
        """As `Disk.names`."""
        there = set[str]() if folder in self._folders else set(super().names(folder))
        for path, handle in self._files.items():
            if path.parent == folder:
                (there.discard if handle is None else there.add)(path.name)
        return [*there, *(path.name for path in self._folders if path.parent == folder)]

    def make_folder(self, path: Path, mode: int = 0o700) -> None:
        """A folder that is nowhere but here."""
        self._check(path.parent)
        self._check_free(path)
        self._folders.add(path)

    def sync(self, handle: int) -> None:
        """Nothing: memory is all there is."""

    def rename(self, source: Path, target: Path) -> None:
        """As `Disk.rename`, for what is read through this."""
        if self.exists(target) and self.is_same(source, target):
            # Two names of one file stay two (POSIX).
            return
        self.link(source, target, replaced=True)
        self._files[source] = None

    def link(self, source: Path, target: Path, *, replaced: bool = False) -> None:
        """As `Disk.link`, for what is read through this."""
        handle = self._handle(source)
        self.status(source)
        self._check(target.parent)
        if not replaced:
            self._check_free(target)
        flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW
        self._files[target] = os.open(source, flags) if handle is None else handle

    def unlink(self, path: Path) -> None:
        """As `Disk.unlink`, for what is read through this."""
        self.status(path)
        self._check(path.parent)
        self._files[path] = None

    def sync_folder(self, folder: Path) -> None:
        """Nothing: what is here goes with the process."""

    def _handle(self, path: Path) -> int | None:
        """The file that stands over the one of the machine; None if that is to be asked."""
        if path not in self._files:
            return None
        handle = self._files[path]
        if handle is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
        return handle

    def _check(self, folder: Path) -> None:
        """Raises what the system would for a new name in `folder`."""
        if folder in self._folders:
            return
        super().status(folder)
        if not os.access(folder, _ACCESS, effective_ids=True):
            read_only = os.statvfs(folder).f_flag & os.ST_RDONLY
            number = errno.EROFS if read_only else errno.EACCES
            raise OSError(number, os.strerror(number), str(folder))

    def _check_free(self, path: Path) -> None:
        if self.exists(path):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))


def _content(handle: int) -> bytes:
    size, pieces = 0, list[bytes]()
    while piece := os.pread(handle, 1 << 24, size):
        pieces.append(piece)
        size += len(piece)
    return b"".join(pieces)
