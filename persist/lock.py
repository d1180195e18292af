"""The lock by which an application is run by one process at a time."""

import contextlib
import os
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self

import attrs

from . import files
from .disk import DISK, Disk
from .errors import PerdureError


@attrs.define
class StoreError(PerdureError):
    """The folder for the state cannot be used. `reason` says why, and what to do."""

    folder: Path
    reason: str
    exit_status: ClassVar[int] = os.EX_CANTCREAT

    def __str__(self) -> str:
        return f"the state folder {self.folder}: {self.reason}"


@attrs.define
class LockedError(PerdureError):
    """Another process runs this application; `pid` is its number, if it could be read."""

    application: str
    path: Path
    pid: int | None
    exit_status: ClassVar[int] = os.EX_TEMPFAIL

    def __str__(self) -> str:
        process = "another process" if self.pid is None else f"process {self.pid}"
        stop = "" if self.pid is None else f" (kill {self.pid})"
        return (
            f"{process} already runs {self.application} (it holds {self.path});"
            f" stop it first{stop}, or use another --statedir"
        )


@attrs.define
class Lock:
    """The lock file at `path`; holds the number of the process that has the lock.

    The lock goes with the open file: a forked child has it too, and the system lets go of it
    when the last of them is gone, however they end.
    """

    path: Path
    application: str
    disk: Disk = attrs.field(default=DISK, repr=False)
    _handle: int | None = attrs.field(default=None, init=False)

    @property
    def is_held(self) -> bool:
        """Whether this object holds the lock."""
        return self._handle is not None

    def take(self) -> Self:
        """Take the lock; gives the lock itself, whose block then ends with `release`.

        Again, as after a fork, it writes this process's number. Raises `LockedError`, or
        `StoreError` if the file cannot be made.
        """
        if self._handle is None:
            self._handle = self._open()
        number = b"%d\n" % os.getpid()
        try:
            self.disk.write(self._handle, number, 0)
            self.disk.truncate(self._handle, len(number))
        except OSError as error:
            self.release()
            raise files.write_error(self.path, "write", error) from error
        return self

    def release(self) -> None:
        """Let go of it, if it is held. The file stays: removing it would let two in."""
        if self._handle is not None:
            handle, self._handle = self._handle, None
            # A number that stays says of whoever looks at it nothing: the lock is what counts.
            with contextlib.suppress(OSError):
                self.disk.truncate(handle, 0)
            self.disk.close(handle)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.release()

    def _open(self) -> int:
        try:
            return self.disk.lock(self.path)
        except BlockingIOError as error:
            raise LockedError(self.application, self.path, self._holder()) from error
        except OSError as error:
            reason = f"{self.path.name}: {way_out(error.errno)}"
            raise StoreError(self.path.parent, reason) from error

    def _holder(self) -> int | None:
        try:
            text = self.disk.read_start(self.path, 32).strip()
        except OSError:
            return None
        return int(text) if text.isdigit() else None


def check_writable(folder: Path, name: str, disk: Disk) -> None:
    """Prove that this process may write a file called `name` in `folder`. Raises `StoreError`."""
    probe = folder / files.temporary_name(name)
    try:
        files.replace(probe, b"", disk=disk)
        disk.unlink(probe)
    except files.WriteError as error:
        raise StoreError(folder, way_out(error.number)) from error
    except OSError as error:
        raise StoreError(folder, way_out(error.errno)) from error


def check_replaceable(path: Path, disk: Disk) -> None:
    """Prove that this process may set the file at `path`, if it is there, aside. Raises `StoreError`."""
    with contextlib.suppress(FileNotFoundError):
        owner = disk.status(path).st_uid
        if not os.access(path, os.R_OK | os.W_OK, effective_ids=True):
            raise StoreError(
                path.parent,
                f"{path.name} belongs to user {owner} and could not be set aside"
                f" for a newer one; chown it to user {os.geteuid()}",
            )


def way_out(number: int | None) -> str:
    """What to do about the operating system's error `number` in a state folder."""
    text = os.strerror(number or 0)
    return f"{text}; make it writable for user {os.geteuid()}, or name another with --statedir"
