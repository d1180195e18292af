"""Any moment that is kept can be gone back to, and nothing is lost by that."""

import os
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure.app import rewind as rewinding
from perdure.app.application import Application
from perdure.app.keeper import Keeper
from perdure.app.loader import Loaded
from perdure.app.records import read_turn
from perdure.app.rewind import (
    Archive,
    BaseError,
    Moment,
    MomentError,
    Rewound,
    install,
    microseconds,
    rewind,
    shown,
)
from perdure.persist.files import WriteError
from perdure.persist.frames import journal_key
from perdure.persist.journalreader import JournalError, JournalReader
from perdure.persist.restore import TrustError
from perdure.persist.trust import Signer

from .lives import House, Tally, value, visit


def archive(house: House) -> Archive:
    return Archive(house.folder, house.name)


def back(house: House, sequence: int, blueprint: Loaded | None = None) -> Rewound:
    return rewind(archive(house), house.loader, Moment(sequence=sequence), blueprint)


def recover(house: House, sequence: int, blueprint: Loaded | None = None) -> Path:
    with archive(house) as store:
        store.lock()
        return install(back(house, sequence, blueprint), store, house.loader)


def times(house: House) -> dict[int, float]:
    key = journal_key(house.signer)
    reader = JournalReader(house.store.journal_folder, house.name, key)
    return {number: read_turn(number, payload).time for number, payload in reader.records()}


@pytest.fixture
def lived(house: House) -> House:
    """Ten records: a state at 3, a checkpoint at 6, and four more."""
    house.visits(3, stop=True)
    house.visits(3, checkpoint=True)
    house.visits(4)
    return house


@pytest.mark.parametrize("sequence", [3, 4, 5, 6, 7, 10])
def test_the_state_after_a_record_is_what_it_was(lived: House, sequence: int) -> None:
    found = back(lived, sequence)
    assert value(found.application) == sequence
    assert found.own
    assert found.base is not None
    assert found.base.passport.sequence + found.replayed == sequence


def test_what_was_before_the_first_state_needs_the_blueprint(house: House) -> None:
    house.visits(4)
    with pytest.raises(BaseError, match="name the blueprint"):
        back(house, 2)
    assert value(back(house, 2, house.blueprint(house.signer)).application) == 2


def test_a_number_that_is_not_kept_any_more_is_told(lived: House) -> None:
    with pytest.raises(MomentError, match=r"record 2 is not kept any more; the oldest .* record 3"):
        back(lived, 2)


def test_a_time_means_the_last_record_not_after_it(lived: House) -> None:
    known = times(lived)
    for number, time in known.items():
        if number >= 3:
            moment = Moment(time=time)
            assert rewind(archive(lived), lived.loader, moment).sequence == number
    moment = Moment(time=known[10] + 100)
    assert rewind(archive(lived), lived.loader, moment).sequence == 10


def test_a_time_before_everything_is_told_with_what_is_the_oldest(lived: House) -> None:
    with pytest.raises(MomentError, match=r"nothing is kept of 1970-01-01T00:00:05.*the oldest"):
        rewind(archive(lived), lived.loader, Moment(time=5.0))


def test_a_number_that_is_not_there_is_told_with_the_nearest(lived: House) -> None:
    with pytest.raises(MomentError, match="no record 11; the nearest before it is 10"):
        back(lived, 11)


def test_the_next_start_takes_what_was_recovered(lived: House) -> None:
    path = recover(lived, 5)
    begun = lived.begin()
    assert value(begun.application) == 5
    assert begun.state == path
    assert not begun.warnings
    lived.visits(2)
    assert lived.found() == 7


def test_what_was_newer_is_kept_and_can_be_gone_back_to(lived: House) -> None:
    before = {path: path.read_bytes() for path in [*lived.segments, *lived.generations]}
    recover(lived, 5)
    for path, content in before.items():
        assert path.read_bytes() == content
    lived.visits(1)
    recover(lived, 9)
    assert lived.found() == 9, "of the history that was given up"
    recover(lived, 13)
    assert lived.found() == 6, "and of the one that was begun by that"


def test_nothing_of_a_blueprints_history_is_lost_either(house: House) -> None:
    house.visits(4)
    built = house.blueprint(house.signer)
    recover(house, 2, built)
    house.visits(3, stop=True)
    house.visits(3, checkpoint=True)
    recover(house, 4)
    assert house.found() == 4


def test_a_damaged_state_is_made_up_for_by_an_older_one(lived: House) -> None:
    path = lived.generations[0]
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    found = back(lived, 8)
    assert value(found.application) == 8
    assert "an older state and the journal make up for it" in found.warnings[0]


def test_records_that_are_not_kept_are_told(lived: House) -> None:
    lived.generations[0].unlink()
    middle = next(path for path in lived.segments if int(path.stem) == 7)
    for path in lived.segments:
        if path < middle:
            path.unlink()
    with pytest.raises(MomentError, match="records 4 to 6 are not kept"):
        back(lived, 8)


def test_records_of_another_user_are_not_replayed(lived: House, tmp_path: Path) -> None:
    strange = House(lived.folder, Signer.of_user(tmp_path / "other"), trusted=("tests",))
    with pytest.raises(JournalError, match="not written with this user's key"):
        back(strange, 8)


def test_what_came_of_a_strangers_blueprint_stays_unsigned(house: House) -> None:
    house.trusted = (Tally.__module__,)

    async def work(application: Application, _: Keeper) -> None:
        await visit(application, 3)

    house.run(work, built=house.blueprint(None))
    found = back(house, 2, house.load(house.folder / "web.snap"))
    assert (value(found.application), found.own) == (2, False)
    # Without a blueprint nothing tells but the records themselves.
    own = back(house, 2, house.blueprint(house.signer))
    assert (value(own.application), own.own) == (2, False)
    recover(house, 2, house.blueprint(None))
    begun = house.begin(house.load(house.folder / "web.snap"))
    assert (value(begun.application), begun.own) == (2, False)
    house.trusted = ()
    with pytest.raises(TrustError, match="Tally"):
        back(house, 2, house.load(house.folder / "web.snap"))


def test_a_process_that_ends_in_the_middle_leaves_what_counts(
    lived: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the state, and before the history is begun anew: the state counts all the same."""

    class Killed(BaseException):
        pass

    def killed(*_: object, **__: object) -> None:
        raise Killed

    monkeypatch.setattr(rewinding, "Journal", killed)
    with pytest.raises(Killed):
        recover(lived, 5)
    assert lived.found() == 5
    lived.visits(1)
    assert lived.found() == 6


@pytest.mark.parametrize("operation", ["rename", "fsync"])
def test_a_disk_that_refuses_leaves_what_was(
    lived: House, operation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, operation, refuse)
        with pytest.raises(WriteError, match="No space left on device"):
            recover(lived, 5)
    assert lived.found() == 10
    assert value(back(lived, 9).application) == 9


@given(st.floats(0, 4e9))
def test_a_time_that_was_shown_is_the_one_that_is_found(time: float) -> None:
    again = datetime.fromisoformat(shown(time)).timestamp()
    assert microseconds(again) == microseconds(time)


def test_what_is_no_time_is_none() -> None:
    assert shown(1e300) == "at no time"
    assert microseconds(1e18) > microseconds(4e9)
