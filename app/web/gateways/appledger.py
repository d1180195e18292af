"""Turns of applications that run in the container: what they change is recorded, in whatever thread."""

import asyncio
import concurrent.futures
import threading
from collections.abc import Callable, Iterable
from contextvars import copy_context
from typing import Any, TypeVar

from ...turns import Committer, Turn, UnsafeError, current

R = TypeVar("R")


class AppTurn(Turn):
    """The turn that one call of an application is.

    It costs nothing until the application has to do with components. `is_refused` is True once a
    change was refused: whatever the application makes of that, its client is told the truth.
    """

    __slots__ = ("_has_begun", "is_refused")

    def __init__(self, ledger: "AppLedger") -> None:
        super().__init__(ledger)
        self._has_begun = False
        self.is_refused = False

    def begin(self) -> None:
        """What it changes is half done until `end`; its ledger calls this when there is something."""
        if not self._has_begun:
            self._has_begun = True
            super().begin()

    def end(self) -> None:
        if self._has_begun:
            super().end()
        elif self.ledger is not None:
            # As `Turn.end`, for tasks that it leaves behind.
            self._has_begun = True
            self.touched = self.ledger.roaming


class AppLedger:
    """The ledger of the application for turns whose code may be in other threads.

    A ledger is for the event loop alone; what other threads want of it is done there, while they
    wait. With `ledger` None nothing is recorded.
    """

    __slots__ = ("_ledger", "_loop", "_thread", "keys", "roaming")

    def __init__(self, ledger: Committer | None, loop: asyncio.AbstractEventLoop) -> None:
        self._ledger = ledger
        self._loop = loop
        self._thread = threading.get_ident()
        self.keys: dict[int, str] = {} if ledger is None else ledger.keys
        self.roaming: dict[str, None] = {} if ledger is None else ledger.roaming

    def is_for(self, ledger: Committer) -> bool:
        """Whether this stands before `ledger`."""
        return self._ledger is ledger

    @property
    def is_failing(self) -> bool:
        """See `Committer`."""
        return self._ledger is not None and self._ledger.is_failing

    def is_of(self, registry: object) -> bool:
        """See `Committer`."""
        return self._ledger is not None and self._ledger.is_of(registry)

    def refers_to(self, item: object, touched: Iterable[str]) -> bool:
        """See `Committer`."""
        ledger = self._ledger
        return ledger is None or self._in_loop(lambda: ledger.refers_to(item, touched))

    def meet(self, key: str) -> None:
        """See `Committer`."""
        ledger = self._ledger
        if ledger is None:
            return
        if threading.get_ident() == self._thread:
            _begin(current.get())
            ledger.meet(key)
        else:
            self._in_loop(lambda: self.meet(key))

    def expect(self, key: str, component: object) -> None:
        """See `Committer`."""
        if self._ledger is not None:
            self._ledger.expect(key, component)

    def begin(self, turn: Turn) -> None:
        """See `Committer`. In the loop."""
        if self._ledger is not None:
            self._ledger.begin(turn)

    def end(self, turn: Turn) -> None:
        """See `Committer`. In the loop."""
        if self._ledger is not None:
            self._ledger.end(turn)

    def commit(self, turn: Turn) -> int:
        """See `Committer`. In the loop."""
        try:
            return 0 if self._ledger is None else self._ledger.commit(turn)
        except UnsafeError:
            _refuse(turn)
            raise

    def command(
        self, touched: Iterable[str], component: object, call: Callable[[], R], described: Any
    ) -> R:
        """See `Committer`. A mutation runs in the loop, so never beside anything else."""
        ledger, turn = self._ledger, current.get()

        def called() -> R:
            if ledger is None:
                return call()
            _begin(turn)
            return ledger.command(touched, component, call, described)

        try:
            return self._in_loop(called)
        except UnsafeError:
            _refuse(turn)
            raise

    async def reached(self, sequence: int) -> None:
        """See `Committer`. In the loop."""
        if self._ledger is not None:
            await self._ledger.reached(sequence)

    def _in_loop(self, function: Callable[[], R]) -> R:
        if threading.get_ident() == self._thread:
            return function()
        done: concurrent.futures.Future[R] = concurrent.futures.Future()
        context = copy_context()

        def called() -> None:
            try:
                done.set_result(context.run(function))
            except BaseException as error:  # noqa: BLE001 - it is raised in the thread
                done.set_exception(error)

        self._loop.call_soon_threadsafe(called)
        return done.result()


def _begin(turn: Turn | None) -> None:
    if isinstance(turn, AppTurn):
        turn.begin()


def _refuse(turn: Turn | None) -> None:
    if isinstance(turn, AppTurn):
        turn.is_refused = True


class ThreadLedger(AppLedger):
    """As `AppLedger`, for a turn whose code runs in one thread and blocks there.

    Code that has to do with components has `lock`, so that no two threads are in the middle of changing
    them: from the first component that it gets until `release`.
    """

    __slots__ = ("_lock", "is_alone")

    def __init__(
        self,
        ledger: Committer | None,
        loop: asyncio.AbstractEventLoop,
        lock: asyncio.Lock,
    ) -> None:
        super().__init__(ledger, loop)
        self._lock = lock
        self.is_alone = False

    def meet(self, key: str) -> None:
        self._in_loop(lambda: super(ThreadLedger, self).meet(key))

    def acquire(self) -> None:
        """Have the lock, in the thread."""
        self._in_loop(lambda: None)

    def release(self) -> None:
        """Let others have the lock; in the loop, when the thread has set `is_alone` to False."""
        self._lock.release()

    def _in_loop(self, function: Callable[[], R]) -> R:
        lock = self._lock
        if self.is_alone or threading.get_ident() == self._thread:
            return super()._in_loop(function)
        context = copy_context()

        async def called() -> R:
            await lock.acquire()
            self.is_alone = True
            return context.run(function)

        return asyncio.run_coroutine_threadsafe(called(), self._loop).result()
