"""Does what it is told by JSON on its input, with the release that is on its path; tells how it went.

A job is a list: what to do, and the arguments of the function of that name.
"""

import asyncio
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from perdure.app.application import Application
from perdure.app.beginning import Beginning
from perdure.app.keeper import Keeper, Pace
from perdure.app.loader import Loader
from perdure.app.recovery import begin
from perdure.app.state import Keeping
from perdure.persist import snapshot
from perdure.persist.errors import PerdureError
from perdure.persist.store import FolderStore
from perdure.persist.trust import Signer

SIGNER = Signer.of_user()
LOADER = Loader(SIGNER)


def begun(folder: str, syntax: str) -> tuple[Beginning, FolderStore]:
    store = FolderStore(Path(folder), "shop", syntax=syntax)
    return begin(Application("shop"), None, store, LOADER), store


def live(folder: str, syntax: str, numbers: list[int], *ends: str) -> None:
    """A run for these days, with a ``checkpoint`` before the last, that is stopped (``stop``) or not."""
    import day

    Path(folder).mkdir(exist_ok=True)
    beginning, store = begun(folder, syntax)

    async def run() -> None:
        keeper = Keeper(Keeping(beginning, store, LOADER), "durable", Pace())
        try:
            keeper.open()
            keeper.start()
            for number in numbers:
                if "checkpoint" in ends and number == numbers[-1]:
                    await keeper.checkpoint()
                with beginning.application.turn() as turn:
                    day.pass_day(beginning.application, number)
                    await turn.durable()
            if "stop" in ends:
                await keeper.quiesce()
                keeper.save()
        finally:
            await keeper.close()

    asyncio.run(run())


def look(folder: str, syntax: str) -> Any:
    """What a run would begin with."""
    import day

    beginning, _ = begun(folder, syntax)
    assert not beginning.warnings, beginning.warnings
    return day.picture(beginning.application)


def write(path: str, syntax: str, numbers: list[int]) -> None:
    """A blueprint that has some days already."""
    import day

    application = Application("shop")
    for number in numbers:
        day.pass_day(application, number)
    snapshot.write(
        Path(path), application, application="shop", holds="blueprint", signer=SIGNER, syntax=syntax
    )


def load(path: str) -> Any:
    """What is in a snapshot."""
    import day

    return day.picture(LOADER.load(Path(path)).application)


JOBS: dict[str, Callable[..., Any]] = {each.__name__: each for each in (live, look, write, load)}


def done(name: str, *arguments: Any) -> Any:
    """What it gave, or the error by its class and words."""
    try:
        return JOBS[name](*arguments)
    except PerdureError as error:
        causes: list[BaseException | None] = [error, getattr(error, "cause", None)]
        causes.append(getattr(causes[-1], "cause", None))
        return {"error": [type(each).__name__ for each in causes if each], "text": str(error)}


if __name__ == "__main__":
    json.dump([done(*job) for job in json.load(sys.stdin)], sys.stdout)
