"""Keeping the state of a run: checkpoints when they are due, which harm nothing if they fail."""

import asyncio
import contextlib
import errno
import gc
import logging
import os
import shutil
import signal
import threading
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, Literal

import attrs
import pytest

from perdure.app import keeper as keepers
from perdure.app.application import Application
from perdure.app.keeper import Durability, Keeper, Pace
from perdure.app.mutations import mutation
from perdure.app.state import LeftOutError
from perdure.app.turns import UnsafeError
from perdure.persist import checkpoint as children
from perdure.persist import journal
from perdure.persist.checkpoint import ChildError
from perdure.persist.disk import Disk
from perdure.persist.snapshot import peek

from .lives import House, Tally, damage, value, visit

Work = Callable[[Application, Keeper], Awaitable[object]]


class Other:
    """A component beside the one in which the runs count."""

    value = 0


class Locker:
    """Its calls are recorded, and one of them makes what cannot be saved."""

    def __init__(self) -> None:
        self.held: Any = None

    @mutation
    def lock(self) -> None:
        self.held = threading.Lock()


class Log(logging.Handler):
    """What is logged, for coroutines that wait for it."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []
        self._more = threading.Condition()

    def emit(self, record: logging.LogRecord) -> None:
        with self._more:
            self.lines.append(record.getMessage())
            self._more.notify_all()

    async def heard(self, words: str, times: int = 1) -> None:
        """Return when so many lines with `words` have been logged."""

        def wait() -> bool:
            with self._more:
                return self._more.wait_for(
                    lambda: sum(words in line for line in self.lines) >= times, 30
                )

        assert await asyncio.to_thread(wait), self.lines


@pytest.fixture
def log() -> Iterator[Log]:
    handler, logger = Log(), logging.getLogger("perdure")
    level = logger.level
    logger.setLevel(logging.INFO)
    logger.addHandler(handler)
    yield handler
    logger.removeHandler(handler)
    logger.setLevel(level)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is tested is the order of things, not how long they wait."""
    monkeypatch.setattr(keepers, "_LOOK", 0.01)
    monkeypatch.setattr(keepers, "_FIRST_DELAY", 0.01)
    monkeypatch.setattr(journal, "_FIRST_DELAY", 0.01)


@pytest.mark.parametrize("pace", [Pace(records=5), Pace(size=300), Pace(seconds=0.1)])
@pytest.mark.usefixtures("impatient")
def test_a_checkpoint_is_taken_when_so_much_was_changed_or_so_long_ago(
    house: House, log: Log, pace: Pace
) -> None:
    async def work(application: Application, keeper: Keeper) -> None:
        await visit(application, 5)
        await log.heard("checkpoint ")

    house.run(work, pace=pace)
    assert house.found() == 5
    assert house.said[-1].state in house.generations


@pytest.mark.usefixtures("impatient")
def test_a_checkpoint_is_taken_when_somebody_wants_one(house: House, log: Log) -> None:
    async def work(application: Application, keeper: Keeper) -> None:
        for times in (1, 2):
            await visit(application)
            keeper.want_checkpoint()
            await log.heard("checkpoint ", times)

    house.run(work)
    assert [peek(path).sequence for path in house.generations] == [2, 1]


@pytest.mark.usefixtures("impatient")
def test_what_had_to_be_replayed_makes_the_next_checkpoint_due(house: House, log: Log) -> None:
    house.visits(6)
    house.run(lambda _, __: log.heard("checkpoint "), pace=Pace(records=5))
    assert peek(house.generations[0]).sequence == 6


def test_after_a_failure_whoever_asks_for_a_checkpoint_need_not_wait(
    house: House, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keepers, "_FIRST_DELAY", 1e6)
    in_the_way = house.store.generations_folder

    async def work(application: Application, keeper: Keeper) -> None:
        await visit(application, 2)
        in_the_way.write_text("a file")
        keeper.want_checkpoint()
        await log.heard("no checkpoint now")
        in_the_way.unlink()
        keeper.want_checkpoint()
        await log.heard("stood still")

    house.run(work)
    assert len(house.generations) == 1


