"""A tunnel that leads on: what a client says goes to another server, and back, unread."""

import asyncio
from typing import Final

from ..upgrade import Tunnel

_PARTING: Final = 1.0
"""Seconds of silence after which a tunnel ends when the server stops."""


class Passage(Tunnel):
    """Joins the client's connection to `far`, that of another server, whose reading is paused.

    `early` is what has come from there already. Each side is read only as fast as the other takes.
    When one side ends, the other is told; after `idle` seconds without a byte both are closed. So they
    are after one second when the server stops: nobody who only leads on knows what is still to come.
    While it lasts it is among `passages`.
    """

    def __init__(
        self, far: asyncio.Transport, early: bytes, idle: float, passages: "set[Passage]"
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self.near: asyncio.Transport | None = None
        self.far = far
        self._early = early
        self._idle = idle
        self._passages = passages
        passages.add(self)
        self._is_parting = False
        self._ends = 0
        self._since = self._loop.time()
        self._timer = self._loop.call_later(idle, self._check)
        far.set_protocol(_FarSide(self))

    # The client's side.

    def opened(self, transport: asyncio.Transport) -> None:
        self.near = transport
        if self._early:
            transport.write(self._early)
            self._early = b""
        if self.far.is_closing():
            transport.close()
        else:
            self.far.resume_reading()

    def data_received(self, data: bytes) -> None:
        self._since = self._loop.time()
        if not self.far.is_closing():
            self.far.write(data)

    def eof_received(self) -> bool:
        return self.near is not None and self._end(self.near, self.far)

    def pause_writing(self) -> None:
        if not self.far.is_closing():
            self.far.pause_reading()

    def resume_writing(self) -> None:
        if not self.far.is_closing():
            self.far.resume_reading()

    def closed(self, error: Exception | None) -> None:
        self._timer.cancel()
        if error is None and self.near is not None:
            self.far.close()
        else:
            self.far.abort()
        self._passages.discard(self)

    def drain(self) -> None:
        self._is_parting = True
        self._idle = min(self._idle, _PARTING)
        self._timer.cancel()
        self._check()

    # The other server's.

    def heard(self, data: bytes) -> None:
        """The other server has sent `data`."""
        self._since = self._loop.time()
        if self.near is not None and not self.near.is_closing():
            self.near.write(data)

    def heard_end(self) -> bool:
        """The other server sends no more."""
        return self.near is not None and self._end(self.far, self.near)

    def far_blocked(self, blocked: bool) -> None:
        """Whether the other server does not take what is sent."""
        if self.near is not None and not self.near.is_closing():
            if blocked:
                self.near.pause_reading()
            else:
                self.near.resume_reading()

    def far_lost(self, error: Exception | None) -> None:
        """The other server's connection is gone."""
        if self.near is None:
            # The client's may never come.
            self._timer.cancel()
            self._passages.discard(self)
        elif error is None:
            self.near.close()
        else:
            self.near.abort()

    def _end(self, ended: asyncio.Transport, other: asyncio.Transport) -> bool:
        """Tell `other` that nothing more comes from `ended`; whether that one stays open."""
        self._ends += 1
        # TLS has no half of a connection: all that came is sent, and that was it.
        halves = other.can_write_eof() and ended.can_write_eof()
        if self._ends == 2 or not halves or other.is_closing():
            other.close()
            return False
        other.write_eof()
        return True

    def _check(self) -> None:
        left = self._since + self._idle - self._loop.time()
        if left <= 0 and self._is_parting and self._is_held_up():
            left = self._idle
        if left > 0:
            self._timer = self._loop.call_later(left, self._check)
            return
        self.far.abort()
        if self.near is not None:
            self.near.abort()

    def _is_held_up(self) -> bool:
        """Whether one side is slow to take what the other has said."""
        sides = (self.near, self.far)
        return any(side is not None and side.get_write_buffer_size() for side in sides)


class _FarSide(asyncio.Protocol):
    """The protocol of the connection to the other server, from when it is a tunnel."""

    __slots__ = ("_passage",)

    def __init__(self, passage: Passage) -> None:
        self._passage = passage

    def data_received(self, data: bytes) -> None:
        self._passage.heard(data)

    def eof_received(self) -> bool:
        return self._passage.heard_end()

    def pause_writing(self) -> None:
        self._passage.far_blocked(True)

    def resume_writing(self) -> None:
        self._passage.far_blocked(False)

    def connection_lost(self, exc: Exception | None) -> None:
        self._passage.far_lost(exc)
