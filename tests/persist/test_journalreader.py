"""A journal that something has happened to: what is read of it, and what is said about the rest."""

import os
import random
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from perdure.persist.disk import DISK
from perdure.persist.frames import (
    GREATEST_NUMBER,
    MAGIC,
    MARK,
    Frame,
    Header,
    encode,
    encode_void,
    journal_key,
    read_frames,
    tagger,
)
from perdure.persist.journalreader import JournalError, JournalReader
from perdure.persist.journalwriter import JournalWriter
from perdure.persist.segment import Place, prune, segments
from perdure.persist.trust import Signer

from .journals import FOLDER, KEY, Told, begin, payload, read
from .simulator import SimulatedDisk

EVERYTHING = {number: payload(number) for number in range(1, 31)}


def three_segments() -> dict[str, bytes]:
    """Records 1 to 30, ten to a segment, two to a frame; not closed, as after a crash."""
    disk = SimulatedDisk()
    disk.make_folder(FOLDER)
    writer = JournalWriter.begin(Place(disk, FOLDER, "web", KEY), "durable", 1)
    for number in range(1, 31, 2):
        if number in (11, 21):
            writer.rotate()
        batch = [payload(number), payload(number + 1)]
        writer.write(batch)
        writer.confirm(batch)
    return {path.name: disk.read(path) for _, path in segments(disk, FOLDER)}


WHOLE = three_segments()
FIRST, SECOND, THIRD = WHOLE


def holding(contents: dict[str, bytes]) -> SimulatedDisk:
    disk = SimulatedDisk()
    disk.make_folder(FOLDER)
    for name, content in contents.items():
        handle = disk.create(FOLDER / name)
        disk.write(handle, content, 0)
        disk.close(handle)
    return disk


def frame_of(name: str, number: int) -> Frame:
    """Where in the segment the frame is that begins with the record `number`."""
    content = WHOLE[name]
    start = content.index(MARK)
    return next(frame for frame in read_frames(content, start, None) if frame.first == number)


def with_damage(name: str, offset: int, change: bytes = b"\xff") -> dict[str, bytes]:
    content = bytearray(WHOLE[name])
    content[offset : offset + len(change)] = change
    assert content != WHOLE[name]
    return {**WHOLE, name: bytes(content)}


def without(*numbers: int) -> dict[int, bytes]:
    return {number: EVERYTHING[number] for number in EVERYTHING if number not in numbers}


def test_an_undamaged_journal_is_read_whole_and_only_what_is_asked_for() -> None:
    for after in (0, 1, 9, 10, 11, 29, 30, 31):
        found, reader = read(holding(WHOLE), after=after)
        assert found == {number: EVERYTHING[number] for number in range(after + 1, 31)}
        assert reader.report.damage == ()
        assert reader.last == max(30, after)


def test_segments_that_hold_nothing_needed_are_not_even_opened() -> None:
    found, reader = read(holding({**WHOLE, FIRST: WHOLE[FIRST][:100]}), after=10)
    assert len(found) == 20
    assert reader.report.damage == ()


def test_no_journal_is_an_empty_one() -> None:
    found, reader = read(SimulatedDisk())
    assert found == {}
    assert reader.resumption(0) == (1, [])
    assert reader.resumption(7) == (8, [])


@pytest.mark.parametrize("part", [0, 5, 9, 13, 20, 30, 40, 50, 60])
def test_damage_in_the_middle_is_told_and_reading_goes_on_behind_it(part: int) -> None:
    frame = frame_of(SECOND, 13)
    disk = holding(with_damage(SECOND, frame.offset + part))
    found, reader = read(disk)
    assert found == without(13, 14)
    (damage,) = reader.report.damage
    assert damage.segment == FOLDER / SECOND
    assert (damage.offset, damage.size) == (frame.offset, frame.end - frame.offset)
    assert damage.missing == range(13, 15)
    assert str(damage).endswith("are damaged; the records 13 to 14 are lost")


