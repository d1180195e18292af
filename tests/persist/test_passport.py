"""The line of JSON that says what a snapshot holds."""

import json
import re

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure.persist.passport import LAST_SEQUENCE, Passport, PassportError
from perdure.persist.shapes import UNKNOWN, Shape

from ..passport import PASSPORT

FULL = attrs.evolve(
    PASSPORT,
    names=("visits:Counter",),
    paths=("/srv/site",),
    origin="ab" * 32,
    secret={"visits:Account": ("password",)},
    sequence=7,
    classes={"visits:Counter": "3 < visits:Base; value: int"},
)
texts = st.text(st.characters(codec="utf-8"))


@given(
    st.builds(
        Passport,
        format=st.just(1),
        application=texts.map(lambda text: f"web {ascii(text).replace('/', '')}"),
        paths=st.tuples(texts, texts),
        secret=st.dictionaries(texts, st.tuples(texts)),
        sequence=st.integers(0, LAST_SEQUENCE),
        classes=st.dictionaries(texts, st.sampled_from(("1", "2; a: int", "3 < a:B"))),
    )
)
def test_it_comes_back_from_one_line_of_ascii(passport: Passport) -> None:
    line = passport.to_line()
    assert line.isascii()
    assert line.count(b"\n") == 1
    assert Passport.from_line(line) == passport
    assert Passport.from_fields(passport.fields()) == passport
    assert json.loads(json.dumps(passport.fields())) == passport.fields()


def test_it_reads_like_this() -> None:
    assert FULL.to_line() == (
        b'{"format": 1, "application": "web", "holds": "state", "written": "2026-11-21T05:47:19Z",'
        b' "writer": "perdure 0.1.0", "python": "3.11.7", "names": ["visits:Counter"],'
        b' "paths": ["/srv/site"], "origin": "' + b"ab" * 32 + b'",'
        b' "secret": {"visits:Account": ["password"]}, "sequence": 7,'
        b' "classes": {"visits:Counter": "3 < visits:Base; value: int"}}\n'
    )


def test_without_shapes_it_is_as_it_was_before_there_were_any() -> None:
    assert list(PASSPORT.fields())[-1] == "sequence"


def test_of_what_has_no_shape_nothing_is_known() -> None:
    passport = attrs.evolve(FULL, names=("visits:Counter", "visits:make"))
    assert passport.shapes == {
        "visits:Counter": Shape(3, ("visits:Base",), {"value": "int"}),
        "visits:make": UNKNOWN,
    }


def test_fields_of_a_newer_writer_are_passed_over() -> None:
    content = {**json.loads(FULL.to_line()), "later": True}
    assert Passport.from_line(json.dumps(content).encode()) == FULL


def changed(**fields: object) -> bytes:
    return json.dumps({**json.loads(FULL.to_line()), **fields}).encode()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"", "Expecting value"),
        (b"[]", "an object in braces was expected"),
        (b"{}", "format: it is missing; application: it is missing; holds: "),
        (b'{"format":' * 100_000, "recursion"),
        (b"\xff", "decode"),
        (changed(format="1"), "format: expected a whole number, got '1'"),
        (changed(format=True), "format: expected a whole number, got True"),
        (changed(sequence=-1), "sequence: expected a number from 0 to "),
        (changed(sequence=1 << 64), "sequence: expected a number from 0 to "),
        (changed(application=1), "application: expected a text, got 1"),
        (changed(application=""), "application: expected printable text"),
        (changed(application="../etc"), "application: expected printable text"),
        (changed(application="a/b"), "without / and no . in front, got 'a/b'"),
        (changed(application="a\0"), "application: expected printable text"),
        (changed(holds="nothing"), "holds: expected 'blueprint' or 'state', got 'nothing'"),
        (changed(holds=["state"]), "holds: expected 'blueprint' or 'state', got ['state']"),
        (changed(names=[1]), "names: expected a list of texts, got [1]"),
        (changed(names="visits"), "names: expected a list of texts, got 'visits'"),
        (changed(names={"visits": 1}), "names"),
        (changed(names=None), "names"),
        (changed(origin=1), "origin: expected a text, got 1"),
        (changed(secret=["visits:Account"]), "secret: expected texts, or lists of them, by names"),
        (changed(secret={"a": "b"}), "secret['a']: expected a list of texts, got 'b'"),
        (changed(secret={"visits:Account": [1]}), "secret"),
        (changed(classes={"a": 1}), "classes['a']: expected a text, got 1"),
        (changed(classes={"a": "x"}), "classes: expected a version and fields, such as"),
        (changed(format=0), "format"),
        (changed(format=12), "its format is 12, and this Perdure reads up to 1; take a newer"),
    ],
    ids=lambda value: value[:20],
)
def test_a_line_that_is_no_passport_is_refused(line: bytes, message: str) -> None:
    with pytest.raises(PassportError, match=re.escape(message)):
        Passport.from_line(line)


def test_a_passport_does_not_change() -> None:
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        FULL.format = 2  # type: ignore[misc]
