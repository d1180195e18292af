"""The journal as its users see it: numbers, batches, failures, withdrawal, the end."""

import itertools
import os
import threading
from pathlib import Path

import pytest

from perdure.persist import frames as frames_module
from perdure.persist import journal as journal_module
from perdure.persist.disk import Disk
from perdure.persist.frames import GREATEST_NUMBER
from perdure.persist.journal import (
    ClosedJournalError,
    Journal,
    LargeRecordError,
)
from perdure.persist.segment import segments

from .journals import KEY, PATIENCE, Gate, Told, begin, ending, payload, read


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "web.journal"


def test_records_are_numbered_from_one_and_read_in_order(place: Path) -> None:
    told = Told()
    with ending(begin(told, folder=place)) as journal:
        assert [journal.append(payload(number)) for number in range(1, 100)] == [*range(1, 100)]
        told.wait(secured=99)
        assert (journal.appended, journal.secured, journal.durable) == (99, 99, 99)
    found, reader = read(folder=place)
    assert found == {number: payload(number) for number in range(1, 100)}
    assert reader.resumption(0) == (100, [])


def test_what_is_appended_during_a_flush_shares_the_next_one() -> None:
    disk, told = Gate(), Told()
    with ending(begin(told, disk)) as journal:
        disk.closed = True
        journal.append(b"alone")
        assert disk.arrived.acquire(timeout=PATIENCE)
        for _ in range(1000):
            journal.append(b"together")
        disk.closed = False
        before = disk.operations
        disk.through.release()
        told.wait(secured=1001)
        assert disk.operations - before <= 4


def test_close_secures_what_was_appended_and_gives_back_the_room(place: Path) -> None:
    journal = begin(Told(), folder=place)
    for number in range(1, 1001):
        journal.append(payload(number))
    journal.close()
    journal.close()
    assert len(read(folder=place)[0]) == 1000
    (path,) = place.iterdir()
    assert path.stat().st_size < 1 << 20
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(ClosedJournalError, match="is closed"):
        journal.append(b"")
    with pytest.raises(ClosedJournalError):
        journal.rotate()


def test_threads_may_append_at_the_same_time(place: Path) -> None:
    numbers: list[list[tuple[int, bytes]]] = [[] for _ in range(8)]

    def append(which: int) -> None:
        for turn in range(500):
            content = b"%d of %d" % (turn, which)
            numbers[which].append((journal.append(content), content))

    journal = begin(Told(), folder=place)
    threads = [threading.Thread(target=append, args=(which,)) for which in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    journal.close()
    assert read(folder=place)[0] == dict(sorted(itertools.chain(*numbers)))


def test_rotation_begins_a_segment_at_the_number_it_tells(place: Path) -> None:
    with ending(begin(Told(), folder=place)) as journal:
        assert journal.rotate() == 1
        journal.append(b"a")
        assert journal.rotate() == journal.rotate() == 2
        journal.append(b"b")
        journal.append(b"c")
        assert journal.rotate() == 4
    assert [first for first, _ in segments(Disk(), place)] == [1, 2, 4]
    assert read(folder=place, after=1)[0] == {2: b"b", 3: b"c"}


def test_a_large_segment_is_followed_by_another(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("perdure.persist.journalwriter._SEGMENT_BYTES", 1000)
    told = Told()
    with ending(begin(told, folder=place)) as journal:
        for number in range(1, 21):
            journal.append(payload(number))
            told.wait(secured=number)
    assert len(segments(Disk(), place)) > 4
    assert len(read(folder=place)[0]) == 20


def test_a_record_of_100_megabytes_is_a_record(place: Path) -> None:
    content = os.urandom(1 << 20) * 100
    journal = begin(Told(), folder=place)
    for record in (b"before", content, b"after"):
        journal.append(record)
    journal.close()
    assert read(folder=place)[0] == {1: b"before", 2: content, 3: b"after"}


def test_a_record_larger_than_a_frame_can_hold_is_refused(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_module, "GREATEST_RECORD", 10)
    with ending(begin(Told(), folder=place)) as journal:
        with pytest.raises(LargeRecordError, match="up to 10 bytes, not of 11"):
            journal.append(b"01234567890")
        assert journal.append(b"0123456789") == 1
    assert frames_module.GREATEST_RECORD < 1 << 32


def test_numbers_go_up_to_the_greatest_that_is_promised(place: Path) -> None:
    journal = begin(Told(), folder=place, first=GREATEST_NUMBER)
    assert journal.append(b"last") == GREATEST_NUMBER == 2**63 - 1
    journal.close()
    assert read(folder=place, after=GREATEST_NUMBER - 1)[0] == {GREATEST_NUMBER: b"last"}


def test_an_idle_journal_does_not_wake_up(place: Path) -> None:
    told = Told()
    with ending(begin(told, folder=place)) as journal:
        journal.append(b"a")
        told.wait(secured=1)
        (thread,) = (thread for thread in threading.enumerate() if thread.name == "journal")
        task = Path(f"/proc/self/task/{thread.native_id}")
        before = wakings(task)
        threading.Event().wait(0.3)
        assert wakings(task) - before <= 1


def wakings(task: Path) -> int:
    status = (task / "status").read_text()
    return int(status.split("voluntary_ctxt_switches:")[1].split()[0])


def test_a_callback_that_raises_is_reported_and_harms_nothing(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reported: list[type[BaseException]] = []

    def report(facts: threading.ExceptHookArgs) -> None:
        reported.append(facts.exc_type)

    monkeypatch.setattr(threading, "excepthook", report)

    def refuse(_: int) -> None:
        raise RuntimeError("Event loop is closed")

    journal = Journal(place, application="web", key=KEY, on_progress=refuse)
    journal.append(b"a")
    journal.close()
    assert reported == [RuntimeError]
    assert read(folder=place)[0] == {1: b"a"}


def test_after_a_fork_only_the_parent_has_the_journal(place: Path) -> None:
    told = Told()
    with ending(begin(told, folder=place)) as journal:
        for number in range(1, 50):
            journal.append(payload(number))
        child = os.fork()
        if not child:
            status = 1
            try:
                journal.close()
                journal.append(b"the child's")
            except ClosedJournalError:
                status = 0
            finally:
                os._exit(status)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        journal.append(payload(50))
        told.wait(secured=50)
    assert read(folder=place)[0] == {number: payload(number) for number in range(1, 51)}


def test_a_fresh_journal_forgets_what_was_before_it(place: Path) -> None:
    journal = begin(Told(), folder=place)
    journal.append(b"old")
    journal.close()
    _, reader = read(folder=place)
    journal = begin(Told(), folder=place, first=reader.resumption(0)[0], fresh=True)
    assert journal.append(b"new") == 3
    journal.close()
    found, reader = read(folder=place)
    assert found == {3: b"new"}
    assert reader.fresh_from == 2


def test_a_journal_goes_on_in_a_segment_of_its_own_behind_a_torn_tail(place: Path) -> None:
    journal = begin(Told(), folder=place)
    for number in range(1, 4):
        journal.append(payload(number))
    journal.close()
    (path,) = place.iterdir()
    whole = path.read_bytes()
    path.write_bytes(whole[:-10])
    _, reader = read(folder=place)
    assert reader.report.cut == 38
    first, carried = reader.resumption(0)
    journal = begin(Told(), folder=place, first=first, carried=carried)
    assert journal.append(payload(4)) == 4
    journal.close()
    found, reader = read(folder=place)
    assert found == {number: payload(number) for number in range(1, 5)}
    assert (reader.report.cut, reader.report.damage) == (0, ())
