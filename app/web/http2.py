"""A connection on which HTTP/2 is spoken (RFC 9113): many requests at a time, each a stream."""

import asyncio
from typing import TYPE_CHECKING, Any, Final, cast

import h2.exceptions
from h2.errors import ErrorCodes
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    RemoteSettingsChanged,
    RequestReceived,
    StreamEnded,
    StreamReset,
    WindowUpdated,
)

from .head import RequestError
from .http2head import MalformedError, request_head
from .http2machine import HTTP2Machine
from .http2stream import HTTP2Stream
from .request import Request

if TYPE_CHECKING:
    from .http import HTTPServer

_FRAME: Final = 16 * 1024
_UNSENT: Final = 16 * 1024 * 1024
"""Bytes of replies that wait for the client; beyond it no further request is answered."""

_PART: Final = 16 * 1024
"""So much of what came is looked at before the patience is."""

_TURN: Final = 256 * 1024
"""So much is sent before others have their turn."""

_PATIENCE: Final = 2000.0
_RECOVERY: Final = 500.0
"""What a client may ask for in vain, at once and in a second: frames that move nothing. Replies that
were wanted restore it. This is what ends floods of any kind of frame, whatever they are called."""

_WORTH: Final = 4096
"""For so many bytes taken, a client may send a frame: some open two windows for each piece."""

_RESET: Final = 10
"""A request that is taken back has cost as much as so many frames (CVE-2023-44487)."""

_SMALL: Final = 256
"""A piece of a reply, in bytes, that is not worth its frame (CVE-2019-9511)."""


