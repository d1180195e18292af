"""The ledger: turns become records of the journal, and what waits for these is told.

A component needs nothing to be in it: its state is pickled when a turn that touched it commits, and
written if it differs from what is written already. Of a component with mutations (see `mutations`)
the calls are written instead. What is too large for the one and has not the other is saved by
checkpoints alone, and the log says so.

When the disk fails, what is not yet secured is given up, and undone in the very objects: all is as
it was before, pages that change nothing are answered, and whoever changes something is refused.
Calls of mutations cannot be undone. If there are any among what is not secured, nothing is given
up: it stays, to be written when the disk takes it. Who waited for it is refused, and until then so is
whoever touches what it changed, or a component with mutations, which may refer to anything.
"""

import asyncio
import logging
import math
import pickle
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextvars import Context
from typing import TYPE_CHECKING, Final, TypeVar

import attrs

from ..persist.components import TooLargeError
from ..persist.errors import PerdureError
from ..persist.trust import Policy
from . import turns
from .changes import Before, Changes
from .feed import Feed
from .mutations import CallError, Command
from .news import News
from .openturns import OpenTurns
from .pending import Journal, Pending, Tell, Waiters
from .turns import Turn, UnsafeError
from .watch import Watch

if TYPE_CHECKING:
    from .application import Application

R = TypeVar("R")

_log = logging.getLogger(__name__)

_SLICE: Final = 0.002
_PAUSE: Final = 0.004
"""Seconds that looking around takes at a time, and leaves to others before it goes on."""


