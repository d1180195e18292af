"""Setting values in a graph, as ``--set 'registry[visits.Counter].value=41'`` asks for it.

A value is read by the kind of the one that is there, and stays of that kind:

there           what may be written
text            text, quoted or not; in quotes if it is ``None``, or begins and ends with quotes
whole number    ``41``, ``-1_000``, ``0xff``
number          ``1.5``, ``41``, ``inf``, ``nan``
True, False     ``True``, ``False``
None            a literal of Python, else text
bytes           ``b'...'``
list, dict...   a literal of Python; a list, dict, set or bytearray is given its new content
datetime...     its word (see `persist.words`): ``2026-11-21T10:00:00``
a class         ``visits.counting:Counter``
any but those   nothing: its fields are set one by one

Instead of a text, a number, bytes or a word, ``None`` may be written. Only places that are there are
set.
"""

import ast
import math
import os
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, ClassVar, Final, cast

import attrs

from ..persist.concealment import is_sealed
from ..persist.errors import PerdureError
from ..persist.formats.spelling import MOST_DIGITS
from ..persist.graph import SCALARS, Global, Graph, Instance, Node
from ..persist.passport import Passport, PassportError
from ..persist.place import Field, PlaceError, parse, show
from ..persist.survey import objects, parts
from ..persist.words import Word, WordError, call_of
from .branches import as_word, branches, dotted
from .lookup import LookupFailedError, Spot, find, is_in_secret, what_it_is

Secret = Mapping[str, Collection[str]]

_SHOWN: Final = 60
_UNFIT: Final = "the value does not fit the secret one that is there, of which nothing is told; --reveal tells it"
_FILLING: Final[dict[type[Any], str]] = {
    list: "extend",
    dict: "update",
    set: "update",
    bytearray: "extend",
}


@attrs.define
class EditError(PerdureError):
    """A value cannot be set; nothing was changed in any file."""

    exit_status: ClassVar[int] = os.EX_DATAERR
    place: str
    reason: str

    def __str__(self) -> str:
        return f"{self.place}: {self.reason}"


class ValueFormatError(ValueError):
    """A text that is no value of the kind that is there; the message says what was expected."""


@attrs.frozen
class Edit:
    """One value to set: a place, and the value as it was written."""

    place: str
    value: str

    @classmethod
    def parse(cls, text: str) -> "Edit":
        """From ``PLACE=VALUE``. Raises `PlaceError`."""
        end = _end_of_place(text)
        if end is None:
            raise PlaceError(
                f"{text!r}: expected PLACE=VALUE, such as registry[visits.Counter].value=41"
            )
        place = text[:end].strip()
        if not parse(place):
            raise PlaceError(f"{text!r}: expected a place before '='")
        return cls(place, text[end + 1 :])


@attrs.frozen
class Change:
    """What an edit has done: the place in full, and the values in short."""

    place: str
    before: str
    after: str


def apply(graph: Graph, edits: Iterable[Edit], secret: Secret) -> list[Change]:
    """Set the values in `graph`, one after the other. What is `secret` is not in the changes.

    Raises `EditError`, `LookupFailedError` or `PlaceError`; then the graph is to be thrown away,
    for some may have been set.
    """
    changes = [_apply(graph, edit, secret) for edit in edits]
    # What was replaced may be what could not be loaded any more.
    graph.names.keep(_names_in(graph.root))
    return changes


def renamed(passport: Passport, graph: Graph, changes: Iterable[Change]) -> Passport:
    """The passport that goes with `graph` after `changes`: the application's name may be another.

    Raises `EditError` for a name that no file could be called after.
    """
    place = show([Field("name")])
    if all(change.place != place for change in changes):
        return passport
    try:
        return Passport.from_fields({**passport.fields(), "application": find(graph, "name").value})
    except PassportError as error:
        raise EditError(place, str(error).removeprefix("application: ")) from error


def _names_in(root: object) -> set[Global]:
    found: set[Global] = set()
    for item in objects(root):
        if type(item) is Global:
            found.add(item)
        elif isinstance(item, Instance):
            found.add(cast("Global", type(item)))
    return found


def _apply(graph: Graph, edit: Edit, secret: Secret) -> Change:
    spot = find(graph, edit.place, secret)
    is_hidden = is_in_secret(spot, secret)
    # Of what is concealed with another key nobody here knows the kind.
    present = None if is_sealed(spot.value) else spot.value
    try:
        value = read(edit.value, present, graph)
    except ValueFormatError as error:
        if is_hidden:
            raise EditError(spot.place, _UNFIT) from None
        raise EditError(spot.place, str(error)) from error
    before, after = _short(spot.value), _short(value)
    if is_hidden:
        before = after = "hidden"
    if type(spot.value) in _FILLING and type(value) is type(spot.value):
        _refill(spot.value, value)
    else:
        _replace(spot, value)
    return Change(spot.place, before, after)


def _replace(spot: Spot, value: Any) -> None:
    try:
        spot.replace(value)
    except LookupFailedError as error:
        raise EditError(error.place, error.reason) from error


def _refill(container: Any, value: Any) -> None:
    """Whoever else holds the container sees its new content, as in the running application."""
    container.clear()
    fill: Callable[[Any], None] = getattr(container, _FILLING[type(container)])
    fill(value)


