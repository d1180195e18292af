"""Which syntaxes there are, and how a file's is told."""

import subprocess
import sys
from pathlib import Path

import attrs
import pytest

from perdure.persist.content import Content, Snapshot
from perdure.persist.formats import table
from perdure.persist.formats.format import Format, FormatError
from perdure.persist.graph import Call, Graph, Names

FORMATS = [*table.formats()]


def test_the_binary_one_comes_first() -> None:
    assert [each.name for each in FORMATS] == ["pickle", "xml", "source"]


@pytest.mark.parametrize("form", FORMATS, ids=lambda form: form.name)
def test_a_syntax_is_what_the_table_says(form: Format) -> None:
    assert table.by_name(form.name) is form
    assert table.SUFFIXES[form.name] == form.suffix
    assert all(len(beginning) < table.HEAD for beginning in form.begins)


@pytest.mark.parametrize("form", FORMATS, ids=lambda form: form.name)
def test_a_file_is_known_by_its_first_bytes_whatever_an_editor_put_before(form: Format) -> None:
    for beginning in form.begins:
        assert table.detect(beginning) is form
        assert table.detect(b"\xef\xbb\xbf\r\n  " + beginning + b" and more") is form


@pytest.mark.parametrize("head", [b"", b"\n", b"GIF89a", b"import os\n", b"\x80\x05]."])
def test_a_foreign_file_has_no_syntax(head: bytes) -> None:
    assert table.detect(head) is None


@pytest.mark.parametrize(
    ("name", "stem", "syntax"),
    [
        ("web.snap", "web", "pickle"),
        ("web.snap.xml", "web", "xml"),
        ("web-shutdown.snap.py", "web-shutdown", "source"),
        ("web.xml", "web.xml", "pickle"),
        ("notes", "notes", "pickle"),
        (".snap.xml", "", "xml"),
    ],
)
def test_a_name_promises_a_syntax(name: str, stem: str, syntax: str) -> None:
    assert table.split(name) == (stem, syntax)


def test_a_binary_file_is_read_without_any_parser_of_text(tmp_path: Path) -> None:
    program = (
        "import sys\n"
        "from pathlib import Path\n"
        "from perdure.persist import snapshot\n"
        "snapshot.write(Path('a.snap'), [1], application='a', holds='state', signer=None)\n"
        "snapshot.read(Path('a.snap'))\n"
        "print([name for name in sys.modules if 'xml' in name or 'expat' in name\n"
        "       or name.startswith(('perdure.persist.formats.source', 'lxml', 'rich'))])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (FormatError("bad"), "bad"),
        (FormatError("bad", 12, 5), "12:5: bad"),
        (FormatError("bad", 12), "12: bad"),
        (FormatError("bad", offset=7), "byte 7: bad"),
        (FormatError("bad", 12, 5, place="application.name"), "12:5: application.name: bad"),
    ],
)
def test_an_error_says_where_as_far_as_it_is_known(error: FormatError, text: str) -> None:
    assert str(error) == text


def test_a_content_that_has_no_other_form_says_so() -> None:
    with pytest.raises(FormatError, match="the content is not a stream of objects"):
        Content.of_stream(b"nothing of the kind").graph  # noqa: B018
    names = Names()
    call = Call(names.find("visits", "make"), ())
    call.arguments = ((call,),)
    with pytest.raises(FormatError, match="no objects can be made of this"):
        Content.of_graph(Graph(call, names)).stream  # noqa: B018


def test_a_content_is_made_once_in_each_form() -> None:
    content = Content.of_stream(Content.of_graph(Graph([1, "a"], Names())).stream)
    assert content.graph.root == [1, "a"]
    assert content.graph is content.graph
    other = Content.of_graph(content.graph)
    assert other.stream is other.stream


def test_a_snapshot_hides_its_content_when_it_is_shown() -> None:
    assert not attrs.fields(Snapshot).content.repr
