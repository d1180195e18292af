"""XML by its lines: whatever is read that way is what expat reads, and the rest is left to expat."""

from pyexpat import ExpatError
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from perdure.persist.content import Content
from perdure.persist.formats import xmllines, xmltree
from perdure.persist.formats.format import FormatError
from perdure.persist.formats.xmlevents import Document, Reader
from perdure.persist.formats.xmlframes import WrongError
from perdure.persist.graph import Graph, Names, instance_of
from perdure.persist.isomorphism import difference
from perdure.persist.trust import Signer

from ..passport import PASSPORT
from .graphs import graphs
from .test_xml import text_of
from .texts import graph_of

VALUES: Any = [
    None, True, False, 0, -5, 10**30, 10**1200, 1.5, float("inf"), "", "a", "é\u2028\U0001f600",
    "a&b<c>d\"e'f\tg", "one\ntwo\rthree\r\n", "]]>", "x" * 81, "x" * 200, "&amp;" * 40, "\0\x7f\ud800",
    b"", b"plain", bytes(300), bytearray(b"\0"), [], (), {}, set(), frozenset(), [[]], ((),),
    {"a": {"a": []}}, {1: 2}, {(1, ("a",)): 3}, {"x" * 200: 4}, {1, "a", (2,)}, [{"value": "<"}],
]  # fmt: skip


def by_expat(data: bytes) -> Document | None:
    try:
        return Reader().document(data)
    except (WrongError, ExpatError, ValueError, LookupError):
        return None


def assert_same(found: Document, expected: Document | None) -> None:
    assert expected is not None
    assert difference(whole(found), whole(expected)) is None
    assert (found.line, found.signature) == (expected.line, expected.signature)


def whole(document: Document) -> Graph:
    graph = document.graph
    return Graph([document.fields, graph.root], graph.names)


def assert_quick(data: bytes) -> None:
    found = xmllines.read(data)
    assert found is not None
    assert_same(found, by_expat(data))


@given(graphs().map(graph_of))
@example(graph_of(["=", "==", "a=", "aGVsbG8=", {"=": "="}, '="', '="/>']))
@settings(max_examples=100, deadline=None)
def test_all_that_is_written_is_read_by_its_lines(graph: Graph) -> None:
    assert_quick(text_of(graph).encode())


def test_every_kind_of_value_is_read_by_its_lines(signer: Signer) -> None:
    graph = graph_of([VALUES, *VALUES, [VALUES, {"again": VALUES[-3]}]])
    assert_quick(b"".join(xmltree.encode(PASSPORT, Content.of_graph(graph), signer)))


def test_depth_loops_and_references_ahead_are_read_by_their_lines() -> None:
    root: Any = []
    for _ in range(3000):
        root = [root, {"a": (root,)}]
    names = Names()
    node = instance_of(names.find("visits", "Counter"))
    node.state = {"self": node, "in": (node, [node]), "far": root}
    assert_quick(text_of(Graph(node, names)).encode())


def test_more_kinds_of_lines_than_are_kept_are_read() -> None:
    assert_quick(text_of(graph_of({f"key {number}": number for number in range(9000)})).encode())


LINE = st.sampled_from([
    "<list>", "</list>", "<dictionary>", "</dictionary>", "<tuple>", "</tuple>", "<none/>", "<list/>",
    '<string value="a"/>', '<string role="key" value="a"/>', '<int value="5"/>', '<int value="x"/>',
    '<reference key="1"/>', '<list reference="1">', '<list reference="0">', "<string>", "</string>",
    "<string>a</string>", "<string>a]]></string>", "<bytes>AA==</bytes>", "<bytes>A A==</bytes>",
    '<instance class="a.B" reference="2">', '<instance class="a">', "</instance>", "<tuple/>",
    '<string value="&lt;&#10;"/>', '<string value="&no;"/>', '<string value="\t"/>', "", "text",
    "<!-- -->", "<?pi?>", "<![CDATA[a]]>", "<!DOCTYPE a>", '<int value="5" value="6"/>', "</snapshot>",
])  # fmt: skip
EDIT = st.tuples(st.floats(0, 1), st.integers(0, 2), st.lists(LINE, max_size=2))


