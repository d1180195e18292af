"""Turns: units of work, such as a request or a timer's call, whose changes are made durable together.

Nothing has to be declared: a turn knows which components it may have changed or seen, and what
these have become is looked at when it commits. They are those that

- it got from the registry;
- the script that answers got when it ran;
- the resource that answers holds in a field, as one made in a configuration file does;
- any of these refers to, at any number of steps;
- anybody got outside of a turn, or after the end of the one in whose context it runs: a service
  that got it when it started, a task in the background. These *roam*: every turn looks at them.

What changes a component that came to it by yet another way is found by the ledger, which looks at
all it knows in rotation, and again at each checkpoint; it writes the change, says so in the log, and
counts the component among those that roam. So at most one change is written late.

Turns that wait for something are not kept apart from each other: what one has half done to a
component is written with what the other has done to it, and seen by it; and the calls of mutations
that it has made are written when the next turn ends, to keep their order. A checkpoint holds nothing
that a turn has half done and no record has. But what is saved by checkpoints alone cannot be put
back: for turns that have to do with such components a checkpoint waits, no longer than a second.
Where nothing is journaled, a checkpoint has whatever it finds.
"""

import os
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import Any, ClassVar, Protocol, TypeVar

import attrs

from ..persist.errors import PerdureError

R = TypeVar("R")


@attrs.define
class UnsafeError(PerdureError):
    """What was changed or seen is not durable now. `reason` says why.

    Changes of components are undone, but for those that mutations have made: whether these last is
    not known before something can be saved again.
    """

    exit_status: ClassVar[int] = os.EX_IOERR
    reason: str

    def __str__(self) -> str:
        return f"nothing can be saved now: {self.reason}"


class Committer(Protocol):
    """What makes the changes of turns durable (see `ledger.Ledger`)."""

    roaming: dict[str, None]
    """The keys of components that may change at any time."""

    keys: dict[int, str]
    """The keys of the components by the ids of these."""

    @property
    def is_failing(self) -> bool:
        """Whether nothing can be written now: whatever is changed would be refused."""
        ...

    def is_of(self, registry: object) -> bool:
        """Whether the components are those of `registry`."""
        ...

    def refers_to(self, item: object, touched: Iterable[str]) -> bool:
        """Whether records refer to `item` by a name of its own."""
        ...

    def meet(self, key: str) -> None:
        """Somebody is about to do something with the component of this key."""
        ...

    def expect(self, key: str, component: object) -> None:
        """Somebody has put this component, which is in no record yet, into the registry."""
        ...

    def begin(self, turn: "Turn") -> None:
        """`turn` may wait for something before it ends."""
        ...

    def end(self, turn: "Turn") -> None:
        """The end of `begin`."""
        ...

    def commit(self, turn: "Turn") -> int:
        """Take down what the components that `turn` touched have become; gives a number."""
        ...

    def command(
        self, touched: Iterable[str], component: object, call: Callable[[], R], described: Any
    ) -> R:
        """Call what changes `component`, and take down the call instead of what it has become."""
        ...

    async def reached(self, sequence: int) -> None:
        """Return when all up to `sequence` is durable."""
        ...


class Turn:
    """One unit of work. `touched` has the keys of the components it may have changed or seen."""

    __slots__ = ("ledger", "touched")

    def __init__(self, ledger: Committer | None) -> None:
        self.ledger = ledger
        self.touched: dict[str, None] = {}

    def touch(self, key: str) -> None:
        """This turn has got the component with this key, or set or removed it."""
        if key not in self.touched:
            self.touched[key] = None
            if self.ledger is not None:
                self.ledger.meet(key)

    def touch_held(self, holder: object) -> None:
        """Touch the components that `holder` has in its fields."""
        fields = getattr(holder, "__dict__", None)
        if fields and self.ledger is not None:
            keys = self.ledger.keys
            for item in fields.values():
                if id(item) in keys:
                    self.touch(keys[id(item)])

    def touch_component(self, item: object) -> None:
        """Touch `item`, if it is a component, that came by another way than the registry."""
        key = None if self.ledger is None else self.ledger.keys.get(id(item))
        if key is not None:
            self.touch(key)

    def commit(self) -> int:
        """Take down all changes made so far; what is told of them must wait for the number.

        A turn may commit more than once: what it changes afterwards is taken down by the next.
        Raises `UnsafeError` if that cannot be now; what it has changed is then undone.
        """
        return 0 if self.ledger is None else self.ledger.commit(self)

    async def durable(self) -> None:
        """Return when all that this turn has changed or seen cannot be lost any more.

        For services that speak protocols of their own: call it before an answer leaves. Raises
        `UnsafeError` if that cannot be, and the changes are then undone.
        """
        if self.ledger is not None:
            await self.ledger.reached(self.commit())

    def begin(self) -> None:
        """This turn will perhaps wait for something; so `end` has to come."""
        if self.ledger is not None:
            self.ledger.begin(self)

    def end(self) -> None:
        """Commit, for the last time. What its tasks get from now on roams. Raises `UnsafeError`."""
        if self.ledger is not None:
            try:
                if self.touched is not self.ledger.roaming:
                    self.commit()
            finally:
                self.ledger.end(self)
                self.touched = self.ledger.roaming

    def finish(self) -> None:
        """As `end`, where nobody is left to be told that something could not be saved."""
        with suppress(UnsafeError):
            self.end()


current: ContextVar[Turn | None] = ContextVar("perdure_turn", default=None)
"""The turn that the running code is part of."""

_ledgers: list[Committer] = []


def open_ledgers() -> Iterable[Committer]:
    """The ledgers of the applications that run in this process; mostly one."""
    return tuple(_ledgers)


def opened(ledger: Committer) -> None:
    """From now on, what is got outside of any turn roams in `ledger`."""
    _ledgers.append(ledger)


def closed(ledger: Committer) -> None:
    """The end of `opened`."""
    _ledgers[:] = [each for each in _ledgers if each is not ledger]


def is_referred_to(item: object) -> bool:
    """Whether `item` would be the same after a restart; true where nothing is journaled."""
    turn = current.get()
    if turn is not None and turn.ledger is not None:
        return turn.ledger.refers_to(item, turn.touched)
    return not _ledgers or any(ledger.refers_to(item, ledger.roaming) for ledger in _ledgers)


def touch(registry: object, key: str) -> None:
    """The registry says that somebody has got the component with this key, or set or removed it."""
    turn = current.get()
    if turn is not None:
        turn.touch(key)
        return
    for ledger in _ledgers:
        if ledger.is_of(registry):
            ledger.roaming[key] = None
            ledger.meet(key)


def put(registry: object, key: str, component: object) -> None:
    """The registry says that somebody has put a component into it, after telling to `touch` it."""
    for ledger in _ledgers:
        if ledger.is_of(registry):
            ledger.expect(key, component)


@contextmanager
def taking(turn: Turn) -> Generator[None]:
    """Within the block, and in tasks begun there, `turn` is the current one."""
    token = current.set(turn)
    try:
        yield
    finally:
        current.reset(token)


@contextmanager
def gathering(gathered: dict[str, None]) -> Generator[None]:
    """Within the block, note what is touched in `gathered`, too."""
    turn = current.get()
    if turn is None:
        with taking(Turn(None)), gathering(gathered):
            yield
        return
    touched, turn.touched = turn.touched, gathered
    try:
        yield
    finally:
        turn.touched = touched
        # Not `touch`: what was made in the block would be met now, as if it were saved already.
        touched.update(gathered)
