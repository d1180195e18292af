"""A snapshot's content as inert nodes: reading one imports nothing and runs nothing.

Python's own scalars and containers stand for themselves: None, bool, int, float, str, bytes,
bytearray, list, tuple, dict, set and frozenset, of exactly these classes. Everything else is a node:

`Global`    a class, a function or another object that a module holds, by its name
`Instance`  what a class's ``__new__`` makes (the pickle protocol's NEWOBJ)
`Call`      what a class or a function returns when it is called (REDUCE)

Both of the latter may then be given members, pairs and a state. A `Graph` is isomorphic to the
objects it was captured from: same values, types, order, sharing and cycles. Of texts and bytes
only long ones (see `is_shared`) are told apart by identity.

Nodes are hashed and compared by identity, so that they serve as members of sets and as keys whatever the
real class would say.
"""

import copyreg
from collections.abc import Collection, Iterator
from typing import Any, ClassVar, Final, Self, cast

import attrs

from .reduction import Fields, fields_of

SCALARS: Final = frozenset({type(None), bool, int, float, str, bytes})
CONTAINERS: Final = frozenset({list, tuple, dict, set, frozenset, bytearray})
# Of texts and bytes, those that are longer are told apart by identity.
LONG: Final = 100
_MOST_NAMES: Final = 100_000
_MOST_FIELDS: Final = 100

Pair = tuple[Any, Any]
_newobj: Final[Any] = copyreg.__newobj__  # type: ignore[attr-defined]


class GraphError(ValueError):
    """What was read is no graph that any objects could have."""


class Global(type):
    """What a module holds under a name, standing for itself.

    It is itself a Python class, an empty one: the C unpickler makes instances of classes only, and
    tells ``cls.__new__(cls, ...)`` from a call of the class by coming to ``__call__`` here.

    `name` is the dotted place in the module. Two of the same module and name are the same object
    within one graph: `Names.find` makes them.
    """

    module: str
    name: str

    def __call__(cls, *arguments: Any, **keywords: Any) -> Any:
        if keywords:
            raise GraphError(f"{cls} is called with keywords, which no pickler writes")
        return Call(cls, arguments)

    def __str__(cls) -> str:
        return f"{cls.module}:{cls.name}"

    def __repr__(cls) -> str:
        return f"<{cls}>"


class Node:
    """What `Instance` and `Call` have in common: what an object is given once it is made.

    `state` is for ``__setstate__``, None if there is none; `setter`, if not None, is called with
    the object and the state in its place. `members` are appended, `pairs` set as items; None for none.
    """

    __slots__ = ("arguments", "members", "pairs", "setter", "state")

    arguments: tuple[Any, ...]
    state: Any
    members: list[Any] | None
    pairs: list[Pair] | None
    setter: Any

    def __setstate__(self, state: Any) -> None:
        # A pickler gives an object that was met inside its own arguments its state more than once.
        if self.state is not None and not _replaces(state, self.state):
            raise GraphError("an object is given two different states")
        self.state = state

    def __setitem__(self, key: Any, value: Any) -> None:
        if self.pairs is None:
            self.pairs = []
        self.pairs.append((key, value))

    def append(self, member: Any) -> None:
        """Take one more member, as an unpickler gives it."""
        self.extend([member])

    def extend(self, members: list[Any]) -> None:
        """Take more members, as an unpickler gives them."""
        if self.members is None:
            self.members = []
        self.members += members

    def __call__(self, *arguments: Any) -> "Call":
        # A partial object, say, may itself be what a stream calls.
        return Call(self, arguments)


class Instance(Node):
    """An object that ``cls.__new__(cls, *arguments, **keywords)`` makes; its class is a `Global`.

    ``type(instance)`` is that `Global`; an `Instance` is made by its `Global.of_class`.
    """

    __slots__ = ("keywords",)

    module: ClassVar[str]
    name: ClassVar[str]
    keywords: dict[str, Any] | None

    def __new__(cls, /, *arguments: Any, **keywords: Any) -> Self:
        made = object.__new__(cls)
        made.arguments = arguments
        made.keywords = keywords or None
        made.state = made.members = made.pairs = made.setter = None
        return made

    def __reduce_ex__(self, protocol: Any, /) -> Any:
        kind = type(self)
        if self.keywords:
            function: Any = copyreg.__newobj_ex__  # type: ignore[attr-defined]
            return _reduced(self, function, (kind, self.arguments, self.keywords))
        if self.members is self.pairs is self.setter:
            # Nearly all: these are None.
            return _newobj, (kind, *self.arguments), self.state
        return _reduced(self, _newobj, (kind, *self.arguments))

    def __repr__(self) -> str:
        return f"<instance of {self.module}:{self.name}>"


