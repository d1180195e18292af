"""Requests per second, and CPU per gigabyte, over 64 kept connections."""

import contextlib
import shutil
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Literal

import attrs

from . import load, peers
from .claims import Bound, Verdict, paired_ratio
from .load import Load
from .ours import HELLO, LOGGED, ours
from .servers import Running, Server, ServerError, running

SIZES = {"/1k.html": 1024, "/100k.bin": 100 * 1024, "/10m.bin": 10 * 1024 * 1024}


@attrs.frozen
class Page:
    """What one run of the load asks for: a path of a server, named as in `servers`.

    `varied`: with another query each time. A client of the real world repeats its head, but a
    thousand clients have a thousand heads, and a server that remembers heads shall not hide it.
    `accepts`: what is said in Accept-Encoding.
    """

    server: str
    path: str = "/"
    varied: bool = False
    accepts: str = ""

    def __str__(self) -> str:
        coding = f" ({self.accepts})" if self.accepts else ""
        return f"{self.server} {self.path}{'?N' if self.varied else ''}{coding}"


@attrs.frozen
class Comparison:
    """A claim: our figure over the peer's, of the same page."""

    claim: str
    ours: Page
    peer: Page
    target: float
    measure: Literal["requests", "cpu"] = "requests"
    strict: bool = False

    @property
    def bound(self) -> Bound:
        if self.strict:
            return "more than"
        return "at least" if self.measure == "requests" else "at most"


@attrs.frozen
class Sample:
    """One run of the load, and the CPU seconds that the server used for it."""

    load: Load
    cpu: float

    @property
    def cpu_per_gigabyte(self) -> float:
        """Per 10^9 octets that were received."""
        return self.cpu / (self.load.octets / 1e9)

    def __str__(self) -> str:
        return (
            f"{self.load.rate:,.0f}/s, p99 {self.load.p99 / 1000:.1f} ms, "
            f"{self.cpu / self.load.requests * 1e6:.1f} us of CPU each, "
            f"{self.cpu / self.load.seconds:.0%} of the core"
        )


def _files(claim: str, peer: str, path: str, target: float) -> Comparison:
    return Comparison(claim, Page("ours files", path), Page(peer, path), target)


COMPARISONS = [
    _files("1 KB file / nginx", "nginx", "/1k.html", 0.85),
    Comparison(
        "1 KB file, no two requests alike / nginx",
        Page("ours files", "/1k.html", varied=True),
        Page("nginx", "/1k.html", varied=True),
        0.85,
    ),
    _files("1 KB file / Twisted", "twisted files", "/1k.html", 6),
    _files("1 KB file / Caddy", "caddy", "/1k.html", 3),
    _files("100 KB file / nginx", "nginx", "/100k.bin", 0.75),
    Comparison(
        "10 MB file, CPU s per GB / nginx",
        Page("ours files", "/10m.bin"),
        Page("nginx", "/10m.bin"),
        1.2,
        "cpu",
    ),
    Comparison(
        "hello, no access log / uvicorn", Page("ours hello, no log"), Page("uvicorn, no log"), 1.2
    ),
    Comparison(
        "hello, no log, no two requests alike / uvicorn",
        Page("ours hello, no log", varied=True),
        Page("uvicorn, no log", varied=True),
        1.2,
    ),
    Comparison("hello, access log / uvicorn", Page("ours hello"), Page("uvicorn"), 1.2),
    Comparison("hello, access log / Twisted", Page("ours hello"), Page("twisted hello"), 3),
    Comparison(
        "counter script / our hello", Page("ours files", "/counter.rpy"), Page("ours hello"), 0.8
    ),
]


def servers(site: Path) -> list[Server]:
    """Every server that a comparison names."""
    return [
        ours("ours files", ["--path", str(site), *LOGGED]),
        ours("ours hello", [*HELLO, *LOGGED]),
        ours("ours hello, no log", HELLO),
        peers.nginx(site),
        peers.caddy(site),
        peers.twisted_files(site),
        peers.twisted_hello(),
        peers.uvicorn(),
        peers.uvicorn("--no-access-log", name="uvicorn, no log"),
    ]


