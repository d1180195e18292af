"""One connection of a client: requests come in, and are answered one after another."""

import asyncio
from typing import TYPE_CHECKING, Final

from .body import BodyLateError, RequestBody
from .errors import HTTPError, error_page
from .forwarded import TrustedProxies
from .head import END, Head, RequestError, check_beginning
from .output import CLOSING, HEAD, IDLE, LINGER, REST, SENDING
from .rendering import Rendering
from .request import Request
from .resource import ResourceError
from .upgrade import Upgrade, UpgradedConnection

if TYPE_CHECKING:
    from .http import HTTPServer

_TURN: Final = 64
"""So many pipelined requests of one client are answered before others have their turn."""


class HTTPChannel(Rendering):
    """The server's side of one connection."""

    __slots__ = ("_ended", "_input", "_proxies")

    def __init__(self, server: "HTTPServer", secure: bool) -> None:
        super().__init__(server, secure)
        self._input = b""
        self._ended = False
        self._proxies: TrustedProxies | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        proxies = self._server.proxies
        if proxies is not None and proxies.trusts(self._client):
            self._proxies = proxies
        if not self._server.join(self):
            self._refuse(HTTPError(503, headers=[("Retry-After", "1")]))
        elif self._server.draining:
            # Accepted before the doors were closed; who was idle then has been let go as well.
            self.close()

    def eof_received(self) -> bool:
        # A client that shuts down its sending side has mostly gone. Only a file in flight, which
        # costs nothing to finish, is still sent to one that might be listening.
        if self._phase == SENDING:
            self._ended = True
            return not self._secure
        while self._phase == IDLE and self._input and not self._blocked:
            self._continue()
        self._give_up()
        self._phase = CLOSING
        return False

    def resume_writing(self) -> None:
        super().resume_writing()
        self._continue()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._steer()

    def rendered(self) -> None:
        if self._ended and self._phase == IDLE:
            self.close()
        elif self._input:
            self._server.loop.call_soon(self._continue)
        elif not self._reading:
            self._steer()

    def upgrade(self, request: Request, upgrade: Upgrade) -> None:
        body = self._body
        if body is not None and not body.complete:
            upgrade.tunnel.closed(None)
            raise ResourceError(
                upgrade.tunnel, "a request with a body cannot become something else"
            )
        self._server.tick()
        self.leave(upgrade.head + request.head_fields() + self._server.fields)
        # Not now: what came behind the request is still in the hands of who called.
        self._server.loop.call_soon(self._hand_over, request, upgrade)

    def _hand_over(self, request: Request, upgrade: Upgrade) -> None:
        if self._request is not request:
            upgrade.tunnel.closed(None)
            return
        self._server.note(request, upgrade.status, 0)
        self._request = None
        self._phase = CLOSING
        data, self._input = self._input, b""
        connection = UpgradedConnection(self._server, self.transport, request, upgrade.tunnel)
        self._server.replace(self, connection)
        connection.begin(data)
        if self._blocked:
            connection.pause_writing()
        if not self._reading:
            self.transport.resume_reading()

    @property
    def buffered(self) -> int:
        """Bytes that came and that nobody has taken yet."""
        return len(self._input) + (self._body.buffered if self._body is not None else 0)

    @property
    def waits(self) -> bool:
        """Whether somebody waits for more of the request's body."""
        return self._body is not None and self._body.wanted

    @property
    def blocked(self) -> bool:
        """Whether the client does not take what is sent."""
        return self._blocked

    def drain(self) -> None:
        """No more requests: closes now if there is none in the making."""
        if self._phase == IDLE and not self._input:
            self.close()
        elif self._request is not None:
            self._request.drain()

    def check(self, now: float) -> None:
        """Ends what has taken too long by `now`."""
        limits = self._server.limits
        age = now - self._since
        phase = self._phase
        if phase == IDLE:
            if age > limits.idle_time:
                self.close()
        elif phase == HEAD:
            if age > limits.head_time:
                self._refuse(RequestError(408), self._input)
        elif phase == LINGER:
            if age > limits.linger_time:
                self.abort()
        elif self._blocked or phase in (SENDING, CLOSING):
            unsent = self.transport.get_write_buffer_size()
            if unsent != self._unsent:
                self._unsent = unsent
                self._since = now
            elif age > limits.send_time:
                self.abort()
        elif age > limits.body_time and self._reading and self._body is not None:
            if phase == REST:
                self.close()
            elif self._body.wanted:
                self._body.fail(BodyLateError())
                self._since = now

    # Input.

    def data_received(self, data: bytes) -> None:
        if self._phase >= LINGER:
            return
        if self._input:
            data = self._input + data
            self._input = b""
        if self._body is not None and not self._body.complete:
            self._feed(self._body, data)
        elif self._request is not None:
            self._input = data
            self._steer()
        else:
            self._take(data)

    def _take(self, data: bytes) -> None:
        """Answers the requests in `data`, as far as they are whole and can be answered now."""
        server = self._server
        size = len(data)
        start = answered = 0
        while start < size:
            if data[start] == 13 and data.startswith(b"\r\n", start):
                start += 2  # RFC 9112, 2.2: empty lines before a request are ignored
                continue
            end = data.find(END, start) + 4
            if end < 4 or end - start > server.limits.head:
                self._take_beginning(data[start:])
                break
            raw = data[start:end]
            start = end
            try:
                head = server.head(raw)
                proxies = self._proxies
                origin = None if proxies is None else proxies.origin(head.headers, self._client)
                if head.length:
                    data = self._take_body(head, data[start:])
                    start, size = 0, len(data)
            except RequestError as error:
                self._refuse(error, raw)
                break
            if start < size and self._corked is None:
                self._corked = []
            request = Request(
                head, self._client, self._secure, server.registry, server.sessions, self._body
            )
            if origin is not None:
                origin.apply(request)
            self.answer(request)
            answered += 1
            if self._phase != IDLE or self._blocked or answered == _TURN:
                if start < size and self._phase < LINGER:
                    self._input = data[start:]
                    server.loop.call_soon(self._continue)
                break
        if self._corked is not None:
            self.uncork()
        if self._input or not self._reading:
            self._steer()

    def _take_beginning(self, data: bytes) -> None:
        """Keeps a head that has not come to its end, if it can still become one."""
        limit = self._server.limits.head
        try:
            if len(data) > limit:
                line = data.find(b"\r\n")
                raise RequestError(414 if line < 0 or line > limit // 2 else 431)
            check_beginning(data)
        except RequestError as error:
            self._refuse(error, data)
            return
        self._input = data
        if self._phase != HEAD:
            self._phase = HEAD
            self._since = self._server.now

    def _take_body(self, head: Head, data: bytes) -> bytes:
        """Begins a body with what came of it already; returns what follows it.

        A body that came at once and is broken is refused before anything is rendered.
        """
        body = self._body = RequestBody(self, head, self._server.limits)
        rest = body.feed(data)
        self._since = self._server.now
        return rest

    def _feed(self, body: RequestBody, data: bytes) -> None:
        if body.failed:
            return
        try:
            rest = body.feed(data)
        except RequestError as error:
            body.fail(error)
            if self._phase == REST:
                self.close(linger=True)
            return
        self._since = self._server.now
        if not body.complete:
            self._steer()
        elif self._phase == REST:
            self._body = None
            self._phase = IDLE
            if self._server.draining:
                self.close()
            else:
                self._take(rest)
        else:
            self._input = rest

    def _continue(self) -> None:
        """Goes on with what came while something else was done."""
        if self._phase <= HEAD and not self._blocked and self._input:
            data, self._input = self._input, b""
            self._take(data)
        if not self._reading:
            self._steer()

    def _steer(self) -> None:
        """Reads from the client exactly as long as there is room for what it sends."""
        room = self._server.limits.buffer
        body = self._body
        wanted = (
            len(self._input) <= room
            and (body is None or body.buffered <= room)
            and not (self._blocked and self._phase == IDLE)
        )
        if wanted != self._reading and self._phase < LINGER:
            self._reading = wanted
            if wanted:
                self.transport.resume_reading()
            else:
                self.transport.pause_reading()

    def body_wanted(self) -> None:
        body = self._body
        if body is not None and body.expects:
            body.expects = False
            self.leave(b"HTTP/1.1 100 Continue\r\n\r\n")
        self._since = self._server.now
        self._steer()

    def body_taken(self) -> None:
        if not self._reading:
            self._steer()

    def _refuse(self, error: HTTPError, beginning: bytes = b"") -> None:
        """Answers what is no request, and closes."""
        server = self._server
        server.tick()
        page = error_page(error.status, error.detail, headers=error.headers)
        body = page.body.encode() if isinstance(page.body, str) else b""
        self.leave(page.head(len(body)) + b"Connection: close\r\n" + server.fields + body)
        server.note_refused(self._client, beginning, error.status)
        self.close(linger=True)
