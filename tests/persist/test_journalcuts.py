"""A record that was called secured is read again, whenever the power goes and whatever fails."""

import errno
import random
from collections.abc import Iterator

import pytest

from perdure.persist.journalreader import JournalReader
from perdure.persist.journalwriter import JournalWriter, Level
from perdure.persist.segment import Place, prune

from .journals import FOLDER, KEY, Told, begin, ending, payload, read
from .simulator import Device, Fault, SimulatedDisk, Step, chooser

ERRORS = (errno.ENOSPC, errno.EIO)
# Reading is the next process's trouble.
CHANGES = {"create", "write", "allocate", "truncate", "sync", "rename", "unlink", "sync_folder"}


def run(disk: SimulatedDisk, level: Level = "durable", records: int = 200) -> None:
    """Appends in small groups, with rotations, and two checkpoints that prune."""
    told, chance = Told(disk), random.Random(records)
    checkpoints = [records // 3, 2 * records // 3]
    with ending(begin(told, disk, level=level)) as journal:
        done = 0
        while done < records:
            group = range(done + 1, min(records, done + chance.choice((1, 1, 2, 4))) + 1)
            disk.note(("appended", group[-1]))
            for number in group:
                assert journal.append(payload(number)) == number
            done = group[-1]
            told.wait(secured=done)
            if chance.random() < 0.1:
                journal.rotate()
            if checkpoints and done >= checkpoints[0]:
                del checkpoints[0]
                start = journal.rotate()
                disk.note(("checkpoint", start - 1))
                prune(disk, FOLDER, start - 1)


def moments(disk: SimulatedDisk) -> Iterator[tuple[Step, Device, dict[str, int]]]:
    """Each operation, with the device when it is under way and what had been promised by then."""
    promised = {"secured": 0, "appended": 0, "checkpoint": 0, "recovered": 0}
    for step, device in disk.moments():
        if step.note is not None:
            promised[step.note[0]] = step.note[1]
        else:
            yield step, device, promised


def check(disk: SimulatedDisk, base: int, safe: int, appended: int) -> JournalReader:
    """All that is safe, and nothing but what was appended, without a gap."""
    found, reader = read(disk, after=base)
    assert reader.report.damage == ()
    last = max(found, default=base)
    assert list(found) == list(range(base + 1, last + 1))
    assert safe <= last <= max(appended, base)
    assert all(found[number] == payload(number) for number in found)
    return reader


def go_on(disk: SimulatedDisk, reader: JournalReader, base: int) -> None:
    """What was read once is read ever after, also if the power goes while the next run begins."""
    last = reader.last
    first, carried = reader.resumption(base)
    writer = JournalWriter.begin(Place(disk, FOLDER, "web", KEY), "durable", first, carried=carried)
    assert writer.secured == last
    disk.note(("begun", last))
    batch = [payload(last + 1)]
    writer.write(batch)
    disk.note(("secured", writer.confirm(batch)))
    safe = reader.report.records + base
    for step, device in disk.moments():
        if step.note is not None:
            safe = step.note[1]
        for seed in (None, 1):
            check(device.left(chooser(seed)), base, safe, last + 1)


def test_whenever_the_power_goes_all_that_was_secured_is_read() -> None:
    disk = SimulatedDisk()
    run(disk)
    count = 0
    for _, device, promised in moments(disk):
        base = promised["checkpoint"]
        safe = max(promised["secured"], base)
        for seed in (None, *range(6)):
            check(device.left(chooser(seed)), base, safe, promised["appended"])
        count += 1
    assert count > 300
    check(disk.cut(), base=133, safe=200, appended=200)


def test_whenever_the_power_goes_what_the_next_run_reads_stays() -> None:
    disk = SimulatedDisk()
    run(disk, records=60)
    for number, (_, device, promised) in enumerate(moments(disk)):
        base = promised["checkpoint"]
        left = device.left(chooser(number))
        if left.exists(FOLDER) and left.names(FOLDER):
            reader = check(left, base, max(promised["secured"], base), promised["appended"])
            go_on(left, reader, base)


@pytest.mark.parametrize("level", ["durable", "relaxed"])
def test_whenever_the_process_is_killed_all_that_was_secured_is_read(level: Level) -> None:
    disk = SimulatedDisk()
    run(disk, level)
    for step, device, promised in moments(disk):
        base = promised["checkpoint"]
        safe = max(promised["secured"], base)
        for share in (0.0, 0.3, 0.9, 1.0):
            check(device.killed(step, share), base, safe, promised["appended"])


def test_a_loss_of_power_leaves_a_beginning_of_what_was_relaxed() -> None:
    disk = SimulatedDisk()
    run(disk, "relaxed")
    for _, device, promised in moments(disk):
        base = promised["checkpoint"]
        for seed in (None, *range(6)):
            check(device.left(chooser(seed)), base, base, promised["appended"])


def fault(number: int, broken: range) -> Fault:
    """The operations with these numbers fail, if they change anything."""
    return lambda kind, count: number if count in broken and kind in CHANGES else None


def operations(level: Level) -> int:
    disk = SimulatedDisk()
    run(disk, level, 12)
    return disk.operations


@pytest.mark.parametrize("level", ["durable", "relaxed"])
@pytest.mark.parametrize("lasting", [1, 4, 9])
@pytest.mark.parametrize("number", ERRORS)
def test_no_error_of_the_disk_loses_what_was_secured(
    number: int, lasting: int, level: Level, impatient: None
) -> None:
    # The journal's beginning is left out: there an error is its maker's.
    for failing in range(12, operations(level)):
        disk = SimulatedDisk()
        broken = range(failing, failing + lasting)
        disk.fault = fault(number, broken)
        run(disk, level, 12)
        disk.fault = fault(0, range(0))
        check(disk, base=8, safe=12, appended=12)
        for moment, (_, device, promised) in enumerate(moments(disk)):
            base = promised["checkpoint"]
            safe = base if level == "relaxed" else max(promised["secured"], base)
            check(device.left(chooser(moment)), base, safe, promised["appended"])


@pytest.mark.parametrize("kind", ["write", "sync", "create", "rename", "sync_folder", "allocate"])
def test_once_the_disk_is_well_no_loss_of_power_brings_back_what_was_withdrawn(
    kind: str, impatient: None
) -> None:
    disk = SimulatedDisk()
    told = Told(disk)
    with ending(begin(told, disk)) as journal:
        journal.append(payload(1))
        told.wait(secured=1)
        disk.fault = lambda asked, _: errno.EIO if asked in (kind, "sync") else None
        for number in (2, 3):
            journal.append(payload(number))
        told.wait(failures=2)
        assert journal.withdraw() == range(2, 4)
        disk.fault = fault(0, range(0))
        told.wait(recoveries=1)
        journal.append(payload(4))
        told.wait(secured=4)
    recovered = False
    for step, device in disk.moments():
        recovered = recovered or step.note == ("recovered", 0)
        for seed in (None, *range(6)):
            if device.left(lambda: False).exists(FOLDER):
                found, reader = read(device.left(chooser(seed)))
                assert reader.report.damage == ()
                assert not recovered or set(found) <= {1, 4}
