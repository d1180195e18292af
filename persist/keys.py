"""What it costs to hash the keys and set members of a stranger's stream, found before anyone pays it.

Python hashes a tuple by hashing all that is in it, each time anew, and by a recursion that knows no limit.
So a few hundred bytes can describe a key that takes years to hash, or whose depth overflows the
stack; neither can be interrupted. Nobody's keys are like that.

`check` goes through a stream as an unpickler does, with weights in place of the objects.
"""

import pickle
from collections.abc import Iterable
from typing import Final

from .opcodes import StreamError

_DEEPEST: Final = 1_000
_STEPS: Final = 20_000_000
_STEPS_PER_PART: Final = 20
_BYTES_PER_STEP: Final = 8
# Weights are held below this, or they would themselves outgrow all memory.
_HEAVIEST: Final = 1 << 60

# How many steps it takes to hash something, and how deep they go. None: next to nothing.
Weight = tuple[int, int] | None


class KeysError(ValueError):
    """The keys and members of sets cannot be hashed in reasonable time and depth."""


class Budget:
    """What may be spent on hashing: more, the more there is to read."""

    def __init__(self) -> None:
        self._left = _STEPS

    def allow_for(self, size: int) -> None:
        """Allow what may be needed for so many more bytes, or parts."""
        self._left += _STEPS_PER_PART * size

    def hash(self, weight: Weight) -> None:
        """Spend what it takes to hash something of this weight. Raises `KeysError`."""
        if weight is not None:
            steps, depth = weight
            self._left -= steps
            if depth > _DEEPEST:
                raise KeysError(f"a key or member is nested more than {_DEEPEST:,} tuples deep")
            if self._left < 0:
                raise KeysError("the keys and members are so large that they take too long to hash")


def weight_of_tuple(weights: Iterable[Weight]) -> tuple[int, int]:
    """The weight of a tuple of parts that have these."""
    steps, depth = 1, 0
    for weight in weights:
        if weight is None:
            steps += 1
        else:
            steps += weight[0]
            depth = max(depth, weight[1])
    return min(steps, _HEAVIEST), depth + 1


def weight_of_frozenset(weights: Iterable[Weight]) -> tuple[int, int]:
    """The weight of a frozenset of members that have these: its hash is known, but not its equality."""
    return weight_of_tuple(weights)[0], 1


