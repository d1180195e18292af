"""What a CGI script answers: its header (RFC 3875, 6), read as strictly as that of a client."""

import os
import re
from typing import ClassVar, Final

import attrs

from ....persist.errors import PerdureError
from ..response import BODILESS, OF_THE_CONNECTION, HeaderError, header_line

_END: Final = re.compile(rb"(?:\A|\n)\r?\n")
_STATUS: Final = re.compile(r"([2-5][0-9][0-9])(?: .*)?")
# RFC 3986: what a path with a query may be made of.
_LOCAL: Final = re.compile(r"/[A-Za-z0-9._~%!$&'()*+,;=:@/?-]*")
# The connection, and who serves it, are the server's business.
_DROPPED: Final = OF_THE_CONNECTION | {"date", "server"}
# RFC 3875, 6.3: each at most once.
_ONCE: Final = frozenset(("content-length", "content-type", "location", "status"))
_TOLD: Final[dict[int, str]] = {
    500: "This page could not be made: its program could not be run.",
    502: "This page could not be made: its program gave no proper answer.",
    504: "This page could not be made: its program took too long.",
}


@attrs.define(str=False)
class CGIError(PerdureError):
    """The script at `path` could not be run, or failed, for `reason`; `status` is what is answered."""

    exit_status: ClassVar[int] = os.EX_UNAVAILABLE
    path: str
    reason: str
    status: int = 502

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"

    @property
    def detail(self) -> str:
        """What a visitor is told: nothing of the server's insides."""
        return _TOLD[self.status]


@attrs.frozen
class CGIHead:
    """A script's header: status and fields, or the `local` place where the answer is to be found."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    local: str | None = None


def split_head(output: bytes) -> tuple[bytes, bytes] | None:
    """The header in what came of a script's output, and what follows it; None if more must come."""
    end = _END.search(output)
    return None if end is None else (output[: end.start()], output[end.end() :])


def parse_cgi_head(path: str, head: bytes) -> CGIHead:
    """The header `head`, whose lines end with NL or CR NL, of the script at `path`.

    Raises `CGIError` for whatever is no proper header: nothing that a script was made to print can
    become a field, or a message, of its own. A script that writes a whole HTTP message (``nph-``, RFC
    3875, 5) is not supported.
    """
    given: dict[str, str] = {}
    kept: list[tuple[str, str]] = []
    for ended in head.decode("latin-1").split("\n") if head else ():
        line = ended.removesuffix("\r")
        if not given and not kept and line.startswith("HTTP/"):
            raise CGIError(path, "its output is a whole HTTP message; NPH scripts are not run")
        name, colon, value = line.partition(":")
        value = value.strip(" \t")
        if not colon:
            raise CGIError(path, f"the line {line[:80]!r} in its header is no field")
        try:
            header_line(name, value)
        except HeaderError as error:
            raise CGIError(path, f"{error}") from None
        lowered = name.lower()
        if lowered in _ONCE:
            if lowered in given:
                raise CGIError(path, f"its header has {name} twice")
            given[lowered] = value
        if lowered not in _DROPPED and lowered != "status":
            kept.append((name, value))
    # RFC 3875, 6.2
    if given.keys().isdisjoint(("content-type", "location", "status")):
        raise CGIError(path, "its header has neither Content-Type nor Location nor Status")
    return _judged(path, given, kept)


def _judged(path: str, given: dict[str, str], kept: list[tuple[str, str]]) -> CGIHead:
    location = given.get("location")
    if location == "":
        raise CGIError(path, "its Location is empty")
    length = given.get("content-length")
    if length is not None and not (length.isascii() and length.isdigit() and len(length) < 19):
        raise CGIError(path, f"its Content-Length {length!r} is no decimal number")
    if "status" in given:
        match = _STATUS.fullmatch(given["status"])
        if match is None:
            raise CGIError(path, f"its Status {given['status']!r} is none of a final answer")
        status = int(match[1])
    elif location is None:
        status = 200
    elif _LOCAL.fullmatch(location):
        return CGIHead(200, local=location)
    else:
        status = 302
    if status in BODILESS:
        kept = [each for each in kept if each[0].lower() != "content-length"]
    return CGIHead(status, tuple(kept))
