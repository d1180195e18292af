"""The strict look at a stranger's stream, before any unpickler sees it.

Only the opcodes that a pickler of protocol 4 or 5 writes are let through. That leaves out the ways
to a name that go past `find_class` (the extension registry), the persistent ids, and the numbered
memo, which a stream of ten bytes makes grow to gigabytes. Every length is held against what is
there: a claim of a terabyte is found before anyone makes room for it.
"""

import pickle
from typing import Final


class StreamError(ValueError):
    """The bytes are not a pickle stream of protocol 4 or 5 as a pickler writes it."""


# What follows each opcode: a fixed number of bytes,
_FIXED: Final[dict[int, int]] = {
    **dict.fromkeys(
        b"".join(
            (
                pickle.MARK, pickle.POP, pickle.POP_MARK, pickle.NONE, pickle.NEWTRUE,
                pickle.NEWFALSE, pickle.REDUCE, pickle.BUILD, pickle.APPEND, pickle.APPENDS,
                pickle.EMPTY_LIST, pickle.EMPTY_DICT, pickle.EMPTY_SET, pickle.EMPTY_TUPLE,
                pickle.SETITEM, pickle.SETITEMS, pickle.ADDITEMS, pickle.FROZENSET, pickle.TUPLE,
                pickle.TUPLE1, pickle.TUPLE2, pickle.TUPLE3, pickle.NEWOBJ, pickle.NEWOBJ_EX,
                pickle.STACK_GLOBAL, pickle.MEMOIZE,
            )
        ),
        0,
    ),
    pickle.BININT1[0]: 1,
    pickle.BINGET[0]: 1,
    pickle.BININT2[0]: 2,
    pickle.BININT[0]: 4,
    pickle.LONG_BINGET[0]: 4,
    pickle.BINFLOAT[0]: 8,
    pickle.FRAME[0]: 8,
}  # fmt: skip
# or a length of so many bytes, and then that many.
_SIZED: Final[dict[int, int]] = {
    pickle.SHORT_BINUNICODE[0]: 1,
    pickle.SHORT_BINBYTES[0]: 1,
    pickle.LONG1[0]: 1,
    pickle.BINUNICODE[0]: 4,
    pickle.BINBYTES[0]: 4,
    pickle.LONG4[0]: 4,
    pickle.BINUNICODE8[0]: 8,
    pickle.BINBYTES8[0]: 8,
    pickle.BYTEARRAY8[0]: 8,
}


def check_protocol(stream: bytes) -> None:
    """Raise `StreamError` unless `stream` begins as one of protocol 4 or 5."""
    if stream[:1] != pickle.PROTO or stream[1:2] not in (b"\x04", b"\x05"):
        raise StreamError("it does not begin as a pickle stream of protocol 4 or 5")


def check(stream: bytes) -> None:
    """Go through `stream` from its first opcode to its last. Raises `StreamError`."""
    check_protocol(stream)
    place, end, stop, frame = 2, len(stream), pickle.STOP[0], pickle.FRAME[0]
    while place < end:
        opcode = stream[place]
        place += 1
        fixed = _FIXED.get(opcode)
        if fixed is not None:
            if opcode == frame:
                size = int.from_bytes(stream[place : place + 8], "little")
                if size > end - place - 8:
                    raise StreamError(f"at byte {place}: a frame of {size} bytes does not fit")
            place += fixed
            continue
        width = _SIZED.get(opcode)
        if width is not None:
            size = int.from_bytes(stream[place : place + width], "little")
            place += width
            if size > end - place:
                raise StreamError(f"at byte {place}: a value of {size} bytes does not fit")
            place += size
            continue
        if opcode == stop and place == end:
            return
        raise StreamError(f"at byte {place - 1}: the opcode {opcode:#04x} is not one we write")
    raise StreamError("it ends too early")
