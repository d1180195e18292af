from html import escape
from pathlib import Path

from layout import page
from visits import Hit, Records

from perdure.app.web.request import Request
from perdure.app.web.resource import Resource

LOG = Path(__file__).resolve().parent.parent / "access.log"
records = registry.get_component(Records, default=lambda: Records(LOG))


def row(hit: Hit) -> str:
    date, _, time = hit.when.partition(" ")[0].partition(":")
    cells = (f"{date} {time}", hit.referrer, hit.resource)
    return "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>\n"


class WeblogPage(Resource):
    is_leaf = True

    def render_GET(self, request: Request) -> str:
        new = records.read_new()
        rows = "".join(map(row, records.newest_first()))
        return page(
            "Sightings",
            f"<p>Where our readers came from, newest first. {new} new "
            f"{'line' if new == 1 else 'lines'} of the log had to be read for this page; "
            "those before are remembered.</p>\n"
            '<div class="scroll"><table>\n'
            "<thead><tr><th>When</th><th>Came from</th><th>Read</th></tr></thead>\n"
            f"<tbody>\n{rows}</tbody></table></div>",
            head='\n<meta http-equiv="refresh" content="30">',
        )


resource = WeblogPage()
