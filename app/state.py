"""An application's state, saved: one component that cannot be saved never costs the others."""

import os
import time
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from pathlib import Path
from typing import ClassVar, Final, cast

import attrs

from ..persist import modules
from ..persist.capture import capture
from ..persist.components import Record, Recorder, put_back_all
from ..persist.culprit import CaptureError
from ..persist.errors import PerdureError
from ..persist.formats.format import FormatError
from ..persist.references import References
from ..persist.restore import restore
from ..persist.snapshot import VerificationError
from ..persist.storage import Store
from ..persist.trust import Policy
from .application import Application
from .beginning import Beginning
from .collection import ServiceCollection
from .loader import Loader
from .recovery import is_kept, last_kept
from .registry import Registry
from .web.scripts import scriptmodule


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


@attrs.define
class UnwrittenError(PerdureError):
    """The record with the number `sequence` is not on the disk, though it should be."""

    exit_status: ClassVar[int] = os.EX_IOERR
    sequence: int

    def __str__(self) -> str:
        return f"record {self.sequence} has not been written within {_PATIENCE:g} s"


Write = Callable[[Application], Path]
_PATIENCE: Final = 10.0
_PAUSE: Final = 0.02


@attrs.frozen
class Keeping:
    """How the run that began with `beginning` is saved."""

    beginning: Beginning
    store: Store
    loader: Loader

    def save(self, sequence: int, *, recorded: bool) -> Path:
        """Save the running application as the newest state; returns the file.

        It holds the effect of all records up to `sequence`, if what changes is `recorded`. A state
        that cannot be written in the store's syntax is saved in binary; then SyntaxKeptError is
        raised.

        A component that cannot be saved is written in the form that was kept last, or left out
        when there was none; then, after the rest is safe, LeftOutError is raised. Raises WriteError
        when nothing could be written.
        """
        store = self.store

        def earlier() -> dict[str, object]:
            with suppress(PerdureError):
                if recorded:
                    self._wait_for(sequence)
                return self._kept()
            return {}

        try:
            return self._write(lambda root: self._save(root, sequence), earlier)
        except (FormatError, VerificationError, MemoryError) as error:
            if store.syntax == "pickle":
                raise
            wanted, store.syntax = store.syntax, "pickle"
            path = self._write(lambda root: self._save(root, sequence), earlier)
            raise SyntaxKeptError(path, wanted, error) from error

    def draft(self, sequence: int, *, recorded: bool) -> Path:
        """Write the draft of a checkpoint of the running application; returns the file.

        It holds the effect of all records up to `sequence`, if what changes is `recorded`: a
        component that cannot be saved is then as these records have it. Raises LeftOutError as
        `save` does, and whatever keeps the records from being read.
        """

        def earlier() -> dict[str, object]:
            # Those who rely on this draft will not look at older files: it must be right.
            if not recorded:
                return self._kept()
            self._wait_for(sequence)
            return self._kept(until=sequence)

        return self._write(lambda root: self._draft(root, sequence), earlier)

    def draft_whole(self, sequence: int) -> Path:
        """As `draft`, of an application that can be saved as it is. Raises CaptureError otherwise."""
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

    def _write(self, write: Write, earlier: Callable[[], dict[str, object]]) -> Path:
        application = self.beginning.application
        application.paths = modules.merged(application.paths, scriptmodule.script_folders())
        causes: tuple[CaptureError, ...] = ()
        try:
            path = write(application)
        except CaptureError:
            partial, causes = _savable(self.beginning, earlier)
            if not causes:
                # Every part can be saved alone, so the fault lies in how they hang together.
                raise
            path = write(partial)
        if causes:
            raise LeftOutError(path, causes)
        return path

    def _kept(self, until: int | None = None) -> dict[str, object]:
        """The components as the files have them."""
        kept = last_kept(self.beginning, self.store, self.loader, until=until)
        return dict(kept.registry.items())

    def _wait_for(self, sequence: int) -> None:
        """Return when the files have this record, which may be on its way; or after a while."""
        end = time.monotonic() + _PATIENCE
        while not is_kept(self.beginning, self.store, sequence):
            if time.monotonic() > end:
                raise UnwrittenError(sequence)
            time.sleep(_PAUSE)


def _joined(
    former: Mapping[str, object], present: Mapping[str, object], keys: Collection[str]
) -> dict[str, object]:
    """The `former` components of these `keys`, if there were such, with the `present` ones of others.

    What they refer to would be there twice otherwise, and a parked one that is would never come back
    where they hold it.
    """
    shared = {key: item for key, item in former.items() if key in present}
    recorder = Recorder(References(shared))
    records: dict[str, Record] = {}
    for key in shared.keys() & keys:
        # What cannot be saved in its former form either is told by the save itself.
        with suppress(Exception):
            records[key] = recorder.record(shared[key])
    others = References({key: item for key, item in present.items() if key not in keys})
    return {**shared, **put_back_all(records, others, Policy.everything(), calls=False)}


def _savable(
    beginning: Beginning, earlier: Callable[[], dict[str, object]]
) -> tuple[Application, tuple[CaptureError, ...]]:
    """As much of the application as can be saved, and what stood in the way of the rest."""
    application = beginning.application
    left_out: dict[str, CaptureError] = {}
    registry = Registry()
    registry.adopt(application.registry)
    for key, component in application.registry.items():
        try:
            capture(component, name=f"application.registry[{key}]")
        except CaptureError as error:
            left_out[key] = error
    if left_out:
        former = _joined(earlier(), registry.components, left_out)
        for key in left_out:
            registry.replace(key, former.get(key))
    causes = [*left_out.values()]
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
