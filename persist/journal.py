"""The journal while it is written: records go to the disk in batches, in a thread of its own.

Whatever is appended while one batch is on its way makes the next: under load a hundred records
share one flush, and alone none waits for company. No timer is involved, and nothing wakes up where
nothing happens.

A failed write or flush is never tried again on the same file, since the system may have forgotten
what it could not write and report success. The segment is abandoned; another is tried, after 0.1
seconds, then twice as long up to 5, that supersedes everything the old one may hold beyond what was
secured. What is not yet secured waits in memory and goes there, or is withdrawn by who appended it.
"""

import contextlib
import os
import threading
import weakref
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import ClassVar, Final

import attrs

from .disk import DISK, Disk
from .errors import PerdureError
from .files import WriteError, make_folder
from .frames import GREATEST_RECORD, Frame
from .journalwriter import JournalWriter, Level
from .sealing import Seal
from .segment import Place

# Fewer would cost rate under the greatest load, and more would make its first ones wait.
_BATCH: Final = 1 << 14
_FIRST_DELAY: Final = 0.1
_LONGEST_DELAY: Final = 5.0


@attrs.define
class ClosedJournalError(PerdureError):
    """The journal in `folder` is closed, or belongs to the process from which this one forked."""

    folder: Path
    exit_status: ClassVar[int] = os.EX_UNAVAILABLE

    def __str__(self) -> str:
        return f"the journal {self.folder} is closed; nothing can be appended to it any more"


@attrs.define
class FullJournalError(PerdureError):
    """`waiting` bytes wait for the disk, more than the `allowed`; the record was not taken."""

    folder: Path
    waiting: int
    allowed: int
    exit_status: ClassVar[int] = os.EX_TEMPFAIL

    def __str__(self) -> str:
        return (
            f"the journal {self.folder} takes no record now: {self.waiting} bytes wait for the"
            f" disk, and {self.allowed} may; try again when they are written"
        )


@attrs.define
class LargeRecordError(PerdureError):
    """A record of `size` bytes is more than the `allowed`, which are the most a frame can hold."""

    folder: Path
    size: int
    allowed: int
    exit_status: ClassVar[int] = os.EX_DATAERR

    def __str__(self) -> str:
        return (
            f"the journal {self.folder} takes records of up to {self.allowed} bytes, not of"
            f" {self.size}; keep what is so large in several components"
        )


def _nothing(*_: object) -> None:
    pass


