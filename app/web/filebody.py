"""A body that lies in a file, and is sent from there without being read into memory."""

import os
from collections.abc import Sequence
from pathlib import Path

import attrs


@attrs.frozen
class FileRange:
    """`length` bytes of a file from `offset` on."""

    offset: int
    length: int


class FileBody:
    """An open file and which parts of it are sent, with literal bytes before, between and after.

    `parts` are sent in order: bytes as they are, a `FileRange` from the file. The descriptor `fd`
    belongs to this object from now on: the channel closes it when the reply has left or failed,
    and HEAD closes it at once. A file that shrinks while it is sent costs the connection.
    """

    __slots__ = ("fd", "length", "parts")

    def __init__(self, fd: int, parts: Sequence[bytes | FileRange]) -> None:
        self.fd = fd
        self.parts = tuple(parts)
        self.length = sum(
            part.length if isinstance(part, FileRange) else len(part) for part in self.parts
        )

    @classmethod
    def open(cls, path: str | Path) -> "FileBody":
        """The whole of the file at `path`, as long as it is now; raises `OSError`."""
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            return cls(fd, (FileRange(0, os.fstat(fd).st_size),))
        except BaseException:
            os.close(fd)
            raise

    def close(self) -> None:
        """Closes the descriptor; a second time does nothing."""
        fd, self.fd = self.fd, -1
        if fd >= 0:
            os.close(fd)

    def __del__(self) -> None:
        self.close()
