"""A snapshot is shown as a tree of lines: near the root in full, the rest by its size."""

import re
from typing import Any

import pytest

from perdure.convert.brief import Brief, in_words, small, title
from perdure.convert.lookup import find
from perdure.convert.tree import Tree
from perdure.persist.content import Content
from perdure.persist.formats import table
from perdure.persist.passport import Passport

from .models import Point, Thing, graph, sample

PASSPORT = Passport(format=1, application="web", holds="state", written="", writer="", python="")
_SIZE = re.compile(r"  \((?:[\d,]+ objects, )?[\d.]+ \w+\)$")
THING = f"{Thing.__module__}:Thing"


def lines(root: object, place: str = "", **secret: tuple[str, ...]) -> list[str]:
    """The tree, without the module of the models."""
    spot = find(graph(root), place)
    declared = {f"{Thing.__module__}:{name}": fields for name, fields in secret.items()}
    shown = map(str, Tree(spot.value, spot.steps, declared).lines())
    return [_SIZE.sub("", line.replace(f"{Thing.__module__}.", "")) for line in shown]


def test_a_small_graph_is_shown_whole() -> None:
    thing = Thing(name="web", ports=[80, 443], more=Thing(on=True), none=())
    assert lines(thing) == [
        "application: Thing",
        "├─ name: 'web'",
        "├─ ports: list (2)",
        "│  ├─ [0]: 80",
        "│  └─ [1]: 443",
        "├─ more: Thing",
        "│  └─ on: True",
        "└─ none: tuple (0)",
    ]


def test_sizes_and_counts_are_told_and_add_up() -> None:
    root = graph(Thing(upload=bytes(10_000), rows=[[1], [2]])).root
    notes = {line.name: line.note for line in Tree(root, [], {}).lines()}
    assert notes["application"] == "5 objects, 10.0 kB"
    assert notes["rows"] == "3 objects, 16 bytes"


def test_sizes_do_not_depend_on_the_syntax() -> None:
    words = "".join("ab")  # as equal as "ab" is, and another object
    content = Content.of_graph(
        graph([sample(), "ab", words, {"ab": [words]}, (), (), b"ab", b"ab"])
    )
    told = {str(next(Tree(content.graph.root, [], {}).lines()))}
    for form in table.formats():
        found = form.decode(b"".join(form.encode(PASSPORT, content, None)))
        told.add(str(next(Tree(found.content.graph.root, [], {}).lines())))
    assert len(told) == 1


def test_what_is_at_a_place_is_shown_with_its_place() -> None:
    assert lines(Thing(shelf={"a": [1]}), "shelf[a]") == [
        "application.shelf[a]: list (1)",
        "└─ [0]: 1",
    ]
    assert lines(Thing(port=80), "port") == ["application.port: 80"]


def test_an_object_in_two_places_is_a_reference_in_the_one_farther_off() -> None:
    inner = Thing(value=1)
    shown = lines(Thing(deep=[[inner]], near=inner))
    assert shown == [
        "application: Thing",
        "├─ deep: list (1)",
        "│  └─ [0]: list (1)",
        "│     └─ [0]: → application.near",
        "└─ near: Thing",
        "   └─ value: 1",
    ]


def test_a_loop_ends() -> None:
    itself = Thing()
    itself.__dict__["itself"] = itself
    assert lines(itself)[1:] == ["└─ itself: → application"]


def test_secrets_are_hidden() -> None:
    shown = "\n".join(lines(Thing(password="hunter2", keys=["k"]), Thing=("password", "keys")))
    assert "password: hidden" in shown
    assert "keys: hidden" in shown
    assert "hunter2" not in shown
    assert "'k'" not in shown


def test_words_and_names_are_told_in_a_line() -> None:
    shown = lines(sample())
    assert "├─ when: datetime 2026-11-21T10:00:00+00:00" in shown
    assert "├─ day: date 2026-11-21" in shown
    assert "├─ price: decimal 1.50" in shown
    assert "├─ kind: Point" in shown


def test_members_of_a_set_have_no_names() -> None:
    assert lines({"b", "a"})[1:] == ["├─ 'a'", "└─ 'b'"]


def test_a_bound_method_shows_what_it_is_bound_to() -> None:
    thing = Thing(name="x")
    assert lines(Thing(thing=thing, call=thing.ring))[1:] == [
        "├─ thing: Thing",
        "│  └─ name: 'x'",
        "└─ call: method 'ring'",
        "   └─ __self__: → application.thing",
    ]


def test_a_large_graph_is_cut() -> None:
    shown = lines({"rows": [[each] for each in range(50_000)], "text": "x" * 100_000})
    assert "│  └─ … 49,990 more" in shown
    assert any("(100,000 characters)" in line for line in shown)
    assert len(shown) < 250
    assert max(map(len, shown)) < 120


def test_a_wide_and_deep_graph_is_cut() -> None:
    def wide(depth: int) -> Any:
        return [wide(depth - 1) for _ in range(6)] if depth else []

    shown = lines(wide(6))
    assert len(shown) <= 300
    assert any(line.endswith("list (6) …") for line in shown)


def test_a_chain_is_cut() -> None:
    head: list[Any] = []
    for _ in range(900):
        head = [head]
    assert len(lines(head)) < 50


@pytest.mark.parametrize(
    ("size", "words"),
    [
        (1, "1 byte"),
        (999, "999 bytes"),
        (1000, "1.0 kB"),
        (4_100_000, "4.1 MB"),
        (10**13, "10.0 TB"),
    ],
)
def test_a_size_is_said_in_words(size: int, words: str) -> None:
    assert in_words(size) == words


def test_an_object_is_told_in_a_line() -> None:
    found = graph(
        [Thing(a=1, b=[1], c="x", d=None, e=2), Point(1, 2), {"a": 1}, 10**5000, "x" * 99]
    )
    brief = Brief({THING: ("a",)})
    told = [brief.of(each).replace(f"{Thing.__module__}.", "") for each in found.root]
    assert told == [
        "Thing(a=hidden, c='x', d=None, ...)",
        "Point(1, 2)",
        "dict (1)",
        "a number of 16,610 bits",
        f"'{'x' * 40}'... (99 characters)",
    ]
    assert title(found.root) == "list (5)"
    assert small(b"abc") == "b'abc'"
