"""What a person may do to a file in XML, and what is said of what nobody may."""

import random
import tracemalloc
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure.persist.content import Content
from perdure.persist.formats import xmltree
from perdure.persist.formats.format import FormatError
from perdure.persist.graph import Call, Instance

from .graphs import graphs
from .test_xml import text_of
from .texts import graph_of

HEAD = (
    '<snapshot format="1"><passport application="web" holds="state" written="2026"'
    ' writer="perdure" python="3.11"/>\n'
)


def read(text: str) -> Any:
    return xmltree.decode_graph(text.encode()).root


def value(text: str) -> Any:
    return read(f"{HEAD}{text}</snapshot>")


def complaint(text: str) -> str:
    with pytest.raises(FormatError) as caught:
        read(text)
    return str(caught.value)


VALUES: list[tuple[str, Any]] = [
    ('<string value="a"></string>', "a"),
    ("<string/>", ""),
    ("<string> a </string>", " a "),
    ("<string>a<!-- no -->b</string>", "ab"),
    ("<string><![CDATA[<a>&amp;]]></string>", "<a>&amp;"),
    ("<string>&#65;&#x42;&lt;&quot;</string>", 'AB<"'),
    ("<string>a\r\nb</string>", "a\nb"),
    ('<string value="a\nb"/>', "a b"),
    ('<string encoding="escaped">\\x41\\u0042\\U00000043\\\\n</string>', "ABC\\n"),
    ('<string value="short" reference="7"/>', "short"),
    ("<int value='-5'/>", -5),
    ('<int value="007"/>', 7),
    ('<int value="+1"/>', 1),
    ('<int value="0xff"/>', 255),
    (f'<int value="{"9" * 4300}"/>', 10**4300 - 1),
    ('<float value="1"/>', 1.0),
    ('<float value=".5E1"/>', 5.0),
    ('<bytes value="a&amp;b"/>', b"a&b"),
    ("<bytes>\n  AA\n  EC\n</bytes>", b"\0\1\2"),
    ("<bytearray/>", bytearray()),
    ("<list>\n\n<int value='1'/><!-- two: --><int value='2'/>\n</list  >", [1, 2]),
    ("<list><?pi any?><int value='1'/></list>", [1]),
    ("<list></list>", []),
    ('<dictionary><int value="1" role="key"/><none/></dictionary>', {1: None}),
    ('<list><list reference="5"/><reference key="5"/></list>', [[], []]),
    ('<list><reference key="5"/></list><int reference="5" value="1"/>', [1]),
    ('<list><reference key="5"/></list><none reference="5"/>', [None]),
    (
        (
            '<tuple><reference key="2"/></tuple><list reference="2"><reference key="3"/></list>'
            '<frozenset reference="3"><int value="1"/></frozenset>'
        ),
        ([frozenset({1})],),
    ),
    (
        (
            '<dictionary><reference role="key" key="2"/><none/></dictionary>'
            '<tuple reference="2"><int value="1"/></tuple>'
        ),
        {(1,): None},
    ),
]


@pytest.mark.parametrize(("text", "expected"), VALUES)
def test_any_layout_is_read(text: str, expected: Any) -> None:
    found = value(text)
    assert found == expected
    assert type(found) is type(expected)


def test_a_person_changes_a_value() -> None:
    text = text_of(graph_of({"port": 8080})).replace('"8080"', '"9090"')
    assert read(text) == {"port": 9090}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "iso-8859-1", "windows-1252"])
def test_other_encodings_are_read(encoding: str) -> None:
    name = "utf-8" if encoding == "utf-8-sig" else encoding
    text = f'<?xml version="1.0" encoding="{name}"?>{HEAD}<string value="\u00e9"/></snapshot>'
    assert xmltree.decode_graph(text.encode(encoding)).root == "\u00e9"


def test_nodes_need_not_have_everything() -> None:
    found = value('<instance class="a:B.C"><members/><none/></instance>')
    assert isinstance(found, Instance)
    assert (str(type(found)), found.members, found.state) == ("a:B.C", [], None)
    called = value('<copyreg><loadfunc><function name="a.b"/></loadfunc><tuple/></copyreg>')
    assert isinstance(called, Call)
    assert str(called.function) == "a:b"


