"""Putting a graph together from text, in which an object may be referred to before it is there.

The readers of text make lists, dicts, sets and nodes when they begin and fill them as they go, so
that a reference back finds its object. For the rest there is `Later`: what stands in the place of
an object that is not there yet. When the text has ended, `finish` puts the objects in their places.
"""

from collections.abc import Callable, Iterable
from typing import Any, Final, cast

import attrs

from .graph import Call, Instance, Names, Node
from .keys import (
    Budget,
    Collisions,
    KeysError,
    Weight,
    weight_of_frozenset,
    weight_of_int,
    weight_of_tuple,
)
from .place import show_key
from .reduction import class_of


@attrs.define
class AssemblyError(ValueError):
    """The text says what no graph can be. `where` is the reader's own mark of the place."""

    reason: str
    where: Any

    def __str__(self) -> str:
        return self.reason


@attrs.define(eq=False, slots=True)
class Later:
    """Stands for an object that is not there yet: a reference, or a tuple or frozenset of such."""

    make: Callable[[list[Any]], Any] | None
    """None for a reference."""
    parts: list[Any]
    number: Any
    where: Any


class Assembly:
    """One graph in the making. `where`, in all calls, is for messages: any mark of a place."""

    def __init__(self, names: Names | None = None) -> None:
        self.names: Final = Names() if names is None else names
        self._known: dict[Any, Any] = {}
        self._fills: list[tuple[Any, list[Any], Any]] = []
        self._laters = 0
        self._budget = Budget()
        # Of the tuples and frozensets that hold others: also these themselves, so that ids stay good.
        self._weights: dict[int, tuple[Weight, Any]] = {}

    def define(self, number: Any, item: Any, where: Any) -> None:
        """From now on `number` refers to `item`. Raises `AssemblyError` if it did already."""
        if number in self._known:
            raise AssemblyError(f"the number {number} is given to two objects", where)
        self._known[number] = item

    def refer(self, number: Any, where: Any) -> Any:
        """The object of that number, or what stands for it."""
        found = self._known.get(number)
        if found is None:
            self._laters += 1
            return Later(None, [], number, where)
        return found

    def is_waiting(self, parts: list[Any]) -> bool:
        """Whether any of `parts` is not there yet."""
        return bool(self._laters) and any(type(part) is Later for part in parts)

    def immutable(self, make: Callable[[list[Any]], Any], parts: list[Any], where: Any) -> Any:
        """``make(parts)``, for `make` tuple or frozenset; or what stands for it."""
        if self.is_waiting(parts):
            self._laters += 1
            return Later(make, parts, None, where)
        return self._make(make, parts, where)

    def fill(self, item: Any, parts: list[Any], where: Any) -> None:
        """Give `item`, an empty list, dict, set or a node, its parts, now or when they are there.

        Those of a dict are keys and values in turn. For a node `parts` is what `node_parts` says.
        Raises `AssemblyError` for a key or member that cannot be one, or is there twice.
        """
        if self.is_waiting(parts):
            self._fills.append((item, parts, where))
        else:
            self._fill(item, parts, where)

    def finish(self, root: Any) -> Any:
        """`root`, with every object in its place.

        Raises `AssemblyError` for a reference to nothing, or a loop that leads through nothing but
        tuples and frozensets, in which no object could be made first.
        """
        made: dict[int, Any] = {}
        if type(root) is Later:
            self._resolve(root, made)
        for known in self._known.values():
            if type(known) is Later:
                self._resolve(known, made)
        for _, parts, _ in self._fills:
            for part in parts:
                if type(part) is Later:
                    self._resolve(part, made)
        for item, parts, where in self._fills:
            self._fill(item, [_there(part, made) for part in parts], where)
        return _there(root, made)

    def _resolve(self, later: Later, made: dict[int, Any]) -> None:
        """Make what `later` and all it waits for stand for, innermost first."""
        stack = [later]
        begun: set[int] = set()
        while stack:
            top = stack[-1]
            if id(top) in made:
                stack.pop()
                continue
            needed = [part for part in self._needed(top) if id(part) not in made]
            if not needed:
                made[id(top)] = self._made(top, made)
                stack.pop()
            elif id(top) in begun:
                raise AssemblyError(
                    "this refers to itself through tuples and frozensets only, of which none could"
                    " be made first",
                    top.where,
                )
            else:
                begun.add(id(top))
                stack += needed

    def _needed(self, later: Later) -> list[Later]:
        if later.make is not None:
            return [part for part in later.parts if type(part) is Later]
        if later.number not in self._known:
            raise AssemblyError(f"it refers to {later.number}, which nothing defines", later.where)
        target = self._known[later.number]
        return [target] if type(target) is Later else []

    def _made(self, later: Later, made: dict[int, Any]) -> Any:
        if later.make is None:
            return _there(self._known[later.number], made)
        return self._make(later.make, [_there(part, made) for part in later.parts], later.where)

    def _make(self, make: Callable[[list[Any]], Any], parts: list[Any], where: Any) -> Any:
        if make is tuple:
            made: Any = tuple(parts)
            if any(type(part) is tuple or type(part) is frozenset for part in parts):
                self._weights[id(made)] = weight_of_tuple(len(parts), self._heavy(parts)), made
            return made
        steps = self._hash(parts, where)
        made = self._hashing(frozenset, parts, where)
        _check_count(len(made), parts, "member", where)
        self._weights[id(made)] = weight_of_frozenset(len(parts), self._heavy(parts), steps), made
        return made

    def _fill(self, item: Any, parts: list[Any], where: Any) -> None:
        kind = class_of(item)
        if kind is list:
            item[:] = parts
        elif kind is dict:
            keys = parts[::2]
            self._hash(keys, where)
            self._hashing(item.update, zip(keys, parts[1::2], strict=True), where)
            _check_count(len(item), keys, "key", where)
        elif kind is set:
            self._hash(parts, where)
            self._hashing(item.update, parts, where)
            _check_count(len(item), parts, "member", where)
        else:
            _fill_node(item, parts)

    def _hash(self, keys: list[Any], where: Any) -> int:
        """Hash each of `keys`; how many steps it takes to compare those that have the same hash."""
        self._budget.allow_for(len(keys))
        others = [key for key in keys if type(key) is not str]
        if not others:
            return 0
        weights = [self._weight(key) for key in others]
        try:
            for weight in weights:
                if weight is not None:
                    self._budget.hash(weight)
            steps = Collisions().add([*map(hash, others)], weights)
            self._budget.compare(steps)
        except TypeError as error:
            raise AssemblyError(f"a key or member must not change: {error}", where) from error
        except KeysError as error:
            raise AssemblyError(str(error), where) from error
        return steps

    def _hashing(self, make: Callable[[Any], Any], parts: Any, where: Any) -> Any:
        """``make(parts)``, which compares the keys that `_hash` looked at."""
        try:
            return make(parts)
        except RecursionError:
            raise AssemblyError("its keys or members are too deep to be compared", where) from None

    def _weight(self, part: Any) -> Weight | None:
        if type(part) is tuple or type(part) is frozenset:
            known = self._weights.get(id(cast("Any", part)))
            if known is not None:
                return known[0]
            return weight_of_tuple(len(cast("Any", part)), self._heavy(cast("Any", part)))
        return weight_of_int(part.bit_length() // 8) if type(part) is int else None

    def _heavy(self, parts: Iterable[Any]) -> list[Weight]:
        return [weight for part in parts if (weight := self._weight(part)) is not None]


def _there(part: Any, made: dict[int, Any]) -> Any:
    return made[id(part)] if type(part) is Later else part


def _check_count(count: int, parts: list[Any], what: str, where: Any) -> None:
    if count == len(parts):
        return
    met: set[Any] = set()
    for part in parts:
        if part in met:
            raise AssemblyError(f"the {what} {show_key(part)} is there twice", where)
        met.add(part)


def node_parts(node: Node) -> list[Any]:
    """The parts of `node` as one list, which `Assembly.fill` of it takes back, changed or not."""
    keywords: dict[str, Any] = (node.keywords or {}) if isinstance(node, Instance) else {}
    function = [node.function] if isinstance(node, Call) else []
    pairs = [part for pair in node.pairs or () for part in pair]
    return [
        *function, node.state, node.setter,
        *node.arguments, *keywords.values(), *(node.members or ()), *pairs,
    ]  # fmt: skip


def _fill_node(node: Node, parts: list[Any]) -> None:
    left = iter(parts)
    if isinstance(node, Call):
        node.function = next(left)
    node.state, node.setter = next(left), next(left)
    node.arguments = tuple([next(left) for _ in node.arguments])
    if isinstance(node, Instance) and node.keywords:
        node.keywords = {key: next(left) for key in node.keywords}
    if node.members is not None:
        node.members = [next(left) for _ in node.members]
    if node.pairs is not None:
        node.pairs = [(next(left), next(left)) for _ in node.pairs]
