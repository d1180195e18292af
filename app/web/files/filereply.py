"""A file as it is answered: whole, in part, or not at all because the client has it."""

import os
from collections.abc import Sequence
from email.utils import formatdate
from time import time
from typing import TYPE_CHECKING, Final

from ..errors import error_page
from ..filebody import FileBody, FileRange
from ..resource import Rendered, Resource
from ..response import PreparedResponse, Response, status_line
from .conditional import Validators
from .filecache import Signature, signature
from .folder import Found, open_file
from .ranges import Multipart, UnsatisfiableError, content_range, parse_ranges

if TYPE_CHECKING:
    from ..request import Request


SMALL: Final = 128 * 1024
"""Files up to this many bytes are kept in memory."""


class FileReply(Resource):
    """Answers GET and HEAD with one version of one file.

    `path` has no symbolic links. With `content`, which is the whole file, nothing more is read
    from the disk; without, the file is opened for each request, and whatever version is there then is
    answered.
    """

    is_leaf = True
    tells_state = False

    def __init__(
        self,
        path: str,
        status: os.stat_result,
        kind: tuple[str, str | None],
        content: bytes | None = None,
        fields: Sequence[tuple[str, str]] = (),
    ) -> None:
        self.path = path
        self.signature: Signature = signature(status)
        self._kind = kind
        self._content = content
        self.cost = len(content or b"")
        self._size = status.st_size
        self._validators = Validators(
            f"{status.st_mtime_ns:x}-{status.st_size:x}-{status.st_ino:x}", int(status.st_mtime)
        )
        self._further = fields
        self._same = [("ETag", f'"{self._validators.etag}"'), ("Accept-Ranges", "bytes"), *fields]
        # RFC 9110, 8.8.2.1: no date later than the reply's own is sent.
        if self._validators.modified <= time():
            self._same.append(("Last-Modified", formatdate(status.st_mtime, usegmt=True)))
        self._encoded = [("Content-Encoding", kind[1])] if kind[1] else []
        self._prepared: PreparedResponse | None = None
        if content is not None:
            self._prepared = PreparedResponse.of(Response(content, 200, self._fields(kind[0])))

    def _fields(self, kind: str) -> list[tuple[str, str]]:
        return [("Content-Type", kind), *self._encoded, *self._same]

    def render_GET(self, request: "Request") -> Rendered:
        lowered = request.head.raw.lower()
        # Most requests ask for neither; the fields need not be taken apart to know.
        if b"\r\nif-" in lowered:
            headers = request.headers
            status = self._validators.refusal(headers)
            if status == 304:
                return self._unchanged()
            if status is not None:
                return error_page(status, "The file is not the version that was expected.")
        if b"\r\nrange:" in lowered and request.method == "GET":
            return self._ranges(request)
        return self._prepared or self._whole(request)

    def _unchanged(self) -> PreparedResponse:
        fields = b"".join(f"{name}: {value}\r\n".encode() for name, value in self._same)
        return PreparedResponse(status_line(304) + fields, b"", 304)

    def _whole(self, request: "Request") -> Rendered:
        if self._prepared is not None:
            return self._prepared
        return self._sent(request, 200, self._fields(self._kind[0]), [FileRange(0, self._size)])

    def _ranges(self, request: "Request") -> Rendered:
        headers = request.headers
        try:
            ranges = None
            if self._validators.ranges_apply(headers):
                ranges = parse_ranges(headers.get("range", ""), self._size)
        except UnsatisfiableError as error:
            fields = [("Content-Range", f"bytes */{self._size}"), *self._same]
            return error_page(416, f"{error}.".capitalize(), headers=fields)
        if ranges is None:
            return self._whole(request)
        if len(ranges) == 1:
            fields = self._fields(self._kind[0])
            fields.append(("Content-Range", content_range(ranges[0], self._size)))
            return self._sent(request, 206, fields, ranges)
        body = Multipart(ranges, self._size, [("Content-Type", self._kind[0])])
        return self._sent(request, 206, self._fields(body.content_type), list(body))

    def _sent(
        self,
        request: "Request",
        status: int,
        fields: list[tuple[str, str]],
        parts: Sequence[bytes | FileRange],
    ) -> Rendered:
        content = self._content
        if content is not None:
            pieces = [
                content[part.offset : part.offset + part.length]
                if isinstance(part, FileRange)
                else part
                for part in parts
            ]
            return Response(b"".join(pieces), status, fields)
        descriptor, present = open_file(self.path)
        if signature(present) != self.signature:
            os.close(descriptor)
            newer = FileReply(self.path, present, self._kind, fields=self._further)
            return newer.render_GET(request)
        return Response(FileBody(descriptor, parts), status, fields)


def read_reply(
    found: Found, kind: tuple[str, str | None], fields: Sequence[tuple[str, str]] = ()
) -> FileReply:
    """The reply for a regular file of the Content-Type and Content-Encoding `kind`, with `fields`.

    A small file is read. Raises `HTTPError` if it cannot be had.
    """
    descriptor, status = open_file(found.real)
    with open(descriptor, "rb", buffering=0) as file:
        if status.st_size > SMALL:
            return FileReply(found.real, status, kind, fields=fields)
        content = file.read(SMALL + 1)
        unchanged = signature(os.fstat(descriptor)) == signature(status)
    whole = unchanged and len(content) == status.st_size
    return FileReply(found.real, status, kind, content if whole else None, fields)
