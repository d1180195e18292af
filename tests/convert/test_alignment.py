"""Lists are aligned so that what is the same stands side by side."""

import time

from hypothesis import given
from hypothesis import strategies as st

from perdure.convert.alignment import align


def same(item: object) -> str:
    """A key: the item itself."""
    return repr(item)


def test_one_insertion_is_one() -> None:
    assert align("abc", "axbc", [same]) == [(0, 0), (None, 1), (1, 2), (2, 3)]


def test_one_removal_is_one() -> None:
    assert align("abc", "ac", [same]) == [(0, 0), (1, None), (2, 1)]


def test_a_weaker_key_pairs_what_is_left_between() -> None:
    def kind(item: str) -> bool:
        return item.isupper()

    assert align("aBc", "aXc", [same, kind]) == [(0, 0), (1, 1), (2, 2)]
    assert align("aBc", "axc", [same, kind]) == [(0, 0), (1, None), (None, 1), (2, 2)]


@given(st.text("abc", max_size=200), st.text("abc", max_size=200))
def test_every_item_is_there_once_and_pairs_are_equal(old: str, new: str) -> None:
    found = align(old, new, [same])
    assert [i for i, _ in found if i is not None] == list(range(len(old)))
    assert [j for _, j in found if j is not None] == list(range(len(new)))
    assert all(old[i] == new[j] for i, j in found if i is not None and j is not None)


def test_a_list_shuffled_or_of_equal_items_takes_no_longer() -> None:
    begin = time.perf_counter()
    size = 50_000
    shuffled = [(each * 7_919) % size for each in range(size)]
    assert len(align(range(size), shuffled, [same])) > size
    assert len(align([0] * size, [1, *[0] * size, 1, 0], [same])) == size + 3
    halves = [each % 2 for each in range(size)]
    assert len(align(halves, [1 - each for each in halves], [same])) >= size
    assert time.perf_counter() - begin < 20