def test_what_is_older_than_the_damage_before_it_is_a_part_of_that_damage() -> None:
    frame, older = frame_of(SECOND, 13), frame_of(SECOND, 11)
    content = bytearray(WHOLE[SECOND])
    content[frame.offset] ^= 1
    content[frame.end : frame.end] = content[older.offset : older.end]
    found, reader = read(holding({**WHOLE, SECOND: bytes(content)}))
    assert found == without(13, 14)
    (damage,) = reader.report.damage
    assert damage.size == frame.end - frame.offset + older.end - older.offset
    assert damage.missing == range(13, 15)


def test_damage_in_the_newest_segment_is_told_if_something_was_written_after_it() -> None:
    frame = frame_of(THIRD, 25)
    found, reader = read(holding(with_damage(THIRD, frame.offset + 60)))
    assert found == without(25, 26)
    assert [damage.missing for damage in reader.report.damage] == [range(25, 27)]


def test_what_was_being_written_last_is_cut_and_not_damage() -> None:
    frame = frame_of(THIRD, 29)
    for length in range(1, frame.end - frame.offset):
        torn = {**WHOLE, THIRD: WHOLE[THIRD][: frame.offset + length]}
        found, reader = read(holding(torn))
        assert found == without(29, 30)
        assert reader.report.damage == ()
        assert 0 < reader.report.cut <= length
        assert reader.resumption(0)[0] == 27


def test_a_damaged_header_costs_no_records() -> None:
    found, reader = read(holding(with_damage(SECOND, 30)))
    assert found == EVERYTHING
    (damage,) = reader.report.damage
    assert (damage.offset, damage.missing) == (0, range(0))
    assert str(damage).endswith("no record is lost by it")


@pytest.mark.parametrize("first", range(21, 32))
def test_records_that_a_later_segment_supersedes_are_passed_over(first: int) -> None:
    disk = holding(WHOLE)
    writer = JournalWriter.begin(Place(disk, FOLDER, "web", KEY), "durable", first)
    writer.write([b"instead"])
    found, reader = read(disk)
    assert found == {**{n: EVERYTHING[n] for n in range(1, first)}, first: b"instead"}
    superseded = 0 if first == 21 else 31 - first  # The segment of 21 is replaced as a whole.
    assert (reader.report.superseded, reader.report.damage) == (superseded, ())


def test_a_segment_that_is_not_there_is_told_by_its_numbers() -> None:
    for lost, missing in ((FIRST, range(1, 11)), (SECOND, range(11, 21))):
        rest = {name: content for name, content in WHOLE.items() if name != lost}
        found, reader = read(holding(rest))
        assert found == without(*missing)
        assert [damage.missing for damage in reader.report.damage] == [missing]


def test_a_truncated_or_emptied_older_segment_is_damage() -> None:
    for length in (0, 10, frame_of(SECOND, 15).offset + 7):
        found, reader = read(holding({**WHOLE, SECOND: WHOLE[SECOND][:length]}))
        missing = range(15 if length > 10 else 11, 21)
        assert found == without(*missing)
        assert [damage.missing for damage in reader.report.damage] == [missing]


@pytest.mark.parametrize("content", [b"", b"\0" * 5000, b"hi\n", "begin"])
def test_the_newest_segment_without_its_head_is_damage_though_nobody_knows_its_records(
    content: bytes | str,
) -> None:
    data = WHOLE[THIRD][:50] if isinstance(content, str) else content
    found, reader = read(holding({**WHOLE, THIRD: data}))
    assert found == without(*range(21, 31))
    (damage,) = reader.report.damage
    assert (damage.segment, damage.offset, damage.missing) == (FOLDER / THIRD, 0, range(0))
    assert reader.report.cut == 0
    state = "damaged from its first byte on" if damage.size else "empty"
    assert str(damage).endswith(f"it is {state}; what was in it is lost")


def test_records_that_no_file_has_are_told_as_missing() -> None:
    found, reader = read(holding({SECOND: WHOLE[SECOND], THIRD: WHOLE[THIRD]}))
    assert found == without(*range(1, 11))
    (damage,) = reader.report.damage
    assert str(damage) == f"{FOLDER / SECOND}: the records 1 to 10 before it are missing"
    _, reader = read(holding({FIRST: WHOLE[FIRST], THIRD: WHOLE[THIRD]}))
    (damage,) = reader.report.damage
    place = f"behind byte {len(WHOLE[FIRST])}"
    assert str(damage).endswith(f": the records 11 to 20 {place} are missing")


