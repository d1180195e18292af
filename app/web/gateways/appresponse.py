"""The reply of an application that speaks WSGI or ASGI: taken as it says, where that can be sent."""

import re
from collections.abc import AsyncIterable, Iterable
from copy import copy
from typing import Final

from ....persist.errors import PerdureError
from ..filebody import FileBody
from ..response import BODILESS, OF_THE_CONNECTION, Response, status_line

_NAME = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_UNFIT = re.compile(rb"[^\t\x20-\x7e\x80-\xff]")
_REASON = re.compile(r"[\t\x20-\x7e\x80-\xff]*")

# Of the connection and not of the reply, or stamped by the server on every one.
_OURS: Final = frozenset(each.encode() for each in OF_THE_CONNECTION | {"date", "server"})
HOP_BY_HOP: Final = OF_THE_CONNECTION | {
    "proxy-authenticate",
    "proxy-authorization",
    "trailers",
}
"""Those that an application has no right to (PEP 3333)."""

_REMEMBERED: Final = 512
_LONGEST: Final = 128
_LONGEST_NUMBER: Final = 18
_lines: dict[tuple[bytes, bytes], tuple[bytes, tuple[str, str]]] = {}


class AppError(PerdureError):
    """An application did what its protocol does not allow. `reason` says what."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"the application {reason}")
        self.reason = reason


class AppResponse(Response):
    """A `Response` with exactly the header fields of an application, but for those of the server.

    Nothing is added that it has not said, such as a type. Date, Server and what concerns the
    connection are the server's to send and left out, but for ``Connection: close``. A Content-Length
    is kept for streams, which have to keep to it; of a body that is whole it has to be the length.
    Raises `AppError` and `StatusError`.
    """

    __slots__ = ()

    def __init__(
        self,
        status: int,
        fields: Iterable[tuple[bytes, bytes]],
        phrase: str | None = None,
    ) -> None:
        line = status_line(status)
        if phrase is not None:
            if not _REASON.fullmatch(phrase):
                raise AppError(f"gave a status that cannot be sent: {phrase!r}")
            line = f"HTTP/1.1 {status} {phrase}\r\n".encode("latin-1")
        self.status = status
        self.body = b""
        self._typed = False
        self._untyped = True
        self._close = False
        self._length = None
        self._headers = []
        for name, value in fields:
            known = _lines.get((name, value))
            if known is None:
                known = self._added(name, value)
                if known is None:
                    continue
            line += known[0]
            self._headers.append(known[1])
        self._lines = line

    def _added(self, name: bytes, value: bytes) -> tuple[bytes, tuple[str, str]] | None:
        """The line of a field, and the field as text; None if it leaves in another way, or not."""
        if type(name) is not bytes or type(value) is not bytes:
            raise AppError(f"gave a header field that is not made of bytes: {name!r}: {value!r}")
        lowered = name.lower()
        if lowered == b"content-length":
            stripped = value.strip()
            if not stripped.isdigit() or len(stripped) > _LONGEST_NUMBER:
                raise AppError(f"gave a Content-Length that is no number: {value!r}")
            if self._length not in (None, int(stripped)):
                raise AppError("gave two Content-Lengths")
            self._length = int(stripped)
            return None
        if not _NAME.fullmatch(name):
            raise AppError(f"gave a header field whose name cannot be sent: {name!r}")
        if _UNFIT.search(value):
            raise AppError(f"gave a header field {name!r} that cannot be sent: {value!r}")
        if lowered in _OURS:
            if lowered == b"connection" and value.strip().lower() == b"close":
                self._close = True
                self._headers.append(("Connection", "close"))
            return None
        made = (b"%b: %b\r\n" % (name, value), (name.decode("latin-1"), value.decode("latin-1")))
        if len(value) <= _LONGEST and lowered != b"set-cookie":
            if len(_lines) >= _REMEMBERED:
                _lines.clear()
            _lines[name, value] = made
        return made

    def take(self, body: bytes, method: str) -> None:
        """Be the head of `body`, which is all there is. Raises `AppError` if its length is another.

        Of a reply to HEAD, and of one without a body, the length is what the application said.
        """
        length = self._length
        if method == "HEAD" and not body:
            self.body = _Nothing()
            self._declare()
            return
        if self.status in BODILESS:
            body = b""
        elif length is not None and length != len(body):
            raise AppError(f"announced {length} bytes and gave {len(body)}")
        self._length = None
        self.body = body

    def send_file(self, body: FileBody) -> None:
        """Be the head of `body`, which is all there is."""
        self._length = None
        self.body = body

    def flowing(self, body: AsyncIterable[bytes]) -> "AppResponse":
        """The same head for `body`, which comes in pieces; this one does not keep it."""
        response = copy(self)
        response.body = body
        response._headers = list(self._headers)
        if self.status in BODILESS:
            response._length = None
        response._declare()
        return response

    def _declare(self) -> None:
        # So that a copy of this that a transform makes declares it as well.
        if self._length is not None:
            self._headers.append(("Content-Length", str(self._length)))


class _Nothing:
    """A stream of nothing."""

    def __aiter__(self) -> "_Nothing":
        return self

    async def __anext__(self) -> bytes:
        raise StopAsyncIteration
