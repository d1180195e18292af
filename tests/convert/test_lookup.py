"""A person names a place; what is there is found, or it is said what is there instead."""

import pytest

from perdure.convert.lookup import LookupFailedError, find
from perdure.persist.graph import Node
from perdure.persist.place import PlaceError

from .models import Point, Shelf, Thing, graph, sample


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("port", 8080),
        ("application.port", 8080),
        (".port", 8080),
        ("pair[1][0]", 2),
        ("point[1]", 2),
        ("colour[0]", 1),
        ("row[0]", 10),
        ("row[-1]", 30),
        ("by_number[7]", "seven"),
        ("by_number['7']", "text"),
        ("by_number[1]", "one"),
        ("by_number['(1, 2)']", "pair"),
        ("queue[1]", 2),
        ("queue.arguments[1]", 5),
        ("ordered[a]", 1),
        ("default[b][0]", 1),
        ("slotted.first", "f"),
        ("slotted.other", 2),
        ("endpoint.port", 8080),
        ("shelf[visits.Counter].value", 41),
        ("shelf._things[visits.Counter].value", 41),
        ("shelf.things[visits.Counter].value", 41),
        ("shelf['visits.Counter'].value", 41),
        ("shelf[MODULE.Point]", 1),
        ("when.tzinfo[0][0]", 0),
    ],
)
def test_a_place_is_found(place: str, value: object) -> None:
    assert find(graph(sample()), place.replace("MODULE", Point.__module__)).value == value


def test_the_root_is_the_empty_place() -> None:
    found = graph(sample())
    assert find(found, "").value is found.root
    assert find(found, "application").value is found.root


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("shelf[visits.Cuonter].value", "application.shelf: there is no [visits.Cuonter];"),
        ("shelf[visits.Cuonter].value", "and has [visits.Counter]"),
        ("endpoint.prot", "application.endpoint: there is no .prot; a "),
        ("endpoint.prot", ".Endpoint is there, and has .port, .interface"),
        ("row[3]", "application.row: there is no [3]; a list is there, and has [0], [1], [2]"),
        ("row.x", "application.row: there is no .x; a list is there"),
        ("port.x", "application.port: there is no .x; a whole number is there, with nothing in it"),
        ("tags[a]", "members of a set have no place of their own, name the set"),
        ("when[0]", "application.when: there is no [0]; a datetime is there, and has .tzinfo"),
        ("day.year", "a date is there, with nothing in it"),
    ],
)
def test_of_a_place_that_is_not_there_the_nearest_is_told(place: str, said: str) -> None:
    with pytest.raises(LookupFailedError) as caught:
        find(graph(sample()), place)
    assert said in str(caught.value)


def test_of_many_names_some_are_told() -> None:
    with pytest.raises(LookupFailedError) as caught:
        find(graph([0] * 50_000), "[50000]")
    assert str(caught.value).endswith(
        "and has [0], [1], [2], [3], [4], [5], [6], [7] and 49,992 more"
    )


def test_a_text_that_is_no_place_is_refused() -> None:
    with pytest.raises(PlaceError):
        find(graph(sample()), "row[")


def test_an_item_of_two_private_fields_asks_for_the_full_form() -> None:
    found = graph(Shelf({0: "a"}, ["b"]))
    with pytest.raises(
        LookupFailedError, match=r"say application\._things\[0\] or application\._row\[0\]"
    ):
        find(found, "[0]")
    assert find(found, "_row[0]").value == "b"
    assert find(found, "_things[0]").value == "a"


def test_true_is_not_taken_for_1() -> None:
    assert find(graph({True: "yes"}), "[True]").value == "yes"
    assert find(graph({"True": "text", True: "yes"}), "[True]").value == "text"
    with pytest.raises(LookupFailedError):
        find(graph({True: "yes"}), "[1]")


def test_a_value_in_a_list_is_replaced() -> None:
    found = graph(sample())
    find(found, "row[1]").replace(21)
    assert find(found, "row").value == [10, 21, 30]


@pytest.mark.parametrize(
    "place",
    ["pair[1][0]", "point[0]", "colour[0]", "queue[0]", "queue.arguments[1]", "ordered[a]",
     "default[b][0]", "slotted.first", "slotted.other", "endpoint.port", "by_number[1]",
     "shelf[visits.Counter].value", "when.tzinfo[0][0]", "when.tzinfo"],
)  # fmt: skip
def test_a_value_is_replaced_wherever_it_stands(place: str) -> None:
    found = graph(sample())
    find(found, place).replace("new")
    assert find(found, place).value == "new"


def test_a_tuple_gives_way_to_a_new_one_and_the_rest_of_it_stays() -> None:
    found = graph(sample())
    find(found, "pair[1][0]").replace(9)
    assert find(found, "pair").value == (1, (9, 3))


def test_a_tuple_that_stands_in_two_places_is_not_split() -> None:
    pair = (1, [2])
    found = graph(Thing(one=pair, other=pair))
    with pytest.raises(LookupFailedError, match="this tuple stands in several places"):
        find(found, "one[0]").replace(5)
    find(found, "one[1][0]").replace(5)
    assert find(found, "other[1][0]").value == 5


def test_the_root_is_not_replaced() -> None:
    with pytest.raises(LookupFailedError, match="cannot be replaced whole"):
        find(graph(sample()), "").replace(1)


def test_what_is_found_runs_nothing() -> None:
    spot = find(graph(sample()), "shelf[visits.Counter]")
    assert isinstance(spot.value, Node)