@attrs.define(eq=False)
class Ledger:
    """Commits the turns of `application` to `journal`. To be called in the event loop alone.

    `policy` is for putting back what this very process has recorded. `folders` tells where modules
    are found besides; a recovery needs to know that before it can make anything.
    """

    application: "Application"
    journal: Journal
    policy: Policy
    folders: Callable[[], Sequence[str]] = tuple
    size: int = attrs.field(default=0, init=False)
    """Bytes of records since it was opened."""
    keys: dict[int, str] = attrs.field(init=False, repr=False)
    """The keys of the components by the ids of these."""
    roaming: dict[str, None] = attrs.field(init=False)
    """The keys of components that may change at any time."""
    feed: Feed = attrs.field(factory=Feed, init=False)
    _watch: Watch = attrs.field(init=False)
    _open: OpenTurns = attrs.field(factory=OpenTurns, init=False)
    _pending: deque[Pending] = attrs.field(factory=deque[Pending], init=False)
    _waiters: Waiters = attrs.field(factory=Waiters, init=False)
    # The components of turns that are over, looked at together, and who is to be told.
    _gathered: dict[str, None] = attrs.field(factory=dict[str, None], init=False)
    _gatherers: list[Tell] = attrs.field(factory=list[Tell], init=False)
    _context: Context = attrs.field(factory=Context, init=False, repr=False)
    _last: int = attrs.field(init=False)
    _secured: int = attrs.field(init=False)
    _failure: PerdureError | None = attrs.field(default=None, init=False)
    _news: News = attrs.field(init=False)
    # Calls of mutations since the last record, and what came before each.
    _uncommitted: Changes = attrs.field(factory=Changes, init=False)

    def __attrs_post_init__(self) -> None:
        self._watch = Watch(self.application, self.policy)
        self._news = News(self.folders, self._watch.references.checked)
        self.keys = self._watch.references.keys
        self.roaming = self._watch.roaming
        self._last = self._secured = self.journal.appended

    def open(self) -> None:
        """Begin: the components are saved as they are now, and whatever becomes of them is written."""
        turns.opened(self)

    def close(self) -> None:
        """Write what there still is, and no more. Raises `UnsafeError`."""
        turns.closed(self)
        self._commit(())

    # For turns.

    @property
    def is_failing(self) -> bool:
        """Whether nothing can be written now: whatever is changed would be refused."""
        return self._failure is not None

    def is_of(self, registry: object) -> bool:
        """Whether the components are those of `registry`."""
        return self._watch.is_of(registry)

    def refers_to(self, item: object, touched: Iterable[str]) -> bool:
        """Whether records refer to `item` by a name of its own: as a component, or a service."""
        return self._watch.name_of(item, touched) is not None

    def meet(self, key: str) -> None:
        """Somebody is about to do something with the component of this key."""
        self._watch.meet(key)

    def expect(self, key: str, component: object) -> None:
        """Somebody has put this component, which is in no record yet, into the registry."""
        self._watch.references.expect(key, component)

    def begin(self, turn: Turn) -> None:
        """`turn` may wait for something before it ends."""
        self._open.begin(turn)

    def end(self, turn: Turn) -> None:
        """The end of `begin`."""
        self._open.end(turn)

    def commit(self, turn: Turn) -> int:
        """Write what the components of `turn` have become; the number to wait for.

        Raises `UnsafeError` if the journal cannot be written now; the changes are then undone. That
        is done as well where other changes of the same turn were undone since it began.
        """
        return self._commit(turn.touched, self._open.is_spoiled(turn))

    def gather(self, turn: Turn, tell: Tell) -> bool:
        """Commit `turn`, which is over, soon, and have `tell` called when that is durable, or failed.

        Turns that end in the same round of the event loop are looked at together and are one record:
        under load that is what makes it cheap. False if it must be done alone, by `commit`.
        """
        if self._failure is not None or self._open.is_spoiled(turn):
            return False
        self._gathered.update(turn.touched)
        self._gatherers.append(tell)
        if len(self._gatherers) == 1:
            asyncio.get_running_loop().call_soon(self._commit_gathered, context=self._context)
        return True

    def _commit_gathered(self) -> None:
        gathered, self._gathered = self._gathered, {}
        gatherers, self._gatherers = self._gatherers, []
        if not gatherers:
            return
        failure: UnsafeError | None = None
        try:
            if not self.has_reached(sequence := self._commit(gathered)):
                self._waiters.add(sequence, gatherers)
                return
        except UnsafeError as error:
            failure = error
        for tell in gatherers:
            tell(failure)

    def _commit(self, keys: Iterable[str], spoiled: bool = False) -> int:
        if self._gatherers:
            self._commit_gathered()
        changes = self._changes(keys)
        uncommitted = self._uncommitted
        if uncommitted.entries:
            self._uncommitted = Changes()
            uncommitted.add(changes)
            return self._write(uncommitted, is_firm=True)
        if spoiled:
            self._watch.undo(changes.before)
            raise UnsafeError("what the same turn had changed earlier is undone")
        if changes.entries:
            return self._write(changes, is_firm=False)
        if self._failure is None:
            return self._last
        # What pending records have changed, and what may refer to that unknown to us.
        doubtful = self._watch.commanded().union(*(pending.before for pending in self._pending))
        if self._pending and not doubtful.isdisjoint(changes.saw):
            raise UnsafeError(str(self._failure))
        return 0

    def command(
        self, touched: Iterable[str], component: object, call: Callable[[], R], described: Command
    ) -> R:
        """Call a mutation and take the call down. What is no component is just called.

        Raises what the call does, and before it `CallError`, and `UnsafeError` if nothing can be
        written now.
        """
        key = self._watch.key_of(component, touched)
        if key is None:
            return call()
        if self._failure is not None:
            raise UnsafeError(str(self._failure))
        if self._gatherers:
            self._commit_gathered()
        # What the call may look at comes before it, also when it is called again.
        self._uncommitted.add(self._changes((*touched, key)))
        try:
            stream = self._watch.stream((described.arguments, described.keywords))
        except TooLargeError as error:
            raise CallError(described.name, "they are too large") from error
        except Exception as error:
            raise CallError(described.name, f"{type(error).__name__}: {error}") from error
        used: dict[str, None] = {}
        try:
            with turns.gathering(used):
                return call()
        finally:
            conditions = described.conditions
            content = (described.name, conditions.time, conditions.seed, described.failure, stream)
            self._uncommitted.entries.append((key, "command", content))
            if used:
                # What it has put into the registry may be removed before the turn ends.
                self._uncommitted.add(self._changes(used))

    def is_settled(self) -> bool:
        """Whether nothing that was changed in any turn could still be lost, or be undone."""
        return (
            self._last <= self._secured
            and not self._watch.roaming
            and not self._uncommitted.entries
            and not self._gatherers
        )

    def has_reached(self, sequence: int) -> bool:
        """Whether the record with this number is durable."""
        return sequence <= self._secured or sequence <= self.journal.secured

    async def reached(self, sequence: int) -> None:
        """Return when the record with this number is durable. Raises `UnsafeError`."""
        if not self.has_reached(sequence):
            await self._waiters.wait(sequence)

    def when_reached(self, sequence: int, tell: Tell) -> None:
        """Have `tell` called, from the event loop, once the record is durable, or has failed to be.

        `sequence` is what `commit` has just given: these never get smaller. `tell` raises nothing.
        """
        self._waiters.add(sequence, (tell,))

    # For whoever runs the journal. All of it in the event loop.

    def progressed(self) -> None:
        """The journal has secured more than before."""
        self._advance(self.journal.secured)

    def failed(self, error: PerdureError) -> None:
        """The journal cannot write; it goes on trying, and may call this each time that fails."""
        self._commit_gathered()
        if self._failure is None:
            _log.critical("%s; what would change something is refused until it can be saved", error)
        self._failure = error
        if self._uncommitted.entries or any(pending.is_firm for pending in self._pending):
            self._advance(self.journal.secured)
        else:
            self._give_up()
        self._waiters.refuse(UnsafeError(str(error)))

    def recovered(self) -> None:
        """The journal can write again."""
        if self._failure is not None:
            self._failure = None
            _log.warning("the state can be saved again")
        self.progressed()

    def settle(self) -> None:
        """Take down whatever has become of the components, at the end of a run.

        What was changed by what did not get it from the registry is written, and the log says where
        it was. Raises `UnsafeError` if there are calls that cannot be written now.
        """
        self.conclude()
        self._watch.begin_round()
        self._look(math.inf)

    def survey(self) -> None:
        """Look at some of the components; to be called about once a second."""
        if self._look(_SLICE):
            self._watch.begin_round()

    async def look_around(self) -> None:
        """Look at all components as `settle` does, some milliseconds at a time: before checkpoints."""
        # What nobody has got from the registry may change behind this look. Then the checkpoint has
        # it, and a later look finds it: its record is the whole component, and so does no harm.
        self._watch.begin_round(anew=True)
        while not self._look(_SLICE):
            await asyncio.sleep(_PAUSE)

    async def quiet(self, seconds: float) -> None:
        """Return when no turn that goes on has to do with components that `take_back` cannot help.

        At the latest after so many seconds.
        """
        await self._open.none_of(self._watch.is_past_help, seconds)

    def conclude(self) -> None:
        """Take down what the turns that are over have changed: at the instant of a checkpoint.

        The records up to `journal.appended` have all of that, then, and the calls of mutations of
        other turns: what is in the checkpoint is not called again. Raises `UnsafeError` if there are
        calls that cannot be written now.
        """
        if self._failure is None or self._uncommitted.entries:
            self._commit(())
        self._news.is_checkpointed()

    def is_torn(self) -> bool:
        """Whether a turn that goes on has changed something that is in no record yet."""
        return self._watch.is_changed(self._open.touched)

    def take_back(self) -> None:
        """Undo what turns that go on have changed so far: it is in no record either.

        For a copy of the process only. Components that are not looked at stay as they are.
        """
        touched = self._open.touched
        if touched:
            self._watch.undo(self._watch.before(self._watch.changes(touched)), for_good=False)

    def _look(self, seconds: float) -> bool:
        """Look at what no turn is at, for so long. Whether that was the end of the round."""
        if self._failure is not None:
            return True
        self._commit_gathered()
        until = time.perf_counter() + seconds
        strayed, is_over = self._watch.look(self._open.touched, until)
        if strayed.entries:
            self._write(strayed, is_firm=False)
        return is_over

    def _changes(self, keys: Iterable[str]) -> Changes:
        """What has become of components. What these let go of, turns that go on may hold still."""
        changes = self._watch.changes(keys)
        if changes.let_go:
            self._open.touch(changes.let_go)
        return changes

    def _write(self, changes: Changes, *, is_firm: bool) -> int:
        if self._failure is not None and not is_firm:
            self._watch.undo(changes.before)
            raise UnsafeError(str(self._failure))
        payload = pickle.dumps((time.time(), [*self._news.entries(), *changes.entries]), 5)
        try:
            sequence = self.journal.append(payload)
        except PerdureError as error:
            if is_firm:
                self._uncommitted = changes
            else:
                self._watch.undo(changes.before)
            raise UnsafeError(str(error)) from error
        self.size += len(payload)
        self._pending.append(Pending.of(sequence, changes, is_firm))
        self._last = sequence
        if self._failure is not None:
            raise UnsafeError(str(self._failure))
        return sequence

    def _give_up(self) -> None:
        self._news.is_lost()
        secured = self.journal.withdraw().start - 1
        self._advance(secured)
        before: Before = {}
        while self._pending:
            before.update(self._pending.pop().before)
        self._watch.undo(before)
        self._open.spoil(before)
        self._last = self._secured

    def _advance(self, secured: int) -> None:
        self._secured = secured = max(secured, self._secured)
        while self._pending and self._pending[0].sequence <= secured:
            self.feed.tell(self._pending.popleft().keys)
        self._waiters.advance(secured)
