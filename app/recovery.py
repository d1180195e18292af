"""What a run begins with: the newest state there is, and all that happened after it was saved."""

import os
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import ClassVar, Final, cast

import attrs

from ..persist import account, modules
from ..persist.capture import capture
from ..persist.culprit import CaptureError
from ..persist.errors import PerdureError
from ..persist.files import write_error
from ..persist.frames import journal_key
from ..persist.journalreader import JournalError
from ..persist.restore import restore
from ..persist.snapshot import SnapshotError
from ..persist.storage import Records, State, Store
from ..persist.trust import Policy
from .application import Application
from .beginning import Beginning, Resumption
from .collection import ServiceCollection
from .loader import ContentError, Loaded, Loader
from .parking import Reasons, all_parked, told
from .replay import replay
from .shelf import Original

_MOST_LINES: Final = 20


@attrs.define
class StateError(PerdureError):
    """The newest state cannot be taken, for `cause`. Nothing was changed.

    `generations` is the folder of older ones, None if there are none.
    """

    path: Path
    generations: Path | None
    cause: PerdureError

    @property
    def exit_status(self) -> int:  # type: ignore[override]
        """That of the cause."""
        return self.cause.exit_status

    def __str__(self) -> str:
        older = (
            ""
            if self.generations is None
            else f", and an older one in {self.generations} runs with -f"
        )
        return (
            f"{self.cause}; this is the newest state: --fresh starts without it (it is kept){older}"
        )


@attrs.define
class FreshError(PerdureError):
    """A start without state was asked for, of a snapshot that is nothing but state."""

    exit_status: ClassVar[int] = os.EX_USAGE
    application: str

    def __str__(self) -> str:
        return f"--fresh is for a blueprint (-f {self.application}.snap), and this is a saved state"


def begin(
    application: Application,
    built: Loaded | None,
    store: Store,
    loader: Loader,
    *,
    fresh: bool = False,
) -> Beginning:
    """`application` as it was last, with the blueprint that `built` gives.

    `built` is where it came from, None when it was made on the spot; what holds state itself is
    resumed as it is. If the newest state is damaged, an older one is taken as long as the journal
    has all that happened since.

    Call it as the user the server runs as: that user's processes may have written the state.
    Raises StateError, or UnsureError where one of several states cannot be read: it is never passed
    over in silence; and JournalError. With `fresh` it is passed over, but kept; FreshError is raised when there is no blueprint to start
    from without it.
    """
    own = built is None or built.own
    key = journal_key(loader.signer) if own else b""
    reader = store.records(key)
    states = store.states()
    if built is not None and built.passport.holds == "state":
        if fresh:
            raise FreshError(application.name)
        made = _resumed(built, states, store, reader, key, loader)
        return attrs.evolve(made, blueprint=built.passport.blueprint)
    if fresh:
        start = _Start(application, own, None, "starts without earlier state")
        made = _forked(start, states, store, key, loader)
    else:
        made = _recovered(application, own, store, reader, key, loader)
    return attrs.evolve(made, blueprint=None if built is None else built.digest.hex())


def last_kept(
    beginning: Beginning, store: Store, loader: Loader, *, until: int | None = None
) -> Application:
    """What the run that began with `beginning` would have if it ended now. Raises as `begin`.

    With `until`, as it was after the record with this number. Only its components are of use.
    """
    application = Application(beginning.application.name)
    if beginning.services is not None:
        # Captured by this very process: there is nobody to distrust.
        application.services = cast(
            ServiceCollection, restore(beginning.services, Policy.everything())
        )
    key = beginning.resumption.key
    reader = store.records(key)
    return _recovered(application, beginning.own, store, reader, key, loader, until).application


def is_kept(beginning: Beginning, store: Store, until: int) -> bool:
    """Whether the files have all up to the record with this number by now. Raises as `begin`."""
    reader = store.records(beginning.resumption.key)
    for _ in reader.records(until - 1):
        pass
    return max([reader.last, *(state.passport.sequence for state in store.states())]) >= until


@attrs.frozen
class _Start:
    """What was found, before it is known how the journal goes on."""

    application: Application
    own: bool
    state: Loaded | None
    sentence: str


