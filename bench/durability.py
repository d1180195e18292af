"""What it costs that no counted visit is ever forgotten: requests per second of the counter page."""

import contextlib
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Generator, Iterator
from pathlib import Path

from . import peers
from .claims import Verdict
from .http import Comparison, Page, installed, measured
from .ours import ours
from .servers import START_LIMIT, Launch, Server, ServerError, running, start, stop

PATH = "/counter.rpy"
DURABLE = Page("ours durable", PATH)
RELAXED = Page("ours relaxed", PATH)
CHECKPOINT = Page("ours checkpoint", PATH)
SQLITE = Page("Starlette, SQLite")
THREADS = Page("Starlette, SQLite in threads")
REDIS = Page("Starlette, Redis")

COMPARISONS = [
    Comparison("counter page, durable / not journaled", DURABLE, CHECKPOINT, 0.6),
    Comparison("counter page, relaxed / not journaled", RELAXED, CHECKPOINT, 0.6),
    Comparison("counter page, durable / Starlette and SQLite", DURABLE, SQLITE, 5),
    Comparison("counter page, durable / same, in threads", DURABLE, THREADS, 5),
    Comparison("counter page, durable / Starlette and Redis", DURABLE, REDIS, 1, strict=True),
]
_VOLATILE = ("tmpfs", "ramfs", "devtmpfs")


def run(folder: Path, rounds: int, seconds: int) -> Iterator[Verdict]:
    """All on the file system of `folder`; where that is memory, nothing is claimed."""
    kind = file_system(folder)
    print(f"the file system of {folder}: {kind}", file=sys.stderr)
    if kind in _VOLATILE:
        print("skipped: durability: set TMPDIR to a folder on a disk", file=sys.stderr)
        return
    site = folder / "counted"
    site.mkdir()
    for name in ("counter.rpy", "tally.py"):
        shutil.copy(peers.PAGES / name, site)
    with contextlib.ExitStack() as stack:
        candidates = [
            *(
                ours(page.server, ["--path", str(site)], ["--durability", level])
                for level, page in (
                    ("durable", DURABLE),
                    ("relaxed", RELAXED),
                    ("checkpoint", CHECKPOINT),
                )
            ),
            _starlette(SQLITE, "starlette_sqlite", {"BENCH_DATABASE": "tally.sqlite"}),
            _starlette(THREADS, "starlette_sqlite_threads", {"BENCH_DATABASE": "tally.sqlite"}),
        ]
        if shutil.which("redis-server") is None:
            print(f"skipped: {REDIS}: no redis-server on PATH", file=sys.stderr)
        else:
            socket = stack.enter_context(_redis(folder / "redis"))
            candidates.append(_starlette(REDIS, "starlette_redis", {"BENCH_REDIS": str(socket)}))
        instances = {
            server.name: stack.enter_context(running(server, folder))
            for server in installed(candidates)
        }
        for page in (DURABLE, RELAXED, CHECKPOINT, SQLITE, THREADS, REDIS):
            if page.server in instances:
                _check(instances[page.server].body(page.path), page)
        yield from measured(COMPARISONS, instances, rounds, seconds)


def file_system(folder: Path) -> str:
    """The kind of file system that `folder` is on, as /proc/self/mountinfo names it."""
    device = os.stat(folder).st_dev
    number = f"{os.major(device)}:{os.minor(device)}"
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        place, _, kind = line.partition(" - ")
        if place.split()[2] == number:
            return kind.split()[0]
    return "unknown"


def _check(body: bytes, page: Page) -> None:
    if re.fullmatch(rb"<p>You are visitor \d+\.</p>\n", body) is None:
        raise ServerError(page.server, f"answers {body[:60]!r}, which is not the counter page")


def _starlette(page: Page, module: str, environment: dict[str, str]) -> Server:
    return peers.uvicorn(
        "--no-access-log", name=page.server, application=f"{module}:app", environment=environment
    )


@contextlib.contextmanager
def _redis(folder: Path) -> Generator[Path]:
    """A redis-server that flushes before each answer, on the core of the servers; its socket."""
    folder.mkdir()
    socket = folder / "socket"
    options = {
        "port": "0",
        "unixsocket": str(socket),
        "appendonly": "yes",
        "appendfsync": "always",
        "save": "",
        "dir": str(folder),
    }
    command = ["redis-server"]
    for name, value in options.items():
        command += [f"--{name}", value]
    process = start(Launch(command), folder)
    try:
        _await_socket(socket, process)
        yield socket
    finally:
        stop(process)


def _await_socket(socket: Path, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_LIMIT
    while not socket.exists():
        if process.poll() is not None or time.monotonic() > deadline:
            raise ServerError("redis-server", "it has not opened its socket")
        # A poll: what listens there is a foreign program, which tells nobody.
        time.sleep(0.01)
