"""``appconvert`` on a terminal: colours, progress, and nothing that would spoil it."""

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import COMMANDS, Workshop

SLOW = """
import sys, time
from perdure.tools.progress import Progress
def pieces():
    for _ in range(3):
        yield bytes(1_000_000)
        {wait}
with Progress.shown() as progress:
    progress.say("reading")
    print(sum(map(len, progress.watch(pieces()))))
    {wait}
"""


@pytest.fixture
def web(workshop: Workshop) -> Workshop:
    """With ``web.snap``."""
    workshop.folder.joinpath("site").mkdir()
    workshop.mkapp("web", "--path", "site")
    return workshop


def on_terminal(workshop: Workshop, *command: str | Path) -> tuple[int, str]:
    """Run `command` with a terminal for both outputs; its status, and all that it wrote there."""
    terminal, inside = pty.openpty()
    process = subprocess.Popen(
        command,
        cwd=workshop.folder,
        env={**workshop.environment, "TERM": "xterm-256color", "COLUMNS": "60"},
        stdin=subprocess.DEVNULL,
        stdout=inside,
        stderr=inside,
    )
    os.close(inside)
    written = b""
    while True:
        try:
            piece = os.read(terminal, 65536)
        except OSError:  # a terminal that nobody has open any more
            break
        if not piece:
            break
        written += piece
    os.close(terminal)
    return process.wait(timeout=60), written.decode()


def test_the_tree_has_colours_and_keeps_to_the_width(web: Workshop) -> None:
    status, written = on_terminal(web, COMMANDS / "appconvert", "--show", "web.snap")
    assert status == 0
    assert "\x1b[1;36mservices" in written
    assert "…" in written


def test_what_a_snapshot_holds_does_not_speak_to_the_terminal(web: Workshop) -> None:
    done = web.run(
        "appconvert", "--set", "process.uid='\\x1b[31m\\x07'", "--force", "web.snap",
        "--set", "name='[bold]'",
    )  # fmt: skip
    assert done.status == 0
    assert "\x1b" not in done.out
    _, written = on_terminal(web, COMMANDS / "appconvert", "--show", "process.uid", "web.snap")
    assert "\x1b[31m" not in written
    assert "\x07" not in written
    _, written = on_terminal(web, COMMANDS / "appconvert", "--show", "web.snap")
    assert "[bold]" in written


def test_a_binary_snapshot_is_not_written_to_a_terminal(web: Workshop) -> None:
    web.folder.joinpath("b.snap").write_bytes(web.folder.joinpath("web.snap").read_bytes())
    command: list[str | Path] = [COMMANDS / "appconvert", "--to", "pickle", "b.snap", "-o", "-"]
    status, written = on_terminal(web, *command)
    assert status == os.EX_USAGE
    assert "a binary snapshot is not for a terminal; name a file with -o" in " ".join(
        written.split()
    )
    assert "PERDURE" not in written


def test_what_takes_long_is_told_on_a_terminal(web: Workshop) -> None:
    slow = SLOW.format(wait="time.sleep(0.6)")
    status, written = on_terminal(web, sys.executable, "-c", slow)
    assert status == 0
    assert "writing, 2.0 MB so far" in written
    assert "verifying 3.0 MB" in written
    assert "3000000" in written


def test_what_is_quick_is_not_told(web: Workshop) -> None:
    status, written = on_terminal(web, sys.executable, "-c", SLOW.format(wait="pass"))
    assert (status, written.split()) == (0, ["3000000"])


def test_in_a_pipe_nothing_is_told(web: Workshop) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SLOW.format(wait="time.sleep(0.4)")],
        cwd=web.folder,
        capture_output=True,
        text=True,
        check=True,
    )
    assert (done.stdout, done.stderr) == ("3000000\n", "")
