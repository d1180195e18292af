"""Mutations: methods that are written to the journal as calls, and called again after a crash.

For components too large to be looked at after each turn::

    class Messages:
        @mutation
        def post(self, author: str, text: str) -> None:
            self.entries.append(Entry(author, text, mutations.now()))

A call is taken down with its arguments, as they are before it: later changes of what was passed
are not. Arguments that are components stay references to them. After a crash the methods are called
again in the same order, so whatever a mutation does may depend on nothing but its component, its
arguments, other components, `now` and `random`: not on the clock, the disk or the network.

Of mutations called by one another only the outermost is taken down. One that raises is taken down as
well, since it may have changed something, and is expected to raise again. While nothing can be
written a mutation is refused with `UnsafeError` before it does anything.

A component of a class with a mutation is never looked at: what is changed in it by other ways is
saved at checkpoints only. Called on an object that is no component, such as one that is being built
or is part of a component, a mutation is a method like any other: call those of the component.
"""

import functools
import inspect
import os
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar
from random import Random
from typing import Any, ClassVar, Concatenate, ParamSpec, TypeVar, cast

import attrs

from ..persist.errors import PerdureError
from .turns import Turn, current, open_ledgers, taking

P = ParamSpec("P")
R = TypeVar("R")
S = TypeVar("S")

_MARK = "__perdure_mutation__"


@attrs.define
class CallError(PerdureError):
    """A mutation was not called: its arguments cannot be written down. `name` is the method's."""

    exit_status: ClassVar[int] = os.EX_DATAERR
    name: str
    reason: str

    def __str__(self) -> str:
        return f"{self.name} was not called, since its arguments cannot be saved: {self.reason}"


@attrs.define
class Conditions:
    """What a mutation is told of the world: the same again when it is called again."""

    time: float
    seed: int | None = None
    _random: Random | None = None

    def random(self) -> Random:
        """The generator of this call; the seed is drawn when it is first asked for."""
        if self._random is None:
            if self.seed is None:
                self.seed = int.from_bytes(os.urandom(8))
            self._random = Random(self.seed)
        return self._random


_conditions: ContextVar[Conditions | None] = ContextVar("perdure_conditions", default=None)


@attrs.define
class Command:
    """A call as it is taken down. `failure` is the name of the exception that it raised.

    `name` is that of the method with its class's, so that the very one is found again.
    """

    name: str
    arguments: tuple[Any, ...]
    keywords: dict[str, Any]
    conditions: Conditions
    failure: str | None = None


def now() -> float:
    """In a mutation, when it was called first, in seconds since 1970; elsewhere the present time."""
    conditions = _conditions.get()
    return time.time() if conditions is None else conditions.time


def random() -> Random:
    """In a mutation, a generator that gives the same again when it is called again."""
    conditions = _conditions.get()
    return Random() if conditions is None else conditions.random()


def mutation(method: Callable[Concatenate[S, P], R]) -> Callable[Concatenate[S, P], R]:
    """Declare that `method` changes its component, and is to be journaled as a call.

    Raises TypeError for what does not run to its end when it is called: coroutines and generators;
    and for static and class methods.
    """
    if not inspect.isfunction(cast(object, method)):
        raise TypeError(f"@mutation is for plain methods, not for {method!r}; put it innermost")
    if (
        inspect.iscoroutinefunction(method)
        or inspect.isgeneratorfunction(method)
        or inspect.isasyncgenfunction(method)
    ):
        raise TypeError(
            f"{method.__qualname__} does not run to its end when it is called, so it cannot be a"
            " mutation: wait before or after one"
        )

    @functools.wraps(method)
    def mutate(self: S, /, *args: P.args, **kwargs: P.kwargs) -> R:
        if _conditions.get() is not None:
            return method(self, *args, **kwargs)
        command = Command(method.__qualname__, args, kwargs, Conditions(time.time()))

        def call() -> R:
            with under(command.conditions):
                try:
                    return method(self, *args, **kwargs)
                except BaseException as error:
                    command.failure = type(error).__name__
                    raise

        turn = current.get()
        if turn is not None and turn.ledger is not None:
            turn.touch_held(self)
            return turn.ledger.command(turn.touched, self, call, command)
        for ledger in open_ledgers():
            if id(self) in ledger.keys:
                turn = Turn(ledger)
                try:
                    with taking(turn):
                        turn.touch_held(self)
                        return ledger.command(turn.touched, self, call, command)
                finally:
                    turn.end()
        return call()

    setattr(mutate, _MARK, method)
    return mutate


@contextmanager
def under(conditions: Conditions) -> Generator[None]:
    """Within the block, `now` and `random` are those of `conditions`, and mutations plain methods."""
    token = _conditions.set(conditions)
    try:
        yield
    finally:
        _conditions.reset(token)


def body_of(kind: type, name: str) -> Callable[..., object] | None:
    """The method under the mutation of a class that `Command.name` names; None if there is none."""
    last = name.rpartition(".")[2]
    found: list[Callable[..., object]] = [
        getattr(held, _MARK)
        for base in kind.__mro__
        if hasattr(held := vars(base).get(last), _MARK)
    ]
    # A class may have been renamed since; a subclass may call the mutation of its base.
    exact = [each for each in found if each.__qualname__ == name]
    return next(iter(exact or found), None)


def has_mutations(kind: type) -> bool:
    """Whether objects of this class have any mutation."""
    return any(hasattr(held, _MARK) for base in kind.__mro__ for held in vars(base).values())
