"""The first look at a graph, before it is written as text: what is shared, and in which order sets go."""

import math
import struct
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from typing import Any, Final, cast

import attrs

from .graph import LONG, SCALARS, Call, Global, Instance, Node
from .reduction import class_of

# What nobody holds twice: Python's small scalars.
_ALONE: Final = frozenset({type(None), bool, int, float})
_TEXTS: Final = frozenset({str, bytes})
SETS: Final = frozenset({set, frozenset})


@attrs.frozen(eq=False)
class Survey:
    """What `survey` found. It holds ids, so it is good only while the graph lives unchanged."""

    shared: frozenset[int]
    """The ids of what is met more than once (see `graph.is_shared`)."""
    orders: dict[int, list[Any]]
    """By the id of a set: its members in their order (see `setorder`), if any is not a scalar."""
    doers: list[Any]
    """In no order: all calls, instances with a setter, and names that are values; not those called."""

    def members(self, items: "set[Any] | frozenset[Any]") -> list[Any]:
        """The members of `items`, a set of the graph, in the order in which text has them."""
        order = self.orders.get(id(items))
        return sorted(items, key=scalar_key) if order is None else order


def parts(item: Any) -> Iterable[Any]:
    """What `item` directly consists of, in the order in which it is written; of a set, in any."""
    kind = class_of(item)
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


def ordered(item: Any, looked: Survey) -> Iterable[Any]:
    """As `parts`, of a set in the order that the survey of its graph has."""
    return looked.members(item) if class_of(item) in SETS else parts(item)


def objects(root: Any) -> Iterator[Any]:
    """Everything that `root` leads to, each once, but for scalars. No depth of nesting is too great."""
    seen: set[int] = set()
    stack = [root]
    while stack:
        item = stack.pop()
        if class_of(item) in SCALARS or id(item) in seen:
            continue
        seen.add(id(item))
        yield item
        stack += [part for part in parts(item) if class_of(part) not in SCALARS]


def survey(root: Any) -> Survey:
    """Look at everything that `root` leads to. No depth of nesting is too great."""
    counts: dict[int, int] = {}
    doers: list[Any] = []
    is_any_order_hard = False
    stack = [root]
    while stack:
        item = stack.pop()
        number = id(item)
        if number in counts:
            counts[number] += 1
            continue
        counts[number] = 1
        kind = class_of(item)
        below: Iterable[Any]
        if type(kind) is Global and item.keywords is item.members is item.pairs is item.setter:
            # Most objects: all these are None.
            below = item.arguments
            state = item.state
            if class_of(state) is dict and not below:
                # It would be next.
                number = id(state)
                if number in counts:
                    counts[number] += 1
                    continue
                counts[number] = 1
                below = (*state, *state.values())
            elif state is not None:
                below = (*below, state)
        elif kind is dict:
            below = (*item, *item.values())
        elif kind is list or kind is tuple:
            below = item
        elif kind is Global:
            doers.append(item)
            continue
        else:
            below = parts(item)
            if kind is Call:
                doers.append(item)
                if class_of(item.function) is Global:
                    below = islice(below, 1, None)
            elif kind in SETS:
                is_any_order_hard |= any(class_of(part) not in SCALARS for part in below)
            elif isinstance(item, Node) and item.setter is not None:
                doers.append(item)
        for part in below:
            kind = class_of(part)
            if kind in _TEXTS:
                if len(part) > LONG:
                    stack.append(part)
            elif kind not in _ALONE:
                stack.append(part)
    # Of the empty tuple and of a name there is but one, in any number of places.
    for one in ((), *(each for each in doers if class_of(each) is Global)):
        counts.pop(id(one), None)
    shared = frozenset([number for number, count in counts.items() if count > 1])
    if not is_any_order_hard:
        return Survey(shared, {}, doers)
    from .setorder import orders

    return Survey(shared, orders(root, counts), doers)


def scalar_key(item: Any) -> tuple[str, Any]:
    """By what scalars are sorted: their class, and their value to the last bit."""
    kind = class_of(item)
    if kind is float and math.isnan(item):
        return "float", f"nan {struct.pack('>d', item).hex()}"
    return kind.__name__, item if kind in (int, str, bytes) else repr(item)
