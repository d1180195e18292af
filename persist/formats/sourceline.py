"""Objects on one line of the source syntax: scalars, names, and containers that are short enough.

An object that is met in several places is on one line only where it is referred to: it gets its number
where the writer meets it, and that is not while it tries how long a line becomes.
"""

from collections.abc import Callable, Iterable
from typing import Any, Final, cast

from ..graph import Call, Global, Instance, Node
from ..survey import Survey
from ..words import Word, word_of
from .format import FormatError
from .sourceliterals import SHORT, float_text, int_text, scalar_text
from .sourcenames import WORDS, dotted, is_field

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

_CACHED: Final = 10_000
_MOST_BYTES: Final = 1000


class Raw(str):
    """Text that is written as it is, in the place of an object."""

    __slots__ = ()


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
        kind = cast("type[Any]", type(item))
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
        if type(item) is dict:
            pairs = cast("dict[Any, Any]", item)
            keys = self._atoms(pairs, depth)
            values = None if keys is None else self._atoms(pairs.values(), depth)
            if keys is None or values is None:
                return None
            text = ", ".join([f"{key}: {value}" for key, value in zip(keys, values, strict=True)])
        else:
            members = self._members(item) if type(item) in (set, frozenset) else item
            texts = self._atoms(members, depth)
            if texts is None:
                return None
            text = ", ".join(texts)
            if len(texts) == 1 and type(item) is tuple:
                text += ","
        return f"{begin}{text}{end}" if len(text) <= WIDEST else None

    def _flat_node(self, node: Node, depth: int) -> str | None:
        if depth == 0 or node.members is not None or node.pairs is not None or node.setter:
            return None
        texts: list[str] | None
        if isinstance(node, Call):
            word = self._word(node)
            if word is not None:
                texts = [repr(word.value)]
                if word.of is not None:
                    of = self._atoms((word.of,), depth)
                    if of is None:
                        return None
                    texts += of
                return _fitting(f"{WORDS[word.name]}({', '.join(texts)})")
            arguments = self._flat_container(node.arguments, BRACKETS[tuple], depth)
            if arguments is None or type(node.function) is not Global:
                return None
            begin, texts = "Copyreg", [self._name(node.function), arguments]
        else:
            if node.arguments or cast("Instance", node).keywords:
                return None
            begin, texts = "Instance", [self._name(cast("Global", type(node)))]
        if node.state is not None:
            state = self._flat_state(node.state, depth)
            if state is None:
                return None
            texts += state
        return _fitting(f"{begin}({', '.join(texts)})")

    def _flat_state(self, state: Any, depth: int) -> list[str] | None:
        names = self._field_names(state, "")
        if names is None:
            return self._atoms((state,), depth)
        values = self._atoms(state.values(), depth) if len(names) <= MOST_FLAT else None
        return None if values is None else list(map(str.__add__, names, values))

    def _atoms(self, items: Iterable[Any], depth: int) -> list[str] | None:
        """The texts of `items`, None if one of them takes more than one line."""
        texts: list[str] = []
        for item in items:
            write = self._scalars.get(cast("type[Any]", type(item)))
            text = None if write is None else write(item)
            if text is None:
                known = self._numbers.get(id(item))
                if known is not None:
                    text = f"Deref({known})"
                elif id(item) not in self._shared and type(item) not in (str, bytes):
                    text = self._flat(item, depth - 1)
                if text is None:
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
        if type(state) is not dict or not state:
            return None
        fields = cast("dict[Any, Any]", state)
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
