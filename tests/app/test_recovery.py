"""A run begins with the newest state there is and all that came after, and says what it took."""

import os
import shutil
from pathlib import Path

import attrs
import pytest

from perdure.app.application import Application
from perdure.app.keeper import Keeper
from perdure.app.recovery import FreshError, StateError
from perdure.persist import snapshot
from perdure.persist.formats import table
from perdure.persist.journalreader import JournalError
from perdure.persist.trust import Signer

from .lives import House, Tally, damage, value, visit


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


async def visit_once(application: Application, _: Keeper) -> None:
    await visit(application)


def last_record(path: Path) -> int:
    """The offset in a segment of the mark of its last frame that has a record."""
    marks: list[int] = []
    at = -1
    data = path.read_bytes()
    while (at := data.find(b"\xb5pf\n", at + 1)) >= 0:
        if data[at + 8 : at + 12] != bytes(4):
            marks.append(at)
    return marks[-1]


def test_nothing_there_is_a_start_without_state(house: House) -> None:
    found = house.begin()
    assert (found.state, found.sequence, found.resumption.first) == (None, 0, 1)
    assert found.sentence == "starts without earlier state"


def test_what_was_acknowledged_is_replayed_over_nothing(house: House) -> None:
    house.visits(3)
    found = house.begin()
    assert value(found.application) == 3
    assert found.sentence == "starts from its blueprint, and 3 changes that came after"


def test_the_state_that_holds_most_is_taken_and_what_came_after(house: House) -> None:
    house.visits(2, stop=True)
    house.visits(3, checkpoint=True)
    house.visits(1)
    found = house.begin()
    assert value(found.application) == 6
    assert found.state == house.generations[0], "the checkpoint is newer than the last clean stop"
    assert found.sentence.endswith(" 1 change that came after")
    assert (found.base, found.sequence) == (5, 6)


def test_of_equals_the_state_of_the_clean_stop_is_taken(house: House) -> None:
    house.visits(2, checkpoint=True, stop=True)
    assert house.begin().state == house.folder / "web-shutdown.snap"


def test_an_export_changed_by_a_person_counts_as_what_it_was_exported_from(house: House) -> None:
    house.visits(2, stop=True)
    source = house.folder / "web-shutdown.snap"
    found = snapshot.read(source)
    form = table.by_name("xml")
    target = source.with_name(source.name + ".xml")
    snapshot.put(target, found.passport, found.content, form, house.signer)
    house.visits(1)
    assert house.found() == 3, "what came after is replayed over either"
    source.unlink()
    assert house.found() == 3


def test_a_damaged_newest_state_is_made_up_for_by_an_older_one_and_the_journal(
    house: House,
) -> None:
    house.visits(2, checkpoint=True)
    house.visits(2, checkpoint=True)
    house.visits(1)
    damage(house.generations[0], -20)
    found = house.begin()
    assert value(found.application) == 5
    assert found.state == house.generations[1]
    assert "make up for it" in found.warnings[0]
    assert "000002.snap" in found.warnings[0]


def test_the_only_state_damaged_is_made_up_for_if_the_journal_has_all_from_the_beginning(
    house: House,
) -> None:
    house.visits(2, stop=True)
    damage(house.folder / "web-shutdown.snap", -20)
    found = house.begin()
    assert (value(found.application), found.state) == (2, None)


def test_a_damaged_newest_state_that_nothing_makes_up_for_stops_the_start(house: House) -> None:
    house.visits(2, checkpoint=True)
    house.visits(2, checkpoint=True)
    damage(house.generations[0], -20)
    house.segments[0].unlink()
    before = contents(house.folder)
    with pytest.raises(StateError, match="--fresh") as caught:
        house.begin()
    assert caught.value.exit_status == os.EX_DATAERR
    assert contents(house.folder) == before


def test_a_damaged_first_state_of_a_history_is_not_taken_for_none(house: House) -> None:
    house.visits(2, stop=True)
    house.visits(1, stop=True)

    async def work(application: object, keeper: object) -> None:
        pass

    house.run(work, built=house.load(house.generations[0]))
    damage(house.generations[0], -20)
    with pytest.raises(StateError):
        house.begin()


