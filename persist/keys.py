"""What it costs to hash and compare the keys and set members of a stranger's stream, found before anyone pays.

Python hashes a tuple by hashing all that is in it, each time anew, and by a recursion that knows no limit.
So a few hundred bytes can describe a key that takes years to hash, or whose depth overflows the
stack. And it compares a key with each that has the same hash: numbers that are multiples of 2**61 - 1
all have, and then the time grows with the square of their count. Neither can be interrupted. Nobody's
keys are like that.

A frozenset remembers its hash, so that frozensets may be nested to any depth.

`check` goes through a stream as an unpickler does, with weights in place of the objects.
"""

import math
import pickle
import struct
from collections import defaultdict
from collections.abc import Iterable
from functools import cache
from typing import Final, NamedTuple

import attrs

from .opcodes import StreamError

_DEEPEST: Final = 1_000
_STEPS: Final = 20_000_000
_STEPS_PER_PART: Final = 20
_BYTES_PER_STEP: Final = 8
# Weights are held below this, or they would themselves outgrow all memory.
_HEAVIEST: Final = 1 << 60


class Weight(NamedTuple):
    """What it takes to hash something, and to compare it with what has the same hash."""

    steps: int
    depth: int
    compare: int


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
        self._left -= weight.steps
        if weight.depth > _DEEPEST:
            raise KeysError(f"a key or member is nested more than {_DEEPEST:,} tuples deep")
        if self._left < 0:
            raise KeysError("the keys and members are so large that they take too long to hash")

    def compare(self, steps: int) -> None:
        """Spend so many steps on comparing what has the same hash. Raises `KeysError`."""
        self._left -= steps
        if self._left < 0:
            raise KeysError(
                "so many keys or members have the same hash that they take too long to compare"
            )


def weight_of_tuple(size: int, weights: Iterable[Weight] = ()) -> Weight:
    """The weight of a tuple of `size` parts, of which some have these and the others next to none."""
    light = _weight_of_light(size)
    if not weights:
        return light
    steps, depth, compare = light
    for weight in weights:
        steps += weight.steps
        depth = max(depth, weight.depth + 1)
        compare += weight.compare
    return Weight(min(steps, _HEAVIEST), depth, min(compare, _HEAVIEST))


@cache
def _weight_of_light(size: int) -> Weight:
    return Weight(size + 1, 1, size + 1)


def weight_of_frozenset(size: int, weights: Iterable[Weight], compare: int) -> Weight:
    """The weight of a frozenset of `size` members, of which some have these.

    Its hash is known, but not its equality. To compare its members with each other took `compare` steps.
    """
    return Weight(1, 1, min(weight_of_tuple(size, weights).compare + compare, _HEAVIEST))


def weight_of_int(size: int) -> Weight | None:
    """The weight of an int of `size` bytes: alone of scalars, it does not remember its hash."""
    steps = size // _BYTES_PER_STEP
    return Weight(steps, 0, steps) if size > _BYTES_PER_STEP else None


class Collisions:
    """How many of the keys of one dict, or of the members of one set, have the same hash."""

    def __init__(self) -> None:
        self._met: dict[int, int] = {}

    def add(self, hashes: list[int], weights: list[Weight | None]) -> int:
        """How many steps it takes to compare these keys with all of the same hash that came before."""
        met = self._met
        once = dict.fromkeys(hashes, 1)
        if len(once) == len(hashes) and met.keys().isdisjoint(once):
            met.update(once)
            return 0
        steps = 0
        for number, weight in zip(hashes, weights, strict=True):
            before = met.get(number, 0)
            steps += before * (1 if weight is None else weight.compare)
            met[number] = before + 1
        return steps


def check(stream: bytes) -> None:
    """Raise `StreamError` if keys and members in `stream`, which `opcodes` checked, cost too much."""
    try:
        _Scale(stream).run()
    except KeysError as error:
        raise StreamError(str(error)) from error
    except IndexError as error:
        raise StreamError("it takes from the stack or the memo what is not there") from error


@attrs.define(eq=False, slots=True)
class _Heavy:
    """In place of a tuple, a frozenset or a long number; hashed as it is."""

    weight: Weight
    number: int

    def __hash__(self) -> int:
        return self.number


# In place of the objects: of short numbers, their hashes; of text, some bytes; of tuples and the
# like a `_Heavy`; and of all that is made empty, or by a call, an ``object()``. So the tuple of these
# has the same hash as another where that is so of the objects.
_Part = int | bytes | _Heavy | object

