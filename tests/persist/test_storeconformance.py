"""What any store promises: whoever writes another adds it to `PLACES`."""

import asyncio
import errno
import os
from collections.abc import Callable, Generator
from contextlib import contextmanager
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from typing import Protocol, Self

import attrs
import pytest

from perdure.app import keeper as keepers
from perdure.app.application import Application
from perdure.app.keeper import Keeper
from perdure.app.loader import Loader
from perdure.app.recovery import begin
from perdure.app.state import Keeping
from perdure.persist import snapshot
from perdure.persist.capture import CaptureError
from perdure.persist.checkpoint import ForkError
from perdure.persist.disk import Disk
from perdure.persist.files import WriteError
from perdure.persist.journal import ClosedJournalError
from perdure.persist.lock import LockedError
from perdure.persist.restore import restore
from perdure.persist.storage import Appender, State, Store
from perdure.persist.store import FolderStore
from perdure.persist.trust import Policy, Signer

from .journals import KEY, Told
from .memorystore import Database, MemoryStore
from .simulator import ROOT, SimulatedDisk


class Place(Protocol):
    """Where the stores of one process after the other are, and what may befall it."""

    def store(self, keep: int) -> Store:
        """What another process would have."""
        ...

    def crash(self) -> None:
        """All processes are gone, and what was not durable with them. No journal may be open."""
        ...

    def fail(self) -> None:
        """From now on nothing is taken."""
        ...

    def heal(self) -> None:
        """From now on all is well again."""
        ...


class FailingDisk(Disk):
    """A disk that may be full."""

    is_full = False

    def write(self, handle: int, data: bytes, offset: int) -> None:
        self._check()
        super().write(handle, data, offset)

    def rename(self, source: Path, target: Path) -> None:
        self._check()
        super().rename(source, target)

    def _check(self) -> None:
        if self.is_full:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@attrs.define(eq=False)
class RealFolder:
    """A folder of this machine."""

    folder: Path
    disk: FailingDisk = attrs.field(factory=FailingDisk)
    locked: list[FolderStore] = attrs.field(factory=list[FolderStore])

    def store(self, keep: int) -> Store:
        store = FolderStore(self.folder, "web", keep=keep, disk=self.disk)
        self.locked.append(store)
        return store

    def crash(self) -> None:
        while self.locked:
            self.locked.pop().unlock()

    def fail(self) -> None:
        self.disk.is_full = True

    def heal(self) -> None:
        self.disk.is_full = False


@attrs.define(eq=False)
class SimulatedFolder:
    """A folder that a loss of power leaves with nothing but what is there for certain."""

    disk: SimulatedDisk = attrs.field(factory=SimulatedDisk)

    def store(self, keep: int) -> Store:
        return FolderStore(ROOT, "web", keep=keep, disk=self.disk)

    def crash(self) -> None:
        self.disk = self.disk.cut()

    def fail(self) -> None:
        self.disk.fault = lambda kind, _: errno.EIO if kind in {"sync", "rename"} else None

    def heal(self) -> None:
        self.disk.fault = lambda _, __: None


@attrs.define(eq=False)
class InMemory:
    """A database, which is no folder at all."""

    database: Database = attrs.field(factory=Database)

    def store(self, keep: int) -> Store:
        return MemoryStore(self.database, keep=keep)

    def crash(self) -> None:
        self.database.holder = None

    def fail(self) -> None:
        self.database.break_down()

    def heal(self) -> None:
        self.database.heal()


def real_folder(path: Path) -> Place:
    return RealFolder(path)


def simulated_folder(_: Path) -> Place:
    return SimulatedFolder()


def in_memory(_: Path) -> Place:
    return InMemory()


PLACES: tuple[Callable[[Path], Place], ...] = (real_folder, simulated_folder, in_memory)


@pytest.fixture(params=PLACES)
def place(request: pytest.FixtureRequest, tmp_path: Path, impatient: None) -> Place:
    made: Place = request.param(tmp_path)
    return made


