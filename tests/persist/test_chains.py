"""One graph in every syntax, and through every chain of two conversions: nothing is lost or added."""

import os
import subprocess
import sys
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perdure.persist import mandate
from perdure.persist.capture import capture
from perdure.persist.content import Content
from perdure.persist.formats import table
from perdure.persist.formats.format import Format
from perdure.persist.graph import Call, Graph, Names, Node, instance_of
from perdure.persist.isomorphism import difference
from perdure.persist.passport import FORMAT, Passport
from perdure.persist.restore import restore
from perdure.persist.trust import Policy

from .graphs import assert_same, graphs, leaves
from .models import Link
from .rows import ROWS

FORMATS = list(table.formats())
TEXTS = FORMATS[1:]
CHAINS = list(product(FORMATS, repeat=2))
formats = pytest.mark.parametrize("form", FORMATS, ids=lambda form: form.name)
texts = pytest.mark.parametrize("form", TEXTS, ids=lambda form: form.name)
chains = pytest.mark.parametrize(
    "chain", CHAINS, ids=lambda chain: " to ".join(form.name for form in chain)
)
EVERYTHING = Policy.everything()


def passport_of(graph: Graph) -> Passport:
    return Passport(
        format=FORMAT,
        application="web",
        holds="state",
        written="2026-11-21T10:00:00Z",
        writer="perdure",
        python="3",
        names=mandate.names_of(graph),
    )


def encoded(form: Format, content: Content) -> bytes:
    return b"".join(form.encode(passport_of(content.graph), content, None))


def through(chain: tuple[Format, ...], content: Content) -> Content:
    for form in chain:
        data = encoded(form, content)
        assert table.detect(data[: table.HEAD]) == form
        content = form.decode(data).content
    return content


def check(chain: tuple[Format, ...], root: object) -> None:
    """The graph is the same, and so are the objects restored from it."""
    first = Content.of_stream(capture(root).stream)
    last = through(chain, first)
    assert difference(first.graph, last.graph) is None
    assert difference(first.graph, Content.of_stream(last.stream).graph) is None


@given(graphs())
@settings(max_examples=60)
@chains
def test_any_objects_survive_any_chain(chain: tuple[Format, Format], root: list[Any]) -> None:
    # What pickle itself makes of them: it, too, has its ways with what is inside its own arguments.
    data = capture(restore(capture(root).stream, EVERYTHING)).stream
    first = Content.of_stream(data)
    last = through(chain, first)
    assert difference(first.graph, last.graph) is None
    assert_same(restore(data, EVERYTHING), restore(last.stream, EVERYTHING))


