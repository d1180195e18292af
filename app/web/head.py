"""The head of a request: request line and header fields, read strictly.

llhttp is the judge of grammar (through httptools, without a Python call a field); what it leaves to
the server is decided here: RFC 9112, 3.2 (one Host, forms of the target), 6.1 (no Transfer-Encoding
in HTTP/1.0, none but ``chunked``), and how many fields there may be.
"""

import re
from collections.abc import Iterator
from copy import copy
from typing import Final, overload
from urllib.parse import unquote_to_bytes

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser

from .errors import HTTPError
from .hostname import host_name

END: Final = b"\r\n\r\n"
CHUNKED: Final = -1
"""As a body's length: unknown, the body is chunked."""

_METHODS: Final = {
    name.encode(): name
    for line in (
        "GET HEAD POST PUT DELETE OPTIONS PATCH TRACE QUERY CONNECT",
        "PROPFIND PROPPATCH MKCOL COPY MOVE LOCK UNLOCK SEARCH REPORT ACL BIND REBIND UNBIND",
        "MKACTIVITY CHECKOUT MERGE NOTIFY SUBSCRIBE UNSUBSCRIBE PURGE LINK UNLINK",
    )
    for name in line.split()
}


_VERSIONS: Final = {b"HTTP/1.0": "1.0", b"HTTP/1.1": "1.1"}

# RFC 3986, 3.2: what a name or an address with its port is made of.
_GOOD_HOST = re.compile(rb"\nhost:[ \t]*[A-Za-z0-9._~%!$&'()*+,;=:\[\]-]*[ \t]*\r", re.IGNORECASE)
# RFC 9112, 3.2.3.
_GOOD_AUTHORITY = re.compile(r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]):[0-9]{1,5}")
# What concerns the framing and the connection, found without taking the other fields apart.
_CONCERNING = re.compile(
    rb"\n(host|connection|content-length|transfer-encoding|expect):", re.IGNORECASE
)


class RequestError(HTTPError):
    """A request cannot be answered as it came; the connection is closed after saying so."""


class Headers:
    """The header fields of a request, by case-insensitive name; read-only.

    Values are text in Latin-1 without surrounding blanks. The fields are taken apart when the
    first of them is asked for.
    """

    __slots__ = ("_fields", "_head")

    def __init__(self, head: bytes) -> None:
        self._head = head
        self._fields: dict[str, list[str]] | None = None

    def _by_name(self) -> dict[str, list[str]]:
        if self._fields is None:
            self._fields = {}
            for name, value in self:
                self._fields.setdefault(name, []).append(value)
        return self._fields

    @overload
    def get(self, name: str) -> str | None: ...
    @overload
    def get(self, name: str, default: str) -> str: ...
    def get(self, name: str, default: str | None = None) -> str | None:
        """The field `name`; several are joined by commas (RFC 9110, 5.3)."""
        values = self._by_name().get(name.lower())
        if values is None:
            return default
        return values[0] if len(values) == 1 else ", ".join(values)

    def get_all(self, name: str) -> list[str]:
        """Every field `name`, in order."""
        return list(self._by_name().get(name.lower(), ()))

    def __contains__(self, name: str) -> bool:
        return name.lower() in self._by_name()

    def __iter__(self) -> Iterator[tuple[str, str]]:
        """Each field as (lower-case name, value), as they came."""
        for line in self._head.decode("latin-1").split("\r\n")[1:-2]:
            name, _, value = line.partition(":")
            yield name.lower(), value.strip(" \t")


class Head:
    """One request's head, as parsed. Shared by requests that came in the same bytes: read-only."""

    __slots__ = (
        "_segments",
        "authority",
        "expects",
        "for_log",
        "headers",
        "keep_alive",
        "length",
        "line",
        "method",
        "path",
        "persistence",
        "query",
        "raw",
        "target",
        "version",
    )

    def __init__(self, raw: bytes, line: bytes, method: str, target: str, version: str) -> None:
        self.raw = raw
        self.line = line
        self.method = method
        self.target = target
        self.version = version
        self.authority: str | None = None
        self.headers = Headers(raw)
        self.keep_alive = True
        self.persistence = b""
        self.length = 0
        self.expects = False
        self._segments: list[str] | None = None
        self.for_log: tuple[str, str] | None = None
        if method == "CONNECT":
            if _GOOD_AUTHORITY.fullmatch(target) is None:
                raise RequestError(400, "CONNECT is told a host and a port.")
            self.authority, target = target, ""
        elif target[0] != "/" and target != "*":
            scheme, _, rest = target.partition("://")
            if scheme.lower() not in ("http", "https") or not rest:
                raise RequestError(400, "The address is neither a path nor an http URL.")
            authority = self.authority = re.split("[/?#]", rest, maxsplit=1)[0]
            if host_name(authority) is None:
                raise RequestError(400, "The address in the request names no host.")
            target = rest[len(authority) :]
            if not target.startswith("/"):
                target = "/" + target
        path, _, self.query = target.partition("?")
        if "#" in target:
            raise RequestError(400, "An address in a request has no fragment.")
        self.path = path

    def moved(self, path: str) -> "Head":
        """A copy, as if the request had come for `path`, which is escaped; its line stays as it was."""
        moved = copy(self)
        moved.path = path
        moved.target = f"{path}?{self.query}" if self.query else path
        moved._segments = None
        return moved

    def at(self, target: str) -> "Head":
        """The head of a request for `target`, a path and perhaps a query, that has no body.

        It is logged as what it came from.
        """
        head = copy(self)
        head.target = target
        head.path, _, head.query = target.partition("?")
        head.length = 0
        head._segments = None
        return head

    def segments(self) -> list[str]:
        """The decoded parts of the path: ``/a/b%2Fc/`` is ``["a", "b/c", ""]``.

        Raises `RequestError` when an escape is broken, or what comes out is not UTF-8 or has a NUL:
        a segment is a text, and two spellings never mean one (nor one spelling two).
        """
        if self._segments is None:
            path = self.path
            if path in ("*", ""):
                self._segments = []
            elif "%" in path:
                self._segments = [_decoded(part) for part in path[1:].split("/")]
            else:
                self._segments = path[1:].split("/")
        return self._segments


