"""Conditional requests: whether what the client has is still good (RFC 9110, section 13)."""

from typing import TYPE_CHECKING

import attrs

from ..head import Headers

if TYPE_CHECKING:
    from datetime import datetime


@attrs.frozen
class Validators:
    """What tells one version of a file from another.

    `etag` is a strong entity tag without its quotes, `modified` the time of the last change in
    whole seconds since 1970, as Last-Modified can say it.
    """

    etag: str
    modified: int

    def refusal(self, headers: Headers) -> int | None:
        """The status to answer a GET or HEAD with instead of the file: 304, 412, or None.

        The fields are weighed in the order of RFC 9110, 13.2.2; a date that cannot be
        read does not count.
        """
        if (field := headers.get("if-match")) is not None:
            from werkzeug.http import parse_etags

            if not parse_etags(field.strip()).contains(self.etag):
                return 412
        elif (date := _date(headers.get("if-unmodified-since"))) and self._is_newer(date):
            return 412
        if (field := headers.get("if-none-match")) is not None:
            from werkzeug.http import parse_etags

            if parse_etags(field.strip()).contains_weak(self.etag):
                return 304
        elif (date := _date(headers.get("if-modified-since"))) and not self._is_newer(date):
            return 304
        return None

    def ranges_apply(self, headers: Headers) -> bool:
        """Whether If-Range lets a Range count: it names this very version, or is not there.

        A weak tag never does, and a date only if it is equal (RFC 9110, 13.1.5).
        """
        field = headers.get("if-range")
        if field is None:
            return True
        if '"' in field:
            return field == f'"{self.etag}"'
        date = _date(field)
        return date is not None and date.timestamp() == self.modified

    def _is_newer(self, date: "datetime") -> bool:
        return self.modified > date.timestamp()


def _date(field: str | None) -> "datetime | None":
    if field is None:
        return None
    from werkzeug.http import parse_date

    try:
        date = parse_date(field)
        # A year that no clock can show is read, and fails only here.
        if date is not None:
            date.timestamp()
    except (OverflowError, ValueError):
        return None
    return date
