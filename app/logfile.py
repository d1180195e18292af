"""A text file that only grows, and can be rotated while it is written."""

import os
import weakref
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import attrs

_open_files: "weakref.WeakSet[LogFile]" = weakref.WeakSet()

KEPT = 5
"""Rotated files kept: ``web.log.1`` is the newest of them."""


@attrs.define(eq=False, weakref_slot=True)
class LogFile:
    """Appends text to `path`; each `write` is one system call, so lines never interleave.

    With a `limit`, the file is rotated before it would grow over that many bytes. Raises OSError
    from the constructor when the file cannot be opened, and from `write` when the disk refuses;
    rotation that is not possible (a folder no longer writable) leaves the open file in use.
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
        """Append `text`, which should end with a newline."""
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
        with suppress(OSError):
            if self._is_in_place():
                for number in range(KEPT - 1, 0, -1):
                    with suppress(FileNotFoundError):
                        os.replace(self._numbered(number), self._numbered(number + 1))
                os.replace(self.path, self._numbered(1))
            old = self._fd
            self._open()
            os.close(old)

    def close(self) -> None:
        """Give the file back. It cannot be written afterwards."""
        _open_files.discard(self)
        os.close(self._fd)

    def _open(self) -> None:
        self._fd = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
        self._size = os.fstat(self._fd).st_size

    def _is_in_place(self) -> bool:
        try:
            there = os.stat(self.path)
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
