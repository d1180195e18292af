"""Our ends of the pipes to and from a process."""

import asyncio
import os
from collections.abc import Callable
from typing import IO, Any, Final

_PIECE: Final = 64 * 1024


class Pipe:
    """One end of a pipe, read or written as far as the other side goes along.

    Nothing is read before it is asked for: whoever writes to the other end waits as long. One reader
    or writer at a time.
    """

    __slots__ = ("_fd", "_file", "_loop", "_waiter", "_watches")

    def __init__(self, file: IO[bytes]) -> None:
        """`file`, which has no buffer, becomes ours to close."""
        self._file = file
        self._fd = file.fileno()
        os.set_blocking(self._fd, False)
        self._loop = asyncio.get_running_loop()
        self._waiter: asyncio.Future[None] | None = None
        self._watches: Callable[[int], Any] | None = None

    async def read(self) -> bytes:
        """What there is, at most 64 KB; empty at the end, and when this end was closed."""
        while self._fd >= 0:
            try:
                return os.read(self._fd, _PIECE)
            except BlockingIOError:
                await self._ready(self._loop.add_reader, self._loop.remove_reader)
        return b""

    async def write(self, data: bytes) -> None:
        """Returns when all of `data` was taken. Raises BrokenPipeError if nobody will."""
        view = memoryview(data)
        while view:
            if self._fd < 0:
                raise BrokenPipeError
            try:
                view = view[os.write(self._fd, view) :]
            except BlockingIOError:
                await self._ready(self._loop.add_writer, self._loop.remove_writer)

    async def _ready(self, watch: Callable[..., Any], unwatch: Callable[[int], Any]) -> None:
        self._waiter = self._loop.create_future()
        self._watches = unwatch
        watch(self._fd, self._wake)
        try:
            await self._waiter
        finally:
            self._forget()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _forget(self) -> None:
        unwatch, self._watches = self._watches, None
        if unwatch is not None:
            unwatch(self._fd)

    def close(self) -> None:
        """Closes this end; whoever waits at it is woken. A second time does nothing."""
        if self._fd >= 0:
            self._forget()
            self._fd = -1
            self._file.close()
            self._wake()
