"""The names by which classes and functions are kept in a snapshot."""

from typing import Any

import attrs

from ..persist.errors import PerdureError


@attrs.define(str=False)
class UnnamedError(PerdureError):
    """A class or function was given that a snapshot could not name, so could not keep."""

    thing: object
    reason: str

    def __str__(self) -> str:
        return f"{self.thing!r} cannot be kept in a snapshot: {self.reason}"


def class_name(cls: type[Any]) -> str:
    """The dotted name of a class. Raises `UnnamedError` for what is not a class."""
    # Looked at and not trusted: scripts are not type-checked.
    if not isinstance(cls, type):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise UnnamedError(cls, "a class is expected here")
    return f"{cls.__module__}.{cls.__qualname__}"


def check_callable(call: object) -> None:
    """Refuse what is not callable, and functions that cannot be found again by name."""
    if not callable(call):
        raise UnnamedError(call, "a function or a bound method is expected here")
    if "<" in getattr(call, "__qualname__", ""):
        raise UnnamedError(
            call, "it has no name of its own; define it with `def` at the top level of a module"
        )
