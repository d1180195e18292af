"""Log files are appended to and rotated, and nothing else is written to."""

import os
import socket
import tempfile
from pathlib import Path

import pytest

from perdure.app.logfile import KEPT, LogFile, rotate_all


def test_lines_are_appended_to_what_is_there(tmp_path: Path) -> None:
    path = tmp_path / "web.log"
    path.write_text("old\n")
    log = LogFile(path)
    log.write("new\n")
    log.close()
    assert path.read_text() == "old\nnew\n"


def test_rotation_numbers_the_old_files_and_keeps_so_many(tmp_path: Path) -> None:
    path = tmp_path / "web.log"
    log = LogFile(path)
    for number in range(KEPT + 3):
        log.write(f"{number}\n")
        log.rotate()
    log.close()
    kept = sorted(p.name for p in tmp_path.iterdir())
    assert kept == ["web.log", *[f"web.log.{n}" for n in range(1, KEPT + 1)]]
    assert (tmp_path / "web.log.1").read_text() == f"{KEPT + 2}\n"


def test_a_limit_rotates_before_it_is_passed(tmp_path: Path) -> None:
    log = LogFile(tmp_path / "web.log", limit=10)
    log.write("12345678\n")
    log.write("next\n")
    log.close()
    assert (tmp_path / "web.log").read_text() == "next\n"
    assert (tmp_path / "web.log.1").read_text() == "12345678\n"


def test_a_file_that_was_moved_away_is_opened_anew_and_nothing_is_renamed(tmp_path: Path) -> None:
    path = tmp_path / "web.log"
    log = LogFile(path)
    log.write("before\n")
    path.rename(tmp_path / "web.log-archived")
    log.rotate()
    log.write("after\n")
    log.close()
    assert path.read_text() == "after\n"
    assert not (tmp_path / "web.log.1").exists()


def test_a_rotation_that_is_not_possible_leaves_the_open_file_in_use(tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()
    log = LogFile(folder / "web.log")
    (folder / f"web.log.{KEPT - 1}").touch()
    (folder / f"web.log.{KEPT}").mkdir()  # a file cannot be renamed over a folder
    log.write("one\n")
    log.rotate()
    log.write("two\n")
    log.close()
    assert (folder / "web.log").read_text() == "one\ntwo\n"


def test_every_open_file_is_rotated_at_once_and_closed_ones_are_left(tmp_path: Path) -> None:
    first, second, closed = (LogFile(tmp_path / name) for name in ("a.log", "b.log", "c.log"))
    for log in (first, second, closed):
        log.write("old\n")
    closed.close()
    rotate_all()
    assert (tmp_path / "a.log.1").read_text() == "old\n"
    assert (tmp_path / "b.log.1").read_text() == "old\n"
    assert not (tmp_path / "c.log.1").exists()
    first.close()
    second.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_a_link_that_somebody_else_made_is_refused(tmp_path: Path) -> None:
    target, link = tmp_path / "passwd", tmp_path / "web.log"
    target.write_text("root\n")
    link.symlink_to(target)
    os.chown(link, 12345, -1, follow_symlinks=False)
    with pytest.raises(PermissionError, match="symbolic link that belongs to user 12345"):
        LogFile(link)
    assert target.read_text() == "root\n"


def test_a_link_of_ones_own_is_followed_and_stays(tmp_path: Path) -> None:
    target, link = tmp_path / "far.log", tmp_path / "web.log"
    link.symlink_to(target)
    log = LogFile(link, limit=4)
    log.write("one\n")
    log.write("two\n")
    log.close()
    assert link.is_symlink()
    assert target.read_text() == "one\ntwo\n"


def test_a_snapshot_is_not_written_to(tmp_path: Path) -> None:
    path = tmp_path / "web.snap"
    path.write_bytes(b"PERDURE SNAPSHOT 1\nand more")
    with pytest.raises(PermissionError, match="it is a snapshot"):
        LogFile(path)
    assert path.read_bytes() == b"PERDURE SNAPSHOT 1\nand more"


def test_what_cannot_hold_a_log_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="directory"):
        LogFile(tmp_path)
    with tempfile.TemporaryDirectory() as near, socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"{near}/s")
        with pytest.raises(OSError, match=r".+"):
            LogFile(Path(near, "s"))


def test_pipes_and_devices_take_a_log_and_are_never_renamed(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    log = LogFile(path, limit=4)
    log.write("one\n")
    log.write("two\n")
    log.close()
    assert os.read(reader, 100) == b"one\ntwo\n"
    os.close(reader)
    assert [each.name for each in tmp_path.iterdir()] == ["pipe"]
    null = tmp_path / "null"
    null.symlink_to("/dev/null")
    log = LogFile(null, limit=1)
    log.write("one\n")
    log.rotate()
    log.close()
    assert sorted(each.name for each in tmp_path.iterdir()) == ["null", "pipe"]


def test_a_rotation_that_is_not_possible_is_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / f"web.log.{KEPT}").mkdir()
    (tmp_path / f"web.log.{KEPT - 1}").touch()
    log = LogFile(tmp_path / "web.log", limit=5)
    for _ in range(3):
        log.write("a line\n")
    log.close()
    assert caplog.text.count("cannot be rotated") == 1
