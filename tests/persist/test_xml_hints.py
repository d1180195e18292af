"""What somebody did wrong whose file is no well-formed XML is said in words, with both ends of it."""

import pytest

from perdure.persist.formats import xmltree
from perdure.persist.formats.format import FormatError

from .test_xml_edits import HEAD

QUOTE = "(or, if the value has a <, write &lt;)"
NO_UTF_8 = (
    "is no UTF-8; save the file as UTF-8, or name its encoding at the top:"
    ' <?xml version="1.0" encoding="..."?>'
)
ESCAPED = 'write it in a <string encoding="escaped">, with a backslash'
HINTS = [
    ('<string value="a & b"/>', "2:19: application: a & by itself is written &amp;"),
    ("<string>a & b</string>", "2:12: application: a & by itself is written &amp;"),
    (
        '<list>\n<int value="5/>\n<int value="6"/></list>',
        ("4:1: application[0]: a quote is missing in the tag that begins in line 3:"
        f' name="value" {QUOTE}'),
    ),
    ("<int value=5/>", '2:12: application: the value of an attribute stands in quotes: name="value"'),
    ("<int value=\u201c5\u201d/>",
     '2:12: application: the value of an attribute stands in straight quotes: "..."'),
    ('<int value="5"role="key"/>',
     "2:15: application: a blank is missing between two attributes, or there is a quote too many"),
    ('<int value="5" value="6"/>', "2:16: application: an attribute is there twice"),
    ('<int value="5"\n<none/>', "3:1: application: a > is missing at the end of the tag that begins in line 2"),
    ("<int 5/>", '2:6: application: in a tag stand its name and attributes: name="value"'),
    ("<!-- a -- b -->", "2:10: application: a comment has no -- inside"),
    ("< none/>",
     "2:2: application: a < that begins no tag is written &lt;; after it follows the name at once"),
    ('<string value="\x07"/>', f"2:16: application: XML has no character \\x07; {ESCAPED}"),
    ('<string value="&#7;"/>', f"2:16: application: XML has no such character; {ESCAPED}"),
    ('<list>\n<instance class="a.B">\n</list>',
     "4:3: application[0]: expected </instance>, for what begins in line 3; got </list>"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "said"), HINTS)
def test_it_is_said_what_is_wrong(text: str, said: str) -> None:
    assert complaint(f"{HEAD}{text}</snapshot>".encode()) == said


def test_a_byte_of_another_encoding_is_told() -> None:
    data = f'{HEAD}<string value="\u00e9"/></snapshot>'.encode("latin-1")
    assert complaint(data) == f"2:16: application: the byte 0xe9 {NO_UTF_8}"


def test_what_stands_before_the_declaration_is_told() -> None:
    said = "2:1: <?xml ...?> must be the first of the file; take out what stands before it"
    assert complaint(f'\n<?xml version="1.0"?>{HEAD}<none/></snapshot>'.encode()) == said


def test_what_is_cut_or_of_two_bytes_a_character_is_told_as_before() -> None:
    text = f"{HEAD}<string>a & b</string></snapshot>"
    assert "no well-formed XML" in complaint(text.encode("utf-16"))
    assert (
        complaint(HEAD.encode()) == "2:1: application: the text ends too early, before </snapshot>"
    )


def complaint(data: bytes) -> str:
    with pytest.raises(FormatError) as caught:
        xmltree.decode(data)
    return str(caught.value)
