"""A service comes up and goes down by explicit, idempotent, awaited steps."""

import asyncio
import copy
import os
from typing import Any

import attrs
import pytest

from perdure.app.collection import ServiceCollection
from perdure.app.listening import BindError
from perdure.app.restart import Restart
from perdure.app.service import Service, ServiceError, ServiceTreeError, State
from perdure.persist.capture import capture
from perdure.persist.restore import restore
from perdure.persist.trust import Policy


class Diary(Service):
    """Writes down what is asked of it; does as it is told."""

    def __init__(self, name: str | None = None) -> None:
        super().__init__(name=name)
        self.days: list[str] = []
        self.failing: dict[str, Exception] = {}

    async def note(self, what: str) -> None:
        self.days.append(what)
        if what in self.failing:
            raise self.failing[what]

    async def bind(self) -> None:
        await self.note("bind")

    async def start(self) -> None:
        await self.note("start")

    async def stop(self) -> None:
        await self.note("stop")


class Runner(Diary):
    """Its `run` fails `failures` times, then goes on until cancelled."""

    def __init__(self, failures: int = 0) -> None:
        super().__init__("runner")
        self.failures = failures
        self.times: list[float] = []

    async def run(self) -> None:
        self.times.append(asyncio.get_running_loop().time())
        self.days.append("run")
        if len(self.times) <= self.failures:
            raise ValueError(f"failure {len(self.times)}")
        try:
            await asyncio.Event().wait()
        finally:
            self.days.append("run ends")


class Stubborn(Service):
    """Does not stop, whatever is done to it, until the event is set."""

    def __init__(self, hook: str, released: asyncio.Event) -> None:
        super().__init__(name="stubborn")
        self.hook = hook
        self.released = released
        self.stopped = False

    async def resist(self) -> None:
        while not self.released.is_set():
            try:
                await self.released.wait()
            except asyncio.CancelledError:
                continue

    async def run(self) -> None:
        if self.hook == "run":
            await self.resist()

    async def stop(self) -> None:
        self.stopped = True
        if self.hook == "stop":
            await self.resist()


@attrs.define(eq=False)
class Slotted(Service):
    depth: int
    seen: list[str] = attrs.field(factory=list[str])

    async def start(self) -> None:
        self.seen.append("start")


class Forgetful(Service):
    def __init__(self, depth: int) -> None:  # no super().__init__(), as it happens
        self.depth = depth


class Headstrong(Service):
    """Saves itself as most hand-written classes do."""

    def __init__(self) -> None:
        super().__init__(name="headstrong")
        self.depth = 1

    def __getstate__(self) -> dict[str, Any]:
        return vars(self).copy()


def restored(service: Service) -> Any:
    return restore(capture(service).stream, Policy.everything())


def test_it_is_bound_started_and_stopped_once_however_often_it_is_asked() -> None:
    async def scenario() -> None:
        diary = Diary()
        states = [diary.state]
        for step in (diary.bind_up, diary.bring_up, diary.bring_down):
            await step()
            await step()
            states.append(diary.state)
        assert states == [State.STOPPED, State.BOUND, State.RUNNING, State.STOPPED]
        assert diary.days == ["bind", "start", "stop"]
        await diary.bind_up()
        await diary.bring_down()
        assert diary.days[3:] == ["bind", "stop"]

    asyncio.run(scenario())


def test_bringing_it_up_binds_it_and_it_can_come_up_again() -> None:
    async def scenario() -> None:
        diary = Diary()
        for _ in range(2):
            await diary.bring_up()
            assert diary.running
            await diary.bring_down()
            assert not diary.running
        assert diary.days == ["bind", "start", "stop"] * 2

    asyncio.run(scenario())


def test_two_tasks_that_bring_it_up_start_it_once() -> None:
    async def scenario() -> None:
        diary = Diary()
        await asyncio.gather(diary.bring_up(), diary.bring_up())
        assert diary.days == ["bind", "start"]
        await diary.bring_down()

    asyncio.run(scenario())


@pytest.mark.parametrize("phase", ["bind", "start"])
def test_a_failure_says_where_and_releases_what_is_there(phase: str) -> None:
    async def scenario() -> None:
        diary = Diary("library")
        diary.failing[phase] = KeyError("lamp")
        with pytest.raises(ServiceError) as caught:
            await diary.bring_up()
        assert (caught.value.path, caught.value.phase) == ("library", phase)
        assert caught.value.cause is caught.value.__cause__ is diary.failing[phase]
        assert str(caught.value) == f"library: cannot {phase}: KeyError: 'lamp'"
        assert diary.days[-2:] == [phase, "stop"]
        assert diary.state is State.STOPPED

    asyncio.run(scenario())


