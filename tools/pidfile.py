"""The file that holds a running server's process number, for ``kill $(cat web.pid)``."""

import fcntl
import os
import re
import stat
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Final, Self

import attrs

from ..persist.errors import PerdureError

_NUMBER: Final = re.compile(rb"(\d{1,20})\n")


@attrs.define(str=False)
class PidFileError(PerdureError):
    """The pid file is in use, or cannot be written."""

    exit_status: ClassVar[int] = os.EX_CANTCREAT
    path: Path
    reason: str

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


@attrs.define
class PidFile:
    """Holds `path` while entered.

    A lock on the open file, not the number in it, says that it is in use: a number that a
    crashed server left behind may by now belong to any other process. Only a file that holds
    such a number, or nothing, is taken over. What has taken the place of ours is not removed.
    Raises PidFileError on entering; nothing of anybody else is changed then.
    """

    path: Path
    _fd: int = -1

    def __enter__(self) -> Self:
        try:
            fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
        except OSError as error:
            raise PidFileError(
                self.path,
                f"cannot write the pid file: {error.strerror}; name another with --pidfile",
            ) from None
        try:
            self._take(fd)
        except BaseException:
            os.close(fd)
            raise
        self._fd = fd
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # The folder may have become unwritable when privileges were dropped: an empty file then
        # says as plainly as none that nothing runs.
        try:
            there, ours = os.lstat(self.path), os.fstat(self._fd)
            if (there.st_dev, there.st_ino) == (ours.st_dev, ours.st_ino):
                os.unlink(self.path)
        except OSError:
            pass
        finally:
            os.ftruncate(self._fd, 0)
            os.close(self._fd)

    def _take(self, fd: int) -> None:
        content = os.pread(fd, 22, 0) if stat.S_ISREG(os.fstat(fd).st_mode) else b"no number"
        number = _NUMBER.fullmatch(content)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = f"process {number[1].decode()}" if number else "another process"
            raise PidFileError(
                self.path, f"{holder} holds this pid file; name another with --pidfile"
            ) from None
        if content and not number:
            raise PidFileError(
                self.path, "it is no pid file, so it is left alone; name another with --pidfile"
            )
        line = f"{os.getpid()}\n".encode()
        try:
            os.pwrite(fd, line, 0)
            os.ftruncate(fd, len(line))
        except OSError as error:
            raise PidFileError(
                self.path,
                f"cannot write the pid file: {error.strerror}; name another with --pidfile",
            ) from None