@pytest.mark.usefixtures("impatient")
def test_a_checkpoint_that_fails_harms_nothing_and_is_tried_again(house: House, log: Log) -> None:
    in_the_way = house.store.generations_folder

    async def work(application: Application, keeper: Keeper) -> None:
        await visit(application, 2)
        in_the_way.write_text("a file")
        keeper.want_checkpoint()
        await log.heard("no checkpoint now", 2)
        await visit(application)
        assert house.found() == 3
        in_the_way.unlink()
        await log.heard("checkpoint " + str(in_the_way))

    house.run(work)
    assert house.found() == 3


@attrs.define(eq=False)
class Pausing:
    """Whoever takes it down in another process tells its number, and waits to be let through."""

    folder: str
    home: int = attrs.field(factory=os.getpid)

    def __getstate__(self) -> dict[str, Any]:
        if os.getpid() != self.home:
            with open(f"{self.folder}/arrived", "w") as arrived:
                arrived.write(str(os.getpid()))
            with open(f"{self.folder}/through"):
                pass
        return {"folder": self.folder, "home": self.home}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.folder, self.home = state["folder"], state["home"]

    @classmethod
    def put_into(cls, application: Application, folder: Path) -> "Pausing":
        for name in ("arrived", "through"):
            if not (folder / name).exists():
                os.mkfifo(folder / name)
        made = cls(str(folder))
        application.registry.set_component(cls, made)
        return made

    async def child(self) -> int:
        return int(await asyncio.to_thread(Path(self.folder, "arrived").read_text))

    async def let_through(self) -> None:
        await asyncio.to_thread(Path(self.folder, "through").write_text, "")


def leftovers(house: House) -> list[Path]:
    return list(house.folder.rglob(".*"))


def test_a_child_that_is_killed_midway_leaves_nothing(house: House, tmp_path: Path) -> None:
    async def work(application: Application, keeper: Keeper) -> None:
        pausing = Pausing.put_into(application, tmp_path)
        await visit(application, 3)
        taking = asyncio.create_task(keeper.checkpoint())
        os.kill(await pausing.child(), signal.SIGKILL)
        with pytest.raises(ChildError, match="killed"):
            await taking
        assert not house.generations

    house.run(work)
    assert not leftovers(house)
    assert house.found() == 3


def test_the_end_of_a_run_gives_up_a_checkpoint_that_is_being_written(
    house: House, tmp_path: Path
) -> None:
    house.visits(2, stop=True)

    async def work(application: Application, keeper: Keeper) -> None:
        pausing = Pausing.put_into(application, tmp_path)
        await visit(application, 3)
        keeper.want_checkpoint()
        child = os.pidfd_open(await pausing.child())
        await keeper.quiesce()
        with pytest.raises(ProcessLookupError):
            signal.pidfd_send_signal(child, signal.SIGTERM)
        os.close(child)

    house.run(work, stop=True)
    assert house.found() == 5
    assert [peek(path).sequence for path in house.generations] == [2]
    assert not leftovers(house)


def test_two_checkpoints_are_never_taken_at_once(house: House, tmp_path: Path) -> None:
    async def work(application: Application, keeper: Keeper) -> None:
        pausing = Pausing.put_into(application, tmp_path)
        await visit(application)
        first = asyncio.create_task(keeper.checkpoint())
        second = asyncio.create_task(keeper.checkpoint())
        await pausing.child()
        assert not house.generations
        await pausing.let_through()
        one = await first
        await pausing.child()
        await pausing.let_through()
        assert await second != one

    house.run(work)
    assert len(house.generations) == 2