def _decoded(part: str) -> str:
    raw = unquote_to_bytes(part)
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        raise RequestError(400, "The address has escapes that are not UTF-8.") from None
    if "\0" in text:
        raise RequestError(400, "The address has a NUL.")
    return text


def parse_head(raw: bytes, max_fields: int) -> Head:
    """The head whose bytes, from the request line to the empty line, are `raw`.

    Raises `RequestError` with the status to answer. What this returns says how the body is framed;
    nothing that two readers could take for two different messages gets through.
    """
    try:
        HttpRequestParser(None).feed_data(raw)
    except HttpParserUpgrade:
        pass
    except HttpParserError as error:
        raise RequestError(400, f"The request breaks the grammar of HTTP: {error}.") from None
    if raw.count(b"\n") - 2 > max_fields:
        raise RequestError(431, f"The request has more than {max_fields} header fields.")
    line = raw[: raw.index(b"\r\n")]
    try:
        method_bytes, target, version = line.split(b" ")
    except ValueError:
        raise RequestError(400, "The request line is not method, address and version.") from None
    if version not in _VERSIONS:
        raise RequestError(400, "The version of the request is neither HTTP/1.0 nor HTTP/1.1.")
    method = _METHODS.get(method_bytes)
    if method is None:
        raise RequestError(501, "This server does not know that method.")
    head = Head(raw, line, method, target.decode("ascii"), _VERSIONS[version])
    head.keep_alive = head.version == "1.1"
    if head.target == "*" and method != "OPTIONS":
        raise RequestError(400, "The address * is for OPTIONS alone.")
    names = _CONCERNING.findall(raw)
    if len(names) == 1 and names[0].lower() == b"host":
        _check_host(raw)
        return head
    names = [name.lower() for name in names]
    hosts = names.count(b"host")
    if hosts > 1 or (not hosts and head.version == "1.1"):
        raise RequestError(400, "A request names its Host once.")
    if hosts:
        _check_host(raw)
    if b"connection" in names:
        options = head.headers.get("connection", "").lower()
        _persist(head, {option.strip(" \t") for option in options.split(",")})
    if b"transfer-encoding" in names:
        _check_coding(head)
        head.length = CHUNKED
    elif b"content-length" in names:
        head.length = _content_length(head)
    if method == "CONNECT" and head.length:
        raise RequestError(400, "CONNECT has no body.")
    if b"expect" in names:
        if head.headers.get("expect", "").lower() != "100-continue":
            raise RequestError(417, "This server meets no expectation but 100-continue.")
        head.expects = head.version == "1.1"
    return head


def _persist(head: Head, options: set[str]) -> None:
    if "close" in options:
        head.keep_alive = False
    elif "keep-alive" in options and not head.keep_alive:
        head.keep_alive = True
        head.persistence = b"Connection: keep-alive\r\n"


def _check_host(raw: bytes) -> None:
    if _GOOD_HOST.search(raw) is None:
        raise RequestError(400, "The Host of the request is neither a name nor an address.")


def _check_coding(head: Head) -> None:
    if head.version == "1.0":
        raise RequestError(400, "HTTP/1.0 has no Transfer-Encoding.")
    if "content-length" in head.headers:
        raise RequestError(400, "A request has Transfer-Encoding or Content-Length, not both.")
    if head.headers.get("transfer-encoding", "").lower() != "chunked":
        raise RequestError(501, "This server knows no transfer coding but chunked.")


def _content_length(head: Head) -> int:
    values = head.headers.get_all("content-length")
    if len(values) != 1 or not (values[0].isascii() and values[0].isdigit()):
        raise RequestError(400, "Content-Length is one decimal number.")
    if len(values[0]) > 18:
        raise RequestError(413, "The body is larger than any server accepts.")
    return int(values[0])


def check_beginning(raw: bytes) -> None:
    """Raises `RequestError` if no more bytes could make a good head of `raw`.

    So that garbage is answered when it comes and not when the time for a head is over.
    """
    try:
        HttpRequestParser(None).feed_data(raw)
    except HttpParserError as error:
        raise RequestError(400, f"The request breaks the grammar of HTTP: {error}.") from None
