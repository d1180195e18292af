"""From a graph to the XML form: the root, and after it what would have stood too deep in it.

It is recursive, since the form is but so many levels deep. Whenever enough is written for a piece of
text, and before what is seldom, it leaves off, and all that has begun is put on a stack: so that never
more than one piece is in memory.
"""

from collections import deque
from collections.abc import Iterator
from itertools import islice
from typing import Any, Final, cast

from ..graph import SCALARS, Call, Global, Instance, Node
from ..reduction import class_of
from ..survey import Survey
from ..words import word_of
from .spelling import float_text
from .xmltext import (
    SHORT,
    bytes_pieces,
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


# Whether pairs or members, these, and at which level.
_Content = tuple[bool, Iterator[Any], int]
# What is left to write: text; pieces of text; or what an element has inside.
_Left = str | Iterator[str] | _Content


def write(root: Any, looked: Survey, level: int = 1) -> Iterator[bytes]:
    """The elements of all that `root` leads to, of which `looked` is the survey, so many levels in.

    Raises FormatError for what XML cannot hold.
    """
    return _Writer(looked).pieces(root, level)


class _Writer:
    def __init__(self, survey: Survey) -> None:
        self._survey = survey
        self._shared = survey.shared
        self._numbers: dict[int, int] = {}
        self._spilled: deque[Any] = deque()
        self._left: list[_Left] = []
        self._rest: list[_Left] = []
        self._lines: list[str] = []
        self._names: dict[Global, str] = {}
        self._keys: list[dict[str, str]] = [{} for _ in _PADS]

    def pieces(self, root: Any, level: int) -> Iterator[bytes]:
        left, lines, rest = self._left, self._lines, self._rest
        left.append((False, iter((root,)), level))
        while left or self._spilled:
            if not left:
                item = self._spilled.popleft()
                self._begin(item, 1, "", f' reference="{self._numbers[id(item)]}"')
            elif type(work := left.pop()) is str:
                lines.append(work)
            elif type(work) is tuple:
                self._write_between(work, "")
            else:
                for piece in cast("Iterator[str]", work):
                    lines.append(piece)
                    if len(piece) > _MEDIUM:
                        yield self._flushed()
            left += reversed(rest)
            rest.clear()
            if len(lines) > _MANY_LINES:
                yield self._flushed()
        yield self._flushed()

    def _flushed(self) -> bytes:
        text = "".join(self._lines)
        self._lines.clear()
        return text.encode()

    # Each of these returns whether all is written. If not, what is left has gone to the end of
    # `_rest`, in the order in which it is to be written.

    def _write_members(self, members: Iterator[Any], level: int) -> bool:
        """Write so many members, or until one is not written wholly."""
        lines, numbers, pad = self._lines, self._numbers, _PADS[level]
        for member in islice(members, _MANY_LINES + 1):
            kind = class_of(member)
            if (
                kind is str
                and len(member) <= SHORT
                and member.isprintable()
                and not ("<" in member or "&" in member or '"' in member or ">" in member)
            ):
                lines.append(f'{pad}<string value="{member}"/>\n')
            elif kind is int:
                lines.append(f'{pad}<int value="{int_text(member)}"/>\n')
            elif kind in _SIMPLE and (kind not in (str, bytes) or len(member) <= _LONG):
                lines.append(f"{pad}{self._simple(member)}\n")
            elif (number := numbers.get(id(member))) is not None:
                lines.append(f'{pad}<reference key="{number}"/>\n')
            elif not self._mention(member, level, ""):
                return False
        return True

    def _write_pairs(self, pairs: Iterator[Any], level: int) -> bool:
        """The same for pairs of key and value."""
        lines, numbers, pad, keys = self._lines, self._numbers, _PADS[level], self._keys[level]
        for key, value in islice(pairs, _MANY_LINES + 1):
            line = keys.get(key) if type(key) is str else None
            if line is None and (line := self._key_line(key, level)) is None:
                if not self._mention(key, level, _KEY):
                    self._rest.append((False, iter((value,)), level))
                    return False
                line = ""
            kind = class_of(value)
            if (
                kind is str
                and len(value) <= SHORT
                and value.isprintable()
                and not ("<" in value or "&" in value or '"' in value or ">" in value)
            ):
                lines.append(f'{line}{pad}<string value="{value}"/>\n')
            elif kind is int:
                lines.append(f'{line}{pad}<int value="{int_text(value)}"/>\n')
            elif kind in _SIMPLE and (kind not in (str, bytes) or len(value) <= _LONG):
                lines.append(f"{line}{pad}{self._simple(value)}\n")
            elif (number := numbers.get(id(value))) is not None:
                lines.append(f'{line}{pad}<reference key="{number}"/>\n')
            else:
                lines.append(line)
                if not self._mention(value, level, ""):
                    return False
        return True

    def _key_line(self, key: Any, level: int) -> str | None:
        """The line of a key; None if it has an inside of its own."""
        kind = class_of(key)
        if kind not in _SIMPLE or (kind in (str, bytes) and len(key) > _LONG):
            return None
        line = f"{_PADS[level]}{self._simple(key, _KEY)}\n"
        keys = self._keys[level]
        if kind is str and len(keys) < _MANY_KEYS:
            keys[key] = line
        return line

    def _simple(self, item: Any, role: str = "") -> str:
        """The element of a scalar, or of a class or function."""
        kind = class_of(item)
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

    def _mention(self, item: Any, level: int, role: str) -> bool:
        """Write `item`, or a reference to it."""
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
                return self._begin(item, level, role, mark)
            self._spilled.append(item)
        self._lines.append(f'{_PADS[level]}<reference{role} key="{number}"/>\n')
        return True

    def _begin(self, item: Any, level: int, role: str, mark: str) -> bool:
        pad = _PADS[level]
        kind = class_of(item)
        name = _KIND.get(kind)
        if name is not None:
            if not item:
                self._lines.append(f"{pad}<{name}{role}{mark}/>\n")
                return True
            self._lines.append(f"{pad}<{name}{role}{mark}>\n")
            if kind is dict:
                content = True, iter(item.items()), level + 1
            elif kind is list or kind is tuple:
                content = False, iter(item), level + 1
            else:
                content = False, iter(self._survey.members(item)), level + 1
            return self._write_between(content, f"{pad}</{name}>\n")
        if kind is Call:
            return self._begin_call(item, level, role, mark)
        if isinstance(item, Instance):
            return self._begin_instance(item, level, role, mark)
        make = string_pieces if kind is str else bytes_pieces
        self._lines.append(pad)
        self._rest += (make(item, role, mark), "\n")
        return False

    def _write_between(self, content: _Content, end: str) -> bool:
        """Write what stands in an element that has begun, and its `end`."""
        lines = self._lines
        if len(lines) <= _MANY_LINES:
            is_pairs, items, level = content
            write = self._write_pairs if is_pairs else self._write_members
            if write(items, level) and len(lines) <= _MANY_LINES:
                lines.append(end)
                return True
        self._rest += (content, end)
        return False

    def _begin_instance(self, node: Instance, level: int, role: str, mark: str) -> bool:
        pad = _PADS[level]
        head = f'{pad}<instance{role} class="{self._name(cast("Global", type(node)))}"{mark}'
        state = node.state
        if (
            class_of(state) is dict
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
            content = True, iter(state.items()), level + 2
            return self._write_between(content, f"{inner}</dictionary>\n{pad}</instance>\n")
        left: list[_Left] = []
        if node.arguments:
            left += _section("arguments", (False, iter(node.arguments), level + 2))
        if node.keywords:
            left += _section("keywords", (True, iter(node.keywords.items()), level + 2))
        return self._begin_node(node, head, left, "instance", level)

    def _begin_call(self, call: Call, level: int, role: str, mark: str) -> bool:
        pad = _PADS[level]
        word = word_of(call)
        if word is not None and is_plain(word.value):
            attribute = "name" if word.name in ("method", "module") else "value"
            head = f'{pad}<{word.name}{role} {attribute}="{in_attribute(word.value)}"{mark}'
            if word.of is None:
                self._lines.append(f"{head}/>\n")
                return True
            self._lines.append(f"{head}>\n")
            content = False, iter((word.of,)), level + 1
            return self._write_between(content, f"{pad}</{word.name}>\n")
        left: list[_Left] = []
        if type(call.function) is Global:
            head = f'{pad}<copyreg{role} loadfunc="{self._name(call.function)}"{mark}'
        else:
            head = f"{pad}<copyreg{role}{mark}"
            left += _section("loadfunc", (False, iter((call.function,)), level + 2))
        if call.arguments:
            left += _section("tuple", (False, iter(call.arguments), level + 2))
        else:
            left.append(f"{_PADS[level + 1]}<tuple/>\n")
        return self._begin_node(call, head, left, "copyreg", level)

    def _begin_node(self, node: Node, head: str, left: list[_Left], name: str, level: int) -> bool:
        if node.members is not None:
            left += _section("members", (False, iter(node.members), level + 2))
        if node.pairs is not None:
            left += _section("items", (True, iter(node.pairs), level + 2))
        if node.setter is not None:
            left += _section("setter", (False, iter((node.setter,)), level + 2))
        if node.state is not None:
            left.append((False, iter((node.state,)), level + 1))
        if not left:
            self._lines.append(f"{head}/>\n")
            return True
        self._lines.append(f"{head}>\n")
        self._rest += (*left, f"{_PADS[level]}</{name}>\n")
        return False


def _section(name: str, content: _Content) -> list[_Left]:
    pad = _PADS[content[2] - 1]
    return [f"{pad}<{name}>\n", content, f"{pad}</{name}>\n"]
