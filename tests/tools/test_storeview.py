"""What appstore says that a start would do is what a start does."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from perdure.app.beginning import Beginning
from perdure.app.rewind import Archive
from perdure.persist import snapshot
from perdure.persist.errors import PerdureError
from perdure.persist.formats import table
from perdure.persist.trust import Signer
from perdure.tools import storecheck, storetext
from perdure.tools.storeview import View, look

from ..app.conftest import house
from ..app.lives import House, damage

__all__ = ["house"]


def newest(house: House) -> Path:
    return house.store.states()[0].path


def export(house: House) -> None:
    source = house.folder / "web-shutdown.snap"
    found = snapshot.read(source)
    target = source.with_name(source.name + ".xml")
    snapshot.put(target, found.passport, found.content, table.by_name("xml"), house.signer)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes().rstrip(b"\0")[:-5])


def nothing(_: House) -> None:
    pass


def other_user(house: House) -> None:
    house.signer = Signer.of_user(house.folder / "other")


def broken_export(house: House) -> None:
    export(house)
    damage(house.folder / "web-shutdown.snap.xml", 20)


def older_and_newest(house: House) -> None:
    damage(newest(house), -200)
    damage(house.folder / "web-shutdown.snap", -200)


def lose_old_segments(house: House) -> None:
    for path in house.segments[:-1]:
        path.unlink()


CASES: list[Callable[[House], object]] = [
    nothing,
    export,
    broken_export,
    older_and_newest,
    lambda house: damage(newest(house), -200),
    lambda house: damage(newest(house), 3),
    lambda house: damage(house.folder / "web-shutdown.snap", 3),
    lambda house: newest(house).unlink(),
    lambda house: shutil.rmtree(house.folder / "web.journal"),
    lose_old_segments,
    lambda house: cut(house.segments[-1]),
    lambda house: damage(house.segments[-1], 400),
    lambda house: damage(house.segments[0], 400),
    lambda house: damage(house.segments[-1], 3),
]


def seen(house: House) -> View:
    return look(Archive(house.folder, house.name), house.signer, whole=True)


def begin(house: House) -> Beginning | None:
    """What a start begins with; None if it refuses."""
    try:
        return house.begin()
    except PerdureError:
        return None


@pytest.fixture
def lived(house: House) -> House:
    """A clean stop after two records, a checkpoint after five, and four more."""
    house.visits(2, stop=True)
    house.visits(3, checkpoint=True)
    house.visits(4)
    return house


@pytest.mark.parametrize("spoil", CASES)
def test_a_start_does_what_was_said(lived: House, spoil: Callable[[House], object]) -> None:
    spoil(lived)
    said = seen(lived).start
    begun = begin(lived)
    if begun is None:
        assert said.refuses is not None
        return
    assert said.refuses is None
    assert begun.state == said.takes
    count = f"and {said.replays:,} changes that came after"
    assert (count in begun.sentence) == bool(said.replays)
    assert (f"{said.cut} bytes that were never finished" in begun.sentence) == bool(said.cut)
    for lost in said.lost:
        assert lost in begun.warnings


@pytest.mark.parametrize("spoil", [*CASES, other_user])
def test_whatever_is_spoiled_is_listed_and_verified(
    lived: House, spoil: Callable[[House], object]
) -> None:
    spoil(lived)
    view = seen(lived)
    assert all(storetext.listing(view))
    found = [*storecheck.problems(view, lived.signer)]
    assert all("\n" not in problem.text and problem.status for problem in found)
    if view.start.refuses or view.start.lost or any(each.damage for each in view.states):
        assert found
