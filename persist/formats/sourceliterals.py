"""How scalars are written in the source syntax: as Python's ``repr`` does, where that can be read back."""

import base64
import math
from collections.abc import Iterator
from typing import Any, Final

from . import spelling

SHORT: Final = 100
"""Texts and bytes of at most so many characters are one literal, on one line."""
_LONGEST: Final = 1000
_PRINTABLE: Final = bytes(range(32, 127)) + b"\t\r\n"
_PACKED: Final = 750
_SAMPLED: Final = 1 << 16


def float_text(value: float) -> str:
    """The shortest text that reads as `value`; ``float('...')`` for what has no literal."""
    text = spelling.float_text(value)
    return text if math.isfinite(value) else f"float({text!r})"


def scalar_text(value: str | bytes) -> str | None:
    """The literal of a text or bytes; None if it takes more than one."""
    size = len(value)
    if size <= SHORT:
        return repr(value)
    newline: Any = "\n" if isinstance(value, str) else b"\n"
    if size > _LONGEST or value.find(newline, 0, size - 1) >= 0:
        return None
    return None if isinstance(value, bytes) and not is_readable(value) else repr(value)


def is_readable(value: bytes | bytearray) -> bool:
    """Whether nine in ten bytes are printable ASCII."""
    others = sum(
        len(value[start : start + _SAMPLED].translate(None, _PRINTABLE))
        for start in range(0, len(value), _SAMPLED)
    )
    return others * 10 <= len(value)


def text_lines(value: str) -> Iterator[str]:
    """The literals of a long text: one a line of it."""
    start, size = 0, len(value)
    while start < size:
        end = value.find("\n", start, start + _LONGEST) + 1 or start + _LONGEST
        yield repr(value[start:end])
        start = end


def byte_lines(value: bytes | bytearray) -> Iterator[str]:
    """The literals of long bytes that are readable: one a line of them."""
    start, size = 0, len(value)
    while start < size:
        end = value.find(b"\n", start, start + _LONGEST) + 1 or start + _LONGEST
        yield repr(bytes(value[start:end]))
        start = end


def packed_lines(value: bytes | bytearray) -> Iterator[str]:
    """The literals of long bytes in base 64."""
    for start in range(0, len(value), _PACKED):
        yield f"'{base64.b64encode(value[start : start + _PACKED]).decode('ascii')}'"
