"""Whether a browser goes to a page, or fetches what a page is made of."""

from typing import TYPE_CHECKING, Final

from .mime import extension_of

if TYPE_CHECKING:
    from ..request import Request
    from ..response import Response

_PAGES: Final = frozenset(("text/html", "application/xhtml+xml"))


def is_navigation(request: "Request", segments: tuple[str, ...]) -> bool:
    """Whether `request` is for a page to be shown, at a path that ends in `segments`.

    It is if it says that it takes HTML (``*/*`` is what scripts and images say) and the last
    segment has no extension: a file that is missing is not a page.
    """
    if request.method not in ("GET", "HEAD") or any(map(extension_of, segments)):
        return False
    from werkzeug.http import parse_accept_header

    accepted = parse_accept_header(request.headers.get("accept", ""))
    return any(kind.partition(";")[0].lower() in _PAGES and weight > 0 for kind, weight in accepted)


def vary_on_accept(_request: "Request", response: "Response") -> "Response":
    """`response`, marked for caches as one that depends on what kinds the client takes."""
    return response.replaced(headers=[*response.headers, ("Vary", "Accept")])
