"""The order of one run, with services that write down what happens to them."""

import asyncio
from collections.abc import Callable, Coroutine

import attrs
import pytest

from perdure.app.application import Application
from perdure.app.collection import ServiceCollection
from perdure.app.lifecycle import Lifecycle, StoppedEarlyError
from perdure.app.service import Service, ServiceError


@attrs.define(slots=False, eq=False)
class Scribe(Service):
    """Writes each thing that is done to it into `log`."""

    log: list[str] = attrs.field(factory=list[str])
    failing: str = ""
    endless: str = ""

    async def _note(self, what: str) -> None:
        self.log.append(what)
        if what == self.failing:
            raise OSError(f"{what} went wrong")
        if what == self.endless:
            await asyncio.Event().wait()

    async def bind(self) -> None:
        await self._note("bind")

    async def start(self) -> None:
        await self._note("start")

    async def quiesce(self) -> None:
        await self._note("quiesce")

    async def stop(self) -> None:
        await self._note("stop")


def lifecycle(
    scribe: Scribe,
    *,
    settle: Callable[[], None] | None = None,
    save: Callable[[], None] | None = None,
) -> Lifecycle:
    def note(what: str) -> Callable[[], None]:
        return lambda: scribe.log.append(what)

    return Lifecycle(
        Application("test", services=ServiceCollection([scribe])),
        settle=settle or note("settle"),
        ready=note("ready"),
        save=save or note("save"),
    )


def run(scenario: Coroutine[object, object, None]) -> None:
    asyncio.run(scenario)


def test_binding_comes_before_settling_and_saving_before_stopping() -> None:
    async def scenario() -> None:
        scribe = Scribe()
        life = lifecycle(scribe)
        life.ready = life.stop
        await life.run()
        assert scribe.log == ["bind", "settle", "start", "quiesce", "save", "stop"]

    run(scenario())


@pytest.mark.parametrize("phase", ["bind", "start"])
def test_a_start_that_fails_saves_nothing_and_leaves_nothing_behind(phase: str) -> None:
    async def scenario() -> None:
        scribe = Scribe(failing=phase)
        with pytest.raises(ServiceError, match="went wrong"):
            await lifecycle(scribe).run()
        assert scribe.log[-1] == "stop"
        assert "save" not in scribe.log

    run(scenario())


def test_what_cannot_be_settled_gives_the_ports_back() -> None:
    async def scenario() -> None:
        def refuse() -> None:
            raise PermissionError("no")

        scribe = Scribe()
        with pytest.raises(PermissionError):
            await lifecycle(scribe, settle=refuse).run()
        assert scribe.log == ["bind", "stop"]

    run(scenario())


def test_a_stop_during_the_start_ends_it_and_saves_nothing() -> None:
    async def scenario() -> None:
        scribe = Scribe(endless="start")
        life = lifecycle(scribe)
        running = asyncio.create_task(life.run())
        while "start" not in scribe.log:
            await asyncio.sleep(0)
        life.stop()
        with pytest.raises(StoppedEarlyError):
            await running
        assert scribe.log == ["bind", "settle", "start", "stop"]

    run(scenario())


def test_a_second_stop_does_not_wait_for_work_in_progress_but_saves() -> None:
    async def scenario() -> None:
        scribe = Scribe(endless="quiesce")
        life = lifecycle(scribe)
        running = asyncio.create_task(life.run())
        while "ready" not in scribe.log:
            await asyncio.sleep(0)
        life.stop()
        while "quiesce" not in scribe.log:
            await asyncio.sleep(0)
        life.stop()
        await running
        assert scribe.log[-3:] == ["quiesce", "save", "stop"]

    run(scenario())


def test_patience_with_work_in_progress_ends() -> None:
    async def scenario() -> None:
        scribe = Scribe(endless="quiesce")
        life = lifecycle(scribe)
        life.ready = life.stop
        life.patience = 0.01
        await life.run()
        assert scribe.log[-2:] == ["save", "stop"]

    run(scenario())


def test_a_save_that_fails_is_raised_after_the_services_are_stopped() -> None:
    async def scenario() -> None:
        def refuse() -> None:
            raise PermissionError("disk")

        scribe = Scribe(failing="stop")
        life = lifecycle(scribe, save=refuse)
        life.ready = life.stop
        with pytest.raises(PermissionError, match="disk"):
            await life.run()
        assert scribe.log[-1] == "stop"

    run(scenario())
