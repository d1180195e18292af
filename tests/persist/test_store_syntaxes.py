"""States of one application in several syntaxes, in one folder."""

import os
from pathlib import Path

import attrs
import pytest

from perdure.persist import snapshot
from perdure.persist.files import temporary_name
from perdure.persist.formats import table
from perdure.persist.siblings import UnsureError
from perdure.persist.store import FolderStore
from perdure.persist.trust import Signer

from .states import content, newest_of


def written_at(path: Path, time: str, root: object, signer: Signer) -> None:
    """Make `path` a state that was written at `time`, in the syntax of its name."""
    syntax = table.split(path.name)[1]
    snapshot.write(path, root, application="web", holds="state", signer=signer, syntax=syntax)
    found = snapshot.read(path)
    passport = attrs.evolve(found.passport, written=f"2026-11-21T{time}Z")
    snapshot.put(path, passport, found.content, table.by_name(syntax), signer)


def test_a_state_is_saved_in_the_syntax_of_the_store_and_others_become_generations(
    folder: Path, signer: Signer
) -> None:
    kept = FolderStore(folder, "web")
    for number, syntax in enumerate(["pickle", "xml", "xml", "source", "pickle"]):
        kept.syntax = syntax
        path = kept.save(number, signer=signer)
        assert path == newest_of(kept)
        assert snapshot.read(path).syntax == syntax
    assert [path.name for path in kept.generations()] == [
        "000004.snap.py",
        "000003.snap.xml",
        "000002.snap.xml",
        "000001.snap",
    ]
    assert [content(path) for path in kept.generations()] == [3, 2, 1, 0]
    assert sorted(os.listdir(folder)) == ["web-shutdown.snap", "web.generations"]


def test_pruning_counts_all_syntaxes(folder: Path, signer: Signer) -> None:
    kept = FolderStore(folder, "web", keep=2)
    for number, syntax in enumerate(["pickle", "xml", "source", "pickle", "xml", "source"]):
        kept.syntax = syntax
        kept.save(number, signer=signer)
    assert [content(path) for path in kept.generations()] == [4, 3]


@pytest.mark.parametrize("syntax", ["pickle", "xml", "source"])
def test_of_several_states_the_one_written_last_is_the_newest(
    syntax: str, folder: Path, signer: Signer
) -> None:
    kept = FolderStore(folder, "web", syntax=syntax)
    written_at(folder / "web-shutdown.snap", "10:00:00", 1, signer)
    written_at(folder / "web-shutdown.snap.xml", "10:00:02", 2, signer)
    written_at(folder / "web-shutdown.snap.py", "10:00:01", 3, signer)
    assert content(newest_of(kept)) == 2
    kept.save(4, signer=signer)
    assert [content(path) for path in kept.generations()] == [2, 3, 1]
    assert content(newest_of(kept)) == 4


@pytest.mark.parametrize(
    ("syntax", "newest"),
    [("pickle", ".snap"), ("xml", ".snap.xml"), ("source", ".snap")],
)
def test_an_export_of_the_newest_state_counts_for_who_runs_that_syntax(
    syntax: str, newest: str, folder: Path, signer: Signer
) -> None:
    kept = FolderStore(folder, "web", syntax=syntax)
    written_at(folder / "web-shutdown.snap", "10:00:00", 1, signer)
    written_at(folder / "web-shutdown.snap.xml", "10:00:00", 1, signer)
    assert newest_of(kept) == folder / f"web-shutdown{newest}"
    kept.save(2, signer=signer)
    assert content(newest_of(kept)) == 2
    # The other has the content of that generation, so it stays where it is.
    assert [content(path) for path in kept.generations()] == [1]
    assert len(list(folder.glob("web-shutdown.snap*"))) == 2


def test_exports_stay_and_use_up_no_generations(folder: Path, signer: Signer) -> None:
    kept = FolderStore(folder, "web", keep=3)
    newest, export = folder / "web-shutdown.snap", folder / "web-shutdown.snap.xml"
    written_at(newest, "10:00:00", 0, signer)
    written_at(export, "10:00:00", 0, signer)
    before = export.read_bytes()
    for number in range(1, 6):
        kept.save(number, signer=signer)
        written_at(newest, f"10:00:0{number}", number, signer)
        assert newest_of(kept) == newest
        assert kept.passed_over(newest) == []
        assert export.read_bytes() == before
    assert [content(path) for path in kept.generations()] == [4, 3, 2]


def test_an_export_beside_its_generation_is_not_taken_for_it_and_uses_up_none(
    folder: Path, signer: Signer
) -> None:
    kept = FolderStore(folder, "web", keep=2)
    for number in range(1, 4):
        path = kept.admit(kept.draft(number, sequence=number, signer=signer))
        export = path.with_name(path.name + ".xml")
        found = snapshot.read(path)
        snapshot.put(export, found.passport, found.content, table.by_name("xml"), signer)
        assert newest_of(kept) == path
    kept.save(4, sequence=4, signer=signer)
    assert [path.name for path in kept.generations()] == [
        "000003.snap",
        "000003.snap.xml",
        "000002.snap",
        "000002.snap.xml",
    ]


