"""What it costs that states may be of earlier classes: nothing to speak of, until there is something to do.

Half a million objects are restored, all sides in turn in one process, every other round in reverse
order. *Bare* is the unpickler as `restore` uses it, with no word of shapes or trust: the collector is
off in all. What counts is processor time; what a side makes is thrown away after its clock has stopped.

They are those of `objects`. When the classes change, every instance of a class of the application is
of an earlier version: there is a step for each, and where a class has fields, a new one with a default.
"""

import gc
import io
import pickle
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping
from statistics import median
from time import process_time
from types import ModuleType
from typing import Any, Final

import attrs

from perdure.persist.capture import capture
from perdure.persist.collector import collector_off
from perdure.persist.restore import restore
from perdure.persist.shapes import UNKNOWN, Shape, parsed
from perdure.persist.trust import Policy

from .claims import Verdict, paired_ratio
from .objects import sample

MODULE: Final = "benchshop"
TARGETS: Final = {"unchanged": 1.1, "every instance": 3.0}

FIRST: Final = """
    from datetime import datetime
    import attrs

    @attrs.define
    class Session:
        user: str
        visits: int
        since: datetime
        pages: list

    class Message:
        def __init__(self, author, text, parent):
            self.author = author
            self.text = text
            self.parent = parent
            self.replies = []
            self.tags = ("new", author.visits)
            if parent is not None:
                parent.replies.append(self)
"""
SECOND: Final = """
    from datetime import datetime
    import attrs
    from perdure.persist.schema import schema, upgrades

    @schema(version=2)
    @attrs.define
    class Session:
        name: str
        visits: int
        since: datetime
        pages: list
        mail: str = ""

    @upgrades(Session, to=2)
    def rename(state):
        state["name"] = state.pop("user")
        return state

    @schema(version=2)
    class Message:
        pass

    @upgrades(Message, to=2)
    def count(state):
        state["count"] = len(state["replies"])
        return state
"""
Side = Callable[[], object]


@attrs.frozen
class Kept:
    """A state, and the shapes that its classes had."""

    stream: bytes
    shapes: Mapping[str, Shape]


def run(rounds: int) -> Iterator[Verdict]:
    """Measure, and judge both claims."""
    kept = _kept()
    sides: dict[str, Side] = {
        "bare": lambda: _bare(kept.stream),
        "unchanged": lambda: restore(kept.stream, Policy.everything(), kept.shapes),
    }
    times: dict[str, list[float]] = {}
    _measure(sides, times, rounds)
    code(MODULE, SECOND)
    sides = {
        "bare, again": lambda: _bare(kept.stream),
        "every instance": lambda: restore(kept.stream, Policy.everything(), kept.shapes),
    }
    _measure(sides, times, rounds)
    for ours, peer, claim in (
        ("unchanged", "bare", "restore of 500,000 objects, trust and schema checked / bare, time"),
        ("every instance", "bare, again", "restore that brings up every instance / bare, time"),
    ):
        yield Verdict.of_ratio(
            claim,
            f"{median(times[ours]):.2f} s",
            f"{median(times[peer]):.2f} s",
            paired_ratio(times[ours], times[peer]),
            "at most",
            TARGETS[ours],
        )


def code(name: str, text: str) -> Any:
    """The module `name` with this text, from now on."""
    made = ModuleType(name)
    sys.modules[name] = made
    exec(textwrap.dedent(text), made.__dict__)  # noqa: S102 - the text is our own
    return made


def _kept() -> Kept:
    shop = code(MODULE, FIRST)
    captured = capture(sample(session=shop.Session, message=shop.Message))
    shapes = {**dict.fromkeys(captured.names, UNKNOWN), **parsed(captured.classes)}
    return Kept(captured.stream, shapes)


def _bare(stream: bytes) -> object:
    with collector_off():
        return pickle.Unpickler(io.BytesIO(stream)).load()


def _measure(sides: dict[str, Side], times: dict[str, list[float]], rounds: int) -> None:
    for side in sides.values():
        side()
    for number in range(rounds):
        for name in sides if number % 2 == 0 else reversed(sides):
            gc.collect()
            begun = process_time()
            made = sides[name]()
            times.setdefault(name, []).append(process_time() - begun)
            del made
            print(f"round {number + 1}/{rounds}: {name}: {times[name][-1]:.2f} s", file=sys.stderr)
