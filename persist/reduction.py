"""What an object says it is saved as: the answers of the pickle protocol, in one shape."""

import copyreg
import pickle
from collections.abc import Callable, Iterable
from typing import Any, Final, TypeGuard, cast

import attrs

PROTOCOL: Final = 5

Fields = dict[str, Any]


@attrs.frozen
class Reduction:
    """To make the object again: call `function` with `arguments`, then give it the rest.

    `members` are appended, `pairs` set as items, and `state` is set by ``__setstate__``, or by
    `setter` if there is one (see ``object.__reduce__`` in Python's documentation of `pickle`).
    """

    function: Any
    arguments: tuple[Any, ...]
    state: Any = None
    members: Iterable[Any] | None = None
    pairs: Iterable[tuple[Any, Any]] | None = None
    setter: Any = None


# A function of our own would be called for every object of a graph.
class_of: Final[Callable[[object], type[Any]]] = cast("Any", type)
"""The class of an object, for those who look at what they know nothing of."""


def reduction_of(item: Any) -> Reduction | str:
    """What `item` reduces to: the name of a global that it is, or how to make it.

    Raises what the object's own methods raise, TypeError if it is of a kind that cannot be saved,
    and PicklingError if what comes back has not the right shape.
    """
    reducer = copyreg.dispatch_table.get(class_of(item))
    reduced: object = item.__reduce_ex__(PROTOCOL) if reducer is None else reducer(item)
    if isinstance(reduced, str):
        return reduced
    if not _is_tuple(reduced):
        raise pickle.PicklingError("its __reduce__ returned neither a string nor a tuple")
    if not 2 <= len(reduced) <= 6:
        raise pickle.PicklingError(f"its __reduce__ returned {len(reduced)} items, not 2 to 6")
    made = Reduction(*reduced)
    if not callable(made.function) or not _is_tuple(made.arguments):
        raise pickle.PicklingError("its __reduce__ returned no callable with a tuple of arguments")
    return made


def fields_of(state: object) -> list[Fields] | None:
    """The one or two dicts of fields of which `state` consists; None if it is of another shape.

    Objects with slots have a pair: a dict of what is in their ``__dict__``, or None, and one of
    what is in their slots.
    """
    if isinstance(state, dict):
        return [cast("Fields", state)]
    if (
        _is_tuple(state)
        and len(state) == 2
        and isinstance(state[0], dict | None)
        and isinstance(state[1], dict)
    ):
        return [cast("Fields", part) for part in state if part is not None]
    return None


def _is_tuple(value: object) -> TypeGuard[tuple[Any, ...]]:
    return isinstance(value, tuple)
