"""What a CGI script is told of a request: its environment (RFC 3875, 4.1).

It is made from nothing: what the server itself was given, such as its own keys, is no business of a
script's.
"""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from ..errors import HTTPError
from ..response import OF_THE_CONNECTION

if TYPE_CHECKING:
    from ..request import Request

BASE: Final[Mapping[str, str]] = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "LANG": "C.UTF-8",
}
"""What every script has, where its settings do not say otherwise."""

# RFC 3875, 4.1.18. A name with an underscore could pass for one with a dash.
_NAME: Final = re.compile(r"[A-Za-z0-9-]+")
# HTTP_PROXY would have the script's own requests go to whom the client names (CVE-2016-5385). The
# others are told elsewhere, or concern the connection alone.
_NEVER: Final = OF_THE_CONNECTION | {
    "content-length",
    "content-type",
    "proxy",
    "proxy-authorization",
}


def make_environment(
    request: "Request",
    path: str,
    length: int,
    given: Mapping[str, str],
    *,
    passes_authorization: bool = False,
) -> dict[bytes, bytes]:
    """The environment of the script at `path`, for a request whose body has `length` bytes.

    Header fields come as the bytes that the client sent, paths as UTF-8. Raises `HTTPError` 404 for a
    rest of the path that could be taken for another one than it is (RFC 3875, 4.1.5).
    """
    texts = {
        **BASE,
        **given,
        "GATEWAY_INTERFACE": "CGI/1.1",
        "PATH_INFO": _path_info(request),
        "QUERY_STRING": request.query,
        "REMOTE_ADDR": request.client,
        "REQUEST_METHOD": request.method,
        "REQUEST_URI": request.target,
        "SCRIPT_FILENAME": path,
        "SCRIPT_NAME": "/" + "/".join(request.prepath) if request.prepath else "",
        "SERVER_PROTOCOL": f"HTTP/{request.version}",
        "SERVER_SOFTWARE": "perdure",
    }
    texts["SERVER_NAME"], texts["SERVER_PORT"] = _server(request)
    if request.secure:
        texts["HTTPS"] = "on"
    if request.user is not None:
        texts["REMOTE_USER"] = request.user
        texts["AUTH_TYPE"] = request.headers.get("authorization", "Form").partition(" ")[0]
    environment = {_encoded(name): _encoded(text) for name, text in texts.items()}
    if request.body is not None:
        environment[b"CONTENT_LENGTH"] = b"%d" % length
        kind = request.headers.get("content-type")
        if kind is not None:
            environment[b"CONTENT_TYPE"] = kind.encode("latin-1")
    environment.update(_fields(request, passes_authorization=passes_authorization))
    return environment


def _fields(request: "Request", *, passes_authorization: bool) -> dict[bytes, bytes]:
    fields: dict[str, list[str]] = {}
    for name, value in request.headers:
        if name in _NEVER or not _NAME.fullmatch(name):
            continue
        if name != "authorization" or passes_authorization:
            fields.setdefault(name, []).append(value)
    if "host" in fields:
        fields["host"] = [request.host]
    return {
        b"HTTP_" + name.upper().replace("-", "_").encode(): (
            # RFC 9110, 5.3; RFC 6265, 4.2.1
            ("; " if name == "cookie" else ", ").join(values).encode("latin-1")
        )
        for name, values in fields.items()
    }


def _path_info(request: "Request") -> str:
    rest = request.postpath
    if not rest:
        return ""
    if any(segment in (".", "..") or "/" in segment for segment in rest):
        raise HTTPError(404)
    return "/" + "/".join(rest)


def _server(request: "Request") -> tuple[str, str]:
    """Name and port by which the client addressed this server."""
    name, colon, port = request.host.rpartition(":")
    if not colon or port.endswith("]"):
        name, port = request.host, ""
    return name or "localhost", port or ("443" if request.secure else "80")


def _encoded(text: str) -> bytes:
    return text.encode(errors="surrogateescape")
