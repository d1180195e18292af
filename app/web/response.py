"""What a resource answers: a status, header fields and a body."""

import os
import re
from collections.abc import AsyncIterable, Iterable
from http import HTTPStatus
from typing import Final

from ...persist.errors import PerdureError
from .filebody import FileBody

type_of_str: Final = "text/html; charset=utf-8"
type_of_bytes: Final = "text/html"

Body = str | bytes | FileBody | AsyncIterable[str | bytes]

TOKEN: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
"""A name in a head: of a field, or of a method (RFC 9110, 5.6.2)."""
_UNFIT = re.compile(r"[^\t\x20-\x7e\x80-\xff]")
BODILESS: Final = frozenset((204, 304))
OF_THE_CONNECTION: Final = frozenset(
    (
        "connection",
        "keep-alive",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    )
)
"""Fields that speak of one connection, and of nothing that goes further (RFC 9110, 7.6.1)."""

# The channel frames messages and stamps them; a second opinion on these would be smuggling.
_OF_ONE_REPLY = OF_THE_CONNECTION | {"content-length", "date"}
_RESERVED = _OF_ONE_REPLY - {"connection", "content-length"}

REASONS: Final[dict[int, str]] = {status.value: status.phrase for status in HTTPStatus}


class HeaderError(PerdureError):
    """A header field cannot be sent as it is (RFC 9110, 5.5).

    Attributes: `name` and `value` as given, `reason` why not.
    """

    exit_status = os.EX_CONFIG

    def __init__(self, name: str, value: str, reason: str) -> None:
        super().__init__(f"header {name!r}: {value!r} cannot be sent: {reason}")
        self.name = name
        self.value = value
        self.reason = reason


class StatusError(PerdureError):
    """A response was given a status that no final response can have. Attribute: `status`."""

    def __init__(self, status: object) -> None:
        super().__init__(
            f"a status is a number from 200 to 599, that of an error from 400, not {status!r}"
        )
        self.status = status


def header_line(name: str, value: str) -> bytes:
    """One header field as it goes on the wire, with its line end.

    Raises `HeaderError` for a name that is no token and for a value with control characters or
    outside Latin-1, so nothing that a user typed can begin a field or a message of its own.
    """
    if not TOKEN.fullmatch(name):
        raise HeaderError(name, value, "a name is made of letters, digits and !#$%&'*+-.^_`|~")
    if _UNFIT.search(value):
        raise HeaderError(
            name, value, "a value has no control characters and nothing outside Latin-1"
        )
    return f"{name}: {value}\r\n".encode("latin-1")


def common_header_line(name: str, value: str) -> bytes:
    """As `header_line`, of a field that every reply shall have.

    Raises `HeaderError` also for one that belongs to a single message: it would break their framing.
    """
    if name.lower() in _OF_ONE_REPLY:
        raise HeaderError(name, value, "this field is the server's to send")
    return header_line(name, value)


def status_line(status: int) -> bytes:
    """The first line of a response; an unregistered status has an empty phrase."""
    line = _STATUS_LINES.get(status)
    if line is None:
        if type(status) is not int or not 200 <= status <= 599:
            raise StatusError(status)
        line = b"HTTP/1.1 %d \r\n" % status
    return line


_STATUS_LINES: Final[dict[int, bytes]] = {
    status: f"HTTP/1.1 {status} {phrase}\r\n".encode()
    for status, phrase in REASONS.items()
    if status >= 200
}


