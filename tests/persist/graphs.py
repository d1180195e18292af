"""Graphs of live objects for Hypothesis, and whether two are the same but for their addresses."""

import struct
import uuid
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import PurePath, PurePosixPath
from typing import Any

from hypothesis import strategies as st

from perdure.persist.graph import is_shared
from perdure.persist.reduction import class_of

from .models import (
    THE_ONE,
    Colour,
    Data,
    Defined,
    Frozen,
    FrozenData,
    MyDict,
    MyError,
    MyInt,
    MyList,
    MySet,
    MyText,
    MyTuple,
    Named,
    OfMeta,
    Outer,
    Pair,
    Permission,
    Plain,
    Reduced,
    Slotted,
    SlottedWithDict,
    Stateful,
    WithNewArguments,
    function,
)

leaves: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(min_value=-(1 << 3000), max_value=1 << 3000),
    st.floats(),
    st.complex_numbers(),
    st.text(st.characters(codec=None)),
    st.binary(),
    st.binary().map(bytearray),
    st.decimals(),
    st.fractions(),
    st.datetimes(),
    st.dates(),
    st.timedeltas(),
    st.uuids(),
    st.sampled_from(Colour),
    st.sampled_from(Permission),
    st.sampled_from(
        [THE_ONE, ..., NotImplemented, type(None), int, len, function, Plain, Outer.Inner, OfMeta]
    ),
    st.sampled_from([Plain.class_method, Plain.static_method, Plain.method]),
    st.text("ab\n", min_size=101, max_size=120),
    st.builds(MyInt, st.integers()),
    st.builds(MyText, st.text()),
    st.builds(WithNewArguments, size=st.integers()),
    st.builds(range, st.integers(-99, 99), st.integers(-99, 99), st.integers(1, 9)),
)


def _listing(items: dict[str, int]) -> defaultdict[str, list[int]]:
    made: defaultdict[str, list[int]] = defaultdict(list)
    for key, value in items.items():
        made[key].append(value)
    return made


safe_leaves: st.SearchStrategy[Any] = st.one_of(
    st.integers(),
    st.text(),
    st.binary(),
    st.floats(),
    st.decimals(),
    st.fractions(),
    st.datetimes(timezones=st.none() | st.just(UTC)),
    st.times(),
    st.dates(),
    st.timedeltas(),
    st.uuids(),
    st.ip_addresses(),
    st.complex_numbers(),
    st.binary().map(bytearray),
    st.lists(st.text(max_size=3)).map(Counter),
    st.lists(st.integers()).map(lambda items: deque(items, maxlen=9)),
    st.dictionaries(st.text(), st.integers()).map(OrderedDict),
    st.dictionaries(st.text(), st.integers()).map(_listing),
    st.sampled_from([range(3), slice(1, None), ..., NotImplemented, PurePosixPath("/a/b")]),
)

_Fill = Callable[[Any, list[Any]], object]


def _extend(item: Any, parts: list[Any]) -> None:
    item.extend(parts)


def _fields(item: Any, parts: list[Any]) -> None:
    item.left, item.right = parts[:1], parts[1:]


def _set_keys(item: Any, parts: list[Any]) -> None:
    item.update({f"key {number}": part for number, part in enumerate(parts)})


def _dict_fields(item: Any, parts: list[Any]) -> None:
    _set_keys(item.__dict__, parts)


def _extend_with_field(item: Any, parts: list[Any]) -> None:
    item.extend(parts)
    item.field = item


def _keys_with_field(item: Any, parts: list[Any]) -> None:
    _set_keys(item, parts)
    item.field = parts[:1]


def _reduced() -> Reduced:
    return Reduced("name")


def _every_part(item: Reduced, parts: list[Any]) -> None:
    item.members, item.state = list(parts), parts[:2]
    _set_keys(item.pairs, parts)


def _error() -> MyError:
    return MyError("reason", [])


def _key() -> Named:
    return Named("key")


def _held(item: Named, parts: list[Any]) -> None:
    item.held_by = [*parts, {item: parts}]


def _items(item: Stateful, parts: list[Any]) -> None:
    item.items = [*parts, None]