def _resumed(
    built: Loaded,
    states: Sequence[State],
    store: Store,
    reader: Records,
    key: bytes,
    loader: Loader,
) -> Beginning:
    """Exactly the file that was named: what the store has beyond it is left aside."""
    start = _Start(built.application, built.own, built, "resumes")
    after = built.passport.sequence
    if states and store.is_state(states[0], built.path) and _has_none(reader, after):
        return _going_on(start, after, reader, key, loader, ())
    made = _forked(start, states, store, key, loader)
    last = made.base - 1
    if last == after or not (last or states):
        return made
    # A supervisor that starts this file again after each crash would lose what was acknowledged.
    aside = (
        f"{built.path} is not the newest there is: all after it, up to record {last}, is left aside"
        f" (appstore recover {built.application.name} --sequence {last} brings it back); a start of"
        " the blueprint goes on with the newest"
    )
    return attrs.evolve(made, warnings=(aside, *made.warnings))


def _has_none(reader: Records, after: int) -> bool:
    """Whether the journal has nothing after that record, and is ours to go on with."""
    try:
        return not any(True for _ in reader.records(after)) and not reader.report.damage
    except JournalError:
        return False


def _recovered(
    application: Application,
    own: bool,
    store: Store,
    reader: Records,
    key: bytes,
    loader: Loader,
    until: int | None = None,
) -> Beginning:
    store.check_newest()
    oldest = (reader.fresh_from or 1) - 1
    usable = [state for state in store.states() if state.passport.sequence >= oldest]
    warnings = _passed_over(usable, store, reader)
    original, reasons = Original(application), dict[str, str]()
    take_back = account.marked()
    while True:
        state, damage = _newest_whole(usable, application, store, loader, reasons)
        if state is None and damage is not None and (oldest or not usable[-1].passport.sequence):
            raise damage  # What came before the first record is lost.
        if state is not None:
            application.registry.adopt(state.application.registry)
            application.paths = modules.merged(application.paths, state.application.paths)
        after = oldest if state is None else state.passport.sequence
        policy = _policy(own and (state is None or state.own), loader)
        records = reader.records(after)
        if until is not None:
            records = (record for record in records if record[0] <= until)
        replayed = replay(application, records, policy, reasons)
        if not replayed.failing:
            break
        reasons |= replayed.failing
        original.restore(application)
        take_back()
        reader = store.records(key)
    if state is not None:
        own = own and state.own
        # Of what cannot be read it is said that it cannot be read.
        broken = {error.path for error in store.unreadable()}
        if damage is not None:
            broken.add(damage.path)
        warnings += [
            f"{path} has another state, which is not taken; to run it: -f {path}"
            for path in store.passed_over(state.path)
            if path not in broken
        ]
    count = replayed.records
    report = reader.report
    if damage is not None:
        if reader.last < usable[0].passport.sequence or report.damage:
            raise damage
        warnings.append(
            f"{damage.cause}; an older state and the journal make up for it, but for components"
            " that are saved at checkpoints only"
        )
    if state is not None and _is_edited(state.path, replayed.since, store):
        warnings.append(
            f"{state.path} was changed after it was saved, and before what the journal has was done"
            f" again: of a component in both, the change is lost; to run the file as it is: -f {state.path}"
        )
    warnings += [str(each) for each in (*report.damage, *replayed.divergences)]
    if report.damage:
        warnings.append(f"what is damaged is kept in {_keep_damaged(reader)}")
    sentence = "takes the state of"
    if state is None:
        sentence = "starts from its blueprint" if count else "starts without earlier state"
    start = _Start(application, own, state, sentence)
    made = _going_on(start, after, reader, key, loader, warnings)
    told = made.sentence
    if count:
        told = f"{told}, and {count:,} change{'s' * (count > 1)} that came after"
    if cut := report.cut:
        told = f"{told}; {cut} bytes that were never finished are cut"
    return attrs.evolve(made, sentence=told, is_recovery=bool(count or cut))


def _is_edited(path: Path, since: float, store: Store) -> bool:
    """Whether the state was changed after the first of the records that came after it."""
    # A checkpoint is being written while these are.
    return 0 < since < store.changed(path) and path not in store.generations()