# What is wrong, and what is said of it, from where it is in the text (line 2 is the first of these).
WRONG: list[tuple[str, str]] = [
    ("", "1:1: expected the application, one object; got the end of <snapshot>"),
    ("<list>", "2:9: application[0]: expected </list>, for what begins in line 2; got </snapshot>"),
    ("<strin/>", "2:1: application: there is no element <strin>; is <string> meant?"),
    ("<String/>", "2:1: application: there is no element <String>; is <string> meant?"),
    ('<number value="41"/>', "2:1: application: there is no element <number>; is <int> meant?"),
    ("<members/>", "2:1: application: <members> belongs in an <instance> or a <copyreg>, before its state"),
    ("<nothing/>", "2:1: application: there is no element <nothing>; is <none> meant?"),
    ("<Dict/>", "2:1: application: there is no element <Dict>; is <dictionary> meant?"),
    ("<integer/>", "2:1: application: there is no element <integer>; is <int> meant?"),
    (
        "<qzx/>",
        (
            "2:1: application: there is no element <qzx>; a value is one of none, bool, int, float,"
            " string, bytes, bytearray, list, tuple, set, frozenset, dictionary, instance, copyreg,"
            " class, function, datetime, date, time, decimal, method, module, concealed, reference"
        ),
    ),
    ("<int/>", "2:1: application: <int> needs an attribute value: write <int value=\"5\"/>"),
    (
        '<int value="x"/>',
        "2:1: application: expected a whole number such as 5, got 'x'",
    ),
    (
        f'<int value="{"9" * 4301}"/>',
        ("2:1: application: an int of 4,301 digits is too long for decimal;"
        " write it in hexadecimal: 0x..."),
    ),
    ('<int value="1_0"/>', "2:1: application: expected a whole number such as 5, got '1_0'"),
    ('<int value="\u0663"/>', "2:1: application: expected a whole number such as 5, got '\u0663'"),
    ('<int value="1" base="8"/>', "2:1: application: <int> has value, but no 'base'"),
    ('<bool value="1"/>', "2:1: application: expected true or false, got '1'"),
    (
        '<float value="1e999"/>',
        "2:1: application: 1e999 is too large for a float; write inf if it is meant",
    ),
    (
        '<float value="nan:0000000000000000"/>',
        ("2:1: application: expected a number such as 1.5, or inf, -inf, nan;"
        " got 'nan:0000000000000000'"),
    ),
    (
        '<string encoding="escaped" value="\\n"/>',
        ("2:1: application: a backslash begins one of \\\\ \\x07 \\ud800 \\U0010ffff, not '\\\\n';"
        " write \\\\ for one"),
    ),
    (
        '<string encoding="escaped">\\Uffffffff</string>',
        ("2:38: application: a backslash begins one of \\\\ \\x07 \\ud800 \\U0010ffff,"
        " not '\\\\Uffffffff'; write \\\\ for one"),
    ),
    (
        '<string encoding="base64" value=""/>',
        "2:1: application: an encoding is \"escaped\" or is not there, got 'base64'",
    ),
    (
        "<string>a<b/></string>",
        "2:10: application: only text may stand in <string>, got <b>; write &lt; for <",
    ),
    ('<string value="a">b</string>', "2:19: no text may stand here, got 'b'"),
    ("<bytes>AAA</bytes>", "2:11: application: expected base64: Incorrect padding"),
    (
        '<bytes value="\u00e9"/>',
        "2:1: application: expected ASCII that can be printed; write all else as base64 content",
    ),
    ("<list>\n and </list>", "3:1: application[0]: no text may stand here, got 'and'"),
    ("<list><none/>and</list>", "2:14: application[1]: no text may stand here, got 'and'"),
    (
        '<none><int value="1"/></none>',
        "2:7: <int> stands in an element that has no inside; is a / missing before its >?",
    ),
    (
        "<dictionary><none/></dictionary>",
        ('2:13: application: expected a key (role="key"), or the end of <dictionary>;'
        " got the value <none>"),
    ),
    (
        '<dictionary><int role="key" value="1"/></dictionary>',
        "2:1: application: the last key in this <dictionary> has no value",
    ),
    (
        '<dictionary><int role="key" value="1"/><int role="key" value="1"/></dictionary>',
        "2:40: application[1]: expected the value of the key before, got another key <int>",
    ),
    (
        '<list><dictionary><none role="key"/><none/><none role="key"/><none/></dictionary></list>',
        "2:7: application[0]: the key None is there twice",
    ),
    (
        '<list><list role="key"/></list>',
        '2:7: application[0]: there are no keys in <list>; take role="key" out, or add <dictionary>',
    ),
    ('<list role="value"/>', "2:1: application: a role is \"key\" or is not there, got 'value'"),
    (
        '<dictionary>\n<string role="key" value="a"/><none/><list role="key"/><none/></dictionary>',
        "2:1: application: a key or member must not change: unhashable type: 'list'",
    ),
    ("<set><list/></set>", "2:1: application: a key or member must not change: unhashable type: 'list'"),
    ("<set><none/><none/></set>", "2:1: application: the member None is there twice"),
    ("<list/><list/>", ("2:8: expected the end of <snapshot>, or an object with reference=; got"
     " <list>: the application is the first object here, and what comes after it can only be"
     " referred to")),
    ('<reference key="1"/>', "2:1: application: it refers to 1, which nothing defines"),
    ('<list><reference key="x"/></list>', "2:7: application[0]: it refers to x, which nothing defines"),
    (
        '<list reference="00"/>',
        "2:1: application: a reference is a number from 1 on, got '00'",
    ),
    (
        '<list reference="1"><list reference="1"/></list>',
        "2:21: application[0]: the number 1 is given to two objects",
    ),
    (
        '<list><none reference="1"/>\n<string reference="1">a\n\n</string><none/></list>',
        "3:1: application[1]: the number 1 is given to two objects",
    ),
    (
        '<list>\n<tuple reference="1"><reference key="1"/></tuple></list>',
        ("3:1: application[0]: this refers to itself through tuples and frozensets only, of which"
        " none could be made first"),
    ),
    (
        '<list><reference key="1"/></list>\n<list reference="1"><int/></list>',
        "3:21: (reference 1)[0]: <int> needs an attribute value: write <int value=\"5\"/>",
    ),
    (
        '<instance class="Counter"/>',
        "2:1: application: expected a module and a name in it, as visits.Counter; got 'Counter'",
    ),
    (
        ('<instance class="a.B"><dictionary><string role="key" value="services"/><list><none/>\n'
        '<instance class="c.D"><dictionary><string role="key" value="port"/><int value="x"/>'
        "</dictionary></instance></list></dictionary></instance>"),
        "3:68: application.services[1].port: expected a whole number such as 5, got 'x'",
    ),
    (
        ('<instance class="a.B"><tuple><none/><dictionary><string role="key" value="left"/><int/>'
        "</dictionary></tuple></instance>"),
        "2:82: application.left: <int> needs an attribute value: write <int value=\"5\"/>",
    ),
    (
        '<instance class="a.B"><items><string role="key" value="k"/><int/></items></instance>',
        "2:60: application[k]: <int> needs an attribute value: write <int value=\"5\"/>",
    ),
    (
        '<instance class="a.B"><none/><list/></instance>',
        "2:30: application: there is one state in <instance>; <list> is a second one",
    ),
    (
        '<instance class="a.B"><list/><members/></instance>',
        "2:30: application: <members> must stand before the state of the <instance>",
    ),
    (
        '<instance class="a.B"><items/><members/></instance>',
        "2:31: application: <members> must stand once, before <items>",
    ),
    (
        '<instance class="a.B"><keywords><int role="key" value="1"/><none/></keywords></instance>',
        "2:23: application: the name of a keyword is a <string>",
    ),
    (
        '<instance class="a.B"><setter/></instance>',
        "2:23: application: expected a value in <setter>",
    ),
    ("<copyreg><tuple/></copyreg>",
     "2:10: application: a <copyreg> needs loadfunc: what is called, as in collections.deque"),
    ('<copyreg loadfunc="a.b"/>', "2:1: application: expected <tuple>, the arguments of this <copyreg>"),
    (
        '<copyreg loadfunc="a.b"><list/></copyreg>',
        "2:25: application: expected <tuple>, the arguments of the call; got <list>",
    ),
    (
        '<copyreg loadfunc="a.b"><tuple/><keywords/></copyreg>',
        "2:33: application: a <copyreg> has no keywords",
    ),
    (
        '<date value="2026-02-30"/>',
        "2:1: application: expected a date such as 2026-11-21, got '2026-02-30'",
    ),
    ('<method name="a"/>', "2:1: application: a method needs the object that it is bound to"),
    ('<module name="a"><none/><none/></module>',
     "2:25: application: there is one value in <module>; <none> is a second one"),
    ("<list>&nbsp;</list>",
     "2:7: application[0]: there are no entities but &amp; &lt; &gt; &quot; &apos;"),
    ("<list a='1' a='2'/>",
     "2:13: application: an attribute is there twice"),
    ("application = [1]", "2:1: application: no text may stand here, got 'application = [1]'"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "said"), WRONG)
