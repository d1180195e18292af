"""What is too large to be kept in memory while a request is answered: one unnamed file of it."""

import asyncio
import logging
import os
import tempfile
import threading
from io import BufferedReader, BytesIO, RawIOBase
from typing import TYPE_CHECKING, BinaryIO, Final, cast

from .errors import HTTPError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_COPY: Final = 8 * 1024 * 1024
_PIECE: Final = 64 * 1024

_report = logging.getLogger("perdure.web")


class Spool:
    """A file without a name, in the folder for temporary files, that nobody has to clean up.

    It is made when something is first put into it, and nothing of it is left when it is closed, nor
    when the process is killed. It may be closed while a
    thread writes: the file is then closed by that thread, as the last of what it does, so that
    nothing is ever written into another file that got its number.
    """

    def __init__(self) -> None:
        self.size = 0
        self._lock = threading.Lock()
        self._uses = 0
        self._is_closed = False
        self._descriptor = -1
        self._can_be_linked = False

    @property
    def is_closed(self) -> bool:
        """Whether what was in it is gone."""
        return self._is_closed

    @property
    def descriptor(self) -> int:
        """The file itself, at its beginning, for a process that is to read it; -1 if there is none."""
        return self._descriptor

    async def append(self, data: bytes) -> None:
        """Write `data` behind what there is, in a thread. Raises `HTTPError` 507 if it cannot be."""
        offset, self.size = self.size, self.size + len(data)
        try:
            await asyncio.to_thread(self._write, data, offset)
        except OSError as error:
            _report.error("what is sent cannot be kept in %s: %s", tempfile.gettempdir(), error)
            raise HTTPError(507, "There is no room for what was sent.") from None

    def open(self, offset: int, length: int) -> BinaryIO:
        """So much of it as a file to be read, as long as this is not closed."""
        return cast(BinaryIO, BufferedReader(_Part(self, offset, length), _PIECE))

    def read(self, length: int, offset: int) -> bytes:
        """So much of what there is. Raises `ValueError` once it is closed."""
        self._begin()
        try:
            return os.pread(self._descriptor, length, offset)
        finally:
            self._end()

    def give(self, path: str, offset: int, length: int) -> None:
        """Make the file `path` of a part; its content is not copied if it is all there is.

        To be called in a thread. `path` must not exist. Raises OSError, and `ValueError` once it is
        closed.
        """
        self._begin()
        try:
            if self._can_be_linked and length == self.size and self._link(path):
                return
            mode = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
            target = os.open(path, mode, 0o666)
            try:
                self._copy(target, offset, length)
                os.fsync(target)
            finally:
                os.close(target)
        finally:
            self._end()

    def close(self) -> None:
        """Be done with it, now or when the thread is that uses it. Twice is once."""
        with self._lock:
            if self._is_closed:
                return
            self._is_closed = True
            if self._uses:
                return
        self._let_go()

    def _let_go(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)

    def _begin(self) -> None:
        with self._lock:
            if self._is_closed:
                raise ValueError("what was sent is gone: its reply has left")
            self._uses += 1

    def _end(self) -> None:
        with self._lock:
            self._uses -= 1
            if self._uses or not self._is_closed:
                return
        self._let_go()

    def _write(self, data: bytes, offset: int) -> None:
        self._begin()
        try:
            if self._descriptor < 0:
                self._descriptor, self._can_be_linked = _open()
            rest = memoryview(data)
            while rest:
                written = os.pwrite(self._descriptor, rest, offset)
                rest, offset = rest[written:], offset + written
        finally:
            self._end()

    def _link(self, path: str) -> bool:
        try:
            os.fsync(self._descriptor)
            os.link(f"/proc/self/fd/{self._descriptor}", path, follow_symlinks=True)
        except FileExistsError:
            raise
        except OSError:
            return False  # another file system, or one that cannot; then it is copied
        self._can_be_linked = False  # a second name would be for the same file
        return True

    def _copy(self, target: int, offset: int, length: int) -> None:
        while length:
            sent = os.sendfile(target, self._descriptor, offset, min(length, _COPY))
            if not sent:
                raise OSError("the file of the uploads was cut short")
            offset, length = offset + sent, length - sent


def _open() -> tuple[int, bool]:
    # Not by `tempfile`: what it makes cannot be given a name, and is for this user's eyes alone.
    flags = os.O_RDWR | os.O_TMPFILE | os.O_CLOEXEC
    try:
        return os.open(tempfile.gettempdir(), flags, 0o666), True
    except OSError:  # a file system without such files
        descriptor, path = tempfile.mkstemp()
        os.unlink(path)
        return descriptor, False


class Gathered:
    """What comes in pieces: in memory up to `memory` bytes of it, in a `Spool` when it is more."""

    def __init__(self, memory: int) -> None:
        self.size = 0
        self._memory = memory
        self._pieces: list[bytes] = []
        self._spool: Spool | None = None

    async def append(self, piece: bytes) -> None:
        """Keep `piece`, too. Raises as `Spool.append`."""
        self.size += len(piece)
        self._pieces.append(piece)
        if self.size > self._memory:
            pieces, self._pieces = self._pieces, []
            self._spool = self._spool or Spool()
            await self._spool.append(b"".join(pieces))

    def open(self) -> BinaryIO:
        """All of it as a file to be read, as long as this is not closed."""
        if self._spool is None:
            return BytesIO(b"".join(self._pieces))
        return self._spool.open(0, self.size)

    def close(self) -> None:
        """Forget it. Twice is once."""
        if self._spool is not None:
            self._spool.close()


class _Part(RawIOBase):
    """A part of a `Spool`, as a file to be read."""

    def __init__(self, spool: Spool, offset: int, length: int) -> None:
        self._spool = spool
        self._offset = offset
        self._length = length
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._length}[whence]
        if base + offset < 0:
            raise ValueError(f"there is nothing before the beginning (at {base + offset})")
        self._position = base + offset
        return self._position

    def readinto(self, buffer: "WriteableBuffer") -> int:
        view = memoryview(buffer).cast("B")
        wanted = min(len(view), max(self._length - self._position, 0))
        data = self._spool.read(wanted, self._offset + self._position)
        view[: len(data)] = data
        self._position += len(data)
        return len(data)