class Journal:
    """Takes records and puts them on the disk in the order of their numbers.

    Any thread may call anything; no call waits for the disk, but the making and `close`. At the
    level ``durable`` a record is secured when it is on the device; at ``relaxed`` when the
    operating system has it, which puts it on the device within a second: any death of the process
    spares it, a loss of power may not. After a fork only the parent has a journal; the child's
    says that it is closed.

    `on_progress` is called with the number up to which all records are now secured, `on_failure`
    with the `WriteError` of each attempt, `on_recovery` when a segment could be begun after one.
    They are called in the journal's thread and must hand over quickly, as `call_soon_threadsafe`
    does; an exception of theirs is reported like one that ends a thread, and harms nothing.
    """

    def __init__(
        self,
        folder: Path,
        *,
        application: str,
        first: int = 1,
        key: bytes = b"",
        level: Level = "durable",
        fresh: bool = False,
        carried: Sequence[Frame] = (),
        seal: Seal | None = None,
        backlog: int = 1 << 28,
        on_progress: Callable[[int], object] = _nothing,
        on_failure: Callable[[WriteError], object] = _nothing,
        on_recovery: Callable[[], object] = _nothing,
        disk: Disk = DISK,
    ) -> None:
        """Begin a segment in `folder`, and the folder if need be; raises `WriteError`.

        `first` and `carried` are what the reader of the same folder says; `first` is 1 where there
        is nothing. A `fresh` journal forgets what was before it. With a `seal` all records are sealed,
        those `carried` too. When more than `backlog` bytes
        wait, no more are taken. The caller must hold the application's lock.
        """
        self.folder = folder
        make_folder(folder, disk)
        self._writer = JournalWriter.begin(
            Place(disk, folder, application, key, seal), level, first, carried=carried, fresh=fresh
        )
        self._backlog = backlog
        self._on_progress = on_progress
        self._on_failure = on_failure
        self._on_recovery = on_recovery
        self._delay = _FIRST_DELAY
        self._last_attempt = False

        # The lock is over what follows; it is never held during anything that takes time.
        self._lock = threading.Lock()
        self._appended = self._secured = self._writer.secured
        self._pending: list[bytes] = []
        self._waiting = 0
        self._volume = 0
        self._starts: deque[int] = deque()
        self._last_start = first
        self._withdrawn = False
        self._withdrawn_up_to = 0
        self._closed = False
        self._idle = False
        self._failure: WriteError | None = None

        self._wake: SimpleQueue[None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
        _journals.add(self)
        self._thread.start()

    @property
    def appended(self) -> int:
        """The number of the last record taken."""
        return self._appended

    @property
    def volume(self) -> int:
        """The bytes of all records taken."""
        return self._volume

    @property
    def secured(self) -> int:
        """Up to this number all records are as safe as the level promises, or withdrawn."""
        return self._secured

    @property
    def durable(self) -> int:
        """Up to this number all records are on the device, or withdrawn."""
        return self._writer.durable

    @property
    def failure(self) -> WriteError | None:
        """Why nothing can be written at present; None if all is well."""
        return self._failure

    def append(self, payload: bytes) -> int:
        """Take a record; gives its number, one more than that of the record before it.

        Raises `ClosedJournalError`, `FullJournalError` or `LargeRecordError`; the record was then
        not taken.
        """
        size = len(payload)
        if size > GREATEST_RECORD:
            raise LargeRecordError(self.folder, size, GREATEST_RECORD)
        with self._lock:
            if self._closed:
                raise ClosedJournalError(self.folder)
            if self._waiting > self._backlog:
                raise FullJournalError(self.folder, self._waiting, self._backlog)
            self._appended = number = self._appended + 1
            self._pending.append(payload)
            self._waiting += size
            self._volume += size
            self._rouse()
        return number

    def rotate(self) -> int:
        """Let the next record begin a segment; gives its number.

        The segments before it then hold nothing that a checkpoint of this instant lacks. Where no
        record came since the last time, it is the same segment.
        """
        with self._lock:
            if self._closed:
                raise ClosedJournalError(self.folder)
            start = self._appended + 1
            if start != self._last_start:
                self._last_start = start
                self._starts.append(start)
                self._rouse()
        return start

    def withdraw(self) -> range:
        """Give up what is not secured yet, and tell which numbers that was.

        Their records are never secured, also if the disk is writing them at this moment: what
        comes after supersedes them. Only a process that ends before the journal has recovered may
        leave some of them to be read. Numbers are not used twice, and `secured` passes over those
        given up: whoever waits for one must be told by the caller. What a checkpoint captured
        since `secured` must be thrown away.
        """
        with self._lock:
            after = max(self._secured, self._withdrawn_up_to)
            given_up = range(after + 1, self._appended + 1)
            if given_up:
                self._pending = []
                self._waiting = 0
                self._starts.clear()
                self._last_start = -1
                self._withdrawn = True
                self._withdrawn_up_to = self._appended
                self._rouse()
        return given_up

    def close(self) -> None:
        """Secure what is left, and end the thread; waits for the disk.

        Raises `WriteError` if the last attempt failed: what is beyond `secured` is then lost. Not
        to be called from a callback. Closing again does nothing.
        """
        with self._lock:
            if self._closed:
                return
            self._closed = True
            self._wake.put(None)
        self._thread.join()
        if self._failure is not None:
            raise self._failure

    def disown(self) -> None:
        """Count as closed, and leave the disk alone: what a forked child does at once by itself."""
        # A thread that does not exist here may have held the lock.
        self._lock = threading.Lock()
        self._closed = True

    def _rouse(self) -> None:
        if self._idle:
            self._idle = False
            self._wake.put(None)

    def _run(self) -> None:
        try:
            while True:
                try:
                    if self._withdrawn or self._writer.broken:
                        self._renew()
                    elif not self._work():
                        return
                except WriteError as error:
                    if not self._fail(error):
                        return
        finally:
            with self._lock:
                self._closed = True

    def _work(self) -> bool:
        """Do the next thing there is to do; False when there will be none any more."""
        with self._lock:
            if self._withdrawn:
                return True
            next_number = self._appended - len(self._pending) + 1
            rotating = self._writer.is_full
            if self._starts and self._starts[0] == next_number:
                rotating = True
                self._starts.popleft()
            batch = [] if rotating else self._take(next_number)
            closing = self._closed
            self._idle = not (rotating or batch or closing)
        if rotating:
            self._writer.rotate()
        elif batch:
            self._write(batch)
        elif closing:
            self._writer.finish()
            return False
        else:
            self._wait()
        return True

    def _take(self, next_number: int) -> list[bytes]:
        count = min(len(self._pending), _BATCH)
        if self._starts:
            count = min(count, self._starts[0] - next_number)
        batch = self._pending[:count]
        self._pending = self._pending[count:]
        return batch

    def _write(self, batch: list[bytes]) -> None:
        try:
            self._writer.write(batch)
        except WriteError:
            with self._lock:
                if not self._withdrawn:
                    self._pending[:0] = batch
            raise
        with self._lock:
            if self._withdrawn:
                return
            self._secured = secured = self._writer.confirm(batch)
            self._waiting -= sum(map(len, batch))
        self._delay = _FIRST_DELAY
        self._tell(self._on_progress, secured)
        if self._writer.sync_due() == 0.0:
            self._writer.sync()

    def _wait(self) -> None:
        try:
            self._wake.get(timeout=self._writer.sync_due())
        except Empty:
            with self._lock:
                self._idle = False
            self._writer.sync()

    def _renew(self) -> None:
        with self._lock:
            self._withdrawn = False
            # None is in the writer's hands now: what it failed to write was put back or withdrawn.
            given_up = self._appended - len(self._pending) - self._writer.secured
        self._writer.renew(given_up)
        with self._lock:
            self._secured = self._writer.secured
            recovered, self._failure = self._failure is not None, None
        if recovered:
            self._tell(self._on_recovery)

    def _fail(self, error: WriteError) -> bool:
        """Tell of a failure and wait until it is time for another attempt; False if it is not."""
        with self._lock:
            self._failure = error
            # Nobody can rouse what is not idle: only `close` cuts the waiting short.
            self._idle = False
            closing = self._closed
        self._tell(self._on_failure, error)
        if closing:
            last, self._last_attempt = self._last_attempt, True
            return not last
        with contextlib.suppress(Empty):
            self._wake.get(timeout=self._delay)
        self._delay = min(2 * self._delay, _LONGEST_DELAY)
        return True

    def _tell(self, callback: Callable[..., object], *arguments: object) -> None:
        try:
            callback(*arguments)
        except Exception as error:  # noqa: BLE001 - the caller's code raises anything
            threading.excepthook(
                threading.ExceptHookArgs((type(error), error, error.__traceback__, self._thread))
            )


_journals: "weakref.WeakSet[Journal]" = weakref.WeakSet()


def _after_fork_in_child() -> None:
    for journal in list(_journals):
        journal.disown()


os.register_at_fork(after_in_child=_after_fork_in_child)