def test_a_mistake_is_told_with_its_place(text: str, said: str) -> None:
    assert complaint(f"{HEAD}{text}</snapshot>") == said


HEADS: list[tuple[str, str]] = [
    ("", "1:1: the text ends too early"),
    ("<html/>", ("1:1: expected <snapshot>, got <html>: it is not a snapshot but another document;"
     " name a file that mkapp, rundaemon or appconvert has written")),
    ("<snapshot/>", "1:1: <snapshot> needs an attribute format"),
    ('<snapshot format="one"/>', "1:1: a format is a number, got 'one'"),
    (
        '<snapshot format="2"/>',
        "1:1: its format is 2, and this Perdure reads up to 1; take a newer Perdure",
    ),
    ('<snapshot format="1"/>', "1:1: expected <passport>; got the end of <snapshot>"),
    ('<snapshot format="1"><list/></snapshot>', "1:22: expected <passport>, got <list>"),
    (
        '<snapshot format="1"><passport><none/></passport></snapshot>',
        "1:32: expected the name of a field, got the value <none>",
    ),
    (
        '<snapshot format="1"><passport><names/></passport></snapshot>',
        "1:32: expected a value in <names>",
    ),
    (
        f'{HEAD}<signature key="00" value=""/></snapshot>',
        "2:1: application: expected 64 hexadecimal digits, got '00'",
    ),
    (f"{HEAD}<list/><passport/></snapshot>", "2:8: <passport> must stand once, before the application"),
    (f"{HEAD}<list/></snapshot><list/>", "2:19: this is no well-formed XML: junk after document element"),
    (f"{HEAD}\0<list/></snapshot>", '2:1: application: XML has no character \\x00; write it in a <string encoding="escaped">, with a backslash'),
    ('<?xml version="1.0" encoding="nonsense"?><a/>',
     "1: its encoding cannot be read: unknown encoding: nonsense; write it as UTF-8"),
    ('<?xml version="1.0" encoding="shift_jis"?><a/>',
     "1: its encoding cannot be read: multi-byte encodings are not supported; write it as UTF-8"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "said"), HEADS)
