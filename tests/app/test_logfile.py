from pathlib import Path

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
