"""The page that lists a folder."""

import os
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from stat import S_ISDIR
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

import attrs

if TYPE_CHECKING:
    from jinja2 import Template

_ICONS: Final = {
    "audio": "🎵",
    "font": "🔤",
    "image": "🖼️",
    "text": "📄",
    "video": "🎬",
    "application/pdf": "📕",
    "application/gzip": "📦",
    "application/zip": "📦",
    "application/x-tar": "📦",
    "application/x-bzip2": "📦",
    "application/x-xz": "📦",
    "application/zstd": "📦",
    "text/html": "🌐",
}
# Read now: after a chroot it is too late.
_SOURCE: Final = Path(__file__).with_name("templates").joinpath("listing.html").read_text("utf-8")
_FOLDER_ICON: Final = "📁"
_FILE_ICON: Final = "🗎"


@attrs.frozen
class Row:
    """One line of a listing: all of it text, not HTML, but for `link`, which is a relative URL."""

    name: str
    link: str
    icon: str
    size: str
    modified: str
    timestamp: str
    is_folder: bool


def row(name: str, status: os.stat_result, kind: str) -> Row:
    """The row for the file or folder `name`; `kind` is its MIME type, if it is a file."""
    is_folder = S_ISDIR(status.st_mode)
    modified = datetime.fromtimestamp(status.st_mtime, UTC)
    end = "/" if is_folder else ""
    icon = _ICONS.get(kind.partition(";")[0]) or _ICONS.get(kind.partition("/")[0], _FILE_ICON)
    return Row(
        name=name + end,
        # With the dot, a name with a colon in it is no scheme.
        link="./" + quote(name) + end,
        icon=_FOLDER_ICON if is_folder else icon,
        size="" if is_folder else size_text(status.st_size),
        modified=f"{modified:%Y-%m-%d %H:%M}",
        timestamp=modified.isoformat(timespec="seconds"),
        is_folder=is_folder,
    )


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


def listing_page(path: str, rows: Iterable[Row], *, has_parent: bool) -> str:
    """The HTML page for the folder at the URL path `path`, which is text; folders come first."""
    ordered = sorted(rows, key=lambda each: (not each.is_folder, each.name.casefold(), each.name))
    return _template().render(path=path, rows=ordered, has_parent=has_parent)


@cache
def _template() -> "Template":
    from jinja2 import Environment

    return Environment(autoescape=True, trim_blocks=True).from_string(_SOURCE)
