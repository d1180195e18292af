"""Keeping the state of a run: a journal while it goes on, checkpoints now and then, a save at its end."""

import asyncio
import errno
import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final, Literal

import attrs

from ..persist import hugepages
from ..persist.checkpoint import Child, ChildError, ForkError, check_memory, fork
from ..persist.collector import Settled
from ..persist.errors import PerdureError
from ..persist.files import WriteError
from ..persist.storage import Appender
from .alarms import AlarmClock
from .ledger import Ledger
from .state import Keeping, LeftOutError
from .turns import UnsafeError
from .web.scripts import scriptmodule

Durability = Literal["durable", "relaxed", "checkpoint"]

_log = logging.getLogger(__name__)

_CHILD_PATIENCE: Final = 300.0
"""Seconds without any work after which the child of a checkpoint is taken to hang."""

_PATIENCE: Final = 1.0
"""Seconds that a checkpoint waits for turns that have to do with components saved by it alone."""

_FIRST_DELAY: Final = 5.0
_LONGEST_DELAY: Final = 300.0
_LOOK: Final = 1.0
"""Seconds between looks at whether a checkpoint is due."""


@attrs.frozen(kw_only=True)
class Pace:
    """When a checkpoint is taken: after so many records, bytes of them, or seconds with a change."""

    records: int = 200_000
    size: int = 64 << 20
    seconds: float = 900.0