def test_what_is_wrong_around_the_values_is_told(text: str, said: str) -> None:
    assert complaint(text) == said


def test_a_wrong_passport_is_told() -> None:
    said = r"^1: the passport is wrong: holds: expected 'blueprint' or 'state', got 'nothing'$"
    with pytest.raises(FormatError, match=said):
        xmltree.decode(f"{HEAD.replace('state', 'nothing')}<list/></snapshot>".encode())


def test_bytes_that_are_not_of_the_encoding_are_told() -> None:
    with pytest.raises(FormatError, match=r"^2:16: .*the byte 0xe9 is no UTF-8"):
        xmltree.decode(f'{HEAD}<string value="\u00e9"/></snapshot>'.encode("iso-8859-1"))


LAUGHS = "".join(f'<!ENTITY lol{number} "{f"&lol{number - 1};" * 10}">' for number in range(1, 40))


@pytest.mark.parametrize(
    "declared",
    [
        f'<!DOCTYPE snapshot [<!ENTITY lol0 "lol">{LAUGHS}]>',
        '<!DOCTYPE snapshot [<!ENTITY a SYSTEM "file:///etc/passwd">]>',
        '<!DOCTYPE snapshot SYSTEM "http://127.0.0.1:9/a.dtd">',
        "<!DOCTYPE snapshot>",
    ],
)
def test_entities_are_refused_before_they_are_looked_at(declared: str) -> None:
    text = f'{declared}{HEAD}<string value="&a;&lol39;"/></snapshot>'
    assert "a snapshot has no DOCTYPE and no entities" in complaint(text)


def test_nesting_has_a_limit() -> None:
    assert complaint(f"{HEAD}{'<list>' * 1001}").endswith("elements nest deeper than 1,000 levels")
    assert len(complaint(f"{HEAD}{'<list>' * 100_000}")) < 300
    depth = 990
    found = value("<list>" * depth + "</list>" * depth)
    for _ in range(depth - 1):
        (found,) = found
    assert found == []


