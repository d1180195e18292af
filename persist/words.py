"""Words for calls that a person would not recognise.

A datetime is saved as a call of ``datetime.datetime`` with ten bytes. In text it is the word `datetime`
with a date that everybody reads. Which calls have a word, and which word, is decided here for all
forms of text; a call of any other shape is written as what it is.

word        value                               of
datetime    2026-11-21T10:00:00[.5][ fold=1]    the time zone, if it has one
date        2026-11-21
time        10:00:00[.5][ fold=1]               the time zone, if it has one
decimal     1.50
method      the name of a bound method          the object, or the class, it is bound to
module      the name of a module
concealed   the name of a key                   a secret value (see `concealment`)
"""

import datetime
import decimal
from collections.abc import Callable
from typing import Any, Final

import attrs

from .graph import Call, Global, Names
from .reduction import PROTOCOL

NAMES: Final = frozenset({"datetime", "date", "time", "decimal", "method", "module", "concealed"})
CONCEALED: Final = "perdure.persist.concealment:sealed"
"""What is called, in a graph, for a value that is still concealed; as ``module:qualname``."""
_FOLD: Final = " fold=1"
_CONCEALED: Final = ("perdure.persist.concealment", "sealed")


@attrs.frozen(eq=False)
class Word:
    """A call in a person's terms. `of` is one more object that belongs to it; None if none does."""

    name: str
    value: str
    of: Any = None


class WordError(ValueError):
    """A word with a value that it cannot have; the message says what was expected."""


def word_of(call: Call) -> Word | None:
    """The word for `call`; None if there is none."""
    function = call.function
    if (
        type(function) is not Global
        or call.state is not None
        or call.members is not None
        or call.pairs is not None
        or call.setter is not None
    ):
        return None
    find = _FINDERS.get((function.module, function.name))
    return None if find is None else find(call.arguments)


def call_of(word: Word, names: Names) -> Call:
    """The call that `word` stands for. Raises `WordError`."""
    if word.name == "method":
        _check_text(word, "the name of a method")
        if word.of is None:
            raise WordError("a method needs the object that it is bound to")
        return Call(names.find("builtins", "getattr"), (word.of, word.value))
    if word.name == "concealed":
        _check_text(word, "the name of a key")
        if word.of is None:
            raise WordError("a concealed value has its sealed text inside")
        return Call(names.find(*_CONCEALED), (word.value, word.of))
    if word.of is not None and word.name not in ("datetime", "time"):
        raise WordError(f"nothing belongs to a {word.name}")
    if word.name == "module":
        _check_text(word, "the name of a module")
        return Call(names.find("importlib", "import_module"), (word.value,))
    if word.name == "decimal":
        plain = _plain_decimal(word.value)
        if plain is None:
            raise WordError(f"expected a decimal number such as 1.50, got {word.value!r:.80}")
        return Call(names.find("decimal", "Decimal"), (plain,))
    zone = () if word.of is None else (word.of,)
    return Call(names.find("datetime", word.name), (_packed(word), *zone))


def _check_text(word: Word, expected: str) -> None:
    if not word.value:
        raise WordError(f"expected {expected}, got nothing")


# Whatever the context that the program has set: text that is no number is refused.
_STRICT: Final = decimal.Context(traps=[decimal.InvalidOperation])


def _plain_decimal(value: str) -> str | None:
    """The number as `decimal` itself writes it; None if it is none."""
    try:
        return str(decimal.Decimal(value, _STRICT))
    except decimal.InvalidOperation:
        return None


_EXAMPLES: Final = {
    "datetime": "2026-11-21T10:00:00",
    "date": "2026-11-21",
    "time": "10:00:00",
}
_KINDS: Final[dict[str, Any]] = {
    "datetime": datetime.datetime,
    "date": datetime.date,
    "time": datetime.time,
}


def _packed(word: Word) -> bytes:
    packed = _pack(word.name, word.value)
    if packed is None:
        without = "" if word.name == "date" else ", its time zone apart"
        raise WordError(
            f"expected a {word.name} such as {_EXAMPLES[word.name]}{without}, got {word.value!r:.80}"
        )
    return packed


def _pack(name: str, value: str) -> bytes | None:
    text = value.removesuffix(_FOLD)
    try:
        made = _KINDS[name].fromisoformat(text)
        if getattr(made, "tzinfo", None) is not None:
            return None
        if text != value:
            made = made.replace(fold=1)
    except (TypeError, ValueError):
        return None  # also a date with a fold, which it has not
    return _bytes_of(made)


def _bytes_of(made: Any) -> bytes:
    packed: bytes = made.__reduce_ex__(PROTOCOL)[1][0]
    return packed


def _unpack(name: str, packed: object) -> str | None:
    if type(packed) is not bytes:
        return None
    try:
        made = _KINDS[name](packed)
    except (TypeError, ValueError):
        return None
    text = f"{made.isoformat()}{_FOLD if getattr(made, 'fold', 0) else ''}"
    # A date is made of any bytes, such as those of a 31st of February.
    return text if _pack(name, text) == packed else None


def _time_finder(name: str, most: int) -> Callable[[tuple[Any, ...]], Word | None]:
    def find(arguments: tuple[Any, ...]) -> Word | None:
        if not 1 <= len(arguments) <= most or (most == 2 and arguments[1:] == (None,)):
            return None
        value = _unpack(name, arguments[0])
        return None if value is None else Word(name, value, *arguments[1:])

    return find


def _find_decimal(arguments: tuple[Any, ...]) -> Word | None:
    if len(arguments) != 1 or type(arguments[0]) is not str:
        return None
    value: str = arguments[0]
    return Word("decimal", value) if _plain_decimal(value) == value else None


def _find_method(arguments: tuple[Any, ...]) -> Word | None:
    if len(arguments) != 2 or type(arguments[1]) is not str or not arguments[1]:
        return None
    return None if arguments[0] is None else Word("method", arguments[1], arguments[0])


def _find_concealed(arguments: tuple[Any, ...]) -> Word | None:
    if len(arguments) != 2 or type(arguments[0]) is not str or not arguments[0]:
        return None
    return None if arguments[1] is None else Word("concealed", *arguments)


def _find_module(arguments: tuple[Any, ...]) -> Word | None:
    if len(arguments) != 1 or type(arguments[0]) is not str or not arguments[0]:
        return None
    return Word("module", arguments[0])


_FINDERS: Final[dict[tuple[str, str], Callable[[tuple[Any, ...]], Word | None]]] = {
    ("datetime", "datetime"): _time_finder("datetime", 2),
    ("datetime", "date"): _time_finder("date", 1),
    ("datetime", "time"): _time_finder("time", 2),
    ("decimal", "Decimal"): _find_decimal,
    ("builtins", "getattr"): _find_method,
    ("importlib", "import_module"): _find_module,
    _CONCEALED: _find_concealed,
}
