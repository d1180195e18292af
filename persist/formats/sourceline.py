"""Objects on one line of the source syntax: scalars, names, and containers that are short enough.

An object that is met in several places is on one line only where it is referred to: it gets its number
where the writer meets it, and that is not while it tries how long a line becomes.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any, Final, cast

from ..graph import Call, Global, Instance, Node
from ..reduction import class_of
from ..survey import Survey
from ..words import Word, word_of
from .format import FormatError
from .sourceliterals import SHORT, float_text, scalar_text
from .sourcenames import WORDS, is_field
from .spelling import dotted, int_text

FLAT_DEPTH: Final = 2
MOST_FLAT: Final = 30
WIDEST: Final = 88
BRACKETS: Final[dict[type[Any], tuple[str, str, str]]] = {
    list: ("[", "]", "[]"),
    tuple: ("(", ")", "()"),
    dict: ("{", "}", "{}"),
    set: ("{", "}", "set()"),
    frozenset: ("frozenset({", "})", "frozenset()"),
}
"""How each container begins and ends, and what it is without members."""

KEYWORDS: Final = "Keywords("
ITEMS: Final = "Items({"
Given = tuple[str, Any, str]

_CACHED: Final = 10_000
_MOST_BYTES: Final = 1000


class Raw(str):
    """Text that is written as it is, in the place of an object."""

    __slots__ = ()


def node_given(node: Node) -> list[Given]:
    """What stands between the name and the state of `node`: how it begins, what is in it, its end."""
    given: list[Given] = []
    if isinstance(node, Call):
        given.append(("(", node.arguments, ")"))
    else:
        if node.arguments:
            given.append(("Arguments(", node.arguments, ")"))
        if isinstance(node, Instance) and node.keywords:
            given.append((KEYWORDS, node.keywords, ")"))
    if node.members is not None:
        given.append(("Members(", node.members, ")"))
    if node.pairs is not None:
        given.append((ITEMS, node.pairs, "})"))
    if node.setter is not None:
        given.append(("Setter(", [node.setter], ")"))
    return given


class LineWriter:
    """Writes what takes one line. `survey` is what was found in the graph."""

    def __init__(self, survey: Survey) -> None:
        self._shared = survey.shared
        self._members = survey.members
        self._numbers: dict[int, int] = {}
        self._named: dict[Global, str] = {}
        self._fields: dict[tuple[str, int, str], list[str] | None] = {}
        self._scalars: dict[type[Any], Callable[[Any], str | None]] = {
            type(None): repr,
            bool: repr,
            int: int_text,
            float: float_text,
            str: _short_text,
            bytes: _short_text,
            Global: self._global_text,
            Raw: str,
        }

    def _flat(self, item: Any, depth: int) -> str | None:
        """The text of `item`, not yet written, if it is short enough for one line."""
        kind = class_of(item)
        brackets = BRACKETS.get(kind)
        if brackets is not None:
            return self._flat_container(item, brackets, depth)
        if isinstance(item, Node):
            return self._flat_node(item, depth)
        if kind is bytearray:
            text = scalar_text(bytes(item)) if len(item) <= _MOST_BYTES else None
            return None if text is None else f"bytearray({text})"
        if kind is str or kind is bytes:
            return scalar_text(item)
        raise FormatError(f"no graph has an object of the class {kind.__name__}")

    def _flat_container(self, item: Any, brackets: tuple[str, str, str], depth: int) -> str | None:
        if not item:
            return brackets[2]
        if depth == 0 or len(item) > MOST_FLAT:
            return None
        begin, end, _ = brackets
        kind = class_of(item)
        if kind is dict:
            pairs = cast("dict[Any, Any]", item)
            return self._flat_pairs(begin, pairs, pairs.values(), end, depth)
        members = self._members(item) if kind in (set, frozenset) else item
        return self._flat_call(begin, members, end, depth)

    def _flat_call(
        self, begin: str, items: Sequence[Any], end: str = ")", depth: int = FLAT_DEPTH
    ) -> str | None:
        texts = self._atoms(items, depth) if len(items) <= MOST_FLAT else None
        if texts is None:
            return None
        lonely = "," if begin == "(" and len(texts) == 1 else ""
        return _fitting(f"{begin}{', '.join(texts)}{lonely}{end}")

    def _flat_pairs(
        self, begin: str, keys: Collection[Any], values: Iterable[Any], end: str, depth: int
    ) -> str | None:
        texts = self._atoms(keys, depth) if len(keys) <= MOST_FLAT else None
        others = None if texts is None else self._atoms(values, depth)
        if texts is None or others is None:
            return None
        pairs = [f"{key}: {value}" for key, value in zip(texts, others, strict=True)]
        return _fitting(f"{begin}{', '.join(pairs)}{end}")

    def _flat_node(self, node: Node, depth: int) -> str | None:
        if depth == 0:
            return None
        word = self._word(node) if isinstance(node, Call) else None
        if word is not None:
            of = [] if word.of is None else self._atoms((word.of,), depth)
            if of is None:
                return None
            return _fitting(f"{WORDS[word.name]}({', '.join([repr(word.value), *of])})")
        if isinstance(node, Call):
            if type(node.function) is not Global:
                return None
            begin = f"Copyreg({self._name(node.function)}"
        else:
            begin = f"Instance({self._name(cast('Global', type(node)))}"
        texts: list[str] = [begin]
        for given in node_given(node):
            text = self._flat_given(given, depth)
            if text is None:
                return None
            texts.append(text)
        if node.state is not None:
            state = self._flat_state(node.state, depth)
            if state is None:
                return None
            texts += state
        return _fitting(f"{', '.join(texts)})")

    def _flat_given(self, given: Given, depth: int = FLAT_DEPTH) -> str | None:
        begin, items, end = given
        if begin == ITEMS:
            keys, values = [key for key, _ in items], [value for _, value in items]
            return self._flat_pairs(begin, keys, values, end, depth)
        if begin == KEYWORDS:
            texts = self._flat_state(items, depth)
            return None if texts is None else _fitting(f"{begin}{', '.join(texts)}{end}")
        return self._flat_call(begin, items, end, depth)

    def _flat_state(self, state: Any, depth: int) -> list[str] | None:
        names = self._field_names(state, "")
        if names is None:
            return self._atoms((state,), depth)
        values = self._atoms(state.values(), depth) if len(names) <= MOST_FLAT else None
        return None if values is None else list(map(str.__add__, names, values))

    def _atoms(self, items: Iterable[Any], depth: int) -> list[str] | None:
        """The texts of `items`, None if one of them takes more than one line."""
        texts: list[str] = []
        room = WIDEST
        for item in items:
            write = self._scalars.get(class_of(item))
            text = None if write is None else write(item)
            if text is None:
                known = self._numbers.get(id(item))
                if known is not None:
                    text = f"Deref({known})"
                elif id(item) not in self._shared and type(item) not in (str, bytes):
                    text = self._flat(item, depth - 1)
                if text is None:
                    return None
            room -= len(text)
            if room < 0 and depth:
                return None
            texts.append(text)
        return texts

    def _name(self, found: Global) -> str:
        """The name of `found`, in quotes."""
        text = self._named.get(found)
        if text is None:
            try:
                text = self._named[found] = repr(dotted(found.module, found.name))
            except ValueError as error:
                raise FormatError(f"this cannot be written as source: {error}") from error
        return text

    def _global_text(self, found: Global) -> str:
        word = "Class" if found.name.rpartition(".")[2][:1].isupper() else "Function"
        return f"{word}({self._name(found)})"

    def _field_names(self, state: Any, indent: str) -> list[str] | None:
        """What stands before each value of `state` as fields; None if they cannot be fields."""
        if class_of(state) is not dict or not state:
            return None
        fields: dict[Any, Any] = state
        if id(fields) in self._shared:
            return None
        try:
            key = indent, len(fields), "\0".join(fields)
        except TypeError:
            return None
        if key in self._fields:
            return self._fields[key]
        names = [f"{indent}{name}=" for name in fields] if all(map(is_field, fields)) else None
        if len(self._fields) < _CACHED and len(fields) < _CACHED:
            self._fields[key] = names
        return names

    def _word(self, call: Call) -> Word | None:
        word = word_of(call)
        # A text that stands elsewhere too is an object of its own.
        return None if word is not None and len(word.value) > SHORT else word


def _short_text(value: str | bytes) -> str | None:
    return repr(value) if len(value) <= SHORT else None


def _fitting(text: str) -> str | None:
    return text if len(text) <= WIDEST else None
