"""Where in a graph the values of secret fields are, and what can be reached without them."""

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, Final, cast

import attrs

from . import trail
from .graph import Call, Global, Graph, Instance, Node, is_shared
from .place import Field, show
from .reduction import fields_of
from .survey import Survey, ordered

SECRET: Final = "perdure.persist.secret:Secret"
_ALWAYS: Final = {SECRET: ("_value",)}

Declared = Mapping[str, Collection[str]]
"""The names of secret fields, by the class as ``module:qualname``; as in a passport."""


def merged(*declared: Declared) -> Declared:
    """What any of `declared` has, and what is secret whether anybody has declared it or not."""
    found: dict[str, tuple[str, ...]] = {}
    for each in (*declared, _ALWAYS):
        for name, fields in each.items():
            found[name] = tuple(dict.fromkeys((*found.get(name, ()), *fields)))
    return found


@attrs.frozen(eq=False)
class Slot:
    """The place of one secret value: the `field` of `holder`, an object of the class `owner`.

    The field is empty where only the class knows what of its state, or of its arguments, is the
    secret. `put` puts another value there.
    """

    holder: Node
    owner: str
    field: str
    value: Any
    put: Callable[[Any], None]

    @property
    def label(self) -> str:
        """The class and the field, for a person: ``visits.Account.password``."""
        owner = self.owner.replace(":", ".")
        return f"{owner}.{self.field}" if self.field else owner


@attrs.frozen(eq=False)
class Search:
    """What was found in a graph: the slots in an order that follows from it, and all that is public.

    `public` has the ids of objects, and so is good only while these live. `strays` are objects that
    `is_stray` was true of, and that are no value of a slot.
    """

    slots: list[Slot]
    public: set[int]
    strays: list[Any]
    _taken: set[tuple[int, str]] = attrs.field(factory=set[tuple[int, str]])

    def add(self, slot: Slot, fields: object) -> None:
        """Take a slot in `fields`, which objects may have in common: then it is there once."""
        if (id(fields), slot.field) not in self._taken:
            self._taken.add((id(fields), slot.field))
            self.slots.append(slot)


def search(
    graph: Graph, looked: Survey, secret: Declared, is_stray: Callable[[Any], bool]
) -> Search:
    """Go through all of `graph`, of which `looked` is the survey, but for secret values."""
    found = Search([], set(), [])
    stack = [graph.root]
    while stack:
        item = stack.pop()
        if not is_shared(item) or id(item) in found.public:
            continue
        found.public.add(id(item))
        if is_stray(item):
            found.strays.append(item)
        stack += reversed([*_public_parts(item, looked, secret, found)])
    return found


def declared_by(node: Any, secret: Declared) -> Collection[str]:
    """The names of the secret fields of `node`; none if it is no object of such a class."""
    return secret.get(owner_of(node), ()) if isinstance(node, Node) else ()


def owner_of(node: Node) -> str:
    """The class of `node`, or the function that makes it, as ``module:qualname``; or empty."""
    if isinstance(node, Call):
        return str(node.function) if type(node.function) is Global else ""
    return str(type(node))


def _public_parts(item: Any, looked: Survey, secret: Declared, found: Search) -> Iterator[Any]:
    names = declared_by(item, secret)
    if not names:
        yield from ordered(item, looked)
        return
    node: Node = item
    owner = owner_of(node)
    if isinstance(node, Call):
        for number, argument in enumerate(node.arguments):
            found.slots.append(Slot(node, owner, "", argument, _argument_putter(node, number)))
    else:
        yield from node.arguments
        for name, value in (cast("Instance", node).keywords or {}).items():
            if name in names:
                keywords = cast("dict[str, Any]", cast("Instance", node).keywords)
                found.add(Slot(node, owner, name, value, _putter(keywords, name)), keywords)
            else:
                yield value
    yield from node.members or ()
    for pair in node.pairs or ():
        yield from pair
    fields = fields_of(node.state)
    if fields is None:
        if node.state is not None:
            found.slots.append(Slot(node, owner, "", node.state, _state_putter(node)))
    else:
        found.public.update(map(id, fields), (id(node.state),))
        for part in fields:
            for name, value in part.items():
                if name in names:
                    found.add(Slot(node, owner, name, value, _putter(part, name)), part)
                else:
                    yield value
    yield node.setter


def _putter(fields: dict[str, Any], name: str) -> Callable[[Any], None]:
    def put(value: Any) -> None:
        fields[name] = value

    return put


def _state_putter(node: Node) -> Callable[[Any], None]:
    def put(value: Any) -> None:
        node.state = value

    return put


def _argument_putter(node: Node, number: int) -> Callable[[Any], None]:
    def put(value: Any) -> None:
        node.arguments = (*node.arguments[:number], value, *node.arguments[number + 1 :])

    return put


def place_of(graph: Graph, slot: Slot) -> str:
    """Where the slot is, for a message."""
    place = trail.find(graph.root, slot.holder)
    return show([Field(slot.field)], place) if slot.field else place
