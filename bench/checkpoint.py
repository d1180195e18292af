"""What a checkpoint of a gigabyte costs those who are served meanwhile."""

import asyncio
import functools
import gc
import itertools
import os
import re
import shutil
import signal
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from statistics import median, quantiles
from typing import Final

import attrs

from . import peers
from .claims import Verdict, paired_ratio
from .ours import ours
from .servers import CORES, Running, Server, ServerError, running

ENTRIES: Final = 500_000
OBJECTS: Final = 10 * ENTRIES
ROOM: Final = 6 << 30
PATIENCE: Final = 180.0
QUIET: Final = 10.0
SETTLING: Final = 20.0
"""Seconds that a server with so much takes, at leisure, to prepare for its first checkpoint."""

PERIOD: Final = 0.004
VISITORS: Final = 16
"""Clients of each page, who take turns."""
PAGES: Final = ("/counter.rpy", "/index.html")
STALL: Final = 60
PAUSE: Final = 10
GROWTH: Final = 3
FILES: Final = ("archive.py", "archive.rpy", "counter.rpy", "probe.py", "stall.rpy", "tally.py")


@attrs.frozen
class Phase:
    """What a client saw, in seconds: how long it waited for each page, how long the loop stood.

    `late` is how late the client itself was at worst: what else goes on in the machine.
    """

    waits: dict[str, list[float]]
    late: float
    stall: float

    def p99(self, page: str) -> float:
        return quantiles(self.waits[page], n=100)[-1]

    def __str__(self) -> str:
        pages = ", ".join(
            f"{page} p99 {self.p99(page) * 1000:.2f} ms, longest {max(waits) * 1000:.1f}"
            for page, waits in self.waits.items()
        )
        return (
            f"the loop stood still for {self.stall * 1000:.1f} ms; {pages};"
            f" the client was late by {self.late * 1000:.1f} ms"
        )


@attrs.frozen
class Round:
    """`pause` is what the server itself says of the fork, all times in seconds."""

    quiet: Phase
    checkpoint: Phase
    pause: float
    pickling: float


def run(folder: Path, rounds: int) -> Iterator[Verdict]:
    """Fill a server, start it anew, and in each round: quiet, a checkpoint, pickling in process.

    Server and client may use all cores, as they would; the child does.
    """
    free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if free < ROOM:
        print(f"skipped: checkpoint: {free / 1e9:.1f} GB are free", file=sys.stderr)
        return
    site = folder / "archive"
    site.mkdir()
    for name in FILES:
        shutil.copy(peers.PAGES / name, site)
    (site / "index.html").write_text("<p>Nothing here changes.</p>\n")
    server = ours("ours archive", ["--path", str(site)])
    with _running(server, folder) as instance:
        instance.body(f"/archive.rpy?make={ENTRIES}", PATIENCE)
    with _running(server, folder) as instance:
        instance.body("/stall.rpy")
        print(f"{OBJECTS:,} objects, {instance.memory() / 1e9:.2f} GB", file=sys.stderr)
        time.sleep(SETTLING)
        taken = [_round(instance, f"round {number + 1}/{rounds}") for number in range(rounds)]
    yield from _verdicts(taken)


def _running(server: Server, folder: Path) -> AbstractContextManager[Running]:
    return running(server, folder, "/index.html", cores=CORES, patience=PATIENCE)


def _round(instance: Running, name: str) -> Round:
    until = time.monotonic() + QUIET
    quiet = _phase(instance, lambda: time.monotonic() > until)
    print(f"{name}: quiet: {quiet}", file=sys.stderr)
    log = instance.folder / "output"
    before = log.stat().st_size
    instance.process.send_signal(signal.SIGUSR1)
    checkpoint = _phase(instance, lambda: _has_checkpoint(log, before, instance))
    line = log.read_bytes()[before:].decode().strip()
    print(f"{name}: checkpoint: {checkpoint}; {line}", file=sys.stderr)
    found = re.search(r"stood still (\d+) ms", line)
    assert found is not None
    pause = int(found[1]) / 1000
    instance.body("/archive.rpy?pickle=1", PATIENCE)
    pickling = float(instance.body("/stall.rpy"))
    print(f"{name}: pickling in process: {pickling * 1000:,.0f} ms", file=sys.stderr)
    return Round(quiet, checkpoint, pause, pickling)


