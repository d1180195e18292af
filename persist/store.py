"""Where the state of one application lives on disk.

web-shutdown.snap              the newest state
web.generations/000001.snap    older ones and checkpoints, the greater number the newer
web.journal/                   what happened since (see `journal`)
web.lock                       held by the process that runs the application; has its number

A state in XML is called ``web-shutdown.snap.xml``, and one in source ``web-shutdown.snap.py``; so
are generations. Such a file may also be an export that somebody has put beside the newest state.
"""

import contextlib
import filecmp
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import attrs

from . import files, segment, siblings, snapshot
from .disk import DISK
from .formats.table import SUFFIXES
from .lock import Lock, StoreError, way_out
from .passport import Passport
from .trust import Signer

NEWEST: Final = "{}-shutdown.snap"
GENERATIONS: Final = "{}.generations"
GENERATION: Final = "{:06d}.snap"
JOURNAL: Final = "{}.journal"
LOCK: Final = "{}.lock"
_NUMBERED: Final = re.compile(
    rf"([0-9]+)\.snap({'|'.join(map(re.escape, SUFFIXES.values()))})", re.ASCII
)
_LONGEST_NAME: Final = 100


def _check_name(store: "FolderStore", attribute: object, name: str) -> None:
    if not name or name[0] == "." or "/" in name or "\0" in name:
        raise StoreError(store.folder, f"no file can be called after {name!r}; choose another")
    if len(os.fsencode(name)) > _LONGEST_NAME:
        raise StoreError(
            store.folder, f"the name {name[:20]}... is longer than {_LONGEST_NAME} bytes"
        )


@attrs.frozen
class State:
    """A state in the store, and its passport."""

    path: Path
    passport: Passport

    @property
    def age(self) -> tuple[int, str]:
        """What is greater for the newer of two."""
        return self.passport.sequence, self.passport.written


