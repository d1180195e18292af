"""Each mistake with ``websetroot`` costs one line and a proper status, and changes nothing."""

import os
from pathlib import Path

import pytest

from perdure.app.collection import ServiceCollection
from perdure.app.web.data import Data
from perdure.app.web.script import ScriptRoot
from perdure.app.web.scripts.pickled import keep_resource
from perdure.app.web.static import File
from perdure.persist import snapshot
from perdure.persist.frames import journal_key
from perdure.persist.journal import Journal
from perdure.persist.keyring import Keyring
from perdure.persist.trust import Signer
from perdure.tools.former import place_of
from perdure.tools.subject import AccessError

from .websites import Desk, site

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")


@pytest.fixture
def desk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Desk:
    return Desk.at(tmp_path, monkeypatch, capsys)


def refuse(desk: Desk, status: int, line: str, *words: object) -> None:
    """The same is said, in one line, with and without ``--dry-run``."""
    before = desk.contents()
    for more in ([], ["--dry-run"]):
        result = desk.run(*words, *more)
        assert (result.status, result.out) == (status, ""), result
        assert result.err.count("\n") == 1, result.err
        assert line in result.err
    assert desk.contents() == before


@pytest.mark.parametrize(
    ("words", "status", "line"),
    [
        (["no.snap", "--path", "www"], os.EX_NOINPUT, "no.snap: there is no such file"),
        (["www", "--path", "www"], os.EX_NOINPUT, "www: it is not a file"),
        (["www/index.html", "--path", "www"], os.EX_DATAERR, "it is not a snapshot but"),
        (["cut.snap", "--path", "www"], os.EX_DATAERR, "cut.snap"),
        (["flipped.snap", "--path", "www"], os.EX_DATAERR, "flipped.snap"),
        (["page.trp", "--path", "www"], os.EX_DATAERR, "holds an object of Data, expected"),
        (["none.snap", "--path", "www"], os.EX_DATAERR, "web has no site; add one"),
        (["two.snap", "--path", "www"], os.EX_USAGE, "several sites; there are web at tcp:80"),
        (["two.snap", "--path", "www", "--service", "x"], os.EX_USAGE, "'x'; there are web at"),
        (["two.snap", "--path", "www", "--endpoint", "tcp:81"], os.EX_USAGE, "'tcp:81'; there"),
        (["two.snap", "--path", "www", "--endpoint", "81"], os.EX_USAGE, "there is not a site at"),
        (
            ["two.snap", "--path", "www", "--endpoint", "tcp:80:interface=10.0.0.1"],
            os.EX_USAGE,
            "web-2 at tcp:80",
        ),
        (["two.snap", "--path", "www", "--endpoint", "80"], os.EX_USAGE, "more than one is a site"),
        (["two.snap", "--path", "www", "--endpoint", "tcp"], os.EX_USAGE, "port is missing"),
        (["two.snap", "--path", "www", "--endpoint", "x:1"], os.EX_USAGE, "no type 'x'"),
        (
            ["web.snap", "--path", "www", "--endpoint", "80", "--service", "web"],
            os.EX_USAGE,
            "say one of them",
        ),
        (["web.snap"], os.EX_USAGE, "say what to serve"),
        (["--path", "www"], os.EX_USAGE, "FILE"),
        (["web.snap", "--path", "nowhere"], os.EX_USAGE, "nowhere"),
        (["web.snap", "--path", "www", "--class", "a.B"], os.EX_USAGE, "only one of them"),
        (["web.snap", "--path", "www", "--resource", "page.trp"], os.EX_USAGE, "only one of them"),
        (["web.snap", "--class", "no.such.Page"], os.EX_USAGE, "no.such.Page"),
        (["web.snap", "--class", "json.JSONDecoder"], os.EX_USAGE, "not a Resource"),
        (["web.snap", "--proxy", "/=nothing"], os.EX_USAGE, "nothing"),
        (["web.snap", "--path", "www", "--listen", "tcp:1"], os.EX_USAGE, "--listen"),
        (["web.snap", "--resource-script", "no.rpy"], os.EX_USAGE, "no.rpy"),
        (["web.snap", "--resource-script", "www"], os.EX_USAGE, "is a directory"),
        (["web.snap", "--resource-script", "open.rpy"], os.EX_NOPERM, "others may write to it"),
        (["web.snap", "--resource", "no.trp"], os.EX_USAGE, "no.trp"),
        (["web.snap", "--resource", "www/index.html"], os.EX_DATAERR, "it is not a snapshot but"),
        (["web.snap", "--resource", "web.snap"], os.EX_DATAERR, "which is not a Resource"),
        (["web.snap", "--resource", "theirs.trp"], os.EX_NOPERM, "theirs.trp is not this user's"),
        (["web.snap", "--resource", "open.trp"], os.EX_NOPERM, "others may write to it"),
        (["theirs.snap", "--path", "www"], os.EX_NOPERM, "--trust"),
        (["web.generations/000001.snap", "--path", "www"], os.EX_USAGE, "is kept as it was"),
    ],
)
def test_each_mistake_costs_one_line(
    desk: Desk, tmp_path: Path, words: list[str], status: int, line: str
) -> None:
    stranger = Signer.of_user(tmp_path / "other")
    data = desk.write("web.snap").read_bytes()
    flipped = bytearray(data)
    flipped[len(data) * 2 // 3] ^= 1
    (desk.folder / "cut.snap").write_bytes(data[: len(data) // 2])
    (desk.folder / "flipped.snap").write_bytes(flipped)
    other = "tcp:80:interface=\\:\\:1"
    desk.write("two.snap", site("web", "tcp:80:interface=127.0.0.1"), site("web-2", other))
    desk.write("none.snap", ServiceCollection(name="inner"))
    scripted = site("web")
    scripted.site.resource = ScriptRoot("page.rpy")
    desk.write("theirs.snap", scripted, signer=stranger)
    desk.state()
    for name in ("page.trp", "open.trp"):
        keep_resource(desk.folder / name, Data("kept"))
    keep_resource(desk.folder / "theirs.trp", Data("kept"))
    snapshot.write(
        desk.folder / "theirs.trp",
        Data("kept"),
        application="resource",
        holds="blueprint",
        signer=stranger,
    )
    (desk.folder / "open.rpy").write_text("resource = None\n")
    for name in ("open.rpy", "open.trp"):
        (desk.folder / name).chmod(0o666)
    refuse(desk, status, line, *words)


def test_a_state_is_not_changed_while_the_application_runs(desk: Desk) -> None:
    path = desk.state()
    with desk.store().lock():
        refuse(desk, os.EX_TEMPFAIL, f"process {os.getpid()} runs this", path.name, "--path", "www")


def test_a_state_that_is_not_the_newest_is_not_changed(desk: Desk) -> None:
    path = desk.state(sequence=3)
    store = desk.store()
    draft = store.draft(desk.application(), sequence=5, signer=Signer.of_user())
    newest = store.admit(draft)
    line = f"{newest} holds more, and is the newest state; start the application and stop it"
    refuse(desk, os.EX_TEMPFAIL, line, path.name, "--path", "www")


def test_a_state_that_does_not_count_any_more_is_not_changed(desk: Desk) -> None:
    path = desk.state(sequence=3)
    Journal(
        desk.store().journal_folder,
        application="web",
        first=5,
        key=journal_key(Signer.of_user()),
        fresh=True,
    ).close()
    refuse(desk, os.EX_TEMPFAIL, "since a start with --fresh", path.name, "--path", "www")


def test_states_of_which_one_is_damaged_are_not_changed(desk: Desk) -> None:
    path = desk.state()
    (desk.folder / "web-shutdown.snap.xml").write_text("<snapshot")
    refuse(desk, os.EX_DATAERR, "mend it, or move it away", path.name, "--path", "www")


def test_a_state_called_as_of_another_syntax_is_not_changed(desk: Desk) -> None:
    path = desk.state()
    wrong = path.with_name("web-shutdown.snap.xml")
    path.rename(wrong)
    refuse(desk, os.EX_USAGE, "in pickle, and called as if in xml", wrong.name, "--path", "www")


@as_root
@pytest.mark.parametrize("name", ["web.snap", "copy.snap"])
def test_another_users_file_is_not_changed(desk: Desk, name: str) -> None:
    path = desk.write(name, holds="blueprint" if name == "web.snap" else "state")
    os.chown(path, 65534, 65534)
    refuse(desk, os.EX_NOPERM, "it belongs to user 65534, and this is", name, "--path", "www")


def test_another_users_state_is_not_changed(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    place = place_of(desk.state(), Keyring())
    monkeypatch.setattr(os, "geteuid", lambda: 4711)
    with pytest.raises(AccessError, match="this is user 4711; run as that user"), place.taken():
        pass


def test_a_former_that_cannot_be_kept_leaves_all_as_it_was(desk: Desk) -> None:
    path = desk.write("web.snap")
    (desk.folder / "web.former").write_text("mine")
    refuse(desk, os.EX_CANTCREAT, "web.former", path.name, "--path", "www")


def test_a_root_that_could_not_be_served_is_refused(desk: Desk) -> None:
    path = desk.write("web.snap")
    gone = desk.folder / "gone"
    gone.mkdir()
    keep_resource(desk.folder / "page.trp", File(gone))
    gone.rmdir()
    refuse(desk, os.EX_CONFIG, str(gone), path.name, "--resource", "page.trp")
