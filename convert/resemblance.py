"""Cheap looks at an object of a graph, by which it is recognised in another graph.

None looks deeper than two levels, so that to look at all the items of a list takes time in
proportion to their number.
"""

import struct
from collections.abc import Hashable, Iterable, Iterator
from itertools import islice
from typing import Any, Final, cast

from ..persist.graph import SCALARS, Global, Node
from .alignment import Key
from .branches import branches, class_of

_LOOKED_AT: Final = 16
_KINDS: Final[dict[type[Any], str]] = {int: "number", float: "number"}


def alike(old: object, new: object) -> bool:
    """Whether two scalars or names are the same: in kind, and a number in all its bits."""
    kind = type(old)
    if kind is not type(new):
        return False
    if kind is Global:
        return str(old) == str(new)
    if kind is float:
        return struct.pack("d", old) == struct.pack("d", new)
    return old == new


def strong(item: object) -> Hashable:
    """Equal for the same scalar, and for objects of one class that look the same."""
    if type(item) in SCALARS or type(item) is Global:
        return _scalar(item)
    return _kind(item), tuple(_leaves(item))


def _scalar(item: object) -> tuple[str, Hashable]:
    kind = type(item)
    if kind is float:
        return "float", struct.pack("d", item)
    return ("Global", str(item)) if kind is Global else (kind.__name__, item)


def resembles(old: object, new: object) -> bool:
    """Whether both look the same: `strong` is."""
    return strong(old) == strong(new)


def weak(item: object) -> Hashable:
    """Equal for objects of one class with the same first text, or else the same first scalar.

    That is often a name; for scalars, the kind.
    """
    if type(item) in SCALARS or type(item) is Global:
        return _kind(item)
    found = [leaf for leaf in _leaves(item) if leaf[1]]
    texts = [leaf for leaf in found if leaf[1] == "str"]
    return _kind(item), *(texts or found)[:1]


def _kind(item: object) -> Hashable:
    if isinstance(item, Node):
        found = class_of(item)
        return None if found is None else (found.module, found.name)
    return _KINDS.get(type(item)) or type(item).__name__


def _leaves(item: Any) -> Iterator[tuple[int, str, Hashable]]:
    """What is right in `item`, by number: scalars with their kind, and of objects the class."""
    if isinstance(item, set | frozenset | bytearray):
        yield -1, "", len(cast("set[Any]", item))
        return
    if isinstance(item, list | dict):
        yield -1, "", len(cast("list[Any]", item))
    for number, (_, value) in enumerate(islice(_with_arguments(item), _LOOKED_AT)):
        if type(value) in SCALARS or type(value) is Global:
            yield number, *_scalar(value)
        else:
            yield number, "", _kind(value)


def _with_arguments(item: Any) -> Iterable[tuple[Any, Any]]:
    # A word such as a datetime has its value in its arguments.
    if isinstance(item, Node) and item.arguments:
        return [*((None, each) for each in item.arguments), *branches(item)]
    return branches(item)


KEYS: Final[tuple[Key, ...]] = strong, weak, _kind
"""From strong to weak."""
