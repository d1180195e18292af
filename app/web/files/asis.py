"""Files that carry their own status and header fields.

An ``.asis`` file is sent as it is::

    HTTP/1.1 410 Gone
    Content-Type: text/plain; charset=utf-8
    Cache-Control: max-age=86400

    The lighthouse was taken down in 1987.

The first line may be left out, and the status be in a field ``Status: 410 Gone`` (as with CGI) or
be 200. What frames the message on its connection is the server's, and left out: the length, the
connection, the date.
"""

import logging
import os
import re
from typing import TYPE_CHECKING, ClassVar, Final

import attrs

from ....persist.errors import PerdureError
from ....persist.persistent import persistent
from ...registry import Registry
from ..errors import HTTPError
from ..filebody import FileBody, FileRange
from ..resource import Resource
from ..response import BODILESS, OF_THE_CONNECTION, PreparedResponse, Response
from .filereply import SMALL
from .folder import open_file

if TYPE_CHECKING:
    from ..request import Request

_LONGEST_HEAD: Final = 64 * 1024
_END: Final = re.compile(rb"\r?\n\r?\n")
_STATUS: Final = re.compile(r"(?:HTTP/\d(?:\.\d)?[ \t]+)?(\d{3})(?:[ \t].*)?", re.DOTALL)
_LEFT_OUT: Final = OF_THE_CONNECTION | {"content-length", "date"}

_report = logging.getLogger("perdure.web")


@attrs.define(str=False)
class AsIsError(PerdureError):
    """The file at `path` cannot be sent as it is, for `reason`; `line` counts from 1, 0 is unknown."""

    exit_status: ClassVar[int] = os.EX_DATAERR
    path: str
    line: int
    reason: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line or ''} {self.reason}"


@persistent(transient=("_prepared",))
class AsIsFile(Resource):
    """One version of a file that carries its own head; the processor of ``.asis`` files.

    It answers GET and HEAD, and nothing is below it. One that cannot be read so is answered with
    status 500, and the log says why.
    """

    tells_state = False
    _prepared: PreparedResponse | None = None

    def __init__(self, path: str, registry: Registry) -> None:
        self.path = path

    def render_GET(self, request: "Request") -> PreparedResponse | Response:
        if self._prepared is not None:
            return self._prepared
        descriptor, status = open_file(self.path)
        body = FileBody(descriptor, ())
        try:
            head = os.pread(descriptor, _LONGEST_HEAD, 0)
            code, fields, start = _parsed(self.path, head)
            if status.st_size > SMALL:
                part = FileRange(start, status.st_size - start)
                return Response(FileBody(os.dup(descriptor), [part]), code, fields)
            content = head[start:] + os.pread(descriptor, SMALL, len(head))
            if code in BODILESS:
                content = b""
            self._prepared = PreparedResponse.of(Response(content, code, fields))
        except PerdureError as error:
            _report.error("%s", error)
            told = "This file is not sent as it is; the server's log says why."
            raise HTTPError(500, told) from error
        finally:
            body.close()
        return self._prepared


def _parsed(path: str, head: bytes) -> tuple[int, list[tuple[str, str]], int]:
    """Status and fields that `head` begins with, and where the body begins.

    Raises `AsIsError`; `HeaderError` is raised for a field that cannot be sent when it is used.
    """
    end = _END.search(head)
    if end is None:
        raise AsIsError(path, 0, "an empty line is missing that ends the header fields")
    lines = head[: end.start()].decode("latin-1").replace("\r\n", "\n").split("\n")
    status = "200"
    fields: list[tuple[str, str]] = []
    for number, line in enumerate(lines, 1):
        name, colon, value = (part.strip(" \t") for part in line.partition(":"))
        if number == 1 and line.startswith("HTTP/"):
            status = line
        elif not colon or line[0] in " \t":
            raise AsIsError(path, number, f"{line[:80]!r} is no header field; say 'Name: value'")
        elif name.lower() == "status":
            status = value
        elif name.lower() not in _LEFT_OUT:
            fields.append((name, value))
    match = _STATUS.fullmatch(status)
    if match is None or not 200 <= int(match[1]) <= 599:
        raise AsIsError(path, 1, f"{status[:80]!r} is no status; say 'HTTP/1.1 200 OK'")
    return int(match[1]), fields, end.end()