@given(st.recursive(leaves, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
@settings(max_examples=60)
@texts
def test_trees_of_values_survive(form: Format, root: Any) -> None:
    check((form,), root)


keys = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=3).map(tuple) | st.frozensets(inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(keys, st.integers(), max_size=6), st.sets(keys, max_size=6))
@settings(max_examples=60)
@texts
def test_keys_and_members_of_all_kinds_survive(form: Format, table: Any, members: Any) -> None:
    check((form,), [table, members, frozenset(members)])


@chains
@pytest.mark.parametrize("make", ROWS.values(), ids=ROWS)
def test_every_kind_of_object_survives(
    make: Callable[[], object], chain: tuple[Format, Format]
) -> None:
    check(chain, make())


# Graphs that no objects of ours have, but which a stream may hold.


@st.composite
def inert_graphs(draw: st.DrawFn) -> Graph:
    """Nodes with any parts at all, which refer to each other in any way that can be built."""
    names = Names()
    words = st.text(min_size=1, max_size=8)
    known = st.sampled_from(["a", "visits", "a.b", "Outer.Inner", "é", "class", "<locals>", "x_1"])
    kinds = [names.find(draw(known), draw(known)) for _ in range(3)]
    pool: list[Any] = [*kinds, None, "x" * 101, b"y" * 101, [], {}, bytearray(b"z")]
    nodes: list[Any] = []
    some = st.lists(st.integers(0, 1 << 30), max_size=3)
    for _ in range(draw(st.integers(1, 8))):
        inner = [pool[number % len(pool)] for number in draw(some)]
        match draw(st.integers(0, 5)):
            case 0:
                nodes.append(instance_of(draw(st.sampled_from(kinds)), *inner))
            case 1:
                fields = dict(zip(draw(st.lists(words, unique=True)), inner, strict=False))
                nodes.append(instance_of(draw(st.sampled_from(kinds)), **fields))
            case 2:
                nodes.append(Call(draw(st.sampled_from(kinds + nodes)), tuple(inner)))
            case 3:
                pool.append(tuple(inner))
            case 4:
                pool.append({f"key {number}": part for number, part in enumerate(inner)})
            case _:
                pool.append(list(inner))
        pool += nodes[-1:]
    nodes = [node for node in nodes if isinstance(node, Node)]
    for node in nodes:
        parts = [pool[number % len(pool)] for number in draw(some)]
        for part in draw(st.sets(st.sampled_from(["state", "setter", "members", "pairs"]))):
            match part:
                case "state":
                    states = [*parts, dict.fromkeys(draw(st.lists(words)), node), (None, {"a": 1})]
                    node.state = draw(st.sampled_from(states))
                case "setter":
                    node.state, node.setter = parts, draw(st.sampled_from(kinds))
                case "members":
                    node.members = parts or None
                case _:
                    node.pairs = [(part, node) for part in parts] or None
        if node.state is None:
            node.setter = None
    return Graph([pool, set(nodes), frozenset(nodes[:2])], names)


@given(inert_graphs())
@settings(max_examples=100)
@formats
def test_any_graph_survives(form: Format, graph: Graph) -> None:
    content = Content.of_graph(graph)
    assert difference(graph, form.decode(encoded(form, content)).content.graph) is None


def deep(kind: str, depth: int) -> Graph:
    names = Names()
    made: Any = None
    for number in range(depth):
        match kind:
            case "instances":
                before, made = made, instance_of(names.find("a", "A"))
                made.state = {"inner": before}
            case "arguments":
                made = instance_of(names.find("a", "A"), made)
            case "calls":
                made = Call(names.find("a", "f"), (made,))
            case "lists":
                made = [made]
            case "tuples":
                made = (made, number)
            case "dicts":
                made = {"inner": made}
            case "sets":
                made = frozenset([made])
            case "methods":
                made = Call(names.find("builtins", "getattr"), (made or 1, "real"))
            case _:
                before, made = made, instance_of(names.find("a", "A"))
                made.members, made.pairs = [before], [("key", before)]
    return Graph(made, names)


@formats
@pytest.mark.parametrize(
    "kind",
    [
        *("instances", "arguments", "calls", "lists", "tuples", "dicts", "sets", "methods"),
        "members",
    ],
)
def test_no_depth_is_too_great(kind: str, form: Format) -> None:
    graph = deep(kind, 100_000)
    content = Content.of_graph(graph)
    assert difference(graph, form.decode(encoded(form, content)).content.graph) is None


@chains
def test_live_objects_of_great_depth_survive(chain: tuple[Format, Format]) -> None:
    made: Any = None
    for _ in range(100_000):
        made = Link(made)
    last: Any = restore(through(chain, Content.of_stream(capture(made).stream)).stream, EVERYTHING)
    depth = 0
    while last is not None:
        last = last.after
        depth += 1
    assert depth == 100_000


# The same graph, the same text.


@texts
@pytest.mark.parametrize("make", ROWS.values(), ids=ROWS)
def test_a_text_read_and_written_again_is_the_same_text(
    make: Callable[[], object], form: Format
) -> None:
    first = encoded(form, Content.of_stream(capture(make()).stream))
    assert encoded(form, form.decode(first).content) == first
    for other in FORMATS:
        content = through((other,), Content.of_stream(capture(make()).stream))
        assert encoded(form, content) == first


WRITER = """
import hashlib, sys
from perdure.persist import mandate
from perdure.persist.content import Content
from perdure.persist.formats import table
from perdure.persist.passport import Passport
padding = [object() for _ in range(int(sys.argv[2]))]
content = Content.of_stream(open(sys.argv[1], "rb").read())
passport = Passport(
    format=1, application="web", holds="state", written="", writer="", python="",
    names=mandate.names_of(content.graph),
)
for name in table.SUFFIXES:
    if name != "pickle":
        text = b"".join(table.by_name(name).encode(passport, content, None))
        print(name, len(text), hashlib.sha256(text).hexdigest())
"""


def test_the_text_depends_neither_on_the_hash_seed_nor_on_addresses(tmp_path: Path) -> None:
    path = tmp_path / "stream"
    path.write_bytes(capture([make() for make in ROWS.values()]).stream)
    said = {
        subprocess.run(
            [sys.executable, "-c", WRITER, path, str(int(seed) * 997)],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            timeout=100,
            check=True,
        ).stdout
        for seed in ("0", "1", "2", "3")
    }
    assert len(said) == 1
    assert len(said.pop().splitlines()) == len(TEXTS)
