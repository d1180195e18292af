"""Where a request goes behind a proxy, and what the server there calls a place, seen from here."""

import re
from typing import Final
from urllib.parse import quote

import attrs

from ..errors import HTTPError
from ..request import Request

# RFC 3986, 3.3: what a segment is made of without being escaped.
_PLAIN: Final = "!$&'()*+,;=:@~"

# A dot segment in any spelling, also one that appears only to servers which read ``%2F`` or ``\`` as
# a slash, or cut what follows a semicolon off.
_DOTS = re.compile(r"(?:^|[/\\]|%2f|%5c)(?:\.|%2e){1,2}(?:$|[/\\;]|%2f|%5c|%3b)", re.IGNORECASE)
_PLACE = re.compile(rb"\n((?:content-)?location): ([^\r]*)", re.IGNORECASE)
_ABSOLUTE = re.compile(r"https?://([^/?#]*)(.*)", re.IGNORECASE)


def target_of(request: Request, prefix: str) -> str:
    """The target to ask for: `prefix`, which begins and ends with a slash, and what is left of the
    path, spelled as the client did; with the query.

    Raises `HTTPError` for dot segments: who decides what they mean decides what is below the prefix.
    """
    head = request.head
    if head.path == "*":
        return "*"
    rest = request.postpath
    path = ""
    if rest:
        count = len(rest)
        if head.segments()[-count:] == rest:
            path = head.path[1:]
            if path.count("/") >= count:
                path = "/".join(path.split("/")[-count:])
        else:
            path = "/".join(quote(segment, safe=_PLAIN) for segment in rest)
        if ("." in path or "%" in path) and _DOTS.search(path):
            raise HTTPError(400, "The address has segments that lead elsewhere.")
    elif prefix != "/":
        prefix = prefix[:-1]
    return f"{prefix}{path}?{head.query}" if head.query else prefix + path


@attrs.frozen
class Places:
    """How addresses in an answer are to be read: what is below `prefix` there is below `mount` here.

    `names` are authorities that mean the server behind, and nobody else can use; an address there
    becomes one here. `public` is the authority that the client used, if the server was told it.
    """

    prefix: str
    mount: str
    names: frozenset[str]
    public: str

    def rewritten(self, fields: bytes) -> bytes:
        """`fields` with Location and Content-Location as the client has to see them."""
        return _PLACE.sub(self._line, b"\n" + fields)[1:]

    def _line(self, match: "re.Match[bytes]") -> bytes:
        place = self.seen(match[2].decode("latin-1"))
        return b"\n%b: %b" % (match[1], place.encode("latin-1"))

    def seen(self, place: str) -> str:
        """The address `place` as the client has to see it; anybody else's is left as it is."""
        origin = ""
        absolute = _ABSOLUTE.fullmatch(place)
        if absolute is not None:
            authority = absolute[1].lower()
            path = absolute[2] if absolute[2][:1] == "/" else "/" + absolute[2]
            if authority == self.public:
                origin = place[: absolute.end(1)]
            elif authority not in self.names:
                return place
        elif not place.startswith("/") or place.startswith("//"):
            return place
        else:
            path = place
        if self.prefix != self.mount:
            if path.startswith(self.prefix):
                path = self.mount + path[len(self.prefix) :]
            elif re.match(re.escape(self.prefix[:-1]) + r"(?=$|[?#])", path):
                path = self.mount[:-1] + path[len(self.prefix) - 1 :] or "/"
        if not origin and path.startswith("//"):
            # As a reference this would name another host.
            return place
        return origin + path


def mount_of(request: Request) -> str:
    """Where the resource that answers stands, with a slash at both ends."""
    prepath = request.prepath
    if not prepath:
        return "/"
    return "/" + "/".join(quote(segment, safe=_PLAIN) for segment in prepath) + "/"
