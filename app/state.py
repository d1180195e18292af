"""An application's state, saved: one component that cannot be saved never costs the others."""

import os
from collections.abc import Callable
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
from ..persist.storage import Store
from ..persist.trust import Policy
from .application import Application
from .collection import ServiceCollection
from .loader import Loader
from .recovery import Beginning, last_kept
from .registry import Registry
from .web import scriptmodule


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


Write = Callable[[Application], Path]


@attrs.frozen
class Keeping:
    """How the run that began with `beginning` is saved."""

    beginning: Beginning
    store: Store
    loader: Loader

    def save(self, sequence: int) -> Path:
        """Save the running application as the newest state; returns the file.

        It holds the effect of all records up to `sequence`. A state that cannot be written in the
        store's syntax is saved in binary; then SyntaxKeptError is raised.

        A component that cannot be saved is written in the form that was kept last, or left out
        when there was none; then, after the rest is safe, LeftOutError is raised. Raises WriteError
        when nothing could be written.
        """
        store = self.store
        try:
            return self._write(lambda root: self._save(root, sequence))
        except (FormatError, VerificationError, MemoryError) as error:
            if store.syntax == "pickle":
                raise
            wanted, store.syntax = store.syntax, "pickle"
            path = self._write(lambda root: self._save(root, sequence))
            raise SyntaxKeptError(path, wanted, error) from error

    def draft(self, sequence: int, *, partial: bool) -> Path:
        """Write the draft of a checkpoint of the running application; returns the file.

        It may be `partial` where there is no journal, which has what was left out: then LeftOutError
        is raised for a component that cannot be saved, as `save` does, and otherwise CaptureError.
        """
        if partial:
            return self._write(lambda root: self._draft(root, sequence))
        application = self.beginning.application
        application.paths = modules.merged(application.paths, scriptmodule.script_folders())
        return self._draft(application, sequence)

    def _save(self, root: Application, sequence: int) -> Path:
        return self.store.save(
            root,
            sequence=sequence,
            paths=root.paths,
            origin=self.beginning.origin,
            blueprint=self.beginning.blueprint,
            signer=self.loader.signer if self.beginning.own else None,
        )

    def _draft(self, root: Application, sequence: int) -> Path:
        return self.store.draft(
            root,
            sequence=sequence,
            paths=root.paths,
            origin=self.beginning.origin,
            blueprint=self.beginning.blueprint,
            signer=self.loader.signer if self.beginning.own else None,
        )

    def _write(self, write: Write) -> Path:
        application = self.beginning.application
        application.paths = modules.merged(application.paths, scriptmodule.script_folders())
        causes: tuple[CaptureError, ...] = ()
        try:
            path = write(application)
        except CaptureError:
            partial, causes = _savable(self.beginning, self.store, self.loader)
            if not causes:
                # Every part can be saved alone, so the fault lies in how they hang together.
                raise
            path = write(partial)
        if causes:
            raise LeftOutError(path, causes)
        return path


def _savable(
    beginning: Beginning, store: Store, loader: Loader
) -> tuple[Application, tuple[CaptureError, ...]]:
    """As much of the application as can be saved, and what stood in the way of the rest."""
    application = beginning.application
    causes: list[CaptureError] = []
    registry = Registry()
    registry.adopt(application.registry)
    earlier: dict[str, object] | None = None
    for key, component in application.registry.items():
        try:
            capture(component, name=f"application.registry[{key}]")
        except CaptureError as error:
            causes.append(error)
            if earlier is None:
                earlier = _kept(beginning, store, loader)
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


def _kept(beginning: Beginning, store: Store, loader: Loader) -> dict[str, object]:
    """The components as the files have them."""
    with suppress(PerdureError):
        return dict(last_kept(beginning, store, loader).registry.items())
    return {}
