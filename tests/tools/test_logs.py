"""The server's log: what its lines look like, and that it never gets in the way."""

import logging
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import hypothesis.strategies as st
import pytest
from hypothesis import given

from perdure.tools.logs import LineFormatter, LineHandler, LogError, start


def record(
    message: str, *arguments: object, error: BaseException | None = None
) -> logging.LogRecord:
    """What a call of a logger makes."""
    info = (type(error), error, error.__traceback__) if error else None
    return logging.LogRecord("perdure.web", logging.ERROR, "x.py", 1, message, arguments, info)


def lines(made: logging.LogRecord) -> list[str]:
    return LineFormatter("%(levelname)s %(name)s: %(message)s").format(made).splitlines()


def run(program: str, redirection: str) -> "subprocess.CompletedProcess[str]":
    """Run `program` in a process of its own, its standard output redirected by a shell."""
    command = f'"$0" -c "$1" {redirection}'
    return subprocess.run(
        ["bash", "-o", "pipefail", "-c", command, sys.executable, dedent(program)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@given(st.text())
def test_a_message_is_one_line_whatever_is_in_it(text: str) -> None:
    (line,) = lines(record("%s", text))
    assert line.startswith("ERROR perdure.web: ")
    assert not any(ord(each) < 32 or 127 <= ord(each) < 160 for each in line)


def test_control_characters_are_shown_as_python_writes_them() -> None:
    (line,) = lines(record("GET /%s failed", "a\r\n12:00 forged\x1b[2Jü"))
    assert line == r"ERROR perdure.web: GET /a\r\n12:00 forged\x1b[2Jü failed"


def test_a_traceback_is_below_its_line_and_indented() -> None:
    try:
        raise ValueError("one\nERROR perdure.web: forged")
    except ValueError as error:
        made = record("it failed", error=error)
    made.exc_text = "what another handler made of it"
    first, *rest = lines(made)
    assert first == "ERROR perdure.web: it failed"
    assert rest[0] == "    Traceback (most recent call last):"
    assert rest[-2:] == ["    ValueError: one", "    ERROR perdure.web: forged"]
    assert all(line.startswith("    ") for line in rest)


def test_a_stack_is_indented_too() -> None:
    made = record("here")
    made.stack_info = "Stack:\n  a line"
    assert lines(made)[1:] == ["    Stack:", "      a line"]


def test_a_log_that_cannot_be_written_is_lost_in_silence(
    capfd: pytest.CaptureFixture[str],
) -> None:
    def refuse(text: str) -> None:
        raise OSError(28, "No space left on device")

    LineHandler(refuse).handle(record("it failed"))
    assert capfd.readouterr() == ("", "")


def test_arguments_that_do_not_fit_their_message_stop_nothing(
    capfd: pytest.CaptureFixture[str],
) -> None:
    written: list[str] = []
    write: Callable[[str], None] = written.append
    LineHandler(write).handle(record("%d", "text"))
    assert not written
    assert "TypeError" in capfd.readouterr().err


PROGRAM = """
    import logging
    from perdure.tools import logs
    logs.start({target!r}, debug=False)
    for number in range(20_000):
        logging.getLogger("perdure").info("line %d of \u2713", number)
"""


def test_a_reader_that_has_gone_costs_the_lines_alone() -> None:
    done = run(PROGRAM.format(target="-"), "| head -1")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith(" line 0 of \u2713\n")


@pytest.mark.parametrize("target", ["-", "/dev/full"])
def test_a_full_disk_costs_the_lines_alone(target: str) -> None:
    done = run(PROGRAM.format(target=target), "> /dev/full")
    assert (done.returncode, done.stderr) == (0, "")


def test_the_file_of_the_log_has_levels_and_names(tmp_path: Path) -> None:
    path = tmp_path / "web.log"
    done = run(PROGRAM.format(target=str(path)).replace("20_000", "2"), "")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    first, second = path.read_text().splitlines()
    assert first.endswith("INFO perdure: line 0 of \u2713")
    assert second.endswith("INFO perdure: line 1 of \u2713")


def test_a_log_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    with pytest.raises(LogError, match="cannot open the log: Is a directory; name another"):
        start(str(tmp_path), debug=False)
