"""The few operations on files that durability rests on: the one place that asks them of the system.

What stores state takes a `Disk`, so that a test can hand it another: one that fails at a chosen
operation, or one that knows what a loss of power would have left. Every failure is an OSError.
"""

import os
import stat
from errno import EINVAL
from pathlib import Path
from typing import Final


class Disk:
    """The file systems of this machine. It holds nothing: one serves all threads.

    A handle is a file descriptor, which no child program inherits. What an operation did is sure
    to outlast a loss of power only after `sync` of the file, or for names `sync_folder`.
    """

    def create(self, path: Path, mode: int = 0o600) -> int:
        """A handle to a new, empty file; that `path` is taken is an error."""
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
        return os.open(path, flags, mode)

    def write(self, handle: int, data: bytes, offset: int) -> None:
        """Put all of `data` at `offset`; after an error any part of it may be there."""
        rest = memoryview(data)
        while rest:
            # A single call takes no more than 2 GiB, and a signal may end it early.
            written = os.pwrite(handle, rest, offset)
            rest, offset = rest[written:], offset + written

    def allocate(self, handle: int, offset: int, length: int) -> None:
        """Make room for bytes to be written; those beyond the end of the file read as zeros."""
        os.posix_fallocate(handle, offset, length)

    def truncate(self, handle: int, length: int) -> None:
        """Cut the file to `length`, or fill it up to there with zeros."""
        os.ftruncate(handle, length)

    def sync(self, handle: int) -> None:
        """Put the content on the device.

        After an error it must not be asked again: the system may have forgotten what it failed to
        write, and would then report success.
        """
        # Of what describes the file, this leaves out only the times.
        os.fdatasync(handle)

    def close(self, handle: int) -> None:
        """Give up `handle`; the content need not be on the device."""
        os.close(handle)

    def read(self, path: Path) -> bytes:
        """The whole content of a file; anything but an ordinary file is an error."""
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                raise OSError(EINVAL, os.strerror(EINVAL), str(path))
            with open(handle, "rb", buffering=0, closefd=False) as file:
                return file.readall()
        finally:
            os.close(handle)

    def read_start(self, path: Path, length: int) -> bytes:
        """The first `length` bytes of a file, or all of a shorter one."""
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            return os.pread(handle, length, 0)
        finally:
            os.close(handle)

    def names(self, folder: Path) -> list[str]:
        """What is in `folder`, in no order."""
        return os.listdir(folder)

    def make_folder(self, path: Path, mode: int = 0o700) -> None:
        """Make a folder; that `path` is taken is an error."""
        os.mkdir(path, mode)

    def rename(self, source: Path, target: Path) -> None:
        """Give a file another name, at once; a file that has it loses it."""
        os.rename(source, target)

    def link(self, source: Path, target: Path) -> None:
        """Give a file one more name; that `target` is taken is an error."""
        os.link(source, target)

    def unlink(self, path: Path) -> None:
        """Take away a name, and with the last one the file."""
        os.unlink(path)

    def sync_folder(self, folder: Path) -> None:
        """Put the names in `folder` on the device."""
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


DISK: Final = Disk()
