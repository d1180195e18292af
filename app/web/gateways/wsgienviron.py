"""What a WSGI application is told of a request: its environ (PEP 3333)."""

import logging
import os
import stat
from collections.abc import Iterator
from io import TextIOBase
from typing import IO, Any, Final, Protocol

from ..filebody import FileBody, FileRange
from ..request import Request
from ..response import OF_THE_CONNECTION
from .gateway import address_of, place_of

Environ = dict[str, Any]

# As for CGI: the connection's own, and what libraries would take for the proxy to use.
_NEVER: Final = OF_THE_CONNECTION | {"content-length", "content-type", "expect", "proxy"}

_report = logging.getLogger("perdure.web.wsgi")
_names: dict[str, str] = {}
_REMEMBERED: Final = 512


class ErrorLog(TextIOBase):
    """``wsgi.errors``: whole lines of it are logged."""

    def __init__(self) -> None:
        self._begun = ""

    def writable(self) -> bool:
        return True

    def write(self, text: str, /) -> int:
        *lines, self._begun = (self._begun + text).split("\n")
        for line in lines:
            _report.error("%s", line)
        return len(text)

    def flush(self) -> None:
        begun, self._begun = self._begun, ""
        if begun:
            _report.error("%s", begun)


class Readable(Protocol):
    """What can be given to ``wsgi.file_wrapper``."""

    def read(self, size: int, /) -> bytes:
        """At most so many bytes; none at the end."""
        ...


class FileWrapper:
    """``wsgi.file_wrapper``: a file as the body of a reply, sent from where it is if it is one."""

    def __init__(self, file: Readable, size: int = 64 * 1024) -> None:
        self._file = file
        self._size = size

    def __iter__(self) -> Iterator[bytes]:
        while piece := self._file.read(self._size):
            yield piece

    def close(self) -> None:
        """Closes the file, if it can be."""
        close = getattr(self._file, "close", None)
        if close is not None:
            close()

    def body(self, length: int | None) -> FileBody | None:
        """The rest of the file, or so much of it; None for what is no file on a disk."""
        file: Any = self._file
        try:
            descriptor, offset = file.fileno(), file.tell()
            status = os.fstat(descriptor)
        except (AttributeError, OSError, ValueError):
            return None
        rest = status.st_size - offset
        if not stat.S_ISREG(status.st_mode) or rest < 0 or (length is not None and length > rest):
            return None
        rest = rest if length is None else length
        return FileBody(os.dup(descriptor), (FileRange(offset, rest),))


def environ_of(request: Request, body: IO[bytes], length: int | None) -> Environ:
    """The environ for a request whose body is in `body`; None as its length means it has none.

    ``perdure.registry`` in it is the registry. The length of a chunked body is told like any other.
    """
    head = request.head
    before, after = place_of(request)
    name, port = address_of(request.host, request.secure)
    environ: Environ = {
        "REQUEST_METHOD": request.method,
        "SCRIPT_NAME": before.encode().decode("latin-1"),
        "PATH_INFO": after.encode().decode("latin-1"),
        "QUERY_STRING": head.query,
        "REQUEST_URI": head.target,
        "SERVER_NAME": name,
        "SERVER_PORT": str(port),
        "SERVER_PROTOCOL": f"HTTP/{head.version}",
        "SERVER_SOFTWARE": "perdure",
        "REMOTE_ADDR": "" if request.client == "unix" else request.client,
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "https" if request.secure else "http",
        "wsgi.input": body,
        "wsgi.input_terminated": True,
        "wsgi.errors": ErrorLog(),
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        "wsgi.file_wrapper": FileWrapper,
        "perdure.registry": request.registry,
    }
    if request.user is not None:
        environ["REMOTE_USER"] = request.user
    if request.secure:
        environ["HTTPS"] = "on"
    if length is not None:
        environ["CONTENT_LENGTH"] = str(length)
    for each, value in head.headers:
        key = _names.get(each)
        if key is None:
            key = _key(each)
        if key in environ:
            separator = "; " if key == "HTTP_COOKIE" else ","
            environ[key] = f"{environ[key]}{separator}{value}"
        elif key:
            environ[key] = value
    if "HTTP_HOST" in environ:
        environ["HTTP_HOST"] = request.host
    return environ


def _key(name: str) -> str:
    """The key of the header field `name`; empty for one that is not told.

    That is also one with an underscore, which could pass for one with a dash.
    """
    key = "HTTP_" + name.upper().replace("-", "_")
    if name == "content-type":
        key = "CONTENT_TYPE"
    elif name in _NEVER or "_" in name:
        key = ""
    if len(_names) >= _REMEMBERED:
        _names.clear()
    _names[name] = key
    return key