class HTTP2Connection(asyncio.Protocol):
    """The server's side of one connection, and all its streams."""

    def __init__(self, server: "HTTPServer") -> None:
        self.server = server
        self.client = ""
        self._h2 = HTTP2Machine(server.limits)
        self.streams: dict[int, HTTP2Stream] = {}
        """Those on which something is still to come or to leave, by number."""
        self._ready: dict[HTTP2Stream, None] = {}
        self._stalled: dict[HTTP2Stream, None] = {}
        self._waiting: list[tuple[HTTP2Stream, Request]] = []
        self.unsent = 0
        """How many bytes of replies wait."""
        self._since = server.now
        self._patience = _PATIENCE
        self._checked = server.now
        self._left_in_buffer = 0
        self._blocked = False
        self._flushing = False
        self._is_last = False
        self._closing = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        peer: object = transport.get_extra_info("peername")
        self.client = cast("tuple[str, int]", peer)[0] if isinstance(peer, tuple) else "unix"
        admitted = self.server.join(self)
        self._since = self._checked = self.server.now
        self._write()
        if not admitted:
            self._say_goodbye(ErrorCodes.ENHANCE_YOUR_CALM)
        elif self.server.draining:
            self.drain()

    def connection_lost(self, exc: Exception | None) -> None:
        self._closing = True
        self.server.leave(self)
        streams, self.streams = self.streams, {}
        self._waiting.clear()
        self._ready.clear()
        self._stalled.clear()
        for stream in streams.values():
            stream.gone()

    def eof_received(self) -> bool:
        return False

    # Input.

    def data_received(self, data: bytes) -> None:
        if self._closing:
            return
        self._flushing = True  # once, at the end
        for start in range(0, len(data), _PART):
            try:
                events = self._h2.receive_data(data[start : start + _PART])
            except h2.exceptions.ProtocolError:
                self._write()  # it has its own last words
                self._close()
                break
            self._hear(events)
            self._write()
            if self._closing:
                break
            if self._patience < 0:
                self._say_goodbye(ErrorCodes.ENHANCE_YOUR_CALM)
                break
        self._flushing = False
        self.flush()

    def _hear(self, events: list[Event]) -> None:
        taken_back = {event.stream_id for event in events if isinstance(event, StreamReset)}
        for event in events:
            if isinstance(event, RequestReceived):
                if event.stream_id not in taken_back:
                    self._begin(event)
            elif isinstance(event, DataReceived):
                self._feed(event)
            elif isinstance(event, StreamEnded):
                if (stream := self.streams.get(event.stream_id)) is not None:
                    stream.finish_body()
                    if stream.is_told:
                        self._drop(stream.number)
            elif isinstance(event, StreamReset):
                self._patience -= _RESET
                self._drop(event.stream_id)
            elif isinstance(event, ConnectionTerminated):
                self._hear_goodbye(event)
            else:
                self._patience -= 1
                if isinstance(event, WindowUpdated | RemoteSettingsChanged):
                    # In the order in which they came to stand: whose turn it was, it still is.
                    self._ready.update(self._stalled)
                    self._stalled.clear()

    def _begin(self, event: RequestReceived) -> None:
        number = event.stream_id
        self._since = self.server.now
        if self._is_last:
            self._send_reset(number, ErrorCodes.REFUSED_STREAM)
            return
        stream = self.streams[number] = HTTP2Stream(self, number)
        stream.is_heard = event.stream_ended is not None
        fields = event.headers
        try:
            request = stream.prepare(request_head(fields, stream.is_heard, self.server.limits))
        except MalformedError:
            self._patience -= _RESET
            self.reset(stream, ErrorCodes.PROTOCOL_ERROR)
        except RequestError as error:
            stream.refuse(error, b" ".join(value for _, value in fields[:4]))
        else:
            if self.unsent > _UNSENT:
                self._waiting.append((stream, request))
            else:
                stream.answer(request)

    def _feed(self, event: DataReceived) -> None:
        stream = self.streams.get(event.stream_id)
        size = event.flow_controlled_length
        if len(event.data) < _SMALL and event.stream_ended is None:
            self._patience -= 1
        if stream is not None:
            stream.feed(event.data, size)
        elif size:
            self._h2.acknowledge_received_data(size, event.stream_id)

    def _hear_goodbye(self, event: ConnectionTerminated) -> None:
        if event.error_code or not self.streams:
            self._close()
        self._is_last = True

    # For the streams.

    def acknowledge(self, stream: HTTP2Stream, size: int) -> None:
        """So many bytes of a body have been taken: the client may send as many more."""
        if size and not self._closing:
            self._h2.acknowledge_received_data(size, stream.number)
            self.flush_soon()

    def send_head(self, stream: HTTP2Stream, fields: list[Any]) -> None:
        """Sends a head, final or not."""
        try:
            self._h2.send_headers(stream.number, fields)
        except h2.exceptions.ProtocolError:
            self._drop(stream.number)
        self.flush_soon()

    def added(self, size: int) -> None:
        """So many bytes more wait to be sent."""
        self.unsent += size

    def reset(self, stream: HTTP2Stream, code: ErrorCodes) -> None:
        """Ends a stream at once."""
        self._send_reset(stream.number, code)
        self._drop(stream.number)

    def flush_soon(self, stream: HTTP2Stream | None = None) -> None:
        """Sends what there is, together with what comes until others have had their turn."""
        if stream is not None:
            self._ready[stream] = None
        if not self._flushing and not self._closing:
            self._flushing = True
            self.server.loop.call_soon(self._flush_now)

    def _flush_now(self) -> None:
        self._flushing = False
        self.flush()

    # Output.

    def flush(self) -> None:
        """Sends what may be sent now, a frame of each stream in turn."""
        if self._closing:
            return
        left = _TURN
        while self._ready and not self._blocked and left > 0:
            stream = next(iter(self._ready))
            del self._ready[stream]
            if self.streams.get(stream.number) is stream:
                left -= self._send_some(stream)
                self._write()
        self._write()
        while self._waiting and self.unsent <= _UNSENT:
            stream, request = self._waiting.pop(0)
            if self.streams.get(stream.number) is stream:
                stream.answer(request)
        if self._ready and not self._blocked:
            self.flush_soon()
        elif not self.streams and self._is_last:
            self._close()

    def _send_some(self, stream: HTTP2Stream) -> int:
        """Sends a frame of the reply; the stream stays in turn if there is more and room for it."""
        number = stream.number
        try:
            if stream.unsent:
                room = self._h2.local_flow_control_window(number)
                if room <= 0:
                    self._stalled[stream] = None
                    return 0
                piece = stream.take(min(room, _FRAME))
                self.unsent -= len(piece)
                ends = stream.ended and not stream.unsent
                self._h2.send_data(number, piece, end_stream=ends)
                if len(piece) < _SMALL and stream.unsent:
                    self._patience -= 1
                else:
                    self._restore(len(piece) / _WORTH)
            else:
                piece, ends = b"", stream.ended
                if ends:
                    self._h2.end_stream(number)
        except h2.exceptions.ProtocolError:
            self._drop(number)
            return 0
        if ends:
            self._restore(_RESET // 2)
            stream.is_told = True
            if stream.is_heard:
                self._drop(number)
        elif stream.unsent:
            self._ready[stream] = None
        return len(piece) + 9

    def _send_reset(self, number: int, code: ErrorCodes) -> None:
        try:
            self._h2.reset_stream(number, code)
        except h2.exceptions.ProtocolError:
            return
        self.flush_soon()

    def _drop(self, number: int) -> None:
        stream = self.streams.pop(number, None)
        if stream is not None:
            self._since = self.server.now
            self._ready.pop(stream, None)
            self._stalled.pop(stream, None)
            stream.gone()
            self.flush_soon()

    def _write(self) -> None:
        data = self._h2.data_to_send()
        if data and not self._closing:
            self.transport.write(data)

    def _restore(self, patience: float) -> None:
        self._patience = min(self._patience + patience, _PATIENCE)

    def pause_writing(self) -> None:
        self._blocked = True

    def resume_writing(self) -> None:
        self._blocked = False
        self.flush()

    # The end.

    @property
    def waits(self) -> bool:
        """Whether somebody waits for more of a request."""
        return any(stream.waits for stream in self.streams.values())

    def _say_goodbye(self, code: ErrorCodes) -> None:
        """Refuses to go on."""
        self._h2.close_connection(code)
        self._write()
        self._close()

    def _close(self) -> None:
        self._closing = True
        self._since = self.server.now
        self.transport.close()

    def check(self, now: float) -> None:
        """Ends what has taken too long by `now`."""
        self._restore(_RECOVERY * max(now - self._checked, 0))
        self._checked = now
        limits = self.server.limits
        for stream in tuple(self.streams.values()):
            stream.check(now)
        unsent = self.transport.get_write_buffer_size()
        if unsent != self._left_in_buffer:
            self._left_in_buffer = unsent
            self._since = now
        elif unsent:
            if now - self._since > limits.send_time:
                self.transport.abort()
        elif self._closing:
            if now - self._since > limits.linger_time:
                self.transport.abort()
        elif not self.streams and now - self._since > limits.idle_time:
            self._say_goodbye(ErrorCodes.NO_ERROR)

    def drain(self) -> None:
        """No more requests: closes when those there are have been answered."""
        for stream in tuple(self.streams.values()):
            stream.drain()
        if self._closing or self._is_last:
            return
        self._is_last = True
        self._h2.close_connection()
        self.flush_soon()

    def cut(self) -> "asyncio.Future[Any] | None":
        """Closes at once; gives what the tasks that are being cancelled come to."""
        self._closing = True
        self.transport.abort()
        tasks = [task for stream in self.streams.values() if (task := stream.task) is not None]
        return asyncio.gather(*tasks, return_exceptions=True) if tasks else None
