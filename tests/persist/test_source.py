"""The source syntax: what it looks like, and that all of a graph comes back from it."""

import ast
import subprocess
import sys
import tracemalloc
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure.persist.content import Content
from perdure.persist.formats import source, table
from perdure.persist.formats.format import FormatError
from perdure.persist.formats.sourcenames import HEAD
from perdure.persist.graph import Call, Graph, Names, instance_of
from perdure.persist.trust import Signer

from ..passport import PASSPORT
from . import inertgraphs, models, texts
from .texts import graph_of, nested


def text_of(graph: Graph) -> str:
    return texts.text_of(graph, "source")


def assert_survives(graph: Graph) -> str:
    return texts.assert_survives(graph, "source")


def application(root: object) -> str:
    """What the file says of `root`, as it was captured."""
    return text_of(graph_of(root)).partition("\napplication = ")[2]


def test_a_file_reads_like_python(signer: Signer) -> None:
    names = Names()
    counter = instance_of(names.find("visits", "Counter"))
    counter.state = {
        "value": 41,
        "pages": ["/", "/about", "/a/page/of/another/name"],
        "self": counter,
    }
    log = instance_of(names.find("visits", "Outer.Inner"), 1, size=3)
    log.members = [1, {}]
    log.pairs = [("a", [5]), ((1, 2), counter)]
    log.setter = names.find("visits", "set_state")
    log.state = (None, {"left": counter})
    since = Call(
        names.find("datetime", "datetime"), (datetime(2026, 11, 21, 10).__reduce_ex__(5)[1][0],)
    )
    queue = Call(names.find("collections", "deque"), ([], 9))
    queue.members = [1, 2]
    flush = Call(names.find("builtins", "getattr"), (counter, "flush"))
    root = instance_of(names.find("perdure.app.application", "Application"))
    root.state = {
        "name": "web",
        "counter": counter,
        "log": log,
        "since": since,
        "queue": queue,
        "flush": flush,
        "kind": names.find("visits", "Counter"),
        "make": names.find("visits", "make"),
        "text": "the first of several lines of some length\n" * 2 + "and\tthe 'last' \"one\"" * 2,
        "numbers": list(range(40)),
        "class": [None, True, -0.0, 1.5, float("-inf"), b"\x00", bytearray(b"x"), set[int]()],
    }
    assert text_of(Graph(root, names)) == GOLDEN
    assert_survives(Graph(root, names))


BEGINNING = """\
# Perdure snapshot, source, format 1. This is parsed, never executed.

passport = Passport(
    format=1,
    application='web',
    holds='state',
    written='2026-11-21T05:47:19Z',
    writer='perdure 0.1.0',
    python='3.11.7',
    names=[
        'builtins:getattr',
        'collections:deque',
        'datetime:datetime',
        'perdure.app.application:Application',
        'visits:Counter',
        'visits:Counter.flush',
        'visits:Outer.Inner',
        'visits:make',
        'visits:set_state',
        'visits:set_state()',
    ],
    paths=[],
    origin=None,
    secret={},
    sequence=0,
)

application = Instance(
    'perdure.app.application.Application',
    {
        'name': 'web',
        'counter': Ref(1, Instance(
            'visits.Counter',
            value=41,
            pages=['/', '/about', '/a/page/of/another/name'],
            self=Deref(1),
        )),
        'log': Instance(
            'visits:Outer.Inner',
            Arguments(1),
            Keywords(size=3),
            Members(1, {}),
            Items({'a': [5], (1, 2): Deref(1)}),
            Setter(Function('visits.set_state')),
            (None, {'left': Deref(1)}),
        ),
        'since': Datetime('2026-11-21T10:00:00'),
        'queue': Copyreg('collections.deque', ([], 9), Members(1, 2)),
        'flush': InstanceMethod('flush', Deref(1)),
        'kind': Class('visits.Counter'),
        'make': Function('visits.make'),
        'text': (
            'the first of several lines of some length\\n'
            'the first of several lines of some length\\n'
            'and\\tthe \\'last\\' "one"and\\tthe \\'last\\' "one"'
        ),
        'numbers': [
"""
ENDING = """\
        ],
        'class': [None, True, -0.0, 1.5, float('-inf'), b'\\x00', bytearray(b'x'), set()],
    },
)
"""
GOLDEN = "".join([BEGINNING, *(f"            {number},\n" for number in range(40)), ENDING])


def test_a_state_that_is_empty_differs_from_none() -> None:
    names = Names()
    kind = names.find("visits", "Counter")
    without, empty, listed = (instance_of(kind) for _ in range(3))
    empty.state, listed.state = {}, []
    text = assert_survives(Graph([without, empty, listed], names))
    assert "    Instance('visits.Counter'),\n" in text
    assert "    Instance('visits.Counter', {}),\n" in text
    assert "    Instance('visits.Counter', []),\n" in text


def test_a_state_that_others_hold_too_is_no_set_of_fields() -> None:
    names = Names()
    first, second = (instance_of(names.find("visits", "Counter")) for _ in range(2))
    first.state = second.state = {"value": 1}
    text = assert_survives(Graph([first, second], names))
    assert "    'visits.Counter',\n        Ref(1, {'value': 1}),\n" in text


