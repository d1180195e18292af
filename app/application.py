"""An application: the root of everything that is saved and resumed."""

import asyncio
import os
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any, ClassVar, Final, ParamSpec, TypeVar

import attrs

from ..persist.errors import PerdureError
from ..persist.persistent import persistent
from .collection import ServiceCollection
from .ledger import Ledger
from .registry import Registry
from .turns import Turn, taking

P = ParamSpec("P")
R = TypeVar("R")


@attrs.define(str=False)
class ApplicationError(PerdureError):
    """An application, or its process settings, cannot be as they were described."""

    exit_status: ClassVar[int] = os.EX_CONFIG
    field: str
    value: object
    expected: str

    def __str__(self) -> str:
        return f"application: {self.field} is {self.value!r}; {self.expected}"


_LONGEST_NAME: Final = 100
"""Bytes; as many as the store takes."""


def _check_name(_application: object, _field: object, name: Any) -> None:
    # The name is part of file names: web-shutdown.snap, web.lock, web.pid.
    if not isinstance(name, str) or not _is_part_of_file_names(name):
        raise ApplicationError(
            "name",
            name,
            f"say printable text up to {_LONGEST_NAME} bytes, without '/' and no '.' in front",
        )


def _is_part_of_file_names(name: str) -> bool:
    fits = name.isprintable() and name[:1] not in ("", ".") and "/" not in name
    return fits and len(os.fsencode(name)) <= _LONGEST_NAME


def _check_id(_settings: object, field: "attrs.Attribute[int | str | None]", value: object) -> None:
    if value is None or (isinstance(value, str) and value):
        return
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ApplicationError(field.name, value, "say a name or a number from 0 up")


def _check_umask(_settings: object, _field: object, value: Any) -> None:
    if value is not None and not (isinstance(value, int) and 0 <= value <= 0o777):
        raise ApplicationError("umask", value, "say an octal number from 0 to 777")


@attrs.frozen(kw_only=True)
class ProcessSettings:
    """What the process that runs the application shall be. None leaves a thing as it is.

    `uid` and `gid` are names or numbers, kept as they were given: they are looked up on the machine
    that runs the application. `umask` is a number, 0 to 0o777.
    """

    uid: int | str | None = attrs.field(default=None, validator=_check_id)
    gid: int | str | None = attrs.field(default=None, validator=_check_id)
    umask: int | None = attrs.field(default=None, validator=_check_umask)


@persistent(transient=("ledger",))
@attrs.define(eq=False)
class Application:
    """A tree of services, a registry of components, and the process they want.

    `name` is its identity: files of its state are named after it. `paths` are the folders in which
    the modules of its classes are looked for when it is restored.
    """

    name: str = attrs.field(validator=_check_name)
    services: ServiceCollection = attrs.field(factory=ServiceCollection, kw_only=True)
    registry: Registry = attrs.field(factory=Registry, kw_only=True)
    process: ProcessSettings = attrs.field(factory=ProcessSettings, kw_only=True)
    paths: list[str] = attrs.field(factory=list[str], kw_only=True)
    ledger: Ledger | None = attrs.field(default=None, init=False)
    """What makes changes durable while it runs; None when they are saved at the end only."""

    @contextmanager
    def turn(self) -> Generator[Turn]:
        """One unit of work: components got within the block are made durable at its end.

        Whoever tells somebody of a change, and must not tell of what could be lost, awaits
        `Turn.durable` first. Where nothing is made durable but at the end of the run, that
        returns at once. Raises `UnsafeError` at the end of the block if nothing can be saved.
        """
        turn = Turn(self.ledger)
        turn.begin()
        with taking(turn):
            try:
                yield turn
            except BaseException:
                # What was changed before it failed is changed; the failure is what is told.
                turn.finish()
                raise
            turn.end()

    async def in_thread(self, function: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
        """What `function` returns, called in a thread, as a part of the present turn.

        One at a time: code in two threads that changes the same components would leave them torn.
        The event loop goes on meanwhile: components that are changed in a thread should not be
        changed by what does not use one.
        """
        async with self.registry.between_threads:
            return await asyncio.to_thread(function, *args, **kwargs)
