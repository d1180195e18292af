"""An application with a class of every kind, and with every value that may be in a state."""

import collections
import dataclasses
import datetime
import decimal
import enum
import fractions
import importlib
import ipaddress
import pathlib
import types
import uuid
from typing import Any, NamedTuple

import attrs

from perdure.app.mutations import mutation, now, random
from perdure.persist.persistent import persistent
from perdure.persist.schema import schema
from perdure.persist.secret import Secret

NEVER = datetime.datetime(2999, 1, 1, tzinfo=datetime.UTC)


class Flag(enum.Enum):
    RED = 1
    GREEN = "green"


class Place(NamedTuple):
    north: float
    east: float


class Names(dict[str, str]):
    """A dict with a field of its own."""

    note = ""


class Plain:
    """Fields in a dict."""

    def __init__(self, **fields: Any) -> None:
        self.__dict__.update(fields)

    def ring(self, *arguments: object) -> None:
        """What an alarm calls."""
        self.rung = arguments


class Slotted:
    __slots__ = ("left", "right", "unset")
    left: Any
    right: Any
    unset: Any


@schema(version=2)
@attrs.define
class Boat:
    name: str
    crew: list[str] = attrs.field(factory=list[str])
    next: Any = None


@attrs.frozen
class Berth:
    number: int
    boat: Boat | None = None


@dataclasses.dataclass
class Cargo:
    weight: decimal.Decimal
    goods: list[str] = dataclasses.field(default_factory=list[str])


@dataclasses.dataclass(frozen=True, slots=True)
class Tide:
    high: datetime.datetime
    metres: float


@persistent(transient=("cache",), secret=("password",))
class Office:
    """What is saved of it leaves out one field, and hides another."""

    def __init__(self) -> None:
        self.password = "open sesame"
        self.cache = None
        self.visits = 0


class Log:
    """Journaled by its mutations."""

    def __init__(self) -> None:
        self.entries: list[Any] = []

    @mutation
    def write(self, text: str, boat: Boat | None = None) -> None:
        self.entries.append((text, now(), random().random(), boat))

    @mutation
    def fail(self, text: str) -> None:
        self.entries.append(text)
        raise ValueError(text)


def values() -> Plain:
    """Every value that is safe, and what has been lost by other ways of saving."""
    shared = ["shared"]
    ring: list[Any] = [shared]
    ring.append(ring)
    deep: list[Any] = []
    for _ in range(50):
        deep = [deep]
    names = Names(a="b")
    names.note = "noted"
    zone = datetime.timezone(datetime.timedelta(hours=5, minutes=30), "IST")
    return Plain(
        scalars=[None, True, False, 0, -1, 1 << 200, ..., NotImplemented],
        floats=[0.0, -0.0, 1e300, 0.1, float("inf"), float("-inf"), float("nan"), 1 + 2j],
        texts=["", "tide", "\n\t\r", "Ü ∞ 🌊", "\ud800", "\0\x1b<&]]>'\"\\"],
        bytes=[b"", bytes(range(256)), bytearray(b"changeable")],
        containers=[[], (), {}, set[int](), frozenset({1, 2}), {3, 1, 2}, {"a": {1: (2,)}}],
        collections=[
            collections.deque([1, 2], 5),
            collections.OrderedDict(b=1, a=2),
            collections.Counter("hello"),
            collections.defaultdict(list, {"k": [1]}),
            collections.ChainMap({"a": 1}, {"b": 2}),
        ],
        times=[
            datetime.date(1989, 11, 9),
            datetime.datetime(2026, 11, 21, 12, 30, 1, 5, tzinfo=zone, fold=1),
            datetime.datetime(2026, 1, 1),
            datetime.time(23, 59, 59, 999999, tzinfo=datetime.UTC),
            datetime.timedelta(-1, 2, 3),
            zone,
        ],
        numbers=[
            decimal.Decimal("1.10"), decimal.Decimal("NaN"), decimal.Decimal("-0"),
            fractions.Fraction(-1, 3), range(1, 10, 3), slice(1, None, 2),
        ],
        addresses=[
            ipaddress.ip_address("192.0.2.1"), ipaddress.ip_address("2001:db8::1"),
            ipaddress.ip_network("192.0.2.0/24"), ipaddress.ip_network("2001:db8::/32"),
            ipaddress.ip_interface("192.0.2.1/24"), ipaddress.ip_interface("2001:db8::1/64"),
        ],
        paths=[pathlib.PurePosixPath("/a/b"), pathlib.PureWindowsPath("c:\\x")],
        ids=[uuid.UUID(int=7), types.SimpleNamespace(a=1, b=[shared]), list[int]],
        named=[Flag.RED, Flag.GREEN, Place(54.3, 10.1), names, Plain, values, dict],
        shared=[shared, shared],
        ring=ring,
        deep=deep,
    )  # fmt: skip


def first(registry: Any, request: Any) -> None:
    """What becomes records of the journal, and then a checkpoint."""
    registry.set_component(Plain, values(), name="values")
    slotted = Slotted()
    slotted.left, slotted.right = (1, 2), slotted
    registry.set_component(Slotted, slotted)
    boat = Boat("Anna", ["Olga", "Per"])
    boat.next = Boat("Berta", next=boat)
    registry.set_component(Boat, boat)
    registry.set_component(Berth, Berth(7, boat))
    registry.set_component(Cargo, Cargo(decimal.Decimal("12.50"), ["fish"]))
    registry.set_component(Cargo, Cargo(decimal.Decimal(1), ["to go"]), name="lost")
    registry.set_component(Tide, Tide(NEVER, 2.25))
    registry.set_component(Office, Office())
    registry.set_component(Plain, Plain(pin=Secret("1989")), name="safe")
    keeper = Plain(rung=None)
    registry.set_component(Plain, keeper, name="keeper")
    registry.alarms.at(NEVER, keeper, "ring", "high", 1)
    registry.alarms.every(86400.0, keeper, "ring", first=NEVER)
    log = registry.get_component(Log, default=Log)
    log.write("first", boat)
    request.session.get_component(Cargo, default=lambda: Cargo(decimal.Decimal(2), ["bread"]))


def sink(registry: Any, request: Any) -> None:
    """What is parked when its module has gone."""
    wreck = importlib.import_module("wreck").Wreck
    boat = registry.get_component(Boat)
    registry.set_component(wreck, wreck(boat, ["gold"]))
    registry.set_component(Plain, Plain(found=registry.get_component(wreck)), name="diver")


def second(registry: Any, request: Any) -> None:
    """What becomes records that come after the checkpoint."""
    boat = registry.get_component(Boat)
    boat.crew.append("Sven")
    boat.next.crew.append("Ida")
    registry.get_component(Slotted).left = [boat]
    registry.get_component(Office).visits += 1
    registry.remove_component(Cargo, name="lost")
    registry.get_component(Plain, name="new", default=lambda: Plain(boat=boat))
    log = registry.get_component(Log)
    log.write("second", boat)
    try:
        log.fail("leak")
    except ValueError:
        log.write("mended")
    alarms = registry.alarms
    alarms.cancel(alarms.all()[-1].number)
    request.session.get_component(Cargo).goods.append("salt")


def third(registry: Any, request: Any) -> None:
    """What is saved at the end."""
    registry.get_component(Boat).name = "Anna II"
    registry.get_component(Log).write("third")
    registry.set_component(Cargo, Cargo(decimal.Decimal("0.001")), name="late")
