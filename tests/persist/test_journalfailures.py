"""What the journal does while the disk fails, and how it goes on afterwards."""

import contextlib
import errno
import hashlib
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from perdure.persist import frames, segment
from perdure.persist import journal as journal_module
from perdure.persist.files import CreateError, WriteError
from perdure.persist.journal import ClosedJournalError, FullJournalError, Journal
from perdure.persist.sealing import RecordSeal

from .journals import FOLDER, PATIENCE, Gate, Told, begin, ending, payload, read
from .simulator import SimulatedDisk


def failing(disk: SimulatedDisk, kind: str, number: int = errno.EIO) -> None:
    disk.fault = lambda asked, _: number if asked == kind else None


def healthy(disk: SimulatedDisk) -> None:
    disk.fault = lambda _, __: None


@pytest.mark.parametrize("kind", ["write", "sync"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO])
def test_after_a_failure_what_waited_is_written_when_the_disk_is_well(
    kind: str, number: int, impatient: None
) -> None:
    disk, told = SimulatedDisk(), Told()
    with ending(begin(told, disk)) as journal:
        journal.append(payload(1))
        told.wait(secured=1)
        failing(disk, kind, number)
        journal.append(payload(2))
        told.wait(failures=3)
        failure = journal.failure
        assert failure is not None
        assert failure.number == number
        journal.append(payload(3))
        assert journal.secured == 1
        healthy(disk)
        told.wait(secured=3, recoveries=1)
        assert journal.failure is None
    assert disk.open_handles() == 0
    found, reader = read(disk)
    assert found == {number: payload(number) for number in range(1, 4)}
    assert reader.report.damage == ()


def test_no_memory_for_a_frame_is_a_failure_like_others(
    monkeypatch: pytest.MonkeyPatch, impatient: None
) -> None:
    disk, told = SimulatedDisk(), Told()
    lacking = [MemoryError(), MemoryError()]
    encode = frames.encode

    def frame(
        tags: hashlib.blake2b,
        first: int,
        records: Sequence[bytes],
        synced: int,
        seal: RecordSeal | None,
    ) -> list[bytes]:
        if lacking:
            raise lacking.pop()
        return encode(tags, first, records, synced, seal)

    monkeypatch.setattr(segment, "encode", frame)
    with ending(begin(told, disk)) as journal:
        journal.append(payload(1))
        told.wait(failures=2, secured=1, recoveries=1)
        journal.append(payload(2))
    assert read(disk)[0] == {number: payload(number) for number in (1, 2)}


@pytest.mark.parametrize("kind", ["write", "sync", "create", "rename", "sync_folder", "allocate"])
def test_withdrawn_records_are_never_read_and_their_numbers_never_used(
    kind: str, impatient: None
) -> None:
    disk, told = SimulatedDisk(), Told()
    with ending(begin(told, disk)) as journal:
        journal.append(payload(1))
        told.wait(secured=1)
        journal.rotate()
        disk.fault = lambda asked, _: errno.EIO if asked in (kind, "sync") else None
        journal.append(b"withdrawn")
        told.wait(failures=2)
        journal.append(b"withdrawn")
        assert journal.withdraw() == range(2, 4)
        assert journal.withdraw() == range(4, 4)
        told.wait(failures=4)
        assert journal.append(payload(4)) == 4
        healthy(disk)
        told.wait(secured=4)
    found, reader = read(disk)
    assert found == {1: payload(1), 4: payload(4)}
    assert (reader.report.given_up, reader.report.damage) == (2, ())


def test_what_the_disk_is_writing_can_still_be_withdrawn() -> None:
    disk, told = Gate(), Told()
    with ending(begin(told, disk)) as journal:
        disk.closed = True
        journal.append(b"withdrawn")
        assert disk.arrived.acquire(timeout=PATIENCE)
        assert journal.withdraw() == range(1, 2)
        journal.append(b"kept")
        disk.closed = False
        disk.through.release()
        told.wait(secured=2)
    assert read(disk)[0] == {2: b"kept"}
    assert told.failures == []


def test_withdrawing_wakes_an_idle_journal_only_if_something_waits() -> None:
    disk, told = SimulatedDisk(), Told()
    with ending(begin(told, disk)) as journal:
        assert journal.withdraw() == range(1, 1)
        journal.append(b"a")
        told.wait(secured=1)
        before = disk.operations
        assert journal.withdraw() == range(2, 2)
        assert disk.operations == before


def test_more_than_may_wait_is_refused_until_there_is_room(impatient: None) -> None:
    disk, told = SimulatedDisk(), Told()
    with ending(begin(told, disk, backlog=1000)) as journal:
        failing(disk, "write")
        journal.append(bytes(1001))
        with pytest.raises(FullJournalError, match="1001 bytes wait for the disk, and 1000 may"):
            journal.append(b"")
        healthy(disk)
        told.wait(secured=1)
        assert journal.append(b"b") == 2
        told.wait(secured=2)
        failing(disk, "write")
        journal.append(bytes(1001))
        journal.withdraw()
        journal.append(b"c")
        healthy(disk)


