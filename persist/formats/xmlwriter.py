"""From a graph to the XML form: the root, and after it what would have stood too deep in it.

It keeps a stack of its own, so no depth of nesting is too great, and gives the text in pieces, so
that never more than one of them is in memory.
"""

from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, Final, cast

from ..graph import SCALARS, Call, Global, Instance, Node
from ..survey import Survey, survey
from ..words import word_of
from .xmltext import (
    SHORT,
    bytes_pieces,
    float_text,
    in_attribute,
    int_text,
    is_plain,
    name_text,
    string_element,
    string_pieces,
)

_DEEPEST: Final = 40
"""A node below this level of elements stands by itself; two more for what belongs to a node."""
_PADS: Final = tuple("  " * level for level in range(_DEEPEST + 20))
_MANY_LINES: Final = 2000
_MANY_KEYS: Final = 1000
_LONG: Final = 100
_MEDIUM: Final = 1000
_KEY: Final = ' role="key"'
_SIMPLE: Final = SCALARS | {Global}
_KIND: Final[dict[Any, str]] = {
    list: "list", tuple: "tuple", set: "set", frozenset: "frozenset", dict: "dictionary"
}  # fmt: skip

_class_of: Final[Callable[[Any], Any]] = cast("Any", type)

# What is left to write: text; pieces of text; or members, or pairs, at a level.
_Left = str | Iterator[str] | tuple[bool, Iterator[Any], int]


def write(root: Any, level: int = 1) -> Iterator[bytes]:
    """The elements of all that `root` leads to, so many levels in.

    Raises FormatError for what XML cannot hold.
    """
    return _Writer(survey(root)).pieces(root, level)


