"""``websetroot``: one site of a snapshot has another root, and nothing else is different."""

import os
import re
from pathlib import Path

import pytest

from perdure.app.collection import ServiceCollection
from perdure.app.web.data import Data
from perdure.app.web.script import ScriptRoot
from perdure.app.web.scripts.pickled import keep_resource
from perdure.convert.diff import compare_snapshots
from perdure.persist import snapshot
from perdure.persist.formats import table
from perdure.persist.trust import Signer
from perdure.tools.command import run
from perdure.tools.kinds.weboptions import ROOT_OPTIONS
from perdure.tools.mkapp import COMMAND as MKAPP
from perdure.tools.sites import SiteChoice

from .websites import MODULES, SYNTAXES, Desk, named, site

every_syntax = pytest.mark.parametrize("syntax", SYNTAXES)


@pytest.fixture
def desk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Desk:
    return Desk.at(tmp_path, monkeypatch, capsys)


@every_syntax
def test_a_blueprint_has_the_new_root_and_the_former_is_kept(desk: Desk, syntax: str) -> None:
    path = desk.write(named("web", syntax))
    before = path.read_bytes()
    said = desk.done(path.name, "--path", "www")
    kept = f"web.former/000001.snap{table.SUFFIXES[syntax]}"
    assert said.startswith(f"{path.name}: web serves a File from the next start on; the former")
    assert kept in said
    assert (desk.folder / kept).read_bytes() == before
    assert desk.roots(path) == ["www"]
    passport, former = (snapshot.read(desk.folder / each).passport for each in (path, kept))
    assert snapshot.read(path).syntax == syntax
    assert passport.holds == "blueprint"
    assert passport.written > former.written
    assert passport.origin == snapshot.read(desk.folder / kept).digest.hex()


@every_syntax
def test_a_state_has_the_new_root_and_is_still_the_newest(desk: Desk, syntax: str) -> None:
    path = desk.state(syntax, sequence=7)
    before, store = path.read_bytes(), desk.store(syntax)
    count = len(store.generations())
    said = desk.done(path.name, "--path", "www")
    assert f"where this file is run (rundaemon -f {path.name})" in said
    newest, former = store.states()[:2]
    assert (newest.path, newest.passport.sequence) == (path, 7)
    assert newest.passport.holds == "state"
    assert (former.path, former.path.read_bytes()) == (store.generations()[0], before)
    assert str(former.path.relative_to(desk.folder)) in said
    assert len(store.generations()) == count + 1
    assert desk.roots(path) == ["www"]


@every_syntax
def test_a_state_that_lies_elsewhere_is_changed_there(desk: Desk, syntax: str) -> None:
    path = desk.write(named("copy", syntax), holds="state")
    desk.done(path.name, "--path", "www")
    assert snapshot.read(path).passport.holds == "state"
    assert sorted(desk.contents()) == [
        f"copy.former/000001.snap{table.SUFFIXES[syntax]}",
        path.name,
        "www/index.html",
    ]


def test_all_but_the_root_stays(desk: Desk) -> None:
    path = desk.write("web.snap", site("a", "tcp:1"), site("b", "tcp:2", "unix:x"))
    former = snapshot.read(path)
    said = desk.done(path.name, "--service", "b", "--path", "www", "--dry-run").splitlines()
    assert said
    assert all("application.services[1].site.resource" in line for line in said)
    desk.done(path.name, "--service", "b", "--path", "www")
    told = desk.done("web.former/000001.snap", "--service", "b", "--path", "www", "--dry-run")
    assert told.splitlines() == said
    assert desk.roots(path) == ["first", "www"]
    assert snapshot.read(path).passport.paths == former.passport.paths


@pytest.mark.parametrize("holds", ["blueprint", "state"])
@every_syntax
def test_a_dry_run_tells_what_appconvert_tells_and_writes_nothing(
    desk: Desk, syntax: str, holds: str
) -> None:
    path = desk.write(named("web", syntax)) if holds == "blueprint" else desk.state(syntax)
    (desk.folder / "web.lock").unlink(missing_ok=True)
    before, names = desk.contents(), sorted(desk.folder.rglob("*"))
    said = desk.done(path.name, "--path", "www", "--dry-run")
    assert (desk.contents(), sorted(desk.folder.rglob("*"))) == (before, names)
    former = snapshot.read(path)
    desk.done(path.name, "--path", "www")
    found = compare_snapshots(former, snapshot.read(path))
    assert said.splitlines() == list(map(str, found)) != []
    assert desk.done(path.name, "--path", "www", "--dry-run") == ""


def test_five_former_blueprints_are_kept(desk: Desk) -> None:
    path = desk.write("web.snap")
    for _ in range(7):
        desk.done(path.name, "--path", "www")
    kept = sorted(each.name for each in (desk.folder / "web.former").iterdir())
    assert kept == [f"{number:06}.snap" for number in range(3, 8)]


