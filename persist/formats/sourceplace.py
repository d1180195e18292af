"""Where in the graph a reader of the source syntax is, told from the brackets that are open."""

from collections.abc import Sequence
from typing import Any, Final

from ..graph import SCALARS
from ..place import ROOT, Field, Item, Step, show
from ..reduction import class_of
from .sourcebuilder import Frame
from .sourceforms import ARGUMENTS, DICT, INNER_DICT, LIST, PAREN, REF

_MOST: Final = 40
_NODES: Final = frozenset({"Instance", "Copyreg"})
_ONE_INSIDE: Final = {"InstanceMethod": "__self__", "Datetime": "tzinfo", "Time": "tzinfo"}
_INNER: Final = frozenset(
    {ARGUMENTS.name, "Arguments", "Keywords", "Members", "Items", "Setter", "Passport"}
)


def place_of(frames: Sequence[Frame]) -> str | None:
    """The place of what comes next in the last of `frames`, the first of which is the file."""
    root = frames[0].fields[-1] if frames[0].fields else None
    within = frames[1:]
    if len(frames[0].fields) == len(frames[0].parts):
        return None
    if root is None:
        root = f"Ref({within[0].item})" if within else ROOT
    within = [frame for frame in within if frame.form is not REF]
    steps: list[Step] = []
    for number, frame in enumerate(within):
        below = within[number + 1].form if number + 1 < len(within) else None
        if _is_state(within, number):
            if frame.form is PAREN and below is DICT:
                continue  # the fields of a class with slots
            if frame.form is not DICT:
                steps.append(Field("state"))
        if frame.form in (DICT, INNER_DICT):
            is_slots = number > 0 and within[number - 1].form is PAREN
            steps += _key_steps(frame, _is_state(within, number - 1 if is_slots else number))
        else:
            steps += _steps(frame)
    return show(steps[:_MOST], root) + ("..." if len(steps) > _MOST else "")


def _is_state(within: Sequence[Frame], number: int) -> bool:
    """Whether the bracket at `number` is the state of an object, in whose bracket it stands."""
    if number == 0 or within[number].form.name in _INNER:
        return False
    above = within[number - 1]
    is_called = above.form.name == "Copyreg" and not above.parts
    return above.form.name in _NODES and not above.fields and not is_called


def _steps(frame: Frame) -> list[Step]:
    form, count = frame.form, len(frame.parts)
    if form in (LIST, PAREN, ARGUMENTS) or form.name in ("Arguments", "Members"):
        return [Item(count)]
    if form.named:
        if frame.fields:
            return [Field(frame.fields[-1])]
        if form.name == "Copyreg" and not count:
            return [Field("function")]
    elif form.name == "Setter":
        return [Field("setter")]
    elif form.name in _ONE_INSIDE and count:
        return [Field(_ONE_INSIDE[form.name])]
    return []


def _key_steps(frame: Frame, are_fields: bool) -> list[Step]:
    if not len(frame.parts) & 1:
        return []
    key: Any = frame.parts[-1]
    if type(key) is str and are_fields:
        return [Field(key)]
    parts: Sequence[Any] = key if class_of(key) is tuple else [key]
    # What is not there yet has no name to be told by.
    return [Item(key)] if all(type(part) in SCALARS for part in parts) else []
