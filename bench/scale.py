"""Whether time and memory of the text forms grow no faster than the graph does.

Each size and direction is measured in a process of its own: memory that was used once is not given
back, and what made the file must not count for what reads it. The process is this module, run with
what it shall do; it prints one line of JSON.
"""

import json
import os
import pickle
import resource
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from time import process_time
from typing import ClassVar, Final

import attrs

from perdure.persist.content import Content
from perdure.persist.errors import PerdureError
from perdure.persist.formats import table

from .claims import Verdict
from .formats import PASSPORT
from .objects import sample

OBJECTS: Final = 25
"""How many there are for each visitor of the sample, or so."""
SIZES: Final = (50_000, 500_000, 5_000_000)
SYNTAXES: Final = ("xml", "source")
ROOM: Final = 1_500
"""Bytes for each object that must be free: a size is left out where they are not."""
GROWTH: Final = 2
"""How much more an object may take in a graph ten times as large: its parts lie farther apart."""
LIMIT: Final = 1_800


@attrs.define
class ScaleError(PerdureError):
    """A process that was to measure has failed."""

    exit_status: ClassVar[int] = os.EX_SOFTWARE

    words: str
    reason: str

    def __str__(self) -> str:
        return f"scale: {self.words}: {self.reason}"


@attrs.frozen
class Cost:
    """What one direction took: seconds of the processor, the bytes by which memory grew, and those of the text."""

    seconds: float
    memory: int
    text: int


def run(folder: Path) -> Iterator[Verdict]:
    """Measure all sizes for which there is room, then compare each with the next smaller one."""
    costs: dict[tuple[str, int], Cost] = {}
    sizes = [size for size in SIZES if _has_room(size)]
    for size in sizes:
        _process("make", str(size), str(folder))
        for syntax in SYNTAXES:
            for direction in ("write", "read"):
                cost = Cost(**json.loads(_process(direction, syntax, str(folder))))
                costs[f"{direction} {syntax}", size] = cost
                print(
                    f"{direction} {syntax}, {size:,} objects: {_shown(cost, size)}", file=sys.stderr
                )
    for name in dict.fromkeys(name for name, _ in costs):
        for small, large in pairwise(sizes):
            yield from growth(name, small, costs[name, small], large, costs[name, large])
    if sizes:
        yield _of_writing(sizes[-1], costs["write xml", sizes[-1]])


def _of_writing(size: int, cost: Cost) -> Verdict:
    return Verdict.of_ratio(
        f"write xml, {size:,} objects: memory / text",
        f"{cost.memory / 1e6:,.0f} MB",
        f"{cost.text / 1e6:,.0f} MB",
        cost.memory / cost.text,
        "at most",
        1,
    )


def growth(name: str, small: int, few: Cost, large: int, many: Cost) -> Iterator[Verdict]:
    """How much more an object takes in the large graph than in the small one: time, then memory."""
    for what, unit, scale, before, after in (
        ("time", "us", 1e6, few.seconds / small, many.seconds / large),
        ("memory", "B", 1, few.memory / small, many.memory / large),
    ):
        yield Verdict.of_ratio(
            f"{name}: {what} an object, {large:,} / {small:,}",
            f"{after * scale:.1f} {unit}",
            f"{before * scale:.1f} {unit}",
            after / before,
            "at most",
            GROWTH,
        )


def _shown(cost: Cost, size: int) -> str:
    return (
        f"{cost.seconds:.2f} s, {cost.seconds / size * 1e6:.2f} us an object; "
        f"{cost.memory / 1e6:,.0f} MB, {cost.memory / size:.0f} B an object; "
        f"{cost.text / 1e6:,.1f} MB of text"
    )


def _has_room(size: int) -> bool:
    free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if free < size * ROOM:
        print(f"skipped: {size:,} objects: {free / 1e9:.1f} GB are free", file=sys.stderr)
        return False
    return True


def _process(*words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", __name__, *words],
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
    )
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or [f"status {done.returncode}"])[-1]
        raise ScaleError(" ".join(words), reason)
    return done.stdout


# What the processes do.


def make(size: int, folder: Path) -> None:
    """Write the stream of a graph of so many objects into `folder`."""
    (folder / "stream").write_bytes(pickle.dumps(sample(size // OBJECTS), 5))


def write(syntax: str, folder: Path) -> Cost:
    """From a graph that is there already to a file of text."""
    content = Content.of_stream((folder / "stream").read_bytes())
    _ = content.graph
    before = _start()
    begun = process_time()
    with open(folder / syntax, "wb") as file:
        file.writelines(table.by_name(syntax).encode(PASSPORT, content, None))
        size = file.tell()
    return Cost(process_time() - begun, _most() - before, size)


def read(syntax: str, folder: Path) -> Cost:
    """From text that is in memory already to a stream."""
    data = (folder / syntax).read_bytes()
    before = _start()
    begun = process_time()
    made = table.by_name(syntax).decode(data).stream
    assert made
    return Cost(process_time() - begun, _most() - before, len(data))


def _start() -> int:
    """Forget the most memory there was, where the kernel lets us, and say what there is now."""
    Path("/proc/self/clear_refs").write_text("5")
    return _most()


def _most() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def main(action: str, what: str, folder: str) -> None:
    """Do one thing, and print what it cost."""
    if action == "make":
        make(int(what), Path(folder))
    else:
        cost = (write if action == "write" else read)(what, Path(folder))
        print(json.dumps(attrs.asdict(cost)))


if __name__ == "__main__":
    main(*sys.argv[1:])
