"""The XML syntax: what it looks like, and that all of a graph comes back from it."""

import struct
import tracemalloc
from datetime import UTC, datetime
from typing import Any

import pytest

from perdure.persist.content import Content
from perdure.persist.formats import table, xmltree
from perdure.persist.formats.format import FormatError
from perdure.persist.graph import Call, Graph, Names, instance_of
from perdure.persist.passport import Passport
from perdure.persist.trust import Signer

from ..passport import PASSPORT
from . import texts
from .texts import graph_of


def text_of(graph: Graph, passport: Passport = PASSPORT) -> str:
    return texts.text_of(graph, "xml", passport)


def assert_survives(graph: Graph) -> str:
    return texts.assert_survives(graph, "xml")


def application(root: object) -> str:
    """What the file says of `root`, as it was captured, without what is around it."""
    text = text_of(graph_of(root))
    head, _, rest = text.partition("  </passport>\n" if "</passport>" in text else '"3.11.7"/>\n')
    assert head
    return rest.removesuffix("</snapshot>\n")


def packed(moment: datetime) -> bytes:
    made: Any = moment.__reduce_ex__(5)[1]
    return bytes(made[0])


def test_a_file_is_laid_out_for_people() -> None:
    names = Names()
    counter = instance_of(names.find("visits", "Counter"))
    counter.state = {"value": 41, "pages": ["/", "/about?a&b"], "self": counter}
    log = instance_of(names.find("visits", "Outer.Inner"), 1, size=3)
    log.members = [1, {}]
    log.pairs = [("a", [5]), ((1, 2), counter)]
    log.setter = names.find("visits", "set_state")
    log.state = (None, {"left": counter})
    since = Call(names.find("datetime", "datetime"), (packed(datetime(2026, 11, 21, 10)),))
    queue = Call(names.find("collections", "deque"), ([], 9))
    queue.members = [1, 2]
    made = Call(Call(names.find("visits", "maker"), ()), (1,))
    text = "first\nsecond <line>\n\ttabbed\r\n"
    root = {
        "counter": counter,
        "log": log,
        "since": since,
        "queue": queue,
        "flush": Call(names.find("builtins", "getattr"), (counter, "flush")),
        "made": made,
        "kind": names.find("visits", "Counter"),
        "make": names.find("visits", "make"),
        "text": text,
        "quoted": '"it\'s" \t \u00e9',
        "escaped": "\0 \\ \ud800",
        "bytes": [b"GET /", b"\0\1", bytearray(b"x")],
        "numbers": [None, True, -0.0, 1.5, float("-inf"), float("nan"), False],
        "sets": [{"b", "a", 1}, frozenset[int](), ()],
    }
    assert text_of(Graph(root, names)) == GOLDEN
    assert_survives(Graph(root, names))