_PUSHING: Final[dict[int, _Part]] = {
    pickle.NONE[0]: b"None",
    pickle.NEWTRUE[0]: 1,
    pickle.NEWFALSE[0]: 0,
    pickle.EMPTY_LIST[0]: b"[]",
    pickle.EMPTY_TUPLE[0]: b"()",
}
_PUSHING_NEW: Final = frozenset(pickle.EMPTY_DICT + pickle.EMPTY_SET)
# Opcodes that push a small number, in so many bytes,
_PUSHING_SMALL: Final = {pickle.BININT1[0]: 1, pickle.BININT2[0]: 2}
# or in how many bytes the count of the bytes is.
_PUSHING_SIZED: Final = {
    **dict.fromkeys(pickle.SHORT_BINUNICODE + pickle.SHORT_BINBYTES, 1),
    **dict.fromkeys(pickle.BINUNICODE + pickle.BINBYTES, 4),
    **dict.fromkeys(pickle.BINUNICODE8 + pickle.BINBYTES8 + pickle.BYTEARRAY8, 8),
}
_PUSHING_NUMBER: Final = {pickle.LONG1[0]: 1, pickle.LONG4[0]: 4}
# Makes of the numbers of calls hashes that nothing else has.
_SPREAD: Final = 0x9E3779B97F4A7C15
_MODULUS: Final = (1 << 61) - 1
# Of longer text, only the hash is kept.
_LONGEST_KEPT: Final = 64
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
    """The machine that an unpickler is, with a `_Part` for each object on its stack and in its memo."""

    def __init__(self, stream: bytes) -> None:
        self._stream = stream
        self._budget = Budget()
        self._budget.allow_for(len(stream))
        self._stack: list[_Part] = []
        self._marks: list[int] = []
        self._calls = 0
        # Of dicts, sets and what else takes keys: only of those that have others than text.
        self._collisions: defaultdict[_Part, Collisions] = defaultdict(Collisions)

    def run(self) -> None:
        """Go through the stream to its end."""
        stream, stack, memo = self._stream, self._stack, list[_Part]()
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
            elif opcode in _PUSHING_SIZED:
                width = _PUSHING_SIZED[opcode]
                begin = place + width
                place = begin + int.from_bytes(stream[place:begin], "little")
                push(
                    stream[begin:place]
                    if place - begin <= _LONGEST_KEPT
                    else b"%d" % hash(stream[begin:place])
                )
            elif opcode in _PUSHING_SMALL:
                begin, place = place, place + _PUSHING_SMALL[opcode]
                push(int.from_bytes(stream[begin:place], "little"))
            elif opcode in _PUSHING:
                push(_PUSHING[opcode])
            elif opcode in _SHORT_TUPLES:
                push(_tuple(self._cut(_SHORT_TUPLES[opcode])))
            elif opcode in _AFTER_MARK:
                self._take_marked(opcode)
            elif opcode == pickle.MARK[0]:
                self._marks.append(len(stack))
            elif opcode in _PUSHING_NEW:
                push(object())
            elif opcode == pickle.FRAME[0]:
                place += 8
            elif opcode == pickle.BININT[0]:
                push(int.from_bytes(stream[place : place + 4], "little", signed=True))
                place += 4
            elif opcode == pickle.BINFLOAT[0]:
                (number,) = struct.unpack_from(">d", stream, place)
                push(object() if math.isnan(number) else hash(number))
                place += 8
            elif opcode in _PUSHING_NUMBER:
                begin = place + _PUSHING_NUMBER[opcode]
                place = begin + int.from_bytes(stream[place:begin], "little")
                push(_number(stream[begin:place]))
            else:
                self._take(opcode)

    def _take(self, opcode: int) -> None:
        """What takes a known number of objects from the stack."""
        stack = self._stack
        if opcode in _GIVING_NEW:
            stack.append(self._made(self._cut(_GIVING_NEW[opcode])))
        elif opcode in _GIVING_FIRST:
            self._cut(1)
        elif opcode == pickle.SETITEM[0]:
            self._hash(self._cut(2)[:1])
        elif self._marks and self._marks[-1] == len(stack):
            self._marks.pop()  # POP takes a mark, too
        else:
            self._cut(1)

    def _made(self, parts: list[_Part]) -> _Part:
        """What a call makes of `parts`: to hash it may take to hash all that it is made from."""
        weights = _weights(parts)
        if not weights:
            return object()
        # Numbers of its own, since those of objects come again when the objects are gone.
        self._calls += 1
        return _Heavy(weight_of_tuple(len(parts), weights), self._calls * _SPREAD % _MODULUS)

    def _cut(self, count: int) -> list[_Part]:
        taken = self._stack[-count:]
        del self._stack[-count:]
        return taken

    def _take_marked(self, opcode: int) -> None:
        """What takes all that came since the last mark."""
        mark = self._marks.pop()
        taken = self._stack[mark:]
        del self._stack[mark:]
        if opcode == pickle.TUPLE[0]:
            self._stack.append(_tuple(taken))
        elif opcode == pickle.FROZENSET[0]:
            self._stack.append(self._frozenset(taken))
        elif opcode == pickle.SETITEMS[0]:
            self._hash(taken[::2])
        elif opcode == pickle.ADDITEMS[0]:
            self._hash(taken)

    def _hash(self, keys: list[_Part]) -> None:
        """What gives `keys` to what is now the last on the stack."""
        others = [key for key in keys if type(key) is not bytes]
        if others:
            self._spend(others, self._collisions[self._stack[-1]])

    def _spend(self, keys: list[_Part], collisions: Collisions) -> int:
        weights = [key.weight if type(key) is _Heavy else None for key in keys]
        for weight in weights:
            if weight is not None:
                self._budget.hash(weight)
        steps = collisions.add([*map(hash, keys)], weights)
        if steps:
            self._budget.compare(steps)
        return steps

    def _frozenset(self, members: list[_Part]) -> _Heavy:
        steps = self._spend(members, Collisions())
        weight = weight_of_frozenset(len(members), _weights(members), steps)
        # As Python does: those of the same hash cancel out each other.
        mixed = 0
        for member in members:
            number = hash(member)
            mixed ^= ((number ^ 89869747) ^ (number << 16)) * 3644798167 & (1 << 64) - 1
        return _Heavy(weight, hash((mixed, len(members))))


def _weights(parts: list[_Part]) -> list[Weight]:
    return [part.weight for part in parts if type(part) is _Heavy]


def _tuple(parts: list[_Part]) -> _Heavy:
    return _Heavy(weight_of_tuple(len(parts), _weights(parts)), hash(tuple(parts)))


def _number(data: bytes) -> _Part:
    number = hash(int.from_bytes(data, "little", signed=True))
    weight = weight_of_int(len(data))
    return number if weight is None else _Heavy(weight, number)
