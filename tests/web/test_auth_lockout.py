"""What wrong tries of passwords cost."""

import pytest

from perdure.app.web.auth import doorkeeper, passwords
from perdure.app.web.auth.doorkeeper import Doorkeeper
from perdure.app.web.auth.lockout import Lockout
from perdure.app.web.auth.users import RegisteredUsers

from .conftest import Serve, Served
from .enrolment import ADA, credentials, enrolled, guarded


@pytest.fixture(name="tries")
def tries_fixture(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The passwords that were compared, one after another."""
    tried: list[str] = []
    compare = passwords.matches

    def matches(record: str, password: str) -> bool:
        tried.append(password)
        return compare(record, password)

    monkeypatch.setattr(passwords, "matches", matches)
    return tried


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture(name="clock")
def clock_fixture(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(doorkeeper, "time", clock)
    return clock


def tried(served: Served, name: str, password: str, client: str) -> int:
    return served.get("/private", credentials(name, password), f"From: {client}").status


def test_wrong_tries_of_a_name_cost_more_and_more_time(
    serve: Serve, tries: list[str], clock: Clock
) -> None:
    served = serve(guarded(keeper=Doorkeeper(RegisteredUsers(), lockout=Lockout(free=3))))
    enrolled(served, ada="lovelace")
    answers = [tried(served, "ada", f"wrong {each}", f"192.0.2.{each}") for each in range(4)]
    assert answers == [401, 401, 401, 429]
    reply = served.get("/private", ADA)
    assert (reply.status, reply.get("retry-after")) == (429, "1")
    assert len(tries) == 3, "and is not even compared, so it tells nothing"
    waits: list[str | None] = []
    for _ in range(12):
        clock.now += float(served.get("/private", ADA).get("retry-after") or 0)
        assert tried(served, "ada", f"wrong {clock.now}", "192.0.2.9") == 401
        waits.append(served.get("/private", ADA).get("retry-after"))
    assert waits == [str(min(2**each, 900)) for each in range(1, 13)]
    clock.now += 900
    assert served.get("/private", ADA).status == 200
    assert tried(served, "charles", "x", "192.0.2.9") == 401, "the name of another is free"


def test_what_was_wrong_long_ago_is_forgotten(serve: Serve, clock: Clock) -> None:
    served = serve(guarded(keeper=Doorkeeper(RegisteredUsers(), lockout=Lockout(free=2))))
    for wait, answers in ((0, [401, 401, 429]), (3600, [401, 429]), (3601, [401, 401, 429])):
        clock.now += wait
        told = [tried(served, "ada", f"wrong {each}", "192.0.2.1") for each in range(len(answers))]
        assert told == answers


def test_names_that_are_none_are_locked_as_those_that_are(serve: Serve, clock: Clock) -> None:
    served = serve(guarded(keeper=Doorkeeper(RegisteredUsers(), lockout=Lockout(free=2))))
    enrolled(served, ada="lovelace")
    known, unknown = (
        [tried(served, name, f"wrong {each}", "192.0.2.1") for each in range(3)]
        for name in ("ada", "nobody")
    )
    assert known == unknown == [401, 401, 429]


def test_an_address_that_tries_many_names_has_to_wait_and_others_have_not(
    serve: Serve, clock: Clock
) -> None:
    policy = Lockout(free_of_address=4)
    served = serve(guarded(keeper=Doorkeeper(RegisteredUsers(), lockout=policy)))
    enrolled(served, ada="lovelace")
    # Of IPv6, everybody has 2**64 addresses.
    answers = [tried(served, f"name {each}", "x", f"2001:db8::{each}") for each in range(6)]
    assert answers == [401] * 4 + [429] * 2
    assert tried(served, "ada", "lovelace", "2001:db8::99") == 429
    assert tried(served, "ada", "lovelace", "2001:db8:0:1::1") == 200
    assert [tried(served, f"n {each}", "x", "127.0.0.1") for each in range(6)] == [401] * 6


def test_who_was_here_before_is_not_locked_out_by_a_stranger(serve: Serve, clock: Clock) -> None:
    served = serve(guarded(keeper=Doorkeeper(RegisteredUsers(), lockout=Lockout(free=2))))
    enrolled(served, ada="lovelace")
    assert tried(served, "ada", "lovelace", "192.0.2.1") == 200
    clock.now += 100
    assert [tried(served, "ada", f"{each}", "203.0.113.1") for each in range(3)] == [401, 401, 429]
    assert tried(served, "ada", "lovelace", "203.0.113.2") == 429
    assert tried(served, "ada", "lovelace", "192.0.2.1") == 200


def test_right_tries_count_for_nothing(serve: Serve, clock: Clock) -> None:
    policy = Lockout(free=2, free_of_address=2)
    served = serve(guarded(keeper=Doorkeeper(RegisteredUsers(), lockout=policy)))
    enrolled(served, ada="lovelace")
    for _ in range(6):
        assert tried(served, "ada", "lovelace", "192.0.2.1") == 200
        clock.now += 100  # it is not remembered any more


def test_what_is_remembered_of_strangers_is_bounded(serve: Serve, clock: Clock) -> None:
    keeper = Doorkeeper(RegisteredUsers(), lockout=Lockout(entries=5))
    served = serve(guarded(keeper=keeper))
    enrolled(served, ada="lovelace")
    for each in range(20):
        tried(served, f"name {each}", "x", f"192.0.2.{each}")
    run = keeper._run  # pyright: ignore[reportPrivateUsage]
    assert run is not None
    assert (len(run.names), len(run.addresses), len(run.right), len(run.pending)) == (5, 5, 0, 0)
