"""The door of a TLS endpoint: who gets in has shaken hands, soon, and not among too many."""

import asyncio
import errno
import functools
import logging
import socket
import ssl
from typing import TYPE_CHECKING, Final, cast

from .channel import HTTPChannel
from .http2 import HTTP2Connection

if TYPE_CHECKING:
    from .http import HTTPServer

_HANDSHAKE: Final = b"\x16"
_BATCH: Final = 64
_PAUSE: Final = 1.0
_EXHAUSTED: Final = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
_PLAIN: Final = (
    b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\n"
    b"Connection: close\r\n\r\nThis port speaks TLS: the address begins with https://\n"
)

_report = logging.getLogger("perdure.web")


class Door:
    """Accepts connections on `bound`, which it takes over, and serves those that speak TLS.

    A client has `Limits.handshake_time` for its handshake. Of more than `Limits.handshakes` at a
    time, the one that takes longest is turned away. What fails here is noise of the Internet, and
    no line of the log.
    """

    def __init__(self, server: "HTTPServer", bound: socket.socket, context: ssl.SSLContext) -> None:
        self._server = server
        self._bound = bound
        self._context = context
        self._entering: dict[asyncio.Task[bool], None] = {}
        self._pause: asyncio.TimerHandle | None = None
        bound.setblocking(False)
        self._open()

    def close(self) -> None:
        """Accepts no more, and gives up the handshakes there are."""
        if self._pause is not None:
            self._pause.cancel()
        if self._bound.fileno() >= 0:
            self._server.loop.remove_reader(self._bound)
            self._bound.close()
        for task in self._entering:
            task.cancel()

    def _open(self) -> None:
        self._pause = None
        self._server.loop.add_reader(self._bound, self._accept)

    def _accept(self) -> None:
        for _ in range(_BATCH):
            try:
                client, _ = self._bound.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                if error.errno not in _EXHAUSTED:
                    raise
                _report.error("no connection can be accepted (%s); trying again", error.strerror)
                self._server.loop.remove_reader(self._bound)
                self._pause = self._server.loop.call_later(_PAUSE, self._open)
                return
            if len(self._entering) >= self._server.limits.handshakes:
                oldest = next(iter(self._entering))
                del self._entering[oldest]
                oldest.cancel()
            task = self._server.loop.create_task(self._let_in(client))
            self._entering[task] = None
            task.add_done_callback(functools.partial(self._forget, client))

    def _forget(self, client: socket.socket, task: "asyncio.Task[bool]") -> None:
        self._entering.pop(task, None)
        # Here, because a task that is cancelled before its first step does nothing at all.
        if task.cancelled() or task.exception() is not None or not task.result():
            client.close()
        if not task.cancelled() and (error := task.exception()) is not None:
            _report.error("a client could not be let in", exc_info=error)

    async def _let_in(self, client: socket.socket) -> bool:
        """Whether the client is in, and its socket no longer ours to close."""
        seconds = self._server.limits.handshake_time
        client.setblocking(False)
        try:
            async with asyncio.timeout(seconds):
                first = await self._first_bytes(client)
                if first[:1] == _HANDSHAKE:
                    await self._server.loop.connect_accepted_socket(
                        lambda: _Negotiation(self._server), client, ssl=self._context
                    )
                    return True
            if first.isalpha() and first.isupper():
                _answer_plainly(client)
        except (OSError, TimeoutError) as error:
            _report.debug("no TLS handshake: %s", error)
        return False

    async def _first_bytes(self, client: socket.socket) -> bytes:
        """The first bytes that the client sends, which stay to be read; empty if it closes."""
        loop = self._server.loop
        while True:
            try:
                return client.recv(3, socket.MSG_PEEK)
            except BlockingIOError:
                pass
            came: asyncio.Future[None] = loop.create_future()
            loop.add_reader(client, _came, came)
            try:
                await came
            finally:
                loop.remove_reader(client)


def _came(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)


def _answer_plainly(client: socket.socket) -> None:
    client.recv(65536)  # unread, it would turn the close into a reset that loses the answer
    client.send(_PLAIN)
    client.shutdown(socket.SHUT_WR)


class _Negotiation(asyncio.Protocol):
    """Hands the connection on to whom the client and the server agreed to speak to."""

    def __init__(self, server: "HTTPServer") -> None:
        self._server = server

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        encrypted = cast(asyncio.Transport, transport)
        chosen = encrypted.get_extra_info("ssl_object").selected_alpn_protocol()
        protocol: HTTP2Connection | HTTPChannel
        if chosen == "h2":
            protocol = HTTP2Connection(self._server)
        else:
            protocol = HTTPChannel(self._server, True)
        encrypted.set_protocol(protocol)
        protocol.connection_made(transport)