@pytest.mark.parametrize(
    ("module", "name", "text"),
    [
        ("visits", "Counter", "Class('visits.Counter')"),
        ("site.visits", "make", "Function('site.visits.make')"),
        ("visits", "Outer.Inner", "Class('visits:Outer.Inner')"),
        ("a:b", "c", "Function('a:b:c')"),
        ("script/srv/site/page%2Erpy", "Counter", "Class('script/srv/site/page%2Erpy.Counter')"),
        ("it's", "Ä", 'Class("it\'s.Ä")'),
        (".", "x", "Function('..x')"),
    ],
)
def test_a_name_is_read_as_it_was(module: str, name: str, text: str) -> None:
    names = Names()
    assert assert_survives(Graph(names.find(module, name), names)).endswith(f"= {text}\n")


def test_a_name_that_could_not_be_read_is_refused() -> None:
    names = Names()
    with pytest.raises(FormatError, match="colon"):
        text_of(Graph(names.find("module", "a:b"), names))


def test_what_nests_too_deep_stands_on_the_top_level() -> None:
    text = assert_survives(graph_of(nested(100)))
    assert "\n\nRef(1, [\n" in text
    assert max(len(line) - len(line.lstrip()) for line in text.split("\n")) == 40 * 4


def test_brackets_nest_as_deep_as_python_reads() -> None:
    """Every object here has three brackets of its own on its line."""
    names = Names()
    root: Any = 1
    for _ in range(200):
        outer = instance_of(names.find("visits", "Counter"))
        outer.pairs = [(outer, [root, frozenset({outer})])]
        root = outer
    ast.parse(assert_survives(Graph(root, names)))


@given(inertgraphs.graphs())
def test_any_graph_survives(graph: Graph) -> None:
    ast.parse(assert_survives(graph))


@given(st.dictionaries(st.text(st.characters(codec=None)), st.integers()))
def test_any_fields_survive(state: dict[str, int]) -> None:
    names = Names()
    made = instance_of(names.find("visits", "Counter"))
    made.state = state
    ast.parse(assert_survives(Graph(made, names)))


def test_a_set_of_classes_is_in_the_order_of_their_names() -> None:
    text = "{Class('a.A'), Class('a.B'), Class('b.A')}"
    assert assert_survives(graph_of_names("b:A", "a:B", "a:A")).endswith(f"= {text}\n")


def graph_of_names(*names: str) -> Graph:
    found = Names()
    return Graph({found.find(*name.split(":")) for name in names}, found)


def test_the_writer_holds_little_of_what_it_writes() -> None:
    root = [["x" * 90, 10**20 + number] for number in range(50_000)] + [bytes(4_000_000)]
    content = Content.of_graph(Graph(root, Names()))
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        sizes = [len(piece) for piece in source.encode(PASSPORT, content, None)]
        peak = tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()
    assert sum(sizes) > 12_000_000
    assert max(sizes) < 1 << 20
    # The survey knows each of the 50,000 lists, whatever text they have.
    assert peak < 8_000_000


READING = """
import resource
from perdure.persist.formats import source
from perdure.persist.formats.sourcenames import HEAD
lines = (f"    ['text number {number}', {number}, 1.5, None],\\n" for number in range(500_000))
text = f"{HEAD}application = [\\n{''.join(lines)}]\\n".encode()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
graph = source.decode_graph(text)
print(len(text), (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024)
"""


def test_the_reader_holds_little_but_what_it_makes() -> None:
    done = subprocess.run(
        [sys.executable, "-c", READING], check=True, capture_output=True, text=True
    )
    size, taken = map(int, done.stdout.split())
    assert size > 20_000_000
    # A list of four objects, two of them its own, takes 200 bytes here, and its text 40.
    assert taken < size * 8


def test_a_snapshot_comes_back_with_its_passport(signer: Signer) -> None:
    graph = graph_of(models.Plain(value=1))
    data = b"".join(source.encode(PASSPORT, Content.of_graph(graph), signer))
    found = source.decode(data)
    assert found.passport.application == "web"
    assert [name.partition(":")[2] for name in found.passport.names] == ["Plain"]
    assert found.is_signed_by(signer)
    assert found.syntax == "source"
    assert table.detect(data[:1024]) is source.FORMAT
    edited = source.decode(data.replace(b"value=1", b"value=2"))
    assert edited.is_signed_by(signer)
    assert not source.decode(data.replace(b"'web'", b"'wib'")).is_signed_by(signer)


def test_lines_tell_where_each_object_begins() -> None:
    text = f"{HEAD}\napplication = [\n    [],\n    Ref(1, {{\n        'a': (1, []),\n    }}),\n]\n"
    lines: dict[int, int] = {}
    root = source.decode_graph(text.encode(), lines).root
    assert [lines[id(item)] for item in (root, root[0], root[1], root[1]["a"])] == [3, 4, 5, 6]
    assert lines[id(root[1]["a"][1])] == 6
