"""The first look at a graph, before it is written as text: what is shared, and in which order sets go.

A set has no order of its own, and the same set comes from a stream in another order each time. So
text needs one that follows from the graph alone. In a set come first the scalars, by class and value;
then what is met outside of any set, or in a set before; then the rest, by what it looks like from near
or, if need be, from afar. Only objects that are alike in everything but in what they share with
each other may come in either order.
"""

import math
import struct
from collections.abc import Callable, Iterable
from itertools import chain, groupby, islice
from typing import Any, Final, cast

import attrs

from .graph import LONG, SCALARS, Call, Global, Instance, Node, is_shared

_class_of: Final[Callable[[Any], Any]] = cast("Any", type)
# What nobody holds twice: Python's small scalars, and names.
_ALONE: Final = frozenset({type(None), bool, int, float, Global})
_TEXTS: Final = frozenset({str, bytes})
_SETS: Final = frozenset({set, frozenset})
# How many parts are looked at to tell members of a set apart: of each at first, and of all in all.
_NEAR: Final = 30
_FARTHER: Final = 20
_MOST_LOOKS: Final = 5_000_000


@attrs.frozen(eq=False)
class Survey:
    """What `survey` found. It holds ids, so it is good only while the graph lives unchanged."""

    shared: frozenset[int]
    """The ids of what is met more than once (see `graph.is_shared`)."""
    orders: dict[int, list[Any]]
    """By the id of a set: its members in their order. A set of nothing but scalars is not here."""

    def members(self, items: "set[Any] | frozenset[Any]") -> list[Any]:
        """The members of `items`, a set of the graph, in the order in which text has them."""
        order = self.orders.get(id(items))
        return sorted(items, key=_scalar_key) if order is None else order


def parts(item: Any) -> Iterable[Any]:
    """What `item` directly consists of, in the order in which it is written; of a set, in any."""
    kind = _class_of(item)
    if kind is dict:
        return chain.from_iterable(cast("dict[Any, Any]", item).items())
    if kind in (list, tuple, set, frozenset):
        return cast("Iterable[Any]", item)
    if isinstance(item, Node):
        return _parts_of_node(item)
    return ()


def _parts_of_node(node: Node) -> list[Any]:
    found = [node.function] if isinstance(node, Call) else []
    if isinstance(node, Instance) and node.keywords:
        found += node.keywords.values()
    found += node.arguments
    if node.members is not None:
        found += node.members
    if node.pairs is not None:
        found += chain.from_iterable(node.pairs)
    if node.state is not None:
        found.append(node.state)
    if node.setter is not None:
        found.append(node.setter)
    return found


def survey(root: Any) -> Survey:
    """Look at everything that `root` leads to. No depth of nesting is too great."""
    numbers: dict[int, int] = {}
    shared: set[int] = set()
    sets: list[set[Any] | frozenset[Any]] = []
    orders: dict[int, list[Any]] = {}
    eyes = _Eyes(numbers)
    _visit([root], numbers, shared, sets)
    for items in sets:  # grows meanwhile
        order = eyes.order(items)
        if any(type(item) not in SCALARS for item in order):
            orders[id(items)] = order
        _visit([item for item in reversed(order) if is_shared(item)], numbers, shared, sets)
    # There is but one empty tuple, in any number of places.
    shared.discard(id(()))
    return Survey(frozenset(shared), orders)


def _visit(
    stack: list[Any],
    numbers: dict[int, int],
    shared: set[int],
    sets: list[set[Any] | frozenset[Any]],
) -> None:
    """Give a number to each object that `stack` leads to, but for what is in sets.

    The numbers follow from the graph alone; in which order they go does not matter.
    """
    while stack:
        item = stack.pop()
        number = id(item)
        if number in numbers:
            shared.add(number)
            continue
        numbers[number] = len(numbers)
        kind = _class_of(item)
        below: Iterable[Any]
        if type(kind) is Global and item.keywords is item.members is item.pairs is item.setter:
            # Most objects: all these are None.
            below = item.arguments if item.state is None else (*item.arguments, item.state)
        elif kind is dict:
            below = (*item, *item.values())
        elif kind in _SETS:
            sets.append(item)
            continue
        else:
            below = parts(item)
        for part in below:
            kind = _class_of(part)
            if kind in _TEXTS:
                if len(part) > LONG:
                    stack.append(part)
            elif kind not in _ALONE:
                stack.append(part)


