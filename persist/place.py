"""Places in a graph, as a person writes them: ``application.registry[visits.Counter].value``.

A dot leads to a field of an instance, brackets to an item of a list, tuple, dict or other container.
The items of a private field, such as ``_components`` of a registry, are those of its instance: what
reads ``registry._components['visits.Counter']`` in full is shown, and found, without it.
"""

import ast
import re
from collections.abc import Sequence
from typing import Any, Final

import attrs

from .graph import SCALARS, Global, Node
from .reduction import class_of

ROOT: Final = "application"
# What is longer than this is shown cut, and then it is not found by what is shown.
_LONG: Final = 200
_PARTS: Final = 10
_BIG: Final = 10**40
_HUGE: Final = 1 << 1000
_FIELD: Final = re.compile(r"[^\W\d]\w*")
_PLAIN: Final = re.compile(r"[^\W\d][^\[\]'\"\s]*")
_STEP: Final = re.compile(
    r"""\.(?P<field>[^\W\d]\w*)
    |\[(?P<quoted>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")\]
    |\[(?P<plain>[^\[\]'"]+)\]""",
    re.VERBOSE,
)


@attrs.frozen
class Field:
    """A step to a field of an instance."""

    name: str


@attrs.frozen
class Item:
    """A step to an item: by number in a list or tuple, by key in a dict."""

    key: Any


Step = Field | Item


class PlaceError(ValueError):
    """A text that is no place, or of which there is none."""


def show(steps: Sequence[Step], root: str = ROOT) -> str:
    """The steps as text."""
    shown = root
    for number, step in enumerate(steps):
        if isinstance(step, Item):
            shown += f"[{show_key(step.key)}]"
        elif not _FIELD.fullmatch(step.name):
            shown += f"[{step.name!r}]"
        elif not _is_passed_over(steps, number):
            shown += f".{step.name}"
    return shown


def parse(text: str) -> list[Step]:
    """The steps of a place, with or without ``application`` before them. Raises `PlaceError`.

    What stands in brackets without quotes is a number if it looks like one, else text.
    """
    rest = text.removeprefix(ROOT) if re.match(rf"{ROOT}(?=[.\[]|$)", text) else text
    if rest and rest[0] not in ".[":
        rest = f".{rest}"
    steps: list[Step] = []
    place = 0
    while place < len(rest):
        match = _STEP.match(rest, place)
        if match is None:
            raise PlaceError(
                f"{text!r}: expected .field or [key] at {rest[place:][:20]!r};"
                " an example is registry[visits.Counter].value"
            )
        steps.append(_step(match))
        place = match.end()
    return steps


def _step(match: re.Match[str]) -> Step:
    if match["field"]:
        return Field(match["field"])
    if match["quoted"]:
        try:
            return Item(ast.literal_eval(match["quoted"]))
        except (SyntaxError, ValueError) as error:
            raise PlaceError(f"{match['quoted']} is no text in quotes as Python has it") from error
    plain = match["plain"]
    return Item(int(plain) if re.fullmatch(r"-?\d{1,18}", plain) else plain)


def _is_passed_over(steps: Sequence[Step], number: int) -> bool:
    step = steps[number]
    following = steps[number + 1 : number + 2]
    return (
        isinstance(step, Field)
        and step.name.startswith("_")
        and bool(following)
        and isinstance(following[0], Item)
    )


def show_key(key: Any) -> str:
    """A key of a dict, or a member of a set, as it stands between brackets; never a long text."""
    kind = class_of(key)
    if kind is str and len(key) <= _LONG and _PLAIN.fullmatch(key):
        return str(key)
    if kind in (str, bytes) and len(key) > _LONG:
        return f"{key[:_LONG]!r}..."
    if kind is int and abs(key) >= _BIG:
        # No decimal digits: Python refuses to work out very many.
        return f"{key:#x}" if abs(key) < _HUGE else f"{key >> key.bit_length() - 64:#x}..."
    if kind is tuple and key:
        inner = [
            show_key(part) if class_of(part) is not tuple else "(...)" for part in key[:_PARTS]
        ]
        return f"({', '.join(inner)}{', ...' if len(key) > _PARTS else ''})"
    return repr(key) if kind in SCALARS or isinstance(key, Node | Global) else kind.__name__
