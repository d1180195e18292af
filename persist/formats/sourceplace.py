"""Where in the graph a reader of the source syntax is, told from the brackets that are open."""

from collections.abc import Sequence
from typing import Any, Final

from ..graph import SCALARS
from ..place import ROOT, Field, Item, Step, show
from .sourcebuilder import Frame
from .sourceforms import ARGUMENTS, DICT, INNER_DICT, LIST, PAREN

_MOST: Final = 40
_FIELDS: Final = {
    "Setter": "setter",
    "InstanceMethod": "__self__",
    "Datetime": "tzinfo",
    "Time": "tzinfo",
}


def place_of(frames: Sequence[Frame]) -> str | None:
    """The place of what comes next in the last of `frames`, the first of which is the file."""
    root = frames[0].fields[-1] if frames[0].fields else None
    within = frames[1:]
    if len(frames[0].fields) == len(frames[0].parts):
        return None
    if root is None:
        root = f"Ref({within[0].item})" if within else ROOT
        within = within[1:]
    steps: list[Step] = []
    for number, frame in enumerate(within):
        outer = [each.form.name for each in within[max(number - 2, 0) : number]]
        is_state = bool(outer) and outer[-1] in _OBJECTS
        if frame.form is PAREN and is_state and within[number + 1 : number + 2]:
            if within[number + 1].form is DICT:
                continue  # the fields of a class with slots
        elif frame.form in (DICT, INNER_DICT):
            is_part = outer[-1:] == [PAREN.name] and outer[0] in _OBJECTS
            steps += _key_steps(frame, is_state or is_part)
        else:
            steps += _steps(frame)
    return show(steps[:_MOST], root) + ("..." if len(steps) > _MOST else "")


def _steps(frame: Frame) -> list[Step]:
    form, count = frame.form, len(frame.parts)
    if form in (LIST, PAREN, ARGUMENTS) or form.name in ("Arguments", "Members"):
        return [Item(count)]
    if form.named:
        if frame.fields:
            return [Field(frame.fields[-1])]
        if form.name == "Copyreg" and not count:
            return [Field("function")]
    elif form.name in _FIELDS and count:
        return [Field(_FIELDS[form.name])]
    return []


def _key_steps(frame: Frame, are_fields: bool) -> list[Step]:
    if not len(frame.parts) & 1:
        return []
    key: Any = frame.parts[-1]
    if type(key) not in SCALARS:
        return []
    return [Field(key) if are_fields and type(key) is str else Item(key)]


_OBJECTS: Final = frozenset({"Instance", "Copyreg"})
