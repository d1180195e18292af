"""An application's state: found at the start of a run, written at its end.

A run begins with a blueprint (what ``mkapp`` decided) and the newest state; it ends with a
snapshot that holds both. One component that cannot be saved never costs the others.
"""

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import ClassVar

import attrs

from ..persist import modules, snapshot
from ..persist.capture import capture
from ..persist.culprit import CaptureError
from ..persist.errors import PerdureError
from ..persist.restore import restore
from ..persist.snapshot import Snapshot
from ..persist.store import FolderStore
from ..persist.trust import Signer
from .application import Application
from .registry import Registry
from .web import scriptmodule


@attrs.define
class NotAnApplicationError(PerdureError):
    """A sound snapshot, but of something else."""

    exit_status: ClassVar[int] = os.EX_DATAERR
    path: Path
    found: str

    def __str__(self) -> str:
        return f"{self.path}: holds {self.found}, not an application; build one with mkapp"


@attrs.define
class StateError(PerdureError):
    """The newest state cannot be taken, for `cause`. Nothing was changed."""

    path: Path
    generations: Path
    cause: PerdureError

    @property
    def exit_status(self) -> int:  # type: ignore[override]
        """That of the cause."""
        return self.cause.exit_status

    def __str__(self) -> str:
        return (
            f"{self.cause}; this is the newest state: --fresh starts without it (it is kept), "
            f"and an older one in {self.generations} runs with -f"
        )


@attrs.define
class FreshError(PerdureError):
    """A start without state was asked for, of a snapshot that is nothing but state."""

    exit_status: ClassVar[int] = os.EX_USAGE
    application: str

    def __str__(self) -> str:
        return f"--fresh is for a blueprint (-f {self.application}.snap), and this is a saved state"


@attrs.define
class LeftOutError(PerdureError):
    """The state was saved to `path`, but for the parts named."""

    exit_status: ClassVar[int] = os.EX_DATAERR
    path: Path
    parts: tuple[CaptureError, ...]

    def __str__(self) -> str:
        parts = "; ".join(str(part) for part in self.parts)
        return f"{self.path}: saved, but not the present form of {parts}"


@attrs.frozen
class Loader:
    """How the snapshots of a run are opened: whose classes, and where modules are found."""

    signer: Signer
    trusted: Sequence[str] = ()
    folders: Sequence[str] = ()

    def load(self, path: Path) -> tuple[Application, Snapshot]:
        """Read, verify and restore the application in `path`.

        Raises SnapshotError, TrustError, RestoreError or NotAnApplicationError.
        """
        found = snapshot.read(path)
        folders = [*self.folders, *found.folders(self.signer)]
        modules.add_folders(folders)
        scriptmodule.install()
        application = restore(found.stream, found.policy(self.signer, self.trusted))
        if not isinstance(application, Application):
            raise NotAnApplicationError(path, f"an object of {type(application).__name__}")
        application.paths = _merged(folders, application.paths)
        return application, found


@attrs.frozen
class Beginning:
    """What a run begins with. `state` is the file its state came from, None for none."""

    application: Application
    state: Path | None
    origin: str | None
    sentence: str
    """Which state was taken, for a person."""


def begin(
    blueprint: Application,
    built: Snapshot | None,
    path: Path | None,
    store: FolderStore,
    loader: Loader,
    *,
    fresh: bool = False,
) -> Beginning:
    """`blueprint` with the newest state in `store`.

    `built` and `path` are the snapshot it was restored from, if it was; one that holds
    state itself is resumed as it is. Raises StateError: a state that cannot be read is never
    passed over in silence. With `fresh` it is passed over, and left where it is; FreshError is raised
    when there is no blueprint to start from without it.
    """
    if built is not None and built.passport.holds == "state":
        if fresh:
            raise FreshError(built.passport.application)
        sentence = f"resumes {path}, written {built.passport.written}"
        return Beginning(blueprint, path, built.digest.hex(), sentence)
    origin = built.digest.hex() if built else None
    newest = None if fresh else store.newest()
    if newest is None:
        return Beginning(blueprint, None, origin, "starts without earlier state")
    try:
        state, found = loader.load(newest)
    except PerdureError as error:
        raise StateError(newest, store.generations_folder, error) from error
    blueprint.registry.adopt(state.registry)
    blueprint.paths = _merged(blueprint.paths, state.paths)
    sentence = f"takes the state of {newest}, written {found.passport.written}"
    return Beginning(blueprint, newest, found.digest.hex(), sentence)


def keep(beginning: Beginning, store: FolderStore, loader: Loader) -> Path:
    """Save the running application of `beginning` as the newest state; returns the file.

    A component that cannot be saved is written in the form the run began with, or left out when
    there was none; then, after the rest is safe, LeftOutError is raised. Raises WriteError
    when nothing could be written.
    """
    application = beginning.application
    application.paths = _merged(application.paths, scriptmodule.script_folders())
    causes: tuple[CaptureError, ...] = ()
    try:
        path = _save(application, beginning, store, loader)
    except CaptureError:
        partial, causes = _savable(beginning, loader)
        if not causes:
            # Every part can be saved alone, so the fault lies in how they hang together.
            raise
        path = _save(partial, beginning, store, loader)
    if causes:
        raise LeftOutError(path, causes)
    return path


def _save(
    application: Application, beginning: Beginning, store: FolderStore, loader: Loader
) -> Path:
    return store.save(
        application, paths=application.paths, origin=beginning.origin, signer=loader.signer
    )


def _savable(beginning: Beginning, loader: Loader) -> tuple[Application, tuple[CaptureError, ...]]:
    """As much of the application as can be saved, and what stood in the way of the rest."""
    application, former = beginning.application, None
    if beginning.state is not None:
        with suppress(PerdureError):
            former = loader.load(beginning.state)[0]
    causes: list[CaptureError] = []
    registry = Registry()
    registry.adopt(application.registry)
    earlier = dict(former.registry.items()) if former else {}
    for key, component in application.registry.items():
        try:
            capture(component, name=f"application.registry[{key}]")
        except CaptureError as error:
            causes.append(error)
            registry.replace(key, earlier.get(key))
    services = application.services
    try:
        capture(services, name="application.services")
    except CaptureError as error:
        causes.append(error)
        if former is None:
            raise
        services = former.services
    return attrs.evolve(application, registry=registry, services=services), tuple(causes)


def _merged(*folders: Sequence[str]) -> list[str]:
    return [*dict.fromkeys(each for some in folders for each in some)]
