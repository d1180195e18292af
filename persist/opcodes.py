"""The strict look at a stranger's stream, before any unpickler sees it.

Only the opcodes that a pickler of protocol 4 or 5 writes are let through. That leaves out the ways
to a name that go past `find_class` (the extension registry), the persistent ids, and the numbered
memo, which a stream of ten bytes makes grow to gigabytes. Every length is held against what is
there: a claim of a terabyte is found before anyone makes room for it.

Nearly all of a stream is short opcodes. Those one compiled pattern passes over, by the hundred
thousand; it stops at each long value, at each frame, and at what is wrong, which is looked at here.
"""

import pickle
import re
from functools import cache
from typing import Final


class StreamError(ValueError):
    """The bytes are not a pickle stream of protocol 4 or 5 as a pickler writes it."""


# Opcodes with nothing after them; TUPLE2 apart, since `SETTER` begins with it.
_BARE: Final = b"".join(
    (
        pickle.MARK, pickle.POP, pickle.POP_MARK, pickle.NONE, pickle.NEWTRUE, pickle.NEWFALSE,
        pickle.REDUCE, pickle.BUILD, pickle.APPEND, pickle.APPENDS, pickle.EMPTY_LIST,
        pickle.EMPTY_DICT, pickle.EMPTY_SET, pickle.EMPTY_TUPLE, pickle.SETITEM, pickle.SETITEMS,
        pickle.ADDITEMS, pickle.FROZENSET, pickle.TUPLE, pickle.TUPLE1, pickle.TUPLE3,
        pickle.NEWOBJ, pickle.NEWOBJ_EX, pickle.STACK_GLOBAL, pickle.MEMOIZE,
    )
)  # fmt: skip
# Opcodes with so many bytes after them,
_FIXED: Final = {
    1: pickle.BININT1 + pickle.BINGET,
    2: pickle.BININT2,
    4: pickle.BININT + pickle.LONG_BINGET,
    8: pickle.BINFLOAT,
}
# or with a length of one byte, and then that many,
_SHORT: Final = pickle.SHORT_BINUNICODE + pickle.SHORT_BINBYTES + pickle.LONG1
# or with a length of so many bytes.
_SIZED: Final[dict[int, int]] = {
    **dict.fromkeys(_SHORT, 1),
    pickle.BINUNICODE[0]: 4,
    pickle.BINBYTES[0]: 4,
    pickle.LONG4[0]: 4,
    pickle.BINUNICODE8[0]: 8,
    pickle.BINBYTES8[0]: 8,
    pickle.BYTEARRAY8[0]: 8,
}
SETTER: Final = pickle.TUPLE2 + pickle.REDUCE + pickle.POP
"""How a pickler writes the call of a state setter, and nothing else: other tuples are memoized."""


def check_protocol(stream: bytes) -> None:
    """Raise `StreamError` unless `stream` begins as one of protocol 4 or 5."""
    if stream[:1] != pickle.PROTO or stream[1:2] not in (b"\x04", b"\x05"):
        raise StreamError("it does not begin as a pickle stream of protocol 4 or 5")


def check(stream: bytes) -> list[int]:
    """Go through `stream` from its first opcode to its last. Raises `StreamError`.

    Returns the places of each `SETTER`.
    """
    check_protocol(stream)
    pass_over = _short_opcodes().match
    setters: list[int] = []
    place, end = 2, len(stream)
    while passed := pass_over(stream, place):
        place = passed.end()
        if place == end:
            raise StreamError("it ends too early")
        opcode = stream[place]
        if opcode == pickle.STOP[0] and place + 1 == end:
            return setters
        if opcode == pickle.TUPLE2[0] and stream.startswith(SETTER, place):
            setters.append(place)
            place += len(SETTER)
        elif opcode == pickle.FRAME[0]:
            size = int.from_bytes(stream[place + 1 : place + 9], "little")
            place += 9
            if size > end - place:
                raise StreamError(f"at byte {place - 8}: a frame of {size} bytes does not fit")
        elif width := _SIZED.get(opcode):
            size = int.from_bytes(stream[place + 1 : place + 1 + width], "little")
            place += 1 + width
            if size > end - place:
                raise StreamError(f"at byte {place}: a value of {size} bytes does not fit")
            place += size
        elif opcode in b"".join(_FIXED.values()):
            raise StreamError("it ends too early")
        else:
            raise StreamError(f"at byte {place}: the opcode {opcode:#04x} is not one we write")
    raise StreamError("it ends too early")


@cache
def _short_opcodes() -> re.Pattern[bytes]:
    """Matches as many opcodes as stand in a row of those that are no longer than 257 bytes."""
    short = b"|".join(b"%b.{%d}" % (re.escape(bytes([size])), size) for size in range(256))
    fixed = [b"[%b].{%d}" % (codes, size) for size, codes in _FIXED.items()]
    # Possessive: what is passed over once is never gone back to.
    opcode = b"|".join(
        (
            b"[%b]++" % re.escape(_BARE),
            *fixed,
            b"%b(?!%b)" % (pickle.TUPLE2, SETTER[1:]),
            b"[%b](?:%b)" % (_SHORT, short),
        )
    )
    return re.compile(b"(?:%b)*+" % opcode, re.DOTALL)