def test_a_newest_state_that_says_nothing_of_itself_stops_the_start(house: House) -> None:
    house.visits(2, stop=True)
    (house.folder / "web-shutdown.snap").write_bytes(b"nonsense")
    with pytest.raises(StateError, match="it is not a snapshot"):
        house.begin()


def test_an_edit_that_the_journal_overrides_is_told(house: House) -> None:
    house.visits(2, stop=True)
    binary = house.store.shutdown_path
    text = house.folder / "web-shutdown.snap.xml"
    saved = snapshot.read(binary)
    snapshot.put(text, saved.passport, saved.content, table.by_name("xml"), house.signer)
    binary.unlink()
    assert house.found() == 2
    house.visits(1)
    assert not house.begin().warnings
    head, passport, rest = text.read_text().partition("</passport>")
    text.write_text(head + passport + rest.replace('value="2"', 'value="41"'))
    found = house.begin()
    assert value(found.application) == 3
    assert len(found.warnings) == 1
    assert f"to run the file as it is: -f {text}" in found.warnings[0]


def test_a_checkpoint_that_was_written_while_all_went_on_is_no_edit(house: House) -> None:
    house.visits(2, checkpoint=True)
    house.visits(1)
    later = house.generations[0].stat().st_mtime + 60
    os.utime(house.generations[0], (later, later))
    found = house.begin()
    assert (value(found.application), found.warnings) == (3, ())


def test_an_older_one_that_says_nothing_of_itself_is_passed_over_and_said(house: House) -> None:
    for _ in range(2):
        house.visits(2, stop=True)
    older, newest = house.generations[0], house.folder / "web-shutdown.snap"
    older.write_bytes(b"nonsense")
    os.utime(older, ns=(0, newest.stat().st_mtime_ns - 1000))
    found = house.begin()
    assert value(found.application) == 4
    assert "000001.snap" in found.warnings[0]


def test_one_of_the_same_moment_that_says_nothing_of_itself_stops_the_start(house: House) -> None:
    """Copies and coarse clocks give several files one time: then it may be the newest."""
    for _ in range(2):
        house.visits(2, stop=True)
    older, newest = house.generations[0], house.folder / "web-shutdown.snap"
    newest.write_bytes(b"")
    time = older.stat().st_mtime_ns
    os.utime(newest, ns=(time, time))
    with pytest.raises(StateError, match="an empty file"):
        house.begin()


def test_of_what_cannot_be_read_nobody_hears_that_it_can_be_run(house: House) -> None:
    house.visits(2, checkpoint=True)
    house.visits(2, stop=True)
    newest = house.folder / "web-shutdown.snap"
    data = newest.read_bytes()
    for content in (data[:-9] + b"x" * 9, b"nonsense"):
        newest.write_bytes(content)
        os.utime(newest, ns=(0, 0))
        found = house.begin()
        assert value(found.application) == 4
        assert len(found.warnings) == 1
        assert "to run it" not in found.warnings[0]


def test_fresh_forgets_all_before_and_keeps_every_file(house: House) -> None:
    house.visits(3, checkpoint=True, stop=True)
    kept = contents(house.folder)
    house.run(lambda application, _: visit(application), fresh=True)
    assert kept.items() <= contents(house.folder).items()
    assert house.found() == 1
    house.visits(1, stop=True)
    assert house.found() == 2
    assert house.load(house.generations[0]).passport.sequence == 3


def test_fresh_also_forgets_what_cannot_be_read(house: House) -> None:
    house.visits(2, stop=True)
    (house.folder / "web-shutdown.snap").write_bytes(b"nonsense")
    os.utime(house.folder / "web-shutdown.snap", ns=(0, 0))
    house.run(lambda application, keeper: visit(application), fresh=True)
    assert house.found() == 1


def test_a_damaged_time_in_a_head_stops_no_start(house: House) -> None:
    house.visits(2, stop=True)
    house.run(visit_once, fresh=True, built=house.blueprint(house.signer))
    segment = house.segments[-1]
    segment.write_bytes(segment.read_bytes().replace(b'"written": "2', b'"written": "x', 1))
    assert house.found() == 1


def test_fresh_without_a_journal_forgets_as_well(house: House) -> None:
    house.visits(2, stop=True)

    async def nothing(application: object, keeper: object) -> None:
        pass

    house.run(nothing, fresh=True, durability="checkpoint")
    assert house.found() == 0