def test_a_key_that_is_a_billion_laughs_is_refused() -> None:
    laughs = "".join(
        f'<tuple reference="{number}"><reference key="{number - 1}"/><reference key="{number - 1}"/>'
        "</tuple>"
        for number in range(2, 70)
    )
    text = (
        '<dictionary><reference role="key" key="69"/><none/></dictionary>'
        f'<tuple reference="1"/>{laughs}'
    )
    for each in (
        text,
        f'<list><tuple reference="1"/>{laughs}<set><reference key="69"/></set></list>',
    ):
        assert "too long to hash" in complaint(f"{HEAD}{each}</snapshot>")


def test_a_tag_without_end_is_not_read_again_and_again() -> None:
    text = f'{HEAD}<string value="{"a" * 40_000_000}"/></snapshot>'
    assert "more than 16 million bytes" in complaint(text)


def test_text_takes_a_small_multiple_of_its_size() -> None:
    text = f"{HEAD}<list>{'<string>' + 'a' * 5_000_000 + '</string>'}<bytes>{'A' * 4_000_000}</bytes></list></snapshot>"
    data = text.encode()
    tracemalloc.start()
    try:
        found = xmltree.decode_graph(data).root
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert [len(each) for each in found] == [5_000_000, 3_000_000]
    assert peak < 4 * len(data)


SAMPLE = text_of(graph_of([{"a": [1, 2.5, "text", b"\0"]}, (1, {2}), frozenset({"x"})])).encode()


@pytest.mark.parametrize("size", range(0, len(SAMPLE), 7))
def test_a_file_that_was_cut_is_told(size: int) -> None:
    with pytest.raises(FormatError) as caught:
        xmltree.decode(SAMPLE[:size])
    assert caught.value.line is not None


def try_reading(data: bytes) -> None:
    """Only a FormatError may come out, and what is read can be written."""
    with suppress(FormatError):
        found = xmltree.decode(data)
        b"".join(xmltree.encode(found.passport, Content.of_graph(found.content.graph), None))


@given(st.binary() | st.text().map(str.encode))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try_reading(data)
    try_reading(HEAD.encode() + data)
    try_reading(HEAD.encode() + b"<list>" + data + b"</list></snapshot>")


@given(st.randoms(use_true_random=False))
def test_a_flipped_bit_is_read_or_refused(chance: random.Random) -> None:
    data = bytearray(SAMPLE)
    for _ in range(chance.randint(1, 4)):
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    try_reading(bytes(data))


PARTS = [
    "none", "bool", "int", "float", "string", "bytes", "list", "tuple", "set", "frozenset",
    "dictionary", "instance", "copyreg", "class", "datetime", "time", "decimal", "method", "module",
    "reference", "arguments", "keywords", "members", "items", "setter", "loadfunc", "passport",
    "signature", "snapshot",
]  # fmt: skip
ATTRIBUTES = [
    'role="key"', 'reference="1"', 'reference="2"', 'key="1"', 'key="2"', 'value="1"',
    'value="true"', 'name="a.b"', 'class="a.B"', 'loadfunc="a:b.c"', 'encoding="escaped"',
    'value="2026-01-01T10:00:00"', "",
]  # fmt: skip


@given(st.lists(st.tuples(
    st.sampled_from(PARTS), st.lists(st.sampled_from(ATTRIBUTES), max_size=3, unique=True),
    st.integers(0, 4),
), max_size=30))  # fmt: skip
def test_any_elements_are_read_or_refused(elements: list[tuple[str, list[str], int]]) -> None:
    text, open_names = "", list[str]()
    for name, attributes, ending in elements:
        text += f"<{name} {' '.join(attributes)}{'/' if ending == 0 else ''}>"
        open_names += [name] if ending else []
        for _ in range(min(max(ending - 1, 0), len(open_names))):
            text += f"</{open_names.pop()}>"
    text += "".join(f"</{name}>" for name in reversed(open_names))
    try_reading(f"{HEAD}{text}</snapshot>".encode())
    try_reading(f"{HEAD}<list>{text}</list></snapshot>".encode())


@given(graphs(), st.randoms(use_true_random=False))
def test_a_file_with_lines_mixed_up_is_read_or_refused(
    root: list[Any], chance: random.Random
) -> None:
    lines = text_of(graph_of(root)).encode().split(b"\n")
    for _ in range(chance.randint(1, 3)):
        first, second = chance.randrange(len(lines)), chance.randrange(len(lines))
        change = chance.randrange(3)
        if change == 0:
            lines.insert(first, lines[second])
        elif change == 1:
            lines[first] = lines[second]
        else:
            lines[first] = lines[second][::-1]
    try_reading(b"\n".join(lines))
