"""The kinds of resource that everything else is made with."""

from pathlib import Path

from perdure.app.web.resource import ErrorPage, Resource
from perdure.app.web.script import ResourceScript, ScriptRoot

from .case import KindCase

_SCRIPT = """\
from perdure.app.web.resource import Resource

class Page(Resource):
    def render_GET(self, request):
        return "the script answers"

resource = Page()
"""


def _script(folder: Path) -> Resource:
    path = folder / "page.rpy"
    path.write_text(_SCRIPT)
    path.chmod(0o644)
    return ScriptRoot(path)


def _branch(_folder: Path) -> Resource:
    root = Resource()
    root.put_child("gone", ErrorPage(410, "It was <here>."))
    return root


CASES = (
    KindCase(Resource, _branch, "It was &lt;here&gt;.", ("GET /gone/now HTTP/1.1",), 410),
    KindCase(ErrorPage, lambda folder: ErrorPage(403, "Not you."), "Not you.", status=403),
    KindCase(ScriptRoot, _script, "the script answers", also=(ResourceScript,)),
)
