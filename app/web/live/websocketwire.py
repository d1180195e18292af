"""One WebSocket connection: messages in both directions, and how it ends (RFC 6455).

The framing is wsproto's. No extension is negotiated: a compressed message may be a thousand times as
long as what came, and what is secret and what a stranger chose would be compressed together.
"""

import asyncio
from io import StringIO
from typing import Final

from wsproto.connection import Connection, ConnectionState, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Event, Ping, TextMessage

from ....persist.errors import PerdureError
from ...turns import Committer, Turn, UnsafeError, current
from ..upgrade import Tunnel
from .websocketlimits import UNSAVED, SocketLimits

__all__ = ["Content", "SocketClosedError", "Wire"]

Content = str | bytes
"""A message: text, or any bytes."""

_TURN: Final = 64
"""So many frames of one client are looked at before others have their turn."""

_GRACE: Final = 1.0
"""Seconds that whoever talks to a client has to come to an end once it has gone."""

_NOT_TO_BE_SENT: Final = frozenset((1004, 1005, 1006, 1015))


class SocketClosedError(PerdureError):
    """The connection is closed, or being closed: nothing more comes or leaves.

    Attributes: `code` and `reason` as given by who closed it; 1006 if nobody did and it is just gone.
    """

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"the WebSocket is closed: {code} {reason}".rstrip())
        self.code = code
        self.reason = reason