def test_damage_that_the_state_already_holds_is_not_told() -> None:
    disk = holding(with_damage(SECOND, frame_of(SECOND, 13).offset))
    found, reader = read(disk, after=14)
    assert found == {number: EVERYTHING[number] for number in range(15, 31)}
    assert reader.report.damage == ()
    assert [d.missing for d in read(disk, after=13)[1].report.damage] == [range(14, 15)]


def test_damaged_segments_are_kept_where_pruning_does_not_find_them() -> None:
    disk = holding(with_damage(SECOND, frame_of(SECOND, 13).offset))
    _, reader = read(disk)
    assert reader.keep_damaged() == [FOLDER / "damaged" / SECOND]
    assert read(disk)[1].keep_damaged() == [FOLDER / "damaged" / SECOND]
    content = disk.read(FOLDER / SECOND)
    assert prune(disk, FOLDER, 30) == [FOLDER / FIRST, FOLDER / SECOND]
    assert disk.read(FOLDER / "damaged" / SECOND) == content
    assert read(holding(WHOLE))[1].keep_damaged() == []


def test_pruning_keeps_what_a_state_needs_and_always_the_newest() -> None:
    for sequence, left in ((9, 3), (10, 2), (19, 2), (20, 1), (1000, 1)):
        disk = holding(WHOLE)
        prune(disk, FOLDER, sequence)
        assert len(segments(disk, FOLDER)) == left
        assert read(disk, after=sequence)[1].report.damage == ()


def test_a_frame_of_another_key_place_or_application_does_not_count() -> None:
    for key, application, first in ((b"x" * 32, "web", 1), (KEY, "mail", 1), (KEY, "web", 2)):
        forged = b"".join(encode(tagger(key, application, first), 1, [b"forged"], 0))
        content = WHOLE[FIRST][: WHOLE[FIRST].index(MARK)] + forged
        with pytest.raises(JournalError, match="not written with this user's key"):
            read(holding({**WHOLE, FIRST: content}))


def test_without_a_key_anything_that_is_whole_is_shown() -> None:
    reader = JournalReader(FOLDER, "web", None, holding(WHOLE))
    assert dict(reader.records()) == EVERYTHING


def test_each_user_has_a_key_of_their_own(signer: Signer) -> None:
    assert journal_key(signer) == journal_key(signer)
    assert len(journal_key(signer)) == 32
    assert journal_key(None) == b""


def test_a_journal_of_a_newer_version_is_not_read() -> None:
    newer = WHOLE[SECOND].replace(MAGIC + b"1", MAGIC + b"2", 1)
    with pytest.raises(JournalError, match="format 2, and this version reads 1; use a newer"):
        read(holding({**WHOLE, SECOND: newer}))


def test_another_applications_journal_is_not_read() -> None:
    with pytest.raises(JournalError, match="belongs to 'web', not to 'mail'"):
        JournalReader(FOLDER, "mail", KEY, holding(WHOLE))


def test_what_cannot_be_opened_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / FIRST).mkdir()
    with pytest.raises(JournalError, match=f"{FIRST}: it cannot be read: Is a directory"):
        JournalReader(tmp_path, "web", KEY, DISK)
    (tmp_path / "file").touch()
    with pytest.raises(JournalError, match="Not a directory"):
        JournalReader(tmp_path / "file", "web", KEY, DISK)


def test_other_files_in_the_folder_are_nobodys_business() -> None:
    others = (
        "notes.txt",
        "1.log",
        "begin.tmp",
        f"{GREATEST_NUMBER + 1:020d}.log",
        "9" * 20 + ".log",
    )
    disk = holding({**WHOLE, **dict.fromkeys(others, b"")})
    assert read(disk)[0] == EVERYTHING


class Another(SimulatedDisk):
    """A disk on which all files are those of the user with the next number."""

    def status(self, path: Path) -> os.stat_result:
        found = super().status(path)
        return os.stat_result((*found[:4], os.geteuid() + 1, *found[5:10]))


