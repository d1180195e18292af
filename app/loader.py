"""How a run opens snapshots: whose classes it loads, and where it finds their modules."""

import os
from collections.abc import Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, Final

import attrs

from ..persist import account, concealment, modules, snapshot
from ..persist.errors import PerdureError
from ..persist.formats.format import FormatError
from ..persist.keyring import Keyring
from ..persist.passport import Passport
from ..persist.restore import RestoreError, TrustError, restore
from ..persist.schemaerrors import SchemaError
from ..persist.sealing import Seal
from ..persist.snapshot import Snapshot, SnapshotError
from ..persist.standing import Level, Standing, TrustedKey
from ..persist.trust import Owner, Policy, Signer
from . import parking, soundness
from .application import Application
from .web.scripts import pickled, scriptmodule

NO_REASONS: Final[parking.Reasons] = MappingProxyType({})
_MOST_PROBLEMS: Final = 5


@attrs.define
class ContentError(PerdureError):
    """A sound snapshot, but of something else than was `expected`."""

    exit_status: ClassVar[int] = os.EX_DATAERR
    path: Path
    found: str
    expected: str

    def __str__(self) -> str:
        return f"{self.path}: holds {self.found}, expected was {self.expected}; name another file"


@attrs.define
class OwnerError(PerdureError):
    """A snapshot has this user's signature, but is a file of another user's."""

    exit_status: ClassVar[int] = os.EX_NOPERM
    path: Path
    owner: int

    def __str__(self) -> str:
        return (
            f"{self.path}: belongs to user {self.owner}, and this is user {os.geteuid()}, who may "
            "not trust it; chown it, or run the blueprint, which takes it as the user it runs as"
        )


@attrs.define
class LoadError(PerdureError):
    """What the snapshot at `path` holds cannot be built here, for `cause`."""

    path: Path
    cause: TrustError | RestoreError

    @property
    def exit_status(self) -> int:  # type: ignore[override]
        """That of the cause."""
        return self.cause.exit_status

    def __str__(self) -> str:
        return f"{self.path}: {self.cause}"


@attrs.define
class FieldsError(PerdureError):
    """A snapshot has fields of other types, or with other values, than their classes allow.

    `problems` begin with the number of the line in which the object of the field begins, if that is
    known, and with the place.
    """

    exit_status: ClassVar[int] = os.EX_DATAERR
    path: Path
    problems: tuple[str, ...]

    def __str__(self) -> str:
        shown = "; ".join(self.problems[:_MOST_PROBLEMS])
        more = len(self.problems) - _MOST_PROBLEMS
        space = "" if shown[:1].isdigit() else " "
        return f"{self.path}:{space}{shown}{f'; and {more} more' if more > 0 else ''}"


@attrs.frozen
class Loaded:
    """An application, how far it is believed, and what there was to its snapshot."""

    application: Application
    standing: Standing
    path: Path
    passport: Passport
    digest: bytes
    syntax: str
    seal: Seal | None = None
    """What it was sealed with, and what becomes of it is to be; None for what is in the clear."""
    returned: Sequence[parking.Returned] = ()
    """What was parked till now."""

    @property
    def own(self) -> bool:
        """Whether it is this user's own work."""
        return self.standing.level is Level.OWN


@attrs.frozen
class Loader:
    """How the snapshots of a run are opened: whose classes, and where modules are found."""

    signer: Signer
    trusted: Sequence[str] = ()
    folders: Sequence[str] = ()
    keys: Sequence[TrustedKey] = ()
    keyring: Keyring = attrs.field(factory=Keyring)

    def __attrs_post_init__(self) -> None:
        # As whom the server runs later may not read the key's file, and yet read and write texts.
        concealment.hold(self.signer)

    def load(self, path: Path) -> Loaded:
        """Read, verify and restore the application in `path`.

        What is text, and so may have been edited, and what is a stranger's has the types of its
        fields checked first. The application's name and numbers are checked in any: files are named
        after it.
        Raises SnapshotError, LoadError, ContentError, FieldsError or OwnerError; of what is sealed
        UnlockError.
        """
        owner = Owner.of(path)
        return self.restore(path, snapshot.read(path, keyring=self.keyring), owner)

    def restore(
        self, path: Path, found: Snapshot, owner: Owner, reasons: parking.Reasons = NO_REASONS
    ) -> Loaded:
        """The application in the snapshot `found`, which `owner` had put at `path`; as `load`.

        Of what cannot be loaded is parked what can be, and whatever there are `reasons` for.
        """
        standing = Standing.of(found, self.signer, self.keys)
        own = standing.level is Level.OWN
        if own and not owner.may_have_signed():
            raise OwnerError(path, owner.user)
        folders = modules.merged(self.folders, found.folders(self.signer))
        modules.add_folders(folders)
        scriptmodule.install()
        # What is kept beside the pages is believed as the snapshot that serves it is.
        pickled.believe(pickled.Trust(self.signer, self.trusted, self.keyring))
        policy = found.policy(self.signer, self.trusted)
        try:
            if found.syntax != "pickle" or not own:
                _check_fields(path, found, policy, strict=not own)
            application, returned = _restored(found, policy, reasons)
        except FormatError as error:
            raise SnapshotError.of(path, error) from error
        except TrustError as error:
            error.cause = standing.cause
            raise LoadError(path, error) from error
        except RestoreError as error:
            raise LoadError(path, error) from error
        if not isinstance(application, Application):
            kind = type(application).__name__
            raise ContentError(path, f"an object of {kind}", "an application")
        if wrong := tuple(soundness.problems(application)):
            raise FieldsError(path, wrong)
        if application.name != found.passport.application:
            raise ContentError(
                path,
                f"an application called {application.name!r}",
                f"{found.passport.application!r}, as its head says",
            )
        application.registry.follow_moves()
        # Those of the passport: in text the signature covers them, and not what is a value.
        application.paths = folders
        return Loaded(
            application,
            standing,
            path,
            found.passport,
            found.digest,
            found.syntax,
            found.seal,
            returned,
        )


def _restored(
    found: Snapshot, policy: Policy, reasons: parking.Reasons
) -> tuple[Any, Sequence[parking.Returned]]:
    if not reasons and not parking.has_parked(found.passport):
        take_back = account.marked()
        try:
            return restore(found.stream, policy, found.passport.shapes), ()
        except SchemaError:
            raise
        except RestoreError:
            # The other way takes longer, and says the same where nothing can be parked.
            take_back()
    return parking.load(found.stream, policy, found.passport, reasons)


def _check_fields(path: Path, found: Snapshot, policy: Policy, *, strict: bool) -> None:
    from ..persist import examination

    graph = found.content.graph
    refused = [str(each) for each in graph.names if not policy.allows(each.module, each.name)]
    if refused:
        # Nothing is imported for what is refused.
        raise TrustError(tuple(sorted(refused)))
    problems = examination.examine_file(path, found, policy, strict=strict).problems
    if problems:
        raise FieldsError(path, tuple(map(str, problems)))
