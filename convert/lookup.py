"""Finding a place in a graph, and putting another value there.

A place is found as a person writes it: ``registry[visits.Counter].value``. Besides the steps that
`branches` gives, a dot finds a private field without its underscore, brackets after an instance
find an item of what one of its private fields holds, and text in brackets a key that reads so.
"""

import difflib
import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, ClassVar, Final, cast

import attrs

from ..persist.errors import PerdureError
from ..persist.graph import Call, Global, Graph, Instance, Node
from ..persist.place import Field, Item, Step, parse, show
from ..persist.survey import survey
from .branches import as_word, branches, dotted, field_dicts, field_step, has_items, is_secret

_LISTED: Final = 8
_HIDDEN: Final = "there is no such place in this, which is secret; --reveal tells what is there"
NO_SECRETS: Final[Mapping[str, Collection[str]]] = MappingProxyType({})
_MOST_COMPARED: Final = 2_000


@attrs.define
class LookupFailedError(PerdureError):
    """There is no such place. `place` is the nearest that there is; `reason` says what is there."""

    exit_status: ClassVar[int] = os.EX_DATAERR
    place: str
    reason: str

    def __str__(self) -> str:
        return f"{self.place}: {self.reason}"


@attrs.frozen(eq=False)
class Spot:
    """One place in a graph and what is there. It is good until the graph is changed elsewhere."""

    graph: Graph
    steps: tuple[Step, ...]
    value: Any
    above: "Spot | None"
    """The place of the object that `value` stands in; None for the root."""
    put: Callable[[Any], Any]
    """Puts a value there and returns the object that holds it: a new one, if that cannot change."""

    @property
    def place(self) -> str:
        """As text."""
        return show(self.steps)

    def replace(self, value: Any) -> None:
        """Put `value` there. In a tuple it stands in a new tuple, which takes the place of the old.

        Raises `LookupFailedError` for the root, and where a tuple is also held elsewhere: there the
        old one would stay.
        """
        if self.above is None:
            raise LookupFailedError(self.place, "it cannot be replaced whole; name a place in it")
        held: object = self.above.value
        if type(held) is tuple and id(cast("Any", held)) in survey(self.graph.root).shared:
            raise LookupFailedError(
                self.above.place,
                "this tuple stands in several places, and what is in a tuple cannot change;"
                " edit the text form (--to source) instead",
            )
        holder = self.put(value)
        if holder is not held:
            self.above.replace(holder)

    def below(self, step: Step) -> "Spot | None":
        """Where `step` leads from here; None if it leads nowhere.

        Raises `LookupFailedError` if it could be an item of several private fields.
        """
        found = self._directly_below(step)
        if found is not None or not isinstance(step, Item) or not isinstance(self.value, Node):
            return found
        names = [name for part in field_dicts(self.value) or [] for name in part]
        private = [
            inner
            for name in names
            if type(name) is str and name.startswith("_")
            for field in [self._directly_below(Field(name))]
            for inner in [field and field._directly_below(step)]
            if inner is not None
        ]
        if len(private) > 1:
            ways = " or ".join(f"{self.place}{_in_full(inner.steps[-2:])}" for inner in private)
            raise LookupFailedError(self.place, f"several of its fields have that; say {ways}")
        return private[0] if private else None

    def _directly_below(self, step: Step) -> "Spot | None":
        for found, value, put in _matches(self.value, step):
            return Spot(self.graph, (*self.steps, found), value, self, put)
        return None


def find(graph: Graph, place: str, secret: Mapping[str, Collection[str]] = NO_SECRETS) -> Spot:
    """What is at `place`. Raises `PlaceError` for a text that is none, else `LookupFailedError`.

    That tells nothing of what is in a field that is `secret`.
    """
    spot = Spot(graph, (), graph.root, None, lambda value: value)
    for step in parse(place):
        below = spot.below(step)
        if below is None:
            is_hidden = is_in_secret(spot, secret)
            raise LookupFailedError(
                spot.place, _HIDDEN if is_hidden else _absence(spot.value, step)
            )
        spot = below
    return spot


def is_in_secret(spot: Spot, secret: Mapping[str, Collection[str]]) -> bool:
    """Whether `spot` is, or is inside of, a field that its class declares secret."""
    while spot.above is not None:
        if is_secret(secret, spot.above.value, spot.steps[-1]):
            return True
        spot = spot.above
    return False


def _in_full(steps: Sequence[Step]) -> str:
    # A place passes over a private field, and here it is what tells one from the other.
    return f".{cast('Field', steps[0]).name}{show(steps[1:], '')}"


# The step by its full name, what is there, and what puts another value there.
_Match = tuple[Step, Any, Callable[[Any], Any]]


def _matches(item: object, step: Step) -> Iterator[_Match]:
    """What `step` may mean from `item`, best first."""
    if isinstance(item, Node):
        if as_word(item) is not None:
            yield from _in_word(item, step)
        elif isinstance(step, Field):
            yield from _fields_of(item, step.name)
        else:
            yield from _items_of(item, step.key)
    elif isinstance(step, Item):
        kind = type(item)
        if kind is dict:
            pairs = cast("dict[Any, Any]", item)
            for key in _keys(pairs, step.key):
                yield Item(key), pairs[key], _putter(pairs, pairs, key)
        elif kind is list:
            members = cast("list[Any]", item)
            for number in _numbers(members, step.key):
                yield Item(number), members[number], _putter(members, members, number)
        elif kind is tuple:
            parts = cast("tuple[Any, ...]", item)
            for number in _numbers(parts, step.key):
                yield Item(number), parts[number], _rebuilder(parts, number)


