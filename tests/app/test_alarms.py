"""Alarms: kept as state, gone off once, by a clock that the test turns."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import attrs
import pytest

from perdure.app.alarms import AlarmClock, AlarmError, Alarms
from perdure.app.application import Application
from perdure.app.collection import ServiceCollection
from perdure.app.ledger import Ledger
from perdure.app.mutations import mutation
from perdure.app.replay import replay
from perdure.app.service import Service
from perdure.app.turns import UnsafeError
from perdure.persist.capture import capture
from perdure.persist.restore import restore
from perdure.persist.trust import Policy

from ..paper import DiskError, Paper
from .conftest import Run

EVERYTHING = Policy.everything()


class Diary:
    """What alarms call."""

    def __init__(self) -> None:
        self.lines: list[object] = []

    def write(self, line: object) -> None:
        self.lines.append(line)

    def fail(self) -> None:
        self.lines.append("failed")
        raise LookupError

    async def wait(self, line: object) -> None:
        self.lines.append("begun")
        await asyncio.sleep(100)
        self.lines.append(line)


class Book:
    """A large one."""

    def __init__(self) -> None:
        self.lines: list[object] = []

    @mutation
    def write(self, line: object) -> None:
        self.lines.append(line)


class Eager:
    """One that wants to be called again at once, most of the time."""

    calls = 0

    def __init__(self, alarms: Alarms) -> None:
        self.alarms = alarms

    def call(self) -> None:
        self.calls += 1
        if self.calls < 5000:
            self.alarms.at(0, self, "call")


class Bell(Service):
    rung = 0

    def ring(self) -> None:
        self.rung += 1


@attrs.define
class Home:
    """An application on paper, whose alarms go by the loop's clock."""

    application: Application
    paper: Paper
    ledger: Ledger

    @property
    def alarms(self) -> Alarms:
        return self.application.registry.alarms

    @property
    def diary(self) -> Diary:
        return self.application.registry.get_component(Diary, default=Diary)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncGenerator[AlarmClock]:
        loop = asyncio.get_running_loop()
        clock = AlarmClock(self.application, clock=loop.time)
        task = asyncio.create_task(clock.run())
        try:
            yield clock
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def secure(self) -> None:
        self.paper.secured = self.paper.appended
        self.ledger.progressed()

    def again(self) -> "Home":
        """Another process, that has what is on the disk."""
        other = home()
        replay(
            other.application,
            [each for each in self.paper.payloads.items() if each[0] <= self.paper.secured],
            EVERYTHING,
        )
        return other


def home() -> Home:
    application = Application("web", services=ServiceCollection([Bell(name="bell")]))
    paper = Paper()
    application.ledger = Ledger(application, paper, EVERYTHING)
    return Home(application, paper, application.ledger)


@pytest.fixture(name="home")
def home_fixture() -> Iterator[Home]:
    made = home()
    made.ledger.open()
    yield made
    with contextlib.suppress(UnsafeError):
        made.ledger.close()


def test_an_alarm_goes_off_at_its_time_and_is_gone(home: Home, in_no_time: Run[None]) -> None:
    async def scenario() -> None:
        async with home.running():
            with home.application.turn():
                home.alarms.at(10, home.diary, "write", "ten")
                home.alarms.at(5, home.diary, "write", "five")
            await asyncio.sleep(7)
            assert home.diary.lines == ["five"]
            await asyncio.sleep(7)
            assert home.diary.lines == ["five", "ten"]
            assert len(home.alarms) == 0

    in_no_time(scenario())


def test_to_go_off_and_what_it_changes_are_one_record(home: Home, in_no_time: Run[None]) -> None:
    async def scenario() -> None:
        with home.application.turn():
            home.alarms.at(10, home.diary, "write", "ten")
        async with home.running():
            await asyncio.sleep(11)
        assert home.paper.kinds[1] == [("Alarms", "command"), ("Diary", "state")]

    in_no_time(scenario())


