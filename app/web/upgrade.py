"""Connections that stop speaking HTTP: to WebSocket, or as a tunnel to somewhere else.

A page answers with an `Upgrade`; once what its turn has changed is durable, the head of the reply
leaves and the connection belongs to the upgrade's `Tunnel` (RFC 9110, 7.8 and 9.3.6).
"""

import asyncio
import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from .response import header_line, status_line

if TYPE_CHECKING:
    from .http import HTTPServer
    from .request import Request

_STATUSES: Final = (101, 200)

_report = logging.getLogger("perdure.web")


class Tunnel:
    """What has a connection after its upgrade; by default it takes everything and does nothing.

    `opened` comes first and `closed` last, each once; a client that leaves while the reply is on its
    way brings `closed` alone. `task` is what still works for the connection after it was cut: a
    server that stops waits a moment for its end.
    """

    task: "asyncio.Task[None] | None" = None

    def opened(self, transport: asyncio.Transport) -> None:
        """The connection is there; what is written now follows the head of the reply."""

    def data_received(self, data: bytes) -> None:
        """The client has sent `data`."""

    def eof_received(self) -> bool:
        """The client sends no more. True keeps the connection open for what is still to be sent."""
        return False

    def closed(self, error: Exception | None) -> None:
        """The connection is gone; `error` says why if it was not closed by either side."""

    def pause_writing(self) -> None:
        """The client does not take what is sent: send no more until `resume_writing`."""

    def resume_writing(self) -> None:
        """The end of `pause_writing`."""

    def drain(self) -> None:
        """The server is stopping: come to an end soon. The connection is cut at the deadline."""


class Upgrade:
    """A reply after which the connection belongs to `tunnel`.

    `status` is 101, to which ``Connection: Upgrade`` is added and `headers` name the protocol, or
    200, which answers CONNECT. Raises `HeaderError` and `ValueError` when made.
    """

    __slots__ = ("head", "status", "tunnel")

    def __init__(
        self, tunnel: Tunnel, headers: Iterable[tuple[str, str]] = (), status: int = 101
    ) -> None:
        if status not in _STATUSES:
            raise ValueError(f"a connection is handed over with 101 or 200, not {status!r}")
        lines = [b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n"]
        if status == 200:
            lines = [status_line(200)]
        self.head = b"".join([*lines, *(header_line(name, value) for name, value in headers)])
        self.status = status
        self.tunnel = tunnel


class UpgradedConnection(asyncio.Protocol):
    """The protocol of a connection from its upgrade on: counts for the server, feeds the tunnel."""

    __slots__ = ("_request", "_server", "_since", "_tunnel", "_unsent", "transport")

    def __init__(
        self,
        server: "HTTPServer",
        transport: asyncio.Transport,
        request: "Request",
        tunnel: Tunnel,
    ) -> None:
        self._server = server
        self._request = request
        self._tunnel = tunnel
        self._since = server.now
        self._unsent = 0
        self.transport = transport

    def begin(self, data: bytes) -> None:
        """Hand the connection over, with what came behind the head of the request."""
        self.transport.set_protocol(self)
        try:
            self._tunnel.opened(self.transport)
            if data:
                self._tunnel.data_received(data)
            if self._server.draining:
                self._tunnel.drain()
        except Exception as error:  # noqa: BLE001 - a protocol's code raises anything
            self._break_off(error)

    def data_received(self, data: bytes) -> None:
        try:
            self._tunnel.data_received(data)
        except Exception as error:  # noqa: BLE001 - a protocol's code raises anything
            self._break_off(error)

    def eof_received(self) -> bool:
        return self._tunnel.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        self._server.leave(self)
        self._request.close()
        self._tunnel.closed(exc)

    def pause_writing(self) -> None:
        self._tunnel.pause_writing()

    def resume_writing(self) -> None:
        self._tunnel.resume_writing()

    # For the server.

    def check(self, now: float) -> None:
        """Cut a client that takes nothing of what is sent. How long silence lasts, tunnels know."""
        unsent = self.transport.get_write_buffer_size()
        if not unsent or unsent != self._unsent:
            self._unsent = unsent
            self._since = now
        elif now - self._since > self._server.limits.send_time:
            self.transport.abort()

    def drain(self) -> None:
        """The server is stopping."""
        self._tunnel.drain()

    def cut(self) -> "asyncio.Task[None] | None":
        """Close at once; returns the task that is being cancelled, if any."""
        self.transport.abort()
        task = self._tunnel.task
        if task is not None:
            task.cancel()
        return task

    def _break_off(self, error: Exception) -> None:
        line = self._request.head.line.decode("latin-1")
        _report.error("%s from %s broke off: %s", line, self._request.client, error, exc_info=error)
        self.transport.abort()
