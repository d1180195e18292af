"""The installed commands, run as processes in a folder of their own."""

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import attrs
import httpx2
import pytest

COMMANDS = Path(sys.executable).parent
SAMPLE = Path(__file__).parents[2] / "samples" / "site"


@attrs.define
class Result:
    """How a command ended."""

    status: int
    out: str
    err: str


@attrs.define(eq=False)
class Running:
    """A server in the foreground that has said that it runs."""

    process: "subprocess.Popen[str]"
    said: str
    url: str

    def get(self, path: str) -> str:
        """The text at `path`; the status must be 200."""
        reply = httpx2.get(self.url + path.lstrip("/"))
        assert reply.status_code == 200, reply.text
        return reply.text

    def stop(self, number: int = signal.SIGTERM) -> Result:
        """Ask for the end by a signal, and wait for it."""
        self.process.send_signal(number)
        out, err = self.process.communicate(timeout=60)
        return Result(self.process.returncode, self.said + out, err)


@attrs.define(eq=False)
class Workshop:
    """A folder to work in, with the commands."""

    folder: Path
    environment: dict[str, str]
    running: list[Running] = attrs.field(factory=list[Running])

    def run(self, command: str, *arguments: str | Path) -> Result:
        """Run a command to its end."""
        done = subprocess.run(
            [COMMANDS / command, *map(str, arguments)],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=100,
            check=False,
        )
        return Result(done.returncode, done.stdout, done.stderr)

    def mkapp(self, *arguments: str | Path) -> Result:
        """Run ``mkapp``, which must succeed."""
        result = self.run("mkapp", *arguments)
        assert result.status == 0, result
        return result

    def start(self, *arguments: str | Path) -> Running:
        """Run ``rundaemon -n`` until it says that it runs."""
        process = subprocess.Popen(
            [COMMANDS / "rundaemon", "-n", *map(str, arguments)],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
        )
        assert process.stdout is not None
        said = ""
        for line in process.stdout:
            said += line
            if "runs as process" in line:
                found = re.search(r"https?://[^,\s]+", line)
                running = Running(process, said, found[0] if found else "")
                self.running.append(running)
                return running
        _, err = process.communicate()
        raise AssertionError(f"ended with {process.returncode}: {said}{err}")

    def files(self) -> list[str]:
        """The names in the folder, sorted."""
        return sorted(each.name for each in self.folder.iterdir())


@pytest.fixture
def workshop(tmp_path: Path) -> Iterator[Workshop]:
    """An empty folder with its own user key; servers left running are ended."""
    folder = tmp_path / "work"
    folder.mkdir()
    environment = {**os.environ, "PERDURE_HOME": str(tmp_path / "home")}
    made = Workshop(folder, environment)
    yield made
    for running in made.running:
        if running.process.poll() is None:
            running.process.kill()
            running.process.communicate()


@pytest.fixture
def site(workshop: Workshop) -> Path:
    """The sample site, in the workshop."""
    return Path(shutil.copytree(SAMPLE, workshop.folder / "site"))
