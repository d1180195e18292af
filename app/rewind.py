"""Going back: the state of an application as it was at a time, or after one of its records.

What is kept may belong to several histories: one that begins anew (see `recovery`) forgets those
before it, whose states and records stay for a while. Numbers only grow from one to the next, so that
a number says which history is meant.
"""

import os
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from pathlib import Path
from typing import ClassVar, Final, cast

import attrs

from ..persist import inventory, keys, modules, opcodes
from ..persist.capture import capture
from ..persist.errors import PerdureError
from ..persist.frames import journal_key
from ..persist.journal import Journal
from ..persist.journalreader import JournalError, JournalReader, Report
from ..persist.opcodes import StreamError
from ..persist.restore import restore
from ..persist.snapshot import SnapshotError
from ..persist.store import FolderStore, State
from ..persist.trust import Policy
from .application import Application
from .loader import Loaded, Loader
from .records import ReplayError, Turn, read_turn
from .replay import replay

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


@attrs.define
class MomentError(PerdureError):
    """There is nothing from which the state of that moment could be made. Nothing was changed."""

    exit_status: ClassVar[int] = os.EX_NOINPUT
    application: str
    reason: str

    def __str__(self) -> str:
        return f"{self.application}: {self.reason}"


@attrs.define
class BaseError(MomentError):
    """The records are there, but no state to begin with; a blueprint would do."""


@attrs.define
class Archive(FolderStore):
    """A store in which nothing is pruned when something is saved."""

    def prune(self) -> None:
        """Keep everything."""


@attrs.frozen
class Moment:
    """What to go back to: a `time` in seconds since 1970, or the effect of the record `sequence`."""

    time: float | None = None
    sequence: int | None = None


@attrs.frozen
class Rewound:
    """An application as it was when the record `sequence` had been done.

    `time` is when that was, None if the record itself is not kept. `base` is the state from which it
    was made, None for the `blueprint`; `replayed` records came on top.
    """

    application: Application
    own: bool
    sequence: int
    time: float | None
    base: Loaded | None
    blueprint: Loaded | None
    initial: bytes | None
    """The blueprint as it was before that, if there is no `base`."""
    replayed: int
    warnings: Sequence[str]
    begin: int
    """The number from which its history counts."""
    last: int
    """The greatest number in use by any history."""


def all_records(
    store: FolderStore, key: bytes | None
) -> tuple[JournalReader, Iterator[tuple[int, bytes]]]:
    """The reader of all records that are kept, also of those that do not count any more; and they.

    Raises `JournalError`, also from the iterator.
    """
    reader = store.records(key)
    reader.fresh_from = None
    return reader, reader.records(max(first_kept(reader) - 1, 0))


def first_kept(reader: JournalReader) -> int:
    """The number with which the oldest segment begins; 1 if there is none."""
    return int(reader.segments[0].stem) if reader.segments else 1


def damage_of(report: Report, begins: Sequence[int]) -> list[str]:
    """What is damaged, without the number that is left out where a history begins."""
    return [
        str(each)
        for each in report.damage
        if each.size or each.missing.stop not in begins or len(each.missing) > 1
    ]


def read_record(sequence: int, payload: bytes, *, trusted: bool) -> Turn:
    """As `read_turn`, and of what is not `trusted` the keys are weighed first. Raises ReplayError."""
    if not trusted:
        try:
            opcodes.check(payload)
            keys.check(payload)
        except StreamError as error:
            raise ReplayError(sequence, f"it is damaged: {error}") from error
    return read_turn(sequence, payload)


def microseconds(time: float) -> int:
    """What times are compared by: as they are shown, so that a time that was shown is found."""
    moment = _moment(time)
    return round(time * 1_000_000) if moment is None else (moment - _EPOCH) // _MICROSECOND


def shown(time: float) -> str:
    """A time as text, UTC, to the microsecond."""
    moment = _moment(time)
    if moment is None:
        return "at no time"
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


