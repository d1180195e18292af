"""A stream to a graph and back to a stream: the same objects, and nobody's code run for it."""

import contextlib
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perdure.persist import opcodes
from perdure.persist.capture import CaptureError, capture
from perdure.persist.deep import DeepPickler
from perdure.persist.graph import Call, Graph, GraphError, Instance, Names, instance_of
from perdure.persist.graphstream import read, write
from perdure.persist.isomorphism import difference
from perdure.persist.opcodes import StreamError

from . import models
from .graphs import assert_same, graphs, leaves
from .models import Link, Plain, Reduced
from .rows import ROWS
from .streams import called, named, number, stream, text

MODELS = models.__name__


def back(data: bytes) -> Any:
    return pickle.loads(write(read(data)))


@given(graphs())
def test_objects_go_through_a_graph_unchanged(root: list[Any]) -> None:
    # Once by pickle alone: what pickle itself does not keep is not ours to keep.
    data = capture(pickle.loads(capture(root).stream)).stream
    again = back(data)
    assert_same(pickle.loads(data), again)
    assert difference(read(data), read(write(read(data)))) is None


@given(st.recursive(leaves, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_trees_of_values_go_through_a_graph_unchanged(root: Any) -> None:
    assert_same(root, back(capture(root).stream))


@pytest.mark.parametrize("make", ROWS.values(), ids=ROWS)
@pytest.mark.parametrize("protocol", [4, 5])
def test_every_kind_of_object_goes_through_a_graph(
    make: Callable[[], object], protocol: int
) -> None:
    data = pickle.dumps(make(), protocol)
    first = read(data)
    again = write(first)
    assert difference(first, read(again)) is None
    assert (
        difference(
            read(pickle.dumps(pickle.loads(data), 5)), read(pickle.dumps(pickle.loads(again), 5))
        )
        is None
    )


@pytest.mark.parametrize("make", ROWS.values(), ids=ROWS)
def test_the_slow_way_writes_the_same_graph(make: Callable[[], object]) -> None:
    data = capture(make()).stream
    assert difference(read(data), read(DeepPickler().dump(pickle.loads(data)))) is None
    graph = read(data)
    chain: Any = None
    for _ in range(2000):
        chain = [chain]
    deep = Graph([graph.root, chain], graph.names)
    assert difference(graph, Graph(read(write(deep)).root[0], graph.names)) is None


# What a graph is made of.


def test_an_instance_is_told_from_a_call() -> None:
    made, also = read(capture([Plain(a=1), Reduced("b")]).stream).root
    assert isinstance(made, Instance)
    assert (made.module, made.name, made.arguments, made.state) == (MODELS, "Plain", (), {"a": 1})
    assert type(also) is Call
    assert str(also.function) == f"{MODELS}:Reduced"


def test_a_state_setter_is_kept_with_its_state() -> None:
    made = Reduced("a")
    made.state = {"self": made}
    also = Reduced("b")
    first, second, again = read(capture([made, also, made]).stream).root
    assert str(first.setter) == f"{MODELS}:set_reduced"
    assert first.state["self"] is first is again
    # Its state is None: a pickler then calls no setter.
    assert second.setter is second.state is None


def test_what_is_called_may_be_an_object() -> None:
    setter = called(named("functools", "partial"), named(MODELS, "set_reduced"))
    made = called(named(MODELS, "Reduced"), text("a")) + pickle.MEMOIZE
    data = stream(made, setter, pickle.BINGET + b"\0", text("the state"), opcodes.SETTER)
    (graph, loaded) = (read(data), back(data))
    assert type(graph.root.setter) is Call
    assert loaded.state == "the state"
    assert type(read(stream(called(setter))).root.function) is Call


def test_an_object_built_twice_is_one_without_a_setter() -> None:
    """A pickler builds anew what it met inside its own arguments, and drops the first: no setter."""
    again = read(capture(ROWS["an_object_among_its_own_arguments"]()).stream).root
    assert again.setter is None
    assert all(each[0] is again for each in again.arguments)


def test_two_different_states_are_refused() -> None:
    def state(name: str) -> bytes:
        return pickle.EMPTY_DICT + text(name) + number(1) + pickle.SETITEM + pickle.BUILD

    made = named("a", "A") + pickle.EMPTY_TUPLE + pickle.NEWOBJ
    assert read(stream(made, state("x"), state("x"))).root.state == {"x": 1}
    with pytest.raises(StreamError, match="two different states"):
        read(stream(made, state("x"), state("y")))


def test_names_of_all_lengths_and_letters_are_kept() -> None:
    names = Names()
    found = [names.find("m" * length, "n" * length) for length in (1, 255, 256, 70_000)]
    found.append(names.find("\ud800é", "ü.\udfff"))
    again = read(write(Graph(found, names)))
    assert [(each.module, each.name) for each in again.root] == [
        (each.module, each.name) for each in found
    ]
    assert again.names.find("m", "n") is again.root[0]


def test_keywords_may_have_any_name() -> None:
    names = Names()
    made = instance_of(names.find("a", "A"), 1, cls=2, self=3, kind=4)
    again = read(write(Graph(made, names))).root
    assert (again.arguments, again.keywords) == ((1,), {"cls": 2, "self": 3, "kind": 4})


@pytest.mark.parametrize("depth", [100_000])
@pytest.mark.parametrize("kind", ["instances", "lists", "tuples", "dicts", "sets", "calls"])
def test_no_depth_is_too_great(kind: str, depth: int) -> None:
    names = Names()
    made: Any = None
    for _ in range(depth):
        match kind:
            case "instances":
                made = instance_of(names.find("a", "A"), made)
            case "lists":
                made = [made]
            case "tuples":
                made = (made,)
            case "dicts":
                made = {"inner": made}
            case "sets":
                made = frozenset([made])
            case _:
                made = Call(names.find("a", "A"), (made,))
    first = Graph(made, names)
    again = read(write(first), trusted=kind == "sets")
    assert difference(first, again) is None


def test_captured_objects_of_any_depth_come_back() -> None:
    made: Any = None
    for _ in range(100_000):
        made = Link(made)
    made = back(capture(made).stream)
    depth = 0
    while made is not None:
        made = made.after
        depth += 1
    assert depth == 100_000


# What cannot be written.


def test_a_call_of_itself_is_refused_with_its_place() -> None:
    names = Names()
    made = Call(names.find("a", "f"), ())
    made.arguments = (1, (made,))
    with pytest.raises(GraphError, match=r"^application\[key\]\[1\]: it contains itself"):
        write(Graph({"key": [0, made]}, names))
    made.arguments = ([made],)
    assert read(write(Graph(made, names))).root.arguments[0][0].function.name == "f"


def test_a_live_object_made_from_itself_is_refused() -> None:
    for kind in (models.MadeFromItself, models.MadeFromAList):
        with pytest.raises(CaptureError, match="its parts never end"):
            capture(kind())


def test_a_node_of_an_impossible_shape_is_refused() -> None:
    names = Names()
    with pytest.raises(GraphError):
        write(Graph(Call("text", ()), names))
    made = Call(names.find("a", "A"), ())
    made.setter = names.find("a", "f")
    with pytest.raises(GraphError, match="a state setter, but no state"):
        write(Graph(made, names))


def test_a_tuple_with_a_thousand_lists_that_hold_it_is_written() -> None:
    rows: list[list[Any]] = [[number] for number in range(1000)]
    whole = tuple(rows)
    for each in rows:
        each.append(whole)
    again = read(capture(whole).stream)
    assert difference(again, read(write(again))) is None


# What is refused when it is read.

A_CLASS = b"\x8c\x01a\x8c\x01b\x93"
TRAPS = {
    "nothing": b"",
    "an old protocol": pickle.dumps([1], 2),
    "a newer protocol": b"\x80\x06N.",
    "a persistent id": stream(text("a"), pickle.BINPERSID),
    "a persistent id in text": stream(pickle.PERSID, b"1\n"),
    "an extension": stream(pickle.EXT1, b"\1"),
    "a long extension": stream(pickle.EXT4, b"\1\0\0\0"),
    "an old name": stream(pickle.GLOBAL, b"os\nsystem\n"),
    "an old instance": stream(pickle.MARK, pickle.INST, b"os\nsystem\n"),
    "a buffer from elsewhere": stream(pickle.NEXT_BUFFER),
    "a read-only buffer": stream(pickle.EMPTY_LIST, pickle.READONLY_BUFFER),
    "a numbered memo": stream(pickle.EMPTY_LIST, pickle.LONG_BINPUT, b"\xff\xff\xff\x7f"),
    "a terabyte": stream(pickle.BINBYTES8, (1 << 40).to_bytes(8, "little")),
    "a terabyte's frame": stream(pickle.FRAME, (1 << 40).to_bytes(8, "little"), pickle.NONE),
    "no end": b"\x80\x05N",
    "more after the end": stream(pickle.NONE) + b".",
    "an empty stack": stream(),
    "a mark and nothing": stream(pickle.MARK),
    "an empty name": stream(named("", "a")),
    "a name that is a number": stream(text("a"), number(1), pickle.STACK_GLOBAL),
    "a call of a text": stream(called(text("a"))),
    "a new object of no class": stream(text("a"), pickle.EMPTY_TUPLE, pickle.NEWOBJ),
    "a state of a list": stream(pickle.EMPTY_LIST, number(1), pickle.BUILD),
    "a state of a class": stream(A_CLASS, pickle.EMPTY_DICT, pickle.BUILD),
    "members of a class": stream(A_CLASS, pickle.MARK, number(1), pickle.APPENDS),
    "members of a number": stream(number(1), number(2), pickle.APPEND),
    "additions to an object": stream(called(A_CLASS), pickle.MARK, number(1), pickle.ADDITEMS),
    "a setter of no state": stream(called(A_CLASS), A_CLASS, called(A_CLASS), b"N", opcodes.SETTER),
    "a setter for a number": stream(number(1), A_CLASS, number(1), number(2), opcodes.SETTER),
    "a key that changes": stream(b"}", pickle.EMPTY_LIST, number(1), pickle.SETITEM),
    "a reference to nothing": stream(pickle.BINGET, b"\5"),
    "text that is none": stream(pickle.SHORT_BINUNICODE, b"\1\xff"),
    "a million tuples for a key": stream(b"}N", b"\x85" * 1_000_000, b"Ns"),
    "a key of 2 ** 60 parts": stream(
        b"}N\x94", *(b"0h%ch%c\x86\x94" % (n, n) for n in range(60)), b"Ns"
    ),
    "one long key again and again": stream(
        b"(", b"N" * 100_000, b"t\x94", b"}", b"h\0Ns" * 100_000
    ),
}  # fmt: skip


@pytest.mark.parametrize("trap", TRAPS.values(), ids=TRAPS)
@pytest.mark.timeout(20)
def test_what_no_pickler_writes_is_refused(trap: bytes) -> None:
    with pytest.raises(StreamError):
        read(trap)


def test_the_extension_registry_is_left_alone() -> None:
    """A name read inertly through it would be what the next real unpickler gets."""
    with pytest.raises(StreamError, match="the opcode 0x82 is not one we write"):
        read(TRAPS["an extension"])


VALID = [pickle.dumps(make(), protocol) for make in ROWS.values() for protocol in (4, 5)]
OPCODES = sorted({code[0] for code in vars(pickle).values() if type(code) is bytes and code})
SHORT = [data for data in VALID if len(data) < 20_000]


@given(st.data())
@settings(max_examples=300)
def test_a_damaged_stream_gives_a_graph_or_our_error(data: st.DataObject) -> None:
    damaged = bytearray(data.draw(st.sampled_from(SHORT)))
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(damaged) - 1))
        match data.draw(st.integers(0, 3)):
            case 0:
                damaged[place] = data.draw(st.integers(0, 255))
            case 1:
                del damaged[place : place + data.draw(st.integers(1, 9))]
            case 2:
                damaged[place:place] = data.draw(st.binary(max_size=9))
            case _:
                damaged[place] = data.draw(st.sampled_from(OPCODES))
        if not damaged:
            return
    try:
        graph = read(bytes(damaged))
    except StreamError:
        return
    try:
        again = write(graph)
    except GraphError:
        return
    assert difference(graph, read(again)) is None