def _scalar_key(item: Any) -> tuple[str, Any]:
    kind = _class_of(item)
    if kind is float and math.isnan(item):
        return "float", f"nan {struct.pack('>d', item).hex()}"
    return kind.__name__, item if kind in (int, str, bytes) else repr(item)


class _Eyes:
    """Tells the members of sets apart by the `numbers` of objects, and by what they look like."""

    def __init__(self, numbers: dict[int, int]) -> None:
        self._numbers = numbers
        self._looks_left = _MOST_LOOKS

    def order(self, items: Iterable[Any]) -> list[Any]:
        """The members of a set in their order."""
        scalars: list[Any] = []
        known: list[Any] = []
        rest: list[Any] = []
        for item in items:
            if type(item) in SCALARS:
                scalars.append(item)
            else:
                (known if id(item) in self._numbers else rest).append(item)
        scalars.sort(key=_scalar_key)
        known.sort(key=lambda item: self._numbers[id(item)])
        return [*scalars, *known, *self._by_looks(rest, _NEAR)]

    def _by_looks(self, items: list[Any], most: int) -> list[Any]:
        if len(items) < 2:
            return items
        looks = {id(item): self._look(item, most) for item in items}
        items.sort(key=lambda item: looks[id(item)])
        order: list[Any] = []
        for (_, is_all), group in groupby(items, lambda item: looks[id(item)]):
            alike = list(group)
            farther = not is_all and self._looks_left > 0
            order += self._by_looks(alike, most * _FARTHER) if farther else alike
        return order

    def _look(self, item: Any, most: int) -> tuple[str, bool]:
        """What `item` looks like, in about as many parts as `most`; and whether that is all of it."""
        met: dict[int, int] = {}
        queue = [item]
        seen: list[str] = []
        for each in queue:  # grows meanwhile
            seen.append(_title(each))
            if type(each) not in _SETS:
                some = islice(parts(each), max(0, most - len(seen)))
                seen += [self._glance(part, met, queue) for part in some]
            elif len(each) <= most:
                # In what order its members are met is not to be seen: they are not followed.
                seen += sorted([self._glance(part, met, []) for part in each])
            if len(seen) >= most:
                break
        self._looks_left -= len(seen)
        return "\n".join(seen), len(seen) < most

    def _glance(self, part: Any, met: dict[int, int], queue: list[Any]) -> str:
        kind = _class_of(part)
        if kind in SCALARS:
            return f"{kind.__name__} {_brief(part)}"
        if kind is Global:
            return str(part)
        number = self._numbers.get(id(part))
        if number is not None:
            return f"#{number}"
        number = met.get(id(part))
        if number is None:
            number = met[id(part)] = len(met)
            queue.append(part)
        return f"^{number}"


def _title(item: Any) -> str:
    if _class_of(item) is Global:
        return str(item)
    if isinstance(item, Node):
        counts = len(item.arguments), len(item.members or ()), len(item.pairs or ())
        return f"{type(item)} {counts} {item.state is None} {item.setter is None}"
    if type(item) is bytearray:
        return f"bytearray {len(item)} {_brief(bytes(item[:LONG]))}"
    return f"{type(item).__name__} {len(item)}"


def _brief(scalar: Any) -> str:
    if type(scalar) is int:
        return f"{scalar:x}"
    if type(scalar) in _TEXTS and len(scalar) > LONG:
        return f"{len(scalar)} {scalar[:LONG]!r} {scalar[-LONG:]!r}"
    return str(_scalar_key(scalar)[1])
