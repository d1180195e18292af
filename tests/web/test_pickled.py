"""Resources kept as snapshots beside the pages."""

import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from perdure.app.web.data import Data
from perdure.app.web.request import Request
from perdure.app.web.resource import Rendered, Resource
from perdure.app.web.routing.redirect import Redirect
from perdure.app.web.script import ScriptRoot
from perdure.app.web.scripts import pickled
from perdure.app.web.scripts.pickled import Trust, keep_resource
from perdure.app.web.static import DEFAULT_PROCESSORS, File, StaticError
from perdure.persist import snapshot
from perdure.persist.formats import table
from perdure.persist.trust import Signer

from .conftest import Serve, Served


class Note(Resource):
    """A page of an application's own class."""

    def __init__(self, text: str) -> None:
        self.text = text

    def get_child(self, segment: str, request: Request) -> Resource:
        return Note(f"{self.text}/{segment}")

    def render_GET(self, request: Request) -> Rendered:
        return self.text


@pytest.fixture(autouse=True)
def signer(tmp_path: Path) -> Iterator[Signer]:
    """The key of who runs the server, and of nobody else."""
    before = pickled.present_trust()
    made = Signer.of_user(tmp_path / "key")
    pickled.believe(Trust(made))
    yield made
    pickled.believe(before)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    site = tmp_path / "site"
    site.mkdir()
    return site


@pytest.fixture
def served(serve: Serve, folder: Path) -> Served:
    return serve(File(folder, processors=DEFAULT_PROCESSORS))


def foreign(path: Path, resource: object, signer: Signer | None = None) -> None:
    """A snapshot that this user has not signed."""
    snapshot.write(path, resource, application="resource", holds="blueprint", signer=signer)


@pytest.mark.parametrize("syntax", table.SUFFIXES)
def test_what_is_kept_answers_at_its_place_and_below(
    served: Served, folder: Path, syntax: str
) -> None:
    path = File(folder).create_snapshot_child("note.trp", Note("kept"), syntax=syntax)
    assert path == str(folder / "note.trp")
    assert os.stat(path).st_mode & 0o777 == 0o600
    assert snapshot.read(Path(path)).syntax == syntax
    assert served.get("/note.trp").body == b"kept"
    assert served.get("/note.trp/a/b").body == b"kept/a/b"


def test_what_is_kept_anew_answers_from_then_on(served: Served, folder: Path) -> None:
    for number in range(3):
        keep_resource(folder / "index.trp", Note(f"number {number}"))
        assert served.get("/").body == b"number %d" % number


@pytest.mark.parametrize("name", ["page", "page.html", "../page.trp", ".page.trp", "a/b.trp", ""])
def test_it_is_kept_in_the_folder_and_under_its_extension(folder: Path, name: str) -> None:
    with pytest.raises(StaticError, match=r"ends in \.trp"):
        File(folder).create_snapshot_child(name, Note("kept"))
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("other", [True, False], ids=["signed by another", "unsigned"])
def test_a_strangers_loads_what_is_harmless_and_nothing_else(
    served: Served,
    folder: Path,
    tmp_path: Path,
    other: bool,
    signer: Signer,
    caplog: pytest.LogCaptureFixture,
) -> None:
    stranger = Signer.of_user(tmp_path / "other") if other else None
    (folder / "text").write_text("plain")
    root = File(folder)
    root.put_child("data", Data("data"))
    root.put_child("away", Redirect("/elsewhere"))
    foreign(folder / "good.trp", root, stranger)
    assert served.get("/good.trp/data").body == b"data"
    assert served.get("/good.trp/away").get("location") == "/elsewhere"
    assert served.get("/good.trp/text").body == b"plain"
    foreign(folder / "note.trp", Note("foreign"), stranger)
    foreign(folder / "script.trp", ScriptRoot("/srv/a.rpy"), stranger)
    foreign(folder / "run.trp", File(folder, processors={".txt": vars(os)["system"]}), stranger)
    with caplog.at_level(logging.ERROR, "perdure.web"):
        for name in ("note", "script", "run"):
            reply = served.get(f"/{name}.trp")
            assert reply.status == 403
            assert b"log says why" in reply.body
    assert f"--trust {__name__}" in caplog.text
    assert "system is of Python itself" in caplog.text
    pickled.believe(Trust(signer, (__name__,)))
    assert served.get("/note.trp").body == b"foreign"


