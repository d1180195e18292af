"""Another root for a site: the snapshot of an application, the same but for that."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import attrs

from ..app import parking
from ..app.loader import Loaded, Loader, LoadError
from ..app.web.resource import Resource
from ..app.web.scripts import scriptmodule
from ..app.web.scripts.pickled import Trust
from ..app.web.service import WebService
from ..convert.diff import Difference, compare_snapshots
from ..persist import modules, snapshot
from ..persist.account import Account
from ..persist.disk import DISK
from ..persist.errors import PerdureError
from ..persist.overlay import Overlay
from ..persist.restore import RestoreError, TrustError
from ..persist.trust import Owner
from . import building
from .former import Place
from .kinds import webroot
from .sites import SiteChoice


@attrs.define(str=False)
class StrangerError(PerdureError):
    """The resource at `path` is a stranger's, and the snapshot `target` this user's own work."""

    exit_status: ClassVar[int] = os.EX_NOPERM
    path: Path
    target: Path

    def __str__(self) -> str:
        return (
            f"{self.path} is not this user's work, and would make all of {self.target} a stranger's;"
            " keep it anew as this user, or serve the folder it is in by --path"
        )


@attrs.frozen
class NewRoot:
    """What a command line says of the root: `options` are those of `mkapp web` for it.

    What is `kept` is the snapshot of a resource. Modules that the options name are found in
    `folders`.
    """

    options: Mapping[str, Any]
    kept: Path | None = None
    folders: Sequence[str] = ()

    def make(self, target: Path, loader: Loader, *, own: bool) -> tuple[Resource, Sequence[str]]:
        """The resource, and where its modules are found, for a `target` that is this user's `own`.

        Raises StrangerError, or another `PerdureError` for what cannot be.
        """
        script: Path | None = self.options["resource_script"]
        if script is not None:
            _check_script(script.resolve())
        resource, folders = None, tuple(self.folders)
        if self.kept is not None:
            resource, more = self._loaded(self.kept, target, loader, own=own)
            folders += more
        return webroot.root(self.options, resource), folders

    def _loaded(
        self, kept: Path, target: Path, loader: Loader, *, own: bool
    ) -> tuple[Resource, tuple[str, ...]]:
        path = kept.resolve()
        owner = Owner.of(path)
        found = snapshot.read(path, keyring=loader.keyring)
        scriptmodule.check_owners(str(path), path.stat())
        if own and not (found.is_signed_by(loader.signer) and owner.may_have_signed()):
            raise StrangerError(kept, target)
        try:
            resource = Trust(loader.signer, loader.trusted, loader.keyring).load(str(path))
        except (TrustError, RestoreError) as error:
            raise LoadError(kept, error) from error
        return resource, found.folders(loader.signer)


def _check_script(path: Path) -> None:
    """It runs when it is asked for; what a server would refuse then is refused now.

    A server that root starts may become the user whose script it is: that is left to the server.
    """
    status = path.stat()
    owners = {status.st_uid, path.parent.stat().st_uid}
    if os.geteuid() != 0 or owners == {0}:
        scriptmodule.check_owners(str(path), status)


@attrs.frozen
class Changed:
    """What was done: the `service` has another root, and the `former` snapshot is kept there."""

    service: WebService
    former: Path
    loaded: Loaded
    lines: Sequence[str]
    """What came up while it was loaded, for a person."""


@attrs.frozen
class RootChange:
    """Another root for the site that is meant by `choice`, in the snapshot at `place`."""

    place: Place
    choice: SiteChoice
    root: NewRoot
    loader: Loader

    def write(self) -> Changed:
        """Do it. Raises what makes it impossible; nothing is changed then."""
        with self.place.taken():
            return self._put(self.place)

    def differences(self) -> list[Difference]:
        """What it would change, found out by doing it in memory. Raises as `write` does."""
        disk = Overlay()
        place = self.place.tried(disk)
        with place.taken():
            self._put(place)
            keyring = self.loader.keyring
            pair = [snapshot.read(place.path, each, keyring) for each in (DISK, disk)]
            return compare_snapshots(*pair)

    def _put(self, place: Place) -> Changed:
        modules.add_folders(self.root.folders)
        account = Account()
        with building.explained(account):
            loaded = self.loader.load(place.path)
        application = loaded.application
        service = self.choice.among(application)
        resource, folders = self.root.make(place.path, self.loader, own=loaded.own)
        service.site.resource = resource
        service.site.check()
        # Those of a stranger are not believed, and stay what they are.
        application.paths = modules.merged(
            loaded.passport.paths, application.paths, folders, scriptmodule.script_folders()
        )
        former = place.put(application, loaded, self.loader)
        parked = map(parking.told, parking.all_parked(application.registry))
        lines = (*account.lines(), *map(str, loaded.returned), *parked)
        return Changed(service, former, loaded, lines)