GOLDEN = """\
<?xml version="1.0" encoding="UTF-8"?>
<snapshot format="1">
  <passport application="web" holds="state" written="2026-11-21T05:47:19Z" writer="perdure 0.1.0" python="3.11.7">
    <names>
      <list>
        <string value="builtins:getattr"/>
        <string value="collections:deque"/>
        <string value="datetime:datetime"/>
        <string value="visits:Counter"/>
        <string value="visits:Counter.flush"/>
        <string value="visits:Outer.Inner"/>
        <string value="visits:make"/>
        <string value="visits:maker"/>
        <string value="visits:maker()"/>
        <string value="visits:maker()()"/>
        <string value="visits:set_state"/>
        <string value="visits:set_state()"/>
      </list>
    </names>
  </passport>
  <dictionary>
    <string role="key" value="counter"/>
    <instance class="visits.Counter" reference="1">
      <dictionary>
        <string role="key" value="value"/>
        <int value="41"/>
        <string role="key" value="pages"/>
        <list>
          <string value="/"/>
          <string value="/about?a&amp;b"/>
        </list>
        <string role="key" value="self"/>
        <reference key="1"/>
      </dictionary>
    </instance>
    <string role="key" value="log"/>
    <instance class="visits:Outer.Inner">
      <arguments>
        <int value="1"/>
      </arguments>
      <keywords>
        <string role="key" value="size"/>
        <int value="3"/>
      </keywords>
      <members>
        <int value="1"/>
        <dictionary/>
      </members>
      <items>
        <string role="key" value="a"/>
        <list>
          <int value="5"/>
        </list>
        <tuple role="key">
          <int value="1"/>
          <int value="2"/>
        </tuple>
        <reference key="1"/>
      </items>
      <setter>
        <function name="visits.set_state"/>
      </setter>
      <tuple>
        <none/>
        <dictionary>
          <string role="key" value="left"/>
          <reference key="1"/>
        </dictionary>
      </tuple>
    </instance>
    <string role="key" value="since"/>
    <datetime value="2026-11-21T10:00:00"/>
    <string role="key" value="queue"/>
    <copyreg loadfunc="collections.deque">
      <tuple>
        <list/>
        <int value="9"/>
      </tuple>
      <members>
        <int value="1"/>
        <int value="2"/>
      </members>
    </copyreg>
    <string role="key" value="flush"/>
    <method name="flush">
      <reference key="1"/>
    </method>
    <string role="key" value="made"/>
    <copyreg>
      <loadfunc>
        <copyreg loadfunc="visits.maker">
          <tuple/>
        </copyreg>
      </loadfunc>
      <tuple>
        <int value="1"/>
      </tuple>
    </copyreg>
    <string role="key" value="kind"/>
    <class name="visits.Counter"/>
    <string role="key" value="make"/>
    <function name="visits.make"/>
    <string role="key" value="text"/>
    <string>first
second &lt;line&gt;
\ttabbed&#13;
</string>
    <string role="key" value="quoted"/>
    <string value="&quot;it's&quot; &#9; \u00e9"/>
    <string role="key" value="escaped"/>
    <string encoding="escaped" value="\\x00 \\\\ \\ud800"/>
    <string role="key" value="bytes"/>
    <list>
      <bytes value="GET /"/>
      <bytes>
AAE=
</bytes>
      <bytearray value="x"/>
    </list>
    <string role="key" value="numbers"/>
    <list>
      <none/>
      <bool value="true"/>
      <float value="-0.0"/>
      <float value="1.5"/>
      <float value="-inf"/>
      <float value="nan"/>
      <bool value="false"/>
    </list>
    <string role="key" value="sets"/>
    <list>
      <set>
        <int value="1"/>
        <string value="a"/>
        <string value="b"/>
      </set>
      <frozenset/>
      <tuple/>
    </list>
  </dictionary>
</snapshot>
"""


def test_the_passport_comes_back_whole(signer: Signer) -> None:
    names = Names()
    graph = Graph(names.find("visits", "Counter"), names)
    passport = Passport(
        format=1,
        application="web <&>",
        holds="blueprint",
        written="2026-11-21T05:47:19Z",
        writer="perdure\0 0.1.0",
        python="3.11.7",
        paths=("/srv/\udcff", "/srv/it's"),
        origin="ab" * 32,
        secret={"visits:Counter": ("password", "key")},
        names=("visits:Counter",),
    )
    data = b"".join(xmltree.encode(passport, Content.of_graph(graph), signer))
    found = xmltree.decode(data)
    assert found.passport == passport
    assert found.is_signed_by(signer)
    assert found.syntax == "xml"
    assert table.detect(data[: table.HEAD]) is xmltree.FORMAT
    assert table.detect(data.decode().encode("utf-16")) is xmltree.FORMAT


def test_fields_of_a_newer_passport_are_passed_over() -> None:
    text = text_of(graph_of(1)).replace(
        'python="3.11.7"/>',
        'python="3.11.7" mood="good"><schema><dictionary><string role="key" value="a"/>'
        '<int value="1"/></dictionary></schema></passport>',
    )
    assert xmltree.decode(text.encode()).passport == PASSPORT


