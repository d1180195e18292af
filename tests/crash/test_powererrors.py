"""A disk that fails at any operation costs nothing that was told; what failed is tried again."""

import asyncio
import errno
import random
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

import pytest

from perdure.app import keeper as keepers
from perdure.app.application import Application
from perdure.app.keeper import Keeper
from perdure.app.turns import UnsafeError
from perdure.persist import journal
from perdure.persist.checkpoint import ChildError, ForkError
from perdure.persist.files import WriteError
from perdure.persist.lock import StoreError
from perdure.persist.trust import Signer

from ..persist.simulator import SimulatedDisk, chooser
from .outage import Lab, numbers, turn

TURNS = 12
ATTEMPTS = 100
CHANGES = {
    *("create", "write", "allocate", "truncate", "sync"),
    *("rename", "link", "unlink", "make_folder", "sync_folder"),
}


def no_child(work: object) -> None:
    raise ForkError("a child would have a disk of its own")


@pytest.fixture
def lab(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Lab:
    monkeypatch.setattr(keepers, "fork", no_child)
    monkeypatch.setattr(journal, "_FIRST_DELAY", 0.0001)
    monkeypatch.setattr(journal, "_LONGEST_DELAY", 0.001)
    return Lab(Signer.of_user(tmp_path_factory.mktemp("key")), attempts=ATTEMPTS)


async def again(attempt: Callable[[], Coroutine[Any, Any, object]]) -> None:
    """Until it succeeds: for a client a 503, for a checkpoint its back-off."""
    for _ in range(ATTEMPTS):
        try:
            await attempt()
        except (UnsafeError, WriteError, ChildError):
            # The journal's thread tries on meanwhile.
            await asyncio.sleep(0.001)
        else:
            return
    raise AssertionError("the disk is well, and still nothing can be written")


async def work(application: Application, keeper: Keeper, disk: SimulatedDisk) -> None:
    """Each request is made until its reply comes, under a new number each time."""
    last = max(numbers(application), default=0)

    async def visit() -> None:
        nonlocal last
        last += 1
        await turn(application, disk, last)

    for number in range(TURNS):
        await again(visit)
        if number in (TURNS // 3, 2 * TURNS // 3):
            await again(keeper.checkpoint)


def run(lab: Lab, disk: SimulatedDisk) -> None:
    """One run, and if the disk has errors then, as many starts as it takes."""
    for _ in range(ATTEMPTS):
        with suppress(StoreError, WriteError):
            lab.run(disk, lambda application, keeper: work(application, keeper, disk), stop=True)
            return
    raise AssertionError("the disk is well, and still nothing starts")


def check(lab: Lab, disk: SimulatedDisk, told: set[int], sent: set[int]) -> None:
    found = lab.found(disk)
    assert found == sorted(set(found)), "nothing is doubled or out of order"
    assert told <= set(found) <= sent


@pytest.mark.parametrize("lasting", [1, 5])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO])
def test_an_error_at_any_operation_loses_nothing_that_was_told(
    number: int, lasting: int, lab: Lab
) -> None:
    whole = SimulatedDisk()
    run(lab, whole)
    count, chance = 0, random.Random(lasting)
    for failing in range(1, whole.operations + 1):
        disk = SimulatedDisk()
        broken, met = range(failing, failing + lasting), list[str]()

        def fault(kind: str, at: int, broken: range = broken, met: list[str] = met) -> int | None:
            if at not in broken or kind not in CHANGES:
                return None
            met.append(kind)
            return number

        disk.fault = fault
        run(lab, disk)
        disk.fault = lambda _, __: None
        if not met:
            continue
        count += 1
        told, sent = set[int](), set[int]()
        for step, device in disk.moments():
            if step.note is not None:
                (told if step.note[0] == "told" else sent).add(step.note[1])
            elif chance.random() < 0.03:
                check(lab, device.left(chooser(failing)), told, sent)
        assert len(told) >= TURNS
        check(lab, disk.cut(), told, sent)
        check(lab, disk, told, sent)
    print(f"{count} runs with errors")
    assert count > 40