def weight_of_int(size: int) -> Weight:
    """The weight of an int of `size` bytes: alone of scalars, it does not remember its hash."""
    return (size // _BYTES_PER_STEP, 0) if size > _BYTES_PER_STEP else None


def check(stream: bytes) -> None:
    """Raise `StreamError` if keys and members in `stream`, which `opcodes` checked, cost too much."""
    try:
        _Scale(stream).run()
    except KeysError as error:
        raise StreamError(str(error)) from error
    except IndexError as error:
        raise StreamError("it takes from the stack or the memo what is not there") from error


# Opcodes that push what weighs nothing, with how many bytes follow them,
_PUSHING: Final = {
    **dict.fromkeys(
        pickle.NONE + pickle.NEWTRUE + pickle.NEWFALSE + pickle.EMPTY_LIST + pickle.EMPTY_DICT
        + pickle.EMPTY_SET + pickle.EMPTY_TUPLE,
        0,
    ),
    pickle.BININT1[0]: 1,
    pickle.BININT2[0]: 2,
    pickle.BININT[0]: 4,
    pickle.BINFLOAT[0]: 8,
}  # fmt: skip
# or in how many bytes the count of those is.
_PUSHING_SIZED: Final = {
    **dict.fromkeys(pickle.SHORT_BINUNICODE + pickle.SHORT_BINBYTES, 1),
    **dict.fromkeys(pickle.BINUNICODE + pickle.BINBYTES, 4),
    **dict.fromkeys(pickle.BINUNICODE8 + pickle.BINBYTES8 + pickle.BYTEARRAY8, 8),
}
_PUSHING_NUMBER: Final = {pickle.LONG1[0]: 1, pickle.LONG4[0]: 4}
# Opcodes that take so many from the stack and give one thing: what they took it from, or a new one.
_GIVING_FIRST: Final = {pickle.BUILD[0]: 1, pickle.APPEND[0]: 1}
_GIVING_NEW: Final = {
    pickle.REDUCE[0]: 2,
    pickle.NEWOBJ[0]: 2,
    pickle.STACK_GLOBAL[0]: 2,
    pickle.NEWOBJ_EX[0]: 3,
}
_SHORT_TUPLES: Final = {pickle.TUPLE1[0]: 1, pickle.TUPLE2[0]: 2, pickle.TUPLE3[0]: 3}
_AFTER_MARK: Final = frozenset(
    pickle.TUPLE + pickle.FROZENSET + pickle.APPENDS + pickle.SETITEMS + pickle.ADDITEMS
    + pickle.POP_MARK
)  # fmt: skip


class _Scale:
    """The machine that an unpickler is, with a weight for each object on its stack and in its memo."""

    def __init__(self, stream: bytes) -> None:
        self._stream = stream
        self._budget = Budget()
        self._budget.allow_for(len(stream))
        self._stack: list[Weight] = []
        self._marks: list[int] = []

    def run(self) -> None:
        """Go through the stream to its end."""
        stream, stack, memo = self._stream, self._stack, list[Weight]()
        push = stack.append
        place = 2
        while (opcode := stream[place]) != pickle.STOP[0]:
            place += 1
            if opcode == pickle.MEMOIZE[0]:
                memo.append(stack[-1])
            elif opcode == pickle.BINGET[0]:
                push(memo[stream[place]])
                place += 1
            elif opcode == pickle.LONG_BINGET[0]:
                push(memo[int.from_bytes(stream[place : place + 4], "little")])
                place += 4
            elif opcode in _PUSHING:
                push(None)
                place += _PUSHING[opcode]
            elif opcode in _PUSHING_SIZED:
                push(None)
                place = self._end(place, _PUSHING_SIZED[opcode])
            elif opcode in _AFTER_MARK:
                self._take_marked(opcode)
            elif opcode == pickle.MARK[0]:
                self._marks.append(len(stack))
            elif opcode == pickle.FRAME[0]:
                place += 8
            elif opcode in _PUSHING_NUMBER:
                end = self._end(place, _PUSHING_NUMBER[opcode])
                push(
                    ((end - place) // _BYTES_PER_STEP, 0) if end - place > _BYTES_PER_STEP else None
                )
                place = end
            else:
                self._take(opcode)

    def _end(self, place: int, width: int) -> int:
        size = int.from_bytes(self._stream[place : place + width], "little")
        return place + width + size

    def _take(self, opcode: int) -> None:
        """What takes a known number of objects from the stack."""
        stack = self._stack
        if opcode in _GIVING_NEW:
            self._cut(_GIVING_NEW[opcode])
            stack.append(None)
        elif opcode in _GIVING_FIRST:
            self._cut(1)
        elif opcode in _SHORT_TUPLES:
            stack.append(weight_of_tuple(self._cut(_SHORT_TUPLES[opcode])))
        elif opcode == pickle.SETITEM[0]:
            self._budget.hash(self._cut(2)[0])
        elif self._marks and self._marks[-1] == len(stack):
            self._marks.pop()  # POP takes a mark, too
        else:
            self._cut(1)

    def _cut(self, count: int) -> list[Weight]:
        taken = self._stack[-count:]
        del self._stack[-count:]
        return taken

    def _take_marked(self, opcode: int) -> None:
        """What takes all that came since the last mark."""
        mark = self._marks.pop()
        taken = self._stack[mark:]
        del self._stack[mark:]
        if opcode == pickle.TUPLE[0]:
            self._stack.append(weight_of_tuple(taken) if taken else None)
        elif opcode == pickle.FROZENSET[0]:
            self._hash(taken)
            self._stack.append(weight_of_frozenset(taken))
        elif opcode == pickle.SETITEMS[0]:
            self._hash(taken[::2])
        elif opcode == pickle.ADDITEMS[0]:
            self._hash(taken)

    def _hash(self, weights: list[Weight]) -> None:
        for weight in weights:
            if weight is not None:
                self._budget.hash(weight)