@pytest.mark.parametrize(
    "nan", ["7ff8000000000000", "fff8000000000000", "7ff0000000000001", "ffffffffffffffff"]
)
def test_a_nan_keeps_its_bits(nan: str) -> None:
    number = struct.unpack(">d", bytes.fromhex(nan))[0]
    found = xmltree.decode_graph(text_of(Graph([number], Names())).encode()).root[0]
    assert struct.pack(">d", found).hex() == nan


@pytest.mark.parametrize(
    ("module", "name", "text"),
    [
        ("visits", "Counter", '<class name="visits.Counter"/>'),
        ("site.visits", "make", '<function name="site.visits.make"/>'),
        ("visits", "Outer.Inner", '<class name="visits:Outer.Inner"/>'),
        ("a:b", "c", '<function name="a:b:c"/>'),
        ("script/srv/page%2Erpy", "Counter", '<class name="script/srv/page%2Erpy.Counter"/>'),
        ('a"<&', "\u00c4", '<class name="a&quot;&lt;&amp;.\u00c4"/>'),
    ],
)
def test_a_name_is_read_as_it_was(module: str, name: str, text: str) -> None:
    names = Names()
    assert f"\n  {text}\n" in assert_survives(Graph(names.find(module, name), names))


@pytest.mark.parametrize(("module", "name"), [("module", "a:b"), ("a\0", "b"), ("a", "b\ud800")])
def test_a_name_that_could_not_be_read_is_refused(module: str, name: str) -> None:
    names = Names()
    with pytest.raises(FormatError, match="XML cannot hold the name"):
        text_of(Graph(names.find(module, name), names))


def test_a_number_that_could_not_be_read_is_refused() -> None:
    with pytest.raises(FormatError, match="too large for XML"):
        text_of(Graph(1 << (1 << 26), Names()))


def test_a_word_that_xml_cannot_hold_is_a_call() -> None:
    names = Names()
    method = Call(names.find("builtins", "getattr"), ([], "a\0"))
    assert '<copyreg loadfunc="builtins.getattr">' in assert_survives(Graph(method, names))


def test_what_nests_too_deep_stands_after_the_application() -> None:
    nested: Any = []
    for _ in range(100):
        nested = [nested]
    text = assert_survives(Graph(nested, Names()))
    assert '\n  <list reference="1">\n' in text
    assert max(len(line) - len(line.lstrip()) for line in text.splitlines()) < 100


def test_the_writer_holds_little_of_what_it_writes() -> None:
    root = [["x" * 90, 10**20 + number] for number in range(50_000)] + [
        bytes(4_000_000),
        "y" * 9**7,
    ]
    content = Content.of_graph(Graph(root, Names()))
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        sizes = [len(piece) for piece in xmltree.encode(PASSPORT, content, None)]
        peak = tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()
    assert sum(sizes) > 18_000_000
    assert max(sizes) < 1 << 20
    # The survey knows each of the 50,000 lists, whatever text they have.
    assert peak < 9_000_000


def test_lines_tell_where_each_object_begins() -> None:
    names = Names()
    since = Call(names.find("datetime", "datetime"), (packed(datetime(2026, 1, 1)),))
    text = text_of(Graph([{"a": (1, [])}, since, instance_of(names.find("a", "B"))], names))
    lines: dict[int, int] = {}
    root = xmltree.decode_graph(text.encode(), lines).root
    shown = text.split("\n")
    for item, element in [
        (root, "<list>"),
        (root[0], "<dictionary>"),
        (root[0]["a"], "<tuple>"),
        (root[0]["a"][1], "<list/>"),
        (root[1], '<datetime value="2026-01-01T00:00:00"/>'),
        (root[2], '<instance class="a.B"/>'),
    ]:
        assert shown[lines[id(item)] - 1].strip() == element


def test_a_time_zone_that_many_have_is_written_once() -> None:
    text = application([datetime(2026, 1, day, tzinfo=UTC) for day in (1, 2, 3)])
    assert text.count("datetime.timezone") == 1
    assert text.count('<reference key="1"/>') == 2
