"""Places are shown as a person writes them, and found by what is shown."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure.persist import trail
from perdure.persist.graph import Names, instance_of
from perdure.persist.place import Field, Item, PlaceError, Step, parse, show, show_key

names = st.text(max_size=20)
steps: st.SearchStrategy[list[Step]] = st.lists(
    st.builds(Field, names.filter(lambda name: not name.startswith("_")))
    | st.builds(Item, names | st.integers(-(10**17), 10**17))
)


@given(steps)
def test_what_is_shown_is_read_as_the_same_steps(way: list[Step]) -> None:
    # A field of an odd name stands in brackets: what is there decides what it means.
    found = parse(show(way))
    assert [step.name if isinstance(step, Field) else step.key for step in found] == [
        step.name if isinstance(step, Field) else step.key for step in way
    ]


@pytest.mark.parametrize(
    ("way", "shown"),
    [
        ([], "application"),
        ([Field("registry"), Item("visits.Counter"), Field("value")],
         "application.registry[visits.Counter].value"),
        ([Field("registry"), Field("_components"), Item("a")], "application.registry[a]"),
        ([Field("_components"), Field("a")], "application._components.a"),
        ([Field("registry"), Field("_components")], "application.registry._components"),
        ([Field("not a name"), Item(-5), Item("5"), Item("a b")],
         "application['not a name'][-5]['5']['a b']"),
        ([Item((1, "x")), Item(None), Item(2.5), Item(b"a")],
         "application[(1, x)][None][2.5][b'a']"),
        ([Field("a·")], "application['a·']"),
        ([Item("class"), Field("class")], "application[class].class"),
    ],
)  # fmt: skip
def test_how_places_are_shown(way: list[Step], shown: str) -> None:
    assert show(way) == shown


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("application", []),
        ("registry[visits.Counter].value",
         [Field("registry"), Item("visits.Counter"), Field("value")]),
        (".registry", [Field("registry")]),
        ("applications", [Field("applications")]),
        ("[5]['5'][\"a\\n\"][-1][a-b]", [Item(5), Item("5"), Item("a\n"), Item(-1), Item("a-b")]),
    ],
)  # fmt: skip
def test_what_a_person_may_write(text: str, expected: list[Step]) -> None:
    assert parse(text) == expected


@pytest.mark.parametrize(
    "text", ["a..b", "a[", "a[]", "a['b]", "a b", "[5", "a.5", "['a\nb']", r"['\x']", r"['\N{no}']"]
)
def test_what_is_no_place_is_refused(text: str) -> None:
    with pytest.raises(PlaceError):
        parse(text)


@given(st.text(max_size=30))
def test_any_text_is_a_place_or_our_error(text: str) -> None:
    try:
        parse(text)
    except PlaceError:
        return


def deep(depth: int) -> Any:
    made: Any = ()
    for _ in range(depth):
        made = (made,)
    return made


def test_no_key_is_shown_at_length() -> None:
    node = instance_of(Names().find("a", "A"))
    keys: list[Any] = ["x" * 10_000, b"x" * 10_000, 10**10_000, -(10**10_000), deep(100_000)]
    keys += [
        tuple(range(1000)),
        (node,) * 5,
        frozenset(range(1000)),
        "\n" * 10_000,
        (10**5000,) * 9,
    ]
    for key in keys:
        assert len(show_key(key)) < 900
        assert show([Item(key)])
    assert show_key((1, ("a",), node)) == "(1, (...), <instance of a:A>)"
    assert show_key(10**40) == hex(10**40)


# Where an object of a graph is.


def test_the_way_to_an_object_is_the_shortest() -> None:
    graph_names = Names()
    wanted: list[Any] = []
    made = instance_of(graph_names.find("a", "A"), [wanted])
    made.state = {"_fields": {"x": [0, wanted]}, "y": (made, {"deep": [[wanted]]})}
    assert trail.find(made, wanted) == "application[0][0]"
    made.arguments = ()
    assert trail.find(made, wanted) == "application._fields[x][1]".replace("._fields", "")
    assert trail.find([{"a": made}], made.state["y"]) == "application[0][a].y"
    assert trail.find(wanted, wanted) == "application"


def test_every_part_of_a_node_has_a_place() -> None:
    graph_names = Names()
    inner = [[number] for number in range(6)]
    made = instance_of(graph_names.find("a", "A"), inner[0], key=inner[1])
    made.state = (None, {"slot": inner[2]})
    made.setter = inner[5]
    places = [trail.find([made], each) for each in (inner[0], inner[1], inner[2], inner[5])]
    assert places == [f"application[0]{step}" for step in ("[0]", ".key", ".slot", ".setter")]
    made.members, made.pairs, made.state = [inner[3]], [("k", inner[4])], 5
    places = [trail.find(made, each) for each in (inner[0], inner[3], inner[4], inner[5])]
    assert places == [f"application{step}" for step in (".arguments[0]", "[0]", "[k]", ".setter")]


def test_of_a_long_way_the_end_is_shown() -> None:
    wanted: list[Any] = []
    root: Any = wanted
    for _ in range(100_000):
        root = [root]
    found = trail.find(root, wanted)
    assert found.startswith("...[0][0]")
    assert len(found) < 200
