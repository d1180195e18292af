"""An order for the members of sets that follows from the graph alone.

A set has no order of its own, and the same set comes from a stream in another order each time. In text
come first the scalars, by class and value; then what was met before, outside of any set or in a set
before; then the rest, by what it looks like: from near and, if need be, from afar. What looks alike is
told apart by what it shares with whom (colour refinement, as in tests of graphs for isomorphism).
Where even that is alike, one goes first, and those that share something with it are next.

Only objects that are connected in a pattern of uncommon regularity may still come in either order.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from heapq import heapify, heappop, heappush
from itertools import islice
from typing import Any, Final

import attrs

from .graph import LONG, SCALARS, Global, Node, is_shared
from .reduction import class_of
from .survey import SETS, parts, scalar_key

# How many parts are looked at to tell objects apart: of each at first, and of all in all.
_NEAR: Final = 30
_FARTHER: Final = 20
_MOST_LOOKS: Final = 5_000_000


def orders(root: Any, counts: Mapping[int, int]) -> dict[int, list[Any]]:
    """By its id, the order of each set under `root` that has a member other than scalars.

    `counts` has, by its id, how often each object of the graph is met.
    """
    return _Sorter(counts).run(root)


@attrs.frozen
class _Look:
    """What an object looks like; whether that is all of it; and what it holds that others hold, too."""

    text: str
    is_all: bool
    shared: list[int]


class _Sorter:
    def __init__(self, counts: Mapping[int, int]) -> None:
        self._counts = counts
        # The objects that are known by now: in which order they became so does not matter for any one
        # of them, only that it is the same wherever the graph is read.
        self._numbers: dict[int, int] = {}
        self._sets: list[Any] = []
        self._looks_left = _MOST_LOOKS

    def run(self, root: Any) -> dict[int, list[Any]]:
        """Go through the graph, sets last, each when it is met."""
        found: dict[int, list[Any]] = {}
        self._visit(root)
        for items in self._sets:  # grows meanwhile
            order = self._order(items)
            if any(class_of(item) not in SCALARS for item in order):
                found[id(items)] = order
        return found

    def _visit(self, root: Any) -> None:
        stack = [root]
        while stack:
            item = stack.pop()
            if id(item) not in self._numbers:
                self._numbers[id(item)] = len(self._numbers)
                if class_of(item) in SETS:
                    self._sets.append(item)
                else:
                    stack += [part for part in parts(item) if is_shared(part)]

    def _order(self, items: Iterable[Any]) -> list[Any]:
        """The members of a set in their order; they are known from now on."""
        scalars: list[Any] = []
        known: list[Any] = []
        rest: list[Any] = []
        for item in items:
            if class_of(item) in SCALARS:
                scalars.append(item)
            else:
                (known if id(item) in self._numbers else rest).append(item)
        scalars.sort(key=scalar_key)
        known.sort(key=lambda item: self._numbers[id(item)])
        for item in scalars:
            if is_shared(item):
                self._visit(item)
        return [*scalars, *known, *self._by_looks(rest)]

    def _by_looks(self, items: list[Any]) -> list[Any]:
        if len(items) > 1:
            looks = self._looks(items)
            colours = _ranks([look.text for look in looks])
            if len(set(colours)) < len(items) and any(look.shared for look in looks):
                colours = _refined(colours, looks)
                items = self._one_by_one(items, looks, colours)
            else:
                items = [
                    items[place] for place in sorted(range(len(items)), key=colours.__getitem__)
                ]
        for item in items:
            self._visit(item)
        return items

    def _looks(self, items: list[Any]) -> list[_Look]:
        """What `items` look like: those that look alike from near are looked at from afar."""
        most = _NEAR
        looks = [self._look(item, most) for item in items]
        while self._looks_left > 0:
            places: dict[str, list[int]] = defaultdict(list)
            for place, look in enumerate(looks):
                places[look.text].append(place)
            unsure = [
                place
                for alike in places.values()
                if len(alike) > 1 and not all(looks[place].is_all for place in alike)
                for place in alike
            ]
            if not unsure:
                break
            most *= _FARTHER
            for place in unsure:
                looks[place] = self._look(items[place], most)
        return looks

    def _one_by_one(self, items: list[Any], looks: list[_Look], colours: list[int]) -> list[Any]:
        """Let one go first, which makes known what it shares with others; these are looked at anew."""
        holders: dict[int, list[int]] = defaultdict(list)
        for place, look in enumerate(looks):
            for number in look.shared:
                holders[number].append(place)
        count = Counter(colours)
        keys = [(1, colour, "") for colour in colours]
        queue = [(key, place) for place, key in enumerate(keys)]
        heapify(queue)
        order: list[Any] = []
        left = set(range(len(items)))
        while queue:
            key, place = heappop(queue)
            if place not in left or keys[place] != key:
                continue  # it was taken, or looks different by now
            left.remove(place)
            order.append(items[place])
            self._visit(items[place])
            for number in looks[place].shared:
                for other in holders.pop(number, ()):
                    if other in left and count[colours[other]] > 1 and self._looks_left > 0:
                        text = self._look(items[other], _NEAR).text
                        keys[other] = 0, colours[other], text
                        heappush(queue, (keys[other], other))
        return order

    def _look(self, item: Any, most: int) -> _Look:
        """Look at `item`, at about as many parts as `most`."""
        met = {id(item): 0}
        queue = [item]
        seen: list[str] = []
        shared: list[int] = []
        is_all = True
        for each in queue:  # grows meanwhile
            count = self._counts.get(id(each), 1)
            if count > 1 and each is not item:
                shared.append(id(each))
            seen.append(f"{count} {_title(each)}")
            room = max(0, most - len(seen))
            if class_of(each) not in SETS:
                seen += [self._glance(part, met, queue) for part in islice(parts(each), room)]
            elif len(each) <= room:
                inner = self._look_into(each, met, queue, room)
                seen += [look.text for look in inner]
                shared += [number for look in inner for number in look.shared]
                is_all = is_all and all(look.is_all for look in inner)
            else:
                is_all = False
            if len(seen) >= most:
                is_all = False
                break
        self._looks_left -= len(seen)
        return _Look("\n".join(seen), is_all, shared)

    def _glance(self, part: Any, met: dict[int, int], queue: list[Any]) -> str:
        if not is_shared(part):
            return _title(part)
        number = self._numbers.get(id(part))
        if number is not None:
            return f"#{number}"
        number = met.get(id(part))
        if number is None:
            number = met[id(part)] = len(met)
            queue.append(part)
        return f"^{number}"

    def _look_into(
        self, items: Iterable[Any], met: dict[int, int], queue: list[Any], most: int
    ) -> list[_Look]:
        """The looks of a set's members, in an order that follows from these."""
        plain: list[str] = []
        others: list[Any] = []
        for part in items:
            if is_shared(part) and id(part) not in self._numbers and id(part) not in met:
                others.append(part)
            else:
                plain.append(self._glance(part, met, queue))
        looks = [_Look(text, True, []) for text in sorted(plain)]
        if len(others) == 1:
            return [*looks, _Look(self._glance(others[0], met, queue), True, [])]
        # Which of several is met first is not to be seen: each is looked at by itself.
        inner = [self._look(part, most // len(others)) for part in others]
        return looks + sorted(inner, key=lambda look: look.text)


def _refined(colours: list[int], looks: list[_Look]) -> list[int]:
    """Tell apart what looks alike by who else holds what it shares, and those by what they share."""
    while True:
        met: dict[int, list[tuple[int, int]]] = defaultdict(list)
        for colour, look in zip(colours, looks, strict=True):
            for place, number in enumerate(look.shared):
                met[number].append((colour, place))
        roles = dict(zip(met, _ranks([tuple(sorted(each)) for each in met.values()]), strict=True))
        finer = _ranks(
            [
                (colour, tuple([roles[number] for number in look.shared]))
                for colour, look in zip(colours, looks, strict=True)
            ]
        )
        if max(finer) == max(colours):
            return finer
        colours = finer


def _ranks(items: Sequence[Any]) -> list[int]:
    """For each of `items`, how many different ones are less."""
    ranks = {item: rank for rank, item in enumerate(sorted(set(items)))}
    return [ranks[item] for item in items]


def _title(item: Any) -> str:
    kind = class_of(item)
    if kind is Global:
        return str(item)
    if isinstance(item, Node):
        counts = len(item.arguments), len(item.members or ()), len(item.pairs or ())
        name = str(kind) if type(kind) is Global else "call"
        return f"{name} {counts} {item.state is None} {item.setter is None}"
    if kind is int:
        return f"int {item:x}"
    if kind in (str, bytes, bytearray) and len(item) > LONG:
        return f"{kind.__name__} {len(item)} {item[:LONG]!r} {item[-LONG:]!r}"
    if kind in SCALARS:
        return f"{kind.__name__} {scalar_key(item)[1]}"
    return f"{kind.__name__} {len(item)}"
