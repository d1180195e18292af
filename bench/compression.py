"""How long the loop stands still while replies of ten megabytes are compressed."""

import http.client
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from pathlib import Path
from statistics import median
from typing import Final

from .claims import Verdict
from .ours import ours
from .peers import PAGES
from .servers import Running, ServerError, running

CODINGS: Final = ("gzip", "br", "zstd")
CLIENTS: Final = 4
LONGEST: Final = 20.0


def run(folder: Path, rounds: int) -> Iterator[Verdict]:
    """In each round, four clients at once for each coding, and for what one page compresses at once."""
    server = ours("ours compressed", ["--class", "squeeze.Root", "--pythonpath", str(PAGES)])
    stalls: dict[str, list[float]] = {coding: [] for coding in (*CODINGS, "at once")}
    with running(server, folder, "/stall") as instance:
        for number in range(rounds):
            for coding, longest in stalls.items():
                longest.append(_stall(instance, coding))
            said = ", ".join(f"{coding} {each[-1]:.1f} ms" for coding, each in stalls.items())
            print(f"compression round {number + 1}: {said}", file=sys.stderr)
    at_once = median(stalls["at once"])
    for coding in CODINGS:
        typical = median(stalls[coding])
        yield Verdict(
            f"10 MB as {coding}, {CLIENTS} clients: longest stall / compressed at once",
            f"{typical:.1f} ms",
            f"{at_once:.0f} ms",
            typical / at_once,
            judged=typical,
            bound="at most",
            target=LONGEST,
            unit=" ms",
        )


def _stall(instance: Running, coding: str) -> float:
    """Milliseconds that the loop stood still at the longest while all clients were answered."""
    path = "/at-once" if coding == "at once" else "/large"
    instance.body("/stall")
    with ThreadPoolExecutor(CLIENTS) as clients:
        list(clients.map(partial(_fetch, instance, path), [coding] * CLIENTS))
    return float(instance.body("/stall")) * 1000


def _fetch(instance: Running, path: str, coding: str) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", instance.port, timeout=60)
    with closing(connection):
        connection.request("GET", path, headers={"Accept-Encoding": coding})
        answer = connection.getresponse()
        answer.read()
    expected = "gzip" if coding == "at once" else coding
    if answer.getheader("Content-Encoding") != expected:
        raise ServerError(instance.server.name, f"{path} is not compressed as {expected}")