class Response:
    """A status, header fields and a body.

    `body` is text (sent as UTF-8), bytes, a `FileBody`, or an asynchronous iterable of text or
    bytes, which is sent as it comes. Content-Type is ``text/html`` unless `headers` says otherwise. Of a
    file, and where the reply is `untyped`, nobody knows the type if `headers` does not say it: then none
    is told, as a guess would be taken for knowledge. Content-Length, Date and the framing of the message are the
    channel's. A stream may declare its Content-Length, and then has to keep to it.
    ``Connection: close`` closes the connection afterwards.

    Raises `HeaderError` and `StatusError` when made, not when sent.
    """

    __slots__ = ("_close", "_headers", "_length", "_lines", "_typed", "_untyped", "body", "status")

    def __init__(
        self,
        body: Body = b"",
        status: int = 200,
        headers: Iterable[tuple[str, str]] = (),
        *,
        untyped: bool = False,
    ) -> None:
        self._lines = status_line(status)
        self.status = status
        self.body = body
        self._headers: list[tuple[str, str]] = []
        self._typed = False
        self._untyped = untyped or isinstance(body, FileBody)
        self._close = False
        self._length: int | None = None
        for name, value in headers:
            self.add_header(name, value)

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        """The fields given so far, in order; those that the channel adds are not among them."""
        return tuple(self._headers)

    def add_header(self, name: str, value: str) -> None:
        """Adds a field after the others, also when one of this name is there."""
        line = header_line(name, value)
        lowered = name.lower()
        if lowered in _RESERVED:
            raise HeaderError(name, value, "this field is the server's to send")
        if lowered == "connection":
            if value.lower() != "close":
                raise HeaderError(name, value, "only `close` can be asked for")
            self._close = True
        elif lowered == "content-length":
            if not isinstance(self.body, AsyncIterable):
                raise HeaderError(name, value, "the server counts any body that is not a stream")
            if not (value.isascii() and value.isdigit()) or self._length is not None:
                raise HeaderError(name, value, "a length is one decimal number")
            self._length = int(value)
        else:
            self._typed = self._typed or lowered == "content-type"
            self._lines += line
        self._headers.append((name, value))

    def get_header(self, name: str) -> str | None:
        """The value of the first field called `name`, in any case; None if none was given."""
        lowered = name.lower()
        return next((value for each, value in self._headers if each.lower() == lowered), None)

    @property
    def type(self) -> str:
        """The media type that it tells, in lower case and without parameters; empty if it tells none."""
        given = self.get_header("content-type")
        if given is None:
            given = "" if self._untyped or self.status in BODILESS else self._usual_type
        return given.partition(";")[0].strip().lower()

    def replaced(
        self,
        *,
        body: Body | None = None,
        status: int | None = None,
        headers: Iterable[tuple[str, str]] | None = None,
    ) -> "Response":
        """A copy with another body, status or list of fields; what is None stays as it is.

        With another body, the type of the former is told unless `headers` tells one; where none was
        told, none is. The length that a stream declared is not kept.
        """
        fields = list(self._headers if headers is None else headers)
        if body is not None:
            fields = [each for each in fields if each[0].lower() != "content-length"]
        copy = Response(
            self.body if body is None else body,
            self.status if status is None else status,
            fields,
            untyped=self._untyped,
        )
        is_typed = copy._typed or self._untyped or self.status in BODILESS
        if body is not None and not is_typed:
            copy.add_header("Content-Type", self._usual_type)
        return copy

    @property
    def _usual_type(self) -> str:
        return type_of_bytes if isinstance(self.body, bytes) else type_of_str

    @property
    def closes(self) -> bool:
        """Whether the connection is closed after this response."""
        return self._close

    @property
    def declared_length(self) -> int | None:
        """The Content-Length that was given for a stream."""
        return self._length

    def head(self, length: int | None) -> bytes:
        """The head for a body of `length` bytes, without the fields that the channel adds.

        `length` None leaves the framing to the channel too.
        """
        lines = self._lines
        if not (self._typed or self._untyped or length == 0):
            lines += b"Content-Type: %b\r\n" % self._usual_type.encode()
        if length is not None and self.status not in BODILESS:
            lines += b"Content-Length: %d\r\n" % length
        return lines


class PreparedResponse:
    """A response whose head is already bytes: nothing is formatted when it is sent.

    `head` is the status line and all fields including Content-Length (that of `body`), each with
    its line end, without Date, Server, Connection, the site's own fields and the empty line. For a
    body that is sent many times, such as a cached file; the same object may be sent any
    number of times. HEAD is answered with the head alone.
    """

    __slots__ = ("body", "head", "status")

    def __init__(self, head: bytes, body: bytes, status: int = 200) -> None:
        self.head = head
        self.body = body
        self.status = status

    @classmethod
    def of(cls, response: Response) -> "PreparedResponse":
        """`response`, whose body is text or bytes, made ready to be sent many times."""
        body = response.body.encode() if isinstance(response.body, str) else response.body
        if not isinstance(body, bytes):
            raise TypeError(f"only text or bytes can be prepared, not {type(body).__name__}")
        return cls(response.head(len(body)), body, response.status)

    def response(self) -> Response:
        """The same as a `Response`, for whoever wants to change it."""
        lines = self.head.decode("latin-1").split("\r\n")[1:-1]
        fields = [(name, value) for name, _, value in (line.partition(": ") for line in lines)]
        kept = [each for each in fields if each[0].lower() != "content-length"]
        return Response(self.body, self.status, kept, untyped=True)
