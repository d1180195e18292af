"""What a client was told is there, whenever the power goes: in turns, checkpoints, saves, recoveries."""

import asyncio
import gc
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from perdure.app import keeper as keepers
from perdure.app.application import Application
from perdure.app.keeper import Keeper
from perdure.persist import journal
from perdure.persist.checkpoint import ForkError
from perdure.persist.trust import Signer

from ..persist.simulator import Device, SimulatedDisk, chooser
from .outage import Lab, moments, numbers, seeds, turn

TURNS = 200


def no_child(work: object) -> None:
    raise ForkError("a child would have a disk of its own")


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    monkeypatch.setattr(keepers, "fork", no_child)
    monkeypatch.setattr(journal, "_FIRST_DELAY", 0.0001)
    monkeypatch.setattr(journal, "_LONGEST_DELAY", 0.001)
    yield Lab(Signer.of_user(tmp_path / "key"))
    gc.unfreeze()


def run(lab: Lab, disk: SimulatedDisk, turns: int = TURNS, *, checkpoints: int = 2) -> None:
    """Clients come alone and in small groups, also while checkpoints are taken; then a clean stop."""
    chance = random.Random(turns)

    async def work(application: Application, keeper: Keeper) -> None:
        begun = numbers(application)
        done, last = len(begun), len(begun) + turns
        due = [done + turns * part // (checkpoints + 1) for part in range(1, checkpoints + 1)]
        while done < last:
            group = range(done + 1, min(last, done + chance.choice((1, 1, 1, 2, 3))) + 1)
            tasks = [asyncio.create_task(turn(application, disk, number)) for number in group]
            if due and group[-1] >= due[0]:
                del due[0]
                await keeper.checkpoint()
            await asyncio.gather(*tasks)
            done = group[-1]

    lab.run(disk, work, stop=True)


def left(device: Device, number: int) -> Iterator[SimulatedDisk]:
    """What may be found of `device`: all that is in doubt lost, and some of it by chance."""
    for seed in (None, *(number * 1000 + each for each in range(seeds()))):
        yield device.left(chooser(seed))


def test_whenever_the_power_goes_all_that_was_told_is_found(lab: Lab) -> None:
    disk = SimulatedDisk()
    run(lab, disk)
    count = 0
    for count, (_, device, promise) in enumerate(moments(disk), 1):
        for found in left(device, count):
            lab.check(found, promise)
    print(f"{count} operations were cut, each in {1 + seeds()} ways")
    assert count > 1.5 * TURNS
    assert lab.found(disk.cut()) == list(range(1, TURNS + 1))


@pytest.mark.parametrize("durability", ["durable", "relaxed"])
def test_whenever_the_process_is_killed_all_that_was_told_is_found(
    lab: Lab, durability: keepers.Durability
) -> None:
    lab.durability = durability
    disk = SimulatedDisk()
    run(lab, disk)
    for step, device, promise in moments(disk):
        for share in (0.0, 0.4, 1.0) if step.kind == "write" else (1.0,):
            lab.check(device.killed(step, share), promise)


def test_whenever_the_power_goes_in_a_recovery_or_the_run_after_it_nothing_is_lost(
    lab: Lab,
) -> None:
    """What a recovery has found is found by all that come after it."""
    first = SimulatedDisk()
    run(lab, first)
    chance, count = random.Random(0), 0
    for number, (step, device, promise) in enumerate(moments(first)):
        rare = step.kind not in {"write", "sync"}
        if chance.random() < (0.2 if rare else 0.02):
            disk = device.left(chooser(number))
            found = lab.check(device.left(chooser(number)), promise)
            run(lab, disk, 3)
            for _, again, later in moments(disk, found, max(found, promise.sent)):
                count += 1
                lab.check(again.left(chooser(None)), later)
                lab.check(again.left(chooser(count)), later)
    print(f"{count} operations of recoveries, and of what followed, were cut")
    assert count > 300


def test_a_loss_of_power_leaves_a_beginning_of_what_was_relaxed(lab: Lab) -> None:
    lab.durability = "relaxed"
    disk = SimulatedDisk()
    run(lab, disk, 60)
    for count, (_, device, promise) in enumerate(moments(disk)):
        for found in left(device, count):
            numbers = lab.found(found)
            assert numbers == list(range(1, len(numbers) + 1))
            assert len(numbers) <= promise.sent


def test_at_the_level_of_checkpoints_a_loss_of_power_leaves_the_last(lab: Lab) -> None:
    lab.durability = "checkpoint"
    disk = SimulatedDisk()
    run(lab, disk, 30)
    for count, (_, device, promise) in enumerate(moments(disk)):
        for found in left(device, count):
            assert len(lab.found(found)) <= promise.sent
    assert len(lab.found(disk.cut())) == 30


def test_a_damaged_newest_state_is_made_up_for_whenever_the_power_goes(lab: Lab) -> None:
    """The one before it is there, and all records since: neither is pruned before its time."""
    disk = SimulatedDisk()
    run(lab, disk, 40)
    run(lab, disk, 5, checkpoints=0)
    run(lab, disk, 5, checkpoints=0)
    there = 0
    for count, (_, device, promise) in enumerate(moments(disk)):
        there = max(there, len(lab.store(device.left(chooser(None))).states()))
        for found in left(device, count):
            states = lab.store(found).states()
            assert len(states) >= min(there, 1 + lab.keep)
            if len(states) > 1:
                found.damage(states[0].path)
                assert numbers(lab.resume(found).application)[-1] >= promise.told
    assert there > 1