@pytest.mark.parametrize("records", range(4))
def test_wherever_it_crashes_an_alarm_goes_off_once(
    home: Home, in_no_time: Run[None], records: int
) -> None:
    async def scenario() -> None:
        book = home.application.registry.get_component(Book, default=Book)
        with home.application.turn():
            home.alarms.at(10, home.diary, "write", "ten")
            home.alarms.at(10, book, "write", "ten")
        with home.application.turn():
            home.alarms.at(20, home.diary, "write", "twenty")
        async with home.running():
            await asyncio.sleep(25)
        home.paper.secured = records + 1
        assert home.paper.appended >= 4
        other = home.again()
        async with other.running():
            await asyncio.sleep(1)
            assert other.diary.lines == ["ten", "twenty"][: 1 + (records > 0)]
            written = other.application.registry.get_component(Book)
            assert written is not None
            assert written.lines == ["ten"]

    in_no_time(scenario())


def test_an_alarm_survives_in_a_snapshot(home: Home, in_no_time: Run[None]) -> None:
    async def scenario() -> None:
        home.alarms.at(3, home.diary, "write", "three")
        restored: Any = restore(capture(home.application).stream, EVERYTHING)
        async with Home(restored, home.paper, home.ledger).running():
            await asyncio.sleep(4)
        assert restored.registry.get_component(Diary).lines == ["three"]
        assert home.diary.lines == []

    in_no_time(scenario())


def test_one_that_comes_again_comes_once_for_all_it_missed(
    home: Home, in_no_time: Run[None]
) -> None:
    async def scenario() -> None:
        home.alarms.every(timedelta(seconds=10), home.diary, "write", "tick", first=5)
        await asyncio.sleep(38)
        async with home.running():
            await asyncio.sleep(1)
            assert home.diary.lines == ["tick"], "overdue by three"
            assert [alarm.when for alarm in home.alarms.all()] == [45]
            await asyncio.sleep(7)
            assert home.diary.lines == ["tick", "tick"]
            await asyncio.sleep(10)
            assert home.diary.lines == ["tick"] * 3

    in_no_time(scenario())


def test_a_cancelled_alarm_does_not_go_off(home: Home, in_no_time: Run[None]) -> None:
    async def scenario() -> None:
        async with home.running():
            number = home.alarms.at(5, home.diary, "write", "five")
            assert home.alarms.cancel(number)
            assert not home.alarms.cancel(number)
            await asyncio.sleep(10)
            assert home.diary.lines == []

    in_no_time(scenario())


