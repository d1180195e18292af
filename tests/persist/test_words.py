"""A word stands for exactly one call, and every such call that a person would know has its word."""

import datetime
import decimal
import zoneinfo
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure.persist.graph import Call, Graph, Names
from perdure.persist.isomorphism import difference
from perdure.persist.words import NAMES, Word, WordError, call_of, word_of

from .models import Plain
from .texts import graph_of


def word_for(item: object) -> Word | None:
    root = graph_of(item).root
    return word_of(root) if isinstance(root, Call) else None


zones = st.none() | st.timezones() | st.just(datetime.UTC)


@given(
    st.one_of(
        st.datetimes(timezones=zones, allow_imaginary=True),
        st.times(timezones=zones),
        st.dates(),
        st.decimals(),
        st.datetimes().map(lambda moment: moment.replace(fold=1)),
        st.times().map(lambda moment: moment.replace(fold=1)),
    )
)
def test_a_word_is_the_call_it_was_made_from(item: object) -> None:
    graph = graph_of(item)
    word = word_of(graph.root)
    assert word is not None
    assert word.name in NAMES
    names = Names()
    zone = word.of
    if zone is not None:
        assert difference(Graph(zone, graph.names), graph_of(getattr(item, "tzinfo", None))) is None
    again = Graph(call_of(word, names), names)
    if zone is None:
        assert difference(graph, again) is None
    assert again.root.arguments[0] == graph.root.arguments[0]


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        (datetime.datetime(2026, 11, 21, 10), Word("datetime", "2026-11-21T10:00:00")),
        (datetime.datetime(1, 1, 1, 0, 0, 0, 5), Word("datetime", "0001-01-01T00:00:00.000005")),
        (datetime.datetime(2026, 1, 1, fold=1), Word("datetime", "2026-01-01T00:00:00 fold=1")),
        (datetime.date(9999, 12, 31), Word("date", "9999-12-31")),
        (datetime.time(23, 59, 1, fold=1), Word("time", "23:59:01 fold=1")),
        (decimal.Decimal("-1.50"), Word("decimal", "-1.50")),
        (decimal.Decimal("sNaN12"), Word("decimal", "sNaN12")),
        (decimal.Decimal("1E+3"), Word("decimal", "1E+3")),
    ],
)
def test_what_a_word_looks_like(item: object, expected: Word) -> None:
    word = word_for(item)
    assert word is not None
    assert (word.name, word.value, word.of) == (expected.name, expected.value, None)


def test_a_time_zone_belongs_to_the_word() -> None:
    for zone in (datetime.UTC, zoneinfo.ZoneInfo("Europe/Berlin")):
        for item in (datetime.datetime(2026, 1, 1, tzinfo=zone), datetime.time(1, tzinfo=zone)):
            word = word_for(item)
            assert word is not None
            assert isinstance(word.of, Call)


def test_a_bound_method_is_a_word() -> None:
    made = Plain(a=1)
    root = graph_of([made, made.method, Plain.class_method]).root
    word = word_of(root[1])
    assert word is not None
    assert (word.name, word.value) == ("method", "method")
    assert word.of is root[0]
    of_class = word_of(root[2])
    assert of_class is not None
    assert of_class.of is type(root[0])


def call(module: str, name: str, *arguments: Any) -> Call:
    return Call(Names().find(module, name), arguments)


