"""Objects to make graphs of, and the graphs."""

from collections import OrderedDict, defaultdict, deque
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from typing import Any, NamedTuple

import attrs

from perdure.persist import graphstream
from perdure.persist.capture import capture
from perdure.persist.graph import Graph


class Thing:
    """Has whatever fields it is given."""

    def __init__(self, **fields: Any) -> None:
        self.__dict__.update(fields)

    def ring(self) -> None:
        """Something to be bound."""


class Slotted:
    """Keeps some fields in slots, and others in a dict."""

    __slots__ = ("__dict__", "first")

    def __init__(self, first: Any, **others: Any) -> None:
        self.first = first
        self.__dict__.update(others)


class Shelf:
    """Holds things in private fields, as a registry does."""

    def __init__(self, things: dict[Any, Any], row: list[Any] | None = None) -> None:
        self._things = things
        self._row = [] if row is None else row


@attrs.frozen
class Endpoint:
    """An attrs class with slots."""

    port: int
    interface: str = ""


class Point(NamedTuple):
    """A named tuple."""

    x: int
    y: int


class Colour(Enum):
    """Something that is made by a call."""

    RED = 1
    BLUE = 2


def graph(root: object) -> Graph:
    """The graph of what `root` leads to."""
    return graphstream.read(capture(root).stream)


def sample() -> Thing:
    """One of each sort."""
    return Thing(
        port=8080,
        rate=1.5,
        name="web",
        note=None,
        on=True,
        key=b"abc",
        when=datetime(2026, 11, 21, 10, tzinfo=UTC),
        day=date(2026, 11, 21),
        price=Decimal("1.50"),
        pair=(1, (2, 3)),
        point=Point(1, 2),
        colour=Colour.RED,
        kind=Point,
        tags={"a", "b"},
        frozen=frozenset({1}),
        array=bytearray(b"xyz"),
        row=[10, 20, 30],
        by_number={7: "seven", "7": "text", 1: "one", (1, 2): "pair"},
        queue=deque([1, 2], 5),
        ordered=OrderedDict(a=1),
        default=defaultdict(list, b=[1]),
        slotted=Slotted("f", other=2),
        endpoint=Endpoint(8080, "127.0.0.1"),
        shelf=Shelf({"visits.Counter": Thing(value=41), Point: 1}),
    )
