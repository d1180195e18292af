"""What is parked, as a graph has it: inert nodes, and bytes in them that objects will be made of.

A text snapshot may have been edited, and its signature covers what it names. So the bytes are looked
into, and what they name counts. Whatever is not as Perdure writes it is not looked into, and nothing is
made of it either: `check` is for that.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, TypeGuard

from . import graphstream
from .graph import Call, Global, Graph, GraphError, Instance, Node, is_shared
from .graphstream import StreamError
from .reduction import fields_of
from .shapes import parsed
from .survey import parts

STAND_IN: Final = "perdure.persist.parked:StandIn"
MODULE: Final = STAND_IN.partition(":")[0]

Fields = dict[str, Any]
_COMMAND: Final = 5
"""How many parts a call has in the journal, the stream of its arguments last."""


def field(node: Any, name: str) -> Any:
    """The field `name` of an instance in a graph; None if there is none."""
    state = node.state if isinstance(node, Node) else None
    return next((part[name] for part in fields_of(state) or () if name in part), None)


def dict_in(node: Any, name: str) -> dict[Any, Any]:
    """The field `name` of an instance in a graph, if it is a dict; else an empty one."""
    found = field(node, name)
    return found if is_dict(found) else {}


def is_dict(item: Any) -> TypeGuard[dict[Any, Any]]:
    """Whether `item` is a dict, and nothing derived from it."""
    return type(item) is dict


def is_list(item: Any) -> TypeGuard[list[Any]]:
    """Whether `item` is a list, and nothing derived from it."""
    return type(item) is list


def parked_in(item: Any) -> Fields | None:
    """The fields of what is parked where `item` is; None for what is no stand-in."""
    if not isinstance(item, Node) or not is_stand_in(item):
        return None
    return _fields_of(field(item, "parked"), "Parked")


def _fields_of(record: Any, kind: str) -> Fields | None:
    """The fields of an instance of this class of what is parked; None for anything else."""
    if not isinstance(record, Instance) or str(type(record)) != f"{MODULE}:{kind}":
        return None
    found = fields_of(record.state)
    return found[0] if found is not None and len(found) == 1 else None


def is_stand_in(node: Node) -> bool:
    """Whether something parked is where `node` is."""
    kind: Any = node.function if isinstance(node, Call) else type(node)
    if type(kind) is not Global:
        return False
    return kind.module == MODULE and kind.name in ("StandIn", "stand_in")


def is_tuple(item: Any) -> TypeGuard[tuple[Any, ...]]:
    """Whether `item` is a tuple, and nothing derived from it."""
    return type(item) is tuple


def reach(roots: Iterable[Any], stop: Callable[[Any], bool] = lambda _: False) -> Iterator[Any]:
    """What the `roots` lead to, each once: names, and all that may be met twice.

    What `stop` says yes to is given, but not what it leads to.
    """
    seen: set[int] = set()
    stack = list(roots)
    while stack:
        item = stack.pop()
        if id(item) in seen or not (type(item) is Global or is_shared(item)):
            continue
        seen.add(id(item))
        yield item
        if not stop(item):
            if isinstance(item, Instance):
                stack.append(type(item))
            stack += parts(item)


def check(fields: Fields, kind: str) -> None:
    """Raise if the fields of a ``Parked`` or a ``Lot`` are not such that their names are all known.

    Raises `ValueError`, `LookupError`, `TypeError`, and `StreamError` and `GraphError`.
    """
    for stream in _streams(fields, kind):
        graphstream.read(stream)
    if kind == "Parked" and fields["lot"] is not None and _fields_of(fields["lot"], "Lot") is None:
        raise ValueError("its lot is none")
    for _ in _declared(fields, kind):
        continue


def names_within(graph: Graph, names_of: Callable[[Graph], Iterable[str]]) -> Iterator[str]:
    """The names in all that is parked in `graph`, as `names_of` finds those of a graph; none is loaded.

    Also those of classes that are said to have shapes: to compare them, these are imported. What
    `check` raises for has none: nothing is ever made of it.
    """
    if not any(name.module == MODULE for name in graph.names):
        return
    for item in reach([graph.root]):
        for kind in ("Parked", "Lot"):
            fields = _fields_of(item, kind)
            if fields is None:
                continue
            try:
                check(fields, kind)
                streams = _streams(fields, kind)
            except (StreamError, GraphError, LookupError, TypeError, ValueError):
                continue
            for stream in streams:
                yield from names_of(graphstream.read(stream))
            yield from _declared(fields, kind)


def _streams(fields: Fields, kind: str) -> list[bytes]:
    """What objects will be made of."""
    found = [fields["stream"]] if kind == "Lot" else [fields["made"], fields["state"]]
    for _, entry, content in _commands(fields, kind):
        if entry == "command":
            if not is_tuple(content) or len(content) != _COMMAND:
                raise ValueError("it has a call that is none")
            found.append(content[-1])
    if {*map(type, found)} != {bytes}:
        raise TypeError("it is not bytes")
    return [stream for stream in found if stream]


def _declared(fields: Fields, kind: str) -> Iterator[str]:
    """The names of which it is said that there are such classes, and which bases these have."""
    declared = [fields["shapes"]]
    for _, entry, content in _commands(fields, kind):
        if entry == "shapes":
            declared.append(dict(content))
        elif entry != "command":
            raise ValueError("it has an entry of no known kind")
    if not is_tuple(fields["names"]):
        raise TypeError("its names are not a tuple")
    names = [*fields["names"]]
    for shapes in declared:
        if not is_dict(shapes):
            raise TypeError("its shapes are not a dict")
        names += shapes
        for shape in parsed(shapes).values():
            names += shape.bases
    for name in names:
        if type(name) is not str:
            raise TypeError("a name is not a text")
        yield name


def _commands(fields: Fields, kind: str) -> tuple[Any, ...]:
    found = () if kind == "Lot" else fields["commands"]
    if not is_tuple(found) or not all(map(is_tuple, found)):
        raise TypeError("its commands are not tuples")
    return found
