"""The turns that have begun and not ended: they may wait for something, and change components meanwhile."""

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress

import attrs

from .turns import Turn


@attrs.define(eq=False)
class OpenTurns:
    """Which turns go on, what they have to do with, and whose changes were undone under their hands."""

    _turns: dict[Turn, None] = attrs.field(factory=dict[Turn, None], init=False)
    _spoiled: set[Turn] = attrs.field(factory=set[Turn], init=False)
    # Set when a turn ends, for who waits for that.
    _ended: asyncio.Event = attrs.field(factory=asyncio.Event, init=False)

    def begin(self, turn: Turn) -> None:
        """`turn` may wait for something before it ends."""
        self._turns[turn] = None

    def end(self, turn: Turn) -> None:
        """The end of `begin`."""
        self._turns.pop(turn, None)
        self._spoiled.discard(turn)
        self._ended.set()

    @property
    def touched(self) -> set[str]:
        """The keys of all components that they may have changed."""
        # Of each turn at once: threads may add to it.
        return set[str]().union(*[turn.touched for turn in self._turns])

    def touch(self, keys: Iterable[str]) -> None:
        """They may hold the components with these keys still, though nothing else does."""
        for turn in self._turns:
            turn.touched.update(dict.fromkeys(keys))

    def spoil(self, undone: Iterable[str]) -> None:
        """The components with these keys are as they were: what was made of them before is no more."""
        keys = frozenset(undone)
        for turn in self._turns:
            if not keys.isdisjoint(turn.touched):
                self._spoiled.add(turn)

    def is_spoiled(self, turn: Turn) -> bool:
        """Whether changes of `turn` were undone since it began."""
        return turn in self._spoiled

    async def none_of(self, kind: Callable[[Iterable[str]], bool], seconds: float) -> None:
        """Return when there is none that touched what is of this `kind`; at the latest after so long."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while any(kind(turn.touched) for turn in self._turns):
                    self._ended.clear()
                    await self._ended.wait()
