"""A value is read by the kind of the one that is there, and stays of that kind."""

import math
import pickle
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from perdure.convert.branches import class_of
from perdure.convert.edit import Change, Edit, EditError, apply
from perdure.convert.lookup import LookupFailedError, find
from perdure.persist import graphstream
from perdure.persist.graph import Graph
from perdure.persist.place import PlaceError

from .models import Endpoint, Slotted, Thing, graph, sample


def edited(*texts: str, root: object = None) -> Any:
    """The live objects of the sample with the values set."""
    found = graph(sample() if root is None else root)
    apply(found, [Edit.parse(text) for text in texts], {})
    return pickle.loads(graphstream.write(found))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("port=8081", 8081),
        ("port= -1_000 ", -1000),
        ("port=0x1f90", 8080),
        ("port=None", None),
        ("rate=2", 2.0),
        ("rate=-inf", -math.inf),
        ("rate=1e3", 1000.0),
        ("name=other", "other"),
        ("name= other ", " other "),
        ("name=", ""),
        ("name='41'", "41"),
        ('name="it\\n"', "it\n"),
        ("name='None'", "None"),
        ("name=None", None),
        ("name=it's", "it's"),
        ("name=a=b", "a=b"),
        ("note=41", 41),
        ("note=www-data", "www-data"),
        ("note='41'", "41"),
        ("note=None", None),
        ("note=[1, 2]", [1, 2]),
        ("on=false", False),
        ("key=b'\\xff'", b"\xff"),
        ("when=2027-01-02T03:04:05", datetime(2027, 1, 2, 3, 4, 5, tzinfo=UTC)),
        ("day=2027-01-02", date(2027, 1, 2)),
        ("price=2.50", Decimal("2.50")),
        ("price=None", None),
        ("pair=(3, 4)", (3, 4)),
        ("row=[]", []),
        ("row=[1, 'two', None]", [1, "two", None]),
        ("tags={'c'}", {"c"}),
        ("tags=set()", set[str]()),
        ("frozen={2}", frozenset({2})),
        ("array=b'new'", bytearray(b"new")),
        ("by_number={1: [2]}", {1: [2]}),
    ],
)
def test_a_value_is_read_by_what_is_there(text: str, value: object) -> None:
    found = getattr(edited(text), text.partition("=")[0])
    assert found == value
    assert type(found) is type(value)


def test_places_deep_inside_are_set() -> None:
    made = edited(
        "shelf[visits.Counter].value=42",
        "slotted.first=g",
        "endpoint.port=443",
        "pair[1][0]=5",
        "point[0]=7",
        "by_number['7']=seven",
        "queue.arguments[1]=6",
    )
    assert made.shelf._things["visits.Counter"].value == 42
    assert made.slotted.first == "g"
    assert made.endpoint == Endpoint(443, "127.0.0.1")
    assert made.pair == (1, (5, 3))
    assert made.point == (7, 2)
    assert made.by_number[7] == "seven"
    assert made.by_number["7"] == "seven"
    assert made.queue.maxlen == 6


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("port=x", "application.port: expected a whole number, got 'x'"),
        ("port=1.5", "expected a whole number, got '1.5'"),
        ("port=", "expected a whole number, got ''"),
        ("port=True", "expected a whole number, got 'True'"),
        ("port=" + "9" * 5000, "write a longer one in hexadecimal"),
        ("rate=fast", "expected a number, got 'fast'"),
        ("rate=1e999", "expected a number, got '1e999'"),
        ("on=1", "expected True or False, got '1'"),
        ("name='a'b'", "is not well quoted"),
        ("key=abc", "expected bytes, such as b'abc', got 'abc'"),
        ("when=tomorrow", "expected a datetime such as 2026-11-21T10:00:00"),
        ("when=2026-11-21T10:00:00+01:00", "its time zone apart"),
        ("price=1,5", "expected a decimal number such as 1.50"),
        ("row=(1, 2)", "expected a list, such as [1, 2], got '(1, 2)'"),
        ("row=[1j]", "expected a list"),
        ("row=[print()]", "expected a list"),
        ("row=" + "[" * 500, "expected a list"),
        ("by_number={[]: 1}", "expected a dict, such as {'a': 1}"),
        ("by_number={}}", "expected a dict"),
        ("tags={}", "expected a set, such as {1, 2} or set()"),
        ("array=xyz", "expected a bytearray, such as b'abc'"),
        ("kind=Counter", "expected a name such as visits.counting:Counter"),
        ("endpoint=8081", "Endpoint is there, which no value can replace; set its fields: port, i"),
        ("shelf=None", "set its fields: _things, _row"),
        ("colour=RED", "which no value can replace"),
    ],
)
def test_a_value_of_another_kind_is_refused(text: str, said: str) -> None:
    with pytest.raises(EditError) as caught:
        edited(text)
    assert said in str(caught.value)


