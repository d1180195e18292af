"""How much of a snapshot each object takes: an estimate, in bytes of the stream before compression.

An object that is held in many places is counted once, where it is met first on a walk level by
level: in the place that is nearest to the root. So sizes add up, and a list of sessions has the
sessions, not whatever happens to refer to one.
"""

from typing import Any, Final, cast

import attrs

from ..persist.graph import Global, is_shared
from .outline import HIDDEN, Outline

_REFERENCE: Final = 5
_FRAME: Final = 4  # what a container or an object takes beside its parts
_NUMBERS: Final = ((0x100, 2), (0x10000, 3), (0x80000000, 5))


@attrs.frozen(eq=False)
class Sizes:
    """What `sizes` found of a graph; it holds ids, so it is good only while the graph lives unchanged.

    Objects have numbers, the root 0, in the order in which they were met; what a scalar or a name
    takes is counted with the object that holds it.
    """

    objects: list[Any]
    numbers: dict[int, int]
    """By the id of an object."""
    holders: list[int]
    """By number: the object under which it was met first; of the root -1. Never falls."""
    own: list[int]
    whole: list[int]
    """By number: bytes with all that was met first under it."""
    again: list[tuple[int, int]]
    """Where objects were met again: the number of the object, and of its holder."""

    def of(self, item: Any) -> int:
        """The bytes of `item` with all that was met first under it."""
        number = self.numbers.get(id(item))
        return _scalar(item) if number is None else self.whole[number]

    def is_first(self, holder: Any, item: Any) -> bool:
        """Whether `item`, an object directly under `holder`, is counted there."""
        number = self.numbers.get(id(item))
        return number is None or self.holders[number] == self.numbers.get(id(holder), -1)


def sizes(root: Any, outline: Outline) -> Sizes:
    """Measure all that `root` leads to, but for what is hidden. Linear; any depth."""
    objects = [root]
    numbers = {id(root): 0}
    holders = [-1]
    own: list[int] = []
    again: list[tuple[int, int]] = []
    texts: set[int] = set()
    for number, item in enumerate(objects):  # grows meanwhile
        kind: Any = type(item)
        if kind in (str, bytes, bytearray):
            own.append(_scalar(item))
            continue
        sections = outline.open(item)
        size = _FRAME
        for name, _value in sections.fields:
            size += _text(name, texts)
        for part in sections.parts():
            kind = type(part)
            if kind is int:
                size += _int(part)
            elif kind is str and len(part) <= 100:
                size += _text(part, texts)
            elif part is None or kind is bool or part is HIDDEN:
                size += 1
            elif not is_shared(part):
                size += _scalar(part)
            elif id(part) in numbers:
                size += _REFERENCE
                again.append((numbers[id(part)], number))
            else:
                numbers[id(part)] = len(objects)
                objects.append(part)
                holders.append(number)
        own.append(size)
    whole = own.copy()
    for number in range(len(objects) - 1, 0, -1):
        whole[holders[number]] += whole[number]
    return Sizes(objects, numbers, holders, own, whole, again)


def _text(text: str, texts: set[int]) -> int:
    if id(text) in texts:
        return _REFERENCE
    texts.add(id(text))
    return _scalar(text)


def _int(number: int) -> int:
    for below, size in _NUMBERS:
        if abs(number) < below:
            return size
    return 3 + number.bit_length() // 8


def _scalar(item: Any) -> int:
    kind: Any = type(item)
    if kind is int:
        return _int(item)
    if kind is float:
        return 9
    if kind is str:
        text = cast("str", item)
        size = len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
        return 3 + size
    if kind in (bytes, bytearray):
        return 3 + len(item)
    return _REFERENCE if kind is Global else 1
