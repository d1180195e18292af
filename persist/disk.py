"""The few operations on files that durability rests on: the one place that asks them of the system.

What stores state takes a `Disk`, so that a test can hand it another: one that fails at a chosen
operation, or one that knows what a loss of power would have left. Every failure is an OSError.
"""

import fcntl
import os
import stat
from errno import EINVAL, EISDIR, ENOENT
from pathlib import Path
from typing import Final

_ZEROS: Final = bytes(1 << 18)


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
        """Make room for bytes to be written, where nothing was so far; they read as zeros.

        What is written there later can be put on the device without regard to the file system: a
        sync is then short, and does not wait for what others have done to other files.
        """
        os.posix_fallocate(handle, offset, length)
        # Of blocks that were never written to, the file system would have to note it when they are.
        for start in range(0, length, len(_ZEROS)):
            self.write(handle, _ZEROS[: length - start], offset + start)

    def truncate(self, handle: int, length: int) -> None:
        """Cut the file to `length`, or fill it up to there with zeros."""
        os.ftruncate(handle, length)

    def sync(self, handle: int) -> None:
        """Put the content on the device.

        A file that was removed meanwhile is an error. After any it must not be asked again: the
        system may have forgotten what it failed to write, and would then report success.
        """
        # Of what describes the file, this leaves out only the times.
        os.fdatasync(handle)
        if not os.fstat(handle).st_nlink:
            raise FileNotFoundError(ENOENT, os.strerror(ENOENT))

    def close(self, handle: int) -> None:
        """Give up `handle`; the content need not be on the device."""
        os.close(handle)

    def lock(self, path: Path) -> int:
        """A handle to the file at `path`, made if need be, that no other handle has the lock of.

        The lock goes with the handle, and with those that forked children have of it. Raises
        BlockingIOError while another has it; then nothing was changed.
        """
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BaseException:
            os.close(handle)
            raise
        return handle

    def read(self, path: Path, *, links: bool = False) -> bytes:
        """The whole content of a file; anything but an ordinary file is an error.

        With `links`, a symbolic link leads to its file, and without it is an error.
        """
        handle = _open(path, links)
        try:
            with open(handle, "rb", buffering=0, closefd=False) as file:
                return file.readall()
        finally:
            os.close(handle)

    def read_owned(self, path: Path) -> tuple[bytes, int]:
        """What `read` gives without links, and the user whose file that very content is of."""
        handle = _open(path, links=False)
        try:
            with open(handle, "rb", buffering=0, closefd=False) as file:
                return file.readall(), os.fstat(handle).st_uid
        finally:
            os.close(handle)

    def read_part(self, path: Path, offset: int, length: int, *, links: bool = False) -> bytes:
        """The `length` bytes at `offset`, or as many as there are; else as `read`."""
        handle = _open(path, links)
        try:
            return os.pread(handle, length, offset)
        finally:
            os.close(handle)

    def read_start(self, path: Path, length: int) -> bytes:
        """The first `length` bytes of a file, or all of a shorter one."""
        return self.read_part(path, 0, length)

    def status(self, path: Path) -> os.stat_result:
        """Whose a file is, when it was changed, and by its numbers which one it is; follows links."""
        return os.stat(path)

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

    def exists(self, path: Path) -> bool:
        """Whether there is anything at `path` that its status can be had of."""
        try:
            self.status(path)
        except (OSError, ValueError):
            return False
        return True

    def is_same(self, path: Path, other: Path) -> bool:
        """Whether both are names of one file."""
        return os.path.samestat(self.status(path), self.status(other))


def _open(path: Path, links: bool) -> int:
    # A pipe with no writer is an error, not a wait for ever.
    follow = 0 if links else os.O_NOFOLLOW
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | follow)
    mode = os.fstat(handle).st_mode
    if not stat.S_ISREG(mode):
        os.close(handle)
        number = EISDIR if stat.S_ISDIR(mode) else EINVAL
        raise OSError(number, os.strerror(number), str(path))
    return handle


DISK: Final = Disk()
