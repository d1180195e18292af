"""Runs of an application on a simulated disk, and what is found after the power has gone.

Everything is as in a server but for its web part: turns, journal, checkpoints, the save at the end.
Checkpoints are not forked, since a child would write to a copy of the disk.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress

import attrs

from perdure.app.application import Application
from perdure.app.beginning import Beginning
from perdure.app.keeper import Durability, Keeper
from perdure.app.loader import Loader
from perdure.app.mutations import mutation
from perdure.app.recovery import begin
from perdure.app.state import Keeping
from perdure.persist.files import WriteError
from perdure.persist.store import FolderStore
from perdure.persist.trust import Signer

from ..persist.simulator import ROOT, Device, SimulatedDisk, Step


class Watched:
    """A component that is looked at after each turn."""

    def __init__(self) -> None:
        self.numbers: list[int] = []


class Called:
    """A component whose calls are written down, and made again."""

    def __init__(self) -> None:
        self.numbers: list[int] = []

    @mutation
    def add(self, number: int) -> None:
        self.numbers.append(number)


@attrs.frozen
class Promise:
    """What clients were told, and what they have asked for."""

    told: int = 0
    sent: int = 0


@attrs.define(eq=False)
class Lab:
    """Where the runs take place, each on a disk of its own."""

    signer: Signer
    durability: Durability = "durable"
    keep: int = 1
    attempts: int = 1

    def store(self, disk: SimulatedDisk) -> FolderStore:
        return FolderStore(ROOT, "web", keep=self.keep, disk=disk)

    def begin(self, store: FolderStore) -> Beginning:
        return begin(Application("web"), None, store, Loader(self.signer))

    def run(
        self,
        disk: SimulatedDisk,
        work: Callable[[Application, Keeper], Awaitable[object]],
        *,
        stop: bool = False,
    ) -> None:
        """One run, which is stopped cleanly or ends with nothing saved."""
        with self.store(disk).lock() as store:
            beginning = self.begin(store)

            async def scenario() -> None:
                keeper = Keeper(Keeping(beginning, store, Loader(self.signer)), self.durability)
                try:
                    keeper.open()
                    await work(beginning.application, keeper)
                    if stop:
                        await keeper.quiesce()
                        self.save(keeper)
                finally:
                    await keeper.close()

            asyncio.run(scenario())

    def save(self, keeper: Keeper) -> None:
        """Save at the end of the run; as often as it takes, if the disk has errors."""
        for _ in range(self.attempts - 1):
            with suppress(WriteError):
                keeper.save()
                return
        keeper.save()

    def found(self, disk: SimulatedDisk) -> list[int]:
        """What the next run begins with: the numbers of the turns of which there is any effect.

        Each turn's effect must be there as a whole, and nothing be amiss.
        """
        beginning = self.resume(disk)
        assert not beginning.warnings
        return numbers(beginning.application)

    def resume(self, disk: SimulatedDisk) -> Beginning:
        """What the next run begins with. What was left half done is gone then."""
        with self.store(disk).lock() as store:
            beginning = self.begin(store)
            assert not [path for path in _names(disk) if path.endswith(".tmp")]
        return beginning

    def check(self, disk: SimulatedDisk, promise: Promise) -> int:
        """All that was told is there, in order, nothing doubled, and nothing that nobody sent."""
        found = self.found(disk)
        assert found == list(range(1, len(found) + 1))
        assert promise.told <= len(found) <= promise.sent
        return len(found)


async def turn(application: Application, disk: SimulatedDisk, number: int) -> None:
    """A client's request, whose reply waits until it is durable."""
    registry = application.registry
    with application.turn() as current:
        # Where nothing can be written, this raises before anything is changed.
        registry.get_component(Called, default=Called).add(number)
        registry.get_component(Watched, default=Watched).numbers.append(number)
        disk.note(("sent", number))
        await current.durable()
    disk.note(("told", number))


def numbers(application: Application) -> list[int]:
    """The turns whose effect is there."""
    kept = application.registry.components
    watched = kept.get(f"{Watched.__module__}.Watched")
    called = kept.get(f"{Called.__module__}.Called")
    if watched is None and called is None:
        return []
    assert isinstance(watched, Watched)
    assert isinstance(called, Called)
    assert watched.numbers == called.numbers
    return watched.numbers


def moments(
    disk: SimulatedDisk, told: int = 0, sent: int = 0
) -> Iterator[tuple[Step, Device, Promise]]:
    """Each operation, with the device when it is under way and what had been promised by then."""
    for step, device in disk.moments():
        if step.note is None:
            yield step, device, Promise(told, sent)
        elif step.note[0] == "told":
            told = max(told, step.note[1])
        elif step.note[0] == "sent":
            sent = max(sent, step.note[1])


def seeds() -> int:
    """How many ways of losing things are tried at each operation: PERDURE_TEST_CUTS, or two."""
    return int(os.environ.get("PERDURE_TEST_CUTS", "2"))


def _names(disk: SimulatedDisk) -> list[str]:
    folders = [ROOT, ROOT / "web.generations"]
    return [name for folder in folders if disk.exists(folder) for name in disk.names(folder)]
