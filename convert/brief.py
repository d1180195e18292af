"""An object of a graph in one short line: ``41``, ``'hi'``, ``visits.Counter(value=41)``."""

from collections.abc import Collection, Mapping
from typing import Any, Final, cast

import attrs

from ..persist.graph import Call, Global, Instance, Node
from ..persist.place import Field, Step
from .branches import as_word, branches, class_of, dotted, is_secret, is_small

_LONGEST: Final = 60
_FIELDS: Final = 3


@attrs.frozen
class Brief:
    """How objects are shown of which some fields are `secret` (by class as ``module:qualname``)."""

    secret: Mapping[str, Collection[str]] = attrs.field(factory=dict[str, tuple[str, ...]])

    def of(self, item: object) -> str:
        """`item`, and of what is in it a few fields."""
        if not isinstance(item, Node) or as_word(item) is not None:
            return small(item) if is_small(item) else title(item)
        found = class_of(item)
        arguments: list[str] = []
        for step, value in branches(item):
            if len(arguments) == _FIELDS:
                arguments.append("...")
                break
            if is_small(value):
                shown = "hidden" if self.hides(item, step) else small(value)
                name = f"{step.name}=" if isinstance(step, Field) else ""
                arguments.append(f"{name}{shown}")
        return f"{'a call' if found is None else dotted(found)}({', '.join(arguments)})"

    def hides(self, item: object, step: Step) -> bool:
        """Whether what `step` leads to from `item` is secret."""
        return is_secret(self.secret, item, step)


def title(item: object) -> str:
    """What `item` is, without what is in it but how much."""
    if isinstance(item, Node):
        word = as_word(item)
        if word is not None:
            return small(item) if word.of is None else f"{word.name} {_text(word.value)}"
        found = class_of(item)
        return "a call" if found is None else dotted(found)
    if is_small(item):
        return small(item)
    held = cast("Collection[Any]", item)
    return f"{type(item).__name__} ({len(held):,})"


def small(item: object) -> str:
    """A scalar, a name or a word; no longer than a line."""
    if type(item) is Global:
        return dotted(item)
    if isinstance(item, Call | Instance):
        word = as_word(item)
        return f"{word.name} {word.value}" if word else title(item)
    if isinstance(item, str | bytes):
        return _text(item)
    if type(item) is int and item.bit_length() > 4 * _LONGEST:
        return f"a number of {item.bit_length():,} bits"
    return repr(item)


def _text(text: str | bytes) -> str:
    if len(text) <= _LONGEST:
        return repr(text)
    unit = "characters" if isinstance(text, str) else "bytes"
    return f"{text[: _LONGEST - 20]!r}... ({len(text):,} {unit})"


def in_words(size: int) -> str:
    """A size as a person reads it: ``959 bytes``, ``4.1 kB``, ``10.0 MB``."""
    if size < 1000:
        return f"{size} byte{'s' if size != 1 else ''}"
    power = min((len(str(size)) - 1) // 3, 4)
    return f"{size / 1000**power:.1f} {('kB', 'MB', 'GB', 'TB')[power - 1]}"
