"""What a file is called in another syntax, and when it may be written."""

from pathlib import Path

import pytest

from perdure.convert.convert import TargetError, check_target, is_same, target_of


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
