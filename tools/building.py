"""From what a person asked for to an application, ready to be run or written."""

import os
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

import attrs

from ..app.application import Application, ProcessSettings
from ..app.collection import ServiceCollection
from ..app.loader import Loader
from ..app.service import Service
from ..persist import modules, snapshot
from ..persist.account import Account, accounted
from ..persist.errors import PerdureError
from ..persist.formats import table
from ..persist.passport import Holds
from ..persist.sealing import Seal
from .command import Choice


@attrs.define
class ConfigError(PerdureError):
    """A Python configuration file does not give an application."""

    exit_status: ClassVar[int] = os.EX_CONFIG
    path: Path
    reason: str

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


@attrs.define
class TargetError(PerdureError):
    """The file to write is somebody's: nothing was written."""

    exit_status: ClassVar[int] = os.EX_CANTCREAT
    path: Path
    reason: str

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}; choose another name with --output"


@attrs.frozen
class Basis:
    """What a kind is added to: a new application, or one that a snapshot holds.

    What is written in the place of that snapshot has its `sequence`, and is newer than `after`.
    """

    application: Application
    own: bool = True
    holds: Holds = "blueprint"
    origin: str | None = None
    seal: Seal | None = None
    sequence: int = 0
    blueprint: str | None = None
    after: str = ""


def basis(append: Path | None, target: Path, loader: Loader) -> Basis:
    """The application in `append` if that file is there, else a new one named after `target`.

    Raises TargetError when writing `target` would cost somebody's state.
    """
    name, _ = table.split(target.name)
    if append is not None and append.exists():
        if append != target:
            _check_target(target)
        found = loader.load(append)
        found.application.name = name if target != append else found.application.name
        made = Basis(
            found.application, found.own, found.passport.holds, found.digest.hex(), found.seal
        )
        if append != target:
            return made
        # A state without its number would be taken for older than all others.
        passport = found.passport
        return attrs.evolve(
            made, sequence=passport.sequence, blueprint=passport.blueprint, after=passport.written
        )
    _check_target(target)
    return Basis(Application(name))


def _check_target(target: Path) -> None:
    """A file that is not a blueprint of ours is not replaced by one, nor taken for state later."""
    if table.split(target.name)[0].endswith("-shutdown"):
        raise TargetError(target, "is what a saved state is called")
    if not target.exists():
        return
    try:
        holds = snapshot.read(target).passport.holds
    except PerdureError as error:
        raise TargetError(target, "is there, and is no snapshot of mkapp") from error
    if holds != "blueprint":
        raise TargetError(target, "holds the state of an application")


@contextmanager
def explained(account: Account) -> Generator[None]:
    """Have what migrations do within the block told to `account`.

    An error of Perdure's gets that as notes: what was done till then says more than it does alone.
    """
    with accounted(account):
        try:
            yield
        except PerdureError as error:
            for line in account.lines():
                error.add_note(line)
            raise


def include(application: Application, choice: Choice) -> None:
    """Put the service that `choice` makes at the end of the services of `application`."""
    service = choice.make()
    name, number = choice.name, 1
    while application.services.get(name):
        number += 1
        name = f"{choice.name}-{number}"
    service.name = name
    application.services.append(service)


def from_choice(choice: Choice) -> Application:
    """A new application of one kind, with the kind's name."""
    application = Application(choice.name, paths=[str(Path.cwd())])
    include(application, choice)
    return application


def from_file(path: Path) -> Application:
    """The variable ``application`` of the Python file at `path`, which is run.

    The file is a module of its own, so instances of its classes can be saved. Raises ConfigError.
    """
    from ..app.web.script import load_module

    module = load_module(path)
    application = getattr(module, "application", None)
    if not isinstance(application, Application):
        came = "does not set it" if application is None else f"sets it to {application!r}"
        raise ConfigError(path, f"expected a variable 'application', an Application; it {came}")
    folders = [str(path.parent), str(Path.cwd())]
    application.paths = modules.merged(application.paths, folders)
    return application


def overridden(
    process: ProcessSettings,
    *,
    uid: str | None = None,
    gid: str | None = None,
    umask: int | None = None,
) -> ProcessSettings:
    """`process` with the values that were given."""
    return ProcessSettings(
        uid=process.uid if uid is None else _id(uid),
        gid=process.gid if gid is None else _id(gid),
        umask=process.umask if umask is None else umask,
    )


def _id(text: str) -> int | str:
    return int(text) if text.isascii() and text.isdigit() else text


def addresses(services: Service) -> Iterator[str]:
    """Where the services listen, for those that say so."""
    if isinstance(services, ServiceCollection):
        for service in services:
            yield from addresses(service)
    else:
        yield from getattr(services, "addresses", ())