def _has_checkpoint(log: Path, before: int, instance: Running) -> bool:
    if log.stat().st_size == before:
        return False
    said = log.read_bytes()[before:]
    if b"no checkpoint now" in said:
        raise ServerError(instance.server.name, said.decode().strip())
    return b"stood still" in said


def _phase(instance: Running, is_over: Callable[[], bool]) -> Phase:
    """Ask for each page at fixed times, until `is_over`."""
    instance.body("/stall.rpy")
    waits, late = asyncio.run(_asked(instance, is_over))
    return Phase(waits, late, float(instance.body("/stall.rpy")))


async def _asked(
    instance: Running, is_over: Callable[[], bool]
) -> tuple[dict[str, list[float]], float]:
    visitors = {
        page: [Visitor(instance.server.name, page) for _ in range(VISITORS)] for page in PAGES
    }
    loop = asyncio.get_running_loop()
    for visitor in itertools.chain.from_iterable(visitors.values()):
        await loop.create_connection(functools.partial(_same, visitor), "127.0.0.1", instance.port)
    end = time.monotonic() + PATIENCE
    gc.disable()
    due, late = time.perf_counter(), 0.0
    for number in itertools.count():
        due += PERIOD
        await asyncio.sleep(due - time.perf_counter())
        late = max(late, time.perf_counter() - due)
        for page in PAGES:
            visitors[page][number % VISITORS].ask()
        if number % 10 == 0 and is_over():
            break
        if time.monotonic() > end:
            raise ServerError(instance.server.name, f"no checkpoint in {PATIENCE:g} s")
    gc.enable()
    for visitor in itertools.chain.from_iterable(visitors.values()):
        await visitor.leave()
    return {page: [wait for each in visitors[page] for wait in each.waits] for page in PAGES}, late


def _same(visitor: "Visitor") -> "Visitor":
    return visitor


class Visitor(asyncio.Protocol):
    """A client with a kept connection. `waits` has for each answer how long it was waited for.

    That counts from the time at which it wanted to ask, be it that the answer before was not there.
    """

    def __init__(self, server: str, page: str) -> None:
        self.waits: list[float] = []
        self._server = server
        self._request = f"GET {page} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()
        self._asked: deque[float] = deque()
        self._answer = b""
        self._free = asyncio.Event()
        self._free.set()

    def ask(self) -> None:
        """Ask once more: at once, or after the answer that is awaited."""
        self._asked.append(time.perf_counter())
        if len(self._asked) == 1:
            self._free.clear()
            self._transport.write(self._request)

    async def leave(self) -> None:
        """Close the connection, once all is answered. Raises `ServerError` for a wrong answer."""
        await asyncio.wait_for(self._free.wait(), PATIENCE)
        self._transport.close()
        if self._asked:
            raise ServerError(self._server, f"answers {self._answer[:60]!r}")

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._answer += data
        if not self._answer.endswith(b"</p>\n"):
            return
        if not self._answer.startswith(b"HTTP/1.1 200 "):
            self._free.set()
            return
        self._answer = b""
        self.waits.append(time.perf_counter() - self._asked.popleft())
        if self._asked:
            self._transport.write(self._request)
        else:
            self._free.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self._free.set()


def _verdicts(taken: Sequence[Round]) -> Iterator[Verdict]:
    pickling = [each.pickling * 1000 for each in taken]
    for claim, stalls, target in (
        ("longest stall in a checkpoint", [each.checkpoint.stall * 1000 for each in taken], STALL),
        ("fork for a checkpoint", [each.pause * 1000 for each in taken], PAUSE),
    ):
        yield Verdict(
            f"{claim} of {OBJECTS:,} objects / pickling them in process",
            f"{median(stalls):.1f} ms",
            f"{median(pickling):,.0f} ms",
            paired_ratio(stalls, pickling),
            judged=median(stalls),
            bound="at most",
            target=target,
            unit=" ms",
        )
    for page, what in zip(PAGES, ("the durable counter page", "a small file"), strict=True):
        during = [each.checkpoint.p99(page) * 1000 for each in taken]
        quiet = [each.quiet.p99(page) * 1000 for each in taken]
        yield Verdict.of_ratio(
            f"p99 of {what} during it / before",
            f"{median(during):.2f} ms",
            f"{median(quiet):.2f} ms",
            paired_ratio(during, quiet),
            "at most",
            GROWTH,
        )
