"""A checkpoint between two halves of a turn: after a crash there is all of the turn, or nothing."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from perdure.app import keeper as keepers
from perdure.app.application import Application
from perdure.app.keeper import Keeper
from perdure.app.mutations import mutation
from perdure.app.watch import LARGEST
from perdure.persist.checkpoint import ChildError, ForkError
from perdure.persist.persistent import persistent

from .lives import House


class Account:
    """What money is moved between."""

    def __init__(self, balance: int = 0) -> None:
        self.balance = balance
        self.owner: Any = None


class Archive:
    """Saved at checkpoints only."""

    def __init__(self) -> None:
        self.load = bytes(2 * LARGEST)
        self.first = self.second = 0


class Messages:
    """Journaled by its calls; what is changed by other ways is saved at checkpoints only."""

    def __init__(self) -> None:
        self.first = self.second = 0

    @mutation
    def post(self) -> None:
        self.first += 1


@persistent
class Bell:
    """Rings when it is put back."""

    rung = 0

    def __init__(self) -> None:
        self.value = 0

    def after_restore(self) -> None:
        raise AssertionError("the checkpoint is no place for it")


def account(application: Application, name: str) -> Account:
    return application.registry.get_component(Account, name=name, default=Account)


def balances(application: Application) -> dict[str, int]:
    found: dict[str, int] = {}
    for key, item in application.registry.components.items():
        if isinstance(item, Account):
            found[key.partition(":")[2]] = item.balance
    return found


async def opened(application: Application) -> None:
    with application.turn() as turn:
        account(application, "from").balance = 100
        account(application, "to")
        await turn.durable()


def torn(
    house: House,
    begin: Callable[[Application], object],
    end: Callable[[Application], object],
    between: Callable[[Keeper], Awaitable[object]],
) -> list[dict[str, int]]:
    """What is recovered when a checkpoint was taken between two halves of a turn: then, and at its end."""
    recovered: list[dict[str, int]] = []

    async def work(application: Application, keeper: Keeper) -> None:
        await opened(application)
        going_on, begun = asyncio.Event(), asyncio.Event()

        async def transfer() -> None:
            with application.turn() as turn:
                begin(application)
                begun.set()
                await going_on.wait()
                end(application)
                await turn.durable()

        task = asyncio.ensure_future(transfer())
        await begun.wait()
        await between(keeper)
        recovered.append(balances(house.begin().application))
        going_on.set()
        await task
        recovered.append(balances(house.begin().application))

    house.run(work)
    return recovered


def take(application: Application) -> None:
    account(application, "from").balance -= 10


def give(application: Application) -> None:
    account(application, "to").balance += 10


def test_what_a_turn_has_half_done_is_in_no_checkpoint(house: House) -> None:
    async def between(keeper: Keeper) -> None:
        assert await keeper.checkpoint() in house.generations
        account = keeper.keeping.beginning.application.registry.components
        assert [each.balance for each in account.values() if isinstance(each, Account)] == [90, 0]

    then, later = torn(house, take, give, between)
    assert then == {"from": 100, "to": 0}
    assert later == {"from": 90, "to": 10}


def test_what_it_has_made_is_not_in_it_and_what_it_has_removed_is(house: House) -> None:
    def begin(application: Application) -> None:
        made = account(application, "made")
        account(application, "to").owner = made
        application.registry.remove_component(Account, name="from")

    def end(application: Application) -> None:
        account(application, "made").balance = 5

    then, later = torn(house, begin, end, lambda keeper: keeper.checkpoint())
    assert then == {"from": 100, "to": 0}
    assert later == {"to": 0, "made": 5}


def test_what_others_have_committed_meanwhile_is_in_it(house: House) -> None:
    async def between(keeper: Keeper) -> None:
        with keeper.keeping.beginning.application.turn():
            account(keeper.keeping.beginning.application, "other").balance = 7
        await keeper.checkpoint()

    then, later = torn(house, take, give, between)
    assert then == {"from": 100, "to": 0, "other": 7}
    assert later == {"from": 90, "to": 10, "other": 7}


def test_what_is_put_back_in_the_child_alone_is_called_nothing(house: House) -> None:
    async def work(application: Application, keeper: Keeper) -> None:
        with application.turn() as turn:
            application.registry.set_component(Bell, Bell())
            await turn.durable()
        with application.turn():
            bell = application.registry.get_component(Bell, default=Bell)
            bell.value = 1
            await keeper.checkpoint()
            assert bell.value == 1

    house.run(work)


def test_without_a_child_nothing_half_done_is_saved(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the process itself nothing can be put back: others hold it."""

    def none(work: Callable[[], bytes]) -> None:
        raise ForkError("no process can be started")

    monkeypatch.setattr(keepers, "fork", none)

    async def refused(keeper: Keeper) -> None:
        with pytest.raises(ChildError, match="half done"):
            await keeper.checkpoint()

    assert torn(house, take, give, refused) == [{"from": 100, "to": 0}, {"from": 90, "to": 10}]
    assert house.generations == []


def test_without_a_child_turns_that_have_only_looked_do_not_matter(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(work: Callable[[], bytes]) -> None:
        raise ForkError("no process can be started")

    monkeypatch.setattr(keepers, "fork", none)
    torn(house, balances, give, lambda keeper: keeper.checkpoint())
    assert len(house.generations) == 1


@pytest.mark.parametrize("kind", [Archive, Messages])
def test_turns_are_waited_for_that_change_what_cannot_be_put_back(
    house: House, kind: type[Any]
) -> None:
    async def work(application: Application, keeper: Keeper) -> None:
        with application.turn() as turn:
            application.registry.get_component(kind, default=kind)
            account(application, "from").owner = application.registry.get_component(kind)
            await turn.durable()
        going_on = asyncio.Event()
        taken: list[object] = []

        async def change() -> None:
            with application.turn():
                account(application, "from").owner.first = 1
                going_on.set()
                for _ in range(10):
                    await asyncio.sleep(0)
                assert not taken
                account(application, "from").owner.second = 1

        async def checkpoint() -> None:
            await going_on.wait()
            taken.append(await keeper.checkpoint())

        await asyncio.gather(change(), checkpoint())
        found = house.begin().application.registry.get_component(kind)
        assert found is not None
        assert (found.first, found.second) == (1, 1)

    house.run(work)


def test_a_turn_that_goes_on_for_ever_does_not_hold_up_checkpoints(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keepers, "_PATIENCE", 0.01)

    async def work(application: Application, keeper: Keeper) -> None:
        with application.turn():
            application.registry.get_component(Archive, default=Archive)
            await keeper.checkpoint()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.01):
                    await asyncio.Event().wait()
            await keeper.checkpoint()

    house.run(work)
    assert len(house.generations) == 2


def test_a_turn_that_commits_is_not_torn_there(house: House) -> None:
    async def work(application: Application, keeper: Keeper) -> None:
        await opened(application)
        with application.turn() as turn:
            take(application)
            await turn.durable()
            give(application)
            await keeper.checkpoint()
            assert balances(house.begin().application) == {"from": 90, "to": 0}

    house.run(work)
