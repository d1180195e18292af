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

ROOT: Final = "application"
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
            shown += f"[{_key(step.key)}]"
        elif not step.name.isidentifier():
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
        return Item(ast.literal_eval(match["quoted"]))
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


def _key(key: Any) -> str:
    if type(key) is str:
        return key if _PLAIN.fullmatch(key) else repr(key)
    return repr(key)