class Call(Node):
    """What ``function(*arguments)`` returns; `function` is a `Global` or another `Node`."""

    __slots__ = ("function",)

    function: Any

    def __init__(self, function: Any, arguments: tuple[Any, ...]) -> None:
        self.function = function
        self.arguments = arguments
        self.state = self.members = self.pairs = self.setter = None

    def __reduce_ex__(self, protocol: Any, /) -> Any:
        return _reduced(self, self.function, self.arguments)

    def __repr__(self) -> str:
        function = self.function if type(self.function) is Global else "what a call returns"
        return f"<call of {function}>"


def _replaces(state: object, earlier: object) -> bool:
    """Whether to be given `state` after `earlier` comes to the same as to be given `state` alone.

    Fields are added to those that are there: so they must be the same. More fields than a class may
    have are not looked at, or a stream could make that go on for ever.
    """
    fields, known = fields_of(state), fields_of(earlier)
    if fields is None or known is None:
        return fields is known
    return len(fields) == len(known) and all(map(_is_same_set, fields, known))


def _is_same_set(fields: Fields, known: Fields) -> bool:
    return fields is known or (len(fields) <= _MOST_FIELDS and fields.keys() == known.keys())


def _reduced(node: Node, function: Any, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    members = None if node.members is None else iter(node.members)
    pairs = None if node.pairs is None else iter(node.pairs)
    if node.setter is not None and node.state is None:
        raise GraphError(f"{node!r} has a state setter, but no state: no pickler would call it")
    if node.setter is None:
        return function, arguments, node.state, members, pairs
    return function, arguments, node.state, members, pairs, node.setter


class Names:
    """The names of one graph: the same `Global` for the same name."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str], Global] = {}

    def find(self, module: str, name: str) -> Global:
        """The `Global` of `name` in `module`.

        Raises `GraphError` if either is empty, or if there are absurdly many.
        """
        found = self._found.get((module, name))
        if found is None:
            if not module or not name:
                raise GraphError("a name is empty")
            if len(self._found) >= _MOST_NAMES:
                raise GraphError(f"more than {_MOST_NAMES:,} different names")
            content = {"__slots__": (), "module": module, "name": name}
            found = self._found[module, name] = Global("Global", (Instance,), content)
        return found

    def forget(self, name: Global) -> None:
        """Have no such name any more, since nothing in the graph has it."""
        del self._found[name.module, name.name]

    def keep(self, used: Collection[Global]) -> None:
        """Forget all but those that are `used`: what is here is loaded with the graph."""
        self._found = {key: found for key, found in self._found.items() if found in used}

    def __iter__(self) -> Iterator[Global]:
        """All of them, in the order of their names."""
        return iter([self._found[key] for key in sorted(self._found)])

    def __len__(self) -> int:
        return len(self._found)


@attrs.frozen(eq=False)
class Graph:
    """The `root` of all the nodes, and at least all the `names` among them."""

    root: Any
    names: Names


def instance_of(kind: Global, /, *arguments: Any, **keywords: Any) -> Instance:
    """An instance of the class that `kind` stands for; calling `kind` makes a `Call`."""
    return cast("type[Instance]", kind).__new__(
        cast("type[Instance]", kind), *arguments, **keywords
    )


def is_shared(value: object) -> bool:
    """Whether it matters that `value` is the same object in two places.

    Not for scalars: but for texts and bytes of more than 100 characters, since to write a
    megabyte twice would make two of it. Nor for a `Global`, or the empty tuple, which are one anyway.
    """
    kind = type(value)
    if kind in SCALARS:
        return kind in (str, bytes) and len(cast("str | bytes", value)) > LONG
    return kind is not Global and value != ()