@given(graphs().map(graph_of), st.lists(EDIT, min_size=1, max_size=3))
@settings(max_examples=100, deadline=None)
def test_lines_that_were_changed_are_read_as_expat_reads_them(
    graph: Graph, edits: list[tuple[float, int, list[str]]]
) -> None:
    lines = text_of(graph).split("\n")
    for place, removed, added in edits:
        start = int(place * len(lines))
        lines[start : start + removed] = added
    data = "\n".join(lines).encode()
    found = xmllines.read(data)
    if found is not None:
        assert_same(found, by_expat(data))


@given(graphs().map(graph_of), st.data())
@settings(max_examples=100, deadline=None)
def test_bytes_that_were_changed_are_read_as_expat_reads_them(
    graph: Graph, draw: st.DataObject
) -> None:
    data = bytearray(text_of(graph).encode())
    for _ in range(draw.draw(st.integers(1, 3))):
        start = draw.draw(st.integers(0, len(data)))
        piece = st.sampled_from(
            [b"", b"<", b">", b"/", b'"', b"&", b"\t", b"\r", b"\0", b" ", b"1"]
        )
        data[start : start + draw.draw(st.integers(0, 2))] = draw.draw(
            piece | st.binary(max_size=2)
        )
    found = xmllines.read(bytes(data))
    if found is not None:
        assert_same(found, by_expat(bytes(data)))


WRITTEN = text_of(graph_of(["a", [1], {"b": "c" * 90}]))
LAST = "</snapshot>\n"


@pytest.mark.parametrize(
    "strange",
    [
        "\ufeff" + WRITTEN,
        WRITTEN.replace("UTF-8", "ascii"),
        WRITTEN.replace("<snapshot", '<!DOCTYPE a [<!ENTITY b "c">]>\n<snapshot'),
        WRITTEN.replace('"a"', '"&b;"'),
        WRITTEN.replace("  <list>", "  <!-- a list -->\n  <list>"),
        WRITTEN.replace("  <list>", "\t<list>"),
        WRITTEN.replace("\n", "\r\n"),
        WRITTEN.replace('"a"/', '"a\tb"/'),
        WRITTEN.replace('"a"/', '"a\x01"/'),
        WRITTEN.replace('"a"/', '"a\ufffe"/'),
        WRITTEN.replace('"a"/', "'a'/"),
        WRITTEN.replace('"a"/', '"a" value="b"/'),
        WRITTEN.replace('"a"/>', '"a"></string>'),
        WRITTEN.replace("ccc<", "ccc<![CDATA[d]]><"),
        WRITTEN.replace("ccc<", "ccc]]><"),
        WRITTEN.replace("ccc<", "ccc&b;<"),
        WRITTEN.replace('"1"', '"one"'),
        WRITTEN.replace('"1"', '"' + "1" * 20_000_000 + '"'),
        WRITTEN.replace("</list>\n", "", 1),
        WRITTEN.replace(LAST, ""),
        WRITTEN + LAST,
        WRITTEN + WRITTEN.partition("\n")[2],
        WRITTEN.rstrip(),
        "",
    ],
)
def test_what_the_writer_does_not_write_is_left_to_expat(strange: str) -> None:
    assert xmllines.read(strange.encode()) is None


def test_an_error_is_told_by_expat() -> None:
    with pytest.raises(FormatError) as caught:
        xmltree.decode(WRITTEN.replace('"1"', '"one"').encode())
    assert "one" in caught.value.reason
    assert caught.value.line is not None


def test_a_passport_that_is_wrong_is_told_of_where_it_stands() -> None:
    with pytest.raises(FormatError) as caught:
        xmltree.decode(WRITTEN.replace('holds="state"', 'holds="nothing"').encode())
    assert caught.value.line == 3
