"""The way from the root of a graph to an object in it, as a place (see `place`).

The parts of an object are numbered as `survey.parts` gives them.
"""

from collections import deque
from collections.abc import Mapping
from itertools import islice
from typing import Any, Final, cast

from .graph import SCALARS, Call, Instance, Node
from .place import ROOT, Field, Item, Step, show
from .reduction import class_of, fields_of
from .survey import parts

# By the id of an object: the one it was reached from, and the number of the part that it is of that.
Trail = Mapping[int, tuple[Any, int]]

_FAR: Final = 50


def spell(trail: Trail, holder: Any, number: int) -> str:
    """The place of part `number` of `holder`, to which `trail` leads; a `holder` None has the root.

    Of more than 50 steps only the last are told.
    """
    steps: list[Step] = []
    while holder is not None and len(steps) <= _FAR:
        above = trail[id(holder)][0]
        steps += reversed(_steps(holder, number, above))
        holder, number = trail[id(holder)]
    return show(steps[::-1], ROOT if holder is None else "...")


def find(root: Any, wanted: Any) -> str:
    """The place of `wanted`, to which `root` leads, by one of the shortest ways."""
    trail: dict[int, tuple[Any, int]] = {id(root): (None, 0)}
    queue = deque([root])
    while id(wanted) not in trail:
        holder = queue.popleft()
        for number, part in enumerate(parts(holder)):
            if id(part) not in trail and (part is wanted or class_of(part) not in SCALARS):
                trail[id(part)] = holder, number
                queue.append(part)
    return spell(trail, *trail[id(wanted)])


def _steps(holder: Any, number: int, above: Any) -> list[Step]:
    """From `holder` to its part; `above` is what holds `holder`."""
    if isinstance(holder, Node):
        return _steps_from_node(holder, number)
    kind = class_of(holder)
    if kind is dict:
        if number % 2 == 0:
            return []  # a key
        key = next(islice(cast("dict[Any, Any]", holder), number // 2, None))
        return [_field(key) if _is_state(holder, above) else Item(key)]
    # The members of a set have no place of their own.
    return [Item(number)] if kind in (list, tuple) and not _is_state(holder, above) else []


def _is_state(holder: Any, above: Any) -> bool:
    """Whether `holder` has the fields of an object: a dict, or the pair of dicts of one with slots."""
    if isinstance(above, Node):
        return above.state is holder and fields_of(holder) is not None
    # Whether that pair is itself a state does not matter: nothing else looks like it.
    return type(above) is tuple and fields_of(cast("Any", above)) is not None


def _field(name: Any) -> Step:
    return Field(name) if type(name) is str else Item(name)


def _steps_from_node(node: Node, number: int) -> list[Step]:
    if isinstance(node, Call):
        if number == 0:
            return [Field("function")]
        number -= 1
    keywords = list((node.keywords or {}) if isinstance(node, Instance) else ())
    if number < len(keywords):
        return [Field(keywords[number])]
    number -= len(keywords)
    arguments, members, pairs = len(node.arguments), len(node.members or ()), node.pairs or ()
    if number < arguments:
        # Brackets after a node with members or pairs mean these.
        has_items = node.members is not None or node.pairs is not None
        return [*([Field("arguments")] if has_items else []), Item(number)]
    number -= arguments
    if number < members:
        return [Item(number)]
    number -= members
    if number < 2 * len(pairs):
        return [Item(pairs[number // 2][0])] if number % 2 else []
    if number == 2 * len(pairs) and node.state is not None:
        return [] if fields_of(node.state) is not None else [Field("state")]
    return [Field("setter")]
