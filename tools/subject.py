"""Which application a command is about: its name, where its state is, and whether that is this user's."""

import os
from pathlib import Path
from typing import ClassVar

import attrs

from ..app import privileges
from ..app.application import ProcessSettings
from ..app.privileges import Identity
from ..app.rewind import Archive
from ..persist import snapshot
from ..persist.errors import PerdureError
from ..persist.formats import table
from ..persist.keyring import Keyring
from ..persist.store import GENERATIONS, JOURNAL, NEWEST, FolderStore


@attrs.define
class NoStateError(PerdureError):
    """There is nothing kept of such an application in the folder."""

    exit_status: ClassVar[int] = os.EX_NOINPUT
    folder: Path
    application: str
    others: tuple[str, ...]

    def __str__(self) -> str:
        others = f"; there is that of {', '.join(self.others)}" if self.others else ""
        return (
            f"no state of {self.application} is kept in {self.folder}{others};"
            " name another folder with --statedir"
        )


@attrs.define
class AccessError(PerdureError):
    """This user may not look at the state, or should not change it."""

    exit_status: ClassVar[int] = os.EX_NOPERM
    path: Path
    reason: str

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


@attrs.define
class SubjectError(PerdureError):
    """What was named can be neither an application nor one of its snapshots."""

    exit_status: ClassVar[int] = os.EX_USAGE
    text: str

    def __str__(self) -> str:
        return (
            f"{self.text} is no application: name one, such as web, whose state is in --statedir,"
            " or its snapshot, such as /etc/web/web.snap"
        )


@attrs.define
class NoGenerationError(PerdureError):
    """There is no such state; there are those with the `numbers`."""

    exit_status: ClassVar[int] = os.EX_NOINPUT
    application: str
    text: str
    numbers: tuple[int, ...]

    def __str__(self) -> str:
        if not self.numbers and self.text == "newest":
            return (
                f"{self.application} has no state yet: a checkpoint or a stop writes one, and"
                f" appstore recover {self.application} --sequence N -o FILE makes one of the journal"
            )
        numbers = ", ".join(map(str, self.numbers)) or "none"
        return (
            f"{self.application} has no state {self.text!r:.60}; say newest, or the number of a"
            f" generation: there are {numbers}"
        )


@attrs.frozen
class Subject:
    """The application that was asked for: its name, its folder, and the file that was named."""

    name: str
    folder: Path
    file: Path | None
    keyring: Keyring = attrs.field(factory=Keyring)

    @classmethod
    def of(cls, text: str, statedir: Path | None, keyring: Keyring) -> "Subject":
        """What `text` names: an application, or one of its snapshots. Raises SnapshotError."""
        path = Path(text)
        stem, _ = table.split(path.name)
        if stem != path.name or ("/" in text and path.is_file()):
            name = snapshot.peek(path).application
            folder = path.absolute().parent
            if folder.name == GENERATIONS.format(name):
                folder = folder.parent
            return cls(name, statedir or folder, path.absolute(), keyring)
        if "/" in text:
            raise SubjectError(text)
        return cls(text, (statedir or Path()).absolute(), None, keyring)

    def store(self, *, keep: int = 5) -> Archive:
        """Its store, which must be there. Raises NoStateError, AccessError or StoreError."""
        store = Archive(self.folder, self.name, keep=keep, keyring=self.keyring)
        try:
            names = os.listdir(self.folder)
            for folder in (store.generations_folder, store.journal_folder):
                if folder.exists():
                    os.listdir(folder)
        except PermissionError as error:
            raise AccessError(
                Path(str(error.filename)), "this user may not read it; run as the user who owns it"
            ) from error
        except OSError as error:
            raise NoStateError(self.folder, self.name, ()) from error
        if self.name not in (found := _applications(names)):
            raise NoStateError(self.folder, self.name, tuple(found))
        return store

    def blueprint_beside(self) -> Path | None:
        """The snapshot in its folder that is called as a blueprint is."""
        names = (f"{self.name}{table.EXTENSION}{suffix}" for suffix in table.SUFFIXES.values())
        return next((self.folder / name for name in names if (self.folder / name).is_file()), None)

    def state(self, text: str) -> Path:
        """The state that `text` names: by the number of a generation, or the newest.

        Raises NoGenerationError, and as `store` does.
        """
        store = self.store()
        states = store.states()
        if text == "newest" and states:
            return states[0].path
        # Of a generation and its exports the generation.
        paths = reversed(store.generations())
        found = {int(path.name.partition(".")[0]): path for path in paths}
        number = int(text) if text.isascii() and text.isdigit() and len(text) < 20 else -1
        if number not in found:
            raise NoGenerationError(self.name, text, tuple(sorted(found)))
        return found[number]


def _applications(names: list[str]) -> list[str]:
    ends = [NEWEST.format("") + suffix for suffix in table.SUFFIXES.values()]
    ends += [GENERATIONS.format(""), JOURNAL.format("")]
    found = {name.removesuffix(end) for name in names for end in ends if name.endswith(end)}
    return sorted(found - {""})


def identity_of(store: FolderStore) -> Identity:
    """As whom the state is to be changed: as the user whose it is, whom only root can become.

    A server that was started as root, and became another, has written it so. Raises AccessError for
    anybody else.
    """
    for path in (*(state.path for state in store.states()), store.journal_folder):
        try:
            status = path.stat()
        except OSError:
            continue
        owner = status.st_uid
        if owner == os.geteuid():
            return Identity()
        if os.geteuid() != 0:
            raise AccessError(
                path,
                f"it belongs to user {owner}, and this is user {os.geteuid()}; run as that user",
            )
        return privileges.resolve(ProcessSettings(uid=owner, gid=status.st_gid))
    return Identity()
