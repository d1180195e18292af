"""Where a snapshot lies that is changed in place, and how what was there is kept.

The newest state is changed as a stop changes it: under the lock, and the former becomes a
generation. Any other snapshot, a blueprint above all, is in nobody's store:

web.snap                   the blueprint
web.former/000001.snap     what it was before, the greater number the later

No start looks there, so that none of it can be taken for a state; see `generations` for where it does.
"""

import fcntl
import os
from collections.abc import Generator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import ClassVar, Final, Self

import attrs

from ..app import privileges
from ..app.application import Application
from ..app.loader import Loaded, Loader
from ..persist import snapshot
from ..persist.disk import DISK, Disk
from ..persist.errors import PerdureError
from ..persist.formats import table
from ..persist.generations import Generations
from ..persist.keyring import Keyring
from ..persist.lock import LockedError
from ..persist.store import GENERATIONS, NEWEST, FolderStore
from .storeview import running
from .subject import AccessError, identity_of

FORMER: Final = "{}.former"
_KEPT: Final = 5
"""As many as of states, if nobody says otherwise."""


@attrs.define(str=False)
class GenerationError(PerdureError):
    """The file is kept as it was, by the store it is in."""

    exit_status: ClassVar[int] = os.EX_USAGE
    path: Path

    def __str__(self) -> str:
        return (
            f"{self.path} is kept as it was: run it and stop it, and change what that has saved; or"
            " change the blueprint, which decides what is served with the newest state"
        )


@attrs.define(str=False)
class RunningError(PerdureError):
    """The process `pid` runs the application, and would save over the state; None if not known."""

    exit_status: ClassVar[int] = os.EX_TEMPFAIL
    path: Path
    pid: int | None

    def __str__(self) -> str:
        process, stop = "another process", "stop it first"
        if self.pid:
            process, stop = f"process {self.pid}", f"stop it first (kill {self.pid})"
        return (
            f"{self.path}: {process} runs this application, and will save over it; {stop}, or"
            " change the blueprint, which counts from the next start"
        )


@attrs.define(str=False)
class NotNewestError(PerdureError):
    """More is kept than the state at `path` holds, and would not count any more: see `reason`."""

    exit_status: ClassVar[int] = os.EX_TEMPFAIL
    path: Path
    reason: str

    def __str__(self) -> str:
        return (
            f"{self.path}: {self.reason}; start the application and stop it, then it is in there;"
            " or change the blueprint, which decides what is served with the newest state"
        )


@attrs.define(str=False)
class MisnamedError(PerdureError):
    """A state is in `syntax`, and its name says another: no stop would save over it."""

    exit_status: ClassVar[int] = os.EX_USAGE
    path: Path
    syntax: str

    def __str__(self) -> str:
        _, said = table.split(self.path.name)
        return f"{self.path}: it is in {self.syntax}, and called as if in {said}; rename it first"


@attrs.frozen
class Place:
    """Where a snapshot lies: the file at `path`."""

    path: Path

    def tried(self, disk: Disk) -> Self:
        """The same place, of which nothing is changed but on `disk`."""
        raise NotImplementedError

    def taken(self) -> AbstractContextManager[None]:
        """Nobody else changes it within the block, and who may not is told so, in one line."""
        raise NotImplementedError

    def put(self, application: Application, former: Loaded, loader: Loader) -> Path:
        """Write `application` there, and keep the `former`; tells where that is.

        Signed if the former was this user's own work, and sealed if it was sealed. It is there whole
        and durable, or the former still is. Raises as `snapshot.write` does.
        """
        raise NotImplementedError


