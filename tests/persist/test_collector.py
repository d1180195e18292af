"""What the garbage collector is kept from, and what it still finds."""

import gc
import weakref
from collections.abc import Iterator
from pathlib import Path

import pytest

from perdure.persist import collector
from perdure.persist.collector import Settled, collector_off


class Knot:
    """An object that holds itself."""

    def __init__(self) -> None:
        self.itself = self


@pytest.fixture
def settled() -> Iterator[Settled]:
    yield Settled()
    gc.unfreeze()


def test_it_is_off_for_the_block_and_as_before_after_it() -> None:
    with collector_off():
        assert not gc.isenabled()
        with collector_off():
            pass
        assert not gc.isenabled()
    assert gc.isenabled()


def test_garbage_is_not_settled(settled: Settled) -> None:
    gone = weakref.ref(Knot())
    settled.all()
    assert gone() is None


def test_young_garbage_is_not_settled_with_what_is_new(settled: Settled) -> None:
    settled.all()
    gone = weakref.ref(Knot())
    settled.new()
    assert gone() is None


def test_what_is_settled_is_looked_through_no_more(settled: Settled) -> None:
    knot: Knot | None = Knot()
    there = weakref.ref(knot)
    settled.all()
    knot = None
    gc.collect()
    assert there() is not None


def test_all_is_looked_through_once_the_memory_has_doubled(
    settled: Settled, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = tmp_path / "statm"
    monkeypatch.setattr(collector, "SIZE_FILE", said)
    said.write_text("9000 1000 0 0 0 0 0\n")
    knot: Knot | None = Knot()
    there = weakref.ref(knot)
    settled.all()
    knot = None
    said.write_text("9000 2000 0 0 0 0 0\n")
    settled.new()
    assert there() is not None
    said.write_text("9000 2001 0 0 0 0 0\n")
    settled.new()
    assert there() is None
