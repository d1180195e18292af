"""A store that is no folder: what a process has in memory stands for a database server.

It is as small as the interface allows, and shows that nobody asks a store for more.
"""

import errno
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Self

import attrs

from perdure.persist import snapshot
from perdure.persist.content import Snapshot
from perdure.persist.disk import DISK
from perdure.persist.files import WriteError
from perdure.persist.formats import pickled
from perdure.persist.frames import Frame
from perdure.persist.journal import ClosedJournalError
from perdure.persist.journalreader import Report
from perdure.persist.lock import LockedError
from perdure.persist.snapshot import SnapshotError
from perdure.persist.storage import State, last_written
from perdure.persist.trust import Owner

from .simulator import ROOT, SimulatedDisk

PLACE = Path("database")


@attrs.define(eq=False)
class Database:
    """What outlasts any process. While it `is_broken` it takes nothing."""

    holder: "MemoryStore | None" = None
    states: dict[Path, bytes] = attrs.field(factory=dict[Path, bytes])
    drafts: dict[Path, bytes] = attrs.field(factory=dict[Path, bytes])
    records: dict[int, bytes] = attrs.field(factory=dict[int, bytes])
    last: int = 0
    given_up: int = 0
    fresh_from: int | None = None
    made: int = 0
    is_broken: bool = False
    journals: list["MemoryJournal"] = attrs.field(factory=list["MemoryJournal"])

    def name(self, kind: str) -> Path:
        self.made += 1
        return PLACE / f"{kind}{self.made:06d}"

    def check(self) -> None:
        if self.is_broken:
            raise WriteError(PLACE, "write", errno.ENOSPC)

    def break_down(self) -> None:
        self.is_broken = True

    def heal(self) -> None:
        self.is_broken = False
        for journal in self.journals:
            journal.recover()


class Us(Owner):
    """Whoever may write to the database is ourselves."""

    def may_have_signed(self) -> bool:
        return True


@attrs.define(eq=False)
class MemoryJournal:
    """Every record is secured at once, or waits until the database is well."""

    database: Database
    appended: int
    on_progress: Callable[[int], object]
    on_failure: Callable[[WriteError], object]
    on_recovery: Callable[[], object]
    volume: int = 0
    is_closed: bool = False
    pending: list[tuple[int, bytes]] = attrs.field(factory=list[tuple[int, bytes]])
    has_failed: bool = False

    @property
    def secured(self) -> int:
        return self.pending[0][0] - 1 if self.pending else self.appended

    def append(self, payload: bytes) -> int:
        if self.is_closed:
            raise ClosedJournalError(PLACE)
        self.appended += 1
        self.volume += len(payload)
        self.pending.append((self.appended, payload))
        self._flush()
        return self.appended

    def withdraw(self) -> range:
        gone = range(self.secured + 1, self.appended + 1)
        self.pending.clear()
        self.database.given_up += len(gone)
        return gone

    def rotate(self) -> int:
        return self.appended + 1

    def close(self) -> None:
        self.is_closed = True
        if self.pending:
            self.database.check()

    def recover(self) -> None:
        if self.has_failed and not self.is_closed:
            self.has_failed = False
            self.on_recovery()
            self._flush()

    def _flush(self) -> None:
        try:
            self.database.check()
        except WriteError as error:
            self.has_failed = True
            self.on_failure(error)
            return
        self.database.records.update(self.pending)
        self.database.last = self.appended
        self.pending.clear()
        self.on_progress(self.appended)


@attrs.define(eq=False)
class MemoryRecords:
    """The records of a database."""

    database: Database
    folder: Path = PLACE
    last: int = 0
    count: int = 0

    @property
    def fresh_from(self) -> int | None:
        return self.database.fresh_from

    @property
    def fresh_since(self) -> str:
        return "" if self.fresh_from is None else "2026-11-21T10:00:00Z"

    @property
    def report(self) -> Report:
        return Report(self.count, self.database.given_up, 0, 0, ())

    def records(self, after: int = 0) -> Iterator[tuple[int, bytes]]:
        after = max(after, (self.fresh_from or 1) - 1)
        self.count, self.last = 0, max(after, self.database.last)
        for number, payload in sorted(self.database.records.items()):
            if number > after:
                self.count += 1
                yield number, payload

    def resumption(self, sequence: int) -> tuple[int, Sequence[Frame]]:
        return max(self.last, sequence) + 1, ()

    def keep_damaged(self) -> list[Path]:
        return []


@attrs.define(eq=False)
class MemoryStore:
    """The store of one process."""

    database: Database
    application: str = "web"
    keep: int = 5
    syntax: str = "pickle"
    generations_folder: Path = PLACE

    def lock(self) -> Self:
        if self.database.holder not in (None, self):
            raise LockedError(self.application, PLACE, os.getpid())
        self.database.holder = self
        self.remove_leftovers()
        return self

    def unlock(self) -> None:
        if self.database.holder is self:
            self.database.holder = None

    def states(self) -> Sequence[State]:
        found = [State(path, self.read(path)[0].passport) for path in reversed(self._paths())]
        return sorted(found, key=lambda state: state.age, reverse=True)

    def unreadable(self) -> Sequence[SnapshotError]:
        return []

    def read(self, path: Path) -> tuple[Snapshot, Owner]:
        return pickled.decode(self.database.states[path]), Us(path, os.geteuid(), (0, 0), DISK)

    def is_state(self, state: State, path: Path) -> bool:
        return state.path == path

    def changed(self, path: Path) -> float:
        return float(path.name[-6:])

    def check_newest(self) -> None:
        pass

    def passed_over(self, newest: Path) -> list[Path]:
        return []

    def generations(self) -> list[Path]:
        return [path for path in reversed(self._paths()) if path.name.startswith("checkpoint")]

    def draft(self, root: object, **facts: Any) -> Path:
        disk = SimulatedDisk()
        after = last_written(self.states(), facts.get("sequence", 0))
        snapshot.write(
            ROOT / "it",
            root,
            application=self.application,
            holds="state",
            after=after,
            disk=disk,
            **facts,
        )
        self.database.check()
        path = self.database.name("checkpoint")
        self.database.drafts[path] = disk.read(ROOT / "it")
        return path

    def admit(self, draft: Path) -> Path:
        self.database.check()
        self.database.states[draft] = self.database.drafts.pop(draft)
        return draft

    def remove_leftovers(self) -> None:
        self.database.drafts.clear()

    def save(self, root: object, **facts: Any) -> Path:
        path = self.admit(self.draft(root, **facts))
        self.prune()
        return path

    def prune(self) -> None:
        kept = self.states()[: self.keep + 1]
        states, records = self.database.states, self.database.records
        self.database.states = {state.path: states[state.path] for state in kept}
        oldest = min((state.passport.sequence for state in kept), default=0)
        self.database.records = {n: record for n, record in records.items() if n > oldest}

    def records(self, key: bytes | None, *, is_opened: bool = True) -> MemoryRecords:
        return MemoryRecords(self.database)

    def journal(
        self,
        *,
        first: int,
        fresh: bool,
        on_progress: Callable[[int], object],
        on_failure: Callable[[WriteError], object],
        on_recovery: Callable[[], object],
        **_: Any,
    ) -> MemoryJournal:
        self.database.check()
        if fresh:
            self.database.fresh_from = self.database.last = first
            first += 1
        journal = MemoryJournal(self.database, first - 1, on_progress, on_failure, on_recovery)
        self.database.journals.append(journal)
        return journal

    def _paths(self) -> list[Path]:
        return sorted(self.database.states)