def test_a_method_that_fails_stops_nothing(
    home: Home, in_no_time: Run[None], caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario() -> None:
        async with home.running():
            home.alarms.at(5, home.diary, "fail")
            home.alarms.at(5, home.diary, "write", "five")
            await asyncio.sleep(10)
            assert home.diary.lines == ["failed", "five"]
            assert len(home.alarms) == 0

    in_no_time(scenario())
    assert "alarm 1, tests.app.test_alarms.Diary.fail failed" in caplog.text


def test_a_method_that_is_no_more_is_said(
    home: Home, in_no_time: Run[None], caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario() -> None:
        home.alarms.at(1, home.diary, "write", "one")
        [alarm] = home.alarms.all()
        vars(home.alarms)["_alarms"][1] = attrs.evolve(alarm, method="former")
        async with home.running():
            await asyncio.sleep(2)

    in_no_time(scenario())
    assert "no such method" in caplog.text


def test_a_method_that_waits_keeps_nobody_waiting_and_goes_off_once(
    home: Home, in_no_time: Run[None]
) -> None:
    async def scenario() -> None:
        async with home.running():
            home.alarms.every(10, home.diary, "wait", "done", first=5)
            home.alarms.at(20, home.diary, "write", "meanwhile")
            await asyncio.sleep(50)
            assert home.diary.lines == ["begun", "meanwhile"]
            await asyncio.sleep(56)
            assert home.diary.lines == ["begun", "meanwhile", "done"]
            assert [alarm.when for alarm in home.alarms.all()] == [115]

    in_no_time(scenario())


def test_coming_to_rest_waits_for_what_is_going_on(home: Home, in_no_time: Run[None]) -> None:
    async def scenario() -> None:
        async with home.running() as clock:
            home.alarms.at(5, home.diary, "wait", "done")
            home.alarms.at(50, home.diary, "write", "never")
            await asyncio.sleep(6)
            await clock.quiesce()
            assert home.diary.lines == ["begun", "done"]
            await asyncio.sleep(100)
            assert home.diary.lines == ["begun", "done"]
            assert len(home.alarms) == 1

    in_no_time(scenario())


def test_while_nothing_can_be_written_alarms_wait(home: Home, in_no_time: Run[None]) -> None:
    async def scenario() -> None:
        with home.application.turn():
            home.alarms.at(5, home.diary, "write", "five")
        home.secure()
        async with home.running():
            home.ledger.failed(DiskError())
            await asyncio.sleep(20)
            with home.application.turn():
                assert home.diary.lines == []
            home.ledger.recovered()
            await asyncio.sleep(5)
            assert home.diary.lines == ["five"]

    in_no_time(scenario())


def test_those_that_are_due_all_the_time_let_others_go_on(
    home: Home, in_no_time: Run[None]
) -> None:
    async def scenario() -> None:
        eager = home.application.registry.get_component(Eager, default=lambda: Eager(home.alarms))
        home.alarms.at(0, eager, "call")
        async with home.running():
            while not eager.calls:
                await asyncio.sleep(0)
            assert eager.calls < 5000
            while eager.calls < 5000:
                await asyncio.sleep(0)

    in_no_time(scenario())


def test_services_may_be_called(home: Home, in_no_time: Run[None]) -> None:
    async def scenario() -> None:
        bell = home.application.services.get("bell")
        assert isinstance(bell, Bell)
        with home.application.turn():
            home.alarms.at(1, bell, "ring")
        home.secure()
        other = home.again()
        async with other.running():
            await asyncio.sleep(2)
        rung = other.application.services.get("bell")
        assert isinstance(rung, Bell)
        assert rung.rung == 1

    in_no_time(scenario())


def test_what_cannot_be_set_says_why(home: Home) -> None:
    with home.application.turn():
        alarms, diary = home.alarms, home.diary
        for when in (datetime(2030, 1, 1), float("nan"), float("inf")):
            with pytest.raises(AlarmError):
                alarms.at(when, diary, "write", 1)
        for seconds in (0, -1, float("inf"), timedelta(0)):
            with pytest.raises(AlarmError, match="more than 0"):
                alarms.every(seconds, diary, "write", 1)
        with pytest.raises(AlarmError, match="no such method"):
            alarms.at(1, diary, "lines")
        with pytest.raises(AlarmError, match="is no component"):
            alarms.at(1, Diary(), "write")
        assert alarms.at(datetime(2030, 1, 1, tzinfo=UTC), diary, "write", 1) == 1
        assert [alarm.when for alarm in alarms.all()] == [1893456000]


@pytest.mark.parametrize("rounds", range(5))
def test_a_clock_ends_when_it_is_cancelled_right_after_an_alarm_was_set(rounds: int) -> None:
    async def scenario() -> None:
        application = Application("web")
        diary = application.registry.get_component(Diary, default=Diary)
        application.registry.alarms.at(4e9, diary, "write", "never")
        clock = AlarmClock(application)
        running = asyncio.create_task(clock.run())
        for _ in range(3):
            await asyncio.sleep(0)
        clock.wake()
        for _ in range(rounds):
            await asyncio.sleep(0)
        running.cancel()
        done, _ = await asyncio.wait([running], timeout=5)
        running.cancel()
        assert done
        assert running.cancelled()

    asyncio.run(scenario())
