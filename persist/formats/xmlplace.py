"""Where in the graph a reader of XML is, told from the elements that are open."""

from collections.abc import Sequence
from typing import Any, Final

from ..graph import SCALARS
from ..place import ROOT, Field, Item, Step, show
from ..reduction import class_of
from .xmlframes import KEYED, NODES, SECTIONS, Frame

_COUNTED: Final = ("list", "tuple", "arguments", "members")
_ONE_INSIDE: Final = {
    "loadfunc": "function", "setter": "setter",
    "method": "__self__", "datetime": "tzinfo", "time": "tzinfo",
}  # fmt: skip
_FAR: Final = 50


def place_of(frames: Sequence[Frame]) -> str | None:
    """The place of what the last of `frames`, all that are open, has not got yet, or got last."""
    if len(frames) < 3:
        is_root = len(frames) == 2 and "passport" in (frames[1].extra or ()) and not frames[1].parts
        return ROOT if is_root else None
    steps: list[Step] = []
    for number, frame in enumerate(frames[2:], 2):
        if frame.name in ("passport", "signature"):
            return None
        if frame.is_key:
            break
        if _is_state(frames, number):
            below = frames[number + 1].name if number + 1 < len(frames) else None
            if frame.name == "tuple" and below == "dictionary":
                continue  # the fields of a class with slots
            if frame.name != "dictionary":
                steps.append(Field("state"))
        if frame.name in _COUNTED:
            steps.append(Item(len(frame.parts)))
        elif frame.name in _ONE_INSIDE:
            steps.append(Field(_ONE_INSIDE[frame.name]))
        elif frame.mode == KEYED:
            if len(frame.parts) % 2 == 0:
                break
            is_slots = frames[number - 1].name == "tuple"
            are_fields = frame.name == "keywords" or (
                frame.name == "dictionary" and _is_state(frames, number - is_slots)
            )
            steps += _key_steps(frame.parts[-1], are_fields)
    if len(steps) > _FAR:
        return show(steps[-_FAR:], "...")
    return show(steps, f"(reference {frames[2].number})" if frames[1].parts else ROOT)


def _is_state(frames: Sequence[Frame], number: int) -> bool:
    """Whether the element at `number` is the state of a node, in whose element it stands."""
    return frames[number - 1].name in NODES and frames[number].name not in SECTIONS


def _key_steps(key: Any, is_field: bool) -> list[Step]:
    if type(key) is str and is_field:
        return [Field(key)]
    parts: Sequence[Any] = key if class_of(key) is tuple else [key]
    # What is not there yet has no name to be told by.
    return [Item(key)] if all(type(part) in SCALARS for part in parts) else []