def test_closing_on_a_failed_disk_tries_once_more_and_says_what_is_lost(impatient: None) -> None:
    disk, told = SimulatedDisk(), Told()
    journal = begin(told, disk)
    journal.append(b"a")
    told.wait(secured=1)
    failing(disk, "write", errno.ENOSPC)
    journal.append(b"b")
    told.wait(failures=1)
    with pytest.raises(WriteError, match="No space left"):
        journal.close()
    assert (journal.appended, journal.secured) == (2, 1)
    assert read(disk)[0] == {1: b"a"}
    assert disk.open_handles() == 0


def test_a_failure_that_closing_meets_is_followed_by_one_more_attempt() -> None:
    disk, told = Gate(), Told()
    journal = begin(told, disk)
    disk.closed = True
    journal.append(b"a")
    assert disk.arrived.acquire(timeout=PATIENCE)
    closing = threading.Thread(target=journal.close)
    closing.start()
    wait_until_closed(journal)
    disk.closed = False
    broken = iter([errno.EIO])
    disk.fault = lambda kind, _: next(broken, None) if kind == "sync" else None
    disk.through.release()
    closing.join()
    assert len(told.failures) == 1
    assert read(disk)[0] == {1: b"a"}


def wait_until_closed(journal: Journal) -> None:
    with contextlib.suppress(ClosedJournalError):
        while True:
            journal.rotate()


def test_what_was_written_before_a_failed_flush_is_cut_off_if_it_can_be(impatient: None) -> None:
    disk, told = SimulatedDisk(), Told()
    journal = begin(told, disk)
    broken = iter([errno.EIO])
    disk.fault = lambda kind, _: (
        next(broken, None) if kind == "sync" else errno.EIO if kind == "create" else None
    )
    journal.append(b"nobody was told that this is safe")
    told.wait(failures=2)
    with pytest.raises(WriteError):
        journal.close()
    assert read(disk)[0] == {}
    assert read(disk.cut())[0] == {}


def test_closing_after_the_disk_has_recovered_writes_what_waited(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(journal_module, "_FIRST_DELAY", PATIENCE)
    disk, told = SimulatedDisk(), Told()
    journal = begin(told, disk)
    failing(disk, "sync")
    journal.append(b"a")
    told.wait(failures=1)
    healthy(disk)
    journal.close()
    assert read(disk)[0] == {1: b"a"}


def test_the_delay_before_another_attempt_doubles(monkeypatch: pytest.MonkeyPatch) -> None:
    disk, told = SimulatedDisk(), Told()
    monkeypatch.setattr(journal_module, "_FIRST_DELAY", 0.001)
    monkeypatch.setattr(journal_module, "_LONGEST_DELAY", 0.004)
    with ending(begin(told, disk)) as journal:
        failing(disk, "sync")
        journal.append(b"a")
        told.wait(failures=5)
        assert journal._delay == 0.004  # pyright: ignore[reportPrivateUsage]
        healthy(disk)
        told.wait(secured=1)
        journal.append(b"b")
        told.wait(secured=2)
        assert journal._delay == 0.001  # pyright: ignore[reportPrivateUsage]


def test_a_journal_that_cannot_be_made_says_so_at_once(tmp_path: Path) -> None:
    with pytest.raises(CreateError, match="make the folder first"):
        begin(Told(), folder=tmp_path / "nowhere" / "web.journal")
    disk = SimulatedDisk()
    failing(disk, "allocate", errno.ENOSPC)
    with pytest.raises(WriteError, match=r"allocation of 1 MB\); free some space"):
        begin(Told(), disk)
    assert disk.names(FOLDER) == []
    assert disk.open_handles() == 0


def test_a_file_system_that_cannot_allocate_serves_as_well() -> None:
    disk, told = SimulatedDisk(), Told()
    failing(disk, "allocate", errno.EOPNOTSUPP)
    with ending(begin(told, disk)) as journal:
        journal.append(b"a")
        told.wait(secured=1)
    assert told.failures == []
    assert read(disk)[0] == {1: b"a"}


def test_the_system_has_every_relaxed_record_before_it_is_called_secured(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("perdure.persist.journalwriter._SYNC_SECONDS", 0.01)
    disk, told = Gate(), Told()
    with ending(begin(told, disk, level="relaxed")) as journal:
        disk.closed = True
        journal.append(b"a")
        told.wait(secured=1)
        assert journal.durable == 0
        assert disk.arrived.acquire(timeout=PATIENCE)
        disk.closed = False
        disk.through.release()
    assert journal.durable == 1


def test_secured_but_unsynced_records_are_written_again_and_cannot_be_withdrawn(
    impatient: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("perdure.persist.journalwriter._SYNC_SECONDS", 0.0)
    disk, told = SimulatedDisk(), Told()
    with ending(begin(told, disk, level="relaxed")) as journal:
        failing(disk, "sync")
        journal.append(b"a")
        told.wait(secured=1, failures=1)
        journal.append(b"withdrawn")
        assert journal.withdraw() == range(2, 3)
        healthy(disk)
        told.wait(recoveries=1)
        assert (journal.secured, journal.durable) == (2, 2)
    assert read(disk)[0] == {1: b"a"}
    assert read(disk.cut())[0] == {1: b"a"}
