"""An application's state: found at the start of a run, written at its end.

A run begins with a blueprint (what ``mkapp`` decided) and the newest state; it ends with a
snapshot that holds both. One component that cannot be saved never costs the others.
"""

import os
from contextlib import suppress
from pathlib import Path
from typing import ClassVar, cast

import attrs

from ..persist import modules
from ..persist.capture import capture
from ..persist.culprit import CaptureError
from ..persist.errors import PerdureError
from ..persist.formats.format import FormatError
from ..persist.restore import restore
from ..persist.snapshot import VerificationError
from ..persist.store import FolderStore
from ..persist.trust import Policy
from .application import Application
from .collection import ServiceCollection
from .loader import ContentError, Loaded, Loader
from .registry import Registry
from .web import scriptmodule


@attrs.define
class StateError(PerdureError):
    """The newest state cannot be taken, for `cause`. Nothing was changed.

    `generations` is the folder of older ones, None if there are none.
    """

    path: Path
    generations: Path | None
    cause: PerdureError

    @property
    def exit_status(self) -> int:  # type: ignore[override]
        """That of the cause."""
        return self.cause.exit_status

    def __str__(self) -> str:
        older = (
            ""
            if self.generations is None
            else f", and an older one in {self.generations} runs with -f"
        )
        return (
            f"{self.cause}; this is the newest state: --fresh starts without it (it is kept){older}"
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


@attrs.define
class SyntaxKeptError(PerdureError):
    """The state was saved to `path`, but not in the `wanted` syntax, for `cause`."""

    exit_status: ClassVar[int] = os.EX_DATAERR
    path: Path
    wanted: str
    cause: Exception

    def __str__(self) -> str:
        cause = " ".join(str(self.cause).split()) or type(self.cause).__name__
        return f"{self.path}: saved, but in binary and not as {self.wanted}: {cause}"


@attrs.frozen
class Beginning:
    """What a run begins with. `state` is the file its state came from, None for none."""

    application: Application
    own: bool
    """Whether all of it is this user's work: only then what becomes of it is signed."""
    state: Path | None
    origin: str | None
    sentence: str
    """Which state was taken, for a person."""
    services: bytes | None
    """The services as they began, to fall back to; None if they cannot be saved."""
    passed_over: tuple[Path, ...] = ()
    """States beside `state` that somebody has edited, of which nothing was taken."""


def begin(
    application: Application,
    built: Loaded | None,
    store: FolderStore,
    loader: Loader,
    *,
    fresh: bool = False,
) -> Beginning:
    """`application` with the newest state in `store`.

    `built` is where it came from, None when it was made on the spot; what holds state itself is
    resumed as it is.

    Call it as the user the server runs as: that user's processes may have written the state.
    Raises StateError, or UnsureError where one of several states cannot be read: it is never passed
    over in silence. With `fresh` it is passed over, until the next save makes it a generation;
    FreshError is raised when there is no blueprint to start from without it.
    """
    if built is not None and built.passport.holds == "state":
        if fresh:
            raise FreshError(application.name)
        return _beginning(application, built.own, built, "resumes")
    own = built is None or built.own
    newest = None if fresh else store.newest()
    if newest is None:
        return _beginning(application, own, None, "starts without earlier state")
    try:
        state = loader.load(newest)
        found = state.passport
        if found.holds != "state" or found.application != application.name:
            raise ContentError(
                newest, f"a {found.holds} of {found.application}", f"state of {application.name}"
            )
    except PerdureError as error:
        older = store.generations_folder if store.generations() else None
        raise StateError(newest, older, error) from error
    application.registry.adopt(state.application.registry)
    application.paths = modules.merged(application.paths, state.application.paths)
    beginning = _beginning(application, own and state.own, state, "takes the state of")
    return attrs.evolve(beginning, passed_over=tuple(store.passed_over(newest)))


def _beginning(application: Application, own: bool, state: Loaded | None, words: str) -> Beginning:
    try:
        services = capture(application.services).stream
    except CaptureError:
        services = None
    if state is None:
        return Beginning(application, own, None, None, words, services)
    sentence = f"{words} {state.path}, written {state.passport.written}"
    origin = state.digest.hex()
    return Beginning(application, own, state.path, origin, sentence, services)


def keep(beginning: Beginning, store: FolderStore, loader: Loader) -> Path:
    """Save the running application of `beginning` as the newest state; returns the file.

    A state that cannot be written in the store's syntax is saved in binary; then SyntaxKeptError is
    raised.

    A component that cannot be saved is written in the form the run began with, or left out when
    there was none; then, after the rest is safe, LeftOutError is raised. Raises WriteError
    when nothing could be written.
    """
    application = beginning.application
    application.paths = modules.merged(application.paths, scriptmodule.script_folders())
    try:
        return _keep(application, beginning, store, loader)
    except (FormatError, VerificationError, MemoryError) as error:
        if store.syntax == "pickle":
            raise
        wanted, store.syntax = store.syntax, "pickle"
        path = _keep(application, beginning, store, loader)
        raise SyntaxKeptError(path, wanted, error) from error


def _keep(
    application: Application, beginning: Beginning, store: FolderStore, loader: Loader
) -> Path:
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
        application,
        paths=application.paths,
        origin=beginning.origin,
        signer=loader.signer if beginning.own else None,
    )


def _savable(beginning: Beginning, loader: Loader) -> tuple[Application, tuple[CaptureError, ...]]:
    """As much of the application as can be saved, and what stood in the way of the rest."""
    application = beginning.application
    earlier: dict[str, object] = {}
    if beginning.state is not None:
        with suppress(PerdureError):
            earlier = dict(loader.load(beginning.state).application.registry.items())
    causes: list[CaptureError] = []
    registry = Registry()
    registry.adopt(application.registry)
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
        services = ServiceCollection()
        if beginning.services is not None:
            # Captured by this very process: there is nobody to distrust.
            services = cast(ServiceCollection, restore(beginning.services, Policy.everything()))
    return attrs.evolve(application, registry=registry, services=services), tuple(causes)
