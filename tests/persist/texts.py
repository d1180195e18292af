"""Snapshots as text, in either syntax, and objects that are hard to write as text."""

import ast
import collections
import enum
import functools
import math
import pathlib
import struct
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any

from perdure.persist import graphstream
from perdure.persist.capture import capture
from perdure.persist.content import Content
from perdure.persist.formats import table
from perdure.persist.graph import Graph
from perdure.persist.isomorphism import difference
from perdure.persist.passport import Passport

from ..passport import PASSPORT
from . import models


def graph_of(root: object) -> Graph:
    return graphstream.read(capture(root).stream)


def text_of(graph: Graph, syntax: str, passport: Passport = PASSPORT) -> str:
    encode = table.by_name(syntax).encode
    return b"".join(encode(passport, Content.of_graph(graph), None)).decode()


def read(text: str, syntax: str) -> Graph:
    return table.by_name(syntax).decode(text.encode()).content.graph


def assert_survives(graph: Graph, syntax: str) -> str:
    """Prove that all of `graph` comes back, and is then written the same; what that is."""
    text = text_of(graph, syntax)
    again = read(text, syntax)
    assert difference(graph, again) is None
    assert text_of(again, syntax) == text
    if syntax == "source":
        ast.parse(text)
    return text


class Level(enum.IntEnum):
    LOW = 1


def _cycle_through_a_key() -> Any:
    plain: Any = models.Plain()
    plain.found = {plain: [plain]}
    return plain


def nested(levels: int) -> Any:
    nested: Any = []
    for _ in range(levels):
        nested = [nested]
    return nested


def _error() -> Exception:
    error = ValueError("no", 1)
    error.add_note("noted")
    return error


def _with_fields(made: Any) -> Any:
    made.field = made
    return made


SHARED_DATE = datetime(2026, 1, 1, tzinfo=UTC)
WHAT_THE_ORIGINAL_LOST: dict[str, Any] = {
    "sets": [{1, "a", None}, frozenset({1.5, (1, 2)}), set[int](), frozenset[int]()],
    "deque": collections.deque([1, 2], 3),
    "decimals": [Decimal("1.50"), Decimal("NaN"), Decimal("-Infinity"), Decimal("1E+5")],
    "times": [
        datetime(2026, 1, 1, fold=1),
        SHARED_DATE,
        SHARED_DATE,
        datetime(2026, 1, 1, tzinfo=timezone(timedelta(hours=1), "here")),
        date(1, 1, 1),
        time(1, 2, 3, 4),
    ],
    "floats": [math.nan, math.inf, -math.inf, -0.0, 5e-324, 1e308, 1e16],
    "nan with other bits": struct.unpack(">d", bytes.fromhex("fff8000000000001"))[0],
    "list with fields": _with_fields(models.MyList([1, 2])),
    "dict with fields": _with_fields(models.MyDict({1: 2})),
    "ordered dict": collections.OrderedDict({"b": 1, "a": 2}),
    "slots": models.Slotted(),
    "an error with fields": _error(),
    "enums": [models.Colour.RED, models.Permission.READ, Level.LOW],
    "path": pathlib.PurePosixPath("/srv/site"),
    "named tuple": models.Pair(1, [2]),
    "ranges": [range(3), slice(1, None), ..., NotImplemented],
    "partial": functools.partial(models.function),
    "no fields": models.Plain(),
    "attrs": [models.Defined(1), models.Frozen([1], 2), models.FrozenData(1, {})],
    "bound methods": [models.Plain().method, "text".upper, dict.fromkeys],
    "functions and classes": [len, models.function, models.Plain, models.Outer.Inner, type(None)],
    "backslash text": ["\\n", "\\u1234", "a\\", "\\'\"", "\r\n\t\0\x85\u2028", "\ud800", "\U0001f600"],
    "the same complex twice": [1 + 2j] * 2,
    "cycle through a key": _cycle_through_a_key(),
    "300 fields": models.Plain(**{f"field{number}": number for number in range(300)}),
    "nesting 520": nested(520),
    "awkward names": models.Plain(className=1, __stateObj__=2, kind=3, Arguments=4, State=5),
    "keywords as names": models.Plain(**{"class": 1, "None": 2, "print": 3}),
    "names that are none": models.Plain(**{"a b": 1, "": 2, "ﬁ": 3, "1": 4}),
    "names of other languages": models.Plain(größe=1, 名前=2),
    "new arguments": models.WithNewArguments(size=3),
    "big numbers": [1 << 40_000, -(1 << 40_000), 10**999, 10**1000, -(10**1000)],
    "long texts": ["x" * 101, "x" * 1001, "\n" * 200, "\u00e9\n" * 5000, b"x\n" * 5000, bytes(5000)],
    "long bytearrays": [bytearray(b"text\n" * 500), bytearray(range(256)) * 9, bytearray()],
    "the same long text twice": ["x" * 101] * 2 + ["long\n" * 100] * 2,
}  # fmt: skip
