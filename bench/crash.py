"""`python -m bench crash`: servers that are killed, and clients that know what they were told.

Each life of the server is a start, load, and `kill -9` at a moment that chance has chosen; what the
next start finds is compared with all that clients were told. It goes on with the same state, so that
one life has the traces of those before in it.
"""

import asyncio
import contextlib
import os
import random
import re
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import ClassVar, Final

import attrs
import click

from perdure.persist.errors import PerdureError

from .crowd import Crowd, get
from .ours import blueprint
from .peers import PAGES
from .servers import Launch
from .visitors import Claim, LostError, everything

SAMPLE: Final = Path(__file__).parents[1] / "samples" / "site"
_RUNS: Final = re.compile(r"runs as process \d+ at http://127\.0\.0\.1:(\d+)/")
_REPLAYED: Final = re.compile(r"and (\d+) changes? that came after")
_CHECKPOINT: Final = "checkpoint /"
_ALARMING: Final = ("no checkpoint", "a fault", "Traceback", "damaged", "is refused")
_PATIENCE: Final = 30.0
_MOMENT: Final = 2.0
"""Seconds after which a moment that does not come has come."""


@attrs.frozen
class StartError(PerdureError):
    """A server that was killed does not start again, or says what it should not."""

    exit_status: ClassVar[int] = 1

    said: str

    def __str__(self) -> str:
        return f"the server said: {self.said.strip()}"


@attrs.define
class Tally:
    """What a lab has done."""

    kills: Counter[str] = attrs.field(factory=Counter[str])
    replies: int = 0
    doubtful: int = 0
    checkpoints: int = 0
    replayed: int = 0

    def __str__(self) -> str:
        kinds = ", ".join(f"{times} {kind}" for kind, times in self.kills.items())
        return (
            f"{self.kills.total()} kills: {kinds}\n"
            f"{self.replies} replies came, {self.doubtful} requests were in flight\n"
            f"{self.checkpoints} checkpoints were taken, {self.replayed} changes replayed"
        )


@attrs.define(eq=False)
class Life:
    """One process of the server. What it says is collected."""

    process: asyncio.subprocess.Process
    folder: Path
    said: str = ""
    port: int = 0
    _hearing: asyncio.Task[None] | None = attrs.field(default=None, init=False)
    _more: asyncio.Event = attrs.field(factory=asyncio.Event, init=False)

    async def ready(self) -> None:
        """Return when it answers, at `port`. Raises `StartError`."""
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            self.said += line.decode()
            if found := _RUNS.search(self.said):
                self._hearing = asyncio.create_task(self._hear())
                self.port = int(found[1])
                return
        raise StartError(self.said)

    async def checkpoint(self) -> None:
        """Have one taken, and return when it is, or the process is gone."""
        taken = self.said.count(_CHECKPOINT)
        self.process.send_signal(signal.SIGUSR1)
        await self.says(_CHECKPOINT, taken + 1)

    async def says(self, words: str, times: int = 1) -> None:
        """Return when it has said that so often in all, or the process is gone."""
        async with asyncio.timeout(_PATIENCE):
            while self.process.returncode is None and self.said.count(words) < times:
                self._more.clear()
                await self._more.wait()

    async def changes(self, times: int) -> None:
        """Return when names in the folders of its state have changed so often, or it is gone."""
        names, end = self._names(), time.monotonic() + _MOMENT
        while times and self.process.returncode is None and time.monotonic() < end:
            # Nothing tells when the next one comes; half a millisecond is less than a flush takes.
            await asyncio.sleep(0.0005)
            if (now := self._names()) != names:
                names, times = now, times - 1

    async def kill(self) -> None:
        """End it at once, and hear what it still has said."""
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        if self._hearing is None:
            await self._hear()
        else:
            await self._hearing
        await self.process.wait()

    async def _hear(self) -> None:
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            self.said += line.decode()
            self._more.set()
        self._more.set()

    def _names(self) -> set[str]:
        names: set[str] = set()
        for folder in ("", "web.journal", "web.generations"):
            with contextlib.suppress(FileNotFoundError):
                names.update(os.listdir(self.folder / folder))
        return names


Misfortune = Callable[[Life, Crowd, random.Random], Awaitable[None]]


async def load(life: Life, crowd: Crowd, chance: random.Random) -> None:
    await crowd.until(chance.choice((1, 20, 300, 2000)))


async def checkpoint(life: Life, crowd: Crowd, chance: random.Random) -> None:
    """Up to three; the last one is seen at work by the files it makes, renames and removes."""
    for _ in range(chance.choice((0, 0, 1, 2))):
        await crowd.until(chance.randrange(1, 200))
        await life.checkpoint()
    await crowd.until(chance.randrange(1, 500))
    life.process.send_signal(signal.SIGUSR1)
    await life.changes(chance.randrange(10))
    await asyncio.sleep(chance.choice((0, 0.002, 0.02)))


async def shutdown(life: Life, crowd: Crowd, chance: random.Random) -> None:
    await crowd.until(chance.randrange(1, 500))
    life.process.send_signal(signal.SIGTERM)
    await life.changes(chance.randrange(6))
    await asyncio.sleep(chance.choice((0, 0.002, 0.02)))


