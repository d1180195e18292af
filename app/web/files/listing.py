"""The page that lists a folder."""

import os
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from stat import S_ISDIR
from typing import TYPE_CHECKING, Final, Self
from urllib.parse import quote

import attrs

if TYPE_CHECKING:
    from jinja2 import Template

_ICONS: Final = {
    "audio": "sound",
    "font": "file",
    "image": "image",
    "text": "text",
    "video": "film",
    "application/pdf": "text",
    "application/gzip": "box",
    "application/zip": "box",
    "application/x-tar": "box",
    "application/x-bzip2": "box",
    "application/x-xz": "box",
    "application/zstd": "box",
}
# Read now: after a chroot it is too late.
_SOURCE: Final = Path(__file__).with_name("templates").joinpath("listing.html").read_text("utf-8")


COLUMNS: Final = {"name": "Name", "size": "Size", "date": "Changed (UTC)"}
"""What a listing can be sorted by, and how the column is called."""


@attrs.frozen
class Row:
    """One line of a listing: all of it text, not HTML, but for `link`, which is a relative URL.

    `octets` and `seconds` (since 1970) are what `size` and `modified` say for people. `icon` names one
    of the drawings of the template: not every machine has a font with such signs.
    """

    name: str
    link: str
    icon: str
    size: str
    modified: str
    timestamp: str
    is_folder: bool
    octets: int
    seconds: float


def row(name: str, status: os.stat_result, kind: str) -> Row:
    """The row for the file or folder `name`; `kind` is its MIME type, if it is a file."""
    is_folder = S_ISDIR(status.st_mode)
    end = "/" if is_folder else ""
    icon = _ICONS.get(kind.partition(";")[0]) or _ICONS.get(kind.partition("/")[0], "file")
    modified, timestamp = _time(status.st_mtime)
    return Row(
        name=name + end,
        # With the dot, a name with a colon in it is no scheme.
        link="./" + quote(name) + end,
        icon="folder" if is_folder else icon,
        size="" if is_folder else size_text(status.st_size),
        modified=modified,
        timestamp=timestamp,
        is_folder=is_folder,
        octets=0 if is_folder else status.st_size,
        seconds=status.st_mtime,
    )


def _time(seconds: float) -> tuple[str, str]:
    """For people and for machines; nothing for a time that no calendar has."""
    try:
        modified = datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, ValueError, OSError):
        return "", ""
    return f"{modified:%Y-%m-%d %H:%M}", modified.isoformat(timespec="seconds")


@attrs.frozen
class Order:
    """The order of a listing: by a column, and whether the other way round."""

    column: str = "name"
    descending: bool = False

    @classmethod
    def of(cls, column: str, order: str) -> Self:
        """What the arguments of an address ask for; what is none of the words does not count."""
        column = column if column in COLUMNS else "name"
        return cls(column, order == "desc" if order in ("asc", "desc") else column != "name")

    def sorted(self, rows: Iterable[Row]) -> list[Row]:
        """`rows` in this order: folders first always, what is equal by its name."""
        ordered = sorted(rows, key=lambda each: (each.name.casefold(), each.name))
        if self.column != "name":
            ordered.sort(
                key=lambda each: each.octets if self.column == "size" else each.seconds,
                reverse=self.descending,
            )
        elif self.descending:
            ordered.reverse()
        return sorted(ordered, key=lambda each: not each.is_folder)

    @staticmethod
    def plain() -> list["Heading"]:
        """The columns, with no address that sorts."""
        return [Heading(column, text) for column, text in COLUMNS.items()]

    def headings(self) -> list["Heading"]:
        """The columns, each with the address that sorts by it, or turns the present order."""
        return [
            Heading(
                column,
                text,
                # The largest and the newest are what one looks for first.
                "asc"
                if (self.descending if column == self.column else column == "name")
                else "desc",
                ("descending" if self.descending else "ascending") if column == self.column else "",
            )
            for column, text in COLUMNS.items()
        ]


@attrs.frozen
class Heading:
    """The head of a column: a link that sorts by it in this `order`. `sorted` is how it is now."""

    column: str
    text: str
    order: str = ""
    sorted: str = ""


def size_text(size: int) -> str:
    """A number of bytes as people write it.

    >>> size_text(999), size_text(1024), size_text(1_500_000)
    ('999 B', '1.0 KB', '1.4 MB')
    """
    if size < 1000:
        return f"{size} B"
    amount, units = float(size), iter(("KB", "MB", "GB", "TB"))
    unit = ""
    while amount >= 1000 and (larger := next(units, "")):
        amount, unit = amount / 1024, larger
    return f"{amount:.1f} {unit}" if amount < 10 else f"{amount:.0f} {unit}"


def listing_page(
    path: str, rows: Iterable[Row], order: Order | None = None, *, has_parent: bool
) -> str:
    """The HTML page for the folder at the URL path `path`, which is text.

    Without an `order` it is by name, and nothing leads to another.
    """
    headings = Order.plain() if order is None else order.headings()
    ordered = (order or Order()).sorted(rows)
    return _template().render(path=path, rows=ordered, headings=headings, has_parent=has_parent)


@cache
def _template() -> "Template":
    from jinja2 import Environment

    return Environment(autoescape=True, trim_blocks=True).from_string(_SOURCE)
