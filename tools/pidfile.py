"""The file that holds a running server's process number, for ``kill $(cat web.pid)``."""

import fcntl
import os
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self

import attrs

from ..persist.errors import PerdureError


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
    crashed server left behind may by now belong to any other process.
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
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = os.read(fd, 20).decode("ascii", "replace").strip() or "another process"
            os.close(fd)
            raise PidFileError(
                self.path, f"process {holder} holds this pid file; name another with --pidfile"
            ) from None
        os.ftruncate(fd, 0)
        os.write(fd, f"{os.getpid()}\n".encode())
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
            os.unlink(self.path)
        except OSError:
            os.ftruncate(self._fd, 0)
        finally:
            os.close(self._fd)
