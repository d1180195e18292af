"""Records that are not known to be secured, and who waits for that."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from typing import Protocol, Self

import attrs

from .changes import Before, Changes
from .turns import UnsafeError

Tell = Callable[[UnsafeError | None], object]
"""What is called, from the event loop, with what made it fail, or None; it raises nothing."""


class Journal(Protocol):
    """What the ledger needs of a journal (see `persist.journal`)."""

    @property
    def appended(self) -> int:
        """The number of the last record given to it."""
        ...

    @property
    def secured(self) -> int:
        """Up to this number all records are as safe as was asked for."""
        ...

    def append(self, payload: bytes) -> int:
        """Give it one more record; its number. Raises a `PerdureError` if it takes none."""
        ...

    def withdraw(self) -> range:
        """Give up what is not secured; the numbers of that."""
        ...


@attrs.define
class Pending:
    """A record that is not known to be secured. One that `is_firm` has calls of mutations.

    `keys` are those of the components that it tells of.
    """

    sequence: int
    before: Before
    is_firm: bool
    keys: set[str]

    @classmethod
    def of(cls, sequence: int, changes: Changes, is_firm: bool) -> Self:
        """The record of these changes."""
        return cls(sequence, changes.before, is_firm, {key for key, _, _ in changes.entries})


@attrs.define(eq=False)
class Waiters:
    """Tells them in the order of the records' numbers, in which they have to come."""

    _waiting: deque[tuple[int, Tell]] = attrs.field(factory=deque[tuple[int, Tell]], init=False)

    def add(self, sequence: int, tells: Iterable[Tell]) -> None:
        """Have them called once the record with this number is secured, or cannot be."""
        self._waiting.extend([(sequence, tell) for tell in tells])

    async def wait(self, sequence: int) -> None:
        """Return when the record with this number is secured. Raises `UnsafeError`."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def tell(failure: UnsafeError | None) -> None:
            if done.done():
                return
            if failure is None:
                done.set_result(None)
            else:
                done.set_exception(failure)

        self.add(sequence, (tell,))
        await done

    def advance(self, secured: int) -> None:
        """All up to this number is secured."""
        while self._waiting and self._waiting[0][0] <= secured:
            self._waiting.popleft()[1](None)

    def refuse(self, failure: UnsafeError) -> None:
        """Nothing of what they wait for can be secured."""
        waiting, self._waiting = self._waiting, deque()
        for _, tell in waiting:
            tell(failure)