NO_WORDS = {
    "bytes too short": call("datetime", "date", b"\x07\xea\x0b"),
    "no day of any month": call("datetime", "date", bytes([7, 234, 2, 31])),
    "no hour": call("datetime", "datetime", bytes([7, 234, 2, 1, 99, 0, 0, 0, 0, 0])),
    "the bytes of a date for a datetime": call("datetime", "datetime", bytes([7, 234, 2, 1])),
    "numbers": call("datetime", "date", 2026, 1, 1),
    "text for bytes": call("datetime", "date", "2026-01-01"),
    "no time zone, but said": call("datetime", "time", bytes(6), None),
    "a time zone too many": call("datetime", "date", bytes([7, 234, 2, 1]), 1),
    "a number with a sign": call("decimal", "Decimal", "+1"),
    "a number with spaces": call("decimal", "Decimal", " 1"),
    "no number": call("decimal", "Decimal", "one"),
    "a number of another class": call("decimal", "Decimal", 1),
    "two numbers": call("decimal", "Decimal", "1", "2"),
    "a method with a default": call("builtins", "getattr", 1, "real", None),
    "a method of nothing": call("builtins", "getattr", None, "a"),
    "a method without a name": call("builtins", "getattr", 1, ""),
    "a method whose name is none": call("builtins", "getattr", 1, b"real"),
    "another function": call("datetime", "timedelta", 1, 2, 3),
    "a call of a call": Call(call("datetime", "date"), (bytes([7, 234, 2, 1]),)),
}


@pytest.mark.parametrize("unknown", NO_WORDS.values(), ids=NO_WORDS)
def test_a_call_of_another_shape_stays_a_call(unknown: Call) -> None:
    assert word_of(unknown) is None


@pytest.mark.parametrize("given_too", ["state", "members", "pairs", "setter"])
def test_a_call_that_is_given_more_stays_a_call(given_too: str) -> None:
    made = call("decimal", "Decimal", "1")
    setattr(made, given_too, [])
    assert word_of(made) is None


@given(st.binary(max_size=12), st.sampled_from(["datetime", "date", "time"]))
def test_any_bytes_are_a_word_that_can_be_read_back_or_none(packed: bytes, name: str) -> None:
    word = word_of(call("datetime", name, packed))
    if word is not None:
        assert call_of(word, Names()).arguments == (packed,)


def test_a_person_may_write_a_value_in_other_ways() -> None:
    names = Names()
    for value, plain in [("1e3", "1E+3"), ("+1.50", "1.50"), (" 2 ", "2"), ("1_000", "1000")]:
        assert call_of(Word("decimal", value), names).arguments == (plain,)
    for value in ("2026-11-21 10:00", "20261121T10", "2026-11-21T10:00:00.000"):
        assert call_of(Word("datetime", value), names).arguments == (
            bytes([7, 234, 11, 21, 10, 0, 0, 0, 0, 0]),
        )


@pytest.mark.parametrize(
    ("word", "message"),
    [
        (Word("date", "2026-02-31"), "expected a date such as 2026-11-21, got '2026-02-31'"),
        (Word("date", "2026-02-01 fold=1"), "expected a date such as 2026-11-21"),
        (
            Word("datetime", "soon"),
            "expected a datetime such as 2026-11-21T10:00:00, its time zone apart",
        ),
        (Word("datetime", "2026-11-21T10:00:00Z"), "its time zone apart"),
        (Word("time", "\ud800"), "expected a time such as 10:00:00"),
        (Word("decimal", "1,5"), "expected a decimal number such as 1.50, got '1,5'"),
        (Word("decimal", "x" * 1000), "x{70}"),
        (Word("method", "name"), "a method needs the object that it is bound to"),
        (Word("method", "", 1), "expected the name of a method, got nothing"),
        (Word("module", ""), "expected the name of a module, got nothing"),
        (Word("date", "2026-01-01", 1), "nothing belongs to a date"),
        (Word("decimal", "1", 1), "nothing belongs to a decimal"),
        (Word("module", "os", 1), "nothing belongs to a module"),
    ],
)
def test_a_value_that_is_none_is_refused_with_an_example(word: Word, message: str) -> None:
    with pytest.raises(WordError, match=message) as caught:
        call_of(word, Names())
    assert len(str(caught.value)) < 200


def test_the_context_of_decimals_does_not_matter() -> None:
    with decimal.localcontext() as context:
        context.prec = 2
        context.traps[decimal.InvalidOperation] = False
        assert call_of(Word("decimal", "1.23456"), Names()).arguments == ("1.23456",)
        with pytest.raises(WordError):
            call_of(Word("decimal", "abc"), Names())