@pytest.fixture
def store(place: Place) -> Store:
    return place.store(keep=2).lock()


def content(store: Store, state: State) -> object:
    return restore(store.read(state.path)[0].stream, Policy.only())


def contents(store: Store) -> list[object]:
    return [content(store, state) for state in store.states()]


def checkpoint(store: Store, root: object, sequence: int) -> Path:
    return store.admit(store.draft(root, sequence=sequence, signer=None))


@contextmanager
def appending(
    store: Store, told: Told | None = None, *, base: int = 0, fresh: bool = False
) -> Generator[Appender]:
    """A journal that goes on after what is there and after the state of that number."""
    told = told or Told()
    reader = store.records(KEY)
    for _ in reader.records(base):
        pass
    first, carried = reader.resumption(base)
    journal = store.journal(
        first=first,
        carried=carried,
        key=KEY,
        level="durable",
        fresh=fresh,
        on_progress=told.progress,
        on_failure=told.failure,
        on_recovery=told.recovery,
    )
    try:
        yield journal
    finally:
        journal.close()


def recorded(store: Store, after: int = 0) -> dict[int, bytes]:
    return dict(store.records(KEY).records(after))


# The lease.


def test_one_process_at_a_time_has_the_lease(place: Place) -> None:
    first, second = place.store(keep=2), place.store(keep=2)
    assert first.lock() is first
    first.lock()
    with pytest.raises(LockedError):
        second.lock()
    first.unlock()
    second.lock()
    place.crash()
    place.store(keep=2).lock()


def test_who_has_no_lease_may_read(place: Place, store: Store) -> None:
    store.save("it", sequence=1, signer=None)
    assert contents(place.store(keep=2)) == ["it"]


# States.


def test_a_store_begins_with_nothing(store: Store) -> None:
    assert store.application == "web"
    assert not store.states()
    assert not store.unreadable()
    assert not store.generations()
    assert recorded(store) == {}
    store.check_newest()
    store.prune()


def test_a_draft_counts_for_nothing_until_it_is_admitted(place: Place, store: Store) -> None:
    draft = store.draft("it", sequence=3, signer=None)
    assert not store.states()
    path = store.admit(draft)
    assert [(state.path, state.passport.sequence) for state in store.states()] == [(path, 3)]
    assert contents(store) == ["it"]
    assert store.generations() == [path]
    place.crash()
    assert contents(place.store(keep=2)) == ["it"]


def test_a_draft_of_a_process_that_was_killed_is_gone(place: Place, store: Store) -> None:
    draft = store.draft("it", sequence=3, signer=None)
    place.crash()
    with pytest.raises((WriteError, KeyError)):
        place.store(keep=2).lock().admit(draft)


def test_drafts_can_be_given_up(store: Store) -> None:
    draft = store.draft("it", sequence=3, signer=None)
    store.remove_leftovers()
    with pytest.raises((WriteError, KeyError)):
        store.admit(draft)
    assert not store.states()


def test_a_state_is_read_with_all_that_was_said_of_it(store: Store, signer: Signer) -> None:
    path = store.save({"a": 1}, sequence=7, paths=["/srv"], origin="ab", signer=signer)
    (state,) = store.states()
    found, owner = store.read(path)
    assert found.passport == state.passport
    assert (found.passport.holds, found.passport.application) == ("state", "web")
    assert (found.passport.paths, found.passport.origin) == (("/srv",), "ab")
    assert found.is_signed_by(signer)
    assert owner.may_have_signed()
    assert store.is_state(state, path)
    assert store.changed(path) <= store.changed(checkpoint(store, 2, 8))


def test_the_state_that_holds_most_is_the_newest_whenever_it_came(store: Store) -> None:
    checkpoint(store, "nine", 9)
    checkpoint(store, "ten", 10)
    checkpoint(store, "eight", 8)
    assert contents(store) == ["ten", "nine", "eight"]
    store.save("eleven", sequence=11, signer=None)
    assert contents(store) == ["eleven", "ten", "nine"]


