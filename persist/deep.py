"""A pickler with no limit of depth: the slow way, for graphs that the C pickler gives up on.

CPython's picklers recurse once or more for each level of nesting and give up after some hundreds
or thousands. Raising the recursion limit only moves the cliff, and newer versions cap it whatever
is set. Here each object in the making is a generator that yields its parts, and those generators
stand on a list. The stream is one that the C unpickler loads, which never recurses: the opcodes of
protocol 5, without frames.
"""

import copyreg
import pickle
import struct
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any, Final, cast

from .naming import NAMED, SINGLETONS, check_named, is_bound, module_of, qualified_name
from .reduction import PROTOCOL, Reduction, reduction_of

_BATCH: Final = 1000
# Past this no memory is left on most machines: a graph that unfolds for ever is stopped here.
_DEEPEST: Final = 4_000_000

# What is begun anew inside itself writes its parts anew, by their numbers. That this needs the square
# of their count is in the nature of such streams; past so many it takes minutes, and is stopped.
_MOST_REPEATED: Final = 50_000_000
_COST_OF_REPEATING: Final = 100

Memo = dict[int, tuple[int, object]]
_Rest = Iterator[object]


class EndlessError(Exception):
    """The nesting would never end.

    Objects make new objects when saved; or a tuple, a frozenset or what an object is made from
    contains itself, with nothing between that could be made first. That is then the `item`.
    """

    def __init__(self, reason: str, item: object = None) -> None:
        super().__init__(reason)
        self.item = item


