"""Resources that are kept as snapshots beside the pages: ``.trp`` files, in any syntax."""

import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Final

import attrs

from ....persist import modules, snapshot
from ....persist.content import Snapshot
from ....persist.errors import PerdureError
from ....persist.formats.format import FormatError
from ....persist.keyring import Keyring
from ....persist.persistent import persistent
from ....persist.restore import TrustError, restore
from ....persist.standing import Standing
from ....persist.trust import Owner, Policy, Signer
from ...registry import Registry
from ..errors import HTTPError
from ..files.folder import open_file
from ..resource import Resource, Wrapper
from . import scriptmodule

if TYPE_CHECKING:
    from ..request import Request

_NAME: Final = "resource"
_KEPT: Final = "A part of this site cannot be shown; the server's log says why."
_REFUSED: Final = "This page is not trusted by this server; its log says why."

_report = logging.getLogger("perdure.web")


@attrs.define(str=False)
class KeptResourceError(PerdureError):
    """The snapshot at `path` is sound, but holds `found`, which is no resource."""

    exit_status: ClassVar[int] = os.EX_DATAERR
    path: str
    found: str

    def __str__(self) -> str:
        return f"{self.path}: holds {self.found}, which is not a Resource; keep one there"


@attrs.frozen
class Trust:
    """How the snapshots of resources are believed: as whose own, and which modules besides."""

    signer: Signer | None
    trusted: Sequence[str] = ()
    keyring: Keyring | None = None

    def load(self, path: str) -> Resource:
        """The resource in the snapshot at `path`, which is absolute and has no symbolic links.

        What this user has signed may name whatever it likes, anything else only what `Policy` lets
        strangers name. Raises a `PerdureError`: UnsafeScriptError for what others could have written,
        TrustError, SnapshotError, RestoreError, `KeptResourceError`.
        """
        owner = Owner.of(Path(path))
        found = snapshot.read(Path(path), keyring=self.keyring)
        signer = self.signer
        own = signer is not None and found.is_signed_by(signer) and owner.may_have_signed()
        if signer is not None and own:
            modules.add_folders(found.folders(signer))
        scriptmodule.install()
        policy = Policy.everything() if own else Policy.only(self.trusted)
        try:
            resource = _restored(Path(path), found, policy, strict=not own)
        except FormatError as error:
            raise snapshot.SnapshotError.of(Path(path), error) from error
        except TrustError as error:
            if signer is not None:
                error.cause = Standing.of(found, signer).cause
            raise
        if not isinstance(resource, Resource):
            raise KeptResourceError(path, f"an object of {type(resource).__name__}")
        return resource


_trust: Trust | None = None


def believe(trust: Trust) -> None:
    """From now on, in this process, resources are loaded under this trust.

    Till then they are under that of the user that runs it, with no modules trusted.
    """
    global _trust
    _trust = trust


def present_trust() -> Trust:
    """What `believe` was told last. Raises `KeyFileError` if this user's key may not be read."""
    return Trust(Signer.of_user_if_any()) if _trust is None else _trust


def keep_resource(
    path: str | os.PathLike[str], resource: Resource, *, syntax: str = "pickle"
) -> None:
    """Write `resource` to `path` as a snapshot, signed with this user's key, mode 0600.

    `syntax` is ``pickle``, ``xml`` or ``source``. Its file is there whole and durable, or as it was
    before. What the resource holds is kept as it is now: what is to change belongs in the registry.
    Raises CaptureError, FormatError, KeyFileError, UnknownSyntaxError and WriteError.
    """
    trust = present_trust()
    snapshot.write(
        Path(path),
        resource,
        application=_NAME,
        holds="blueprint",
        paths=scriptmodule.script_folders(),
        signer=trust.signer or Signer.of_user(),
        syntax=syntax,
    )


@persistent(transient=("_resource",))
class SnapshotResource(Wrapper):
    """One version of a snapshot of a resource; the processor of ``.trp`` files.

    What was kept answers, at this place and below it. What cannot be loaded is answered with status
    500, what is not trusted with 403, and the log says why and what to do; it is tried again
    at the next request.
    """

    tells_state = False
    _resource: Resource | None = None

    def __init__(self, path: str, registry: Registry) -> None:
        self.path = path

    def enter(self, request: "Request") -> Resource:
        if self._resource is None:
            self._resource = self._loaded()
        return self._resource

    def _loaded(self) -> Resource:
        try:
            descriptor, status = open_file(self.path)
        except HTTPError as error:
            if error.status == 403:
                _report.error("%s: the user of this server may not read it: chown it", self.path)
            raise
        os.close(descriptor)
        try:
            scriptmodule.check_owners(self.path, status)
            return present_trust().load(self.path)
        except (TrustError, scriptmodule.UnsafeScriptError) as error:
            _report.error("%s: %s", self.path, error)
            raise HTTPError(403, _REFUSED) from error
        except PerdureError as error:
            _report.error("%s: %s", self.path, error)
            raise HTTPError(500, _KEPT) from error


def _restored(path: Path, found: Snapshot, policy: Policy, *, strict: bool) -> object:
    if found.syntax != "pickle" or strict:
        from ....persist import examination

        refused = [
            str(each) for each in found.content.graph.names
            if not policy.allows(each.module, each.name)
        ]  # fmt: skip
        if refused:
            raise TrustError(tuple(sorted(refused)))
        problems = examination.examine_file(path, found, policy, strict=strict).problems
        if problems:
            raise snapshot.SnapshotError(path, "; ".join(map(str, problems[:5])))
    return restore(found.stream, policy, found.passport.shapes)