def run(folder: Path, rounds: int, seconds: int) -> Iterator[Verdict]:
    """Keep every server running, and load one after the other, `rounds` times.

    A server that is not installed is left out with a line on standard error, its claims with it.
    """
    site = _site(folder / "site")
    with contextlib.ExitStack() as stack:
        instances = {
            server.name: stack.enter_context(running(server, folder))
            for server in installed(servers(site))
        }
        yield from measured(COMPARISONS, instances, rounds, seconds)


def measured(
    comparisons: list[Comparison], instances: dict[str, Running], rounds: int, seconds: int
) -> Iterator[Verdict]:
    """Load the pages of all comparisons whose servers run, in turn, `rounds` times."""
    wanted = [
        comparison
        for comparison in comparisons
        if {comparison.ours.server, comparison.peer.server} <= instances.keys()
    ]
    pages = list(dict.fromkeys(p for c in wanted for p in (c.ours, c.peer)))
    for page in pages:
        _warm(instances[page.server], page)
    samples = _sample(instances, pages, rounds, seconds)
    yield from (_verdict(comparison, samples) for comparison in wanted)


def installed(candidates: list[Server]) -> Iterator[Server]:
    """Those that can be started here; of each other one a line is printed."""
    for server in candidates:
        if server.present:
            yield server
        else:
            print(f"skipped: {server.name}: no {server.program} on PATH", file=sys.stderr)


def _site(folder: Path) -> Path:
    folder.mkdir()
    for path, size in SIZES.items():
        line = b"<p>The same line again and again.</p>\n"
        (folder / path[1:]).write_bytes((line * (size // len(line) + 1))[:size])
    for name in ("counter.rpy", "tally.py"):
        shutil.copy(peers.PAGES / name, folder)
    return folder


def _warm(instance: Running, page: Page) -> None:
    """See that the page is what it should be, then load it once, unmeasured."""
    expected = SIZES.get(page.path)
    size = len(instance.body(page.path))
    if expected is not None and size != expected:
        reason = f"{page.path} has {size} octets, not {expected}"
        raise ServerError(instance.server.name, reason)
    load.run(instance.url(page.path), 1, varied=page.varied, accepts=page.accepts)


def _sample(
    instances: dict[str, Running], pages: list[Page], rounds: int, seconds: int
) -> dict[Page, list[Sample]]:
    samples: dict[Page, list[Sample]] = defaultdict(list)
    for number in range(rounds):
        # Every other round goes backwards, so that a steady drift favours nobody.
        for page in pages if number % 2 == 0 else reversed(pages):
            instance = instances[page.server]
            before = instance.cpu_seconds()
            result = load.run(
                instance.url(page.path), seconds, varied=page.varied, accepts=page.accepts
            )
            sample = Sample(result, instance.cpu_seconds() - before)
            samples[page].append(sample)
            print(f"round {number + 1}/{rounds}: {page}: {sample}", file=sys.stderr)
    return samples


def _verdict(comparison: Comparison, samples: dict[Page, list[Sample]]) -> Verdict:
    ours_samples, peer_samples = samples[comparison.ours], samples[comparison.peer]
    if comparison.measure == "requests":
        mine = [sample.load.rate for sample in ours_samples]
        theirs = [sample.load.rate for sample in peer_samples]
        figure = "{:,.0f}/s"
    else:
        mine = [sample.cpu_per_gigabyte for sample in ours_samples]
        theirs = [sample.cpu_per_gigabyte for sample in peer_samples]
        figure = "{:.2f} s/GB"
    return Verdict.of_ratio(
        comparison.claim,
        figure.format(median(mine)),
        figure.format(median(theirs)),
        paired_ratio(mine, theirs),
        comparison.bound,
        comparison.target,
    )
