"""Resources that lead elsewhere."""

import os
import re
from html import escape
from typing import TYPE_CHECKING, ClassVar, Final
from urllib.parse import quote, urlsplit

import attrs

from ....persist.errors import PerdureError
from ..errors import HTTPError
from ..resource import Rendered, Resource
from ..response import Response

if TYPE_CHECKING:
    from ..request import Request

_STATUSES: Final = (301, 302, 303, 307, 308)
# RFC 3986, 2: what an address is made of, and what is escaped already.
_SAFE: Final = "%:/?#[]@!$&'()*+,;=~"
_SAFE_SEGMENT: Final = ":@!$&'()*+,;=~"
# Browsers pass over some of these and take others for a slash: what was meant is anybody's guess.
_UNFIT: Final = re.compile(r"[\x00-\x20\x7f\\]")


@attrs.define(str=False)
class RedirectError(PerdureError):
    """Nothing can be led to `url` with `status`, for `reason`."""

    exit_status: ClassVar[int] = os.EX_CONFIG
    url: str
    status: int
    reason: str

    def __str__(self) -> str:
        return f"a redirect to {self.url!r} with status {self.status}: {self.reason}"


def redirection(url: str, status: int = 302) -> Response:
    """The reply that leads to `url`.

    What is not ASCII is escaped; 301 and 308 are for ever, 307 and 308 keep method and body. Raises
    `RedirectError` for another status and for what is no address, such as one with a line end
    in it: nothing that a client sent can become a header field.
    """
    if type(status) is not int or status not in _STATUSES:
        raise RedirectError(url, status, f"expected is one of {', '.join(map(str, _STATUSES))}")
    if not url or _UNFIT.search(url):
        reason = "an address has no blanks, control characters or backslashes; escape them with %"
        raise RedirectError(url, status, reason)
    try:
        location = quote(url, safe=_SAFE)
        scheme = urlsplit(url).scheme.lower()
    except ValueError as error:
        raise RedirectError(url, status, str(error)) from error
    if scheme not in ("", "http", "https"):
        raise RedirectError(url, status, "it leads to http or https, or within this site")
    page = (
        f'<!doctype html>\n<title>Moved</title>\n<p>It is <a href="{escape(location)}">here</a>.\n'
    )
    return Response(page, status, [("Location", location)])


class Redirect(Resource):
    """Leads whoever comes here, or to anywhere below, to `url`. Raises as `redirection`."""

    is_leaf = True
    tells_state = False

    def __init__(self, url: str, status: int = 302) -> None:
        self.url = url
        self.status = status
        redirection(url, status)

    def render(self, request: "Request") -> Rendered:
        return redirection(self.url, self.status)


class ChildRedirector(Resource):
    """Leads to `url`, and from below to the same place below `url`; the query is kept.

    Put at ``/old`` with ``https://example.org/new``, it leads from ``/old/a?b`` to
    ``https://example.org/new/a?b``. What would climb out of `url` is not found. Raises
    as `redirection`, and for a `url` with a query or fragment.
    """

    is_leaf = True
    tells_state = False

    def __init__(self, url: str, status: int = 302) -> None:
        self.url = url
        self.status = status
        redirection(url, status)
        if "?" in url or "#" in url:
            raise RedirectError(url, status, "nothing goes below a query or fragment")

    def render(self, request: "Request") -> Rendered:
        url = self.url
        if request.postpath:
            # Empty ones in front would make `//name`, which is another host, of what is below /.
            below = "/".join(map(_segment, request.postpath)).lstrip("/")
            url = f"{url.rstrip('/')}/{below}"
        if request.query:
            url = f"{url}?{quote(request.query, safe=_SAFE)}"
        return redirection(url, self.status)


class ParentRedirect(Resource):
    """Leads to the folder that this resource is in: from ``/a/b``, and from below it, to ``/a/``.

    The reference is relative, and so right behind whatever proxy. At the root there is none: 404.
    """

    is_leaf = True
    tells_state = False

    def render(self, request: "Request") -> Rendered:
        prepath = request.prepath
        if not any(prepath):
            raise HTTPError(404)
        # As the child of a folder by its slash, it is that folder that it leads out of.
        steps = len(request.postpath) + (not prepath[-1])
        return redirection("../" * steps or "./")


def _segment(segment: str) -> str:
    if segment in (".", ".."):
        raise HTTPError(404)
    return quote(segment, safe=_SAFE_SEGMENT)
