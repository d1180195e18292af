"""Runs of an application, one after the other, in this process: without services and ports."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import attrs

from perdure.app.application import Application
from perdure.app.beginning import Beginning
from perdure.app.keeper import Durability, Keeper, Pace
from perdure.app.loader import Loaded, Loader
from perdure.app.recovery import begin
from perdure.app.state import Keeping
from perdure.persist import snapshot
from perdure.persist.disk import DISK, Disk
from perdure.persist.store import FolderStore
from perdure.persist.trust import Signer


class Tally:
    """What the runs count in."""

    def __init__(self) -> None:
        self.value = 0


def value(application: Application) -> int:
    """What was counted; 0 where nothing was."""
    tally = application.registry.components.get(f"{Tally.__module__}.Tally")
    return tally.value if isinstance(tally, Tally) else 0


async def visit(application: Application, times: int = 1) -> None:
    """Count, and wait until it is durable each time."""
    for _ in range(times):
        with application.turn() as turn:
            application.registry.get_component(Tally, default=Tally).value += 1
            await turn.durable()


@attrs.define(eq=False)
class House:
    """Where an application called ``web`` lives."""

    folder: Path
    signer: Signer
    name: str = "web"
    keep: int = 5
    trusted: Sequence[str] = ()
    said: list[Beginning] = attrs.field(factory=list[Beginning])

    @property
    def store(self) -> FolderStore:
        return FolderStore(self.folder, self.name, keep=self.keep)

    @property
    def loader(self) -> Loader:
        return Loader(self.signer, self.trusted)

    @property
    def segments(self) -> list[Path]:
        """Oldest first."""
        return sorted((self.folder / f"{self.name}.journal").glob("*.log"))

    @property
    def generations(self) -> list[Path]:
        """Newest first."""
        return self.store.generations()

    def load(self, path: Path) -> Loaded:
        return self.loader.load(path)

    def blueprint(self, signer: Signer | None) -> Loaded:
        """What ``mkapp`` would write; unsigned without a signer."""
        path = self.folder / "web.snap"
        application = Application(self.name)
        snapshot.write(path, application, application=self.name, holds="blueprint", signer=signer)
        return self.load(path)

    def begin(self, built: Loaded | None = None, *, fresh: bool = False) -> Beginning:
        """What the next run begins with."""
        application = Application(self.name) if built is None else built.application
        found = begin(application, built, self.store, self.loader, fresh=fresh)
        self.said.append(found)
        return found

    def found(self) -> int:
        """What would have been counted if it was started now."""
        return value(self.begin().application)

    def run(
        self,
        work: Callable[[Application, Keeper], Awaitable[object]],
        *,
        built: Loaded | None = None,
        fresh: bool = False,
        stop: bool = False,
        durability: Durability | None = "durable",
        pace: Pace | None = None,
        disk: Disk = DISK,
    ) -> Beginning:
        """One run, that is `stop`ped cleanly, or comes to another end with nothing saved."""
        beginning = self.begin(built, fresh=fresh)
        keeping = Keeping(beginning, attrs.evolve(self.store, disk=disk), self.loader)

        async def scenario() -> None:
            keeper = Keeper(keeping, durability, pace or Pace())
            try:
                keeper.open()
                keeper.start()
                await work(beginning.application, keeper)
                if stop:
                    await keeper.quiesce()
                    keeper.save()
            finally:
                await keeper.close()

        asyncio.run(scenario())
        return beginning

    def visits(self, times: int, *, checkpoint: bool = False, stop: bool = False) -> None:
        """A run that counts so far, and then perhaps takes a checkpoint."""

        async def work(application: Application, keeper: Keeper) -> None:
            await visit(application, times)
            if checkpoint:
                await keeper.checkpoint()

        self.run(work, stop=stop)


def damage(path: Path, offset: int, size: int = 8) -> None:
    """Change some bytes of a file; a negative offset is counted from its end."""
    data = bytearray(path.read_bytes())
    start = offset % len(data)
    data[start : start + size] = bytes(byte ^ 0xFF for byte in data[start : start + size])
    path.write_bytes(data)
