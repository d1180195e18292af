"""Pages that the server itself writes: of errors, of folders, for logging in.

They run no scripts and load nothing, whoever may have named the files and hosts that they show, and
their fields tell browsers so (https://www.w3.org/TR/CSP3/, RFC 7034).
"""

from collections.abc import Iterable
from typing import Final

from .response import Response

_POLICY: Final = (
    "default-src 'none'",
    "style-src 'unsafe-inline'",
    "form-action 'self'",
    "base-uri 'none'",
    "frame-ancestors 'none'",
)
FIELDS: Final = (
    ("Content-Security-Policy", "; ".join(_POLICY)),
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    ("Referrer-Policy", "same-origin"),
)


class OwnPage(Response):
    """A page of the server's own, of HTML. A field in `headers` takes the place of ours."""

    __slots__ = ()

    def __init__(
        self, body: str, status: int = 200, headers: Iterable[tuple[str, str]] = ()
    ) -> None:
        given = list(headers)
        names = {name.lower() for name, _ in given}
        ours = [each for each in FIELDS if each[0].lower() not in names]
        super().__init__(body, status, [*given, *ours])
