"""Two graphs are the same only if nothing at all tells them apart."""

import struct
import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure.persist.capture import capture
from perdure.persist.graph import Call, Graph, Names, instance_of
from perdure.persist.graphstream import read, write
from perdure.persist.isomorphism import difference

from .graphs import graphs
from .rows import ROWS

NAMES = Names()
OTHER_NAMES = Names()


def place(first: Any, second: Any) -> str | None:
    found = difference(Graph(first, NAMES), Graph(second, OTHER_NAMES))
    assert (found is None) == (difference(Graph(second, NAMES), Graph(first, NAMES)) is None)
    return found


def node(*arguments: Any, **state: Any) -> Any:
    made = instance_of(NAMES.find("a", "A"), *arguments)
    made.state = state or None
    return made


def having(part: str, value: Any) -> Any:
    made = node()
    setattr(made, part, value)
    return made


@given(graphs())
def test_a_graph_is_the_same_as_itself_read_again(root: list[Any]) -> None:
    data = capture(root).stream
    assert difference(read(data), read(data)) is None
    assert difference(read(data), read(write(read(data)))) is None


@pytest.mark.parametrize("one", ROWS)
def test_no_kind_of_object_is_taken_for_another(one: str) -> None:
    graph = read(capture(ROWS[one]()).stream)
    assert difference(graph, read(capture(ROWS[one]()).stream)) is None
    for other in ROWS:
        if other != one:
            assert difference(graph, read(capture(ROWS[other]()).stream)) is not None


def nan(bits: int) -> float:
    (made,) = struct.unpack(">d", (0x7FF8000000000000 | bits).to_bytes(8, "big"))
    return float(made)


LONG = "long" * 30
EQUAL: dict[str, tuple[Any, Any]] = {
    "one and true": (1, True),
    "one and one point none": (1, 1.0),
    "zero and minus zero": (0.0, -0.0),
    "two nans": (nan(1), nan(2)),
    "text and bytes": ("a", b"a"),
    "bytes and an array": (b"a", bytearray(b"a")),
    "arrays": (bytearray(b"a"), bytearray(b"b")),
    "none and nothing": (None, ()),
    "a list and a tuple": ([1], (1,)),
    "a list and a longer one": ([1], [1, 2]),
    "the empty tuple and list": ((), []),
    "a set and a frozenset": ({1}, frozenset({1})),
    "members": ({1}, {2}),
    "members of other classes": ({1}, {True}),
    "nan members": ({nan(1)}, {nan(2)}),
    "the order of keys": ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
    "keys": ({1: 1}, {True: 1}),
    "huge numbers": (1 << 40_000, (1 << 40_000) + 1),
    "a name": (NAMES.find("a", "A"), OTHER_NAMES.find("a", "B")),
    "a module": (NAMES.find("a", "A"), OTHER_NAMES.find("b", "A")),
    "a name and its text": (NAMES.find("a", "A"), "a:A"),
    "a class and its instance": (NAMES.find("a", "A"), node()),
    "an instance and a call": (node(1), Call(NAMES.find("a", "A"), (1,))),
    "the class": (node(), instance_of(OTHER_NAMES.find("a", "B"))),
    "the function": (Call(NAMES.find("a", "A"), ()), Call(NAMES.find("a", "B"), ())),
    "a node and a dict": (node(a=1), {"a": 1}),
    "arguments": (node(1), node(2)),
    "their number": (node(1), node(1, 1)),
    "where one part ends": (node(1, 2), having("members", [1, 2])),
    "keywords": (instance_of(NAMES.find("a", "A"), x=1), instance_of(NAMES.find("a", "A"), y=1)),
    "the values of keywords": (
        instance_of(NAMES.find("a", "A"), x=1),
        instance_of(NAMES.find("a", "A"), x=2),
    ),
    "a field": (node(a=1), node(a=2)),
    "no state and an empty one": (node(), having("state", {})),
    "members and pairs": (
        having("members", [1, 2]),
        having("pairs", [(1, 2)]),
    ),
    "setters": (having("setter", NAMES.find("a", "f")), node()),
    "a state and a setter": (
        having("setter", "a"),
        having("state", "a"),
    ),
}