@attrs.define(eq=False)
class Keeper:
    """Keeps the state of the run that `keeping` describes. Everything is called in its event loop.

    With a `durability` of None nothing is kept until `save`.
    """

    keeping: Keeping
    durability: Durability | None = "durable"
    pace: Pace = Pace()
    _journal: Appender | None = attrs.field(init=False, default=None)
    _sequence: int = attrs.field(init=False)
    _volume: int = attrs.field(init=False, default=0)
    _since: float = attrs.field(init=False, factory=time.monotonic)
    _wanted: asyncio.Event = attrs.field(init=False, factory=asyncio.Event)
    _clock: AlarmClock | None = attrs.field(init=False, default=None)
    _ringing: asyncio.Task[None] | None = attrs.field(init=False, default=None)
    _checkpoints: asyncio.Task[None] | None = attrs.field(init=False, default=None)
    # Whether files of the journal were found to be gone.
    _is_robbed: bool = attrs.field(init=False, default=False)
    _settled_objects: Settled = attrs.field(init=False, factory=Settled)
    _busy: asyncio.Lock = attrs.field(init=False, factory=asyncio.Lock)

    def __attrs_post_init__(self) -> None:
        # What was replayed makes the first checkpoint due so much earlier.
        self._sequence = self.keeping.beginning.base

    def open(self) -> None:
        """Begin: from now on what turns change is written. Raises `WriteError` or `CaptureError`."""
        beginning, store = self.keeping.beginning, self.keeping.store
        resumption, application = beginning.resumption, beginning.application
        if self.durability is None:
            return
        if self.durability == "checkpoint":
            self._sequence = beginning.sequence
        if resumption.fresh and (beginning.state is not None or self.durability == "checkpoint"):
            # The file that was named may be changed or removed: what follows stands on this copy.
            # And where no journal says that all before is to be forgotten, a state has to.
            store.admit(self.keeping.draft_whole(beginning.sequence))
        if self.durability == "checkpoint":
            return
        loop = asyncio.get_running_loop()
        ledger: Ledger
        journal = self._journal = store.journal(
            first=resumption.first,
            key=resumption.key,
            level=self.durability,
            fresh=resumption.fresh,
            carried=resumption.carried,
            on_progress=lambda _: loop.call_soon_threadsafe(ledger.progressed),
            on_failure=lambda error: loop.call_soon_threadsafe(self._failed, ledger, error),
            on_recovery=lambda: loop.call_soon_threadsafe(self._recovered, ledger),
        )
        ledger = application.ledger = Ledger(
            application, journal, beginning.policy, scriptmodule.script_folders
        )
        ledger.open()

    def start(self) -> None:
        """Begin to take checkpoints, and let alarms go off: everything runs."""
        application = self.keeping.beginning.application
        self._clock = AlarmClock(application)
        self._ringing = asyncio.create_task(self._clock.run())
        self._settled_objects.all()
        if self.durability is not None:
            self._checkpoints = asyncio.create_task(self._run())

    async def quiesce(self) -> None:
        """Let no alarm go off any more, and give up a checkpoint; return when no call is going on."""
        await _end(self._checkpoints)
        if self._clock is not None:
            await self._clock.quiesce()

    def want_checkpoint(self) -> None:
        """Have a checkpoint taken as soon as can be."""
        self._wanted.set()

    async def checkpoint(self) -> Path:
        """Take a checkpoint: the memory as it is now, saved by a child while this goes on.

        Where the system gives no child, everything waits until it is saved. Raises `ChildError`,
        `CaptureError`, `WriteError`, or `UnsafeError` if what it would hold was undone meanwhile.
        Nothing is lost by that, and nothing pruned.
        """
        async with self._busy:
            check_memory()
            ledger = self.keeping.beginning.application.ledger
            if ledger is not None:
                await ledger.look_around()
                await ledger.quiet(_PATIENCE)
            async with self.keeping.beginning.application.registry.between_threads:
                begun = time.monotonic()
                # First of all: what ends with garbage may change components. And no collection is to
                # touch, and so copy, what the child has as well.
                self._settled_objects.new()
                # From here to the fork nothing is awaited: records and memory must say the same.
                sequence, volume = self._settled()
                secured = self._when_secured(sequence)
                child = self._fork(sequence)
                paused = time.monotonic() - begun
            try:
                draft = await self._drafted(child)
                await secured
                path = self.keeping.store.admit(draft)
            except BaseException:
                secured.cancel()
                self.keeping.store.remove_leftovers()
                raise
            self._sequence, self._volume, self._since = sequence, volume, time.monotonic()
            await asyncio.to_thread(self.keeping.store.prune)
            _log.info(
                "checkpoint %s: %.1f s, of which the server stood still %.0f ms",
                path,
                time.monotonic() - begun,
                paused * 1000,
            )
            return path

    def save(self) -> Path:
        """Save the state as the newest, at the end of the run. Raises as `Keeping.save` does."""
        ledger = self.keeping.beginning.application.ledger
        if self._journal is None:
            self._sequence += 1
        else:
            if ledger is not None:
                with suppress(UnsafeError):
                    ledger.settle()
            self._sequence = self._journal.appended
        return self.keeping.save(self._sequence, recorded=self._journal is not None)

    async def close(self) -> None:
        """End: no more checkpoints, and what the journal has is on disk."""
        await _end(self._checkpoints)
        await _end(self._ringing)
        application = self.keeping.beginning.application
        ledger, application.ledger = application.ledger, None
        try:
            if ledger is not None:
                ledger.close()
            if self._journal is not None:
                self._journal.close()
        except (UnsafeError, WriteError) as error:
            _log.error("%s", error)

    def _failed(self, ledger: Ledger, error: WriteError) -> None:
        self._is_robbed = self._is_robbed or error.number == errno.ENOENT
        ledger.failed(error)

    def _recovered(self, ledger: Ledger) -> None:
        ledger.recovered()
        if self._is_robbed:
            # Somebody has removed records. What they told is in memory, and soon in a checkpoint.
            self._is_robbed = False
            self.want_checkpoint()

    def _settled(self) -> tuple[int, int]:
        """The number of the last record, and the bytes so far, when records have all there is."""
        journal, ledger = self._journal, self.keeping.beginning.application.ledger
        if journal is None:
            return self._sequence + 1, 0
        if ledger is not None:
            ledger.conclude()
        # What follows goes to a new segment, so that the old ones can be pruned.
        return journal.rotate() - 1, journal.volume

    def _when_secured(self, sequence: int) -> asyncio.Future[None]:
        """What fails, with `UnsafeError`, once a record up to this number may be withdrawn.

        It has to be asked for before anything is awaited: numbers withdrawn are passed over later.
        """
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        ledger = self.keeping.beginning.application.ledger

        def tell(failure: UnsafeError | None) -> None:
            if done.done():
                return
            if failure is None:
                done.set_result(None)
            else:
                done.set_exception(failure)

        # It may fail while nobody waits for it yet.
        done.add_done_callback(lambda done: done.cancelled() or done.exception())
        if ledger is None or ledger.has_reached(sequence):
            done.set_result(None)
        else:
            ledger.when_reached(sequence, tell)
        return done

    def _fork(self, sequence: int) -> Child | bytes:
        """A child that writes the draft; where there is none, what it would return."""
        ledger = self.keeping.beginning.application.ledger

        def work() -> bytes:
            # The files that it is written to are open in the parent only.
            logging.disable()
            if ledger is not None:
                ledger.take_back()
            return self._write(sequence)

        try:
            return fork(work)
        except ForkError as error:
            if ledger is not None and ledger.is_torn():
                raise ChildError(
                    f"{error}, and work is half done that waits for something"
                ) from error
            _log.warning("%s; everything waits until the checkpoint is written", error)
            return self._write(sequence)

    def _write(self, sequence: int) -> bytes:
        """The draft's path, and in further lines what an operator must know."""
        try:
            return str(self.keeping.draft(sequence, recorded=self._journal is not None)).encode()
        except LeftOutError as error:
            parts = "; ".join(map(str, error.parts))
            return f"{error.path}\nthe checkpoint has not the present form of {parts}".encode()

    async def _drafted(self, child: Child | bytes) -> Path:
        if isinstance(child, Child):
            child = (await child.ended(patience=_CHILD_PATIENCE)).result
        path, _, warning = child.decode().partition("\n")
        if warning:
            _log.error("%s", warning)
        return Path(path)

    async def _run(self) -> None:
        # At leisure, so that the first checkpoint finds little to do.
        await _gather_memory(lambda: self._wanted.is_set() or self._is_due(), idle=1)
        delay, retry = _FIRST_DELAY, None
        while True:
            await self._until_due(retry)
            self._wanted.clear()
            try:
                await _gather_memory()
                await self.checkpoint()
                delay, retry = _FIRST_DELAY, None
            except Exception as error:  # noqa: BLE001 - a run without checkpoints is no way out
                if not isinstance(error, PerdureError):
                    _log.exception("a fault of the program")
                _log.error("no checkpoint now: %s; the next attempt is in %g s", error, delay)
                retry = time.monotonic() + delay
                delay = min(2 * delay, _LONGEST_DELAY)

    async def _until_due(self, retry: float | None) -> None:
        """Return when a checkpoint is due, or to be tried again, or wanted by somebody."""
        while not self._is_due() if retry is None else time.monotonic() < retry:
            pause = _LOOK if retry is None else min(_LOOK, retry - time.monotonic())
            with suppress(TimeoutError):
                # `wait_for` of Python 3.11 forgets a cancellation that comes with the event.
                async with asyncio.timeout(pause):
                    await self._wanted.wait()
                return
            ledger = self.keeping.beginning.application.ledger
            if ledger is not None:
                with suppress(UnsafeError):
                    ledger.survey()

    def _is_due(self) -> bool:
        journal = self._journal
        if journal is None:
            return time.monotonic() - self._since >= self.pace.seconds
        records = journal.appended - self._sequence
        if not records:
            return False
        return (
            records >= self.pace.records
            or journal.volume - self._volume >= self.pace.size
            or time.monotonic() - self._since >= self.pace.seconds
        )


async def _gather_memory(
    is_given_up: Callable[[], bool] = lambda: False, *, idle: float = 0
) -> None:
    """Make the fork short. What that takes may be done while all goes on."""
    given_up = threading.Event()
    try:
        await asyncio.to_thread(
            hugepages.gather, lambda: given_up.is_set() or is_given_up(), idle=idle
        )
    finally:
        given_up.set()


async def _end(task: asyncio.Task[None] | None) -> None:
    if task is not None:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
