"""Where in the graph a reader of the source syntax is, told from the brackets that are open."""

from collections.abc import Sequence
from typing import Any, Final

from ..graph import SCALARS
from ..place import ROOT, Field, Item, Step, show
from .sourcebuilder import Frame
from .sourceforms import ARGUMENTS, DICT, INNER_DICT, LIST, PAREN, REF

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
        steps += _steps(frame, within[number - 1 : number], within[number + 1 : number + 3])
    return show(steps, root)


def _steps(frame: Frame, outer: Sequence[Frame], inner: Sequence[Frame]) -> list[Step]:
    form, count = frame.form, len(frame.parts)
    if form in (DICT, INNER_DICT):
        return _key_steps(frame, bool(outer) and outer[0].form.name in _OBJECTS)
    if (
        form is PAREN
        and outer
        and outer[0].form.name in _OBJECTS
        and inner
        and inner[0].form is DICT
    ):
        return []  # the fields of a class with slots
    if form in (LIST, PAREN, ARGUMENTS) or form.name in ("Arguments", "Members"):
        return [Item(count)]
    if form.name in _OBJECTS or form.name == "Keywords":
        if frame.fields:
            return [Field(frame.fields[-1])]
        if form.name == "Copyreg" and not count:
            return [Field("function")]
    elif form.name in _FIELDS and form is not REF and count:
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