@pytest.mark.parametrize("pair", EQUAL.values(), ids=EQUAL)
def test_what_python_may_hold_equal_is_told_apart(pair: tuple[Any, Any]) -> None:
    first, second = pair
    assert place(first, second) is not None
    assert place(first, first) is None
    assert place([0, {"key": first}], [0, {"key": second}]) is not None


def test_empty_members_are_none() -> None:
    assert place(having("members", []), node()) is None


def test_sharing_is_compared() -> None:
    shared: list[Any] = []
    assert place([shared, shared], [[], []]) == "application[1]"
    assert place([[], []], [shared, shared]) == "application[1]"
    assert place([shared, [], shared], [shared, shared, []]) == "application[1]"
    another = bytes(LONG, "ascii").decode()
    assert place([LONG, LONG], [another, another]) is None
    assert place([LONG, LONG], [LONG, another]) == "application[1]"
    assert place(["ab", "ab"], ["ab", b"ab".decode()]) is None
    array = bytearray(b"a")
    assert place([array, array], [bytearray(b"a"), bytearray(b"a")]) == "application[1]"


def test_cycles_are_compared() -> None:
    def ring(length: int) -> list[Any]:
        first: list[Any] = []
        last = first
        for _ in range(length - 1):
            last.append([])
            last = last[0]
        last.append(first)
        return first

    assert place(ring(3), ring(3)) is None
    assert place(ring(3), ring(6)) is not None
    assert place(ring(1), [ring(1)]) is not None


def test_objects_in_sets_are_compared() -> None:
    def members(*numbers: int, extra: bool = False) -> Any:
        made = [node(number, a=[number]) for number in numbers]
        return [set(made), frozenset(made), made[1] if extra else None]

    assert place(members(*range(50)), members(*reversed(range(50)))) is None
    assert place(members(*range(50)), members(*range(1, 51))) is not None
    assert place(members(1, 2, extra=True), members(2, 1, extra=True)) is not None


CHANGES: dict[str, Callable[[Any], object]] = {
    "application[a][0].text": lambda root: root["a"][0].state.update(text=5),
    "application[a][0]": lambda root: root["a"][0].state.update(more=5),
    "application[a]": lambda root: root["a"].append(1),
    "application": lambda root: root.update(b=1),
    "application[a][0][k]": lambda root: root["a"][0].state["_items"].update(k=2),
    "application[a][0][0]": lambda root: setattr(root["a"][0], "arguments", (2,)),
}


@pytest.mark.parametrize("expected", CHANGES)
def test_the_place_is_told(expected: str) -> None:
    def root() -> Any:
        return {"a": [node(1, text="t", _items={"k": 1})]}

    changed = root()
    CHANGES[expected](changed)
    assert place(root(), changed) == expected


@given(st.integers(0, 99), graphs())
def test_any_change_is_found(which: int, root: list[Any]) -> None:
    data = capture([list(range(100)), root]).stream
    changed = read(data)
    changed.root[0][which] = -1
    assert difference(read(data), changed) == f"application[0][{which}]"


@pytest.mark.parametrize("depth", [100_000])
def test_no_depth_is_too_great(depth: int) -> None:
    def deep(end: int) -> Any:
        made: Any = end
        for number in range(depth):
            made = [(made,), {"a": made}, node(made), [made]][number % 4]
        return made

    assert place(deep(1), deep(1)) is None
    assert place(deep(1), deep(2)) is not None


def test_time_grows_with_the_size() -> None:
    def timed(size: int) -> float:
        first, second = ([node(number, a=[number]) for number in range(size)] for _ in range(2))
        begun = time.thread_time()
        assert place(first, second) is None
        return time.thread_time() - begun

    assert min(timed(50_000) for _ in range(2)) < 40 * max(0.01, timed(5_000))