@attrs.define
class FolderStore:
    """The states of `application`, in `folder`. `keep` older ones are kept besides the newest.

    They are saved in `syntax`, and found in any. Only the process that holds the lock may save or prune.
    """

    folder: Path
    application: str = attrs.field(validator=_check_name)
    keep: int = 5
    syntax: str = "pickle"
    _lock: Lock = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._lock = Lock(self.folder / LOCK.format(self.application), self.application)

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
            if folder is not self.folder and not folder.exists():
                continue
            probe = folder / files.temporary_name(self.shutdown_path.name)
            try:
                files.replace(probe, b"")
                os.unlink(probe)
            except files.WriteError as error:
                raise StoreError(folder, way_out(error.number)) from error
            except OSError as error:
                raise StoreError(folder, way_out(error.errno)) from error
        for path in self._shutdown_files():
            with contextlib.suppress(FileNotFoundError):
                if not os.access(path, os.R_OK | os.W_OK, effective_ids=True):
                    owner = os.stat(path).st_uid
                    raise StoreError(
                        self.folder,
                        f"{path.name} belongs to user {owner} and could not be set aside"
                        f" for a newer one; chown it to user {os.geteuid()}",
                    )

    def check_newest(self) -> None:
        """Raises `UnsureError` if there are several newest states, and one cannot be read."""
        found = self._shutdown_files()
        if len(found) > 1:
            siblings.check(found)

    def passed_over(self, newest: Path) -> list[Path]:
        """What lies beside the newest state with another content, and was edited: nothing of it is taken.

        That is an export of `newest`, or a file that was changed after `newest` was. It takes the
        time to read all of them, if there are any.
        """
        found = self._not_retired(self._shutdown_files())
        others = [path for path in found if path != newest]
        if not others:
            return []
        taken = snapshot.read(newest)
        return [path for path in others if siblings.is_edited(path, newest, taken)]

    def generations(self) -> list[Path]:
        """The older states, newest first."""
        return [path for _, path in sorted(self._numbered(), reverse=True)]

    def states(self) -> list[State]:
        """All states there are: first the one that holds most, and of equals the one written last.

        Files of one time are in the order of this store's own syntax, binary, the others: an export
        has the time of its original. Those that do not say what they are, are `unreadable`.
        """
        states = [found for found in self._found() if isinstance(found, State)]
        return sorted(states, key=lambda state: state.age, reverse=True)

    def unreadable(self) -> list[snapshot.SnapshotError]:
        """What is wrong with those of which nothing can be told, not even their age."""
        return [found for found in self._found() if isinstance(found, snapshot.SnapshotError)]

    def _found(self) -> Iterator[State | snapshot.SnapshotError]:
        newest = self._shutdown_files()
        kept = self._not_retired(newest)
        # An export may be older than what a killed save had made a generation.
        retired = [path for path in newest if path not in kept]
        for path in [*kept, *retired, *self.generations()]:
            try:
                found: State | snapshot.SnapshotError = State(path, snapshot.peek(path))
            except snapshot.SnapshotError as error:
                found = error
            yield found

    def draft(
        self,
        root: object,
        *,
        sequence: int,
        paths: Sequence[str] = (),
        origin: str | None = None,
        signer: Signer | None,
    ) -> Path:
        """Write a checkpoint, which holds the effect of all records up to `sequence`.

        It is whole and on the device, in binary whatever the syntax of the store, but counts for
        nothing until `admit`. Raises as `save` does.
        """
        self._make_generations_folder()
        path = self.generations_folder / files.temporary_name("checkpoint")
        snapshot.write(
            path,
            root,
            application=self.application,
            holds="state",
            paths=paths,
            origin=origin,
            signer=signer,
            sequence=sequence,
        )
        return path

    def admit(self, draft: Path) -> Path:
        """Make `draft` a generation, durably; gives its path. Raises `WriteError`.

        Nothing is pruned: `prune` does that.
        """
        path = self._next_generation("")
        try:
            os.rename(draft, path)
            files.flush_folder(path.parent)
        except OSError as error:
            raise files.write_error(path, "renaming", error) from error
        return path

    def save(
        self,
        root: object,
        *,
        sequence: int = 0,
        paths: Sequence[str] = (),
        origin: str | None = None,
        signer: Signer | None,
    ) -> Path:
        """Write the state `root` as the newest; the one before it becomes a generation.

        That happens once the new one is on the device and has been read back: at every moment
        there is a whole newest state. What lies beside it in other syntaxes becomes generations
        too, but for exports of a state that is or becomes one: these stay where they are, and are
        known to be older by the time when they were written. Raises `CaptureError`, `WriteError` or
        `SnapshotError`, and for text `FormatError` or
        `VerificationError`; all earlier states are then as they were.
        """
        left = self._exports()
        snapshot.write(
            self.shutdown_path,
            root,
            application=self.application,
            holds="state",
            paths=paths,
            origin=origin,
            signer=signer,
            syntax=self.syntax,
            sequence=sequence,
            retire=lambda: self._copy_to_generations(left),
        )
        for path in self._shutdown_files()[1:]:
            if path not in left:
                # One that stays is known by the copy among the generations.
                with contextlib.suppress(OSError):
                    os.unlink(path)
        self.prune()
        return self.shutdown_path

    def _shutdown_path(self, syntax: str) -> Path:
        return self.folder / (NEWEST.format(self.application) + SUFFIXES[syntax])

    def _shutdown_files(self) -> list[Path]:
        """Those that are there, this store's own syntax first, the others in their order."""
        order = dict.fromkeys([self.syntax, *SUFFIXES])
        return [path for path in map(self._shutdown_path, order) if path.exists()]

    def _not_retired(self, found: list[Path]) -> list[Path]:
        """`found` without what a killed save had made a generation and would have removed."""
        if len(found) < 2:
            return found
        older = self.generations()
        for is_same in (os.path.samefile, _has_content_of):
            left = [path for path in found if not any(is_same(path, other) for other in older)]
            if 0 < len(left) < len(found):
                return left
        return found

    def remove_leftovers(self) -> None:
        """Remove drafts, and what a killed save has left. No save may be going on."""
        ours = {self._shutdown_path(syntax).name for syntax in SUFFIXES}
        for folder in (self.folder, self.generations_folder):
            # What cannot be removed costs room, and nothing else.
            with contextlib.suppress(OSError):
                for name in os.listdir(folder):
                    target = files.target_of(name)
                    if target in ours or (target and folder != self.folder):
                        os.unlink(folder / name)

    def _exports(self) -> set[Path]:
        """What the next save leaves where it is, that would only use up generations."""
        found = self._shutdown_files()
        if len(found) < 2:
            return set()
        replaced = found[0] if found[0] == self.shutdown_path else None
        return siblings.exports(found, replaced, next(iter(self.generations()), None))

    def _copy_to_generations(self, left: set[Path]) -> None:
        found = [path for path in self._shutdown_files() if path not in left]
        if len(found) > 1:
            # The one that `newest` finds gets the greatest number.
            found.reverse()
            found.sort(key=siblings.written)
        for path in found:
            self._copy_to_generation(path)

    def _copy_to_generation(self, path: Path) -> None:
        if any(os.path.samefile(path, other) for other in self.generations()):
            return  # A save that was killed between this and its rename has done it.
        target = self._next_generation(path.name.removeprefix(NEWEST.format(self.application)))
        try:
            os.link(path, target)
            files.flush_folder(target.parent)
        except OSError:
            # A file system without hard links, or another's file: a copy costs only time.
            try:
                content = path.read_bytes()
            except OSError as error:
                raise files.write_error(path, "copying to a generation", error) from error
            files.replace(target, content)

    def _next_generation(self, suffix: str) -> Path:
        self._make_generations_folder()
        last = max((number for number, _ in self._numbered()), default=0)
        return self.generations_folder / (GENERATION.format(last + 1) + suffix)

    def _make_generations_folder(self) -> None:
        folder = self.generations_folder
        try:
            folder.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise files.write_error(folder, "creation", error) from error

    def _numbered(self) -> list[tuple[int, Path]]:
        found: list[tuple[int, Path]] = []
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            for path in self.generations_folder.iterdir():
                if match := _NUMBERED.fullmatch(path.name):
                    found.append((int(match[1]), path))
        return found

    def prune(self) -> None:
        """Remove the generations beyond those to be kept, and the records that only they need."""
        # One file too many harms nobody, and what was saved is saved.
        for path in self.generations()[self.keep :]:
            with contextlib.suppress(OSError):
                os.unlink(path)
        with contextlib.suppress(OSError, snapshot.SnapshotError):
            oldest = min(state.passport.sequence for state in self.states())
            segment.prune(DISK, self.journal_folder, oldest)


def _has_content_of(path: Path, other: Path) -> bool:
    return filecmp.cmp(path, other, shallow=False)
