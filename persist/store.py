"""Where the state of one application lives on disk.

web-shutdown.snap              the newest state
web.generations/000001.snap    older ones and checkpoints, the greater number the newer
web.journal/                   what happened since (see `journal`)
web.lock                       held by the process that runs the application; has its number

A state in XML is called ``web-shutdown.snap.xml``, and one in source ``web-shutdown.snap.py``; so
are generations. Such a file may also be an export that somebody has put beside the newest state.
"""

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import attrs

from . import files, inventory, segment, siblings, snapshot
from .disk import DISK, Disk
from .files import WriteError
from .formats.table import SUFFIXES
from .frames import Frame
from .generations import Generations, divided
from .journal import Journal
from .journalreader import JournalReader
from .journalwriter import Level
from .keyring import Keyring
from .lock import Lock, StoreError, check_replaceable, check_writable
from .sealing import Envelope, Seal
from .snapshot import MissingSnapshotError, Snapshot, SnapshotError
from .storage import State, last_written
from .trust import Owner, Signer

__all__ = ["GENERATIONS", "JOURNAL", "LOCK", "NEWEST", "FolderStore", "State"]

NEWEST: Final = "{}-shutdown.snap"
GENERATIONS: Final = "{}.generations"
JOURNAL: Final = "{}.journal"
LOCK: Final = "{}.lock"
_LONGEST_NAME: Final = 100


def _check_name(store: "FolderStore", attribute: object, name: str) -> None:
    if not name or name[0] == "." or "/" in name or "\0" in name:
        raise StoreError(store.folder, f"no file can be called after {name!r}; choose another")
    if len(os.fsencode(name)) > _LONGEST_NAME:
        raise StoreError(
            store.folder, f"the name {name[:20]}... is longer than {_LONGEST_NAME} bytes"
        )


