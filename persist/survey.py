"""The first look at a graph, before it is written as text: what is shared, and in which order sets go.

A set has no order of its own, and the same set comes from a stream in another order each time. So
text needs one that follows from the graph alone: scalars by class and value; others by when they
are met outside of any set; those found only in sets by what they look like, four levels deep.
"""

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any, Final, cast

import attrs

from .graph import SCALARS, Call, Global, Instance, Node, is_shared

_KEY_DEPTH: Final = 4


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
    kind = type(item)
    if kind is dict:
        return chain.from_iterable(cast("dict[Any, Any]", item).items())
    if kind in (list, tuple, set, frozenset):
        return cast("Iterable[Any]", item)
    if isinstance(item, Node):
        return _parts_of_node(item)
    return ()


def _parts_of_node(node: Node) -> Iterator[Any]:
    if isinstance(node, Call):
        yield node.function
    elif isinstance(node, Instance) and node.keywords:
        yield from node.keywords.values()
    yield from node.arguments
    if node.members is not None:
        yield from node.members
    if node.pairs is not None:
        yield from chain.from_iterable(node.pairs)
    if node.state is not None:
        yield node.state
    if node.setter is not None:
        yield node.setter


def survey(root: Any) -> Survey:
    """Look at everything that `root` leads to. No depth of nesting is too great."""
    seen: dict[int, None] = {}
    shared: set[int] = set()
    sets: list[set[Any] | frozenset[Any]] = []
    orders: dict[int, list[Any]] = {}
    _visit([root], seen, shared, sets)
    for items in sets:  # grows meanwhile
        numbers = {number: place for place, number in enumerate(seen)}
        order = sorted(items, key=lambda item: _member_key(item, numbers))
        orders[id(items)] = order
        _visit(order[::-1], seen, shared, sets)
    return Survey(frozenset(shared), orders)


def _visit(
    stack: list[Any],
    seen: dict[int, None],
    shared: set[int],
    sets: list[set[Any] | frozenset[Any]],
) -> None:
    while stack:
        item = stack.pop()
        number = id(item)
        if number in seen:
            shared.add(number)
            continue
        kind = type(item)
        if kind is Global or not is_shared(item):
            continue
        seen[number] = None
        if kind in (set, frozenset):
            if any(type(member) not in SCALARS for member in item):
                sets.append(item)
            continue
        below = [
            part
            for part in parts(item)
            if type(part) not in SCALARS or (type(part) in (str, bytes) and len(part) > 100)
        ]
        below.reverse()
        stack += below


def _scalar_key(item: Any) -> tuple[str, Any]:
    kind = type(item)
    return kind.__name__, item if kind in (int, str, bytes) else repr(item)


def _member_key(item: Any, numbers: dict[int, int]) -> tuple[int, int, str]:
    known = numbers.get(id(item))
    if type(item) not in SCALARS and known is not None:
        return 1, known, ""
    return (0 if type(item) in SCALARS else 2), 0, _looks(item, numbers, _KEY_DEPTH)


def _looks(item: Any, numbers: dict[int, int], depth: int) -> str:
    kind = type(item)
    if kind in SCALARS:
        return f"{kind.__name__} {item!r}"
    if kind is Global:
        return str(item)
    known = numbers.get(id(item))
    if known is not None:
        return f"#{known}"
    name = str(kind) if isinstance(item, Instance) else kind.__name__
    if depth == 0:
        return name
    below = [_looks(part, numbers, depth - 1) for part in parts(item)]
    if kind in (set, frozenset):
        below.sort()
    return f"{name}({', '.join(below)})"
