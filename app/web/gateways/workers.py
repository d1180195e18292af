"""Threads that wait for work: as many as were asked for, and no longer queue than was allowed."""

import asyncio
import threading
from collections.abc import Callable
from queue import SimpleQueue

Work = Callable[[], None]


class Workers:
    """At most `threads` threads, begun when they are needed, for all the time of a run.

    `done` must be called for each piece of work that was taken, in the event loop like all else.
    They are daemons: what never returns keeps no process from ending.
    """

    def __init__(self, name: str, threads: int, waiting: int) -> None:
        self._name = name
        self._most = threads
        self._waiting = waiting
        self._queue: SimpleQueue[Work | None] = SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._resting: asyncio.Event | None = None
        self.load = 0
        """Pieces of work that wait or are being done."""

    @property
    def is_full(self) -> bool:
        """Whether no more can wait."""
        return self.load >= self._most + self._waiting

    def begin(self, work: Work) -> None:
        """Have `work`, which raises nothing, done by the next thread that has nothing else to do."""
        self.load += 1
        if self.load > len(self._threads) < self._most:
            name = f"{self._name} {len(self._threads) + 1}"
            thread = threading.Thread(target=self._run, name=name, daemon=True)
            self._threads.append(thread)
            thread.start()
        self._queue.put(work)

    def done(self) -> None:
        """A piece of work has been done."""
        self.load -= 1
        if not self.load and self._resting is not None:
            self._resting.set()
            self._resting = None

    async def rest(self) -> None:
        """Return when there is no work."""
        while self.load:
            self._resting = self._resting or asyncio.Event()
            await self._resting.wait()

    def close(self) -> None:
        """Let the threads end when they have done what they do."""
        for _ in self._threads:
            self._queue.put(None)
        self._threads = []

    def _run(self) -> None:
        while (work := self._queue.get()) is not None:
            work()
            # Not kept until the next comes: a request and all it refers to.
            del work
