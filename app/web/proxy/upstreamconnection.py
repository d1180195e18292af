"""One connection to another server, and the exchanges that take place on it, one after another."""

import asyncio
from typing import TYPE_CHECKING, Final, cast

from ..body import Chunks
from ..head import END, RequestError
from .answerhead import CHUNKED, UNTIL_CLOSE, AnswerHead, parse_answer
from .exchange import Exchange
from .gatewayerror import (
    BadAnswerError,
    GatewayError,
    StaleConnectionError,
    UpstreamGoneError,
    UpstreamLateError,
)

if TYPE_CHECKING:
    from .upstream import Pool

_MOST_INTERIM: Final = 16
"""Answers like 100 and 103 before the one that counts."""

_BEGINNING: Final = b"HTTP/1."


class UpstreamConnection(asyncio.Protocol):
    """Our side of one connection; `pool` keeps it while nothing is asked on it."""

    __slots__ = (
        "_blocked",
        "_chunks",
        "_drained",
        "_input",
        "_interim",
        "_left",
        "_paused",
        "exchange",
        "pool",
        "since",
        "transport",
        "used",
    )

    def __init__(self, pool: "Pool") -> None:
        self.pool = pool
        self.exchange: Exchange | None = None
        self.used = False
        """Whether it has been used for an exchange before."""
        self.since = pool.now
        self._input = b""
        self._interim = 0
        self._left = 0
        self._chunks: Chunks | None = None
        self._paused = False
        self._blocked = False
        self._drained: asyncio.Future[None] | None = None

    def begin(self, method: str, data: bytes, sent: bool) -> Exchange:
        """Ask with `data`, which is the request as a whole, or its head alone if it was not `sent`."""
        exchange = self.exchange = Exchange(self, method, sent)
        self.since = self.pool.now
        self._interim = 0
        self.transport.write(data)
        return exchange

    async def send(self, data: bytes) -> None:
        """More of the request; returns when the upstream has taken so much that more may be sent.

        What is for a connection that is closed is dropped: the exchange knows of that.
        """
        self.since = self.pool.now
        if self.transport.is_closing():
            return
        self.transport.write(data)
        if self._blocked:
            self._drained = self.pool.loop.create_future()
            await self._drained

    def all_sent(self, exchange: Exchange) -> None:
        """The request of `exchange` is complete."""
        exchange.sent = True
        self.since = self.pool.now

    def steer(self) -> None:
        """Read exactly as long as there is room for what comes."""
        exchange = self.exchange
        full = exchange is not None and exchange.buffered > self.pool.limits.buffer
        if full != self._paused and not self.transport.is_closing():
            self._paused = full
            self.since = self.pool.now
            if full:
                self.transport.pause_reading()
            else:
                self.transport.resume_reading()

    @property
    def blocked(self) -> bool:
        """Whether the other server does not take what is sent."""
        return self._blocked

    @property
    def paused(self) -> bool:
        """Whether it is not read from, because the client does not take what came."""
        return self._paused

    @property
    def head_size(self) -> int:
        """How much has come of a head that is not complete."""
        return len(self._input)

    def abort(self) -> None:
        """Close at once."""
        self.transport.abort()

    def handed_over(self) -> bytes:
        """Leave the connection to another protocol; returns what came behind the answer's head."""
        self.exchange = None
        self.pool.forget(self)
        data, self._input = self._input, b""
        return data

    def check(self, now: float) -> None:
        """End what has taken too long by `now`."""
        exchange, limits = self.exchange, self.pool.limits
        age = now - self.since
        if exchange is None:
            if age > limits.idle_time:
                self.transport.close()
            return
        if exchange.head is None and exchange.sent:
            if age > limits.answer_time:
                self._fail(UpstreamLateError(f"no answer within {limits.answer_time:g} s"))
        elif age > limits.read_time:
            what = "it took none of the request" if exchange.head is None else "it sent nothing"
            if self._paused:
                what = "the client took nothing of its answer"
            self._fail(UpstreamLateError(f"{what} for {limits.read_time:g} s"))

    # The transport's.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.pool.join(self)
        self.since = self.pool.now

    def connection_lost(self, exc: Exception | None) -> None:
        self.pool.forget(self)
        drained, self._drained = self._drained, None
        if drained is not None and not drained.done():
            drained.set_result(None)
        exchange, self.exchange = self.exchange, None
        if exchange is None:
            return
        if exchange.head is None:
            stale = self.used and not self._input and not self._interim
            kind = StaleConnectionError if stale else UpstreamGoneError
            exchange.fail(kind("it closed the connection without an answer"))
        elif exchange.head.length == UNTIL_CLOSE and exc is None:
            exchange.complete = True
            exchange.wake()
        else:
            exchange.fail(UpstreamGoneError("it closed the connection within its answer"))

    def pause_writing(self) -> None:
        self._blocked = True

    def resume_writing(self) -> None:
        self._blocked = False
        self.since = self.pool.now
        drained, self._drained = self._drained, None
        if drained is not None and not drained.done():
            drained.set_result(None)

    def data_received(self, data: bytes) -> None:
        exchange = self.exchange
        if exchange is None or exchange.head is not None:
            # A head that comes byte by byte gains no time by that.
            self.since = self.pool.now
        try:
            if exchange is None:
                # Nobody asked. What it is can only be meant for somebody else.
                self.transport.abort()
            elif exchange.head is None:
                self._take_head(exchange, self._input + data if self._input else data)
            elif exchange.head.status == 101:
                self._input += data
            else:
                self._take_body(exchange, exchange.head, data)
        except GatewayError as error:
            self._fail(error)

    # An answer.

    def _take_head(self, exchange: Exchange, data: bytes) -> None:
        limit = self.pool.limits.head
        while True:
            end = data.find(END) + 4
            if end < 4 or end > limit:
                if len(data) > limit:
                    raise BadAnswerError(f"the head of its answer is longer than {limit} bytes")
                if data[:7] != _BEGINNING[: len(data)]:
                    raise BadAnswerError("it speaks something else than HTTP/1")
                self._input = data
                return
            head = parse_answer(data[:end], exchange.method)
            data = data[end:]
            if head.status >= 200 or head.status == 101:
                break
            self._interim += 1
            if self._interim > _MOST_INTERIM:
                raise BadAnswerError(f"it gave more than {_MOST_INTERIM} interim answers")
        self._input = b""
        self.since = self.pool.now
        exchange.head = head
        if head.status == 101:
            self._input = data
            self.transport.pause_reading()
            exchange.wake()
        elif not head.length:
            self._end(exchange, head, data)
        else:
            self._left = head.length
            if head.length == CHUNKED:
                self._chunks = Chunks()
            if data:
                self._take_body(exchange, head, data)
            else:
                exchange.wake()

    def _take_body(self, exchange: Exchange, head: AnswerHead, data: bytes) -> None:
        if head.length >= 0:
            rest = b""
            if len(data) > self._left:
                data, rest = data[: self._left], data[self._left :]
            self._left -= len(data)
            exchange.add(data)
            if not self._left:
                self._end(exchange, head, rest)
                return
        elif head.length == UNTIL_CLOSE:
            exchange.add(data)
        else:
            assert self._chunks is not None
            try:
                pieces, rest = self._chunks.feed(data)
            except RequestError as error:
                raise BadAnswerError(f"its answer is broken: {error.detail}") from None
            for piece in pieces:
                exchange.add(piece)
            if self._chunks.complete:
                self._chunks = None
                self._end(exchange, head, rest)
                return
            exchange.wake()
        if exchange.buffered > self.pool.limits.buffer:
            self.steer()

    def _end(self, exchange: Exchange, head: AnswerHead, rest: bytes) -> None:
        """The answer is complete. Behind it, nothing may come."""
        exchange.complete = True
        exchange.wake()
        self.exchange = None
        self.used = True
        if head.lasts and exchange.sent and not rest:
            if self._paused:
                self.steer()
            self.pool.release(self)
        else:
            self.transport.abort()

    def _fail(self, error: GatewayError) -> None:
        exchange, self.exchange = self.exchange, None
        if exchange is not None:
            exchange.fail(error)
        self.transport.abort()
