"""Hello as a bare WSGI function: no framework between waitress and the answer."""

from collections.abc import Callable, Iterable
from typing import Any

BODY = b"Hello, world!\n"
FIELDS = [("Content-Type", "text/html; charset=utf-8"), ("Content-Length", str(len(BODY)))]


def hello(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answer every path alike."""
    start_response("200 OK", FIELDS)
    return [BODY]
