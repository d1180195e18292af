"""What a run begins with, and what it leaves."""

import os
import sys
from pathlib import Path
from typing import Any

import pytest

from perdure.app.application import Application
from perdure.app.loader import FieldsError, Loader
from perdure.app.recovery import StateError, begin
from perdure.app.state import Keeping, SyntaxKeptError
from perdure.persist import snapshot
from perdure.persist.siblings import UnsureError
from perdure.persist.store import FolderStore
from perdure.persist.trust import Signer

# A class whose name neither XML nor any person can write; pickle does.
Odd: Any = type("Odd\x01", (), {"__module__": __name__})
setattr(sys.modules[__name__], "Odd\x01", Odd)


@pytest.fixture
def loader(tmp_path: Path) -> Loader:
    return Loader(Signer.of_user(tmp_path / "key"))


def test_a_state_that_its_syntax_cannot_hold_is_saved_in_binary_and_told(
    tmp_path: Path, loader: Loader
) -> None:
    store = FolderStore(tmp_path, "web", syntax="xml")
    application = Application("web")
    beginning = begin(application, None, store, loader)
    keeping = Keeping(beginning, store, loader)
    assert keeping.save(1, recorded=False) == tmp_path / "web-shutdown.snap.xml"
    application.registry.set_component(Odd, Odd())
    with pytest.raises(SyntaxKeptError, match="saved, but in binary and not as xml") as caught:
        keeping.save(2, recorded=False)
    assert caught.value.path == store.states()[0].path == tmp_path / "web-shutdown.snap"
    assert caught.value.exit_status == os.EX_DATAERR
    again = loader.load(caught.value.path).application.registry
    assert isinstance(again.get_component(Odd), Odd)
    assert [path.name for path in store.generations()] == ["000001.snap.xml"]


@pytest.mark.parametrize("syntax", ["xml", "source"])
def test_a_folder_for_modules_that_was_edited_in_is_not_signed_by_the_next_save(
    syntax: str, tmp_path: Path, loader: Loader
) -> None:
    store = FolderStore(tmp_path, "web", syntax=syntax)
    store.save(Application("web", paths=["/srv/site"]), paths=["/srv/site"], signer=loader.signer)
    text = store.shutdown_path.read_text()
    head, _, tail = text.rpartition("/srv/site")
    store.shutdown_path.write_text(f"{head}/srv/evil{tail}")
    built = loader.load(store.shutdown_path)
    assert built.own
    Keeping(begin(built.application, built, store, loader), store, loader).save(1, recorded=False)
    assert snapshot.read(store.shutdown_path).passport.paths == ("/srv/site",)


@pytest.mark.parametrize("syntax", ["xml", "source"])
def test_fields_of_other_types_are_told_with_their_lines(
    syntax: str, tmp_path: Path, loader: Loader
) -> None:
    path = tmp_path / "web"
    application = Application("web")
    snapshot.write(
        path,
        application,
        application="web",
        holds="state",
        signer=loader.signer,
        syntax=syntax,
    )
    text = path.read_text()
    number, wrong = ("<none/>", "<list/>") if syntax == "xml" else ("=None", "=[]")
    place = text.rindex("ProcessSettings")
    path.write_text(text[:place] + text[place:].replace(number, wrong))
    with pytest.raises(FieldsError) as caught:
        loader.load(path)
    error = caught.value
    assert error.exit_status == os.EX_DATAERR
    assert len(error.problems) >= 3
    line = int(error.problems[0].partition(":")[0])
    assert "ProcessSettings" in path.read_text().splitlines()[line - 1]
    assert str(error).startswith(f"{path}:{line}: application.process.")
    assert str(FieldsError(path, error.problems * 3)).endswith("more")


def test_older_states_are_named_as_a_way_out_only_where_there_are_some(
    tmp_path: Path, loader: Loader
) -> None:
    store = FolderStore(tmp_path, "web")
    for older in (False, True):
        store.save(Application("web"), sequence=1 + older, signer=loader.signer)
        whole = store.shutdown_path.read_bytes()
        store.shutdown_path.write_bytes(whole[:-1])
        with pytest.raises(StateError, match="--fresh starts without it") as caught:
            begin(Application("web"), None, store, loader)
        assert (str(store.generations_folder) in str(caught.value)) == older
        store.shutdown_path.write_bytes(whole)


def test_a_broken_export_beside_the_state_is_told_with_the_two_ways_out(
    tmp_path: Path, loader: Loader
) -> None:
    store = FolderStore(tmp_path, "web")
    store.save(Application("web"), signer=loader.signer)
    broken = tmp_path / "web-shutdown.snap.xml"
    broken.write_text("<snapshot")
    with pytest.raises(UnsureError, match="mend it, or move it away"):
        begin(Application("web"), None, store, loader)
    begin(Application("web"), None, store, loader, fresh=True)
    broken.unlink()
    assert begin(Application("web"), None, store, loader).state == store.shutdown_path
