"""What lies in a journal's folder is told as it is, and nothing of it is believed."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure.persist import inventory
from perdure.persist.disk import DISK
from perdure.persist.frames import Header, encode, encode_void, tagger
from perdure.persist.journalreader import JournalError
from perdure.persist.segment import Place, Segment

from .journals import KEY


def begin(folder: Path, first: int, key: bytes = KEY, *, fresh: bool = False) -> Segment:
    folder.mkdir(exist_ok=True)
    return Segment.begin(Place(DISK, folder, "web", key), first, fresh=fresh)


def write(folder: Path, first: int, key: bytes = KEY, *, fresh: bool = False) -> Path:
    """A segment with three records."""
    segment = begin(folder, first, key, fresh=fresh)
    segment.write([b"a", b"b"])
    segment.write([b"c"])
    segment.sync()
    segment.finish()
    return segment.path


def test_a_segment_is_told_with_what_is_in_it(tmp_path: Path) -> None:
    path = write(tmp_path, 5)
    (found,) = inventory.inventory(tmp_path, "web", KEY)
    assert (found.path, found.first, found.records, found.last) == (path, 5, 3, 7)
    assert found.header is not None
    assert (found.header.application, found.is_fresh, found.writer) == ("web", False, "own")
    assert found.size == found.used == path.stat().st_size


def test_room_for_records_to_come_is_not_used(tmp_path: Path) -> None:
    segment = begin(tmp_path, 1)
    segment.write([b"a"])
    (found,) = inventory.inventory(tmp_path, "web", KEY)
    assert found.size > 1_000_000
    assert found.used < 1_000
    segment.finish()


@pytest.mark.parametrize(("key", "writer"), [(KEY, "own"), (b"", "nobody"), (b"x" * 32, "other")])
def test_whose_a_segment_is_the_tags_tell(tmp_path: Path, key: bytes, writer: str) -> None:
    write(tmp_path, 1, key)
    assert inventory.inventory(tmp_path, "web", KEY)[0].writer == writer


def test_what_lies_in_another_users_file_is_theirs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, 1)
    write(tmp_path, 10, b"")
    monkeypatch.setattr(os, "geteuid", lambda: 4711)
    expected = ["other", "nobody"] if os.getuid() else ["own", "nobody"]
    assert [each.writer for each in inventory.inventory(tmp_path, "web", KEY)] == expected


def test_one_strange_frame_makes_the_segment_strange(tmp_path: Path) -> None:
    path = write(tmp_path, 1)
    forged = encode(tagger(b"x" * 32, "web", 1), 4, [b"forged"], 3)
    path.write_bytes(path.read_bytes() + b"".join(forged))
    assert inventory.inventory(tmp_path, "web", KEY)[0].writer == "other"


def test_a_damaged_head_does_not_hide_the_frames(tmp_path: Path) -> None:
    path = write(tmp_path, 1)
    path.write_bytes(b"?" + path.read_bytes()[1:])
    (found,) = inventory.inventory(tmp_path, "web", KEY)
    assert (found.header, found.records, found.writer) == (None, 3, "own")


def test_histories_begin_where_a_segment_says_so(tmp_path: Path) -> None:
    for first, fresh in ((1, False), (10, True), (20, False), (30, True)):
        write(tmp_path, first, fresh=fresh)
    assert inventory.begins_of_histories(tmp_path) == [10, 30]
    found = inventory.inventory(tmp_path, "web", KEY)
    assert [each.first for each in found if each.is_fresh] == [10, 30]


def test_given_up_numbers_are_no_records(tmp_path: Path) -> None:
    head = Header(application="web", first=1, written="", writer="").to_bytes()
    frame = b"".join(encode_void(tagger(KEY, "web", 1), 1, 5, 0))
    (tmp_path / f"{1:020d}.log").write_bytes(head + frame)
    (found,) = inventory.inventory(tmp_path, "web", KEY)
    assert (found.records, found.last, found.writer) == (0, 0, "own")


def test_without_a_folder_there_is_nothing(tmp_path: Path) -> None:
    assert inventory.inventory(tmp_path / "no", "web", KEY) == []
    assert inventory.begins_of_histories(tmp_path / "no") == []


def test_what_is_no_file_is_told(tmp_path: Path) -> None:
    (tmp_path / f"{1:020d}.log").mkdir()
    with pytest.raises(JournalError, match="cannot be read"):
        inventory.inventory(tmp_path, "web", KEY)
    with pytest.raises(JournalError, match="cannot be read"):
        inventory.begins_of_histories(tmp_path)


@given(content=st.binary(max_size=300))
def test_any_bytes_are_told(content: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("any")
    (folder / f"{1:020d}.log").write_bytes(content)
    (found,) = inventory.inventory(folder, "web", KEY)
    assert (found.records, found.writer) == (0, "unknown")
    assert inventory.begins_of_histories(folder) == []
