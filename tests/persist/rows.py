"""What other ways of saving objects have lost, and ours must not: one row each."""

import array
import collections
import datetime
import decimal
import fractions
import functools
import math
import operator
import pathlib
import random
import re
import struct
import types
import uuid
import zoneinfo
from collections.abc import Callable
from typing import Any

from .models import (
    THE_ONE,
    Colour,
    Data,
    Defined,
    Falsy,
    Frozen,
    FrozenData,
    MyBytes,
    MyDict,
    MyError,
    MyFrozenSet,
    MyInt,
    MyList,
    MySet,
    MyText,
    MyTuple,
    Named,
    Outer,
    Pair,
    Permission,
    Plain,
    Reduced,
    Remade,
    Singleton,
    Slotted,
    SlottedWithDict,
    Stateful,
    WithNewArguments,
    function,
)

ROWS: dict[str, Callable[[], object]] = {}


def row(make: Callable[[], object]) -> Callable[[], object]:
    ROWS[make.__name__] = make
    return make


def with_fields(made: Any) -> Any:
    made.field = [made]
    made.other = "a field"
    return made


@row
def sets() -> object:
    shared = frozenset([1, "a", (2, b"c")])
    return [set[int](), {3, "b", 2.5, None}, shared, {shared}, frozenset[int](), shared]


@row
def sets_of_objects() -> object:
    made = [Plain(number=number) for number in range(20)]
    return [made[:3], set(made), frozenset(made[5:])]


@row
def containers_of_the_library() -> object:
    return [
        collections.deque([1, 2], maxlen=5),
        collections.defaultdict(list, {"a": [1]}),
        collections.OrderedDict([("b", 1), ("a", 2)]),
        collections.Counter("abracadabra"),
        collections.ChainMap({"a": 1}, {"b": 2}),
        types.SimpleNamespace(a=1, b=[2]),
        array.array("d", [1.5, math.inf]),
    ]


@row
def numbers() -> object:
    return [
        *(0, 255, 256, 65_535, 65_536, -1, 2**31, -(2**31), 2**63, -(2**2040), 10**5000),
        *(True, False, 1, 1.0, -0.0, 0.0, math.inf, -math.inf, math.nan, 5e-324, 1e308, 0.1),
        *(complex(-0.0, math.nan), fractions.Fraction(1, 3)),
    ]


@row
def odd_nans() -> object:
    return list(
        struct.unpack(">3d", bytes.fromhex("7ff8000000000abc fff8000000000000 7ff0000000000001"))
    )


@row
def decimals() -> object:
    return [
        decimal.Decimal(text)
        for text in ("1.50", "-0", "sNaN123", "NaN", "-Infinity", "1E+9", "0E-7")
    ]


@row
def dates() -> object:
    zone = zoneinfo.ZoneInfo("Europe/Berlin")
    moment = datetime.datetime(2026, 10, 25, 2, 30, 1, 5, tzinfo=zone)
    return [
        *(moment, moment.replace(fold=1), moment.replace(tzinfo=None, microsecond=0)),
        datetime.datetime(1, 1, 1, tzinfo=datetime.timezone(-datetime.timedelta(minutes=5), "odd")),
        *(datetime.date(9999, 12, 31), datetime.timedelta(-1, 2, 3)),
        *(datetime.time(23, 59, fold=1), datetime.time(1, tzinfo=datetime.UTC)),
    ]


@row
def texts() -> object:
    long = "long " * 30
    return [
        *(
            "",
            "back\\slash\\n",
            "\n",
            "\r\n",
            "\t ",
            " both ",
            "\0\x01\x1b\x7f\x85\u2028",
            "\ud800\udfff",
        ),
        *("\ufffe\uffff", "é\U0001f600", "]]>", "<&\"'>", "'''\"\"\"", "{}", "\\ud800", long, long),
        *("long " * 31, "\n".join(["line"] * 50), "\ud800" * 200, "x" * 70_000),
    ]


@row
def bytes_of_all_values() -> object:
    long = bytes(range(256))
    array = bytearray(long)
    return [b"", long, long, bytes([0]) * 100_000, array, array, bytearray(), b"text"]


