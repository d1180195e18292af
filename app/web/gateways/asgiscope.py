"""What an ASGI application is told of a request (ASGI 3.0, HTTP & WebSocket 2.4)."""

from typing import Any, Final

from ..request import Request
from .gateway import address_of, place_of

Scope = dict[str, Any]

_SCHEMES: Final = {"http": ("http", "https"), "websocket": ("ws", "wss")}


def scope_of(request: Request, kind: str, state: dict[str, Any] | None) -> Scope:
    """The scope of a connection of this `kind`, ``http`` or ``websocket``.

    ``perdure.registry`` in it is the registry, ``perdure.user`` who has logged in, or None. The path
    is the one that the walk went, so it is as wrappers have rewritten it; ``raw_path`` is the one
    that the client asked for.
    """
    head = request.head
    before, after = place_of(request)
    headers, host = _headers(request)
    scope: Scope = {
        "type": kind,
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": head.version,
        "method": head.method,
        "scheme": _SCHEMES[kind][request.secure],
        "path": before + after if head.path != "*" else "*",
        "raw_path": head.path.encode("latin-1"),
        "query_string": head.query.encode("latin-1"),
        "root_path": before,
        "headers": headers,
        # The port of a client is nobody's business, and behind a proxy nobody's knowledge.
        "client": None if request.client == "unix" else (request.client, 0),
        "server": address_of(host, request.secure),
        "extensions": {} if kind == "http" else {"websocket.http.response": {}},
        "perdure.registry": request.registry,
        "perdure.user": request.user,
    }
    if kind == "websocket":
        del scope["method"]
    if state is not None:
        scope["state"] = state.copy()
    return scope


def _headers(request: Request) -> tuple[list[tuple[bytes, bytes]], str]:
    """The header fields, and the host that the client addressed, as it counts."""
    # Of an absolute address, or as a trusted proxy says.
    known = request.host_known
    host = b"" if known is None else known.encode("latin-1")
    headers: list[tuple[bytes, bytes]] = []
    for line in request.head.raw.split(b"\r\n")[1:-2]:
        name, _, value = line.partition(b":")
        name = name.lower()
        value = value.strip(b" \t")
        if name == b"host":
            if known is None:
                host = value
            else:
                value = host
        headers.append((name, value))
    return headers, host.decode("latin-1")