class Yesterday(datetime):
    """The clock, after somebody has set it back."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> Self:
        return super().now(tz) - timedelta(days=1)


def test_of_equals_the_one_written_last_is_the_newest_though_the_clock_was_set_back(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.save(["today"], sequence=7, signer=None)
    checkpoint(store, ["in the same second"], 7)
    assert contents(store)[0] == ["in the same second"]
    monkeypatch.setattr(snapshot, "datetime", Yesterday)
    store.save(["yesterday"], sequence=7, signer=None)
    assert contents(store)[0] == ["yesterday"]
    checkpoint(store, ["later"], 7)
    assert contents(store)[0] == ["later"]


def test_nothing_is_pruned_before_the_newer_one_is_admitted(store: Store) -> None:
    for number in range(1, 6):
        checkpoint(store, number, number)
    store.draft(6, sequence=6, signer=None)
    assert contents(store) == [5, 4, 3, 2, 1]
    store.prune()
    assert contents(store) == [5, 4, 3]


def test_a_store_that_keeps_no_older_ones_keeps_the_newest(place: Place) -> None:
    store = place.store(keep=0).lock()
    for number in (1, 2):
        checkpoint(store, number, number)
        store.prune()
        assert contents(store) == [number]
    store.save(3, sequence=3, signer=None)
    assert contents(store) == [3]


def test_what_cannot_be_captured_changes_nothing(store: Store) -> None:
    store.save(1, sequence=1, signer=None)
    with pytest.raises(CaptureError):
        store.save(lambda: None, sequence=2, signer=None)
    with pytest.raises(CaptureError):
        store.draft(lambda: None, sequence=2, signer=None)
    assert contents(store) == [1]


def test_while_nothing_can_be_written_the_states_are_as_they_were(
    place: Place, store: Store
) -> None:
    store.save(1, sequence=1, signer=None)
    draft = store.draft(2, sequence=2, signer=None)
    place.fail()
    with pytest.raises(WriteError):
        store.save(3, sequence=3, signer=None)
    with pytest.raises(WriteError):
        store.draft(4, sequence=4, signer=None)
    with pytest.raises(WriteError):
        store.admit(draft)
    assert contents(store) == [1]
    place.heal()
    store.admit(draft)
    store.save(3, sequence=3, signer=None)
    assert contents(store) == [3, 2, 1]


# Records.


def test_records_are_read_in_order_and_numbers_go_on(place: Place, store: Store) -> None:
    with appending(store) as journal:
        assert [journal.append(b"%d" % number) for number in (1, 2, 3)] == [1, 2, 3]
        assert (journal.appended, journal.volume) == (3, 3)
    place.crash()
    store = place.store(keep=2).lock()
    assert recorded(store) == {1: b"1", 2: b"2", 3: b"3"}
    assert recorded(store, 2) == {3: b"3"}
    with appending(store) as journal:
        assert journal.append(b"4") == 4
    reader = store.records(KEY)
    assert list(reader.records(2)) == [(3, b"3"), (4, b"4")]
    assert (reader.last, reader.report.records, reader.report.damage) == (4, 2, ())


def test_numbers_go_on_after_the_state_where_there_are_no_records(store: Store) -> None:
    checkpoint(store, "it", 10)
    with appending(store, base=10) as journal:
        assert journal.append(b"11") == 11
    assert recorded(store, 10) == {11: b"11"}


def test_what_was_told_to_be_secured_outlasts_a_crash(place: Place, store: Store) -> None:
    told = Told()
    with appending(store, told) as journal:
        journal.append(b"1")
        told.wait(secured=1)
        assert journal.secured == 1
        # While the journal is open: what is told is there already.
        assert recorded(store) == {1: b"1"}
    place.crash()
    assert recorded(place.store(keep=2)) == {1: b"1"}


def test_a_fresh_history_forgets_what_was_before(place: Place, store: Store) -> None:
    with appending(store) as journal:
        journal.append(b"1")
    with appending(store, base=3, fresh=True) as journal:
        assert journal.append(b"new") == 5
    place.crash()
    reader = place.store(keep=2).records(KEY)
    assert reader.fresh_from == 4
    assert reader.fresh_since
    assert list(reader.records()) == [(5, b"new")]


def test_a_closed_journal_takes_nothing(store: Store) -> None:
    with appending(store) as journal:
        pass
    with pytest.raises(ClosedJournalError):
        journal.append(b"late")


def test_a_rotation_tells_the_next_number(store: Store) -> None:
    with appending(store) as journal:
        assert journal.rotate() == journal.rotate() == 1
        journal.append(b"1")
        assert journal.rotate() == 2
        assert journal.append(b"2") == 2


def test_records_stay_as_long_as_a_kept_state_is_without_them(store: Store) -> None:
    with appending(store) as journal:
        for number in range(1, 6):
            journal.append(b"%d" % number)
            assert journal.rotate() == number + 1
            checkpoint(store, number, number)
            store.prune()
            oldest = store.states()[-1].passport.sequence
            assert oldest == max(1, number - 2)
    assert list(recorded(store, 3)) == [4, 5]
    reader = store.records(KEY)
    assert list(reader.records(3))
    assert not reader.report.damage


def test_while_nothing_can_be_written_records_wait_and_can_be_withdrawn(
    place: Place, store: Store
) -> None:
    told = Told()
    with appending(store, told) as journal:
        journal.append(b"1")
        told.wait(secured=1)
        place.fail()
        journal.append(b"2")
        told.wait(failures=1)
        assert journal.secured == 1
        assert journal.withdraw() == range(2, 3)
        journal.append(b"3")
        place.heal()
        told.wait(secured=3, recoveries=1)
    place.crash()
    assert recorded(place.store(keep=2)) == {1: b"1", 3: b"3"}


def test_a_disk_that_stays_broken_is_told_at_the_end(place: Place, store: Store) -> None:
    def run() -> None:
        told = Told()
        with appending(store, told) as journal:
            journal.append(b"1")
            told.wait(secured=1)
            place.fail()
            journal.append(b"2")
            told.wait(failures=1)

    with pytest.raises(WriteError):
        run()
    place.heal()
    place.crash()
    assert recorded(place.store(keep=2))[1] == b"1"


# All of it.


class Tally:
    """What is counted in."""

    def __init__(self) -> None:
        self.value = 0


def test_an_application_lives_in_it(
    place: Place, signer: Signer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Runs that crash, after checkpoints and without, and one that is stopped: nothing is lost."""

    def no_child(work: object) -> None:
        raise ForkError("a child would have a store of its own")

    monkeypatch.setattr(keepers, "fork", no_child)
    loader = Loader(signer)

    async def run(checkpoints: int, *, stop: bool) -> int:
        store = place.store(keep=2).lock()
        beginning = begin(Application("web"), None, store, loader)
        assert not beginning.warnings
        application = beginning.application
        keeper = Keeper(Keeping(beginning, store, loader))
        keeper.open()
        for number in range(6):
            with application.turn() as turn:
                application.registry.get_component(Tally, default=Tally).value += 1
                await turn.durable()
            if number < checkpoints:
                await keeper.checkpoint()
        value = application.registry.get_component(Tally, default=Tally).value
        if stop:
            keeper.save()
        await keeper.close()
        return value

    for number, (checkpoints, stop) in enumerate([(0, False), (4, False), (2, True), (0, True)]):
        assert asyncio.run(run(checkpoints, stop=stop)) == 6 * (number + 1)
        place.crash()
    store = place.store(keep=2).lock()
    store.prune()  # A loss of power may bring back what was removed.
    assert len(store.states()) == 3
