"""Error pages: small, escaped, complete in themselves."""

from collections.abc import Iterable
from html import escape
from typing import Final

from ...persist.errors import PerdureError
from .ownpage import OwnPage
from .response import REASONS, StatusError

_PAGE: Final = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>
body {{ font: 1rem/1.5 system-ui, sans-serif; max-width: 44rem; margin: 4rem auto; padding: 0 1rem }}
h1 {{ font-size: 1.4rem }}
pre {{ overflow-x: auto; padding: 1rem; background: #8881 }}
</style>
</head>
<body>
<h1>{title}</h1>
{content}</body>
</html>
"""

_SENTENCES: Final[dict[int, str]] = {
    400: "The request could not be understood.",
    401: "This page is for those who say who they are.",
    403: "This page may not be seen.",
    404: "There is nothing at this address.",
    405: "This page does not answer that method.",
    408: "The request did not arrive in time.",
    413: "The request's body is larger than this server accepts.",
    414: "The request's address is longer than this server accepts.",
    415: "The request's body is of a kind that this server does not take.",
    417: "The request expects something that this server does not do.",
    426: "This page speaks another protocol than the request does.",
    429: "There were too many attempts. Please try again later.",
    431: "The request's header is larger than this server accepts.",
    500: "The server failed to make this page.",
    501: "The server does not know that method.",
    502: "The server behind this one did not give a usable answer.",
    503: "The server is busy. Please try again in a moment.",
    504: "The server behind this one did not answer in time.",
}


class HTTPError(PerdureError):
    """Raised by a resource's code to answer with an error page instead.

    Attributes: `status` (400 to 599), `detail` (a sentence for the page), `headers`. Raises
    `StatusError` for another status.
    """

    def __init__(
        self, status: int, detail: str = "", headers: Iterable[tuple[str, str]] = ()
    ) -> None:
        super().__init__(f"{status} {REASONS.get(status, '')}: {detail}" if detail else f"{status}")
        if not 400 <= status <= 599:
            raise StatusError(status)
        self.status = status
        self.detail = detail
        self.headers = tuple(headers)


class ErrorReply(OwnPage):
    """The page that says what went wrong; a site may show one of its own instead.

    `detail` is the sentence that was given for it, and `trace` a traceback; either may be empty.
    """

    __slots__ = ("detail", "trace")

    def __init__(
        self, page: str, status: int, headers: Iterable[tuple[str, str]], detail: str, trace: str
    ) -> None:
        super().__init__(page, status, headers)
        self.detail = detail
        self.trace = trace


def error_page(
    status: int,
    detail: str = "",
    *,
    headers: Iterable[tuple[str, str]] = (),
    trace: str = "",
) -> ErrorReply:
    """A page of HTML that says what `status` means, or `detail` instead.

    `detail` and `trace` (a traceback, shown as it is) are text, not HTML: they are escaped.
    """
    title = f"{status} {REASONS.get(status, '')}".rstrip()
    content = f"<p>{escape(detail or _SENTENCES.get(status, ''))}</p>\n"
    if trace:
        content += f"<pre>{escape(trace)}</pre>\n"
    page = _PAGE.format(title=escape(title), content=content)
    return ErrorReply(page, status, headers, detail, trace)