@row
def subclasses_of_builtins() -> object:
    made: list[Any] = [
        MyList([1, 2]), MyDict(a=1), MySet([1]), MyInt(5), MyTuple((1, 2)), MyFrozenSet([1]),
        MyBytes(b"a"), MyError("reason", 2),
    ]  # fmt: skip
    return [*map(with_fields, made), MyText("text")]


@row
def instances() -> object:
    slotted, both = Slotted(), SlottedWithDict()
    slotted.left = slotted
    both.right, both.__dict__["extra"] = slotted, [both]
    return [
        *(Plain(), Plain(a=1), slotted, both, Defined(1), Frozen(1, [2]), Data(3), FrozenData(4)),
        *(Pair(5, [6]), Outer.Inner(), THE_ONE, Stateful(1, 2), Falsy(), WithNewArguments(size=3)),
    ]


@row
def fields_of_odd_names() -> object:
    made = Plain()
    for name in (
        "className",
        "__stateObj__",
        "class",
        "not a name",
        "",
        "é",
        "ﬁ",
        "state",
        "append",
        "\n",
    ):
        made.__dict__[name] = name
    many = Plain(**{f"field_{number}": number for number in range(300)})
    return [made, many]


@row
def enums() -> object:
    return [
        Colour.RED,
        Colour.BLUE,
        Permission.READ | Permission.WRITE,
        Permission(0),
        re.ASCII | re.DOTALL,
    ]


@row
def named_things() -> object:
    return [
        *(Plain, Outer.Inner, function, len, int, type(None), type(...), ..., NotImplemented),
        *(math.sin, Plain.method, Plain.static_method, list[int], operator.itemgetter(1, "a")),
        *(dict[str, "Plain"], Singleton, collections.deque),
    ]


@row
def bound_methods() -> object:
    made: Any = Plain()
    made.callback = made.method
    members: list[int] = [1]
    return [
        made,
        made.method,
        Plain.class_method,
        Plain().method,
        [members, members.append],
        "a".join,
    ]


@row
def things_of_the_library() -> object:
    chance = random.Random(5)
    partial = functools.partial(Data, [2], right=made_by_keyword)
    return [
        *(pathlib.PurePosixPath("/a/b"), range(1, 9, 2), slice(1, None), uuid.UUID(int=5), chance),
        *(
            re.compile("a+", re.IGNORECASE),
            partial,
            functools.partial(partial),
            ValueError("a", 1),
        ),
    ]


def made_by_keyword() -> None:
    """A function by name."""


@row
def the_same_thing_twice() -> object:
    pattern, day, method = re.compile("b"), datetime.date(2026, 1, 1), Plain(a=1).method
    pair, number = (list[int](), list[int]()), decimal.Decimal(2)
    return [pattern, pattern, day, day, method, method, pair, pair, number, number]


@row
def cycles() -> object:
    items: list[Any] = []
    table: dict[str, Any] = {}
    whole = (items, table, 1, 2)
    made = Plain(whole=whole)
    queue = collections.deque([made])
    frozen = Frozen(items, table)
    items += [items, table, whole, made, queue, frozen, made.method]
    table.update(table=table, whole=whole, items=items)
    return whole


@row
def a_cycle_through_a_key() -> object:
    key = Named("key")
    table: dict[Any, Any] = {key: 1, (key, 2): [key]}
    key.held_by = table
    members = {Named("member"), key}
    return [table, members, frozenset(members)]


@row
def a_cycle_through_a_frozenset() -> object:
    part: Any = Plain()
    part.whole = frozenset([part])
    return [part.whole, {part.whole: part}]


@row
def every_part_of_a_reduction() -> object:
    made = Reduced("name")
    made.members = [made, *range(2500)]
    made.pairs = {(number, "key"): made for number in range(1100)}
    made.state = {"self": made}
    return [made, Reduced("other"), made]


@row
def an_object_among_its_own_arguments() -> object:
    holder: list[Any] = []
    others: list[list[Any]] = [[], [], []]
    made = Remade(holder, *others)
    for each in (holder, *others):
        each.append(made)
    return made


@row
def nesting() -> object:
    made: Any = None
    for number in range(130):
        made = [{"a": (made,)}, Plain(inner=made, number=number)][number % 2]
    return made