def test_as_many_states_are_kept_as_a_server_has_left(desk: Desk) -> None:
    path, store = desk.state(), desk.store()
    with store.lock():
        store.keep = 8
        for _ in range(9):
            store.save(desk.application(), signer=Signer.of_user())
    desk.done(path.name, "--path", "www")
    assert len(store.generations()) == 8


def test_what_a_link_leads_to_is_changed(desk: Desk) -> None:
    (desk.folder / "real").mkdir()
    path = desk.write("real/one.snap")
    link = desk.folder / "web.snap"
    link.symlink_to(path)
    desk.done(link.name, "--path", "www")
    assert link.is_symlink()
    assert desk.roots(path) == ["www"]
    assert (desk.folder / "real" / "one.former").is_dir()


@every_syntax
def test_what_is_sealed_stays_sealed(desk: Desk, syntax: str) -> None:
    (desk.folder / "key").write_bytes(b"k" * 32)
    (desk.folder / "key").chmod(0o600)
    words = ["--seal-key", "key"]
    assert not run(
        MKAPP, "mkapp", ["web", "--path", ".", "--seal", *words, "-o", named("web", syntax)]
    )
    path = desk.folder / named("web", syntax)
    assert desk.done(path.name, "--path", "www", "--dry-run", *words)
    desk.done(path.name, "--path", "www", *words)
    found = snapshot.read(path)
    assert found.passport.sealed
    assert found.syntax == syntax
    assert bytes(desk.folder) not in path.read_bytes()
    result = desk.run(path.name, "--path", "www")
    assert (result.status, result.err.count("\n")) == (os.EX_NOPERM, 1), result


def test_a_strangers_snapshot_stays_one(desk: Desk, tmp_path: Path) -> None:
    service = site("web")
    service.site.resource = ScriptRoot("page.rpy")
    path = desk.write("web.snap", service, signer=Signer.of_user(tmp_path / "other"))
    stranger = snapshot.read(path).digest
    words = [path.name, "--path", "www", "--trust", "perdure.app.web.script"]
    said = desk.done(*words, "--dry-run").splitlines()
    assert all("application.services[0].site.resource" in line for line in said), said
    desk.done(*words)
    found = snapshot.read(path)
    assert found.signer_key is None
    assert found.passport.origin == stranger.hex()


@every_syntax
def test_a_kept_resource_becomes_the_root(desk: Desk, syntax: str) -> None:
    path = desk.write("web.snap")
    kept = desk.folder / "page.trp"
    keep_resource(kept, Data("kept", "text/plain"), syntax=syntax)
    desk.done(path.name, "--resource", kept)
    kept.unlink()
    assert desk.roots(path) == ["kept"]


def test_what_is_done_to_replies_can_be_asked_for_as_well(desk: Desk) -> None:
    path = desk.write("web.snap")
    keep_resource(desk.folder / "page.trp", Data("kept", "text/plain"))
    said = desk.done(path.name, "--resource", "page.trp", "--compress", "--redirect", "/old=/new")
    assert "serves a Compressed" in said


def test_the_module_of_a_class_is_found_at_the_next_start(desk: Desk) -> None:
    path = desk.write("web.snap")
    (desk.folder / "lonelypage.py").write_text(
        "from perdure.app.web.resource import Resource\nclass Page(Resource): pass\n"
    )
    desk.done(path.name, "--class", "lonelypage.Page")
    assert snapshot.read(path).passport.paths == (*MODULES, str(desk.folder))


def test_sites_within_sites_are_found_by_their_paths(desk: Desk) -> None:
    inner = ServiceCollection([site("web", "tcp:81"), site(None, "tcp:82")], name="inner")
    path = desk.write("web.snap", site("web", "tcp:80"), inner)
    desk.done(path.name, "--service", "inner/web", "--path", "www")
    assert desk.roots(path) == ["first", "www", "first"]


@pytest.mark.parametrize(
    ("said", "number"),
    [
        ("80", 0),
        ("tcp:80", 0),
        ("tcp:80:interface=127.0.0.1", 0),
        ("tcp:interface=127.0.0.1:port=80", 0),
        ("tcp:81", 1),
        ("tcp:81:interface=10.0.0.1", 2),
        ("unix:/run/web.sock", 2),
        ("tls:443", 3),
        ("443", 3),
    ],
)
def test_an_endpoint_is_compared_by_what_it_says(said: str, number: int, desk: Desk) -> None:
    services = [
        site("a", "tcp:80:interface=127.0.0.1"),
        site("b", "tcp:81"),
        site("c", "tcp:81:interface=10.0.0.1", "unix:/run/web.sock:mode=666"),
        site("d", "tls:443:cert=a.pem"),
    ]
    assert SiteChoice(endpoint=said).among(desk.application(*services)) is services[number]


def test_the_options_are_those_of_mkapp_web_that_make_a_root(desk: Desk) -> None:
    text = desk.done("--help")
    assert {option.opts[-1] for option in ROOT_OPTIONS} <= set(re.findall(r"--[a-z-]+", text))
    assert not {"--listen", "--port", "--logfile", "--add-header"} & set(text.split())
