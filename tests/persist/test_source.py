"""The source syntax: what it looks like, and that all of a graph comes back from it."""

import ast
import collections
import enum
import functools
import math
import pathlib
import pickle
import struct
import subprocess
import sys
import tracemalloc
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perdure.persist import graphstream
from perdure.persist.capture import capture
from perdure.persist.content import Content
from perdure.persist.formats import source, table
from perdure.persist.formats.format import FormatError
from perdure.persist.formats.sourcenames import HEAD
from perdure.persist.graph import Call, Graph, Names, instance_of
from perdure.persist.isomorphism import difference
from perdure.persist.passport import Passport
from perdure.persist.trust import Signer

from . import inertgraphs, models
from .graphs import graphs

PASSPORT = Passport(
    format=1,
    application="web",
    holds="state",
    written="2026-11-21T05:47:19Z",
    writer="perdure 0.1.0",
    python="3.11.7",
)


def graph_of(root: object) -> Graph:
    return graphstream.read(capture(root).stream)


def text_of(graph: Graph) -> str:
    return b"".join(source.encode(PASSPORT, Content.of_graph(graph), None)).decode()


def application(root: object) -> str:
    """What the file says of `root`, as it was captured."""
    return text_of(graph_of(root)).partition("\napplication = ")[2]


def assert_survives(graph: Graph) -> str:
    text = text_of(graph)
    again = source.decode_graph(text.encode())
    assert difference(graph, again) is None
    assert text_of(again) == text
    return text


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


class Level(enum.IntEnum):
    LOW = 1


def _cycle_through_a_key() -> Any:
    plain: Any = models.Plain()
    plain.found = {plain: [plain]}
    return plain


def _nested(levels: int) -> Any:
    nested: Any = []
    for _ in range(levels):
        nested = [nested]
    return nested


def _error() -> Exception:
    error = ValueError("no", 1)
    error.add_note("noted")
    return error


def _with_fields(made: Any) -> Any:
    made.field = made
    return made


SHARED_DATE = datetime(2026, 1, 1, tzinfo=UTC)
WHAT_THE_ORIGINAL_LOST: dict[str, Any] = {
    "sets": [{1, "a", None}, frozenset({1.5, (1, 2)}), set[int](), frozenset[int]()],
    "deque": collections.deque([1, 2], 3),
    "decimals": [Decimal("1.50"), Decimal("NaN"), Decimal("-Infinity"), Decimal("1E+5")],
    "times": [
        datetime(2026, 1, 1, fold=1),
        SHARED_DATE,
        SHARED_DATE,
        datetime(2026, 1, 1, tzinfo=timezone(timedelta(hours=1), "here")),
        date(1, 1, 1),
        time(1, 2, 3, 4),
    ],
    "floats": [math.nan, math.inf, -math.inf, -0.0, 5e-324, 1e308, 1e16],
    "nan with other bits": struct.unpack(">d", bytes.fromhex("fff8000000000001"))[0],
    "list with fields": _with_fields(models.MyList([1, 2])),
    "dict with fields": _with_fields(models.MyDict({1: 2})),
    "ordered dict": collections.OrderedDict({"b": 1, "a": 2}),
    "slots": models.Slotted(),
    "an error with fields": _error(),
    "enums": [models.Colour.RED, models.Permission.READ, Level.LOW],
    "path": pathlib.PurePosixPath("/srv/site"),
    "named tuple": models.Pair(1, [2]),
    "ranges": [range(3), slice(1, None), ..., NotImplemented],
    "partial": functools.partial(models.function),
    "no fields": models.Plain(),
    "attrs": [models.Defined(1), models.Frozen([1], 2), models.FrozenData(1, {})],
    "bound methods": [models.Plain().method, "text".upper, dict.fromkeys],
    "functions and classes": [len, models.function, models.Plain, models.Outer.Inner, type(None)],
    "backslash text": ["\\n", "\\u1234", "a\\", "\\'\"", "\r\n\t\0\x85\u2028", "\ud800", "\U0001f600"],
    "the same complex twice": [1 + 2j] * 2,
    "cycle through a key": _cycle_through_a_key(),
    "300 fields": models.Plain(**{f"field{number}": number for number in range(300)}),
    "nesting 520": _nested(520),
    "awkward names": models.Plain(className=1, __stateObj__=2, kind=3, Arguments=4, State=5),
    "keywords as names": models.Plain(**{"class": 1, "None": 2, "print": 3}),
    "names that are none": models.Plain(**{"a b": 1, "": 2, "ﬁ": 3, "1": 4}),
    "names of other languages": models.Plain(größe=1, 名前=2),
    "new arguments": models.WithNewArguments(size=3),
    "big numbers": [1 << 40_000, -(1 << 40_000), 10**999, 10**1000, -(10**1000)],
    "long texts": ["x" * 101, "x" * 1001, "\n" * 200, "\u00e9\n" * 5000, b"x\n" * 5000, bytes(5000)],
    "long bytearrays": [bytearray(b"text\n" * 500), bytearray(range(256)) * 9, bytearray()],
    "the same long text twice": ["x" * 101] * 2 + ["long\n" * 100] * 2,
}  # fmt: skip