@pytest.mark.parametrize("syntax", ["xml", "source"])
def test_an_edit_that_names_something_new_is_a_strangers(
    served: Served, folder: Path, syntax: str
) -> None:
    keep_resource(folder / "a.trp", Data("first"), syntax=syntax)
    path = folder / "a.trp"
    path.write_text(path.read_text().replace("first", "second"))
    assert served.get("/a.trp").body == b"second"
    path.write_text(
        path.read_text().replace("perdure.app.web.data", "posix").replace("Data", "system")
    )
    assert served.get("/a.trp").status in (403, 500)


def test_what_is_no_resource_or_broken_is_500_and_the_log_says_so(
    served: Served, folder: Path, signer: Signer, caplog: pytest.LogCaptureFixture
) -> None:
    foreign(folder / "list.trp", [1, 2], signer)
    (folder / "text.trp").write_text("no snapshot")
    keep_resource(folder / "cut.trp", Note("kept"))
    whole = (folder / "cut.trp").read_bytes()
    (folder / "cut.trp").write_bytes(whole[: len(whole) // 2])
    (folder / "empty.trp").touch()
    with caplog.at_level(logging.ERROR, "perdure.web"):
        for name in ("list", "text", "cut", "empty"):
            assert served.get(f"/{name}.trp").status == 500
            assert f"{name}.trp" in caplog.text
    assert "holds an object of list, which is not a Resource" in caplog.text
    (folder / "cut.trp").write_bytes(whole)
    assert served.get("/cut.trp").body == b"kept"


def test_what_others_may_write_or_replace_is_not_loaded(
    served: Served, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    keep_resource(folder / "a.trp", Note("kept"))
    with caplog.at_level(logging.ERROR, "perdure.web"):
        for path in (folder / "a.trp", folder):
            mode = path.stat().st_mode
            path.chmod(mode | 0o002)
            assert served.get("/a.trp").status == 403
            path.chmod(mode)
    assert "others may write to it" in caplog.text
    assert "others may put files beside it" in caplog.text
    assert served.get("/a.trp").body == b"kept"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_one_that_the_server_may_not_read_is_told_in_the_log(
    served: Served, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    keep_resource(folder / "a.trp", Note("kept"))
    (folder / "a.trp").chmod(0)
    with caplog.at_level(logging.ERROR, "perdure.web"):
        assert served.get("/a.trp").status == 403
    assert "a.trp: the user of this server may not read it" in caplog.text


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_what_belongs_to_another_user_is_not_loaded(served: Served, folder: Path) -> None:
    keep_resource(folder / "a.trp", Note("kept"))
    os.chown(folder / "a.trp", 65534, 65534)
    assert served.get("/a.trp").status == 403


def test_a_link_to_one_outside_is_not_followed(
    served: Served, folder: Path, tmp_path: Path
) -> None:
    keep_resource(tmp_path / "out.trp", Note("outside"))
    (folder / "a.trp").symlink_to(tmp_path / "out.trp")
    assert served.get("/a.trp").status == 404


def test_without_the_processor_it_is_not_shown_as_an_index(serve: Serve, folder: Path) -> None:
    keep_resource(folder / "index.trp", Note("kept"))
    assert b"Index of /" in serve(File(folder)).get("/").body


def test_a_syntax_that_there_is_not_is_told_with_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(table.UnknownSyntaxError, match="'binary'; there are pickle, xml, source"):
        keep_resource(tmp_path / "note.trp", Note("sea"), syntax="binary")
    assert not (tmp_path / "note.trp").exists()
