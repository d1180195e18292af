"""Which item of one list is which of another, so that one insertion is one difference.

Items are compared by keys, cheap looks at each: first by strong ones, equal for what is the same;
what is left between those by weaker ones, equal for what is likely the same thing changed. Keys that
each list has once are the anchors (the longest run of them in order, as in a patience diff),
which takes time in proportion to n log n; only small gaps are matched at greater cost.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Sequence
from difflib import SequenceMatcher
from typing import Any, Final

Key = Callable[[Any], Hashable]
Pairing = tuple[int | None, int | None]
"""Where an item is in the old list and in the new; None in the one that lacks it."""

_SMALL: Final = 4_096
_MOST_ROUNDS: Final = 8
_NEAR: Final = 100


def align(old: Sequence[Any], new: Sequence[Any], keys: Sequence[Key]) -> list[Pairing]:
    """Every item of both lists once, in the order of the new one. `keys` go from strong to weak."""
    pairs = _pairs(old, new, keys)
    found: list[Pairing] = []
    i = j = 0
    for after_old, after_new in [*pairs, (len(old), len(new))]:
        found += [(each, None) for each in range(i, after_old)]
        found += [(None, each) for each in range(j, after_new)]
        if after_new < len(new):
            found.append((after_old, after_new))
        i, j = after_old + 1, after_new + 1
    return found


_Gap = tuple[int, int, int, int]


def _pairs(old: Sequence[Any], new: Sequence[Any], keys: Sequence[Key]) -> list[tuple[int, int]]:
    pairs: list[tuple[int, int]] = []
    gaps: list[_Gap] = [(0, len(old), 0, len(new))]
    for key in keys:
        left: list[_Gap] = []
        for gap in gaps:
            low, high, start, end = gap
            found = list(_match([key(each) for each in old[low:high]],
                                [key(each) for each in new[start:end]]))  # fmt: skip
            placed = [(low + i, start + j) for i, j in found]
            pairs += placed
            left += _between(gap, placed)
        gaps = left
    return sorted(pairs)


def _between(gap: _Gap, pairs: Sequence[tuple[int, int]]) -> Iterator[_Gap]:
    """The gaps that `pairs`, in order, leave in `gap` on both sides."""
    i, high, j, end = gap
    for next_i, next_j in [*pairs, (high, end)]:
        if i < next_i and j < next_j:
            yield i, next_i, j, next_j
        i, j = next_i + 1, next_j + 1


def _match(old: list[Hashable], new: list[Hashable]) -> list[tuple[int, int]]:
    """The places of equal keys, increasing in both lists."""
    pairs: list[tuple[int, int]] = []
    work: list[tuple[_Gap, int]] = [((0, len(old), 0, len(new)), 0)]
    while work:
        (low, high, start, end), rounds = work.pop()
        while low < high and start < end and old[low] == new[start]:
            pairs.append((low, start))
            low, start = low + 1, start + 1
        while low < high and start < end and old[high - 1] == new[end - 1]:
            high, end = high - 1, end - 1
            pairs.append((high, end))
        if low == high or start == end:
            continue
        gap = low, high, start, end
        if (high - low) * (end - start) <= _SMALL:
            matcher = SequenceMatcher(None, old[low:high], new[start:end], autojunk=False)
            for i, j, size in matcher.get_matching_blocks():
                pairs += [(low + i + each, start + j + each) for each in range(size)]
        else:
            anchors = _anchors(old, new, gap) if rounds < _MOST_ROUNDS else []
            pairs += anchors or _nearest(old, new, gap)
            if anchors:
                work += [(each, rounds + 1) for each in _between(gap, anchors)]
    return sorted(pairs)


def _nearest(old: list[Hashable], new: list[Hashable], gap: _Gap) -> list[tuple[int, int]]:
    """Where no key stands once: each item with the next equal one that is not far off."""
    low, high, start, end = gap
    places: dict[Hashable, list[int]] = {}
    for j in range(start, end):
        places.setdefault(new[j], []).append(j)
    pairs: list[tuple[int, int]] = []
    for i in range(low, high):
        known = places.get(old[i], [])
        place = bisect_left(known, start)
        if place < len(known) and known[place] - start <= _NEAR:
            pairs.append((i, known[place]))
            start = known[place] + 1
    return pairs


def _anchors(old: list[Hashable], new: list[Hashable], gap: _Gap) -> list[tuple[int, int]]:
    """The longest run, increasing in both, of keys that stand once on each side of `gap`."""
    low, high, start, end = gap
    counts, others = Counter(old[low:high]), Counter(new[start:end])
    places = {new[j]: j for j in range(start, end)}
    once = [
        (i, places[old[i]])
        for i in range(low, high)
        if counts[old[i]] == 1 and others.get(old[i]) == 1
    ]
    return _longest_run(once)


def _longest_run(pairs: list[tuple[int, int]]) -> list[tuple[int, int]]:
    tails: list[int] = []
    holders: list[int] = []
    before: list[int] = []
    for number, (_, j) in enumerate(pairs):
        place = bisect_left(tails, j)
        before.append(holders[place - 1] if place else -1)
        tails[place : place + 1] = [j]
        holders[place : place + 1] = [number]
    run: list[tuple[int, int]] = []
    number = holders[-1] if holders else -1
    while number >= 0:
        run.append(pairs[number])
        number = before[number]
    return run[::-1]