@attrs.frozen
class File(Place):
    """A snapshot in no store: a blueprint, or a state that somebody has put aside."""

    disk: Disk = attrs.field(default=DISK, repr=False)

    @property
    def _formers(self) -> Generations:
        name, _ = table.split(self.path.name)
        return Generations(self.path.with_name(FORMER.format(name)), self.disk)

    def tried(self, disk: Disk) -> Self:
        return attrs.evolve(self, disk=disk)

    @contextmanager
    def taken(self) -> Generator[None]:
        """Raises AccessError if it is another user's, who could not read what would be written."""
        owner = self.disk.status(self.path).st_uid
        if owner != os.geteuid():
            raise AccessError(
                self.path,
                f"it belongs to user {owner}, and this is user {os.geteuid()}; run as that user",
            )
        # Two at once would number what they keep alike. A lock of its own would be one file more.
        folder = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            yield
        finally:
            os.close(folder)

    def put(self, application: Application, former: Loaded, loader: Loader) -> Path:
        formers, passport = self._formers, former.passport
        snapshot.write(
            self.path,
            application,
            application=application.name,
            holds=passport.holds,
            paths=application.paths,
            origin=former.digest.hex(),
            sequence=passport.sequence,
            blueprint=passport.blueprint,
            after=passport.written,
            signer=loader.signer if former.own else None,
            syntax=former.syntax,
            seal=former.seal,
            retire=lambda: formers.add(self.path, table.SUFFIXES[former.syntax]),
            disk=self.disk,
        )
        for path in formers.paths()[_KEPT:]:
            # One file too many harms nobody.
            with suppress(OSError):
                self.disk.unlink(path)
        return formers.paths()[0]


@attrs.frozen
class NewestState(Place):
    """The state of the last clean stop, in its store."""

    store: FolderStore
    is_tried: bool = False

    def tried(self, disk: Disk) -> Self:
        return attrs.evolve(self, store=attrs.evolve(self.store, disk=disk), is_tried=True)

    @contextmanager
    def taken(self) -> Generator[None]:
        """Root becomes the user whose state it is, for good, as a server does.

        Raises RunningError, NotNewestError, AccessError, or as the store does.
        """
        store = self.store
        identity = identity_of(store)
        if self.is_tried:
            # A lock is a file, and to take one is to be in somebody's way.
            pid = running(store)
            if pid is not None:
                raise RunningError(self.path, pid)
            privileges.drop(identity)
            self._check_newest()
            yield
            return
        try:
            store.lock()
        except LockedError as error:
            raise RunningError(self.path, error.pid) from error
        with store:
            privileges.drop(identity)
            store.check_writable()
            self._check_newest()
            yield

    def put(self, application: Application, former: Loaded, loader: Loader) -> Path:
        store, passport = self.store, former.passport
        store.syntax, store.seal = former.syntax, former.seal
        if store.shutdown_path != self.path:
            raise MisnamedError(self.path, former.syntax)
        # Nobody has said how many a server keeps: not fewer than there are.
        store.keep = max(_KEPT, len(store.generations()))
        store.save(
            application,
            sequence=passport.sequence,
            paths=application.paths,
            origin=former.digest.hex(),
            blueprint=passport.blueprint,
            signer=loader.signer if former.own else None,
        )
        return store.generations()[0]

    def _check_newest(self) -> None:
        """Raises NotNewestError unless the next start of the blueprint would take just this state."""
        store = self.store
        store.check_newest()
        newest = store.states()[0]
        if not store.is_state(newest, self.path):
            raise NotNewestError(self.path, f"{newest.path} holds more, and is the newest state")
        number = newest.passport.sequence
        # Whoever wrote them: of these records nothing is of interest but their numbers.
        reader = store.records(None, is_opened=False)
        count = sum(1 for _ in reader.records(number))
        if reader.fresh_from is not None and number < reader.fresh_from - 1:
            raise NotNewestError(self.path, "it does not count since a start with --fresh")
        if count:
            changes = f"{count:,} change{'s that' if count > 1 else ' that'}"
            raise NotNewestError(self.path, f"the journal has {changes} came after it")
        if reader.report.damage:
            raise NotNewestError(self.path, str(reader.report.damage[0]))


def place_of(path: Path, keyring: Keyring) -> Place:
    """Where the snapshot at `path` lies. Raises SnapshotError, and GenerationError for one of those.

    Of a symbolic link to what is in no store, what it leads to is meant.
    """
    passport = snapshot.peek(path)
    name, path = passport.application, path.absolute()
    if passport.holds == "state":
        if path.parent.name == GENERATIONS.format(name):
            raise GenerationError(path)
        if path.name in [NEWEST.format(name) + suffix for suffix in table.SUFFIXES.values()]:
            _, syntax = table.split(path.name)
            return NewestState(path, FolderStore(path.parent, name, syntax=syntax, keyring=keyring))
    return File(path.resolve())
