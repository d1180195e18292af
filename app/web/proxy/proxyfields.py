"""Header fields on their way through a proxy: which pass, which end here, which are put in.

What concerns one connection ends there (RFC 9110, 7.6.1), what frames a message is written anew by
who sends it, and what tells where a request came from is told by us alone: a client's own word for it
would be believed by the server behind.
"""

import re
from functools import lru_cache
from typing import Final

from ..errors import HTTPError
from ..request import Request
from .answerhead import AnswerHead

ALLOWED: Final = "GET, HEAD, POST, PUT, DELETE, OPTIONS, PATCH"
"""The methods that everybody knows: all pass but TRACE, which would show what else we tell."""

# `X_Forwarded_For` and `X-Forwarded-For` are the same name to many a server behind (CGI, WSGI).
_OF_REQUESTS = re.compile(
    rb"\n(?:host|connection|keep-alive|proxy(?:[-_][^:]*)?|te|trailer|transfer-encoding|upgrade"
    rb"|http2-settings|content[-_]length|transfer_encoding|expect|forwarded"
    rb"|x[-_]forwarded[-_][^:]*|x[-_]real[-_]ip):[^\n]*",
    re.IGNORECASE,
)
_OF_ANSWERS = re.compile(
    rb"\n(?:connection|keep-alive|proxy-connection|proxy-authenticate|proxy-authentication-info|te"
    rb"|trailer|transfer-encoding|upgrade|content-length|date|server):[^\n]*",
    re.IGNORECASE,
)
_CONNECTION = re.compile(rb"\nconnection:([^\r]*)", re.IGNORECASE)
# A field not written as `Name: value`.
_ODD = re.compile(rb"\n([^:\r]*):(?:(?! )|[ \t]{2,}|\t)[ \t]*")
_WEBSOCKET = re.compile(rb"\nupgrade:[ \t]*websocket[ \t]*\r", re.IGNORECASE)
_PLAIN_OPTIONS: Final = frozenset((b"keep-alive", b"close", b"upgrade"))
_HOST_FIELD = re.compile(rb"\nhost:[ \t]*([^\r \t]*)", re.IGNORECASE)
_HOST = re.compile(r"[A-Za-z0-9._~%!$&'()*+,;=:\[\]-]*")


def passed_on(request: Request) -> bytes:
    """The fields of `request` that are for the server behind, each with its line end."""
    raw = request.head.raw
    fields = raw[raw.index(b"\r\n") : -2]
    options = _options(fields)
    fields = _OF_REQUESTS.sub(b"", fields)
    if options:
        fields = _without(fields, options)
    return fields[2:]


def _without(fields: bytes, options: frozenset[bytes]) -> bytes:
    """`fields` without those that a Connection field named."""
    named = options - _PLAIN_OPTIONS - {b""}
    if named:
        names = b"|".join(map(re.escape, named))
        fields = re.sub(rb"\n(?:" + names + rb"):[^\n]*", b"", fields, flags=re.IGNORECASE)
    return fields


@lru_cache(maxsize=512)
def forwarded(client: str, secure: bool, host: str) -> bytes:
    """The fields that tell where a request came from (RFC 7239, and those that everybody knows)."""
    scheme = "https" if secure else "http"
    told = f'host="{host}";proto={scheme}'
    lines = [f"X-Forwarded-Proto: {scheme}"]
    if re.fullmatch(r"[0-9A-Fa-f.:]+", client):
        node = client if ":" not in client else f'"[{client}]"'
        told = f"for={node};{told}"
        lines.append(f"X-Forwarded-For: {client}")
    if host:
        lines.append(f"X-Forwarded-Host: {host}")
    lines.append(f"Forwarded: {told}")
    return "".join(f"{line}\r\n" for line in lines).encode("ascii")


def via(version: str) -> bytes:
    """The field that tells of a message of this version that it came by us (RFC 9110, 7.6.3)."""
    return b"Via: %b perdure\r\n" % version.encode("ascii")


def checked_host(request: Request) -> str:
    """The host under which the client asked. Raises `HTTPError` if that cannot be one."""
    host = request.host_known
    if host is None:
        # Judged by who read the head; found without taking the other fields apart.
        found = _HOST_FIELD.search(request.head.raw)
        return "" if found is None else found[1].decode("latin-1")
    if not _HOST.fullmatch(host):
        raise HTTPError(400, "The Host of the request is neither a name nor an address.")
    return host


def passed_back(answer: AnswerHead) -> bytes:
    """The fields of an answer that are for the client, each as ``Name: value`` with its line end."""
    fields = _OF_ANSWERS.sub(b"", answer.raw[answer.line - 2 : -2])
    if not answer.options <= _PLAIN_OPTIONS:
        fields = _without(fields, answer.options)
    if _ODD.search(fields):
        fields = _ODD.sub(rb"\n\1: ", fields)
    return fields[2:]


def as_pairs(fields: bytes) -> list[tuple[str, str]]:
    """`fields`, from `passed_back`, as names and values."""
    lines = fields.decode("latin-1").split("\r\n")[:-1]
    return [
        (name, value.strip(" \t")) for name, _, value in (line.partition(":") for line in lines)
    ]


def wants_websocket(request: Request) -> bool:
    """Whether `request` asks to speak WebSocket from now on (RFC 6455, 4.1).

    Only that is passed through: what a server behind does with other protocols, such as ``h2c``,
    would go on unseen by everything that stands before it.
    """
    return (
        request.method == "GET"
        and request.body is None
        and request.version == "1.1"
        and _WEBSOCKET.search(request.head.raw) is not None
        and b"upgrade" in _options(request.head.raw)
    )


def becomes_websocket(answer: AnswerHead) -> bool:
    """Whether the answer 101 is one to what `wants_websocket`."""
    return b"upgrade" in answer.options and _WEBSOCKET.search(answer.raw) is not None


def _options(fields: bytes) -> frozenset[bytes]:
    """What the Connection fields in `fields` name."""
    return frozenset(
        option.strip(b" \t")
        for line in _CONNECTION.findall(fields)
        for option in line.lower().split(b",")
    )
