"""The ways from an object of a graph to its parts, step by step, for messages."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, cast

from .graph import Call, Instance, Node
from .place import Field, Item, Step
from .reduction import class_of, fields_of
from .survey import parts


class Way(NamedTuple):
    """How the walk came to an object: from another, by these steps."""

    before: "Way | None"
    steps: Sequence[Step]


def steps_of(way: Way | None) -> list[Step]:
    """All the steps of `way`, from the root."""
    legs: list[Sequence[Step]] = []
    while way is not None:
        legs.append(way.steps)
        way = way.before
    return [step for leg in reversed(legs) for step in leg]


def ways(item: Any) -> Iterator[tuple[Any, *tuple[Step, ...]]]:
    """What `item` consists of, each with the steps that lead there."""
    kind = class_of(item)
    if isinstance(item, Node):
        yield from _ways_of_node(item)
    elif kind is dict:
        for key, value in cast("dict[Any, Any]", item).items():
            yield key, Item(key)
            yield value, Item(key)
    else:
        for number, part in enumerate(parts(item)):
            yield part, Item(number)


def _ways_of_node(node: Node) -> Iterator[tuple[Any, *tuple[Step, ...]]]:
    for number, argument in enumerate(node.arguments):
        yield argument, Field("arguments"), Item(number)
    if isinstance(node, Call):
        yield node.function, Field("function")
    elif isinstance(node, Instance):
        for name, value in (node.keywords or {}).items():
            yield value, Field(name)
    for number, member in enumerate(node.members or ()):
        yield member, Item(number)
    for key, value in node.pairs or ():
        yield key, Item(key)
        yield value, Item(key)
    fields = fields_of(node.state)
    if fields is None:
        yield node.state, Field("state")
    for name, value in [pair for some in fields or () for pair in some.items()]:
        yield value, to_field(name)
    yield node.setter, Field("setter")


def to_field(name: Any) -> Step:
    """The step to the field `name` of a state."""
    # Nobody says that the keys of a state are text.
    return Field(name) if type(name) is str else Item(name)