@given(st.binary(max_size=40))
def test_bytes_are_a_graph_or_our_error(body: bytes) -> None:
    for data in (body, b"\x80\x05" + body, b"\x80\x05" + body + b"."):
        with contextlib.suppress(StreamError):
            read(data)


WATCHED = """
import sys
from perdure.persist.graphstream import read, write
from perdure.persist.isomorphism import difference
from perdure.persist.survey import survey
stream = open(sys.argv[1], "rb").read()
first = read(stream)
difference(first, read(write(first)))
events = []
sys.addaudithook(lambda event, arguments: events.append(event))
first = read(stream)
second = read(write(first))
survey(first.root)
same = difference(first, second)
found = set(events)
print(same, sorted(found - {"builtins.id"}), first.root[1])
"""


def test_reading_imports_nothing_opens_nothing_and_looks_nothing_up(tmp_path: Path) -> None:
    """Its classes do not exist, or would leave a trace if they were imported."""
    (tmp_path / "traced.py").write_text("open('trace', 'w').close()\n")
    gone = called(named("no.such.module", "f"), named("traced", "A"), text("a")) + pickle.MEMOIZE
    fields = pickle.EMPTY_DICT + text("a") + number(1) + pickle.SETITEM + pickle.BUILD
    setter = named("traced", "set") + pickle.BINGET + b"\0" + number(1) + opcodes.SETTER
    data = stream(pickle.MARK, gone, fields, setter, named("os", "system"), b"t")
    path = tmp_path / "data"
    path.write_bytes(data)
    done = subprocess.run(
        [sys.executable, "-c", WATCHED, path],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stderr == ""
    assert done.stdout == "None [] os:system\n"
    assert not (tmp_path / "trace").exists()
