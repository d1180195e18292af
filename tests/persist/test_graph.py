"""What nodes are, and what they are not: no code of anybody's, and no attribute that bites."""

import pickle
import time
from typing import Any

import pytest

from perdure.persist.graph import (
    Call,
    Global,
    GraphError,
    Instance,
    Names,
    instance_of,
    is_shared,
)
from perdure.persist.opcodes import StreamError, check

from .rows import ROWS
from .streams import called, named, number, stream, text


def test_a_name_is_the_same_object_each_time() -> None:
    names = Names()
    found = names.find("a.b", "C.D")
    assert names.find("a.b", "C.D") is found
    assert Names().find("a.b", "C.D") is not found
    assert (found.module, found.name, str(found), repr(found)) == (
        *("a.b", "C.D", "a.b:C.D", "<a.b:C.D>"),
    )
    names.find("a", "Z")
    assert [str(each) for each in names] == ["a:Z", "a.b:C.D"]
    assert len(names) == 2


def test_names_are_neither_empty_nor_endless(monkeypatch: pytest.MonkeyPatch) -> None:
    names = Names()
    for module, name in [("", "a"), ("a", "")]:
        with pytest.raises(GraphError, match="a name is empty"):
            names.find(module, name)
    monkeypatch.setattr("perdure.persist.graph._MOST_NAMES", 3)
    for letter in "abc":
        names.find(letter, letter)
    with pytest.raises(GraphError, match="more than 3 different names"):
        names.find("d", "d")


def test_to_call_a_name_is_not_to_make_an_instance() -> None:
    kind = Names().find("a", "A")
    call, made = kind(1), instance_of(kind, 1)
    assert type(call) is Call
    assert (call.function, call.arguments) == (kind, (1,))
    assert isinstance(made, Instance)
    assert type(made) is kind
    assert type(kind) is Global
    assert type(made(2)) is Call
    with pytest.raises(GraphError, match="keywords"):
        kind(a=1)


def test_nodes_are_told_apart_by_identity() -> None:
    kind = Names().find("a", "A")
    one, other = instance_of(kind), instance_of(kind)
    assert one != other
    assert len({one, other, one}) == 2
    assert len({Call(kind, ()), Call(kind, ())}) == 2


def test_what_is_told_of_a_node_is_short() -> None:
    kind = Names().find("a", "A")
    call: Any = Call(kind, ())
    for _ in range(100_000):
        call = Call(call, (call,))
    assert repr(call) == "<call of what a call returns>"
    assert repr(Call(kind, (call,))) == "<call of a:A>"
    assert repr(instance_of(kind, call)) == "<instance of a:A>"


EQUALS_ARE_SAME: list[object] = [None, True, 5, 2.5, "a" * 100, b"a" * 100, (), 1 << 40_000]
TOLD_APART: list[object] = ["a" * 101, b"a" * 101, list[int](), dict[int, int](), set[int]()]
ALSO_TOLD_APART: list[object] = [frozenset[int](), (1,), bytearray(), Call(None, ())]


def test_what_has_an_identity() -> None:
    for value in (*EQUALS_ARE_SAME, Names().find("a", "A")):
        assert not is_shared(value)
    for value in TOLD_APART + ALSO_TOLD_APART:
        assert is_shared(value)


# The look at opcodes before any of it is read.


@pytest.mark.parametrize("make", ROWS.values(), ids=ROWS)
@pytest.mark.parametrize("protocol", [4, 5])
def test_whatever_a_pickler_writes_is_let_through(make: Any, protocol: int) -> None:
    data = pickle.dumps(make(), protocol)
    assert bool(check(data)) == (make is ROWS["every_part_of_a_reduction"])
    for end in {len(data) * part // 7 for part in range(7)}:
        with pytest.raises(StreamError):
            check(data[:end])


@pytest.mark.parametrize("size", [0, 1, 99, 253, 255, 256, 70_000])
def test_values_of_every_size_are_passed_over(size: int) -> None:
    parts = [bytes(size), "a" * size, bytearray(size), 1 << (8 * size), "\x86R0" * size]
    data = pickle.dumps(parts, 5)
    assert check(data) == []
    with pytest.raises(StreamError, match=r"too early|does not fit"):
        check(data[:-1])


def test_the_places_of_state_setters_are_told() -> None:
    setter = pickle.TUPLE2 + pickle.REDUCE + pickle.POP
    begin = called(named("a", "A")) + named("a", "f") + number(1) + text("\x86R0")
    data = stream(begin, setter, text("x"), pickle.POP)
    assert check(data) == [2 + len(begin)]
    assert check(stream(text("a"), text("b"), pickle.TUPLE2, pickle.MEMOIZE)) == []


@pytest.mark.parametrize(
    "body",
    [b"K\1" * 3_000_000, b"]" * 6_000_000, b"\x8c\3abc" * 1_500_000],
    ids=["numbers", "lists", "texts"],
)
def test_the_look_is_quick(body: bytes) -> None:
    begun = time.thread_time()
    check(b"\x80\x05" + body + b".")
    assert time.thread_time() - begun < 1
