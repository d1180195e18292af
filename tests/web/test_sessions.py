"""Sessions over the runs of an application: crashes, checkpoints, clean stops, and time between."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from werkzeug.datastructures import MultiDict

from perdure.app.application import Application
from perdure.app.keeper import Keeper
from perdure.app.registry import Registry
from perdure.app.web.limits import Limits
from perdure.app.web.sessions import KeptSession, Sessions, cookie_name
from perdure.persist.capture import capture
from perdure.persist.restore import restore
from perdure.persist.trust import Policy, Signer

from ..app.lives import House

TODAY = 2e9


class Room:
    """What a visitor has."""

    def __init__(self) -> None:
        self.nights = 0


class Rooms:
    """A component of the application."""

    def __init__(self) -> None:
        self.free = 10

    def give_back(self, room: Room) -> None:
        self.free += room.nights


class Visits:
    """The runs of an application with sessions; a clock that stands still between the calls."""

    def __init__(self, folder: Path) -> None:
        self.house = House(folder, Signer.of_user(folder / "key"))
        self.now = TODAY
        self.limits = Limits()

    def run(
        self, work: Callable[[Application, Sessions], None], *, checkpoint: bool = False, stop: bool
    ) -> None:
        """A run that does `work` in one turn, and is then stopped, or killed."""

        async def life(application: Application, keeper: Keeper) -> None:
            sessions = self.sessions(application)
            sessions.open()
            with application.turn() as turn:
                work(application, sessions)
                await turn.durable()
            if checkpoint:
                await keeper.checkpoint()
            if stop:
                sessions.close()

        self.house.run(life, stop=stop)

    def sessions(self, application: Application) -> Sessions:
        loop = asyncio.get_running_loop()
        ledger = application.ledger
        return Sessions(
            application.registry, self.limits, loop, ledger=ledger, clock=lambda: self.now
        )


@pytest.fixture(name="visits")
def visits_fixture(tmp_path: Path) -> Visits:
    return Visits(tmp_path)


def found(sessions: Sessions, value: str) -> KeptSession | None:
    return sessions.find(MultiDict([(cookie_name(False), value)]), False)


def free(registry: Registry) -> int:
    return registry.get_component(Rooms, default=Rooms).free


def check_in(visits: Visits, **end: bool) -> str:
    """A run in which somebody takes a room; the value of the cookie."""
    values: list[str] = []

    def work(application: Application, sessions: Sessions) -> None:
        kept, value = sessions.begin(False)
        rooms = application.registry.get_component(Rooms, default=Rooms)
        room = Room()
        room.nights = 3
        kept.components["room"] = room
        kept.calls = ((rooms.give_back, (room,)),)
        rooms.free -= 3
        values.append(value)

    visits.run(work, **end)
    return values[0]


ENDS = [
    {"checkpoint": False, "stop": False},
    {"checkpoint": True, "stop": False},
    {"checkpoint": False, "stop": True},
]
every_end = pytest.mark.parametrize("end", ENDS, ids=["killed", "killed after checkpoint", "stop"])


@every_end
def test_a_session_is_there_in_the_next_run(visits: Visits, end: dict[str, bool]) -> None:
    value = check_in(visits, **end)

    def work(application: Application, sessions: Sessions) -> None:
        kept = found(sessions, value)
        assert kept is not None
        room = kept.components["room"]
        assert isinstance(room, Room)
        assert room.nights == 3
        (_, (known,)) = kept.calls[0]
        assert known is room
        assert free(application.registry) == 7
        assert len(sessions) == 1
        sessions.end(kept)
        assert free(application.registry) == 10

    visits.run(work, stop=False)

    def look(application: Application, sessions: Sessions) -> None:
        assert found(sessions, value) is None
        assert free(application.registry) == 10

    visits.run(look, stop=False)


@every_end
def test_what_is_overdue_at_the_start_is_gone_and_told(
    visits: Visits, end: dict[str, bool]
) -> None:
    value = check_in(visits, **end)
    visits.now += 989
    visits.run(lambda _, sessions: _is_there(sessions, value), stop=False)
    visits.now += 1

    def work(application: Application, sessions: Sessions) -> None:
        assert found(sessions, value) is None
        sessions.tick()
        assert not len(sessions)
        assert free(application.registry) == 10

    visits.run(work, stop=False)
    visits.run(lambda application, _: _is(free(application.registry), 10), stop=False)


def _is_there(sessions: Sessions, value: str) -> None:
    assert found(sessions, value) is not None


def _is(value: object, expected: object) -> None:
    assert value == expected


@pytest.mark.parametrize("stop", [False, True])
def test_that_a_visitor_came_back_is_known_in_the_next_run(visits: Visits, stop: bool) -> None:
    value = check_in(visits, stop=False)
    visits.now += 800

    def come_back(_: Application, sessions: Sessions) -> None:
        kept = found(sessions, value)
        assert kept is not None
        sessions.use(kept)
        if not stop:
            sessions.tick()

    visits.run(come_back, stop=stop)
    visits.now += 899
    visits.run(lambda _, sessions: _is_there(sessions, value), stop=False)


def test_the_name_that_a_session_got_at_a_login_lasts(visits: Visits) -> None:
    before = check_in(visits, stop=False)
    after: list[str] = []

    def login(_: Application, sessions: Sessions) -> None:
        kept = found(sessions, before)
        assert kept is not None
        after.append(sessions.rotate(kept, False))

    visits.run(login, stop=False)

    def work(_: Application, sessions: Sessions) -> None:
        assert found(sessions, before) is None
        _is_there(sessions, after[0])
        assert len(sessions) == 1

    visits.run(work, stop=False)


def test_no_cookie_can_be_found_in_what_is_saved(visits: Visits, tmp_path: Path) -> None:
    value = check_in(visits, checkpoint=True, stop=True)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) > 3
    for path in files:
        assert value.encode() not in path.read_bytes(), path


def test_many_that_are_over_end_in_more_than_one_turn(visits: Visits) -> None:
    def work(_: Application, sessions: Sessions) -> None:
        for _number in range(500):
            sessions.begin(False)
        visits.now += 1000
        for left in (300, 100, 0, 0):
            sessions.tick()
            assert len(sessions) == left

    visits.run(work, stop=False)


def test_sessions_with_several_limits_end_each_at_its_time(visits: Visits) -> None:
    def work(application: Application, sessions: Sessions) -> None:
        sessions.begin(False)
        visits.limits = Limits(session_time=90)
        sessions = visits.sessions(application)
        sessions.open()
        sessions.begin(False)
        assert len(sessions) == 2
        visits.now += 100
        sessions.tick()
        assert len(sessions) == 1
        sessions.close()

    visits.run(work, stop=False)


def test_a_copy_that_is_read_takes_nobodys_place(visits: Visits) -> None:
    def work(application: Application, sessions: Sessions) -> None:
        sessions.begin(False)
        copy = restore(capture(application).stream, Policy.everything())
        assert isinstance(copy, Application)
        assert len(sessions) == 1
        assert len(copy.registry) == 2, "the session, and the key that signs cookies"
        visits.now += 1000
        sessions.tick()
        assert len(application.registry) == 1, "the key"

    visits.run(work, stop=False)


def test_a_clock_that_was_set_back_ends_nothing(visits: Visits) -> None:
    value = check_in(visits, stop=False)
    visits.now -= 10_000

    def work(_: Application, sessions: Sessions) -> None:
        kept = found(sessions, value)
        assert kept is not None
        sessions.use(kept)
        sessions.tick()
        assert kept.last == visits.now
        visits.now += 1000
        assert found(sessions, value) is None

    visits.run(work, stop=False)
