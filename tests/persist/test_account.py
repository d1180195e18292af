"""What migrations have done is told to who asks."""

import sys
from collections.abc import Iterator

import pytest

from perdure.persist.account import Account, accounted
from perdure.persist.restore import RestoreError

from .evolution import Kept, code, kept, releases

FIRST = """
    @attrs.define
    class Visit:
        page: int = 0
        junk: str = "j"

    class Base:
        pass

    @attrs.define
    class Day(Base):
        visits: int = 1
        note: str = ""
"""
SECOND = """
    moved("oldshop", "shop")

    @schema(version=3)
    @attrs.define
    class Visit:
        page: str = "0"
        colour: str = "red"

    @upgrades(Visit, to=2)
    def first(state):
        return state

    @upgrades(Visit, to=3)
    def second(state):
        return {**state, "page": str(state["page"])}

    @schema(version=2)
    class Base:
        pass

    @upgrades(Base, to=2)
    def third(state):
        return state

    @attrs.define
    class Day(Base):
        visits: "int | str" = 1
"""


@pytest.fixture(autouse=True)
def _releases() -> Iterator[None]:
    with releases():
        yield


@pytest.fixture
def earlier() -> Kept:
    shop = code("oldshop", FIRST)
    made = kept([shop.Visit(1), shop.Visit(2), shop.Day()])
    del sys.modules["oldshop"]
    return made


def told(account: Account) -> str:
    return "\n".join(account.lines())


def test_each_thing_that_was_done_is_a_line(earlier: Kept) -> None:
    code("shop", SECOND)
    account = Account()
    with accounted(account):
        earlier.restored()
    assert told(account).splitlines() == [
        "oldshop.Day is shop.Day now",
        "oldshop.Visit is shop.Visit now",
        "shop.Visit: 2 objects brought up by the steps to 2, 3",
        "shop.Visit: the field colour is new, and 2 objects got its default",
        "shop.Visit: the field junk is gone; what 2 objects had in it is kept aside",
        "shop.Visit: the field page has another type now; all its values fit",
        "shop.Day: 1 object brought up by the step to 2 of shop.Base",
        "shop.Day: the field note is gone; what 1 object had in it is kept aside",
        "shop.Day: the field visits has another type now; all its values fit",
    ]


def test_what_needs_no_look_at_objects_is_told_without_their_number(earlier: Kept) -> None:
    code("oldshop", FIRST.replace('junk: str = "j"', ""))
    account = Account()
    with accounted(account):
        earlier.restored()
    assert told(account) == (
        "oldshop.Visit: the field junk is gone; what its objects had in it is kept aside"
    )


def test_what_was_done_before_a_failure_is_told_too(earlier: Kept) -> None:
    code("shop", SECOND.replace("def third(state):", "def third(state):\n        raise OSError"))
    account = Account()
    with accounted(account), pytest.raises(RestoreError, match="raised OSError"):
        earlier.restored()
    assert "2 objects brought up by the steps to 2, 3" in told(account)
    assert "shop.Day: " not in told(account)


def test_nothing_is_told_of_what_came_before_or_after(earlier: Kept) -> None:
    code("shop", SECOND)
    earlier.restored()
    account = Account()
    with accounted(account):
        pass
    earlier.restored()
    assert told(account) == ""