async def checkpoint_and_shutdown(life: Life, crowd: Crowd, chance: random.Random) -> None:
    await crowd.until(chance.randrange(1, 500))
    life.process.send_signal(signal.SIGUSR1)
    await crowd.until(chance.choice((1, 10, 100)))
    await shutdown(life, crowd, chance)


MISFORTUNES: Final[dict[str, Misfortune]] = {
    "under load": load,
    "at a checkpoint": checkpoint,
    "at the stop": shutdown,
    "at a stop with a checkpoint": checkpoint_and_shutdown,
}
STARTS: Final = "at the start"


@attrs.define(eq=False)
class Lab:
    """An application with its state in `folder`, its clients, and what chance does to it."""

    folder: Path
    chance: random.Random
    options: tuple[str, ...] = ("--keep", "2")
    claims: Sequence[Claim] = attrs.field(factory=everything)
    tally: Tally = attrs.field(factory=Tally)
    is_strict: bool = True
    """Whether a server that says that something is wrong is as bad as one that loses something."""
    _launch: Launch = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        shutil.copytree(PAGES / "lab", self.site)
        for name in ("counter.rpy", "layout.py", "visits.py"):
            shutil.copy(SAMPLE / name, self.site)
        self._launch = blueprint("the lab", self.folder, 0, ["--path", str(self.site)])

    @property
    def site(self) -> Path:
        """The pages, which a test may change."""
        return self.folder / "site"

    async def lives(self, misfortunes: Sequence[str], *, starts: float = 0.3) -> None:
        """One life for each of the names; before a share of `starts` of them a start is killed.

        Raises `LostError` when something that was acknowledged is not there, or `StartError`.
        """
        for name in misfortunes:
            while self.chance.random() < starts:
                await self._killed_start()
            await self.life(name, MISFORTUNES[name])
        await self.check()

    async def life(self, name: str, misfortune: Misfortune) -> str:
        """One, that ends at what befalls it; what it said. Raises as `lives` does."""
        async with self._life() as life:
            await self._check(life.port)
            crowd = Crowd(self.claims)
            try:
                await crowd.arrive(life.port)
                await misfortune(life, crowd, self.chance)
            finally:
                await life.kill()
                await crowd.gone()
            self._count(name, life, crowd)
            return life.said

    async def check(self) -> None:
        """A life without a misfortune, to see that all is there. Raises as `lives` does."""
        async with self._life() as life:
            await self._check(life.port)

    async def _check(self, port: int) -> None:
        async def ask(path: str, cookie: str) -> str:
            return await get(port, path, cookie)

        for claim in self.claims:
            await claim.check(ask)
            claim.doubtful.clear()

    async def _killed_start(self) -> None:
        """It ends by what a recovery does: some changes of names after it has the lock."""
        async with self._life(ready=False) as life:
            await life.changes(self.chance.randrange(1, 5))
            await asyncio.sleep(self.chance.choice((0, 0.01, 0.05)))
            await life.kill()
            self.tally.kills[STARTS] += 1

    @contextlib.asynccontextmanager
    async def _life(self, *, ready: bool = True) -> AsyncGenerator[Life]:
        process = await asyncio.create_subprocess_exec(
            *self._launch.command,
            *self.options,
            cwd=self.folder,
            env={**os.environ, **self._launch.environment},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        life = Life(process, self.folder)
        try:
            if ready:
                async with asyncio.timeout(_PATIENCE):
                    await life.ready()
            if found := _REPLAYED.search(life.said):
                self.tally.replayed += int(found[1])
            yield life
        finally:
            await life.kill()

    def _count(self, name: str, life: Life, crowd: Crowd) -> None:
        self.tally.kills[name] += 1
        self.tally.replies += crowd.statuses.total()
        self.tally.doubtful += sum(claim.doubtful.total() for claim in self.claims)
        self.tally.checkpoints += life.said.count(_CHECKPOINT)
        if self.is_strict and any(words in life.said for words in _ALARMING):
            raise StartError(life.said)


@click.command(help="Kill servers at moments that chance chooses, and look for what is lost.")
@click.option("--kills", default=100, show_default=True, type=click.IntRange(min=1))
@click.option(
    "--durability",
    default="durable",
    show_default=True,
    type=click.Choice(("durable", "relaxed", "checkpoint")),
    help="As of rundaemon. With 'checkpoint' the lab must find a loss.",
)
@click.option("--seed", type=int, help="What decides when; else something new each time.")
def main(kills: int, durability: str, seed: int | None) -> None:
    """End with 1 if anything that was acknowledged is lost; the folder of the state then stays."""
    seed = random.randrange(1 << 32) if seed is None else seed
    folder = Path(tempfile.mkdtemp(prefix="perdure-crash-"))
    chance = random.Random(seed)
    print(f"seed {seed}, in {folder}", flush=True)
    lab = Lab(folder, chance)
    lab.options += ("--durability", durability)
    try:
        asyncio.run(lab.lives([chance.choice(list(MISFORTUNES)) for _ in range(kills)]))
    except (LostError, StartError) as error:
        print(lab.tally)
        print(f"lost: {error}; the state is in {folder}", file=sys.stderr)
        sys.exit(error.exit_status)
    shutil.rmtree(folder)
    print(lab.tally)
    print("nothing that was acknowledged is lost")
