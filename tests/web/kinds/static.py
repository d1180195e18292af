"""Files, and what is served beside and instead of them."""

from pathlib import Path

from perdure.app.registry import Registry
from perdure.app.web.data import Data
from perdure.app.web.files.asis import AsIsFile
from perdure.app.web.files.filereply import FileReply
from perdure.app.web.files.folderpages import FolderListing, SlashRedirect
from perdure.app.web.files.precompressed import NegotiatedReply
from perdure.app.web.replies.errorcontent import ErrorResource, ErrorTemplate
from perdure.app.web.resource import Resource
from perdure.app.web.routing.redirect import ChildRedirector, ParentRedirect, Redirect
from perdure.app.web.script import ResourceScript
from perdure.app.web.scripts.pagescript import PageScript
from perdure.app.web.scripts.pickled import SnapshotResource
from perdure.app.web.scripts.scriptfolder import ScriptFolder
from perdure.app.web.static import DEFAULT_PROCESSORS, File
from perdure.persist import snapshot

from .case import KindCase

_MADE_ANEW = (
    ErrorResource,
    ErrorTemplate,
    FileReply,
    FolderListing,
    NegotiatedReply,
    SlashRedirect,
)
_SCRIPT = """\
from perdure.app.web.data import Data

resource = Data("from the folder")
"""


def _written(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o644)


def _file(folder: Path) -> Resource:
    _written(folder / "page.html", "a page")
    (folder / "gone.html").write_text("{{ status }}: {{ path }}")
    return File(
        folder,
        index_names=["page.html"],
        processors=DEFAULT_PROCESSORS,
        precompressed=[".gz"],
        not_found="gone.html",
        forbidden=Data("no"),
    )


def _page(folder: Path) -> Resource:
    _written(folder / "page.epy", "write(f'<p>{request.path}')")
    return File(folder, processors=DEFAULT_PROCESSORS)


def _as_is(folder: Path) -> Resource:
    (folder / "gone.asis").write_text("HTTP/1.1 410 Gone\n\nas it is")
    return File(folder, processors=DEFAULT_PROCESSORS)


def _kept(folder: Path) -> Resource:
    path = folder / "tide.trp"
    snapshot.write(path, Data("high"), application="tide", holds="blueprint", signer=None)
    return File(folder, processors=DEFAULT_PROCESSORS)


def _page_alone(folder: Path) -> Resource:
    _written(folder / "page.epy", "write(f'<p>{request.postpath}')")
    return PageScript(str(folder / "page.epy"), Registry())


def _script_alone(folder: Path) -> Resource:
    _written(folder / "page.rpy", _SCRIPT)
    return ResourceScript(str(folder / "page.rpy"), Registry())


def _as_is_alone(folder: Path) -> Resource:
    (folder / "gone.asis").write_text("HTTP/1.1 410 Gone\n\nas it is")
    return AsIsFile(str(folder / "gone.asis"), Registry())


def _kept_alone(folder: Path) -> Resource:
    _kept(folder)
    return SnapshotResource(str(folder / "tide.trp"), Registry())


def _scripts(folder: Path) -> Resource:
    _written(folder / "page.rpy", _SCRIPT)
    return ScriptFolder(folder)


def _parent(_folder: Path) -> Resource:
    root = Resource()
    root.put_child("up", ParentRedirect())
    return root


CASES = (
    KindCase(File, _file, "a page", also=_MADE_ANEW),
    KindCase(File, _file, "404: /none", ("GET /none HTTP/1.1",), 404),
    KindCase(PageScript, _page, "<p>/page.epy/on", ("GET /page.epy/on HTTP/1.1",)),
    KindCase(AsIsFile, _as_is, "as it is", ("GET /gone.asis HTTP/1.1",), 410),
    KindCase(SnapshotResource, _kept, "high", ("GET /tide.trp HTTP/1.1",)),
    KindCase(PageScript, _page_alone, "<p>['on']", ("GET /on HTTP/1.1",)),
    KindCase(ResourceScript, _script_alone, "from the folder"),
    KindCase(AsIsFile, _as_is_alone, "as it is", status=410),
    KindCase(SnapshotResource, _kept_alone, "high"),
    KindCase(Data, lambda folder: Data("<p>data"), "<p>data"),
    KindCase(Redirect, lambda folder: Redirect("/other"), 'href="/other"', status=302),
    KindCase(
        ChildRedirector,
        lambda folder: ChildRedirector("https://example.org/a", 308),
        'href="https://example.org/a/b?c"',
        ("GET /b?c HTTP/1.1",),
        308,
    ),
    KindCase(ParentRedirect, _parent, 'href="./"', ("GET /up HTTP/1.1",), 302),
    KindCase(ScriptFolder, _scripts, "from the folder", ("GET /page HTTP/1.1",)),
)
