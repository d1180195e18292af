"""An event loop whose clock we turn ourselves, and what tests of services share."""

import asyncio
import gc
import selectors
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest
import uvloop

from perdure.persist.trust import Signer

from .lives import House

T = TypeVar("T")

Run = Callable[[Coroutine[Any, Any, T]], T]


class _Selector(selectors.DefaultSelector):
    """Instead of waiting for the time to pass, lets it pass."""

    def __init__(self) -> None:
        super().__init__()
        self.passed = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if ready or timeout is None:
            return ready or super().select(None)
        self.passed += max(timeout, 0)
        return []


class ClockLoop(asyncio.SelectorEventLoop):
    """An event loop in which an hour takes no time and the clock shows exactly what was waited."""

    def __init__(self) -> None:
        self._own_selector = _Selector()
        super().__init__(self._own_selector)

    def time(self) -> float:
        return self._own_selector.passed


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def in_a_loop(request: pytest.FixtureRequest) -> Run[Any]:
    """Run a coroutine in a real loop, of each of the two kinds that applications run in."""

    def run(scenario: Coroutine[Any, Any, T]) -> T:
        with asyncio.Runner(loop_factory=request.param) as runner:
            return runner.run(scenario)

    return run


@pytest.fixture
def in_no_time() -> Run[Any]:
    """Run a coroutine in a loop where waiting takes no time."""

    def run(scenario: Coroutine[Any, Any, T]) -> T:
        with asyncio.Runner(loop_factory=ClockLoop) as runner:
            return runner.run(scenario)

    return run


@pytest.fixture
def signer(tmp_path: Path) -> Signer:
    """The user's."""
    return Signer.of_user(tmp_path / "key")


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """A folder for the state of an application, and a user."""
    folder = tmp_path / "state"
    folder.mkdir()
    yield House(folder, Signer.of_user(tmp_path / "key"))
    # A keeper that starts has the collector pass over all there is.
    gc.unfreeze()