def read(text: str, present: object, graph: Graph) -> Any:
    """The value that `text` is, in the place of `present`. Raises `ValueFormatError`."""
    kind: type[Any] = type(present)
    if isinstance(present, Node):
        return _read_word(text, present, graph)
    if kind is Global:
        return _read_name(text, graph)
    if text.strip() == "None" and kind in SCALARS:
        return None
    reader = _READERS.get(kind)
    if reader is not None:
        return reader(text)
    return _read_container(text, kind)


def _read_text(text: str) -> str:
    stripped = text.strip()
    if len(stripped) > 1 and stripped[0] in "'\"" and stripped[-1] == stripped[0]:
        try:
            found = ast.literal_eval(stripped)
        except (ValueError, SyntaxError):
            found = None
        if type(found) is str:
            return found
        raise ValueFormatError(f"expected text, and {_quoted(text)} is not well quoted")
    return text


def _read_int(text: str) -> int:
    digits = text.strip()
    if sum(map(str.isdigit, digits)) > MOST_DIGITS and not digits.lstrip("+-").startswith("0x"):
        raise ValueFormatError(
            f"expected a whole number of at most {MOST_DIGITS} digits; write a longer one in"
            " hexadecimal"
        )
    try:
        return int(digits, 0 if re.match(r"[+-]?0[xXoObB]", digits) else 10)
    except ValueError:
        raise ValueFormatError(f"expected a whole number, got {_quoted(text)}") from None


def _read_float(text: str) -> float:
    try:
        found = float(text)
    except ValueError:
        found = None
    if found is None or (math.isinf(found) and "inf" not in text.lower()):
        raise ValueFormatError(f"expected a number, got {_quoted(text)}")
    return found


def _read_bool(text: str) -> bool:
    found = {"true": True, "false": False}.get(text.strip().lower())
    if found is None:
        raise ValueFormatError(f"expected True or False, got {_quoted(text)}")
    return found


def _read_bytes(text: str) -> bytes:
    found = _literal(text)
    if type(found) is not bytes:
        raise ValueFormatError(f"expected bytes, such as b'abc', got {_quoted(text)}")
    return found


def _read_anything(text: str) -> Any:
    found = _literal(text)
    return _read_text(text) if found is _NO_LITERAL else found


_READERS: Final[dict[type[Any], Callable[[str], Any]]] = {
    str: _read_text,
    int: _read_int,
    float: _read_float,
    bool: _read_bool,
    bytes: _read_bytes,
    type(None): _read_anything,
}


_WRITTEN: Final[dict[type[Any], type[Any]]] = {frozenset: set, bytearray: bytes}
_EXAMPLES: Final[dict[type[Any], str]] = {
    list: "[1, 2]",
    tuple: "(1, 2)",
    dict: "{'a': 1}",
    set: "{1, 2} or set()",
    frozenset: "{1, 2} or set()",
    bytearray: "b'abc'",
}


def _read_container(text: str, kind: type[Any]) -> Any:
    written = _WRITTEN.get(kind, kind)
    found = set[Any]() if text.strip() == "set()" else _literal(text)
    if type(found) is not written:
        raise ValueFormatError(
            f"expected a {kind.__name__}, such as {_EXAMPLES[kind]}, got {_quoted(text)}"
        )
    return found if written is kind else kind(found)


def _read_word(text: str, present: Node, graph: Graph) -> Any:
    word = as_word(present)
    if word is None:
        names = [str(getattr(step, "name", "")) for step, _ in branches(present)]
        fields = ", ".join(name for name in names if name)[:200] or "it has none"
        raise ValueFormatError(
            f"{what_it_is(present)} is there, which no value can replace; set its fields: {fields}"
        )
    if text.strip() == "None":
        return None
    try:
        return call_of(Word(word.name, text.strip(), word.of), graph.names)
    except WordError as error:
        raise ValueFormatError(str(error)) from error


def _read_name(text: str, graph: Graph) -> Global:
    module, _, name = text.strip().partition(":")
    if not all(part.isidentifier() for each in (module, name) for part in each.split(".")):
        raise ValueFormatError(
            f"expected a name such as visits.counting:Counter, got {_quoted(text)}"
        )
    return graph.names.find(module, name)


_NO_LITERAL: Final = object()


def _literal(text: str) -> Any:
    """The literal of Python that `text` is, if a graph can hold it."""
    try:
        found = ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return _NO_LITERAL
    stack: list[Any] = [found]
    while stack:
        item = stack.pop()
        if type(item) in (list, tuple, set, dict):
            stack += parts(item)
        elif type(item) not in SCALARS:
            return _NO_LITERAL
    return found


def _end_of_place(text: str) -> int | None:
    """Where the first '=' is that stands in no brackets."""
    depth, quote = 0, ""
    for number, letter in enumerate(text):
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "'\"" and depth:
            quote = letter
        elif letter in "[]":
            depth += 1 if letter == "[" else -1
        elif letter == "=" and not depth:
            return number
    return None


def _quoted(text: str) -> str:
    return repr(text) if len(text) <= _SHOWN else f"{text[:_SHOWN]!r}..."


def _short(value: Any) -> str:
    if type(value) is Global:
        return dotted(value)
    word = as_word(value)
    if word is not None:
        return word.value
    try:
        shown = repr(value)
    except (ValueError, RecursionError):
        return what_it_is(value)
    return shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}..."
