"""What cannot be loaded, kept as it was, and what stands in its place meanwhile.

A component is *parked* if its class, or one of an object inside it, is not to be had, or if restoring
it raises. Its state is then bytes, which nobody reads until a later start tries them again. In its
place, in the registry and wherever others hold it, is a `StandIn`: there is nothing to be done with it,
and it is saved with what it stands for. So references to a parked component last.

What a parked component has in common with what is loaded is not in its bytes: `Parked.held` has it, as
live objects. What several parked ones have in common is in a `Lot`.
"""

import copyreg
import os
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Final, NoReturn, Self, cast

import attrs

from .errors import PerdureError

Kept = tuple[int, str, Any]
"""An entry of the journal: the number of its record, ``"shapes"`` or ``"command"``, and its content."""

# What is secret in bytes that nobody reads is not to be told from the rest.
_SECRET: Final = {"secret": True}


@attrs.define(str=False)
class ParkedError(PerdureError):
    """The component `key` is parked, for `reason`: there is nothing to be done with it."""

    exit_status: ClassVar[int] = os.EX_DATAERR
    key: str
    reason: str

    @property
    def remedy(self) -> str:
        """What to do."""
        return (
            "put back what it needs and start again, or give it up:"
            f" appconvert --parked FILE --drop '{self.key}'"
        )

    def __str__(self) -> str:
        return f"{self.key} is parked: {self.reason}; {self.remedy}"


@attrs.frozen(eq=False)
class Lot:
    """Objects that several parked components have in common: `stream` is a list of them.

    The other fields are as those of `Parked`.
    """

    stream: bytes = attrs.field(repr=False, metadata=_SECRET)
    shapes: Mapping[str, str] = attrs.field(factory=dict[str, str])
    names: tuple[str, ...] = ()
    held: list[object] = attrs.field(factory=list[object], repr=False)


@attrs.frozen(eq=False)
class Parked:
    """A component as it was when it could not be loaded; `since` is when, in ISO 8601, UTC.

    `made` and `state` are a record (see `components`); of what was in a snapshot `made` is empty.
    `shapes` are those of the classes then (see `shapes`), and `names` the classes and functions that it
    names, as ``module:qualname``. A reference in it is ``#3`` for what `held` has there, ``@3`` for what
    the `lot` has, or else the key of a component or the path of a service. `commands` are what the
    journal has said of it after this state, in order.
    """

    key: str
    reason: str
    since: str
    made: bytes = attrs.field(repr=False)
    state: bytes = attrs.field(repr=False, metadata=_SECRET)
    shapes: Mapping[str, str] = attrs.field(factory=dict[str, str])
    names: tuple[str, ...] = ()
    held: list[object] = attrs.field(factory=list[object], repr=False)
    lot: Lot | None = None
    commands: tuple[Kept, ...] = attrs.field(default=(), repr=False, metadata=_SECRET)


class StandIn:
    """Stands for what is parked: whoever makes use of it gets `ParkedError`.

    It may be passed on, compared by identity and shown, and counts as true.
    """

    __slots__ = ("__weakref__", "_is_called", "_parked")

    _is_called: bool
    """Whether what it stands for is made by a call, and it, too: each in the other's place."""
    _parked: Parked | None

    def __new__(cls) -> Self:
        return cast("Self", _new(called=False))

    def __reduce_ex__(self, _protocol: object, /) -> Any:
        state = {"parked": self._parked}
        if self._is_called:
            return stand_in, (), state
        return cast("Any", copyreg).__newobj__, (StandIn,), state

    def __setstate__(self, state: Mapping[str, object]) -> None:
        parked = state.get("parked")
        if not isinstance(parked, Parked):
            raise TypeError(f"a stand-in stands for something parked, and not for {parked!r:.80}")
        object.__setattr__(self, "_parked", parked)

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)  # What asks for it wants to know what this can do.
        _refuse(self)

    def __setattr__(self, _name: str, _value: object) -> NoReturn:
        _refuse(self)

    def __delattr__(self, _name: str) -> NoReturn:
        _refuse(self)

    def __bool__(self) -> bool:
        return True

    def __repr__(self) -> str:
        return f"<parked: {self._parked.key if self._parked else '?'}>"


def stand_in() -> StandIn:
    """A stand-in for what a call makes."""
    return _new(called=True)


def standing_for(parked: Parked, *, called: bool) -> StandIn:
    """What stands for `parked`, which is made by a call or not."""
    made = _new(called=called)
    object.__setattr__(made, "_parked", parked)
    return made


def parked_at(item: object) -> Parked | None:
    """What `item` stands for; None for what is no stand-in."""
    return cast("Any", item)._parked if type(item) is StandIn else None


def repark(item: object, parked: Parked, *, called: bool | None = None) -> None:
    """Let the stand-in `item` stand for `parked` instead, made by a call or not, or as it was."""
    object.__setattr__(item, "_parked", parked)
    if called is not None:
        object.__setattr__(item, "_is_called", called)


def refuse(item: object) -> None:
    """Raise `ParkedError` if `item` is a stand-in."""
    if type(item) is StandIn:
        _refuse(item)


def _new(*, called: bool) -> StandIn:
    made = object.__new__(StandIn)
    object.__setattr__(made, "_is_called", called)
    object.__setattr__(made, "_parked", None)
    return made


def _refuse(item: StandIn) -> NoReturn:
    parked = parked_at(item)
    if parked is None:
        raise ParkedError("?", "it is not restored yet")
    raise ParkedError(parked.key, parked.reason)


def _refusing() -> Callable[..., NoReturn]:
    def refusing(self: StandIn, *_arguments: object) -> NoReturn:
        _refuse(self)

    return refusing


# Python looks for these on the class alone.
_USES: Final = (
    "aiter", "anext", "await", "call", "contains", "delitem", "enter", "exit", "float", "fspath",
    "getitem", "index", "int", "iter", "len", "next", "setitem", "add", "radd", "sub", "rsub",
    "mul", "rmul", "iadd", "isub", "lt", "le", "gt", "ge",
)  # fmt: skip
for _name in _USES:
    setattr(StandIn, f"__{_name}__", _refusing())