def test_no_checkpoint_is_taken_while_code_runs_in_a_thread(house: House) -> None:
    begun, going_on = threading.Event(), threading.Event()

    def half() -> None:
        begun.set()
        going_on.wait(30)

    async def work(application: Application, keeper: Keeper) -> None:
        await visit(application)
        thread = asyncio.create_task(application.in_thread(half))
        await asyncio.to_thread(begun.wait, 30)
        taking = asyncio.create_task(keeper.checkpoint())
        for _ in range(20):
            await asyncio.sleep(0)
        going_on.set()
        assert not house.generations
        await asyncio.gather(thread, taking)

    house.run(work)
    assert len(house.generations) == 1


class Failing(Disk):
    """The journal's syncs wait to be told whether they succeed."""

    def __init__(self) -> None:
        self.ready = threading.Event()
        self.ready.set()
        self.broken = False
        self.segments: set[int] = set()

    def create(self, path: Path, mode: int = 0o600) -> int:
        handle = super().create(path, mode)
        if path.parent.suffix == ".journal":
            self.segments.add(handle)
        return handle

    def close(self, handle: int) -> None:
        self.segments.discard(handle)
        super().close(handle)

    def sync(self, handle: int) -> None:
        if handle not in self.segments:
            return
        assert self.ready.wait(30)
        if self.broken:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        super().sync(handle)


@pytest.mark.usefixtures("impatient")
def test_a_checkpoint_that_holds_what_was_withdrawn_is_thrown_away(house: House, log: Log) -> None:
    disk = Failing()

    async def work(application: Application, keeper: Keeper) -> None:
        await visit(application, 2)
        disk.ready.clear()
        lost = asyncio.create_task(visit(application))
        await asyncio.sleep(0)
        assert value(application) == 3
        taking = asyncio.create_task(keeper.checkpoint())
        await asyncio.sleep(0)
        disk.broken = True
        disk.ready.set()
        with pytest.raises(UnsafeError):
            await lost
        with pytest.raises(UnsafeError):
            await taking
        assert value(application) == 2
        assert not house.generations
        disk.broken = False
        await log.heard("the state can be saved again")
        await visit(application)
        await keeper.checkpoint()

    house.run(work, disk=disk)
    assert house.found() == 3
    assert not leftovers(house)


