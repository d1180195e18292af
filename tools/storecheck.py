"""Whether all that is kept of an application is sound, and if not, what is lost by it."""

import os
from collections.abc import Iterator

import attrs

from ..app.records import ReplayError
from ..app.rewind import all_records, damage_of, read_record
from ..persist.frames import journal_key
from ..persist.journalreader import JournalError
from ..persist.keyring import NoSecretError, UnlockError
from ..persist.trust import Signer
from . import storetext
from .storeview import View


@attrs.frozen
class Problem:
    """Something that is wrong, and the exit status that it asks for."""

    text: str
    status: int = os.EX_DATAERR


def problems(view: View, signer: Signer) -> Iterator[Problem]:
    """All that is wrong with what `view`, of the whole, has found; then with each record."""
    for facts in view.states:
        if facts.damage is not None:
            yield Problem(f"{facts.damage}; {_lost_by(view, facts.path == _newest(view))}")
    for segment in view.segments:
        if segment.header is None:
            yield Problem(storetext.headless(segment))
    if any(segment.writer == "other" for segment in view.segments):
        yield Problem(
            f"{view.store.journal_folder}: not all of it was written with this user's key, to files"
            " of this user: a start as this user refuses it; run as the user who wrote it",
            os.EX_NOPERM,
        )
    for text in view.start.lost:
        yield Problem(f"{text}; a start has to do without")
    yield from (each for each in _in_records(view, signer) if each.text not in view.start.lost)
    if view.start.refuses is not None and not any(f.damage for f in view.states):
        yield Problem(f"a start refuses: {view.start.refuses}")


def sound(view: View) -> Iterator[str]:
    """A line for all that is sound."""
    for facts in view.states:
        if facts.damage is None and facts.state is not None:
            passport = facts.state.passport
            yield (
                f"{storetext.name(view, facts.path)}: sound {facts.syntax}, up to record"
                f" {passport.sequence}, written {passport.written}; {storetext.signed(facts)}"
            )
    if any(segment.is_sealed for segment in view.segments) and not view.store.keyring.secrets:
        yield "what is sealed is whole; whether it opens was not tried, since no key was given"
    for segment in view.segments:
        if segment.header is not None:
            held = storetext.count(segment.records, "whole record")
            yield f"{storetext.name(view, segment.path)}: {held}; {storetext.tagged(segment)}"


def _newest(view: View) -> object:
    return view.states[0].path if view.states else None


def _lost_by(view: View, is_newest: bool) -> str:
    if view.start.refuses is not None:
        return "a start refuses it; an older state runs with rundaemon -f, or appstore recover"
    if is_newest:
        return "nothing is lost: an older state and the journal make up for it"
    return "nothing is lost as long as there is a newer state"


def _in_records(view: View, signer: Signer) -> Iterator[Problem]:
    """What is wrong with records, also with those that only older states need."""
    key = journal_key(signer)
    writers = {facts.writer for facts in view.segments}
    tried = key if writers <= {"own", "unknown"} else None
    begins = [facts.first for facts in view.segments if facts.is_fresh]
    try:
        reader, records = all_records(view.store, tried)
        for number, payload in records:
            try:
                read_record(number, payload, trusted=tried is not None)
            except ReplayError as error:
                yield Problem(str(error))
    except NoSecretError:
        return  # Of the records then it is checked that they are whole, and whose.
    except (JournalError, UnlockError) as error:
        if view.process is None or error.path.exists():
            yield Problem(str(error), error.exit_status)
        return
    for text in damage_of(reader.report, begins):
        yield Problem(text if text in view.start.lost else f"{text}; a start does not need it")