@pytest.mark.parametrize("text", ["port", "=41", "application=41", "a..b=1", "row[0=1"])
def test_a_text_that_is_no_edit_is_refused(text: str) -> None:
    with pytest.raises(PlaceError):
        Edit.parse(text)


def test_an_equals_sign_in_brackets_belongs_to_the_place() -> None:
    assert Edit.parse("row['a=b]'].x=c=d") == Edit("row['a=b]'].x", "c=d")


def test_a_place_that_is_not_there_is_not_made() -> None:
    with pytest.raises(LookupFailedError, match=r"there is no \.prot"):
        edited("endpoint.prot=1")


def test_what_is_shared_stays_shared() -> None:
    row = [1]
    made = edited("one=[2, 3]", root=Thing(one=row, other=row))
    assert made.one == [2, 3]
    assert made.one is made.other


def test_a_value_in_a_shared_object_is_set_for_all() -> None:
    shared = Slotted(1)
    made = edited("one.first=2", root=Thing(one=shared, other=shared))
    assert made.other.first == 2


def test_a_text_that_is_shared_is_set_in_one_place() -> None:
    text = "a" * 1000
    made = edited("one=b", root=Thing(one=text, other=text))
    assert (made.one, made.other) == ("b", text)


def test_a_name_becomes_another_name_and_nothing_is_imported() -> None:
    found = graph(sample())
    apply(found, [Edit.parse("kind=not.there:Thing")], {})
    assert str(find(found, "kind").value) == "not.there:Thing"
    assert "not.there:Thing" in map(str, found.names)


def test_a_name_that_was_replaced_is_not_loaded_any_more() -> None:
    found = graph([Thing, Thing(kind=Endpoint)])
    apply(found, [Edit.parse("[1].kind=not.there:Thing")], {})
    assert set(map(str, found.names)) == {f"{Thing.__module__}:Thing", "not.there:Thing"}
    assert b"Endpoint" not in graphstream.write(found)


def test_changes_tell_what_was_there() -> None:
    found = graph(sample())
    edits = [Edit.parse("shelf[visits.Counter].value=42"), Edit.parse("day=2027-01-02")]
    assert apply(found, edits, {}) == [
        Change("application.shelf[visits.Counter].value", "41", "42"),
        Change("application.day", "2026-11-21", "2027-01-02"),
    ]


def test_changes_do_not_tell_secrets() -> None:
    found: Graph = graph(Thing(password="old", keys=["old"]))
    name = str(class_of(found.root))
    edits = [Edit.parse("password=new"), Edit.parse("keys[0]=new")]
    assert apply(found, edits, {name: ("password", "keys")}) == [
        Change("application.password", "hidden", "hidden"),
        Change("application.keys[0]", "hidden", "hidden"),
    ]


def test_an_error_does_not_tell_secrets() -> None:
    found = graph(Thing(password="old"))
    with pytest.raises(LookupFailedError) as caught:
        apply(found, [Edit.parse("password.x=1")], {str(class_of(found.root)): ("password",)})
    assert "old" not in str(caught.value)
