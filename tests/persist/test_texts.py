"""What both text syntaxes promise: all of a graph comes back, and the same graph is the same text."""

import pathlib
import pickle
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perdure.persist.formats import table
from perdure.persist.formats.format import FormatError
from perdure.persist.graph import Call, Graph, Names, instance_of
from perdure.persist.isomorphism import difference

from . import models
from .graphs import graphs
from .texts import WHAT_THE_ORIGINAL_LOST, assert_survives, graph_of, read, text_of

syntaxes = pytest.mark.parametrize("syntax", list(table.SUFFIXES)[1:])


@syntaxes
@pytest.mark.parametrize("name", WHAT_THE_ORIGINAL_LOST)
def test_what_the_original_lost_survives(name: str, syntax: str) -> None:
    assert_survives(graph_of(WHAT_THE_ORIGINAL_LOST[name]), syntax)


@syntaxes
def test_every_part_of_a_reduction_survives(syntax: str) -> None:
    reduced = models.Reduced("name")
    reduced.members, reduced.pairs, reduced.state = [1, reduced], {(1,): reduced}, {"a": reduced}
    assert_survives(graph_of([reduced, reduced]), syntax)


@syntaxes
def test_empty_parts_of_a_node_are_not_missing_ones(syntax: str) -> None:
    names = Names()
    call = Call(names.find("functools", "partial"), ())
    call.members, call.pairs, call.state = [], [], {}
    assert_survives(Graph([call, Call(call, ())], names), syntax)


@syntaxes
def test_what_a_stream_calls_may_be_an_object(syntax: str) -> None:
    names = Names()
    maker = Call(names.find("functools", "partial"), (names.find("visits", "make"),))
    call = Call(maker, (1,))
    call.members, call.pairs = [], []
    assert_survives(Graph([call, maker, Call(maker, ())], names), syntax)


@syntaxes
def test_keywords_may_be_anything(syntax: str) -> None:
    names = Names()
    kind = names.find("visits", "Counter")
    first = instance_of(kind, (1,), [2], pages={"/": 1}, names={"a"}, make=kind)
    second = instance_of(kind, **{"class": {1: [first]}, "a b": frozenset({1})})
    assert_survives(Graph([first, second], names), syntax)


def _link(kind: str, inner: Any, names: Names) -> Any:
    if kind == "lists":
        return [inner]
    if kind == "tuples":
        return inner, 1
    if kind == "sets":
        return frozenset({inner, 1})
    named = names.find("visits", "Link")
    if kind == "calls":
        return Call(named, (inner,))
    made = instance_of(named)
    made.state = {"after": inner}
    return {made: 2} if kind == "keys" else made


@syntaxes
@pytest.mark.parametrize("kind", ["instances", "lists", "tuples", "calls", "sets", "keys"])
def test_depth_has_no_limit(kind: str, syntax: str) -> None:
    names = Names()
    root: Any = ()
    # Deep sets are refused everywhere for what it may cost to compare them (see `keys`).
    for _ in range(2_000 if kind == "sets" else 100_000):
        root = _link(kind, root, names)
    text = text_of(Graph(root, names), syntax)
    assert text_of(read(text, syntax), syntax) == text


@syntaxes
@settings(max_examples=60)
@given(root=graphs())
def test_any_objects_survive(root: list[Any], syntax: str) -> None:
    assert_survives(graph_of(root), syntax)


@syntaxes
@given(root=st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.binary()
    | st.text(st.characters(codec=None)) | st.text("&<>\"'\\\r\n\t\0\x85 ]", max_size=120)
    | st.text("\\'\"\n\r\0 ab", min_size=90, max_size=120),
    lambda inner: st.lists(inner) | st.lists(inner).map(tuple)
    | st.dictionaries(st.text() | st.floats(allow_nan=False), inner),
))  # fmt: skip
def test_any_values_survive(root: Any, syntax: str) -> None:
    again = read(assert_survives(Graph(root, Names()), syntax), syntax)
    assert repr(again.root) == repr(root)


@syntaxes
@given(
    module=st.text(st.characters(codec=None), min_size=1),
    name=st.text(st.characters(codec=None), min_size=1),
)
def test_any_name_survives_or_is_refused(module: str, name: str, syntax: str) -> None:
    names = Names()
    graph = Graph([names.find(module, name), instance_of(names.find(module, name))], names)
    try:
        text = text_of(graph, syntax)
    except FormatError:
        assert ":" in name or syntax == "xml"
    else:
        assert difference(graph, read(text, syntax)) is None


@syntaxes
def test_the_text_does_not_depend_on_the_hash_seed(syntax: str) -> None:
    program = (
        "from tests.persist.texts import graph_of, text_of\n"
        "root = [{'b', 'a', 'c'}, frozenset({'x', 'y', (1, 'z')}), {('t', 's'), 'u'}]\n"
        f"print(text_of(graph_of(root), {syntax!r}))"
    )
    texts = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": str(pathlib.Path(__file__).parents[2])},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(texts) == 1


@syntaxes
def test_the_same_graph_gives_the_same_text(syntax: str) -> None:
    root = [models.Plain(value=number, names={f"a{number}", "b"}) for number in range(9)]
    again = pickle.loads(pickle.dumps(root))
    assert text_of(graph_of(root), syntax) == text_of(graph_of(again), syntax)
