"""How fast a graph of half a million objects is captured and restored, against bare pickle.

Each side runs in turn, in one process, in every round; garbage collection is on, as it is in a
server, and `capture` and `restore` hold it off themselves.
"""

import gc
import pickle
import statistics
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from time import perf_counter
from typing import Any

import attrs

from perdure.persist.capture import capture
from perdure.persist.restore import restore
from perdure.persist.trust import Policy


@attrs.define
class Session:
    """What a site remembers of one visitor."""

    user: str
    visits: int
    since: datetime
    pages: list[str]


class Message:
    """One of a thread of messages: its parent knows it too."""

    def __init__(self, author: Session, text: str, parent: "Message | None") -> None:
        self.author = author
        self.text = text
        self.parent = parent
        self.replies: list[Message] = []
        self.tags = ("new", author.visits)
        if parent is not None:
            parent.replies.append(self)


def sample(
    visitors: int = 20_000, session: type[Any] = Session, message: type[Any] = Message
) -> dict[str, object]:
    """An application's registry: sessions, and messages in threads.

    There are 25 objects or so for each of the `visitors`, 500,000 by default, and 500 bytes.
    `session` is the class of what is kept of a visitor, and `message` that of the messages.
    """
    since = datetime(2026, 1, 1, tzinfo=UTC)
    sessions = {
        number: session(
            f"user-{number}",
            number,
            since + timedelta(minutes=number),
            [f"/page/{number % 97}", f"/{number}"],
        )
        for number in range(visitors)
    }
    messages: list[Any] = []
    for number in range(3 * visitors):
        parent = messages[number // 2] if number % 3 else None
        messages.append(message(sessions[number % visitors], f"message {number}", parent))
    return {"sessions": sessions, "messages": messages, "upload": bytes(500 * visitors)}


def run(rounds: int = 5) -> list[tuple[str, float, str]]:
    """Measure; each row is a claim, the ratio of speeds (above 1: faster than pickle), its target."""
    root = sample()
    bare = pickle.dumps(root, 5)
    everything = Policy.everything()
    times = _interleaved(
        {
            "dumps": lambda: pickle.dumps(root, 5),
            "capture": lambda: capture(root),
            "loads": lambda: pickle.loads(bare),
            "restore": lambda: restore(bare, everything),
        },
        rounds,
    )
    return [
        (
            "capture of 500,000 objects, speed against bare pickle.dumps",
            times["dumps"] / times["capture"],
            "at least 0.9",
        ),
        (
            "restore of 500,000 objects, speed against bare pickle.loads",
            times["loads"] / times["restore"],
            "more than 1",
        ),
    ]


def _interleaved(sides: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    taken: dict[str, list[float]] = {name: [] for name in sides}
    # The first pickling of a process makes every object a dict, for good: nobody is to pay that.
    for side in sides.values():
        side()
    for _ in range(rounds):
        for name, side in sides.items():
            gc.collect()
            begun = perf_counter()
            side()
            taken[name].append(perf_counter() - begun)
    return {name: statistics.median(each) for name, each in taken.items()}


def main() -> list[tuple[str, float, str]]:
    """Measure, and print a line for each claim."""
    rows = run()
    for claim, ratio, target in rows:
        sys.stdout.write(f"{claim}: {ratio:.2f} (target: {target})\n")
    return rows
