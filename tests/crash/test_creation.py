"""A component that one request has made is saved, whoever else looks at it before that."""

import asyncio
from pathlib import Path

from perdure.app.application import Application
from perdure.app.keeper import Keeper
from perdure.app.turns import Turn, UnsafeError, taking
from perdure.persist.trust import Signer

from ..app.lives import House, Tally


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
