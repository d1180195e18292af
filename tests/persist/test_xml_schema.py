"""The schema of the XML syntax: it allows all that is written, and finds every mistake at once."""

import tracemalloc
from typing import Any

import pytest
from hypothesis import given, settings
from lxml import etree

from perdure.persist.content import Content
from perdure.persist.formats import xmlcheck, xmltree
from perdure.persist.formats.format import FormatError
from perdure.persist.graph import Graph, Names
from perdure.persist.trust import Signer

from ..passport import PASSPORT
from .graphs import graphs
from .test_xml import GOLDEN, text_of
from .test_xml_edits import HEAD, VALUES, WRONG
from .texts import WHAT_THE_ORIGINAL_LOST, graph_of


def problems(text: str) -> list[str]:
    return [str(error) for error in xmlcheck.check(text.encode())]


def only_schema(text: str) -> bool:
    """Whether the shipped schema by itself, in one piece, allows `text`."""
    whole, _ = xmlcheck.schemas()
    return bool(whole.validate(etree.fromstring(text.encode(), etree.XMLParser(huge_tree=True))))


@settings(max_examples=60)
@given(graphs())
def test_whatever_is_written_is_valid(root: list[Any]) -> None:
    text = text_of(graph_of(root))
    assert problems(text) == []
    assert only_schema(text)


@pytest.mark.parametrize("name", WHAT_THE_ORIGINAL_LOST)
def test_what_the_original_lost_is_valid(name: str) -> None:
    assert only_schema(text_of(graph_of(WHAT_THE_ORIGINAL_LOST[name])))


def test_a_signed_file_is_valid(signer: Signer) -> None:
    data = b"".join(xmltree.encode(PASSPORT, Content.of_graph(graph_of([1])), signer))
    assert b"<signature" in data
    assert only_schema(data.decode())
    assert only_schema(GOLDEN)


@pytest.mark.parametrize(("text", "value"), VALUES)
def test_what_a_person_may_write_is_valid(text: str, value: Any) -> None:
    assert problems(f"{HEAD}{text}</snapshot>") == []
    assert only_schema(f"{HEAD}{text}</snapshot>")


# What the schema cannot know: the reader finds it.
_BEYOND = (
    "too long for decimal", "too large for a float", "base64", "there twice", "must not change",
    "reference=", "nothing defines", "given to two", "refers to itself", "Unicode", "date such as",
    "expected ASCII", "nan:0000", "\\Uffffffff",
)  # fmt: skip


@pytest.mark.parametrize(
    ("text", "said"),
    [each for each in WRONG if not any(word in "".join(each) for word in _BEYOND)],
)
def test_the_schema_by_itself_refuses_the_same(text: str, said: str) -> None:
    try:
        assert not only_schema(f"{HEAD}{text}</snapshot>")
    except etree.XMLSyntaxError:
        assert (
            "expected </list>" in said
            or "attribute is there twice" in said
            or "entities" in said
            or "well-formed" in said
        )


@pytest.mark.parametrize(("text", "said"), WRONG)
def test_the_first_problem_is_told_in_the_words_of_the_reader(text: str, said: str) -> None:
    assert problems(f"{HEAD}{text}</snapshot>")[0] == said


def test_all_problems_are_told() -> None:
    text = (
        '<list>\n<int value="5x"/>\n<strin/>\n<dictionary>\n<int value="4"/></dictionary>\n'
        "<list><none>\n<none/></none></list>\n"
        '<instance class="x.y"><none/><none/></instance>\n'
        '<dictionary><string role="key" value="a"/><bool role="key" value="1"/></dictionary>\n'
        '<copyreg loadfunc="a.b"><members/></copyreg></list>'
    )
    assert problems(f"{HEAD}{text}</snapshot>") == [
        "3:1: application[0]: expected a whole number such as 5, got '5x'",
        "4:1: there is no element <strin>; is <string> meant?",
        '5:1: expected a key (role="key"), or the end of <dictionary>; got the value <int>',
        "7:7: <none> stands in an element that has no inside; is a / missing before its >?",
        "9:1: there is one state in <instance>; <none> is a second one",
        "10:43: expected true or false, got '1'",
        "11:1: expected <tuple>, the arguments of the call; got <members>",
    ]


def test_a_wrong_passport_is_told_in_words() -> None:
    text = (
        f"{HEAD.replace('state', 'stat').replace(' writer', chr(10) + ' writer')}<list/></snapshot>"
    )
    said = "the passport is wrong: holds: expected 'blueprint' or 'state', got 'stat'"
    assert problems(text) == [f"1: {said}"]
    assert problems(text.replace("<list/>", "<lisp/>")) == [
        f"1:22: {said}",
        "3:1: application: there is no element <lisp>; is <list> meant?",
    ]


def test_problems_are_told_in_the_order_of_the_file() -> None:
    known = '<list>\n<int value="x"/>\n</list>'
    text = f'{HEAD}<list>\n<dictionary>{known}</dictionary>\n<int\nvalue="y"/><date/></list></snapshot>'
    assert problems(text) == [
        '3:13: application[0]: expected a key (role="key"), or the end of <dictionary>; got the value <list>',
        "4:1: expected a whole number such as 5, got 'x'",
        "6:1: expected a whole number such as 5, got 'y'",
        '7:12: <date> needs an attribute value: write <date value="2026-11-21"/>',
    ]
    assert [error.column for error in xmlcheck.check(text.encode("utf-16"))] == [
        13,
        None,
        None,
        None,
    ]


def test_no_problem_is_told_twice() -> None:
    text = f"{HEAD}<list>\n and </list></snapshot>"
    assert problems(text) == ["3:1: application[0]: no text may stand here, got 'and'"]


def test_there_is_an_end_to_all_problems() -> None:
    unknown = "<x/>\n" * 1000
    assert len(problems(f"{HEAD}<list>{unknown}</list></snapshot>")) == 100


def test_no_entity_is_looked_at() -> None:
    text = f'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]>{HEAD}<list/></snapshot>'
    (problem,) = problems(text)
    assert "no DOCTYPE" in problem


def test_a_large_file_is_never_in_memory_whole() -> None:
    root = [{f"key{number}": [number] * 5 for number in range(10)} for _ in range(1500)]
    data = text_of(Graph(root, Names())).encode()
    tracemalloc.start()
    try:
        assert xmlcheck.check(data) == []
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 4 * len(data)


def test_problems_in_a_large_file_have_their_lines() -> None:
    text = text_of(Graph([{number: "a"} for number in range(30_000)], Names()))
    wrong = text.replace('value="29998"', 'value="x"').replace('value="29999"', 'value="y"')
    assert [error.line for error in xmlcheck.check(wrong.encode())] == [119_998, 120_002]
    dense = [f'<list>{"<none/>" * 8}<int value="{number}"/></list>' for number in range(70_000)]
    text = "\n".join([f"{HEAD}<list>", *dense, "</list></snapshot>"])
    wrong = text.replace('"69998"', '"x"')
    assert [error.line for error in xmlcheck.check(wrong.encode())] == [70_001]
    wrong = wrong.replace('"69999"', '"y"')
    assert [error.line for error in xmlcheck.check(wrong.encode())] == [70_001, None]


def test_an_error_is_the_same_for_all() -> None:
    (error,) = xmlcheck.check(f"{HEAD}<int/></snapshot>".encode())
    assert isinstance(error, FormatError)
    assert (error.line, error.column, error.place) == (2, 1, "application")
