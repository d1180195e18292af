"""What a place for the states and records of one application has to promise, whatever it is.

`store` keeps them in a folder; a database would be another `Store`. Whoever runs an application asks
for nothing else. What is promised here is what tests/persist/test_storeconformance.py checks of any.

A state holds the effect of all records up to its number, its passport's `sequence`. What a run begins
with is the newest state that can be read and the records after it. A path is what a person knows a
state by; only the store need find anything there.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Protocol, Self

import attrs

from .content import Snapshot
from .files import WriteError
from .frames import Frame
from .journalreader import Report
from .journalwriter import Level
from .passport import Passport
from .snapshot import SnapshotError
from .trust import Owner, Signer


@attrs.frozen
class State:
    """A state in the store, and its passport."""

    path: Path
    passport: Passport

    @property
    def age(self) -> tuple[int, str]:
        """What is greater for the newer of two."""
        return self.passport.sequence, self.passport.written


def last_written(states: Iterable[State], sequence: int) -> str:
    """When the last one of this number was written: a further one has to seem later.

    The clock may have been set back, or both be of the same second. Empty if there is none.
    """
    numbered = (state.passport for state in states if state.passport.sequence == sequence)
    return max((passport.written for passport in numbered), default="")


class Appender(Protocol):
    """Takes records and secures them in the order of their numbers; see `journal.Journal`."""

    @property
    def appended(self) -> int:
        """The number of the last record taken."""
        ...

    @property
    def volume(self) -> int:
        """The bytes of all records taken."""
        ...

    @property
    def secured(self) -> int:
        """Up to this number all are as safe as the level promises, or withdrawn. It never falls."""
        ...

    def append(self, payload: bytes) -> int:
        """Take a record, and give its number: one more than that of the one before. Never waits."""
        ...

    def withdraw(self) -> range:
        """Give up what is not secured, and tell which numbers that was; none is used again."""
        ...

    def rotate(self) -> int:
        """The number of the next record; what comes before can be pruned apart from it."""
        ...

    def close(self) -> None:
        """Secure what is left; raises `WriteError` if that fails. Nothing is taken after it."""
        ...


class Records(Protocol):
    """The records of one application, as they were left; see `journalreader.JournalReader`."""

    @property
    def folder(self) -> Path:
        """Where a person finds them."""
        ...

    @property
    def fresh_from(self) -> int | None:
        """The first number of a history that forgets all before it; None if there was no such."""
        ...

    @property
    def fresh_since(self) -> str:
        """When that history was begun; empty if there is none."""
        ...

    @property
    def last(self) -> int:
        """The greatest number met, of a record or of one given up; once `records` has ended."""
        ...

    @property
    def report(self) -> Report:
        """What was met, once `records` has ended."""
        ...

    def records(self, after: int = 0) -> Iterator[tuple[int, bytes]]:
        """The records with greater numbers, in order, with their numbers.

        Every one that was ever called secured is among them, unless it was pruned, or the `report`
        tells that it is missing. Raises `JournalError` where nothing can be told of them.
        """
        ...

    def resumption(self, sequence: int) -> tuple[int, Sequence[Frame]]:
        """What `Store.journal` is told to go on after `records`, as `first` and `carried`.

        `sequence` is that of the state to which they were applied.
        """
        ...

    def keep_damaged(self) -> list[Path]:
        """Keep what the report calls damaged where it is not pruned; tells where."""
        ...


class Store(Protocol):
    """The states and records of one application. One process at a time has the lease of it.

    Anyone may read; who saves, appends or prunes must have the lease. Whatever ends the process, at
    any moment: a state that was there is there, and one is there as a whole or not at all.
    """

    @property
    def application(self) -> str:
        """Whose states these are."""
        ...

    keep: int
    """How many older states stay besides the newest."""
    syntax: str
    """In which syntax the next state is saved, if the store knows several."""

    # The lease.

    def lock(self) -> Self:
        """Take the lease, which ends with this process; raises `LockedError` if another has it.

        What a process that was killed has left unfinished is removed.
        """
        ...

    def unlock(self) -> None:
        """Give the lease back, if this has it."""
        ...

    # Generations.

    def states(self) -> Sequence[State]:
        """All states there are: first the one that holds most, and of equals the one written last."""
        ...

    def unreadable(self) -> Sequence[SnapshotError]:
        """What is wrong with states that do not even say what they hold."""
        ...

    def read(self, path: Path) -> tuple[Snapshot, Owner]:
        """The state at `path`, whole, and by whom it was put there. Raises `SnapshotError`."""
        ...

    def is_state(self, state: State, path: Path) -> bool:
        """Whether the file at `path`, that somebody has named, is this very state."""
        ...

    def changed(self, path: Path) -> float:
        """When the state at `path` was put there, in seconds; infinite if nobody knows."""
        ...

    def check_newest(self) -> None:
        """Raises `UnsureError` if it cannot be told which of several states is the newest."""
        ...

    def passed_over(self, newest: Path) -> list[Path]:
        """States that somebody may take for the newest, which is another."""
        ...

    def generations(self) -> list[Path]:
        """The states other than the last clean stop's, the one written last first."""
        ...

    @property
    def generations_folder(self) -> Path:
        """Where a person finds these."""
        ...

    # Checkpoints.

    def draft(
        self,
        root: object,
        *,
        sequence: int,
        paths: Sequence[str] = (),
        origin: str | None = None,
        blueprint: str | None = None,
        signer: Signer | None,
    ) -> Path:
        """Write the state `root`, which holds the effect of all records up to `sequence`.

        It has been read back and verified, but counts for nothing until `admit`. A forked child may
        call this and end. Raises `CaptureError`, `WriteError` or `SnapshotError`; the states are as
        they were.
        """
        ...

    def admit(self, draft: Path) -> Path:
        """Make a draft a state, durably; tells which. Nothing is pruned. Raises `WriteError`."""
        ...

    def remove_leftovers(self) -> None:
        """Remove all drafts. None may be in the making."""
        ...

    def save(
        self,
        root: object,
        *,
        sequence: int = 0,
        paths: Sequence[str] = (),
        origin: str | None = None,
        blueprint: str | None = None,
        signer: Signer | None,
    ) -> Path:
        """Write `root` as the state of a clean stop, durably, and prune; tells which it is.

        Raises as `draft` does, and for a text syntax FormatError or `VerificationError`; all states
        are then as they were.
        """
        ...

    def prune(self) -> None:
        """Remove what is not needed: states but for the newest and `keep` older ones, and records.

        Records stay as long as any of those states is without their effect. That something cannot
        be removed is no error. To be called when the newest has been verified.
        """
        ...

    # Records.

    def records(self, key: bytes | None, *, is_opened: bool = True) -> Records:
        """The records. With a `key` only what was written with it counts; without, anything does,
        and nothing of it may be believed. Raises `JournalError`.

        Where they are not `is_opened` and are sealed, only their numbers can be had: there is
        nothing in them.
        """
        ...

    def journal(
        self,
        *,
        first: int,
        carried: Sequence[Frame],
        key: bytes,
        level: Level,
        fresh: bool,
        on_progress: Callable[[int], object],
        on_failure: Callable[[WriteError], object],
        on_recovery: Callable[[], object],
    ) -> Appender:
        """Begin to append: the next record gets the number `first`, or the one after `carried`.

        A `fresh` history gives up its first number, and all that is before it is forgotten. Raises
        `WriteError`.

        `on_progress` is called with the number up to which all is now secured, `on_failure` each
        time that something cannot be written, and `on_recovery` when it can again; from any thread.
        """
        ...