def test_a_failure_to_release_after_a_failure_is_not_lost(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def scenario() -> None:
        diary = Diary("library")
        diary.failing = {"start": KeyError("lamp"), "stop": KeyError("door")}
        with pytest.raises(ServiceError, match="lamp") as caught:
            await diary.bring_up()
        assert "door" in str(caught.value.cause.__notes__)
        assert diary.state is State.STOPPED

    asyncio.run(scenario())
    assert "door" in caplog.text


@pytest.mark.parametrize(
    ("cause", "status"),
    [
        (BindError("tcp:80", "in use", "choose another"), os.EX_UNAVAILABLE),
        (OSError("no luck"), os.EX_OSERR),
        (ValueError("no luck"), os.EX_SOFTWARE),
    ],
)
def test_the_exit_status_is_that_of_the_cause(cause: Exception, status: int) -> None:
    error = ServiceError("web", "bind", cause)
    assert error.exit_status == status
    assert ServiceError.exit_status == os.EX_SOFTWARE


def test_the_message_of_an_error_of_ours_stays_whole() -> None:
    error = ServiceError("web", "bind", BindError("tcp:80", "in use", "choose another"))
    assert str(error) == "web: tcp:80: in use; choose another"


def test_going_down_interrupts_a_start_that_hangs() -> None:
    async def scenario() -> None:
        hangs = asyncio.Event()

        class Hanging(Diary):
            async def start(self) -> None:
                hangs.set()
                await asyncio.Event().wait()

        service = Hanging("slow")
        coming_up = asyncio.create_task(service.bring_up())
        await hangs.wait()
        assert service.state is State.STARTING
        await service.bring_down()
        with pytest.raises(ServiceError, match=r"slow: cannot start.*it was stopped"):
            await coming_up
        assert service.state.value == "stopped"
        assert service.days == ["bind", "stop"]

    asyncio.run(scenario())


def test_a_start_that_is_cancelled_is_undone() -> None:
    async def scenario() -> None:
        hangs = asyncio.Event()

        class Hanging(Diary):
            async def start(self) -> None:
                hangs.set()
                await asyncio.Event().wait()

        service = Hanging()
        coming_up = asyncio.create_task(service.bring_up())
        await hangs.wait()
        coming_up.cancel()
        with pytest.raises(asyncio.CancelledError):
            await coming_up
        assert service.state is State.STOPPED
        assert service.days == ["bind", "stop"]

    asyncio.run(scenario())


def test_run_ends_before_stop_is_called() -> None:
    async def scenario() -> None:
        runner = Runner()
        await runner.bring_up()
        while "run" not in runner.days:
            await asyncio.sleep(0)
        await runner.bring_down()
        assert runner.days == ["bind", "start", "run", "run ends", "stop"]

    asyncio.run(scenario())


@pytest.mark.parametrize("hook", ["run", "stop"])
def test_what_does_not_end_is_abandoned_after_its_deadline(hook: str, in_no_time: Any) -> None:
    async def scenario() -> None:
        released = asyncio.Event()
        service = Stubborn(hook, released)
        service.stop_deadline = 7
        await service.bring_up()
        await asyncio.sleep(1)
        began = asyncio.get_running_loop().time()
        with pytest.raises(ServiceError, match=rf"stubborn.*{hook}\(\).*7 s") as caught:
            await service.bring_down()
        assert isinstance(caught.value.cause, TimeoutError)
        assert asyncio.get_running_loop().time() == began + 7
        assert service.state is State.STOPPED
        assert service.stopped
        released.set()

    in_no_time(scenario())


def test_a_run_that_fails_is_restarted_after_growing_pauses(in_no_time: Any) -> None:
    async def scenario() -> None:
        runner = Runner(failures=4)
        runner.restart = Restart(attempts=5, window=60, delay=1, factor=2, longest=5)
        await runner.bring_up()
        await asyncio.sleep(100)
        assert runner.times == [0, 1, 3, 7, 12]
        assert runner.running
        await runner.bring_down()

    in_no_time(scenario())


def test_a_run_that_fails_too_often_makes_the_service_failed_and_says_so(
    in_no_time: Any,
) -> None:
    async def scenario() -> None:
        runner = Runner(failures=1000)
        runner.restart = Restart(attempts=2)
        told: list[tuple[Service, Exception]] = []
        root = ServiceCollection([ServiceCollection([runner])])
        root.on_failure = lambda service, error: told.append((service, error))
        await root.bring_up()
        await asyncio.sleep(100)
        assert len(runner.times) == 3
        assert runner.state is State.FAILED
        assert root.running
        assert [(service, str(error)) for service, error in told] == [(runner, "failure 3")]
        assert runner.days[-1] == "stop"
        runner.failures = 0
        await runner.bring_up()
        assert runner.running
        await root.bring_down()
        assert runner.state.value == "stopped"

    in_no_time(scenario())


def test_a_failure_nobody_listens_to_is_logged(
    in_no_time: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario() -> None:
        runner = Runner(failures=1)
        runner.restart = Restart(attempts=0)
        await runner.bring_up()
        await asyncio.sleep(1)
        assert runner.state is State.FAILED

    in_no_time(scenario())
    assert [record.levelname for record in caplog.records] == ["ERROR", "CRITICAL"]


def test_failures_that_are_far_apart_never_end_it(in_no_time: Any) -> None:
    async def scenario() -> None:
        class Hourly(Runner):
            async def run(self) -> None:
                self.times.append(asyncio.get_running_loop().time())
                await asyncio.sleep(3600)
                raise ValueError("as every hour")

        runner = Hourly()
        await runner.bring_up()
        await asyncio.sleep(100 * 3600)
        assert runner.running
        assert len(runner.times) >= 99
        await runner.bring_down()

    in_no_time(scenario())


def test_a_cancellation_meant_for_something_else_counts_as_a_failure(
    in_no_time: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario() -> None:
        class Awaiting(Runner):
            async def run(self) -> None:
                if not self.times:
                    self.times.append(0)
                    other = asyncio.get_running_loop().create_future()
                    other.cancel()
                    await other
                await super().run()

        runner = Awaiting()
        await runner.bring_up()
        await asyncio.sleep(10)
        assert runner.running
        assert len(runner.times) == 2
        await runner.bring_down()

    in_no_time(scenario())
    assert "cancelled" in caplog.text


def test_a_run_that_returns_leaves_the_service_running() -> None:
    async def scenario() -> None:
        finished = asyncio.Event()

        class Brief(Service):
            async def run(self) -> None:
                finished.set()

        service = Brief()
        await service.bring_up()
        await finished.wait()
        await asyncio.sleep(0)
        assert service.running
        await service.bring_down()

    asyncio.run(scenario())


def test_a_run_may_stop_its_own_service() -> None:
    async def scenario() -> None:
        class Quitter(Diary):
            async def run(self) -> None:
                await self.bring_down()
                self.days.append("after")
                await asyncio.sleep(0)
                self.days.append("never")

        service = Quitter()
        await service.bring_up()
        while "after" not in service.days:
            await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert service.days == ["bind", "start", "stop", "after"]
        assert service.state is State.STOPPED

    asyncio.run(scenario())


def test_capturing_a_running_service_neither_disturbs_it_nor_takes_along_that_it_runs() -> None:
    async def scenario() -> None:
        runner = Runner()
        root = ServiceCollection([runner], name="root")
        await root.bring_up()
        while "run" not in runner.days:
            await asyncio.sleep(0)
        twin = restored(root)
        assert root.running
        assert runner.running
        assert twin.state is State.STOPPED
        (child,) = twin
        assert child.state is State.STOPPED
        assert child.days == ["bind", "start", "run"]
        await twin.bring_up()
        await twin.bring_down()
        await root.bring_down()

    asyncio.run(scenario())


def test_a_copy_of_a_running_service_is_stopped() -> None:
    async def scenario() -> None:
        diary = Diary("one")
        await ServiceCollection([diary]).bring_up()
        twin = copy.copy(diary)
        assert (twin.state, twin.parent, twin.name) == (State.STOPPED, None, "one")
        await diary.bring_down()

    asyncio.run(scenario())


@pytest.mark.parametrize(
    "service", [Slotted(3, name="slotted"), Forgetful(3), Headstrong()], ids=repr
)
def test_any_kind_of_class_can_be_a_service(service: Any) -> None:
    async def scenario() -> None:
        root = ServiceCollection([service])
        await root.bring_up()
        (twin,) = restored(root)
        assert (twin.name, twin.depth, twin.running) == (service.name, service.depth, False)
        assert isinstance(twin.parent, ServiceCollection)
        await root.bring_down()

    asyncio.run(scenario())


@pytest.mark.parametrize("name", ["", "a/b", "tab\t", "\x1b[1m"])
def test_a_name_that_could_not_stand_in_a_path_is_refused(name: str) -> None:
    with pytest.raises(ServiceTreeError):
        Service(name=name)
    with pytest.raises(ServiceTreeError):
        Service().name = name


def test_outside_a_run_there_is_no_application() -> None:
    with pytest.raises(ServiceTreeError, match="rundaemon"):
        _ = Service(name="lone").application


@pytest.mark.parametrize("field", ["attempts", "window", "delay", "factor", "longest"])
@pytest.mark.parametrize("value", [-1, float("nan"), float("inf")])
def test_a_restart_policy_that_cannot_be_is_refused(field: str, value: float) -> None:
    with pytest.raises(ValueError, match=field):
        Restart(**{field: value})  # type: ignore[arg-type]


def test_pauses_stay_finite_however_many() -> None:
    assert Restart(attempts=10**6).delay_before(10**5) == Restart().longest
