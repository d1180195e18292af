"""The commands, killed and asked for checkpoints: what they say, and who writes what."""

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from .conftest import Running, Workshop


def heard(server: Running, words: str) -> str:
    """The next line of its log with `words`."""
    assert server.process.stdout is not None
    return next(line for line in server.process.stdout if words in line)


def test_what_was_recovered_is_said(workshop: Workshop, site: Path) -> None:
    workshop.mkapp("web", "--path", site, "--port", "0")
    server = workshop.start("-f", "web.snap")
    server.get("counter.rpy")
    server.process.send_signal(signal.SIGUSR1)
    assert "web.generations/000001.snap" in heard(server, "checkpoint ")
    for _ in range(2):
        server.get("counter.rpy")
    server.stop(signal.SIGKILL)
    server = workshop.start("-f", "web.snap")
    assert "web.generations/000001.snap, written 20" in server.said
    assert "2 changes that came after" in server.said
    assert "visitor 4" in server.get("counter.rpy")


def test_the_terminal_says_what_a_daemon_has_recovered(workshop: Workshop, site: Path) -> None:
    workshop.mkapp("web", "--path", site, "--port", "0")
    server = workshop.start("-f", "web.snap")
    for _ in range(3):
        server.get("counter.rpy")
    server.stop(signal.SIGKILL)
    done = workshop.run("rundaemon", "-f", "web.snap")
    try:
        said = done.err.splitlines()
        assert said == ["rundaemon: web starts from its blueprint, and 3 changes that came after"]
        assert "web runs as process" in done.out
    finally:
        os.kill(int((workshop.folder / "web.pid").read_text()), signal.SIGTERM)


def test_fresh_holds_also_if_the_server_is_killed(workshop: Workshop, site: Path) -> None:
    workshop.mkapp("web", "--path", site, "--port", "0")
    server = workshop.start("-f", "web.snap")
    for _ in range(3):
        server.get("counter.rpy")
    server.stop()
    server = workshop.start("--fresh", "-f", "web.snap")
    assert "visitor 1" in server.get("counter.rpy")
    server.stop(signal.SIGKILL)
    assert "visitor 2" in workshop.start("-f", "web.snap").get("counter.rpy")


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user may enter, as pytest's own are not."""
    folder = Path(tempfile.mkdtemp(prefix="perdure-test-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_a_server_that_became_another_user_takes_checkpoints_as_that_user(
    workshop: Workshop, site: Path, open_folder: Path
) -> None:
    copy = shutil.copytree(site, open_folder / "site")
    state = open_folder / "state"
    state.mkdir()
    os.chown(state, 65534, 65534)
    workshop.mkapp("--uid", "nobody", "web", "--path", copy, "--port", "0", "--gid", "65534")
    server = workshop.start("-f", "web.snap", "--statedir", state)
    server.get("counter.rpy")
    server.process.send_signal(signal.SIGUSR1)
    line = heard(server, "checkpoint")
    assert "no checkpoint" not in line
    assert (state / "web.generations" / "000001.snap").stat().st_uid == 65534
    server.get("counter.rpy")
    server.stop(signal.SIGKILL)
    server = workshop.start("-f", "web.snap", "--statedir", state)
    assert "visitor 3" in server.get("counter.rpy")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can have a root of its own")
def test_a_server_in_a_root_of_its_own_takes_checkpoints(workshop: Workshop, site: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="perdure-test-") as name:
        root = Path(name)
        root.chmod(0o755)
        inside = root / str(site).lstrip("/")
        shutil.copytree(site, inside)
        (root / "state").mkdir()
        workshop.mkapp("web", "--path", site, "--port", "0")
        options = ("-f", "web.snap", "--chroot", root, "--statedir", root / "state")
        server = workshop.start(*options)
        assert "visitor 1" in server.get("counter.rpy")
        server.process.send_signal(signal.SIGUSR1)
        assert "web.generations/000001.snap" in heard(server, "checkpoint ")
        assert "visitor 2" in server.get("counter.rpy")
        server.stop(signal.SIGKILL)
        server = workshop.start(*options)
        assert "1 change that came after" in server.said
        assert "visitor 3" in server.get("counter.rpy")
        assert server.stop().status == 0


@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGHUP])
def test_a_signal_that_comes_too_early_does_not_end_the_start(
    workshop: Workshop, number: signal.Signals
) -> None:
    (workshop.folder / "early.py").write_text(
        "import os\n"
        "from perdure.app.application import Application\n"
        f"os.kill(os.getpid(), {number:d})\n"
        "application = Application('early')\n"
    )
    assert workshop.start("-y", "early.py").stop().status == 0
