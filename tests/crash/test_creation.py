"""A component that one request has made is saved, whoever else looks at it before that."""

import asyncio
from pathlib import Path

from perdure.app.application import Application
from perdure.app.keeper import Keeper
from perdure.app.turns import Turn, UnsafeError, taking
from perdure.persist.trust import Signer

from ..app.lives import House, Tally


class Holder:
    """A component that has another."""

    held: Tally | None = None


def test_what_was_made_is_written_though_another_turn_meets_it_before(tmp_path: Path) -> None:
    house = House(tmp_path, Signer.of_user(tmp_path / "key"))

    async def work(application: Application, keeper: Keeper) -> None:
        ledger = application.ledger
        assert ledger is not None
        done: asyncio.Future[UnsafeError | None] = asyncio.get_running_loop().create_future()
        first, second = Turn(ledger), Turn(ledger)
        with taking(first):
            application.registry.get_component(Tally, default=Tally).value = 1
        # As the channel does: turns that end in the same round of the loop are written together.
        assert ledger.gather(first, done.set_result)
        with taking(second):
            application.registry.get_component(Tally)
        assert await done is None

    house.run(work)
    assert house.found() == 1


def test_what_was_made_stays_one_where_another_turn_was_given_it_before(tmp_path: Path) -> None:
    house = House(tmp_path, Signer.of_user(tmp_path / "key"))

    async def work(application: Application, keeper: Keeper) -> None:
        ledger = application.ledger
        assert ledger is not None
        first, second = Turn(ledger), Turn(ledger)
        with taking(first):
            made = application.registry.get_component(Tally, default=Tally)
        with taking(second):
            application.registry.get_component(Holder, default=Holder).held = made
        await second.durable()
        made.value = 1
        await first.durable()

    house.run(work)
    registry = house.begin().application.registry
    holder, made = registry.get_component(Holder), registry.get_component(Tally)
    assert holder is not None
    assert made is not None
    assert holder.held is made
    assert made.value == 1


def test_what_was_made_and_removed_in_one_turn_is_no_component(tmp_path: Path) -> None:
    house = House(tmp_path, Signer.of_user(tmp_path / "key"))

    async def work(application: Application, keeper: Keeper) -> None:
        ledger = application.ledger
        assert ledger is not None
        turn = Turn(ledger)
        with taking(turn):
            made = application.registry.get_component(Tally, default=Tally)
            application.registry.get_component(Holder, default=Holder).held = made
            application.registry.remove_component(Tally)
        await turn.durable()
        assert not ledger.refers_to(made, ())

    house.run(work)
    registry = house.begin().application.registry
    holder = registry.get_component(Holder)
    assert holder is not None
    assert isinstance(holder.held, Tally)
    assert registry.get_component(Tally) is None