def test_without_room_in_memory_no_child_is_begun(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(children, "_HEADROOM", 1e6)

    async def work(application: Application, keeper: Keeper) -> None:
        await visit(application)
        with pytest.raises(ChildError, match="GB are free"):
            await keeper.checkpoint()

    house.run(work)
    assert house.found() == 1


def test_where_no_child_can_be_had_everything_waits_for_the_checkpoint(
    house: House, monkeypatch: pytest.MonkeyPatch, log: Log
) -> None:
    def refuse() -> int:
        raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    async def work(application: Application, keeper: Keeper) -> None:
        await visit(application, 2)
        monkeypatch.setattr(os, "fork", refuse)
        await keeper.checkpoint()

    house.run(work)
    assert value(house.load(house.generations[0]).application) == 2
    assert any("everything waits" in line for line in log.lines)


def test_the_collector_passes_over_what_is_there_when_it_starts(house: House) -> None:
    async def work(application: Application, keeper: Keeper) -> None:
        assert gc.get_freeze_count() > 1000

    house.run(work)


def test_older_states_and_their_records_go_once_newer_ones_are_whole(house: House) -> None:
    house.keep = 2

    async def work(application: Application, keeper: Keeper) -> None:
        for _ in range(5):
            await visit(application, 3)
            await keeper.checkpoint()

    house.run(work)
    assert [peek(path).sequence for path in house.generations] == [15, 12, 9]
    assert [int(path.stem) for path in house.segments] == [10, 13, 16]
    for path in house.generations[:2]:
        damage(path, -20)
        assert house.found() == 15, "the next older one, and what came after"


def test_what_cannot_be_saved_costs_no_acknowledged_change_of_itself_or_others(
    house: House, log: Log
) -> None:
    async def work(application: Application, keeper: Keeper) -> None:
        await visit(application, 3)
        tally = application.registry.get_component(Tally, default=Tally)
        tally.lock = threading.Lock()  # type: ignore[attr-defined] # pyright: ignore[reportAttributeAccessIssue]
        with application.turn() as turn:
            application.registry.get_component(Other, default=Other).value = 7
            await turn.durable()
        await keeper.checkpoint()
        said = next(line for line in log.lines if "the checkpoint has not the present form" in line)
        assert "lock" in said
        with pytest.raises(LeftOutError, match="lock"):
            keeper.save()

    house.run(work)
    for path in (house.generations[0], house.folder / "web-shutdown.snap"):
        application = house.load(path).application
        assert value(application) == 3
        other = application.registry.get_component(Other)
        assert other is not None
        assert other.value == 7


def test_a_checkpoint_has_what_cannot_be_saved_as_the_records_of_that_instant_have_it(
    house: House,
) -> None:
    """Also where the record is on its way to the disk while the checkpoint is taken."""

    async def work(application: Application, keeper: Keeper) -> None:
        await visit(application, 3)
        for number in range(5):
            with application.turn():
                tally: Any = application.registry.get_component(Tally)
                tally.value += 1
            tally.lock = threading.Lock()
            await keeper.checkpoint()
            assert value(house.load(house.generations[0]).application) == 4 + number
            del tally.lock

    house.run(work)


def test_where_the_records_cannot_tell_what_cannot_be_saved_there_is_no_checkpoint(
    house: House,
) -> None:
    async def work(application: Application, keeper: Keeper) -> None:
        with application.turn() as turn:
            application.registry.get_component(Locker, default=Locker).lock()
            await turn.durable()
        with pytest.raises(ChildError, match="lock"):
            await keeper.checkpoint()
        assert not house.generations

    house.run(work)


def test_without_a_journal_checkpoints_hold_what_can_be_saved(house: House, log: Log) -> None:
    async def work(application: Application, keeper: Keeper) -> None:
        await visit(application, 3)
        await keeper.checkpoint()
        broken: Any = application.registry.get_component(Tally, default=Tally)
        broken.lock = threading.Lock()
        await visit(application)
        await keeper.checkpoint()

    house.run(work, durability="checkpoint")
    assert house.found() == 3
    assert len(house.generations) == 2
    assert any("lock" in line for line in log.lines)
    assert not house.segments


def test_with_nothing_to_be_kept_nothing_is_written(house: House) -> None:
    house.run(lambda application, _: visit(application), durability=None)
    assert not list(house.folder.iterdir())


@pytest.mark.parametrize("level", ["durable", "relaxed"])
def test_a_journal_that_somebody_removes_under_way_costs_nothing_acknowledged(
    house: House, log: Log, impatient: None, level: Durability
) -> None:
    async def work(application: Application, keeper: Keeper) -> None:
        await visit(application, 3)
        shutil.rmtree(house.folder / "web.journal")
        with contextlib.suppress(UnsafeError):
            await visit(application)
        await log.heard("the state can be saved again")
        await log.heard("checkpoint ")
        await visit(application, 2)

    house.run(work, durability=level)
    assert house.found() in (5, 6)


class Watched(asyncio.Event):
    """Tells when somebody begins to wait for it."""

    def __init__(self) -> None:
        super().__init__()
        self.awaited = asyncio.Event()

    async def wait(self) -> Literal[True]:
        self.awaited.set()
        return await super().wait()


@pytest.mark.parametrize("rounds", range(5))
def test_the_end_waits_for_no_checkpoint_that_was_just_asked_for(
    house: House, rounds: int, impatient: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def work(application: Application, keeper: Keeper) -> None:
        watched = Watched()
        monkeypatch.setattr(keeper, "_wanted", watched)
        await watched.awaited.wait()
        keeper.want_checkpoint()
        for _ in range(rounds):
            await asyncio.sleep(0)
        async with asyncio.timeout(10):
            await keeper.quiesce()

    house.run(work)
