"""How fast a snapshot is turned into text and back, against those who also write objects as text.

All sides run in turn, in one process, in every round, every other round in reverse order. What counts
is processor time: nothing here waits for anything. The collector is as a user has it, on, except
where a claim says otherwise; what a side makes is thrown away after its clock has stopped.

The stream is one's own. A stranger's is first searched for keys that would take years to hash: the
side of that name is measured and told, but no claim is made of it.
"""

import gc
import importlib
import pickle
import sys
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from statistics import median
from time import process_time
from typing import Any, Final

import attrs

from perdure.persist import graphstream
from perdure.persist.collector import collector_off
from perdure.persist.content import Content
from perdure.persist.formats import table
from perdure.persist.formats.format import Format
from perdure.persist.passport import FORMAT, Passport
from perdure.persist.restore import restore
from perdure.persist.trust import Policy

from .claims import Bound, Verdict, paired_ratio
from .objects import sample

VISITORS: Final = 20_000
TENTH: Final = 10
PASSPORT: Final = Passport(
    format=FORMAT,
    application="bench",
    holds="state",
    written="2026-01-01T00:00:00Z",
    writer="bench",
    python="3",
)

Side = Callable[[], object]
Times = Mapping[str, list[float]]


class PlainSession:
    """A `Session` as Twisted's writer can keep it: it reads back neither slots nor datetimes."""

    def __init__(self, user: str, visits: int, since: datetime, pages: list[str]) -> None:
        self.user = user
        self.visits = visits
        self.since = since.isoformat()
        self.pages = pages


@attrs.frozen
class Comparison:
    """A claim about the sides called `ours` and `peer`.

    With the bound "at least" it is about speed, the peer's time over ours; else about time.
    `factor` is by how much the peer's graph is smaller.
    """

    claim: str
    ours: str
    peer: str
    bound: Bound
    target: float
    factor: int = 1

    def verdict(self, times: Times) -> Verdict:
        """What the rounds showed."""
        ours, peer = times[self.ours], [time * self.factor for time in times[self.peer]]
        ratio = paired_ratio(peer, ours) if self.bound == "at least" else paired_ratio(ours, peer)
        return Verdict.of_ratio(
            self.claim, _seconds(ours), _seconds(peer), ratio, self.bound, self.target
        )


def _seconds(times: list[float]) -> str:
    return f"{median(times):.2f} s"


AT_A_TENTH: Final = "at a tenth, times ten"
COMPARISONS: Final = [
    Comparison(
        f"stream to XML / Twisted's source writer ({AT_A_TENTH}), speed",
        "write xml", "twisted writes", "at least", 8, TENTH,
    ),
    Comparison(
        "stream to XML / jsonpickle.encode, speed",
        "write xml", "jsonpickle writes", "at least", 4,
    ),
    Comparison(
        f"XML to stream / Twisted's source reader ({AT_A_TENTH}), speed",
        "read xml", "twisted reads", "at least", 2, TENTH,
    ),
    Comparison(
        "XML to stream / jsonpickle.decode, speed",
        "read xml", "jsonpickle reads", "at least", 1.3,
    ),
    Comparison("stream to source / to XML, time", "write source", "write xml", "at most", 3),
    Comparison("source to stream / from XML, time", "read source", "read xml", "at most", 3),
    Comparison(
        "inert reading / pickle.loads, collector on, time",
        "inert", "loads", "at most", 1.3,
    ),
    Comparison(
        "inert reading / pickle.loads, collector off, time",
        "inert, collector off", "loads, collector off", "at most", 1.3,
    ),
    Comparison("inert reading / restore, time", "inert, collector off", "restore", "at most", 1.3),
]  # fmt: skip


def run(rounds: int) -> Iterator[Verdict]:
    """Measure, and judge each claim of which both sides could be measured."""
    sides = _sides()
    times: dict[str, list[float]] = {name: [] for name in sides}
    for side in sides.values():
        # The first run of a side imports, and fills what is kept for later.
        side()
    # What all sides stand on is not in a user's process: the collector, which is the less eager the
    # more there is, shall not see it.
    gc.collect()
    gc.freeze()
    for number in range(rounds):
        for name in sides if number % 2 == 0 else reversed(sides):
            times[name].append(_time(sides[name]))
            print(f"round {number + 1}/{rounds}: {name}: {times[name][-1]:.2f} s", file=sys.stderr)
    for comparison in COMPARISONS:
        if comparison.ours in times and comparison.peer in times:
            yield comparison.verdict(times)


def _time(side: Side) -> float:
    gc.collect()
    begun = process_time()
    made = side()
    taken = process_time() - begun
    del made
    return taken


def _sides() -> dict[str, Side]:
    root = sample(VISITORS)
    stream = pickle.dumps(root, 5)
    sides = {**_readings(stream), **_jsonpickle(root), **_twisted()}
    for name in ("xml", "source"):
        sides.update(_format(table.by_name(name), stream))
    return sides


def _readings(stream: bytes) -> dict[str, Side]:
    everything = Policy.everything()

    def without_collector(side: Side) -> Side:
        def run() -> object:
            with collector_off():
                return side()

        return run

    def inert() -> object:
        return graphstream.read(stream, trusted=True)

    def loads() -> object:
        return pickle.loads(stream)

    return {
        "inert": inert,
        "loads": loads,
        "inert, collector off": without_collector(inert),
        "loads, collector off": without_collector(loads),
        "restore": lambda: restore(stream, everything),
        "inert, a stranger's": lambda: graphstream.read(stream),
    }


def _format(syntax: Format, stream: bytes) -> dict[str, Side]:
    text = b"".join(written(syntax, stream))
    print(f"{syntax.name}: {len(text) / 1e6:.1f} MB of {len(stream) / 1e6:.1f}", file=sys.stderr)
    return {
        f"write {syntax.name}": lambda: deque(written(syntax, stream), maxlen=0),
        f"read {syntax.name}": lambda: syntax.decode(text).stream,
    }


def written(syntax: Format, stream: bytes) -> Iterator[bytes]:
    """The pieces of the file of `stream` in `syntax`, inert reading included."""
    graph = graphstream.read(stream, trusted=True)
    return syntax.encode(PASSPORT, Content.of_graph(graph), None)


def _jsonpickle(root: object) -> dict[str, Side]:
    try:
        peer: Any = importlib.import_module("jsonpickle")
    except ImportError:
        return _left_out("jsonpickle")
    # Without it, and by default until its release 5, keys that are numbers come back as text.
    text: str = peer.encode(root, keys=True)
    print(f"jsonpickle: {len(text) / 1e6:.1f} MB", file=sys.stderr)
    return {
        "jsonpickle writes": lambda: peer.encode(root, keys=True),
        "jsonpickle reads": lambda: peer.decode(text, keys=True),
    }


def _twisted() -> dict[str, Side]:
    try:
        peer: Any = importlib.import_module("twisted.persisted.aot")
    except ImportError:
        return _left_out("twisted")
    root = sample(VISITORS // TENTH, PlainSession)
    text: str = peer.jellyToSource(root)
    print(f"twisted: {len(text) / 1e6:.1f} MB of a tenth", file=sys.stderr)
    return {
        "twisted writes": lambda: peer.jellyToSource(root),
        "twisted reads": lambda: peer.unjellyFromSource(text),
    }


def _left_out(package: str) -> dict[str, Side]:
    print(f"skipped: no {package}; pip install -e '.[bench]'", file=sys.stderr)
    return {}
