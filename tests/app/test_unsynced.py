"""What a run has found is found by all later ones, though it was only in the system's memory."""

import asyncio
from pathlib import Path

import pytest

from perdure.app.application import Application
from perdure.app.beginning import Beginning
from perdure.app.keeper import Keeper
from perdure.app.loader import Loader
from perdure.app.recovery import begin
from perdure.app.state import Keeping
from perdure.persist.store import FolderStore
from perdure.persist.trust import Signer

from ..persist.simulator import ROOT, SimulatedDisk
from .lives import value, visit


class Mortal(SimulatedDisk):
    """A disk whose process is killed at the next sync, if it is to be: nothing more is done."""

    def __init__(self) -> None:
        super().__init__()
        self.to_be_killed = False
        self.killed = False

    def sync(self, handle: int) -> None:
        self.killed = self.killed or self.to_be_killed
        if not self.killed:
            super().sync(handle)

    def write(self, handle: int, data: bytes, offset: int) -> None:
        if not self.killed:
            super().write(handle, data, offset)

    def truncate(self, handle: int, length: int) -> None:
        if not self.killed:
            super().truncate(handle, length)


def begun(disk: SimulatedDisk, signer: Signer, *, fresh: bool = False) -> Beginning:
    store = FolderStore(ROOT, "web", disk=disk)
    return begin(Application("web"), None, store, Loader(signer), fresh=fresh)


def run(
    disk: Mortal,
    signer: Signer,
    visits: int,
    *,
    fresh: bool = False,
    stop: bool = False,
    kill: bool = False,
) -> int:
    """One run, perhaps killed in its last visit; gives what it could tell at its beginning."""
    beginning = begun(disk, signer, fresh=fresh)
    assert not beginning.warnings
    told = value(beginning.application)

    async def scenario() -> None:
        keeper = Keeper(Keeping(beginning, FolderStore(ROOT, "web", disk=disk), Loader(signer)))
        try:
            keeper.open()
            await visit(beginning.application, visits - kill)
            disk.to_be_killed = kill
            await visit(beginning.application, int(kill))
            if stop:
                keeper.save()
        finally:
            await keeper.close()

    asyncio.run(scenario())
    disk.to_be_killed = disk.killed = False
    return told


@pytest.mark.parametrize("visits", [1, 3])
@pytest.mark.parametrize("fresh", [False, True])
def test_a_kill_and_then_a_loss_of_power_takes_nothing_that_was_told_between(
    tmp_path: Path, fresh: bool, visits: int
) -> None:
    signer = Signer.of_user(tmp_path)
    disk = Mortal()
    run(disk, signer, 5, stop=True)
    run(disk, signer, visits, fresh=fresh, kill=True)
    told = run(disk, signer, 0)
    assert told == visits + 5 * (not fresh), "nobody was told, but all is there"
    for seed in (None, 1, 2, 3):
        found = begun(disk.cut(seed), signer)
        assert value(found.application) == told
        assert not found.warnings


def test_a_new_history_that_is_killed_at_its_begin_does_not_lead_back_to_the_old_one(
    tmp_path: Path,
) -> None:
    signer = Signer.of_user(tmp_path)
    disk = Mortal()
    run(disk, signer, 5, stop=True)
    disk.killed = False
    run(disk, signer, 1, fresh=True, kill=True)
    for told in (1, 1, 1):
        assert run(disk, signer, 0) == told
    run(disk, signer, 0, fresh=True)
    for told in (0, 0):
        assert run(disk, signer, 0) == told
    assert value(begun(disk.cut(), signer).application) == 0


def test_the_number_of_what_is_held_counts_what_is_written_again(tmp_path: Path) -> None:
    signer = Signer.of_user(tmp_path)
    disk = Mortal()
    run(disk, signer, 3, kill=True)
    found = begun(disk, signer)
    assert [frame.first for frame in found.resumption.carried] == [3]
    assert (found.resumption.first, found.sequence) == (3, 3)
