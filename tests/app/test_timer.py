"""A timer calls at once and then on time, whatever a call does."""

import asyncio
from collections.abc import Awaitable
from typing import Any

import pytest

from perdure.app.collection import ServiceCollection
from perdure.app.naming import UnnamedError
from perdure.app.service import ServiceError, ServiceTreeError
from perdure.app.timer import Timer
from perdure.persist.capture import capture
from perdure.persist.restore import restore
from perdure.persist.trust import Policy


def now() -> float:
    return asyncio.get_running_loop().time()


class Lamp:
    """Notes when it is lit; may take its time, or fail."""

    def __init__(self, *takes: float, failing: int = 0) -> None:
        self.takes = list(takes)
        self.failing = failing
        self.lit: list[float] = []
        self.done: list[float] = []

    def light(self) -> None:
        self.lit.append(now())
        if len(self.lit) <= self.failing:
            raise ValueError("no oil")

    async def light_slowly(self, *colours: str) -> None:
        self.light()
        await asyncio.sleep(self.takes.pop(0) if self.takes else 0)
        self.done.append(now())

    def promise(self) -> Awaitable[None]:
        return self.light_slowly()

    async def cancelled(self) -> None:
        self.light()
        future = asyncio.get_running_loop().create_future()
        future.cancel()
        await future


CALLS: list[tuple[Any, ...]] = []


def call(*args: object) -> None:
    CALLS.append(args)


def test_it_calls_at_once_and_then_without_drift(in_no_time: Any) -> None:
    async def scenario() -> None:
        lamp = Lamp(*[0.7] * 200)
        timer = Timer(3, lamp.light_slowly)
        await timer.bring_up()
        await asyncio.sleep(300)
        assert lamp.lit == [3 * turn for turn in range(101)][: len(lamp.lit)]
        assert len(lamp.lit) >= 100
        await timer.bring_down()

    in_no_time(scenario())


def test_calls_never_overlap_and_keep_the_beat(in_no_time: Any) -> None:
    async def scenario() -> None:
        lamp = Lamp(0, 25, 10, 0)
        timer = Timer(10, lamp.light_slowly)
        await timer.bring_up()
        await asyncio.sleep(75)
        assert lamp.lit == [0, 10, 40, 50, 60, 70]
        await timer.bring_down()

    in_no_time(scenario())


@pytest.mark.parametrize("method", ["light", "light_slowly", "promise", "cancelled"])
def test_a_call_that_fails_is_logged_and_is_not_the_last(
    method: str, in_no_time: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario() -> None:
        lamp = Lamp(failing=2)
        timer = Timer(10, getattr(lamp, method), name="beacon")
        await timer.bring_up()
        await asyncio.sleep(35)
        assert lamp.lit == [0, 10, 20, 30]
        assert timer.running
        await timer.bring_down()

    in_no_time(scenario())
    assert caplog.records[0].getMessage().startswith("beacon: the call failed")
    assert caplog.records[0].exc_info


def test_stopping_waits_for_the_call_that_goes_on(in_no_time: Any) -> None:
    async def scenario() -> None:
        lamp = Lamp(5)
        timer = Timer(10, lamp.light_slowly)
        await timer.bring_up()
        await asyncio.sleep(1)
        await timer.bring_down()
        assert now() == 5
        assert lamp.done == [5]
        await asyncio.sleep(100)
        assert lamp.lit == [0]

    in_no_time(scenario())


def test_at_rest_no_call_goes_on_and_none_comes(in_no_time: Any) -> None:
    async def scenario() -> None:
        lamp = Lamp(0, 5)
        timer = Timer(10, lamp.light_slowly)
        await timer.bring_up()
        await asyncio.sleep(11)
        await timer.quiesce()
        assert now() == 15
        assert lamp.done == [0, 15]
        twin = restore(capture(timer).stream, Policy.everything())
        await asyncio.sleep(100)
        assert lamp.lit == [0, 10]
        assert timer.running
        await timer.bring_down()
        await timer.bring_up()
        assert isinstance(twin, Timer)
        await twin.bring_up()
        await asyncio.sleep(1)
        assert lamp.lit == [0, 10, 115]
        assert twin.call.__self__.lit == [0, 10, 115]  # type: ignore[attr-defined]
        await timer.bring_down()
        await twin.bring_down()

    in_no_time(scenario())


def test_stopping_does_not_wait_for_ever(in_no_time: Any) -> None:
    async def scenario() -> None:
        lamp = Lamp(10**6)
        timer = Timer(10, lamp.light_slowly)
        timer.stop_deadline = 4
        await timer.bring_up()
        await asyncio.sleep(1)
        with pytest.raises(ServiceError, match="4 s"):
            await timer.bring_down()
        assert now() == 5
        await asyncio.sleep(1)
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert lamp.done == []

    in_no_time(scenario())


def test_a_call_may_remove_its_timer(in_no_time: Any) -> None:
    async def scenario() -> None:
        root = ServiceCollection()
        timer = Timer(10, root.remove, "once", name="once")
        root.append(timer)
        await root.bring_up()
        await asyncio.sleep(100)
        assert len(root) == 0
        assert not timer.running
        await root.bring_down()

    in_no_time(scenario())


def test_a_restored_timer_goes_on_with_the_same_object_and_arguments(in_no_time: Any) -> None:
    async def scenario() -> None:
        lamp = Lamp()
        root = ServiceCollection([Timer(10, lamp.light_slowly, "red"), Timer(10, lamp.light)])
        await root.bring_up()
        await asyncio.sleep(5)
        twin = restore(capture(root).stream, Policy.everything())
        await root.bring_down()
        assert isinstance(twin, ServiceCollection)
        slow, quick = twin
        assert isinstance(slow, Timer)
        assert isinstance(quick, Timer)
        assert slow.args == ("red",)
        again: Lamp = slow.call.__self__  # type: ignore[attr-defined]
        assert again is quick.call.__self__  # type: ignore[attr-defined]
        assert again.lit == [0, 0]
        assert not slow.running
        await twin.bring_up()
        await asyncio.sleep(11)
        assert again.lit == [0, 0, 5, 5, 15, 15]
        await twin.bring_down()

    in_no_time(scenario())


def test_a_function_of_a_module_is_called_with_its_arguments(in_no_time: Any) -> None:
    async def scenario() -> None:
        CALLS.clear()
        timer = Timer(1, call, 1, "two")
        await timer.bring_up()
        await asyncio.sleep(0)
        assert CALLS == [(1, "two")]
        await timer.bring_down()

    in_no_time(scenario())


@pytest.mark.parametrize("interval", [0, -1, float("nan"), float("inf")])
def test_an_interval_that_cannot_be_is_refused(interval: float) -> None:
    with pytest.raises(ServiceTreeError, match="more than 0 seconds"):
        Timer(interval, call)


def test_a_call_that_no_snapshot_could_name_is_refused_at_once() -> None:
    def local() -> None: ...

    for bad in (lambda: None, local, "call"):
        with pytest.raises(UnnamedError, match="cannot be kept"):
            Timer(1, bad)  # type: ignore[arg-type]
