"""Graphs of inert nodes such as no pickler may ever have written: every part of a node holds anything."""

import random
from typing import Any, Final

from hypothesis import strategies as st

from perdure.persist.graph import SCALARS, Call, Global, Graph, Names, Node, instance_of
from perdure.persist.reduction import class_of

_NAMES: Final = (
    "visits:Counter", "visits:make", "visits:Outer.Inner", "a:b:C", "datetime:datetime",
    "datetime:date", "datetime:time", "decimal:Decimal", "builtins:getattr",
    "importlib:import_module",
)  # fmt: skip
# Among them the arguments of datetimes, and texts and bytes that are objects of their own.
_SCALARS: Final = (
    None, True, 0, -1, 1 << 4000, 1.5, -0.0, float("inf"), "", "name", "1.50", "class", "\ud800\n\0",
    "x" * 101, "line\n" * 40, b"", b"\0", b"y" * 101, bytes(1001),
    b"\x07\xea\x0b\x15\n\0\0\0\0\0", b"\x07\xea\x0b\x15", b"\n\0\0\0\0\0",
)  # fmt: skip
_FIELDS: Final = ("value", "className", "class", "größe", "a b", "Arguments", "_x")


def graphs() -> st.SearchStrategy[Graph]:
    """Graphs of up to fourteen containers and nodes that hold each other."""
    return st.randoms(use_true_random=False).map(lambda chance: _Made(chance).graph())


class _Made:
    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._names = Names()
        modules = [name.rpartition(":") for name in _NAMES]
        self._named = [self._names.find(module, name) for module, _, name in modules]
        self._known: list[Any] = [*self._named, *_SCALARS]

    def graph(self) -> Graph:
        made: list[Any] = []
        for _ in range(self._chance.randint(1, 14)):
            made.append(self._begun())
            self._known += [made[-1]] * 5
        for item in made:
            self._fill(item)
        # Names that nothing in the graph has would be lost, and are no part of it.
        return Graph([made, self._named], self._names)

    def _some(self, most: int = 4) -> list[Any]:
        return [self._chance.choice(self._known) for _ in range(self._chance.randint(0, most))]

    def _hashable(self) -> list[Any]:
        return [each for each in self._some() if _is_hashable(each)]

    def _begun(self) -> Any:
        choice = self._chance.randint(0, 9)
        named = self._chance.choice(self._named)
        if choice == 0:
            return tuple(self._some())
        if choice == 1:
            return frozenset(self._hashable())
        if choice == 2:
            return bytearray(self._chance.choice((b"", b"text\n" * 400, bytes(1500))))
        if choice < 6:
            return [list[Any], dict[Any, Any], set[Any]][choice - 3]()
        if choice < 8:
            fields = self._chance.sample(_FIELDS, self._chance.choice((0, 0, 1, 2)))
            keywords = {field: self._chance.choice(self._known) for field in fields}
            return instance_of(named, *self._some(2), **keywords)
        nodes: list[Any] = [each for each in self._known if isinstance(each, Node)]
        return Call(self._chance.choice([named, named, *nodes[-1:]]), tuple(self._some(2)))

    def _fill(self, item: Any) -> None:
        kind = class_of(item)
        if kind is list:
            item += self._some(6)
        elif kind is set:
            item.update(self._hashable())
        elif kind is dict:
            item.update({key: self._chance.choice(self._known) for key in self._hashable()})
        elif isinstance(item, Node):
            self._fill_node(item)

    def _fill_node(self, node: Node) -> None:
        chance = self._chance
        if chance.random() < 0.6:
            fields = chance.sample(_FIELDS, chance.randint(0, 4))
            state = {field: chance.choice(self._known) for field in fields}
            node.state = chance.choice((state, chance.choice(self._known)))
        if chance.random() < 0.3:
            node.members = self._some()
        if chance.random() < 0.3:
            node.pairs = [(chance.choice(self._known), each) for each in self._some()]
        if chance.random() < 0.2:
            node.setter = chance.choice(self._named)


def _is_hashable(item: Any) -> bool:
    return type(item) in SCALARS or type(item) is Global or isinstance(item, Node)