def _passed_over(usable: Sequence[State], store: Store, reader: Records) -> list[str]:
    """What to say of unreadable states that are not the newest. Raises `StateError` of one that may be.

    When a file was written is all that is left of it; a copy of it may only seem newer.
    """
    warnings: list[str] = []
    known = max([_seconds(reader.fresh_since), *(store.changed(state.path) for state in usable)])
    for error in store.unreadable():
        if store.changed(error.path) >= known:
            raise _refusal(error.path, store, error)
        warnings.append(f"{error}; there is a newer state than this one")
    return warnings


def _seconds(time: str) -> float:
    """Since 1970; 0 for no time, and for one that is damaged: nothing else in a head tells of that."""
    try:
        return datetime.fromisoformat(time).timestamp()
    except (ValueError, OverflowError):
        return 0.0


def _refusal(path: Path, store: Store, cause: PerdureError) -> StateError:
    older = any(other != path for other in store.generations())
    return StateError(path, store.generations_folder if older else None, cause)


def _keep_damaged(reader: Records) -> Path:
    try:
        return reader.keep_damaged()[0].parent
    except OSError as error:
        raise write_error(reader.folder, "keeping what is damaged", error) from error


def _newest_whole(
    states: Sequence[State],
    application: Application,
    store: Store,
    loader: Loader,
    reasons: Reasons,
) -> tuple[Loaded | None, StateError | None]:
    """The newest state that can be read, and what was wrong with the newest of all."""
    damage: StateError | None = None
    for state in states:
        try:
            loaded = loader.restore(state.path, *store.read(state.path), reasons)
            found = loaded.passport
            if found.holds != "state" or found.application != application.name:
                raise ContentError(
                    state.path,
                    f"a {found.holds} of {found.application}",
                    f"state of {application.name}",
                )
        except SnapshotError as error:
            damage = damage or _refusal(state.path, store, error)
        except PerdureError as error:
            raise _refusal(state.path, store, error) from error
        else:
            return loaded, damage
    return None, damage


def _going_on(
    start: _Start,
    base: int,
    reader: Records,
    key: bytes,
    loader: Loader,
    warnings: Sequence[str],
) -> Beginning:
    first, carried = reader.resumption(base)
    resumption = Resumption(first, carried, fresh=False, key=key)
    return _beginning(start, base, resumption, loader, warnings)


def _forked(
    start: _Start, states: Sequence[State], store: Store, key: bytes, loader: Loader
) -> Beginning:
    """Begin a history of its own: nothing that was saved before counts any more."""
    # Whoever wrote them: of these records nothing is of interest but their numbers.
    reader = store.records(None, is_opened=False)
    for _ in reader.records():
        pass
    last = max([reader.last, *(state.passport.sequence for state in states)])
    # One number is left out, so that no earlier state can seem to belong to this history.
    resumption = Resumption(last + 2, (), fresh=True, key=key)
    return _beginning(start, last + 1, resumption, loader, ())


def _beginning(
    start: _Start, base: int, resumption: Resumption, loader: Loader, warnings: Sequence[str]
) -> Beginning:
    try:
        services = capture(start.application.services).stream
    except CaptureError:
        services = None
    state, sentence = start.state, start.sentence
    parked = list(map(told, all_parked(start.application.registry)))
    returned = () if state is None else state.returned
    if state is not None:
        sentence = f"{sentence} {state.path}, written {state.passport.written}"
    return Beginning(
        application=start.application,
        own=start.own,
        state=None if state is None else state.path,
        origin=None if state is None else state.digest.hex(),
        sentence=sentence,
        warnings=(*warnings, *_some(parked)),
        returned=_some(list(map(str, returned))),
        services=services,
        resumption=resumption,
        policy=_policy(start.own, loader),
        base=base,
    )


def _some(lines: Sequence[str]) -> Sequence[str]:
    more = len(lines) - _MOST_LINES
    return lines if more <= 0 else (*lines[:_MOST_LINES], f"{more:,} more")


def _policy(own: bool, loader: Loader) -> Policy:
    return Policy.everything() if own else Policy.only(loader.trusted)