# What may be part of a cycle: made empty, filled when all the others are there.
_MUTABLE: dict[Callable[[], Any], _Fill] = {
    list[Any]: _extend,
    dict[Any, Any]: _set_keys,
    Plain: _dict_fields,
    Slotted: _fields,
    SlottedWithDict: _fields,
    Defined: _fields,
    Data: _fields,
    MyList: _extend_with_field,
    MyDict: _keys_with_field,
    deque[Any]: _extend,
    OrderedDict[Any, Any]: _set_keys,
    _reduced: _every_part,
    _error: _dict_fields,
    _key: _held,
    Stateful: _items,
}
# What is made whole, of those before it.
_IMMUTABLE: list[Callable[[list[Any]], Any]] = [
    tuple,
    lambda parts: Frozen(parts[:1], tuple(parts[1:])),
    lambda parts: FrozenData(parts[:1], tuple(parts[1:])),
    lambda parts: Pair(parts, tuple(parts)),
    lambda parts: MyTuple(parts),
    lambda parts: MyError(*parts),
    lambda parts: frozenset(class_of(part).__name__ for part in parts),
    lambda parts: MySet(len(class_of(part).__name__) for part in parts),
    lambda parts: parts[0].method if parts and type(parts[0]) is Plain else None,
]


@st.composite
def graphs(draw: st.DrawFn) -> list[Any]:
    """A list of objects that hold each other, with sharing and cycles."""
    nodes: list[Any] = list(draw(st.lists(leaves, max_size=5)))
    fills: list[tuple[_Fill, Any]] = []
    choices: list[Any] = draw(st.lists(st.sampled_from([*_MUTABLE, *_IMMUTABLE]), max_size=12))
    for choice in choices:
        if choice in _MUTABLE:
            made = choice()
            fills.append((_MUTABLE[choice], made))
        else:
            made = choice(_some_of(draw, nodes))
        nodes.append(made)
    for fill, made in fills:
        fill(made, _some_of(draw, nodes))
    return nodes


def _some_of(draw: st.DrawFn, nodes: list[Any]) -> list[Any]:
    if not nodes:
        return []
    places = draw(st.lists(st.integers(0, len(nodes) - 1), max_size=4))
    return [nodes[place] for place in places]


_ALIAS = type(list[int])
_CONSTANT = (
    _ALIAS,
    type(None),
    bool,
    type(...),
    type(NotImplemented),
    type,
    type(function),
    type(len),
)
_VALUES = (int, str, bytes, bytearray, Decimal, Fraction, date, timedelta, uuid.UUID, range, slice)


def assert_same(first: object, second: object) -> None:
    """Fail unless both graphs have the same values, types, order, sharing and cycles."""
    pairs = [(first, second)]
    met: dict[int, tuple[object, object]] = {}
    while pairs:
        one, other = pairs.pop()
        assert type(one) is type(other)
        if isinstance(one, _CONSTANT):
            assert one is other or one == other
            continue
        if id(one) in met:
            assert met[id(one)][0] is other or _is_unshared(one)
            continue
        met[id(one)] = (other, one)
        pairs += _parts(one, other)
    assert len({id(other) for other, _ in met.values() if not _may_be_one(other)}) == len(
        [other for other, _ in met.values() if not _may_be_one(other)]
    )


def _is_unshared(item: object) -> bool:
    """Whether one object may come back as two equal ones: numbers and short texts."""
    return type(item) in (int, float) or (type(item) in (str, bytes) and not is_shared(item))


def _may_be_one(item: object) -> bool:
    """Whether Python may give one object for two equal ones."""
    return isinstance(item, int | str | bytes | float | frozenset | tuple) or type(item) in (
        Colour,
        Permission,
    )


def _parts(one: Any, other: Any) -> list[tuple[Any, Any]]:
    found: list[tuple[Any, Any]] = []
    kind = class_of(one)
    if issubclass(kind, PurePath):
        # Its parts are worked out when they are asked for.
        assert one == other
        return found
    if issubclass(kind, float):
        assert struct.pack(">d", one) == struct.pack(">d", other)
    elif issubclass(kind, complex):
        assert repr(one) == repr(other)
    elif issubclass(kind, Decimal):
        assert str(one) == str(other)
    elif issubclass(kind, (*_VALUES, set, frozenset)):
        assert one == other
        if issubclass(kind, datetime):
            assert (one.tzinfo, one.fold) == (other.tzinfo, other.fold)
    elif issubclass(kind, list | tuple | deque):
        assert len(one) == len(other)
        found += zip(one, other, strict=True)
    elif issubclass(kind, dict):
        assert list(one) == list(other)
        found += zip(one.values(), other.values(), strict=True)
        found += [keys for keys in zip(one, other, strict=True) if isinstance(keys[0], Named)]
    elif issubclass(kind, BaseException):
        found.append((one.args, other.args))
    elif hasattr(one, "__self__"):
        assert one.__name__ == other.__name__
        found.append((one.__self__, other.__self__))
    fields = getattr(one, "__dict__", None)
    if fields is not None:
        found.append((fields, other.__dict__))
    for base in kind.__mro__:
        for name in base.__dict__.get("__slots__", ()):
            assert hasattr(one, name) == hasattr(other, name)
            if name != "__weakref__" and hasattr(one, name):
                found.append((getattr(one, name), getattr(other, name)))
    return found