class _Writer:
    def __init__(self, survey: Survey) -> None:
        self._survey = survey
        self._shared = survey.shared
        self._numbers: dict[int, int] = {}
        self._spilled: deque[Any] = deque()
        self._left: list[_Left] = []
        self._lines: list[str] = []
        self._names: dict[Global, str] = {}
        self._keys: list[dict[str, str]] = [{} for _ in _PADS]

    def pieces(self, root: Any, level: int) -> Iterator[bytes]:
        left, lines = self._left, self._lines
        left.append((False, iter((root,)), level))
        while left or self._spilled:
            if not left:
                item = self._spilled.popleft()
                self._begin(item, 1, "", f' reference="{self._numbers[id(item)]}"')
                continue
            work = left.pop()
            if type(work) is str:
                lines.append(work)
            elif type(work) is tuple:
                (self._write_pairs if work[0] else self._write_members)(work)
            else:
                for piece in cast("Iterator[str]", work):
                    lines.append(piece)
                    if len(piece) > _MEDIUM:
                        yield self._flushed()
            if len(lines) > _MANY_LINES:
                yield self._flushed()
        yield self._flushed()

    def _flushed(self) -> bytes:
        text = "".join(self._lines)
        self._lines.clear()
        return text.encode()

    def _write_members(self, work: tuple[bool, Iterator[Any], int]) -> None:
        """Write members until one has an inside of its own, or there are many lines."""
        _, members, level = work
        lines, numbers, pad = self._lines, self._numbers, _PADS[level]
        room = _MANY_LINES
        for member in members:
            kind = _class_of(member)
            if kind is int:
                lines.append(f'{pad}<int value="{int_text(member)}"/>\n')
            elif kind in _SIMPLE and (kind not in (str, bytes) or len(member) <= _LONG):
                lines.append(f"{pad}{self._simple(member)}\n")
            elif (number := numbers.get(id(member))) is not None:
                lines.append(f'{pad}<reference key="{number}"/>\n')
            else:
                self._left.append(work)
                self._mention(member, level, "")
                return
            room -= 1
            if not room:
                self._left.append(work)
                return

    def _write_pairs(self, work: tuple[bool, Iterator[Any], int]) -> None:
        """The same for pairs of key and value."""
        _, pairs, level = work
        lines, numbers, pad, keys = self._lines, self._numbers, _PADS[level], self._keys[level]
        room = _MANY_LINES
        for key, value in pairs:
            line = keys.get(key) if type(key) is str else None
            if line is None and (line := self._key_line(key, level)) is None:
                self._left += (work, (False, iter((value,)), level))
                self._mention(key, level, _KEY)
                return
            kind = _class_of(value)
            if kind is int:
                lines.append(f'{line}{pad}<int value="{int_text(value)}"/>\n')
            elif kind in _SIMPLE and (kind not in (str, bytes) or len(value) <= _LONG):
                lines.append(f"{line}{pad}{self._simple(value)}\n")
            elif (number := numbers.get(id(value))) is not None:
                lines.append(f'{line}{pad}<reference key="{number}"/>\n')
            else:
                lines.append(line)
                self._left.append(work)
                self._mention(value, level, "")
                return
            room -= 1
            if not room:
                self._left.append(work)
                return

    def _key_line(self, key: Any, level: int) -> str | None:
        """The line of a key; None if it has an inside of its own."""
        kind = _class_of(key)
        if kind not in _SIMPLE or (kind in (str, bytes) and len(key) > _LONG):
            return None
        line = f"{_PADS[level]}{self._simple(key, _KEY)}\n"
        keys = self._keys[level]
        if kind is str and len(keys) < _MANY_KEYS:
            keys[key] = line
        return line

    def _simple(self, item: Any, role: str = "") -> str:
        """The element of a scalar, or of a class or function."""
        kind = _class_of(item)
        if kind is str:
            if (
                len(item) <= SHORT
                and item.isprintable()
                and not ("<" in item or "&" in item or '"' in item or ">" in item)
            ):
                return f'<string{role} value="{item}"/>'
            return string_element(item, role)
        if item is None:
            return f"<none{role}/>"
        if kind is bool:
            return f'<bool{role} value="{"true" if item else "false"}"/>'
        if kind is int:
            return f'<int{role} value="{int_text(item)}"/>'
        if kind is float:
            return f'<float{role} value="{float_text(item)}"/>'
        if kind is bytes:
            return "".join(bytes_pieces(item, role, ""))
        word = "class" if item.name.rpartition(".")[2][:1].isupper() else "function"
        return f'<{word}{role} name="{self._name(item)}"/>'

    def _name(self, name: Global) -> str:
        found = self._names.get(name)
        if found is None:
            found = self._names[name] = name_text(name)
        return found

    def _mention(self, item: Any, level: int, role: str) -> None:
        """Write `item`, a reference to it, or the beginning of it, leaving the rest of it for later."""
        key = id(item)
        number = self._numbers.get(key)
        spilled = level > _DEEPEST and (
            isinstance(item, Node) or (level > _DEEPEST + 2 and type(item) in _KIND)
        )
        if number is None:
            mark = ""
            if spilled or key in self._shared:
                number = self._numbers[key] = len(self._numbers) + 1
                mark = f' reference="{number}"'
            if not spilled:
                self._begin(item, level, role, mark)
                return
            self._spilled.append(item)
        self._lines.append(f'{_PADS[level]}<reference{role} key="{number}"/>\n')

    def _begin(self, item: Any, level: int, role: str, mark: str) -> None:
        pad = _PADS[level]
        kind = _class_of(item)
        name = _KIND.get(kind)
        if name is not None:
            if not item:
                self._lines.append(f"{pad}<{name}{role}{mark}/>\n")
                return
            self._lines.append(f"{pad}<{name}{role}{mark}>\n")
            self._left.append(f"{pad}</{name}>\n")
            if kind is dict:
                self._left.append((True, iter(item.items()), level + 1))
            elif kind is list or kind is tuple:
                self._left.append((False, iter(item), level + 1))
            else:
                self._left.append((False, iter(self._survey.members(item)), level + 1))
        elif kind is Call:
            self._begin_call(item, level, role, mark)
        elif isinstance(item, Instance):
            self._begin_instance(item, level, role, mark)
        else:
            make = string_pieces if kind is str else bytes_pieces
            self._lines.append(pad)
            self._left += ("\n", make(item, role, mark))

    def _begin_instance(self, node: Instance, level: int, role: str, mark: str) -> None:
        pad = _PADS[level]
        head = f'{pad}<instance{role} class="{self._name(cast("Global", type(node)))}"{mark}'
        state = node.state
        if (
            _class_of(state) is dict
            and state
            and id(state) not in self._shared
            and not node.arguments
            and node.keywords is None
            and node.members is None
            and node.pairs is None
            and node.setter is None
        ):
            # Most objects, and nothing but what the long way would write.
            inner = _PADS[level + 1]
            self._lines.append(f"{head}>\n{inner}<dictionary>\n")
            self._left.append(f"{inner}</dictionary>\n{pad}</instance>\n")
            self._left.append((True, iter(state.items()), level + 2))
            return
        content: list[_Left] = []
        if node.arguments:
            content += _section("arguments", (False, iter(node.arguments), level + 2))
        if node.keywords:
            content += _section("keywords", (True, iter(node.keywords.items()), level + 2))
        self._begin_node(node, head, content, "instance", level)

    def _begin_call(self, call: Call, level: int, role: str, mark: str) -> None:
        pad = _PADS[level]
        word = word_of(call)
        if word is not None and is_plain(word.value):
            attribute = "name" if word.name in ("method", "module") else "value"
            head = f'{pad}<{word.name}{role} {attribute}="{in_attribute(word.value)}"{mark}'
            if word.of is None:
                self._lines.append(f"{head}/>\n")
                return
            self._lines.append(f"{head}>\n")
            self._left += (f"{pad}</{word.name}>\n", (False, iter((word.of,)), level + 1))
            return
        content: list[_Left] = []
        if type(call.function) is Global:
            head = f'{pad}<copyreg{role} loadfunc="{self._name(call.function)}"{mark}'
        else:
            head = f"{pad}<copyreg{role}{mark}"
            content += _section("loadfunc", (False, iter((call.function,)), level + 2))
        if call.arguments:
            content += _section("tuple", (False, iter(call.arguments), level + 2))
        else:
            content.append(f"{_PADS[level + 1]}<tuple/>\n")
        self._begin_node(call, head, content, "copyreg", level)

    def _begin_node(
        self, node: Node, head: str, content: list[_Left], name: str, level: int
    ) -> None:
        if node.members is not None:
            content += _section("members", (False, iter(node.members), level + 2))
        if node.pairs is not None:
            content += _section("items", (True, iter(node.pairs), level + 2))
        if node.setter is not None:
            content += _section("setter", (False, iter((node.setter,)), level + 2))
        if node.state is not None:
            content.append((False, iter((node.state,)), level + 1))
        if not content:
            self._lines.append(f"{head}/>\n")
            return
        self._lines.append(f"{head}>\n")
        self._left.append(f"{_PADS[level]}</{name}>\n")
        content.reverse()
        self._left += content


def _section(name: str, content: tuple[bool, Iterator[Any], int]) -> list[_Left]:
    pad = _PADS[content[2] - 1]
    return [f"{pad}<{name}>\n", content, f"{pad}</{name}>\n"]
