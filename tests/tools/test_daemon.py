"""The server in the background: what the terminal, the files and the signals say."""

import os
import re
import signal
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import httpx2
import pytest

from .conftest import COMMANDS, Workshop


@pytest.fixture
def end(workshop: Workshop) -> Callable[[], None]:
    """Stop the daemon whose number is in web.pid, and wait until it is gone."""

    def stop() -> None:
        pid = int((workshop.folder / "web.pid").read_text())
        handle = os.pidfd_open(pid)
        os.kill(pid, signal.SIGTERM)
        with os.fdopen(handle, "rb"):
            waiting = subprocess.run(
                ["timeout", "60", "tail", f"--pid={pid}", "-s", "0.05", "-f", "/dev/null"],
                check=False,
            )
            assert waiting.returncode == 0

    return stop


def test_the_command_returns_when_the_server_accepts_and_says_where(
    workshop: Workshop, site: Path, end: Callable[[], None]
) -> None:
    workshop.mkapp("web", "--path", site, "--port", "0")
    started = workshop.run("rundaemon", "-f", "web.snap")
    assert started.status == 0, started
    found = re.search(r"runs as process (\d+) at (\S+)", started.out)
    assert found
    assert (workshop.folder / "web.pid").read_text() == f"{found[1]}\n"
    assert httpx2.get(found[2]).status_code == 200
    assert os.getsid(int(found[1])) != os.getsid(0)
    end()
    assert "web-shutdown.snap" in workshop.files()
    assert "web.pid" not in workshop.files()
    log = (workshop.folder / "web.log").read_text()
    assert "starts without earlier state" in log
    assert "is saved in" in log


def test_a_port_in_use_is_said_on_the_terminal_with_a_failing_status(
    workshop: Workshop, site: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        workshop.mkapp("web", "--path", site, "--port", str(port))
        for options in ([], ["-n"]):
            result = workshop.run("rundaemon", *options, "-f", "web.snap")
            assert result.status == os.EX_UNAVAILABLE, result
            assert str(port) in result.err
            assert result.err.count("\n") == 1
    assert "web.pid" not in workshop.files()
    assert "web-shutdown.snap" not in workshop.files()


def test_hup_rotates_the_servers_log_and_the_access_log(
    workshop: Workshop, site: Path, end: Callable[[], None]
) -> None:
    workshop.mkapp("web", "--path", site, "--port", "0", "--logfile", "access.log")
    started = workshop.run("rundaemon", "-f", "web.snap")
    url = started.out.split(" at ")[1].strip()
    assert httpx2.get(url).status_code == 200
    pid = int((workshop.folder / "web.pid").read_text())
    os.kill(pid, signal.SIGHUP)
    # Signals are handled between requests: once one more is answered, it has been.
    assert httpx2.get(url + "about.html").status_code == 200
    end()
    assert "starts without" in (workshop.folder / "web.log.1").read_text()
    assert "is saved in" in (workshop.folder / "web.log").read_text()
    assert '"GET / HTTP/1.1" 200' in (workshop.folder / "access.log.1").read_text()
    assert '"GET /about.html HTTP/1.1" 200' in (workshop.folder / "access.log").read_text()


def test_a_daemon_keeps_nothing_open_of_the_shell_that_started_it(
    workshop: Workshop, site: Path, end: Callable[[], None]
) -> None:
    workshop.mkapp("web", "--path", site, "--port", "0")
    reader, writer = os.pipe()
    with os.fdopen(reader, "rb") as ours:
        started = subprocess.run(
            [COMMANDS / "rundaemon", "-f", "web.snap"],
            cwd=workshop.folder,
            env=workshop.environment,
            pass_fds=[writer],
            capture_output=True,
            timeout=60,
            check=False,
        )
        os.close(writer)
        assert started.returncode == 0
        assert ours.read() == b""  # would wait as long as the daemon lives
    end()


def test_a_server_may_be_started_while_the_one_before_it_is_stopping(
    workshop: Workshop, site: Path, end: Callable[[], None]
) -> None:
    (site / "large.rpy").write_text(
        "from perdure.app.web.resource import Resource\n"
        "class Large:\n"
        "    def __init__(self): self.items = [{'n': n} for n in range(300_000)]\n"
        "large = registry.get_component(Large, default=Large)\n"
        "class Page(Resource):\n"
        "    def render_GET(self, request): return 'large'\n"
        "resource = Page()\n"
    )
    workshop.mkapp("web", "--path", site, "--port", "0")
    first = workshop.run("rundaemon", "-f", "web.snap")
    assert httpx2.get(first.out.split(" at ")[1].strip() + "large.rpy").text == "large"
    os.kill(int((workshop.folder / "web.pid").read_text()), signal.SIGTERM)
    second = workshop.run("rundaemon", "-f", "web.snap")
    assert second.status == 0, second
    assert "takes the state of" in (workshop.folder / "web.log").read_text()
    end()
