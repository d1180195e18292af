"""Files that lie there compressed already: ``page.css.br`` beside ``page.css``."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from ..errors import HTTPError
from ..resource import Rendered, Resource
from ..response import PreparedResponse
from .filereply import FileReply

if TYPE_CHECKING:
    from ..head import Head
    from ..request import Request

CODINGS: Final[Mapping[str, str]] = {".zst": "zstd", ".br": "br", ".gz": "gzip"}
"""The content coding (RFC 9110, 8.4.1) by extension, what is smallest first."""

VARIES: Final = (("Vary", "Accept-Encoding"),)

_FIELD: Final = b"\r\naccept-encoding:"
_MOST_KNOWN: Final = 64
_SHORT: Final = 2048
"""Bytes; longer heads and fields are not kept, since there may be many files."""
_ALIASES: Final = {"x-gzip": "gzip"}


def chosen(field: str, offered: Sequence[str]) -> str | None:
    """Which of the `offered` codings an Accept-Encoding prefers; None for the file as it is.

    What the client weighs highest, and of several what was offered first. What it does not mention,
    or weighs 0, it does not get; the file as it is comes last unless the client weighs that
    higher, and also where it has ruled out everything (RFC 9110, 12.5.3).

    >>> chosen("gzip, br;q=0.5", ("br", "gzip")), chosen("gzip;q=0, *", ("gzip", "br"))
    ('gzip', 'br')
    """
    from werkzeug.http import parse_accept_header

    weights: dict[str, float] = {}
    for name, weight in parse_accept_header(field):
        lowered = name.lower()
        weights.setdefault(_ALIASES.get(lowered, lowered), weight)
    others = weights.get("*", 0)
    best = max(offered, key=lambda coding: weights.get(coding, others))
    weight = weights.get(best, others)
    return best if weight > 0 and weight >= weights.get("identity", others) else None


class NegotiatedReply(Resource):
    """Answers with one version of one file, in the coding that the client prefers.

    Each has its own length, tag and date: for ranges and conditions they are different files.
    """

    is_leaf = True
    tells_state = False

    def __init__(self, plain: FileReply, coded: Mapping[str, FileReply]) -> None:
        self.plain = plain
        self.coded = coded
        self.cost = plain.cost + sum(each.cost for each in coded.values())
        self._known: dict[bytes, FileReply] = {}
        self._head: Head | None = None
        self._answer: PreparedResponse | None = None

    def render_GET(self, request: "Request") -> Rendered:
        head = request.head
        # Requests that came in the same bytes share a head, and an answer.
        if self._answer is not None and head is self._head:
            return self._answer
        reply = self._chosen(request)
        try:
            answer = reply.render_GET(request)
        except HTTPError:
            # It has gone since.
            return self.plain.render_GET(request)
        if isinstance(answer, PreparedResponse) and len(head.raw) < _SHORT:
            self._head, self._answer = head, answer
        return answer

    def _chosen(self, request: "Request") -> FileReply:
        # Taking all fields apart would cost more than all the rest.
        lowered = request.head.raw.lower()
        start = lowered.find(_FIELD)
        if start < 0:
            return self.plain
        end = lowered.index(b"\r", start + 2)
        # Several fields of that name are one list, and rare.
        if _FIELD in lowered[end:]:
            return self._preferred(request)
        field = lowered[start:end]
        reply = self._known.get(field)
        if reply is None:
            reply = self._preferred(request)
            if len(self._known) < _MOST_KNOWN and len(field) < _SHORT:
                self._known[field] = reply
        return reply

    def _preferred(self, request: "Request") -> FileReply:
        coding = chosen(request.headers.get("accept-encoding", ""), tuple(self.coded))
        return self.plain if coding is None else self.coded[coding]
