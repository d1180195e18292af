"""What a file is called in another syntax, and when it may be written."""

import os
from pathlib import Path

import pytest

from perdure.convert.convert import (
    TargetError,
    check_target,
    is_same,
    pieces,
    signer_for,
    target_of,
    write,
)
from perdure.persist import snapshot
from perdure.persist.formats import table
from perdure.persist.trust import Owner, Signer

from .models import Thing


@pytest.mark.parametrize(
    ("name", "form", "target"),
    [
        ("web.snap", "xml", "web.snap.xml"),
        ("web.snap", "source", "web.snap.py"),
        ("web.snap", "html", "web.snap.html"),
        ("web.snap.xml", "pickle", "web.snap"),
        ("web.snap.xml", "source", "web.snap.py"),
        ("web.snap.py", "xml", "web.snap.xml"),
        ("web.snap", "pickle", "web.snap"),
        ("web.xml", "pickle", "web.snap"),
        ("web", "xml", "web.xml"),
        (".xml", "source", ".xml.py"),
    ],
)
def test_a_file_is_called_by_its_syntax(name: str, form: str, target: str) -> None:
    assert target_of(Path("/folder") / name, form) == Path("/folder") / target


def test_a_file_that_is_there_is_not_replaced_unasked(tmp_path: Path) -> None:
    there, gone, link = tmp_path / "there", tmp_path / "gone", tmp_path / "link"
    there.touch()
    link.symlink_to("gone")
    check_target(gone, force=False)
    check_target(there, force=True)
    for path in (there, link):
        with pytest.raises(TargetError, match="it is there already"):
            check_target(path, force=False)


def test_a_file_is_the_same_by_any_name(tmp_path: Path) -> None:
    there, link, other = tmp_path / "there", tmp_path / "link", tmp_path / "other"
    there.touch()
    other.touch()
    link.symlink_to("there")
    assert is_same(link, there)
    assert not is_same(other, there)
    assert not is_same(tmp_path / "gone", there)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_what_another_user_may_have_written_is_not_signed_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PERDURE_HOME", str(tmp_path / "key"))
    signer = Signer.of_user()
    path, other = tmp_path / "web.snap", tmp_path / "other.snap"
    for each in (path, other):
        snapshot.write(each, [1], application="web", holds="state", signer=signer)
    owner = Owner.of(path)
    found = snapshot.read(path)
    assert signer_for(found, owner) is not None
    os.replace(other, path)
    assert signer_for(found, owner) is None
    os.chown(path, 12345, -1)
    assert signer_for(snapshot.read(path), Owner.of(path)) is None
    path.unlink()
    assert signer_for(found, Owner.of(path)) is None


@pytest.mark.parametrize("form", table.SUFFIXES)
@pytest.mark.parametrize("syntax", table.SUFFIXES)
def test_standard_output_gets_what_a_file_gets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, syntax: str, form: str
) -> None:
    monkeypatch.setenv("PERDURE_HOME", str(tmp_path / "key"))
    signer = Signer.of_user()
    path, target = tmp_path / "web", tmp_path / "other"
    root = Thing(ring=Thing().ring)
    snapshot.write(path, root, application="web", holds="state", signer=signer, syntax=syntax)
    found = snapshot.read(path)
    write(found, target, form, signer, iter)
    assert b"".join(pieces(found, form, signer)) == target.read_bytes()