class DeepPickler:
    """Writes one stream; `names` are then the classes and functions it names, each by its name.

    The stream begins with `head`: opcodes that leave nothing on the stack, and in the memo what
    `memo` says, by the ids of objects: their numbers, and the objects themselves.
    """

    def __init__(self, head: bytes = b"", memo: Memo | None = None) -> None:
        self.names: dict[str, object] = {}
        self._pieces: list[bytes] = [pickle.PROTO + bytes([PROTOCOL]), head]
        self._write = self._pieces.append
        # The objects are kept beside their numbers: an id is only good while its object lives.
        self._memo: Memo = dict(memo or {})
        # What is begun and not yet in the memo, with how much was there when it was begun last.
        self._open: dict[int, int] = {}
        self._repeated = 0
        self._savers: dict[type, Callable[[Any], _Rest | None]] = {
            bytearray: self._bytearray,
            bytes: self._bytes,
            dict: self._dict,
            frozenset: self._frozenset,
            list: self._list,
            pickle.PickleBuffer: self._buffer,
            set: self._set,
            str: self._str,
            tuple: self._tuple,
        }

    def dump(self, root: object) -> bytes:
        """The stream of `root`. Raises what its objects' own methods raise, or `EndlessError`."""
        stack: list[_Rest] = [iter((root,))]
        while stack:
            for part in stack[-1]:
                rest = self._begin(part)
                if rest is not None:
                    stack.append(rest)
                    break
            else:
                stack.pop()
            if len(stack) > _DEEPEST:
                raise EndlessError(f"more than {_DEEPEST:,} levels of nesting")
        self._write(pickle.STOP)
        return b"".join(self._pieces)

    def _begin(self, item: object) -> _Rest | None:
        """Write `item`, or its beginning: then what is returned yields the parts still to write."""
        kind = type(item)
        if kind is int:
            self._int(cast("int", item))
            return None
        if item is None or item is True or item is False:
            return self._write(_CONSTANTS[item])
        if kind is float:
            return self._write(pickle.BINFLOAT + struct.pack(">d", item))
        known = self._memo.get(id(item))
        if known is not None:
            return self._write(_get(known[0]))
        saver = self._savers.get(kind)
        if saver is not None:
            return saver(item)
        return self._object(item)

    def _memoize(self, item: object) -> None:
        self._memo[id(item)] = (len(self._memo), item)
        self._open.pop(id(item), None)
        self._write(pickle.MEMOIZE)

    def _enter(self, item: object, parts: int) -> None:
        """Begin `item`, which can be in the memo only when its `parts` are written.

        It may be begun again among its own parts: as long as something came into the memo meanwhile,
        this comes to an end, and the innermost is the one that counts.
        """
        before = self._open.get(id(item))
        if before is not None:
            self._repeated += parts + _COST_OF_REPEATING
            if before == len(self._memo) or self._repeated > _MOST_REPEATED:
                raise EndlessError(
                    "it contains itself, and no part of it could be made first", item
                )
        self._open[id(item)] = len(self._memo)

    # Values of Python's own.

    def _int(self, number: int) -> None:
        if 0 <= number <= 0xFF:
            self._write(pickle.BININT1 + struct.pack("<B", number))
        elif 0 <= number <= 0xFFFF:
            self._write(pickle.BININT2 + struct.pack("<H", number))
        elif -0x80000000 <= number <= 0x7FFFFFFF:
            self._write(pickle.BININT + struct.pack("<i", number))
        else:
            size = number.bit_length() // 8 + 1
            head = (
                pickle.LONG1 + struct.pack("<B", size)
                if size < 256
                else pickle.LONG4 + struct.pack("<i", size)
            )
            self._write(head + number.to_bytes(size, "little", signed=True))

    def _str(self, text: str) -> None:
        data = text.encode("utf-8", "surrogatepass")
        self._sized(data, pickle.SHORT_BINUNICODE, pickle.BINUNICODE, pickle.BINUNICODE8)
        self._memoize(text)

    def _bytes(self, data: bytes) -> None:
        self._sized(data, pickle.SHORT_BINBYTES, pickle.BINBYTES, pickle.BINBYTES8)
        self._memoize(data)

    def _bytearray(self, data: bytearray) -> None:
        self._write(pickle.BYTEARRAY8 + struct.pack("<Q", len(data)) + bytes(data))
        self._memoize(data)

    def _buffer(self, buffer: pickle.PickleBuffer) -> None:
        with buffer.raw() as view:
            if view.readonly:
                self._bytes(view.tobytes())
            else:
                self._bytearray(bytearray(view))

    def _sized(self, data: bytes, short: bytes, middle: bytes, long: bytes) -> None:
        size = len(data)
        if size <= 0xFF:
            self._write(short + struct.pack("<B", size))
        elif size <= 0xFFFFFFFF:
            self._write(middle + struct.pack("<I", size))
        else:
            self._write(long + struct.pack("<Q", size))
        self._write(data)

    # Containers of Python's own.

    def _tuple(self, items: tuple[object, ...]) -> _Rest | None:
        if not items:
            return self._write(pickle.EMPTY_TUPLE)
        return self._tuple_parts(items)

    def _tuple_parts(self, items: tuple[object, ...]) -> _Rest:
        self._enter(items, len(items))
        short = len(items) <= 3
        if not short:
            self._write(pickle.MARK)
        yield from items
        known = self._memo.get(id(items))
        if known is not None:
            # One of its own parts led back to it and made it already: drop the parts, take that.
            self._write(pickle.POP * len(items) if short else pickle.POP_MARK)
            self._write(_get(known[0]))
            return
        self._write(_TUPLES[len(items)] if short else pickle.TUPLE)
        self._memoize(items)

    def _list(self, items: list[object]) -> _Rest:
        self._write(pickle.EMPTY_LIST)
        self._memoize(items)
        return self._appends(items)

    def _dict(self, items: dict[object, object]) -> _Rest:
        self._write(pickle.EMPTY_DICT)
        self._memoize(items)
        return self._set_items(items.items())

    def _set(self, items: set[object]) -> _Rest:
        self._write(pickle.EMPTY_SET)
        self._memoize(items)
        return self._batches(items, pickle.ADDITEMS)

    def _frozenset(self, items: frozenset[object]) -> _Rest:
        self._enter(items, len(items))
        self._write(pickle.MARK)
        yield from items
        known = self._memo.get(id(items))
        if known is not None:
            self._write(pickle.POP_MARK + _get(known[0]))
            return
        self._write(pickle.FROZENSET)
        self._memoize(items)

    def _batches(self, items: Iterable[object], closing: bytes) -> _Rest:
        remaining = iter(items)
        while batch := list(islice(remaining, _BATCH)):
            self._write(pickle.MARK)
            yield from batch
            self._write(closing)

    def _appends(self, items: Iterable[object]) -> _Rest:
        return self._batches(items, pickle.APPENDS)

    def _set_items(self, items: Iterable[tuple[object, object]]) -> _Rest:
        remaining = iter(items)
        while batch := list(islice(remaining, _BATCH)):
            self._write(pickle.MARK)
            for pair in batch:
                yield from pair
            self._write(pickle.SETITEMS)

    # Everything else: by name, or by what it reduces to.

    def _object(self, item: Any) -> _Rest | None:
        if isinstance(item, NAMED) and not is_bound(item):
            self.names[check_named(item)] = item
            # A class of some metaclasses has its own way to be saved, others go by name.
            if item in SINGLETONS:
                return self._reduction(item, Reduction(type, (SINGLETONS[item],)))
            if type(item) not in copyreg.dispatch_table:
                return self._global(item, qualified_name(item))
        reduced = reduction_of(item)
        if isinstance(reduced, str):
            return self._global(item, reduced)
        return self._reduction(item, reduced)

    def _global(self, item: object, name: str) -> _Rest | None:
        self._begin(module_of(item, name))
        self._begin(name)
        self._write(pickle.STACK_GLOBAL)
        self._memoize(item)
        return None

    def _reduction(self, item: object, made: Reduction) -> _Rest:
        function, arguments = made.function, made.arguments
        self._enter(item, len(arguments))
        special = getattr(function, "__name__", "")
        if special == "__newobj__":
            _check_class(item, arguments[0])
            yield arguments[0]
            yield arguments[1:]
            self._write(pickle.NEWOBJ)
        elif special == "__newobj_ex__":
            _check_class(item, arguments[0])
            yield from arguments
            self._write(pickle.NEWOBJ_EX)
        else:
            yield function
            yield arguments
            self._write(pickle.REDUCE)
        known = self._memo.get(id(item))
        if known is not None:
            self._write(pickle.POP + _get(known[0]))
        else:
            self._memoize(item)
        if made.members is not None:
            yield from self._appends(made.members)
        if made.pairs is not None:
            yield from self._set_items(made.pairs)
        if made.state is None:
            return
        if made.setter is None:
            yield made.state
            self._write(pickle.BUILD)
        else:
            yield made.setter
            yield item
            yield made.state
            self._write(pickle.TUPLE2 + pickle.REDUCE + pickle.POP)


def _get(number: int) -> bytes:
    if number < 256:
        return pickle.BINGET + struct.pack("<B", number)
    return pickle.LONG_BINGET + struct.pack("<I", number)


def _check_class(item: object, made: object) -> None:
    if made is not item.__class__:
        raise pickle.PicklingError(
            f"{type(item).__qualname__} reduces to an object of another class"
        )


_CONSTANTS: Final = {
    None: pickle.NONE,
    True: pickle.NEWTRUE,
    False: pickle.NEWFALSE,
}
_TUPLES: Final = [b"", pickle.TUPLE1, pickle.TUPLE2, pickle.TUPLE3]
