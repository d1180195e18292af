"""One snapshot in each syntax: the same content, the same passport, and the same owner."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest

from perdure.persist import snapshot
from perdure.persist.content import Content
from perdure.persist.formats import table
from perdure.persist.formats.format import FormatError
from perdure.persist.graph import Graph, Names
from perdure.persist.isomorphism import difference
from perdure.persist.passport import Passport
from perdure.persist.restore import TrustError, restore
from perdure.persist.snapshot import Snapshot, SnapshotError, VerificationError
from perdure.persist.trust import Policy, Signer

from . import models

SYNTAXES = list(table.SUFFIXES)
TEXTS = SYNTAXES[1:]
syntaxes = pytest.mark.parametrize("syntax", SYNTAXES)
texts = pytest.mark.parametrize("syntax", TEXTS)


def written(path: Path, root: object, signer: Signer | None, syntax: str) -> Snapshot:
    snapshot.write(
        path,
        root,
        application="web",
        holds="state",
        paths=["/srv/site"],
        origin="ab" * 32,
        signer=signer,
        syntax=syntax,
    )
    return snapshot.read(path)


def sample() -> list[Any]:
    plain = models.Plain(value=41, function=models.function)
    return [plain, plain.method, {"port": 8080, "names": {"a", "b"}}, plain]


@syntaxes
def test_what_is_written_is_read(syntax: str, tmp_path: Path, signer: Signer) -> None:
    found = written(tmp_path / "web", sample(), signer, syntax)
    assert found.syntax == syntax
    assert found.is_signed_by(signer)
    assert found.passport.application == "web"
    assert found.passport.paths == found.folders(signer) == ("/srv/site",)
    again: Any = restore(found.stream, found.policy(signer))
    assert again[0] is again[3]
    assert again[1].__self__ is again[0]
    assert again[2] == {"port": 8080, "names": {"a", "b"}}


@pytest.mark.parametrize("first", SYNTAXES)
@pytest.mark.parametrize("second", SYNTAXES)
def test_a_conversion_keeps_content_passport_and_owner(
    first: str, second: str, tmp_path: Path, signer: Signer
) -> None:
    one = written(tmp_path / "one", sample(), signer, first)
    snapshot.put(tmp_path / "two", one.passport, one.content, table.by_name(second), signer)
    two = snapshot.read(tmp_path / "two")
    assert two.syntax == second
    assert two.is_signed_by(signer)
    assert attrs.evolve(two.passport, names=one.passport.names) == one.passport
    assert difference(one.content.graph, two.content.graph) is None
    snapshot.put(tmp_path / "three", two.passport, two.content, table.by_name(first), signer)
    if first != "pickle":
        assert (tmp_path / "three").read_bytes() == (tmp_path / "one").read_bytes()
    snapshot.put(tmp_path / "four", two.passport, two.content, table.by_name(second), signer)
    assert (tmp_path / "four").read_bytes() == (tmp_path / "two").read_bytes()


@syntaxes
def test_what_nobody_has_signed_stays_so(syntax: str, tmp_path: Path, signer: Signer) -> None:
    one = written(tmp_path / "one", [1], None, syntax)
    assert one.signer_key is None
    for other in SYNTAXES:
        snapshot.put(tmp_path / "two", one.passport, one.content, table.by_name(other), None)
        two = snapshot.read(tmp_path / "two")
        assert two.signer_key is None
        assert two.policy(signer) == Policy.only()
        assert two.folders(signer) == ()


def edited(path: Path, before: str, after: str) -> Snapshot:
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after))
    return snapshot.read(path)


@texts
def test_a_person_changes_values_and_the_file_stays_theirs(
    syntax: str, tmp_path: Path, signer: Signer
) -> None:
    path = tmp_path / "web"
    written(path, sample(), signer, syntax)
    found = edited(path, "8080", "9090")
    assert found.is_signed_by(signer)
    again: Any = restore(found.stream, found.policy(signer))
    assert again[2]["port"] == 9090
    assert again[0].function is models.function


OTHER_FUNCTION = {
    "xml": (
        'function name="tests.persist.models.function',
        'function name="tests.persist.models.other_function',
    ),
    "source": (
        "Function('tests.persist.models.function",
        "Function('tests.persist.models.other_function",
    ),
}


@texts
def test_a_name_that_was_put_in_makes_it_a_strangers(
    syntax: str, tmp_path: Path, signer: Signer
) -> None:
    path = tmp_path / "web"
    written(path, sample(), signer, syntax)
    changed = edited(path, *OTHER_FUNCTION[syntax])
    assert changed.content.graph.root[0].state["function"].name == "other_function"
    assert changed.signer_key is None
    with pytest.raises(TrustError):
        restore(changed.stream, changed.policy(signer))


@texts
@pytest.mark.parametrize(("before", "after"), [("/srv/site", "/tmp/site"), ("abab", "bbab")])
def test_a_changed_passport_makes_it_a_strangers(
    syntax: str, before: str, after: str, tmp_path: Path, signer: Signer
) -> None:
    path = tmp_path / "web"
    written(path, [1], signer, syntax)
    assert edited(path, before, after).signer_key is None


@texts
def test_a_text_names_itself_by_all_its_bytes(syntax: str, tmp_path: Path, signer: Signer) -> None:
    path = tmp_path / "web"
    before = written(path, sample(), signer, syntax)
    assert edited(path, "8080", "9090").digest != before.digest


@texts
def test_a_text_that_was_cut_says_in_which_line(
    syntax: str, tmp_path: Path, signer: Signer
) -> None:
    path = tmp_path / "web"
    written(path, sample(), signer, syntax)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 3 // 4])
    with pytest.raises(SnapshotError) as caught:
        snapshot.read(path)
    error = caught.value
    assert error.path == path
    assert error.line is not None
    assert str(error).startswith(f"{path}:{error.line}:")


def test_a_binary_file_says_at_which_byte(tmp_path: Path, signer: Signer) -> None:
    path = tmp_path / "web.snap"
    written(path, [1], signer, "pickle")
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(SnapshotError) as caught:
        snapshot.read(path)
    assert caught.value.offset == 100
    assert str(caught.value).startswith(f"{path}: byte 100: the file is damaged")


def test_an_error_shows_all_it_knows() -> None:
    error = SnapshotError.of(
        Path("web.snap.xml"), FormatError("expected a number", 12, 5, None, "application.name")
    )
    assert str(error) == "web.snap.xml:12:5: application.name: expected a number"


def test_what_would_read_back_different_is_not_written(tmp_path: Path) -> None:
    path = tmp_path / "web.snap"
    one = written(path, [{"a": 1}], None, "pickle")
    before = path.read_bytes()
    binary = table.by_name("pickle")

    def encode_other(*_: object) -> Iterator[bytes]:
        return binary.encode(one.passport, Content.of_graph(Graph([{"a": 2}], Names())), None)

    form = attrs.evolve(binary, encode=encode_other)
    with pytest.raises(VerificationError, match=r"application\[0\]\[a\]") as caught:
        snapshot.put(path, one.passport, one.content, form, None)
    assert caught.value.exit_status == os.EX_SOFTWARE
    changed: Passport = attrs.evolve(one.passport, application="mail")
    with pytest.raises(VerificationError, match="its passport"):
        snapshot.put(path, changed, one.content, form, None)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["web.snap"]
