"""Range requests: which bytes of a file were asked for (RFC 9110, section 14).

Read by hand and not by werkzeug, which takes a list with an empty element or out of order for broken;
RFC 9110, 5.6.1.2 and 14.2 let a client send both.
"""

import os
import re
from collections.abc import Iterator, Sequence
from typing import Final

import attrs

from ....persist.errors import PerdureError
from ..filebody import FileRange

MOST_RANGES: Final = 32
"""Who asks for more parts than this gets the whole file."""

_SPEC: Final = re.compile(r"([0-9]{1,100})-([0-9]{0,100})|-([0-9]{1,100})")
_BLANKS: Final = " \t"


class UnsatisfiableError(PerdureError):
    """None of the ranges asked for lies in the file (status 416). Attribute: `size`."""

    def __init__(self, size: int) -> None:
        super().__init__(f"the range lies outside of the {size} bytes there are")
        self.size = size


def parse_ranges(field: str, size: int) -> list[FileRange] | None:
    """The parts of `size` bytes that a Range field asks for, in its order; None for all of them.

    None means that the field is to be ignored, as RFC 9110, 14.2 demands for one that is malformed
    or in another unit, and allows for one that looks like an attack: parts that overlap, or more
    than `MOST_RANGES`. Parts beyond the end are left out. Raises `UnsatisfiableError` if
    no part is left.
    """
    unit, equals, rest = field.partition("=")
    specs = [spec for part in rest.split(",") if (spec := part.strip(_BLANKS))]
    if unit.strip(_BLANKS).lower() != "bytes" or not equals or not specs:
        return None
    if len(specs) > MOST_RANGES:
        return None
    found: list[FileRange] = []
    for spec in specs:
        match = _SPEC.fullmatch(spec)
        if match is None:
            return None
        first, last, suffix = match.groups()
        if suffix is not None:
            start, stop = max(0, size - int(suffix)), size
        else:
            start, stop = int(first), min(int(last) + 1, size) if last else size
            if last and int(last) < start:
                return None
        if start < stop:
            found.append(FileRange(start, stop - start))
    if not found:
        raise UnsatisfiableError(size)
    return None if _overlap(found) else found


def _overlap(ranges: Sequence[FileRange]) -> bool:
    end = 0
    for each in sorted(ranges, key=lambda each: each.offset):
        if each.offset < end:
            return True
        end = each.offset + each.length
    return False


def content_range(part: FileRange, size: int) -> str:
    """The value of Content-Range for one part (RFC 9110, 14.4)."""
    return f"bytes {part.offset}-{part.offset + part.length - 1}/{size}"


@attrs.frozen
class Multipart:
    """Several parts in one body of type ``multipart/byteranges`` (RFC 9110, 14.6)."""

    ranges: Sequence[FileRange]
    size: int
    part_headers: Sequence[tuple[str, str]] = ()
    boundary: str = attrs.field(factory=lambda: os.urandom(12).hex())

    @property
    def content_type(self) -> str:
        """The type that the whole reply has."""
        return f"multipart/byteranges; boundary={self.boundary}"

    def __iter__(self) -> Iterator[bytes | FileRange]:
        """What the body is made of: a head before each part, and a line that ends it."""
        fields = "".join(f"{name}: {value}\r\n" for name, value in self.part_headers)
        start = f"--{self.boundary}\r\n"
        for part in self.ranges:
            head = f"{start}{fields}Content-Range: {content_range(part, self.size)}\r\n\r\n"
            yield head.encode("latin-1")
            yield part
            start = f"\r\n--{self.boundary}\r\n"
        yield f"\r\n--{self.boundary}--\r\n".encode()
