"""Two graphs are compared by place, and the differences are those that a person would name."""

import math
import time
from datetime import date
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perdure.convert.brief import Brief
from perdure.convert.diff import compare
from perdure.convert.edit import Edit, apply
from perdure.persist.graph import Graph

from .models import Colour, Endpoint, Point, Slotted, Thing, graph, sample

THING = f"{Thing.__module__}:Thing"


def differences(old: object, new: object, **secret: tuple[str, ...]) -> list[str]:
    """The lines, without the module of the models."""
    brief = Brief({f"{Thing.__module__}:{name}": fields for name, fields in secret.items()})
    return told(graph(old), graph(new), brief)


def told(old: Graph, new: Graph, brief: Brief | None = None) -> list[str]:
    """The lines, without the module of the models."""
    found = compare(old, new, brief or Brief())
    return [str(each).replace(f"{Thing.__module__}.", "") for each in found]


def test_the_same_has_no_differences() -> None:
    assert differences(sample(), sample()) == []


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("port=8081", "~ application.port: 8080 -> 8081"),
        ("name=x", "~ application.name: 'web' -> 'x'"),
        ("note=x", "~ application.note: None -> 'x'"),
        ("rate=nan", "~ application.rate: 1.5 -> nan"),
        ("on=false", "~ application.on: True -> False"),
        ("day=2027-01-02", "~ application.day: date 2026-11-21 -> date 2027-01-02"),
        ("pair[1][0]=5", "~ application.pair[1][0]: 2 -> 5"),
        ("point[0]=5", "~ application.point[0]: 1 -> 5"),
        ("colour[0]=2", "~ application.colour[0]: 1 -> 2"),
        ("kind=a.b:C", "~ application.kind: Point -> a.b.C"),
        ("array=b'abc'", "~ application.array: bytearray(b'xyz') -> bytearray(b'abc')"),
        ("row[1]=21", "~ application.row[1]: 20 -> 21"),
        ("row=[10, 30]", "- application.row[1]: 20"),
        ("row=[10, 15, 20, 30]", "+ application.row[1]: 15"),
        ("row=[30, 10, 20]", "~ application.row[0]: moved here from [2]"),
        ("tags={'a', 'b', 'c'}", "+ application.tags: the member 'c'"),
        ("tags={'a'}", "- application.tags: the member 'b'"),
        ("by_number[7]=8", "~ application.by_number[7]: 'seven' -> '8'"),
        ("queue[1]=7", "~ application.queue[1]: 2 -> 7"),
        ("queue.arguments[1]=7", "~ application.queue.arguments[1]: 5 -> 7"),
        ("ordered[a]=7", "~ application.ordered[a]: 1 -> 7"),
        ("default[b][0]=7", "~ application.default[b][0]: 1 -> 7"),
        ("slotted.first=g", "~ application.slotted.first: 'f' -> 'g'"),
        ("endpoint.port=443", "~ application.endpoint.port: 8080 -> 443"),
        ("shelf[visits.Counter].value=42", "~ application.shelf[visits.Counter].value: 41 -> 42"),
    ],
)
def test_one_edit_is_one_line(text: str, line: str) -> None:
    old, new = graph(sample()), graph(sample())
    apply(new, [Edit.parse(text)], {})
    assert told(old, new) == [line]


@pytest.mark.parametrize(
    ("old", "new", "lines"),
    [
        (Thing(a=1), Thing(a=1, b=2), ["+ application.b: 2"]),
        (Thing(a=1, b=[1, 2]), Thing(a=1), ["- application.b: list (2)"]),
        (Thing(a=1), Thing(a="1"), ["~ application.a: 1 -> '1'"]),
        (Thing(a=1), Thing(a=True), ["~ application.a: 1 -> True"]),
        (Thing(a=1), Thing(a=1.0), ["~ application.a: 1 -> 1.0"]),
        (Thing(a=0.0), Thing(a=-0.0), ["~ application.a: 0.0 -> -0.0"]),
        (Thing(a=math.nan), Thing(a=math.nan), []),
        (Thing(a=[]), Thing(a={}), ["~ application.a: list (0) -> dict (0)"]),
        (Thing(a=()), Thing(a=(1,)), ["+ application.a[0]: 1"]),
        (Thing(a=()), Thing(a=[]), ["~ application.a: tuple (0) -> list (0)"]),
        (Thing(a=date(2026, 1, 1)), Thing(a=1), ["~ application.a: date 2026-01-01 -> 1"]),
        (Thing(a=Thing(v=1)), Thing(a=None), ["~ application.a: Thing(v=1) -> None"]),
        (Thing(a=Colour.RED), Thing(a=Colour.BLUE), ["~ application.a[0]: 1 -> 2"]),
        (
            Thing(a=Thing(first=1)),
            Thing(a=Slotted(2)),
            ["~ application.a: class Thing -> Slotted", "~ application.a.first: 1 -> 2"],
        ),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, ["~ application: its keys stand in another order"]),
        ({1: 2}, {True: 2}, ["+ application[True]: 2", "- application[1]: 2"]),
        ({(1, 2): 3}, {(1, 2): 4}, ["~ application[(1, 2)]: 3 -> 4"]),
        ({Point: 3}, {Point: 4}, [f"~ application[{Point.__module__}.Point]: 3 -> 4"]),
        (
            {frozenset({1}), frozenset({2})},
            {frozenset({1})},
            ["- application: the member frozenset (1)"],
        ),
        (["a"] * 3, ["a"] * 4, ["+ application[3]: 'a'"]),
        (list(range(9)), list(range(8, -1, -1)), ["~ application: 8 of 9 items stand in another order"]),
        (
            [Thing(n="a", v=1), Thing(n="b", v=2)],
            [Thing(n="new", v=0), Thing(n="a", v=1), Thing(n="b", v=3)],
            ["+ application[0]: Thing(n='new', v=0)", "~ application[2].v: 2 -> 3"],
        ),
        (
            [Endpoint(1), Endpoint(2), Endpoint(3)],
            [Endpoint(1), Endpoint(3)],
            ["- application[1]: Endpoint(port=2, interface='')"],
        ),
    ],
)  # fmt: skip
def test_differences_of_all_sorts(old: object, new: object, lines: list[str]) -> None:
    assert [line.replace(f"[{Point.__module__}.Point]", "[Point]") for line in lines] == [
        line.replace(f"[{Point.__module__}.Point]", "[Point]") for line in differences(old, new)
    ]


