"""The parent of a daemon hears one line, and waits for nothing else."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from .conftest import Workshop


def detached(program: str) -> "subprocess.CompletedProcess[str]":
    """Run `program` after going into the background; what the terminal sees."""
    start = "import os, json\nfrom perdure.tools.daemon import detach\npipe = detach('it')\n"
    return subprocess.run(
        [sys.executable, "-c", start + dedent(program)],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )


def test_a_process_that_a_service_forked_does_not_keep_the_terminal_waiting() -> None:
    done = detached(
        """
        reader, writer = os.pipe()
        if os.fork():
            pipe.announce(0, "it runs")
            # The helper lives on until the parent has gone, and so has the pipe with it.
            os._exit(0)
        import select
        os.close(writer)
        poll = select.poll()
        poll.register(pipe.writer, select.POLLERR)
        poll.poll()
        """
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "it: it runs\n", "")


def test_a_program_that_the_daemon_starts_does_not_get_the_pipe() -> None:
    done = detached(
        """
        assert not os.get_inheritable(pipe.writer)
        pipe.announce(0, "it runs\\nin two lines")
        """
    )
    assert (done.returncode, done.stdout) == (0, "it: it runs\nin two lines\n")


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&-", "<&- >&- 2>&-"])
def test_what_the_caller_has_closed_is_the_null_device(closed: str, tmp_path: Path) -> None:
    program = dedent(
        """
        import os, sys
        from perdure.tools.daemon import detach, open_standard

        open_standard()
        first = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
        print("a line", flush=True)
        print("a line", file=sys.stderr, flush=True)
        good = first > 2 and not sys.stdin.read()
        detach("it").announce(0 if good else 1, "it runs")
        """
    )
    done = subprocess.run(
        ["sh", "-c", f'"$0" -c "$1" "$2" {closed}', sys.executable, program, tmp_path / "file"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=20,
        check=False,
    )
    assert done.returncode == 0
    assert (tmp_path / "file").read_bytes() == b""


def test_a_name_that_the_terminal_cannot_show_does_not_make_a_good_start_a_failure(
    workshop: Workshop, site: Path
) -> None:
    workshop.environment["PYTHONIOENCODING"] = "latin-1"
    workshop.mkapp("web", "--path", site, "--port", "0", "--output", "☃.snap")
    done = workshop.run("rundaemon", "-f", "☃.snap")
    os.kill(int((workshop.folder / "☃.pid").read_text()), signal.SIGTERM)
    assert (done.status, done.err) == (0, "")
    assert done.out.startswith("rundaemon: \\u2603 runs as process ")


@pytest.mark.parametrize("said", ["", "[0, "])
def test_a_daemon_that_dies_before_it_said_all_is_reported(said: str) -> None:
    done = detached(f"os.write(pipe.writer, {said.encode()!r})")
    assert done.returncode == 70
    assert "died before it was ready" in done.stderr