@pytest.mark.parametrize("name", WHAT_THE_ORIGINAL_LOST)
def test_what_the_original_lost_survives(name: str) -> None:
    ast.parse(assert_survives(graph_of(WHAT_THE_ORIGINAL_LOST[name])))


def test_every_part_of_a_reduction_survives() -> None:
    reduced = models.Reduced("name")
    reduced.members, reduced.pairs, reduced.state = [1, reduced], {(1,): reduced}, {"a": reduced}
    assert_survives(graph_of([reduced, reduced]))


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


def test_what_a_stream_calls_may_be_an_object() -> None:
    names = Names()
    maker = Call(names.find("functools", "partial"), (names.find("visits", "make"),))
    call = Call(maker, (1,))
    call.members, call.pairs = [], []
    assert_survives(Graph([call, maker, Call(maker, ())], names))


def test_keywords_may_be_anything() -> None:
    names = Names()
    kind = names.find("visits", "Counter")
    first = instance_of(kind, (1,), [2], pages={"/": 1}, names={"a"}, make=kind)
    second = instance_of(kind, **{"class": {1: [first]}, "a b": frozenset({1})})
    assert_survives(Graph([first, second], names))


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
    text = assert_survives(graph_of(_nested(100)))
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


@pytest.mark.parametrize("kind", ["instances", "lists", "tuples", "calls", "sets", "keys"])
def test_depth_has_no_limit(kind: str) -> None:
    names = Names()
    root: Any = ()
    # Deep sets are refused everywhere for what it may cost to compare them (see `keys`).
    for _ in range(2_000 if kind == "sets" else 100_000):
        root = _link(kind, root, names)
    text = text_of(Graph(root, names))
    assert text_of(source.decode_graph(text.encode())) == text


@settings(max_examples=60)
@given(graphs())
def test_any_objects_survive(root: list[Any]) -> None:
    ast.parse(assert_survives(graph_of(root)))


@given(inertgraphs.graphs())
def test_any_graph_survives(graph: Graph) -> None:
    ast.parse(assert_survives(graph))


@given(st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.binary()
    | st.text(st.characters(codec=None)) | st.text("\\'\"\n\r\0 ab", min_size=90, max_size=120),
    lambda inner: st.lists(inner) | st.lists(inner).map(tuple)
    | st.dictionaries(st.text() | st.floats(allow_nan=False), inner),
))  # fmt: skip
def test_any_values_survive(root: Any) -> None:
    text = text_of(Graph(root, Names()))
    ast.parse(text)
    again = source.decode_graph(text.encode())
    assert repr(again.root) == repr(root)
    assert difference(Graph(root, Names()), again) is None


@given(
    st.text(st.characters(codec=None), min_size=1), st.text(st.characters(codec=None), min_size=1)
)
def test_any_name_survives_or_is_refused(module: str, name: str) -> None:
    names = Names()
    graph = Graph([names.find(module, name), instance_of(names.find(module, name))], names)
    try:
        text = text_of(graph)
    except FormatError:
        assert ":" in name
    else:
        assert difference(graph, source.decode_graph(text.encode())) is None


@given(st.dictionaries(st.text(st.characters(codec=None)), st.integers()))
def test_any_fields_survive(state: dict[str, int]) -> None:
    names = Names()
    made = instance_of(names.find("visits", "Counter"))
    made.state = state
    ast.parse(assert_survives(Graph(made, names)))


def test_the_text_does_not_depend_on_the_hash_seed() -> None:
    program = (
        "from tests.persist.test_source import application\n"
        "print(application([{'b', 'a', 'c'}, frozenset({'x', 'y', (1, 'z')}), {('t', 's'), 'u'}]))"
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


def test_a_set_of_classes_is_in_the_order_of_their_names() -> None:
    text = "{Class('a.A'), Class('a.B'), Class('b.A')}"
    assert assert_survives(graph_of_names("b:A", "a:B", "a:A")).endswith(f"= {text}\n")


def graph_of_names(*names: str) -> Graph:
    found = Names()
    return Graph({found.find(*name.split(":")) for name in names}, found)


def test_the_same_graph_gives_the_same_text() -> None:
    root = [models.Plain(value=number, names={f"a{number}", "b"}) for number in range(9)]
    assert application(root) == application(pickle.loads(pickle.dumps(root)))


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