def test_a_saved_state_is_not_started_fresh(house: House) -> None:
    house.visits(1, stop=True)
    with pytest.raises(FreshError, match=r"web\.snap"):
        house.begin(house.load(house.folder / "web-shutdown.snap"), fresh=True)


def test_a_state_that_is_named_is_resumed_exactly_and_begins_a_history(house: House) -> None:
    house.visits(2, stop=True)
    house.visits(3, stop=True)
    older = house.generations[0]
    beginning = house.run(lambda application, _: visit(application), built=house.load(older))
    assert beginning.resumption.fresh
    assert beginning.sentence.startswith(f"resumes {older}")
    older.unlink()
    assert house.found() == 3, "it stands on a copy of its own"


def test_the_newest_state_is_resumed_without_a_new_history(house: House) -> None:
    house.visits(2, stop=True)
    found = house.begin(house.load(house.folder / "web-shutdown.snap"))
    assert (found.resumption.fresh, found.resumption.first) == (False, 3)


def test_changes_after_the_named_state_are_left_aside(house: House) -> None:
    house.visits(2, stop=True)
    house.visits(3)
    built = house.load(house.folder / "web-shutdown.snap")
    found = house.begin(built)
    assert (value(found.application), found.resumption.fresh) == (2, True)
    (warning,) = found.warnings
    assert "all after it, up to record 5, is left aside" in warning
    assert "appstore recover web --sequence 5" in warning


def test_a_blueprint_that_was_built_again_has_the_state_and_what_came_after(house: House) -> None:
    house.visits(2, checkpoint=True)
    house.visits(2)
    built = house.blueprint(house.signer)
    built.application.paths = ["/elsewhere"]
    found = house.begin(built)
    assert (value(found.application), found.own) == (4, True)
    assert "/elsewhere" in found.application.paths


def test_what_was_never_finished_is_cut_and_said(house: House) -> None:
    house.visits(3)
    segment = house.segments[-1]
    data = segment.read_bytes()
    # As if it was killed in the middle of its last write.
    segment.write_bytes(data[: last_record(segment) + 60])
    found = house.begin()
    assert value(found.application) == 2
    assert "2 changes that came after; " in found.sentence
    assert found.sentence.endswith(" bytes that were never finished are cut")
    assert not found.warnings


def test_damage_in_the_middle_is_said_and_kept_where_nothing_prunes_it(house: House) -> None:
    house.visits(3)
    house.visits(2)
    damaged = house.segments[0]
    damage(damaged, last_record(damaged) + 50)
    found = house.begin()
    assert value(found.application) == 5, "later records have the whole state"
    assert "the record 3 is lost" in found.warnings[0]
    kept = house.folder / "web.journal" / "damaged"
    assert str(kept) in found.warnings[1]
    assert (kept / damaged.name).read_bytes() == damaged.read_bytes()


def test_a_journal_of_another_key_is_refused(house: House, tmp_path: Path) -> None:
    house.visits(2)
    stranger = House(house.folder, Signer.of_user(tmp_path / "other"))
    with pytest.raises(JournalError, match="this user's key") as caught:
        stranger.begin()
    assert caught.value.exit_status == os.EX_DATAERR
    stranger.run(lambda application, _: visit(application), fresh=True)
    assert stranger.found() == 1, "but it does not stand in the way of a start without it"


def test_a_journal_of_another_application_is_refused(house: House) -> None:
    house.visits(2)
    shutil.copytree(house.folder / "web.journal", house.folder / "mail.journal")
    mail = attrs.evolve(house, name="mail")
    with pytest.raises(JournalError, match="web"):
        mail.begin()


def test_what_is_not_this_users_work_gets_no_more_by_its_journal(house: House) -> None:
    built = house.blueprint(None)
    beginning = house.run(lambda application, _: visit(application), built=built)
    assert not beginning.own
    assert not beginning.policy.allows(Tally.__module__, "Tally")
    built = house.blueprint(None)
    with pytest.raises(Exception, match="--trust"):
        house.begin(built)
    house.trusted = [Tally.__module__]
    found = house.begin(house.blueprint(None))
    assert value(found.application) == 1
