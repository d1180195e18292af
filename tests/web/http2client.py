"""A client of HTTP/2 that says what it is told, right or wrong."""

import socket
import ssl
from collections.abc import Callable, Iterable, Sequence
from typing import Self

import attrs
from h2.config import H2Configuration
from h2.connection import (
    ConnectionInputs,
    ConnectionState,
    H2Connection,
    H2ConnectionStateMachine,
)
from h2.errors import ErrorCodes
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    InformationalResponseReceived,
    ResponseReceived,
    StreamEnded,
    StreamReset,
)
from hyperframe.frame import Frame

from .conftest import Served

TIMEOUT = 20.0
GET = (
    (b":method", b"GET"),
    (b":scheme", b"https"),
    (b":authority", b"localhost"),
    (b":path", b"/"),
)

Fields = Sequence[tuple[bytes, bytes]]


def request(method: str = "GET", path: str = "/", *more: tuple[str, str]) -> Fields:
    """The fields of a request."""
    fields = [(":method", method), (":scheme", "https"), (":authority", "localhost")]
    return [(n.encode(), v.encode()) for n, v in (*fields, (":path", path), *more)]


@attrs.define
class Answer:
    """What has come on one stream."""

    fields: Fields = ()
    body: bytes = b""
    continues: int = 0
    ended: bool = False
    code: int | None = None

    @property
    def status(self) -> int:
        return int(dict(self.fields)[b":status"])

    @property
    def done(self) -> bool:
        return self.ended or self.code is not None

    def get(self, name: str) -> str:
        return dict(self.fields)[name.encode()].decode("latin-1")


class _States(H2ConnectionStateMachine):
    # As it is, it hears nothing after a goodbye; RFC 9113, 6.8 lets streams come to their end.
    _transitions = H2ConnectionStateMachine._transitions | {
        (ConnectionState.CLIENT_OPEN, ConnectionInputs.RECV_GOAWAY): (
            None,
            ConnectionState.CLIENT_OPEN,
        )
    }


class Client:
    """One connection. `taking`: whether what comes is acknowledged, so that more may come."""

    def __init__(self, served: Served, context: ssl.SSLContext, *, taking: bool = True) -> None:
        assert isinstance(served.address, tuple)
        plain = socket.create_connection(served.address, timeout=TIMEOUT)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket = context.wrap_socket(plain, server_hostname="localhost")
        assert self.socket.selected_alpn_protocol() == "h2"
        self.taking = taking
        self.h2 = H2Connection(
            H2Configuration(
                header_encoding=None,
                validate_outbound_headers=False,
                normalize_outbound_headers=False,
            )
        )
        self.h2.state_machine = _States()
        self.answers: dict[int, Answer] = {}
        self.goodbye: ConnectionTerminated | None = None
        self.closed = False
        self.h2.initiate_connection()
        self.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.socket.close()

    def flush(self) -> None:
        """Sends what the protocol has to say."""
        self.send(self.h2.data_to_send())

    def send(self, data: bytes) -> None:
        """Sends bytes, to a server that may have closed already."""
        try:
            self.socket.sendall(data)
        except OSError:
            self.closed = True

    def frames(self, frames: Iterable[Frame]) -> None:
        """Sends these frames, in one piece."""
        self.send(b"".join(frame.serialize() for frame in frames))

    def ask(self, fields: Fields, *, ends: bool = True) -> int:
        """Opens a stream; gives its number."""
        number = self.h2.get_next_available_stream_id()
        self.h2.send_headers(number, fields, end_stream=ends)
        self.answers[number] = Answer()
        self.flush()
        return number

    def upload(self, number: int, body: bytes, *, ends: bool = True) -> None:
        """Sends a body as the windows allow, until the server resets the stream."""
        answer = self.answers[number]
        while body and answer.code is None:
            room = min(self.h2.local_flow_control_window(number), 16384, len(body))
            if room:
                self.h2.send_data(number, body[:room])
                body = body[room:]
                self.flush()
            else:
                self.hear()
        if ends and answer.code is None:
            self.h2.end_stream(number)
            self.flush()

    def hear(self) -> None:
        """Takes what comes next."""
        try:
            data = self.socket.recv(65536)
        except ConnectionError:
            data = b""
        if not data:
            self.closed = True
            return
        for event in self.h2.receive_data(data):
            if isinstance(event, ConnectionTerminated):
                self.goodbye = event
                continue
            answer = self.answers.get(getattr(event, "stream_id", None) or 0, Answer())
            if isinstance(event, ResponseReceived):
                answer.fields = [(bytes(n), bytes(v)) for n, v in event.headers]
            elif isinstance(event, InformationalResponseReceived):
                answer.continues += 1
            elif isinstance(event, DataReceived):
                answer.body += event.data
                if self.taking and event.flow_controlled_length:
                    self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            elif isinstance(event, StreamEnded):
                answer.ended = True
            elif isinstance(event, StreamReset):
                answer.code = int(event.error_code)
        if not self.closed:
            self.flush()

    def until(self, condition: Callable[[], bool]) -> None:
        """Returns when `condition` holds, or the server has closed."""
        while not condition() and not self.closed:
            self.hear()

    def answer(self, number: int) -> Answer:
        """What comes on a stream up to its end."""
        answer = self.answers[number]
        self.until(lambda: answer.done)
        assert answer.done
        return answer

    def get(self, fields: Fields = GET) -> Answer:
        """The answer to a request without a body."""
        return self.answer(self.ask(fields))

    def last_words(self) -> ErrorCodes:
        """Why the server ends the connection; it must have closed in order."""
        self.until(lambda: self.closed)
        assert self.goodbye is not None
        assert self.goodbye.error_code is not None
        return ErrorCodes(self.goodbye.error_code)