def test_what_was_shared_and_is_no_more_is_told() -> None:
    row = [1]
    shared, split = Thing(a=row, b=row), Thing(a=[1], b=[1])
    assert differences(shared, split) == [
        "~ application.b: the same as application.a -> list (1) of its own"
    ]
    assert differences(split, shared) == [
        "~ application.b: list (1) of its own -> the same as application.a"
    ]


def test_what_refers_to_another_object_is_told() -> None:
    def thing(number: int) -> Thing:
        rows: list[list[int]] = [[1], [1]]
        return Thing(rows=rows, chosen=rows[number])

    assert differences(thing(0), thing(1)) == [
        "~ application.rows[0]: the same as application.chosen -> list (1) of its own",
        "~ application.rows[1]: list (1) of its own -> the same as application.chosen",
    ]


def test_a_loop_is_walked_once() -> None:
    def loop(value: int) -> Thing:
        made = Thing(value=value)
        made.__dict__["itself"] = [made]
        return made

    assert differences(loop(1), loop(1)) == []
    assert differences(loop(1), loop(2)) == ["~ application.value: 1 -> 2"]


def test_secrets_are_compared_and_not_shown() -> None:
    def thing(password: Any, **more: Any) -> Thing:
        return Thing(user=Thing(name="x", password=password, **more))

    secret = {"Thing": ("password",)}
    hidden = ["~ application.user.password: hidden, differs"]
    assert differences(thing("hunter2"), thing("hunter3"), **secret) == hidden
    assert differences(thing(["a", 1]), thing(["a", 2]), **secret) == hidden
    assert differences(thing(["a"]), thing(["a"]), **secret) == []
    assert differences(thing("p"), Thing(user=Thing(name="x")), **secret) == [
        "- application.user.password: hidden"
    ]
    assert differences(Thing(a=None), Thing(a=Thing(password="p")), **secret) == [
        "~ application.a: None -> Thing(password=hidden)"
    ]


def test_a_deep_graph_is_compared_and_its_place_is_kept_short() -> None:
    def chain(last: int) -> Thing:
        head = Thing(value=last)
        for _ in range(50_000):
            head = Thing(next=head)
        return head

    old, new = (graph(chain(last)) for last in (1, 2))
    (line,) = told(old, new)
    assert line.endswith(".next.next.value: 1 -> 2")
    assert "(49,961 steps)" in line
    assert len(line) < 500


def test_a_large_graph_is_compared_in_proportion_to_its_size() -> None:
    def large(count: int) -> list[Thing]:
        return [Thing(name=f"n{each}", tags=["x", each]) for each in range(count)]

    def seconds(count: int) -> float:
        old, changed = large(count), large(count)
        del changed[count // 2]
        changed.insert(7, Thing(name="new", tags=[]))
        changed[count // 3].__dict__["name"] = "other"
        graphs = graph(old), graph(changed)
        begin = time.perf_counter()
        assert len(told(*graphs)) == 3
        return time.perf_counter() - begin

    seconds(1000)
    assert seconds(40_000) < 12 * seconds(10_000)


def holder(value: object) -> Thing:
    """An instance with a field."""
    return Thing(value=value)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=2) | st.integers(0, 3), inner, max_size=4)
        | st.tuples(inner, inner)
        | inner.map(holder)
        | st.frozensets(st.integers(0, 3))
    ),
    max_leaves=20,
)


@given(values, values)
@settings(max_examples=60, deadline=None)
def test_there_are_differences_exactly_when_the_graphs_differ(old: object, new: object) -> None:
    from perdure.persist.isomorphism import difference

    assert differences(old, old) == []
    graphs = graph(old), graph(new)
    assert bool(told(*graphs)) == (difference(*graphs) is not None)
