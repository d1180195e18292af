"""Whether two graphs are the same but for where their objects lie in memory.

That is more than equality: the same values to the last bit, the same types, the same order, and
every object of the one has its own in the other wherever it is met: so sharing and cycles are the same.
"""

import struct
from collections.abc import Iterable
from itertools import chain
from typing import Any, Final

from .collector import collector_off
from .graph import LONG, Call, Global, Graph, Instance, Node
from .reduction import class_of
from .survey import Survey, parts, survey
from .trail import spell

_UNSHARED: Final = frozenset({type(None), bool, int, float})
_TEXTS: Final = frozenset({str, bytes})
_SETS: Final = frozenset({set, frozenset})

_Parts = Iterable[Any]


def difference(first: Graph, second: Graph) -> str | None:
    """The place in `first` where the graphs begin to differ; None if they are isomorphic.

    What is in sets is compared in the order that `survey` gives it. Garbage collection is off
    during the call.
    """
    with collector_off():
        return _Comparison(first, second).run()


class _Comparison:
    def __init__(self, first: Graph, second: Graph) -> None:
        self._roots = first.root, second.root
        self._surveys: tuple[Survey, Survey] | None = None
        self._names: dict[Global, Global] = {}

    def run(self) -> str | None:
        """Go through both, side by side."""
        # Each object of the first: what it is in the second, and from where it was reached.
        found: dict[int, tuple[Any, Any, int]] = {}
        taken: set[int] = set()
        stack: list[tuple[Any, _Parts, _Parts]] = [(None, self._roots[:1], self._roots[1:])]
        while stack:
            holder, ones, others = stack.pop()
            for number, (one, other) in enumerate(zip(ones, others, strict=True)):
                kind = class_of(one)
                if kind in _TEXTS:
                    if class_of(other) is not kind or one != other:
                        return _place(found, holder, number)
                    if len(one) <= LONG:
                        continue
                elif kind in _UNSHARED:
                    if one is not other and not _is_same(one, other):
                        return _place(found, holder, number)
                    continue
                elif kind is Global:
                    if not self._is_same_name(one, other):
                        return _place(found, holder, number)
                    continue
                known = found.get(id(one))
                if known is not None:
                    if known[0] is not other:
                        return _place(found, holder, number)
                    continue
                below = None if id(other) in taken else self._below(one, other)
                if below is None:
                    return _place(found, holder, number)
                found[id(one)] = other, holder, number
                taken.add(id(other))
                stack.append((one, *below))
        return None

    def _below(self, one: Any, other: Any) -> tuple[_Parts, _Parts] | None:
        """The parts of both, as many of the one as of the other; None if they differ themselves."""
        kind = class_of(one)
        if isinstance(one, Node):
            same = isinstance(other, Node) and self._is_same_shape(one, other)
            return (parts(one), parts(other)) if same else None
        if class_of(other) is not kind or len(one) != len(other):
            return None
        if kind is dict:
            return chain.from_iterable(one.items()), chain.from_iterable(other.items())
        if kind in _SETS:
            if self._surveys is None:
                self._surveys = survey(self._roots[0]), survey(self._roots[1])
            first, second = self._surveys
            return first.members(one), second.members(other)
        if kind is list or kind is tuple:
            return one, other
        # A bytearray, or a long text, which was compared.
        return ((), ()) if one == other else None

    def _is_same_shape(self, one: Node, other: Node) -> bool:
        if isinstance(one, Call) or isinstance(other, Call):
            if type(one) is not type(other):
                return False
        elif not self._is_same_name(type(one), type(other)) or _keywords(one) != _keywords(other):
            return False
        return (
            len(one.arguments) == len(other.arguments)
            and (one.state is None) is (other.state is None)
            and (one.setter is None) is (other.setter is None)
            and _is_same_length(one.members, other.members)
            and _is_same_length(one.pairs, other.pairs)
        )

    def _is_same_name(self, one: Any, other: Any) -> bool:
        known = self._names.get(one)
        if known is None and class_of(other) is Global and _full_name(one) == _full_name(other):
            known = self._names[one] = other
        return known is other


def _place(found: dict[int, tuple[Any, Any, int]], holder: Any, number: int) -> str:
    return spell({key: (above, place) for key, (_, above, place) in found.items()}, holder, number)


def _is_same_length(one: list[Any] | None, other: list[Any] | None) -> bool:
    return one is other or len(one or ()) == len(other or ())


def _full_name(name: Global) -> tuple[str, str]:
    return name.module, name.name


def _keywords(node: Node) -> list[str] | None:
    return list(node.keywords) if isinstance(node, Instance) and node.keywords else None


def _is_same(one: Any, other: Any) -> bool:
    """Whether two scalars that nobody shares are the same: a number to its last bit."""
    if class_of(one) is not class_of(other):
        return False
    if class_of(one) is float:
        return struct.pack(">d", one) == struct.pack(">d", other)
    return bool(one == other)
