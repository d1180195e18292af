"""How much of a snapshot each object takes: an estimate, in bytes of the stream before compression.

An object that is held in many places is counted once, where it is met first on a walk level by
level: in the place that is nearest to the root. So sizes add up, and a list of sessions has the
sessions, not whatever happens to refer to one.
"""

from typing import Final

import attrs

from ..persist.graph import is_shared
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

    objects: list[object]
    numbers: dict[int, int]
    """By the id of an object."""
    holders: list[int]
    """By number: the object under which it was met first; of the root -1. Never falls."""
    own: list[int]
    whole: list[int]
    """By number: bytes with all that was met first under it."""
    again: list[tuple[int, int]]
    """Where objects were met again: the number of the object, and of its holder."""

    def of(self, item: object) -> int:
        """The bytes of `item` with all that was met first under it."""
        number = self.numbers.get(id(item))
        return _scalar(item) if number is None else self.whole[number]

    def is_first(self, holder: object, item: object) -> bool:
        """Whether `item`, an object directly under `holder`, is counted there."""
        number = self.numbers.get(id(item))
        return number is None or self.holders[number] == self.numbers.get(id(holder), -1)


def sizes(root: object, outline: Outline) -> Sizes:
    """Measure all that `root` leads to, but for what is hidden. Linear; any depth."""
    objects: list[object] = [root]
    numbers = {id(root): 0}
    holders = [-1]
    own: list[int] = []
    again: list[tuple[int, int]] = []
    texts: set[str] = set()
    for number, item in enumerate(objects):  # grows meanwhile
        if isinstance(item, str | bytes | bytearray):
            own.append(_scalar(item))
            continue
        sections = outline.open(item)
        size = _FRAME + len(sections.text or "")
        for name, _value in sections.fields:
            size += _text(name, texts)
        for part in sections.parts():
            if isinstance(part, str) and len(part) <= 100:
                size += _text(part, texts)
            elif part is HIDDEN or not is_shared(part):
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


def _text(text: str, texts: set[str]) -> int:
    # Whether equal texts are one object depends on the syntax that was read.
    if text in texts:
        return _REFERENCE
    texts.add(text)
    return _scalar(text)


def _int(number: int) -> int:
    for below, size in _NUMBERS:
        if abs(number) < below:
            return size
    return 3 + number.bit_length() // 8


def _scalar(item: object) -> int:
    if item is None or item is HIDDEN or isinstance(item, bool):
        return 1
    if isinstance(item, int):
        return _int(item)
    if isinstance(item, float):
        return 9
    if isinstance(item, str):
        size = len(item) if item.isascii() else len(item.encode("utf-8", "surrogatepass"))
        return 3 + size
    if isinstance(item, bytes | bytearray):
        return 3 + len(item)
    return _REFERENCE