def _moment(time: float) -> datetime | None:
    try:
        return datetime.fromtimestamp(time, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def rewind(
    store: FolderStore, loader: Loader, moment: Moment, blueprint: Loaded | None = None
) -> Rewound:
    """The application as it was at `moment`: from the newest state before it, and records.

    It has the services of the `blueprint`, if there is one, and else those of that state. What is in
    the store stays as it is. Raises MomentError, JournalError, SnapshotError, and what `Loader.load`
    and `replay` do.
    """
    seen = _look(store, loader, moment)
    begin = max((first - 1 for first in seen.begins if first - 1 <= seen.sequence), default=0)
    usable = [state for state in seen.states if begin <= state.passport.sequence <= seen.sequence]
    base, warnings = _newest_whole(usable, loader)
    if base is None and blueprint is None:
        raise BaseError(
            store.application,
            f"no state is kept from which record {seen.sequence} could be reached; name the"
            f" blueprint in place of the name, as in {store.application}.snap",
        )
    after = begin if base is None else base.passport.sequence
    if after < seen.sequence and seen.first > after + 1:
        raise MomentError(
            store.application,
            f"records {after + 1} to {min(seen.first - 1, seen.sequence)} are not kept, so that"
            f" record {seen.sequence} cannot be reached; see what is kept with appstore list",
        )
    application, own = _begun(base, blueprint)
    initial = capture(application).stream if base is None else None
    count, own, found = _replayed(store, loader, application, own, after, seen)
    return Rewound(
        application=application,
        own=own,
        sequence=seen.sequence,
        time=seen.time,
        base=base,
        blueprint=blueprint,
        initial=initial,
        replayed=count,
        warnings=(*warnings, *found),
        begin=begin,
        last=seen.last,
    )


def install(rewound: Rewound, store: Archive, loader: Loader) -> Path:
    """Write it as the newest state, with which a history of its own begins; gives its path.

    What was newer is kept, and does not count any more. If it stops in the middle, either nothing has
    changed or the new state is the one that counts. The caller holds the lock. Raises as
    `FolderStore.save` does, and `WriteError`.
    """
    if rewound.initial is not None:
        own = rewound.blueprint is not None and rewound.blueprint.own
        # Records are kept for as long as a state needs them.
        # Captured by this very process: there is nobody to distrust.
        first = cast(Application, restore(rewound.initial, Policy.everything()))
        signer = loader.signer if own else None
        store.admit(store.draft(first, sequence=rewound.begin, paths=first.paths, signer=signer))
    # One number is left out, so that no earlier state can seem to belong to this history.
    number = rewound.last + 1
    path = store.save(
        rewound.application,
        sequence=number,
        paths=rewound.application.paths,
        origin=None if rewound.base is None else rewound.base.digest.hex(),
        signer=loader.signer if rewound.own else None,
    )
    Journal(
        store.journal_folder,
        application=store.application,
        first=number + 1,
        key=_key(store, loader, rewound.own),
        fresh=True,
        seal=store.seal,
    ).close()
    return path


def _key(store: Archive, loader: Loader, own: bool) -> bytes:
    """That of the journal there is, so that whoever could go on with it still can."""
    key = journal_key(loader.signer)
    found = inventory.inventory(store.journal_folder, store.application, key)
    writers = [each.writer for each in found if each.writer in ("own", "nobody")]
    is_keyed = writers[-1] == "own" if writers else own
    return key if is_keyed else b""


@attrs.frozen
class _Seen:
    """What is kept, and which number is meant."""

    states: Sequence[State]
    begins: Sequence[int]
    first: int
    last: int
    sequence: int
    time: float | None


@attrs.define
class _Search:
    """The number that a moment means, while the records go by."""

    moment: Moment
    found: int | None = None
    time: float | None = None
    later: int | None = None
    """The first record after it, if the moment is a time."""
    nearest: int = 0
    oldest: float | None = None

    def meet(self, number: int, time: float) -> None:
        if self.oldest is None:
            self.oldest = time
        if self.moment.time is None:
            hit = number == self.moment.sequence
            if number <= (self.moment.sequence or 0):
                self.nearest = number
        else:
            hit = microseconds(time) <= microseconds(self.moment.time)
            if not hit and self.later is None:
                self.later = number
        if hit:
            self.found, self.time, self.later = number, time, None


def _look(store: FolderStore, loader: Loader, moment: Moment) -> _Seen:
    try:
        reader, search = _searched(store, journal_key(loader.signer), moment)
    except JournalError:
        # Of what others wrote only numbers and times are read here; what is replayed is judged again.
        reader, search = _searched(store, None, moment)
    states = store.states()
    numbers = {state.passport.sequence for state in states}
    sequence, time = search.found, search.time
    if moment.time is None:
        wanted = moment.sequence or 0
        if sequence is None and wanted in numbers:
            sequence = wanted
    else:
        at = datetime.fromtimestamp(moment.time, UTC).isoformat(timespec="seconds")
        for state in states:
            number = state.passport.sequence
            early = state.passport.written <= at.replace("+00:00", "Z")
            is_newer = sequence is None or number > sequence
            if early and is_newer and (search.later is None or number < search.later):
                sequence, time = number, None
    if sequence is None:
        raise MomentError(store.application, _nothing(moment, search, states))
    return _Seen(
        states=states,
        begins=inventory.begins_of_histories(store.journal_folder),
        first=first_kept(reader),
        last=max([reader.last, *numbers]),
        sequence=sequence,
        time=time,
    )


def _searched(
    store: FolderStore, key: bytes | None, moment: Moment
) -> tuple[JournalReader, _Search]:
    search = _Search(moment)
    reader, records = all_records(store, key)
    for number, payload in records:
        search.meet(number, read_record(number, payload, trusted=key is not None).time)
    return reader, search


def _nothing(moment: Moment, search: _Search, states: Sequence[State]) -> str:
    numbers = [state.passport.sequence for state in states]
    if moment.time is None and numbers and (moment.sequence or 0) < min(numbers):
        return (
            f"record {moment.sequence} is not kept any more; the oldest state is that after"
            f" record {min(numbers)}"
        )
    if moment.time is None:
        near = f"; the nearest before it is {search.nearest}" if search.nearest else ""
        return f"there is no record {moment.sequence}{near}; see appstore log"
    kept = [] if search.oldest is None else [shown(search.oldest)]
    kept += [state.passport.written for state in states]
    oldest = f"; the oldest is of {min(kept)}" if kept else ""
    return f"nothing is kept of {shown(moment.time)} or before{oldest}"


def _newest_whole(states: Sequence[State], loader: Loader) -> tuple[Loaded | None, list[str]]:
    warnings: list[str] = []
    damage: SnapshotError | None = None
    for state in states:
        try:
            return loader.load(state.path), warnings
        except SnapshotError as error:
            damage = damage or error
            warnings.append(f"{error}; an older state and the journal make up for it")
    if damage is not None:
        raise damage
    return None, warnings


def _begun(base: Loaded | None, blueprint: Loaded | None) -> tuple[Application, bool]:
    """What the records are to be done to, and whether all of it is this user's work."""
    if blueprint is None:
        assert base is not None
        return base.application, base.own
    application = blueprint.application
    if base is None:
        return application, blueprint.own
    application.registry.adopt(base.application.registry)
    application.paths = modules.merged(application.paths, base.application.paths)
    return application, blueprint.own and base.own


def _replayed(
    store: FolderStore,
    loader: Loader,
    application: Application,
    own: bool,
    after: int,
    seen: _Seen,
) -> tuple[int, bool, list[str]]:
    """How many records were done, whether all is own work still, and what is to be told."""
    if after >= seen.sequence:
        return 0, own, []
    if own and not _is_tagged(store, loader, after, seen):
        own = False
    key = journal_key(loader.signer) if own else b""
    reader = store.records(key)
    reader.fresh_from = None
    policy = Policy.everything() if own else Policy.only(loader.trusted)
    records = takewhile(lambda record: record[0] <= seen.sequence, reader.records(after))
    replayed = replay(application, records, policy).checked()
    told = damage_of(reader.report, seen.begins)
    return replayed.records, own, [*told, *map(str, replayed.divergences)]


def _is_tagged(store: FolderStore, loader: Loader, after: int, seen: _Seen) -> bool:
    """Whether none of the records is of a run of a stranger's snapshot.

    With another user's key they are of neither, and the replay says so.
    """
    key = journal_key(loader.signer)
    found = inventory.inventory(store.journal_folder, store.application, key)
    return not any(
        facts.writer == "nobody" and facts.last > after and facts.first <= seen.sequence
        for facts in found
    )
