"""The load generator: one thread of wrk, and what it says."""

import json
import subprocess
from pathlib import Path
from typing import Any, ClassVar

import attrs

from perdure.persist.errors import PerdureError

from .servers import LOAD_CORE, pinned

REPORT = Path(__file__).with_name("report.lua")
VARIED = Path(__file__).with_name("varied.lua")
CONNECTIONS = 64


@attrs.frozen
class LoadError(PerdureError):
    """The run measured nothing that can be compared: wrk failed, or the server answered wrongly."""

    exit_status: ClassVar[int] = 69

    url: str
    reason: str

    def __str__(self) -> str:
        return f"load on {self.url}: {self.reason}"


@attrs.frozen
class Load:
    """What one run of wrk counted. `p99` is in microseconds, `octets` includes the headers."""

    requests: int
    octets: int
    seconds: float
    p99: int

    @property
    def rate(self) -> float:
        """Answers per second."""
        return self.requests / self.seconds


def parse(output: str, url: str) -> Load:
    """Read the line that `report.lua` wrote among wrk's own.

    An answer that is not a success, or a connection that broke, is a `LoadError`: a server that
    refuses work is not fast.
    """
    for line in output.splitlines():
        mark, _, text = line.partition(" ")
        if mark == "report":
            return _load(json.loads(text), url)
    raise LoadError(url, f"wrk printed no report; it said: {output.strip() or 'nothing'}")


def _load(report: dict[str, Any], url: str) -> Load:
    if report["refused"]:
        raise LoadError(url, f"{report['refused']} answers were not a success")
    if report["broken"]:
        raise LoadError(url, f"{report['broken']} connections broke or timed out")
    if not report["requests"]:
        raise LoadError(url, "not one answer came; a longer --seconds may help")
    return Load(
        requests=report["requests"],
        octets=report["bytes"],
        seconds=report["microseconds"] / 1e6,
        p99=report["p99"],
    )


def run(url: str, seconds: int, *, varied: bool = False, accepts: str = "") -> Load:
    """Ask for `url` over 64 kept connections for whole `seconds`, from the core of the load.

    `varied` gives every request a query of its own, so that no two heads are the same bytes; `accepts`
    is the Accept-Encoding of all.
    """
    script = VARIED if varied else REPORT
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", f"-s{script}", url]
    if accepts:
        command += ["-H", f"Accept-Encoding: {accepts}"]
    with pinned(LOAD_CORE):
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=seconds + 15, check=False
        )
    if done.returncode:
        raise LoadError(url, done.stderr.strip() or done.stdout.strip())
    return parse(done.stdout, url)