def _in_word(node: Node, step: Step) -> Iterator[_Match]:
    for found, value in branches(node):
        if found == step:
            place = next(n for n, each in enumerate(node.arguments) if each is value)
            yield found, value, _putter_of_arguments(node, place)


def _fields_of(node: Node, name: str) -> Iterator[_Match]:
    keywords = (node.keywords or {}) if isinstance(node, Instance) else {}
    for part in (*(field_dicts(node) or []), keywords):
        for full in _field_names(part, name):
            yield field_step(full), part[full], _putter(node, part, full)
    for step, value in branches(node):
        if step == Field(name) and name in ("arguments", "state", "setter", "function"):
            yield step, value, _putter_of_attribute(node, name)


def _items_of(node: Node, key: Any) -> Iterator[_Match]:
    if node.members is not None:
        for number in _numbers(node.members, key):
            yield Item(number), node.members[number], _putter(node, node.members, number)
    pairs = node.pairs or []
    for number in _pair_numbers(pairs, key):
        yield Item(pairs[number][0]), pairs[number][1], _putter_of_pair(node, pairs, number)
    if not has_items(node):
        for number in _numbers(node.arguments, key):
            yield Item(number), node.arguments[number], _putter_of_arguments(node, number)
    for part in field_dicts(node) or []:
        if key in part and not (type(key) is str and key.isidentifier()):
            yield field_step(key), part[key], _putter(node, part, key)


def _field_names(fields: dict[Any, Any], name: str) -> Iterator[Any]:
    if name in fields:
        yield name
        return
    if f"_{name}" in fields:
        yield f"_{name}"
    for each in fields:
        if type(each) is str and each.startswith("_") and each.endswith(f"__{name}"):
            yield each


def _keys(pairs: dict[Any, Any], key: Any) -> Iterator[Any]:
    if key in pairs:
        # 1 finds True as well, and what is there says which it is.
        found = next(each for each in pairs if each == key) if key in (0, 1) else key
        if type(found) is type(key):
            yield found
    yield from (each for each in pairs if _reads_as(each, key))


def _pair_numbers(pairs: Sequence[tuple[Any, Any]], key: Any) -> Iterator[int]:
    for number, (each, _) in enumerate(pairs):
        if type(each) is type(key) and each == key:
            yield number
            return
    yield from (number for number, (each, _) in enumerate(pairs) if _reads_as(each, key))


def _reads_as(key: Any, text: Any) -> bool:
    wanted = str(text)
    if type(key) is Global:
        return wanted in (str(key), dotted(key))
    if isinstance(key, Node):
        return False
    try:
        return wanted in (str(key), repr(key))
    except (RecursionError, ValueError):
        return False


def _numbers(items: Sequence[Any], key: Any) -> Iterator[int]:
    if type(key) is int and -len(items) <= key < len(items):
        yield key % len(items)


def _putter(holder: Any, container: Any, key: Any) -> Callable[[Any], Any]:
    def put(value: Any) -> Any:
        container[key] = value
        return holder

    return put


def _putter_of_attribute(node: Node, name: str) -> Callable[[Any], Any]:
    def put(value: Any) -> Any:
        setattr(node, name, value)
        return node

    return put


def _putter_of_arguments(node: Node, number: int) -> Callable[[Any], Any]:
    def put(value: Any) -> Any:
        node.arguments = _rebuilder(node.arguments, number)(value)
        return node

    return put


def _putter_of_pair(node: Node, pairs: list[tuple[Any, Any]], number: int) -> Callable[[Any], Any]:
    def put(value: Any) -> Any:
        pairs[number] = pairs[number][0], value
        return node

    return put


def _rebuilder(items: tuple[Any, ...], number: int) -> Callable[[Any], Any]:
    return lambda value: (*items[:number], value, *items[number + 1 :])


def _absence(item: Any, step: Step) -> str:
    wanted = f".{step.name}" if isinstance(step, Field) else f"[{step.key}]"
    names = _names(item)
    if isinstance(item, set | frozenset):
        return f"there is no {wanted}; members of a set have no place of their own, name the set"
    if not names:
        return f"there is no {wanted}; {what_it_is(item)} is there, with nothing in it"
    if len(names) <= _MOST_COMPARED and type(item) not in (list, tuple):
        close = difflib.get_close_matches(wanted, names, n=_LISTED, cutoff=0.5)
        names = close + [each for each in names if each not in close]
    listed = ", ".join(names[:_LISTED])
    more = f" and {len(names) - _LISTED:,} more" if len(names) > _LISTED else ""
    return f"there is no {wanted}; {what_it_is(item)} is there, and has {listed}{more}"


def _names(item: Any) -> list[str]:
    names = [show([step], "") for step, _ in branches(item)]
    if isinstance(item, Node) and as_word(item) is None:
        for part in field_dicts(item) or []:
            for name, value in part.items():
                if type(name) is str and name.startswith("_") and type(value) in (dict, list):
                    names += [show([step], "") for step, _ in branches(value)]
    return names


def what_it_is(item: object) -> str:
    """`item` in two or three words: ``a list``, ``a visits.Counter``."""
    if isinstance(item, Instance):
        return f"a {dotted(cast('Global', type(item)))}"
    if isinstance(item, Call):
        word = as_word(item)
        return f"a {word.name}" if word else f"a call of {item.function}"
    names: dict[type[Any], str] = {str: "a text", int: "a whole number", float: "a number", bool: "True or False",
             bytes: "bytes", dict: "a dict", type(None): "None", Global: f"the name {item}"}  # fmt: skip
    return names.get(type(item)) or f"a {type(item).__name__}"
