"""A graph as the text of the source syntax (see `source`), piece by piece.

What does not fit on one line is a `Group`: brackets around parts, each part an object with what
stands before and after it on its lines. The writer keeps one iterator of parts for each bracket that
is open, so that nesting costs no recursion, and nothing is held but what is being written.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, repeat
from typing import Any, Final, cast

import attrs

from ..graph import Call, Global, Node
from ..reduction import class_of
from ..survey import Survey
from .sourceline import (
    BRACKETS,
    FLAT_DEPTH,
    ITEMS,
    KEYWORDS,
    Given,
    LineWriter,
    Raw,
    node_given,
)
from .sourceliterals import SHORT, byte_lines, is_readable, packed_lines, text_lines
from .sourcenames import WORDS

_DEEPEST: Final = 40
_PIECES: Final = 250
_GREATEST: Final = 1 << 62
_NEXT: Final = ",\n"

Part = tuple[str, Any, str]


@attrs.frozen(eq=False)
class Group:
    """Brackets around parts; `parts` is given the indentation that they stand at."""

    begin: str
    parts: Callable[[str], Iterable[Part]]
    end: str = ")"


class Writer(LineWriter):
    """Writes one graph, once. `survey` is what was found in it."""

    def __init__(self, survey: Survey) -> None:
        super().__init__(survey)
        self._put_off: deque[Any] = deque()

    def statements(self, name: str, root: Any) -> Iterator[str]:
        """``name = root``, and the statements for what would stand too deep in it.

        Raises FormatError for what cannot be written.
        """
        yield from self._pieces(f"{name} = ", root)
        while self._put_off:
            item = self._put_off.popleft()
            group = self._group(item)
            number = self._numbers[id(item)]
            yield from self._pieces(f"\nRef({number}, ", attrs.evolve(group, end=f"{group.end})"))

    def record(self, name: str, fields: dict[str, Any]) -> Group:
        """``name(field=value, ...)``, for `statements`."""
        return Group(f"{name}(", lambda indent: self._fields_parts(fields, indent))

    def _pieces(self, name: str, root: Any) -> Iterator[str]:
        out: list[str] = []
        add = out.append
        scalars = self._scalars.get
        stack: list[tuple[Iterator[Part], str]] = [(iter([(name, root, "\n")]), "")]
        while stack:
            parts, closing = stack[-1]
            for before, item, after in parts:
                kind = class_of(item)
                if kind is str and len(item) <= SHORT:
                    add(f"{before}{item!r}{after}")
                elif kind is int and -_GREATEST < item < _GREATEST:
                    add(f"{before}{item}{after}")
                else:
                    write = scalars(kind)
                    text = None if write is None else write(item)
                    opened = self._open(item, len(stack)) if text is None else text
                    if isinstance(opened, Group):
                        add(f"{before}{opened.begin}\n")
                        indent = "    " * len(stack)
                        stack.append(
                            (iter(opened.parts(indent)), f"{indent[4:]}{opened.end}{after}")
                        )
                        break
                    add(f"{before}{opened}{after}")
                if len(out) > _PIECES:
                    yield "".join(out)
                    out.clear()
            else:
                stack.pop()
                add(closing)
        yield "".join(out)

    def _open(self, item: Any, level: int) -> "str | Group":
        """The text of `item` if it takes one line, or what it is made of."""
        if type(item) is Group:
            return item
        known = self._numbers.get(id(item))
        if known is not None:
            return f"Deref({known})"
        shared = id(item) in self._shared
        number = self._number(item) if shared else 0
        flat = self._flat(item, FLAT_DEPTH)
        if flat is not None:
            return f"Ref({number}, {flat})" if shared else flat
        if level > _DEEPEST:
            self._put_off.append(item)
            return f"Deref({number or self._number(item)})"
        group = self._group(item)
        if not shared:
            return group
        return Group(f"Ref({number}, {group.begin}", group.parts, f"{group.end})")

    def _number(self, item: Any) -> int:
        number = self._numbers[id(item)] = len(self._numbers) + 1
        return number

    def _group(self, item: Any) -> Group:
        kind = class_of(item)
        if kind is dict:
            return Group("{", lambda indent: self._entries(item.items(), indent), "}")
        if kind in BRACKETS:
            begin, end, _ = BRACKETS[kind]
            members = self._members(item) if kind in (set, frozenset) else item
            return Group(begin, lambda indent: zip(repeat(indent), members, repeat(_NEXT)), end)
        if kind is str:
            return Group("(", lambda indent: _literals(text_lines(item), indent))
        if kind in (bytes, bytearray):
            return _bytes_group(item)
        word = self._word(item) if kind is Call else None
        if word is not None:
            parts = [Raw(repr(word.value)), word.of]
            return Group(
                f"{WORDS[word.name]}(", lambda indent: zip(repeat(indent), parts, repeat(_NEXT))
            )
        begin = "Copyreg(" if kind is Call else "Instance("
        return Group(begin, lambda indent: self._node_parts(item, indent))

    def _entries(self, pairs: Iterable[tuple[Any, Any]], indent: str) -> Iterator[Part]:
        for key, value in pairs:
            texts = self._atoms((key,), FLAT_DEPTH)
            if texts is None:
                yield indent, key, ": "
                yield "", value, _NEXT
            else:
                yield f"{indent}{texts[0]}: ", value, _NEXT

    def _node_parts(self, node: Node, indent: str) -> Iterable[Part]:
        parts: list[Any] = []
        if isinstance(node, Call):
            function = node.function
            named = type(function) is Global
            parts.append(Raw(self._name(function)) if named else function)
        else:
            parts.append(Raw(self._name(cast("Global", type(node)))))
        parts += map(self._given_part, node_given(node))
        found: Iterable[Part] = zip(repeat(indent), parts, repeat(_NEXT))
        if node.state is None:
            return found
        return chain(found, self._fields_parts(node.state, indent))

    def _fields_parts(self, state: Any, indent: str) -> Iterable[Part]:
        names = self._field_names(state, indent)
        if names is None:
            return [(indent, state, _NEXT)]
        return zip(names, state.values(), repeat(_NEXT))

    def _given_part(self, given: Given) -> Raw | Group:
        flat = self._flat_given(given)
        if flat is not None:
            return Raw(flat)
        begin, items, end = given
        if begin == ITEMS:
            return Group(begin, lambda indent: self._entries(items, indent), end)
        if begin == KEYWORDS:
            return Group(begin, lambda indent: self._fields_parts(items, indent), end)
        return Group(begin, lambda indent: zip(repeat(indent), items, repeat(_NEXT)), end)


def _literals(lines: Iterator[str], indent: str) -> Iterable[Part]:
    return zip(repeat(indent), map(Raw, lines), repeat("\n"))


def _bytes_group(item: bytes | bytearray) -> Group:
    readable = is_readable(item)
    lines = byte_lines if readable else packed_lines
    begin, end = ("(" if readable else "Base64("), ")"
    if type(item) is bytearray:
        begin, end = (
            ("bytearray(" if readable else "bytearray(Base64("),
            (")" if readable else "))"),
        )
    return Group(begin, lambda indent: _literals(lines(item), indent), end)
