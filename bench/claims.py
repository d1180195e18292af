"""What is claimed, what was measured, and the table that shows both."""

from collections.abc import Iterable, Sequence
from statistics import median
from typing import Literal

import attrs

Bound = Literal["at least", "more than", "at most"]


@attrs.frozen
class Verdict:
    """One claim with its figures, ready to print.

    `ours` and `peer` are text with their unit, empty where a part reports a ratio alone. `judged`
    is the number that `target` bounds: the ratio, except for a claim about wall time, whose target
    is in milliseconds.
    """

    claim: str
    ours: str
    peer: str
    ratio: float
    judged: float
    bound: Bound
    target: float
    unit: str = ""

    @classmethod
    def of_ratio(
        cls, claim: str, ours: str, peer: str, ratio: float, bound: Bound, target: float
    ) -> "Verdict":
        """A claim whose target bounds the ratio itself."""
        return cls(claim, ours, peer, ratio, judged=ratio, bound=bound, target=target)

    @property
    def met(self) -> bool:
        """Whether the judged number is on the right side of the target."""
        match self.bound:
            case "at least":
                return self.judged >= self.target
            case "more than":
                return self.judged > self.target
            case "at most":
                return self.judged <= self.target


def paired_ratio(ours: Sequence[float], peer: Sequence[float]) -> float:
    """The median of the ratios of each round.

    The ratio of the two medians is not used: a machine that slows down for some rounds moves it, while
    both numbers of one round were taken within seconds of each other. So the two figures of a row,
    each a median of its own, need not divide to exactly this.
    """
    return median(a / b for a, b in zip(ours, peer, strict=True))


def table(verdicts: Iterable[Verdict]) -> str:
    """A plain table, one row a claim: figures to the right, words to the left."""
    head = ("claim", "ours", "peer", "ratio", "target", "met")
    rows = [head, *(_cells(verdict) for verdict in verdicts)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    lines = [_line(row, widths) for row in rows]
    lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(lines)


def _cells(verdict: Verdict) -> tuple[str, ...]:
    target = f"{verdict.bound} {verdict.target:g}{verdict.unit}"
    met = "yes" if verdict.met else "NO"
    return verdict.claim, verdict.ours, verdict.peer, f"{verdict.ratio:.2f}", target, met


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    words = (0, 4, 5)
    cells = (
        cell.ljust(width) if column in words else cell.rjust(width)
        for column, (cell, width) in enumerate(zip(row, widths, strict=True))
    )
    return "  ".join(cells).rstrip()