@attrs.define
class FolderStore:
    """The states of `application`, in `folder`. `keep` older ones are kept besides the newest.

    They are saved in `syntax`, and found in any. Only the process that holds the lock may save or
    prune. It is the `storage.Store` in which a path is that of a file; all is asked of `disk`.

    With a `seal` all that is written is sealed. Without one it is so too if what is there is: see
    `stay_sealed`. What is sealed is read with the `keyring`.
    """

    folder: Path
    application: str = attrs.field(validator=_check_name)
    keep: int = 5
    syntax: str = "pickle"
    disk: Disk = attrs.field(default=DISK, repr=False)
    keyring: Keyring = attrs.field(factory=Keyring)
    seal: Seal | None = None
    _has_looked: bool = attrs.field(init=False, default=False)
    _lock: Lock = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        path = self.folder / LOCK.format(self.application)
        self._lock = Lock(path, self.application, self.disk)

    @property
    def shutdown_path(self) -> Path:
        """Where the next state will be."""
        return self._shutdown_path(self.syntax)

    @property
    def lock_path(self) -> Path:
        """The file whose lock says that the application runs."""
        return self._lock.path

    @property
    def generations_folder(self) -> Path:
        """Where older states are."""
        return self.folder / GENERATIONS.format(self.application)

    @property
    def journal_folder(self) -> Path:
        """Where the journal is."""
        return self.folder / JOURNAL.format(self.application)

    def lock(self) -> Self:
        """Take the lock; gives the store itself, whose block then ends with `unlock`.

        See `Lock.take`. What a killed save has left is removed. Raises `LockedError`, or
        `StoreError` if the lock file cannot be made.
        """
        fresh = not self._lock.is_held
        self._lock.take()
        if fresh:
            self.remove_leftovers()
        return self

    def unlock(self) -> None:
        """Let go of the lock, if it is held."""
        self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.unlock()

    def check_writable(self) -> None:
        """Prove that this process may write a save here; not that there is room for it.

        Raises `StoreError`.
        """
        for folder in (self.folder, self.generations_folder):
            if folder is self.folder or self.disk.exists(folder):
                check_writable(folder, self.shutdown_path.name, self.disk)
        for path in self._shutdown_files():
            check_replaceable(path, self.disk)

    def check_newest(self) -> None:
        """Raises `UnsureError` if there are several newest states, and one cannot be read."""
        found = self._shutdown_files()
        if len(found) > 1:
            siblings.check(found, self.disk)

    def passed_over(self, newest: Path) -> list[Path]:
        """What lies beside the newest state with another content, and was edited: nothing of it is taken.

        That is an export of `newest`, or a file that was changed after `newest` was. It takes the
        time to read all of them, if there are any.
        """
        found = siblings.not_retired(self._shutdown_files(), self.generations(), self.disk)
        others = [path for path in found if path != newest]
        if not others:
            return []
        taken = snapshot.read(newest, self.disk, self.keyring)
        return [path for path in others if siblings.is_edited(path, newest, taken, self.disk)]

    def generations(self) -> list[Path]:
        """The older states, newest first."""
        return self._generations.paths()

    def states(self) -> list[State]:
        """All states there are: first the one that holds most, and of equals the one written last.

        Files of one time are in the order of this store's own syntax, binary, the others: an export
        has the time of its original. Those that do not say what they are, are `unreadable`.
        """
        states = [found for found in self._found() if isinstance(found, State)]
        return sorted(states, key=lambda state: state.age, reverse=True)

    def unreadable(self) -> list[SnapshotError]:
        """What is wrong with those of which nothing can be told, not even their age."""
        return [found for found in self._found() if isinstance(found, SnapshotError)]

    def read(self, path: Path) -> tuple[Snapshot, Owner]:
        """The state at `path`, and whose file it is. Raises `SnapshotError` or `UnlockError`."""
        owner = Owner.of(path, self.disk)
        return snapshot.read(path, self.disk, self.keyring), owner

    def stay_sealed(self) -> None:
        """Seal what is written from now on, if the newest state or the records after it are sealed.

        So no blueprint, and no forgotten option, brings a state into the clear: only who converts it
        by name does. Whatever writes asks for this; a server does before it starts. Raises
        `UnlockError`.
        """
        if self.seal is None and not self._has_looked:
            state = next(iter(self.states()), None)
            path, text = inventory.envelope(state, self.records(None, is_opened=False))
            self.seal = self.keyring.unlock(Envelope.parse(text), path) if text else None
        self._has_looked = True

    def is_state(self, state: State, path: Path) -> bool:
        """Whether `path` is a name of the very file of `state`."""
        return self.disk.exists(path) and self.disk.is_same(state.path, path)

    def changed(self, path: Path) -> float:
        """When the file at `path` was changed, in seconds; infinite if there is none."""
        try:
            return self.disk.status(path).st_mtime
        except OSError:
            return float("inf")

    def _found(self) -> Iterator[State | SnapshotError]:
        newest = self._shutdown_files()
        kept = siblings.not_retired(newest, self.generations(), self.disk)
        # An export may be older than what a killed save had made a generation.
        retired = [path for path in newest if path not in kept]
        for path in [*kept, *retired, *self.generations()]:
            try:
                found: State | SnapshotError = State(path, snapshot.peek(path, self.disk))
            except SnapshotError as error:
                found = error
            yield found

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
        """Write a checkpoint, which holds the effect of all records up to `sequence`.

        It is whole and on the device, in binary whatever the syntax of the store, but counts for
        nothing until `admit`. Raises as `save` does.
        """
        self.stay_sealed()
        path = self._generations.draft()
        snapshot.write(
            path,
            root,
            application=self.application,
            holds="state",
            paths=paths,
            origin=origin,
            blueprint=blueprint,
            signer=signer,
            sequence=sequence,
            seal=self.seal,
            after=last_written(self.states(), sequence),
            disk=self.disk,
        )
        return path

    def admit(self, draft: Path) -> Path:
        """Make `draft` a generation, durably; gives its path. Raises `WriteError`.

        Nothing is pruned: `prune` does that.
        """
        return self._generations.admit(draft)

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
        """Write the state `root` as the newest; the one before it becomes a generation.

        That happens once the new one is on the device and has been read back: at every moment
        there is a whole newest state. What lies beside it in other syntaxes becomes generations
        too, but for exports of a state that is or becomes one: these stay where they are, and are
        known to be older by the time when they were written. Raises `CaptureError`, `WriteError` or
        `SnapshotError`, for text `FormatError` or `VerificationError`; nothing has changed then.
        """
        self.stay_sealed()
        left = self._exports()
        snapshot.write(
            self.shutdown_path,
            root,
            application=self.application,
            holds="state",
            paths=paths,
            origin=origin,
            blueprint=blueprint,
            signer=signer,
            syntax=self.syntax,
            sequence=sequence,
            seal=self.seal,
            after=last_written(self.states(), sequence),
            retire=lambda: self._copy_to_generations(left),
            disk=self.disk,
        )
        for path in self._shutdown_files()[1:]:
            if path not in left:
                # One that stays is known by the copy among the generations.
                with contextlib.suppress(OSError):
                    self.disk.unlink(path)
        self.prune()
        return self.shutdown_path

    def _shutdown_path(self, syntax: str) -> Path:
        return self.folder / (NEWEST.format(self.application) + SUFFIXES[syntax])

    def _shutdown_files(self) -> list[Path]:
        """Those that are there, this store's own syntax first, the others in their order."""
        order = dict.fromkeys([self.syntax, *SUFFIXES])
        return [path for path in map(self._shutdown_path, order) if self.disk.exists(path)]

    def remove_leftovers(self) -> None:
        """Remove drafts, and what a killed save has left. No save may be going on."""
        ours = {self._shutdown_path(syntax).name for syntax in SUFFIXES}
        for folder in (self.folder, self.generations_folder):
            # What cannot be removed costs room, and nothing else.
            with contextlib.suppress(OSError):
                for name in self.disk.names(folder):
                    target = files.target_of(name)
                    if target in ours or (target and folder != self.folder):
                        self.disk.unlink(folder / name)

    def _exports(self) -> set[Path]:
        """What the next save leaves where it is, that would only use up generations."""
        found = self._shutdown_files()
        if len(found) < 2:
            return set()
        replaced = found[0] if found[0] == self.shutdown_path else None
        older = next(iter(self.generations()), None)
        return siblings.exports(found, replaced, older, self.disk, self.keyring)

    def _copy_to_generations(self, left: set[Path]) -> None:
        found = [path for path in self._shutdown_files() if path not in left]
        if len(found) > 1:
            # The one that `newest` finds gets the greatest number.
            found.reverse()
            found.sort(key=lambda path: siblings.written(path, self.disk))
        for path in found:
            suffix = path.name.removeprefix(NEWEST.format(self.application))
            self._generations.add(path, suffix)

    @property
    def _generations(self) -> Generations:
        return Generations(self.generations_folder, self.disk)

    def prune(self) -> None:
        """Remove what is beyond the newest state and the `keep` ones before it, and their records.

        The state of the last clean stop is never removed, but counts like any other: once there are
        so many newer ones, the records since then go.
        """
        unreadable = self.unreadable()
        generations = self.generations()
        kept, older = self._by_age(generations)
        damaged = {error.path for error in unreadable}
        beyond = [path for path in generations[self.keep :] if path in damaged]
        # One file too many harms nobody, and what was saved is saved.
        for path in (*beyond, *(state.path for state in older)):
            if path in generations:
                with contextlib.suppress(OSError):
                    self.disk.unlink(path)
        if not kept or any(isinstance(error, MissingSnapshotError) for error in unreadable):
            return  # What cannot be read now may be read again, and then need its records.
        oldest = min(state.passport.sequence for state in kept)
        segment.prune(self.disk, self.journal_folder, oldest)

    def _by_age(self, generations: Sequence[Path]) -> tuple[list[State], list[State]]:
        """The states to be kept, and the others; without exports that lie beside the last stop's."""
        states = self.states()
        stopped = next((state for state in states if state.path not in generations), None)
        counted = [state for state in states if state is stopped or state.path in generations]
        return divided(counted, self.keep + 1)

    def records(self, key: bytes | None, *, is_opened: bool = True) -> JournalReader:
        """A reader of the journal. Raises `JournalError`."""
        keyring = self.keyring if is_opened else None
        return JournalReader(self.journal_folder, self.application, key, self.disk, keyring)

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
    ) -> Journal:
        """Go on with the journal. Raises `WriteError` or `UnlockError`."""
        self.stay_sealed()
        return Journal(
            self.journal_folder,
            application=self.application,
            first=first, carried=carried, key=key, level=level, fresh=fresh,
            on_progress=on_progress, on_failure=on_failure, on_recovery=on_recovery,
            seal=self.seal, disk=self.disk,
        )  # fmt: skip