def test_an_old_export_that_is_edited_is_told_and_never_taken(folder: Path, signer: Signer) -> None:
    kept = FolderStore(folder, "web")
    newest, export = folder / "web-shutdown.snap", folder / "web-shutdown.snap.xml"
    written_at(newest, "10:00:00", 1, signer)
    written_at(export, "10:00:00", 1, signer)
    kept.save(2, signer=signer)
    assert kept.passed_over(newest) == []
    export.write_text(export.read_text().replace('value="1"', 'value="3"'))
    later = newest.stat().st_mtime_ns + 1
    os.utime(export, ns=(later, later))
    assert newest_of(kept) == newest
    assert kept.passed_over(newest) == [export]
    kept.save(4, signer=signer)
    assert sorted(content(path) for path in kept.generations()) in ([1, 2], [1, 2, 3])
    assert content(newest_of(kept)) == 4


def test_a_checkpoint_of_the_second_of_a_stop_makes_no_edit_of_what_that_has_saved(
    folder: Path, signer: Signer
) -> None:
    kept = FolderStore(folder, "web")
    written_at(folder / "web-shutdown.snap", "10:00:00", 1, signer)
    checkpoint = kept.admit(kept.draft(2, sequence=1, signer=signer))
    found = snapshot.read(checkpoint)
    passport = attrs.evolve(found.passport, written="2026-11-21T10:00:00Z")
    snapshot.put(checkpoint, passport, found.content, table.by_name("pickle"), signer)
    assert newest_of(kept) == checkpoint
    assert kept.passed_over(checkpoint) == []


def test_an_old_export_is_not_taken_for_the_state_after_a_save_was_killed(
    folder: Path, signer: Signer
) -> None:
    kept = FolderStore(folder, "web")
    newest, export = folder / "web-shutdown.snap", folder / "web-shutdown.snap.xml"
    written_at(export, "10:00:00", 1, signer)
    written_at(newest, "10:00:01", 2, signer)
    kept.generations_folder.mkdir()
    os.link(newest, kept.generations_folder / "000001.snap")
    assert newest_of(kept) == newest


def test_an_export_from_the_future_becomes_a_generation(folder: Path, signer: Signer) -> None:
    kept = FolderStore(folder, "web")
    for suffix in ("", ".xml"):
        path = folder / f"web-shutdown.snap{suffix}"
        written_at(path, "10:00:00", 1, signer)
        found = snapshot.read(path)
        passport = attrs.evolve(found.passport, written="2999-01-01T00:00:00Z")
        snapshot.put(path, passport, found.content, table.by_name(found.syntax), signer)
    kept.save(2, sequence=1, signer=signer)
    assert [content(path) for path in kept.generations()] == [1, 1]
    assert content(newest_of(kept)) == 2


def test_a_state_beside_the_newest_is_told_if_it_has_another_content(
    folder: Path, signer: Signer
) -> None:
    kept = FolderStore(folder, "web")
    newest = folder / "web-shutdown.snap"
    written_at(newest, "10:00:00", {"a": [1, 2]}, signer)
    assert kept.passed_over(newest) == []
    export = folder / "web-shutdown.snap.xml"
    written_at(export, "10:00:00", {"a": [1, 2]}, signer)
    assert newest_of(kept) == newest
    assert kept.passed_over(newest) == []
    export.write_text(export.read_text().replace('value="2"', 'value="3"'))
    assert newest_of(kept) == newest
    assert kept.passed_over(newest) == [export]
    kept.save({"a": [1, 4]}, signer=signer)
    assert kept.passed_over(newest) == []


def test_one_of_several_states_that_cannot_be_read_is_told_and_never_lost(
    folder: Path, signer: Signer
) -> None:
    kept = FolderStore(folder, "web")
    kept.save(1, signer=signer)
    broken = folder / "web-shutdown.snap.xml"
    broken.write_text('<?xml version="1.0"?>\n<snap')
    with pytest.raises(UnsureError) as caught:
        newest_of(kept)
    assert caught.value.broken.path == broken
    time = snapshot.read(kept.shutdown_path).passport.written
    sound = f"web-shutdown.snap (written {time}) beside it is sound"
    assert str(caught.value).startswith(f"{broken}:2:")
    assert sound in str(caught.value)
    assert "mend it, or move it away" in str(caught.value)
    kept.save(2, signer=signer)
    assert content(newest_of(kept)) == 2
    assert [path.name for path in kept.generations()] == ["000002.snap", "000001.snap.xml"]


def test_what_a_killed_save_has_left_is_removed_in_any_syntax(folder: Path) -> None:
    kept = FolderStore(folder, "web")
    for suffix in table.SUFFIXES.values():
        (folder / temporary_name(f"web-shutdown.snap{suffix}")).write_text("")
    kept.lock().unlock()
    assert os.listdir(folder) == ["web.lock"]
