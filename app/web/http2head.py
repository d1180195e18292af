"""Heads across the border between HTTP/2 and HTTP/1.1, in which everything behind it is written.

A request's fields are judged here, whoever judged them before: what gets through can be written as
lines, and is read by `parse_head`, so it means to the pages what it meant to the client (RFC 9113,
8.2, 8.3 and 10.3).
"""

import re
from collections.abc import Iterable, Sequence
from typing import Final

from hpack import HeaderTuple, NeverIndexedHeaderTuple

from ...persist.errors import PerdureError
from .head import CHUNKED, Head, RequestError, parse_head
from .limits import Limits

Field = tuple[bytes, bytes]

_NAME: Final = re.compile(rb"[!#$%&'*+\-.^_`|~0-9a-z]+")
_VALUE: Final = re.compile(rb"(?![ \t])[\t\x20-\x7e\x80-\xff]*(?<![ \t])")
_METHOD: Final = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_PATH: Final = re.compile(rb"/[\x21-\x7e]*|\*")
_AUTHORITY: Final = re.compile(rb"[A-Za-z0-9._~%!$&'()*+,;=:\[\]-]+")
_PSEUDO: Final = frozenset((b":method", b":scheme", b":authority", b":path"))
_OF_A_CONNECTION: Final = frozenset(
    (b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade")
)


class MalformedError(PerdureError):
    """A request breaks the rules of HTTP/2: its stream is reset. Attribute: `reason`."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"the request is malformed: {reason}")
        self.reason = reason


def request_head(fields: Sequence[Field], ended: bool, limits: Limits) -> Head:
    """The head that `fields` make; `ended` if no body follows.

    Its version is ``2``; a body of a length that was not declared is `CHUNKED`. Raises
    `MalformedError`, and `RequestError` for what is to be answered with an error page.
    """
    pseudo, plain = _parted(fields)
    method = pseudo.get(b":method", b"")
    if method == b"CONNECT":
        raise RequestError(501, "This server is not a proxy.")
    if not _METHOD.fullmatch(method):
        raise MalformedError("it has no method")
    path = pseudo.get(b":path", b"")
    if not _PATH.fullmatch(path):
        raise MalformedError("it has no path")
    if pseudo.get(b":scheme") != b"https":
        raise MalformedError("its scheme is not https")
    host, lines, length = _lines(plain, pseudo.get(b":authority"))
    if host is None:
        raise MalformedError("it says neither :authority nor host")
    raw = b"%b %b HTTP/1.1\r\nhost: %b\r\n%b\r\n" % (method, path, host, lines)
    if len(raw) > limits.head:
        raise RequestError(431)
    if ended and length:
        raise MalformedError("it declares a body and has none")
    head = parse_head(raw, limits.fields)
    head.version = "2"
    head.line = b"%b %b HTTP/2.0" % (method, path)
    head.length = 0 if ended else CHUNKED if length is None else length
    return head


def _parted(fields: Sequence[Field]) -> tuple[dict[bytes, bytes], Sequence[Field]]:
    """The pseudo-header fields, which come first and once, and the others."""
    pseudo: dict[bytes, bytes] = {}
    for number, (name, value) in enumerate(fields):
        if not name.startswith(b":"):
            return pseudo, fields[number:]
        if name not in _PSEUDO or name in pseudo:
            raise MalformedError(f"the field {name.decode('latin-1')!r} is strange or a second one")
        pseudo[name] = value
    return pseudo, ()


def _lines(
    fields: Iterable[Field], authority: bytes | None
) -> tuple[bytes | None, bytes, int | None]:
    """The host, the other fields as they are written in HTTP/1.1, and the length of the body."""
    host = authority
    lengths: list[bytes] = []
    cookies: list[bytes] = []
    lines: list[bytes] = []
    for name, value in fields:
        if not _NAME.fullmatch(name) or not _VALUE.fullmatch(value):
            raise MalformedError(f"the field {name.decode('latin-1')!r} cannot be one")
        if name in _OF_A_CONNECTION or (name == b"te" and value.lower() != b"trailers"):
            raise MalformedError(f"{name.decode()} is no field of HTTP/2")
        if name == b"host":
            if host is not None and host.lower() != value.lower():
                raise MalformedError("it names two hosts")
            host = value
        elif name == b"cookie":
            cookies.append(value)  # RFC 9113, 8.2.3: browsers send each crumb by itself
        elif name != b"te":
            if name == b"content-length":
                lengths.append(value)
            lines.append(b"%b: %b\r\n" % (name, value))
    if host is not None and not _AUTHORITY.fullmatch(host):
        raise MalformedError("its host is neither a name nor an address")
    if cookies:
        lines.append(b"cookie: %b\r\n" % b"; ".join(cookies))
    if not lengths:
        return host, b"".join(lines), None
    if len(lengths) > 1 or not lengths[0].isdigit() or len(lengths[0]) > 18:
        raise MalformedError("its length is not one decimal number")
    return host, b"".join(lines), int(lengths[0])


def reply_fields(head: bytes) -> list[HeaderTuple]:
    """The fields of HTTP/2 for a head of a reply, up to its empty line, as `Output` makes it."""
    line, *lines = head[:-4].split(b"\r\n")
    fields = [HeaderTuple(b":status", line[9:12])]
    for each in lines:
        name, _, value = each.partition(b":")
        name = name.lower()
        if name == b"set-cookie":
            # A secret: compressed beside what a stranger may choose, its length would tell of it.
            fields.append(NeverIndexedHeaderTuple(name, value.strip(b" \t")))
        elif name not in _OF_A_CONNECTION:
            fields.append(HeaderTuple(name, value.strip(b" \t")))
    return fields
