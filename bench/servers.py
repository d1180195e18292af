"""A server under test: how it is started, found ready, weighed and ended."""

import contextlib
import http.client
import os
import resource
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Collection, Generator, Iterator, Mapping
from pathlib import Path
from typing import ClassVar

import attrs

from perdure.persist.errors import PerdureError

CORES = sorted(os.sched_getaffinity(0))
SERVER_CORE = CORES[0]
LOAD_CORE = CORES[-1]

START_LIMIT = 15.0
STOP_LIMIT = 15.0
CLOCK_TICK = os.sysconf("SC_CLK_TCK")


@attrs.frozen
class ServerError(PerdureError):
    """A server under test did not start, or answered something else than it should."""

    exit_status: ClassVar[int] = os.EX_UNAVAILABLE

    server: str
    reason: str

    def __str__(self) -> str:
        return f"{self.server}: {self.reason}"


@attrs.frozen
class Launch:
    """The command that becomes the server, and what it needs in its environment."""

    command: list[str]
    environment: Mapping[str, str] = attrs.field(factory=dict[str, str])


@attrs.frozen
class Server:
    """A way to serve: `launch(folder, port)` prepares `folder` and says what to run.

    `program` has to be on PATH; without it the server is skipped, and a line says so.
    """

    name: str
    program: str
    launch: Callable[[Path, int], Launch]

    @property
    def present(self) -> bool:
        return shutil.which(self.program) is not None


@attrs.frozen
class Running:
    """A started server. Its processes are those of one session, whose number is `process.pid`."""

    server: Server
    port: int
    folder: Path
    process: subprocess.Popen[bytes]

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def body(self, path: str, patience: float = START_LIMIT) -> bytes:
        """The body that answers `path` now. Anything but 200 is a `ServerError`."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=patience)
        with contextlib.closing(connection):
            connection.request("GET", path)
            answer = connection.getresponse()
            body = answer.read()
        if answer.status != http.HTTPStatus.OK:
            raise ServerError(self.server.name, f"{path} answers {answer.status}, not 200")
        return body

    def processes(self) -> list[int]:
        """Every process of the server: workers count as much as the one that was started."""
        return [pid for pid, fields in _all_stats() if int(fields[3]) == self.process.pid]

    def cpu_seconds(self) -> float:
        """User and system time so far, of all processes, in steps of a clock tick (10 ms)."""
        ticks = 0
        for pid, fields in _all_stats():
            if int(fields[3]) == self.process.pid or pid == self.process.pid:
                ticks += int(fields[11]) + int(fields[12])
        return ticks / CLOCK_TICK

    def memory(self) -> int:
        """Octets of memory in use: each process's share (Pss), so that a shared page counts once."""
        total = 0
        for pid in self.processes():
            for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1]) * 1024
        return total

    def said(self) -> str:
        """The end of what the server printed, for a message."""
        lines = (self.folder / "output").read_text(errors="replace").strip().splitlines()
        return " | ".join(lines[-3:]) or "it printed nothing"


def _all_stats() -> Iterator[tuple[int, list[str]]]:
    """The fields of /proc/PID/stat behind the command name, which may hold blanks itself."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            # A process may end between the listing and the reading.
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                text = (entry / "stat").read_text()
                yield int(entry.name), text.rpartition(")")[2].split()


@contextlib.contextmanager
def pinned(*cores: int) -> Generator[None]:
    """What starts in here runs on `cores` only, since affinity is inherited; so does this process."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextlib.contextmanager
def running(
    server: Server,
    folder: Path,
    ready: str = "/",
    *,
    cores: Collection[int] = (SERVER_CORE,),
    patience: float = START_LIMIT,
) -> Generator[Running]:
    """Start `server` on its core in a new folder under `folder`, and end it, by its pid, at the end.

    It is yielded once it answers `ready`, with whatever status. A server that ends before, or takes
    longer than `patience` seconds, is a `ServerError` with the end of what it printed.
    """
    home = folder / server.name.replace(" ", "-")
    home.mkdir(exist_ok=True)
    allow_many_files()
    port = free_port()
    launch = server.launch(home, port)
    started = start(launch, home, cores)
    instance = Running(server, port, home, started)
    try:
        _await_answer(instance, ready, patience)
        yield instance
    finally:
        stop(started, patience)


def start(
    launch: Launch, folder: Path, cores: Collection[int] = (SERVER_CORE,)
) -> subprocess.Popen[bytes]:
    """Start the command on the server's core, or `cores`, in `folder`, in a session of its own.

    The session keeps a Ctrl-C on the terminal from reaching it: it is ended in order, by `stop`.
    """
    environment = {**os.environ, **launch.environment}
    with (folder / "output").open("ab") as output, pinned(*cores):
        return subprocess.Popen(
            launch.command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def stop(process: subprocess.Popen[bytes], patience: float = STOP_LIMIT) -> None:
    """End a process by its pid: asked first, killed when it has not listened for so many seconds."""
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(patience)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def free_port() -> int:
    """A port nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def allow_many_files() -> None:
    """Raise the limit of open files to what the system allows; servers started later inherit it."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _await_answer(instance: Running, path: str, patience: float) -> None:
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        if instance.process.poll() is not None:
            raise ServerError(instance.server.name, f"ended at its start: {instance.said()}")
        try:
            instance.body(path)
        except ServerError:
            return
        except OSError:
            # A poll, not a fixture: nothing portable tells that a foreign server listens now.
            time.sleep(0.01)
        else:
            return
    raise ServerError(instance.server.name, f"no answer in {patience:g} s: {instance.said()}")
