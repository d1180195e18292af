"""A text file that only grows, and can be rotated while it is written."""

import errno
import logging
import os
import stat
import weakref
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import attrs

_report = logging.getLogger(__name__)
_open_files: "weakref.WeakSet[LogFile]" = weakref.WeakSet()

KEPT = 5
"""Rotated files kept: ``web.log.1`` is the newest of them."""


@attrs.define(eq=False, weakref_slot=True)
class LogFile:
    """Appends text to `path`, which is made if it does not exist.

    Each `write` is one system call if the disk takes it whole, so that lines of several processes
    do not interleave; on a disk that fills up, what was taken stays and the rest is tried again.
    With a `limit`, the file is rotated before it would grow over that many bytes. Only regular
    files are rotated; a symbolic link stays, and what it leads to is opened again.

    Raises OSError from the constructor when the file cannot be opened, and from `write` when the
    disk refuses; rotation that is not possible (a folder no longer writable) leaves the open file
    in use. PermissionError is raised, with the reason as its `strerror`, for a link that neither
    root nor the user of this process made, for a snapshot, and for what is neither a file, a
    device such as ``/dev/stdout`` nor a pipe.
    """

    path: Path
    limit: int | None = None
    before_rotation: Callable[[], None] | None = None
    _fd: int = attrs.field(init=False)
    _size: int = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.path = self.path.absolute()
        self._open()
        _open_files.add(self)

    def write(self, text: str) -> None:
        """Append `text`, which should end with a newline. Raises OSError."""
        data = text.encode("utf-8", "backslashreplace")
        if self.limit is not None and self._size > 0 and self._size + len(data) > self.limit:
            self.rotate()
        while data:
            written = os.write(self._fd, data)
            self._size += written
            data = data[written:]

    def rotate(self) -> None:
        """Begin a new file: the present one becomes ``.1``, that one ``.2``, up to `KEPT`.

        `before_rotation` is called first, for lines that wait and belong to the present file. When
        somebody else (``logrotate``) has moved the file away already, a new one is opened
        and nothing is renamed.
        """
        if self.before_rotation is not None:
            self.before_rotation()
        if not stat.S_ISREG(os.fstat(self._fd).st_mode):
            return
        try:
            if self._is_in_place():
                for number in range(KEPT - 1, 0, -1):
                    with suppress(FileNotFoundError):
                        os.replace(self._numbered(number), self._numbered(number + 1))
                os.replace(self.path, self._numbered(1))
            old = self._fd
            self._open()
            os.close(old)
        except OSError as error:
            self.limit = None  # The next line must not try again, least of all this one.
            _report.warning(
                "%s cannot be rotated (%s); the open file is still written", self.path, error
            )

    def close(self) -> None:
        """Give the file back. It cannot be written afterwards."""
        _open_files.discard(self)
        os.close(self._fd)

    def _open(self) -> None:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOCTTY
        if not self._is_trusted_link():
            # Nobody can put a link there between the look and the opening.
            flags |= os.O_NOFOLLOW
        fd = os.open(self.path, flags, 0o640)
        try:
            status = os.fstat(fd)
            mode = status.st_mode
            if not (stat.S_ISREG(mode) or stat.S_ISCHR(mode) or stat.S_ISFIFO(mode)):
                raise PermissionError(errno.EPERM, "it is neither a file, a terminal nor a pipe")
            if stat.S_ISREG(mode) and status.st_size and self._is_snapshot():
                raise PermissionError(errno.EPERM, "it is a snapshot, not a log")
        except BaseException:
            os.close(fd)
            raise
        self._fd, self._size = fd, status.st_size

    def _is_trusted_link(self) -> bool:
        try:
            status = os.lstat(self.path)
        except FileNotFoundError:
            return False
        if not stat.S_ISLNK(status.st_mode):
            return False
        if status.st_uid not in (0, os.geteuid()):
            raise PermissionError(
                errno.EPERM, f"it is a symbolic link that belongs to user {status.st_uid}"
            )
        return True

    def _is_snapshot(self) -> bool:
        # Perdure's own snapshots can be read by who can write them.
        from ..persist.formats import pickled, table

        with suppress(OSError), open(self.path, "rb") as file:
            head = file.read(table.HEAD)
            # To know the other syntaxes costs time: only a file that is called one is asked.
            called = table.EXTENSION in str(self.path)
            return head.startswith(pickled.MAGIC) or (called and table.detect(head) is not None)
        return False

    def _is_in_place(self) -> bool:
        try:
            there = os.lstat(self.path)
        except FileNotFoundError:
            return False
        ours = os.fstat(self._fd)
        return (there.st_dev, there.st_ino) == (ours.st_dev, ours.st_ino)

    def _numbered(self, number: int) -> str:
        return f"{self.path}.{number}"


def rotate_all() -> None:
    """Rotate every log file that this process has open: what a SIGHUP asks for."""
    for file in list(_open_files):
        file.rotate()
