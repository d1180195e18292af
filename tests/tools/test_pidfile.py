"""The pid file takes nothing away from anybody."""

import os
from pathlib import Path

import pytest

from perdure.tools.pidfile import PidFile, PidFileError


@pytest.mark.parametrize("content", [None, "", "4194305\n"])
def test_it_is_made_or_taken_over_from_a_server_that_died(
    tmp_path: Path, content: str | None
) -> None:
    path = tmp_path / "web.pid"
    if content is not None:
        path.write_text(content)
    with PidFile(path):
        assert path.read_text() == f"{os.getpid()}\n"
    assert not path.exists()


@pytest.mark.parametrize("content", ["mine\n", "12", "12\n13\n", " 12\n", "\n", "9" * 40 + "\n"])
def test_a_file_that_holds_anything_else_is_left_as_it_is(tmp_path: Path, content: str) -> None:
    path = tmp_path / "notes"
    path.write_text(content)
    with pytest.raises(PidFileError, match="notes: it is no pid file"), PidFile(path):
        pass
    assert path.read_text() == content


def test_what_is_no_regular_file_is_no_pid_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/null")):
        with pytest.raises(PidFileError, match="no pid file"), PidFile(path):
            pass
        assert path.exists()
    (tmp_path / "link").symlink_to("web.pid")
    with pytest.raises(PidFileError, match="cannot write"), PidFile(tmp_path / "link"):
        pass


def test_it_is_held_by_one_process_only(tmp_path: Path) -> None:
    path = tmp_path / "web.pid"
    with PidFile(path):
        with pytest.raises(PidFileError, match=f"process {os.getpid()} holds"), PidFile(path):
            pass
        assert path.read_text() == f"{os.getpid()}\n"


def test_a_file_that_took_its_place_is_not_removed(tmp_path: Path) -> None:
    path = tmp_path / "web.pid"
    with PidFile(path):
        path.rename(tmp_path / "old")
        path.write_text("another's\n")
    assert path.read_text() == "another's\n"
    assert (tmp_path / "old").read_text() == ""
    with PidFile(tmp_path / "old"):
        (tmp_path / "old").unlink()