def test_records_in_a_file_of_another_user_are_not_believed_though_they_have_our_tag() -> None:
    disk = Another()
    disk.make_folder(FOLDER)
    for name, content in WHOLE.items():
        handle = disk.create(FOLDER / name)
        disk.write(handle, content, 0)
        disk.close(handle)
    reader = JournalReader(FOLDER, "web", KEY, disk)
    with pytest.raises(JournalError, match=f"user {os.geteuid() + 1}, and .*--uid"):
        list(reader.records())
    believing_nothing = JournalReader(FOLDER, "web", None, disk)
    assert dict(believing_nothing.records()) == EVERYTHING


def test_what_was_read_last_is_carried_into_the_next_run() -> None:
    disk = holding(WHOLE)
    _, reader = read(disk)
    first, carried = reader.resumption(0)
    assert (first, [frame.first for frame in carried]) == (29, [29])
    journal = begin(Told(), disk, first=first, carried=carried)
    assert journal.append(b"new") == 31
    journal.close()
    found, reader = read(disk)
    assert found == {**EVERYTHING, 31: b"new"}
    assert reader.report.superseded == 2


@given(st.data())
@settings(suppress_health_check=[HealthCheck.too_slow])
def test_any_bytes_for_a_segment_are_read_or_told(data: st.DataObject) -> None:
    """With a whole frame or two among them, that no key protects."""
    pieces: list[bytes] = []
    for _ in range(data.draw(st.integers(0, 8))):
        if data.draw(st.booleans()):
            pieces.append(data.draw(st.binary(max_size=80)))
            continue
        first, synced = data.draw(st.integers(0, 50)), data.draw(st.integers(0, 60))
        records = data.draw(st.lists(st.binary(max_size=9), max_size=3))
        tags = tagger(b"", "web", 1)
        if records:
            pieces += encode(tags, first, records, synced)
        else:
            pieces += encode_void(tags, first, data.draw(st.integers(0, 2**32 - 1)), synced)
    header = Header(application="web", first=1, written="", writer="").to_bytes()
    content = data.draw(st.sampled_from([b"", header])) + b"".join(pieces)
    reader = JournalReader(FOLDER, "web", b"", holding({FIRST: content}))
    numbers = [number for number, _ in reader.records()]
    assert numbers == sorted(set(numbers))
    missing = {n for damage in reader.report.damage for n in damage.missing[:100]}
    assert not missing & set(numbers)
    assert reader.last >= max(numbers, default=0)


changes = st.tuples(
    st.sampled_from(list(WHOLE)),
    st.sampled_from(["flip", "zero", "delete", "insert", "cut", "swap"]),
    st.floats(0, 0.999),
    st.integers(1, 600),
)


@given(st.lists(changes, min_size=1, max_size=4))
def test_whatever_happens_to_segments_records_are_right_or_told_or_the_cut_end(
    made: list[tuple[str, str, float, int]],
) -> None:
    contents = dict(WHOLE)
    for name, kind, where, size in made:
        content = contents[name]
        at = int(len(content) * where)
        middle = content[at : at + size]
        match kind:
            case "flip":
                middle = bytes([middle[0] ^ (size % 255 + 1)]) + middle[1:] if middle else b""
            case "zero":
                middle = bytes(len(middle))
            case "delete":
                middle = b""
            case "insert":
                middle = random.Random(size).randbytes(size) + middle
            case "cut":
                middle, size = b"", len(content)
            case _:
                middle = contents[FIRST][at : at + size]
        contents[name] = content[:at] + middle + content[at + size :]
    try:
        found, reader = read(holding(contents))
    except JournalError:
        return
    assert all(EVERYTHING[number] == content for number, content in found.items())
    told = {number for damage in reader.report.damage for number in damage.missing}
    assert not told & set(found)
    # Records 29 and 30 were the last to be written: nobody can say whether they were whole.
    assert set(range(1, reader.last + 1)) == told | set(found)
    assert reader.last >= 20


@pytest.mark.timeout(20)
def test_a_search_among_forged_marks_takes_bounded_time() -> None:
    size = 1 << 22
    head = MARK + bytes(4) + (size // 2).to_bytes(4, "little") + bytes(36)
    hostile = WHOLE[FIRST] + b"\1" + head * (size // len(head)) + MARK * (size // 4)
    _, reader = read(holding({FIRST: hostile}))
    assert reader.last == 10
