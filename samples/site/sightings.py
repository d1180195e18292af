"""A static page that follows an access log."""

from html import escape
from pathlib import Path

from visits import Hit, Records

from perdure.app.registry import Registry

PAGE = """\
<!doctype html>
<title>Sightings</title>
<meta http-equiv="refresh" content="5">
<table>
{rows}</table>
"""


def row(hit: Hit) -> str:
    return f"<tr><td>{escape(hit.referrer)}</td><td>{escape(hit.resource)}</td></tr>\n"


class Sightings:
    """Writes ``index.html`` in `folder` from the latest hits of the log at `path`."""

    def __init__(self, path: Path, folder: Path) -> None:
        self.records = Records(path)
        self.folder = folder
        self.alarm: int | None = None

    def begin(self, registry: Registry) -> None:
        """Write the page, and have it written from time to time; once is enough for all runs."""
        self.folder.mkdir(exist_ok=True)
        self.refresh()
        if self.alarm is None:
            self.alarm = registry.alarms.every(5, self, "refresh")

    def refresh(self) -> None:
        self.records.read_new()
        rows = "".join(map(row, self.records.newest_first()))
        # Renamed into place, so that nobody gets half of it.
        written = self.folder / ".index.html"
        written.write_text(PAGE.format(rows=rows))
        written.rename(self.folder / "index.html")