class Wire(Tunnel):
    """A connection on which messages are sent and received.

    To be handed over with an `Upgrade`. It may be used before it is open: `receive` and `send` wait.
    `turn` is the unit of work that talking to this client is part of, if changes are made durable.
    Its `task` is cancelled when the client has gone, at once if it has never received, and otherwise
    if it does not end soon. From when it is being closed, `code` and `reason` say why.
    """

    code: int | None = None
    reason: str = ""

    def __init__(self, limits: SocketLimits, turn: Turn | None = None) -> None:
        self.turn = turn
        self._limits = limits
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._protocol = Connection(ConnectionType.SERVER)
        self._queue: list[Content] = []
        self._queued = 0
        self._parts: StringIO | bytearray | None = None
        self._size = 0
        self._changed: asyncio.Future[None] | None = None
        self._parting: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._is_heard = True
        self._is_blocked = False
        self._is_reading = True
        self._is_behind = False
        # Whether what comes is no longer looked at.
        self._is_deaf = False
        # What the client did wrong, if it has not been told yet: the page is at what came before.
        self._fault: tuple[int, str] | None = None
        self._is_busy = False
        self._is_draining = False
        self._is_listened_to = False

    # For who talks.

    async def receive(self) -> Content:
        """The next message. Raises `SocketClosedError` when there are no more.

        To ask for it ends a turn: what was changed since the last message is made durable first.
        Raises `UnsafeError` if it cannot be; it is then undone.
        """
        self._is_listened_to = True
        turn = self.turn
        if turn is not None:
            await turn.durable()
        self._is_busy = False
        while not self._queue:
            if self._fault is not None:
                self.end()
            if self.code is not None:
                raise SocketClosedError(self.code, self.reason)
            await self._change()
        self._is_busy = True
        message = self._queue.pop(0)
        self._queued -= len(message)
        if turn is not None and turn.ledger is not None:
            # What was undone before this message came is no fault of what it will do.
            turn.ledger.end(turn)
            turn.ledger.begin(turn)
        if self._is_behind:
            self._loop.call_soon(self._take)
        return message

    async def send(self, message: Content) -> None:
        """Send a message, once all that the current turn has changed or seen is durable.

        Returns when the client has taken so much that more may be sent. Raises `SocketClosedError`,
        and `UnsafeError` if what the message may tell of was lost.
        """
        event: TextMessage | BytesMessage
        if isinstance(message, str):
            event = TextMessage(data=message)
        elif isinstance(message, bytes):  # pyright: ignore[reportUnnecessaryIsInstance]
            event = BytesMessage(data=message)
        else:
            raise TypeError(f"a message is str or bytes, not {type(message).__name__}")
        turn = current.get() or self.turn
        if turn is not None:
            await turn.durable()
        while self._transport is None or self._is_blocked:
            if self.code is not None:
                break
            await self._change()
        if self.code is not None:
            raise SocketClosedError(self.code, self.reason)
        self._write(event)
        # Who sends and sends must not keep others from their turn.
        await asyncio.sleep(0)

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Say goodbye; what was sent before still leaves. The first of several calls counts.

        It is over at once, but the client is told when all is durable that the current turn has
        changed or seen; where it cannot be, that is what it is told (1013). Of `reason` the first 123
        bytes are sent. Raises ValueError for a code that cannot be.
        """
        if (not 1000 <= code < 1016 and not 3000 <= code < 5000) or code in _NOT_TO_BE_SENT:
            raise ValueError(f"a WebSocket is closed with 1000 to 1014 or 3000 to 4999, not {code}")
        turn = current.get() or self.turn
        if turn is not None and turn.ledger is not None and self.code is None:
            try:
                part = self._part(turn.ledger, turn.commit())
            except UnsafeError:
                code, reason = UNSAVED
            else:
                self._parting = self._loop.create_task(part)
        self.end(code, reason)

    def end(self, code: int = 1000, reason: str = "") -> None:
        """As `close`, of what tells nothing that could be lost."""
        if self.code is not None:
            return
        self.code, self.reason = self._fault or (code, reason)
        self._queue.clear()
        self._queued = 0
        self._parts = None
        self._say_goodbye()
        self._tell()

    async def _part(self, ledger: Committer, sequence: int) -> None:
        try:
            await ledger.reached(sequence)
        except UnsafeError:
            self.code, self.reason = UNSAVED
        self._parting = None
        if self._protocol.state is ConnectionState.OPEN:
            self._say_goodbye()

    # For the connection.

    def opened(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        if self.code is not None:
            self._say_goodbye()
        else:
            self._timer = self._loop.call_later(self._limits.keep_alive, self._tick)
        self._tell()

    def data_received(self, data: bytes) -> None:
        self._is_heard = True
        if self._is_deaf:
            transport = self._transport
            if transport is not None and self.code is not None and not transport.can_write_eof():
                transport.close()
            return
        self._protocol.receive_data(data)
        self._take()

    def eof_received(self) -> bool:
        return False

    def closed(self, error: Exception | None) -> None:
        if self.code is None:
            self.code = 1006
        self._transport = None
        self._is_deaf = True
        self._stop_timer()
        self._tell()
        task = self.task
        if task is None or task.done():
            return
        if self._is_draining:
            self._loop.call_soon(task.cancel)
        else:
            self._end_soon(task)

    def pause_writing(self) -> None:
        self._is_blocked = True
        self._steer()

    def resume_writing(self) -> None:
        self._is_blocked = False
        self._tell()
        self._steer()

    def drain(self) -> None:
        """Say goodbye, and let the connection go when who talks to the client has ended."""
        self._is_draining = True
        self.end(1001, "the server is stopping")
        task = self.task
        if task is not None and not task.done():
            self._end_soon(task)
            task.add_done_callback(self._let_go)

    def _end_soon(self, task: asyncio.Task[None]) -> None:
        # Never at once: a task that has not begun would leave its coroutine never awaited.
        grace = _GRACE if self._is_listened_to else 0
        timer = self._loop.call_later(grace, task.cancel)
        task.add_done_callback(lambda _: timer.cancel())

    def _let_go(self, _task: asyncio.Task[None]) -> None:
        """Nobody talks to the client any more, whose goodbye may have come before."""
        if self._is_deaf and self._transport is not None:
            self._transport.close()

    # Input.

    def _take(self) -> None:
        """Look at the frames that came, as long as there is room for messages."""
        self._is_behind = False
        if self._is_deaf or self._transport is None:
            return
        for number, event in enumerate(self._protocol.events(), 1):
            self._handle(event)
            if self._is_deaf:
                return
            if self._is_full():
                self._is_behind = True
                break
            if number == _TURN:
                self._is_behind = True
                self._loop.call_soon(self._take)
                break
        self._steer()

    def _handle(self, event: Event) -> None:
        if isinstance(event, TextMessage | BytesMessage):
            if self.code is None:
                self._gather(event)
        elif isinstance(event, Ping):
            if self.code is None:
                self._write(event.response())
        elif isinstance(event, CloseConnection):
            self._hear_goodbye(event)

    def _gather(self, event: TextMessage | BytesMessage) -> None:
        piece: Content = event.data if isinstance(event, TextMessage) else bytes(event.data)
        self._size += len(piece if isinstance(piece, bytes) else piece.encode())
        if self._size > self._limits.message:
            self._fail(1009, f"a message has at most {self._limits.message} bytes")
            return
        if self._parts is not None or not event.message_finished:
            if self._parts is None:
                self._parts = StringIO() if isinstance(piece, str) else bytearray()
            if isinstance(self._parts, StringIO):
                self._parts.write(str(piece))
            elif isinstance(piece, bytes):
                self._parts += piece
            if not event.message_finished:
                return
            parts, self._parts = self._parts, None
            piece = parts.getvalue() if isinstance(parts, StringIO) else bytes(parts)
        self._size = 0
        self._queue.append(piece)
        self._queued += len(piece)
        self._tell()

    def _hear_goodbye(self, event: CloseConnection) -> None:
        if self._protocol.state in (ConnectionState.OPEN, ConnectionState.LOCAL_CLOSING):
            # It is wsproto that says so: what came is no frame.
            self._fail(event.code, event.reason or "")
            return
        self._is_deaf = True
        if self._protocol.state is ConnectionState.REMOTE_CLOSING:
            self.code, self.reason = int(event.code), event.reason or ""
            self._write(event.response())
            self._begin_deadline()
        if self._transport is not None and not self._is_held():
            self._transport.close()
        self._tell()

    def _fail(self, code: int, reason: str) -> None:
        """The client has broken the rules, and is not listened to any more.

        It hears why when the page is through with the messages that came before.
        """
        self._is_deaf = True
        if self.code is not None:
            if self._transport is not None:
                self._transport.close()
            return
        self._fault = code, reason
        if self._queue or self._is_busy:
            self._stop_timer()
            self._timer = self._loop.call_later(self._limits.close_time, self.end)
        else:
            self.end()
        self._steer()

    def _is_held(self) -> bool:
        """Whether the connection stays so that the stopping server waits for who talked on it."""
        return self._is_draining and self.task is not None and not self.task.done()

    def _is_full(self) -> bool:
        return len(self._queue) >= self._limits.queue or self._queued >= self._limits.message

    def _steer(self) -> None:
        """Read from the client exactly as long as there is room for what it sends."""
        wanted = self._is_deaf or not (self._is_behind or self._is_blocked)
        if wanted != self._is_reading and self._transport is not None:
            self._is_reading = wanted
            if wanted:
                self._transport.resume_reading()
            else:
                self._transport.pause_reading()

    # Output.

    def _write(self, event: Event) -> None:
        if self._transport is not None:
            self._transport.write(self._protocol.send(event))

    def _say_goodbye(self) -> None:
        transport = self._transport
        if transport is None or self._parting is not None:
            return  # `opened`, or `_part`, comes back to it
        self._write(CloseConnection(code=self.code or 1000, reason=self.reason))
        self._begin_deadline()
        if self._is_behind:
            self._loop.call_soon(self._take)
        if self._is_deaf and transport.can_write_eof():
            # Not closed at once: what is still on its way would reset the connection, and the
            # client might never hear what it did wrong.
            transport.write_eof()

    def _begin_deadline(self) -> None:
        self._stop_timer()
        if self._transport is not None:
            self._timer = self._loop.call_later(self._limits.close_time, self._transport.abort)

    # The clock.

    def _tick(self) -> None:
        if self._transport is None:
            return
        if self._is_heard or not self._is_reading:
            self._is_heard = False
            if not self._is_blocked:
                self._write(Ping())
            self._timer = self._loop.call_later(self._limits.keep_alive, self._tick)
        else:
            self._transport.abort()

    def _stop_timer(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()

    async def _change(self) -> None:
        """Return when something about the connection is different."""
        if self._changed is None:
            self._changed = self._loop.create_future()
        # Shielded, because others wait for the same.
        await asyncio.shield(self._changed)

    def _tell(self) -> None:
        changed, self._changed = self._changed, None
        if changed is not None and not changed.done():
            changed.set_result(None)
