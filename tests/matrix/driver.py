"""Does what it is told by JSON on its input, with the release that is on its path; tells how it went.

A job is a list: what to do, and the arguments of the function of that name.
"""

import asyncio
import importlib
import json
import os
import signal
import sys
import traceback
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
from perdure.persist.disk import DISK, Disk
from perdure.persist.errors import PerdureError
from perdure.persist.parked import parked_at
from perdure.persist.store import FolderStore
from perdure.persist.trust import Signer

SIGNER = Signer.of_user()
LOADER = Loader(SIGNER)


class DyingDisk(Disk):
    """Has its process killed in the middle of the operation of this number that changes something."""

    def __init__(self, last: int) -> None:
        self.left = last

    def count(self) -> None:
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def write(self, handle: int, data: bytes, offset: int) -> None:
        half = len(data) // 2
        super().write(handle, data[:half], offset)
        self.count()
        super().write(handle, data[half:], offset + half)


def _counted(name: str) -> Callable[..., Any]:
    def operation(self: DyingDisk, *arguments: Any) -> Any:
        done = getattr(Disk, name)(self, *arguments)
        self.count()
        return done

    return operation


for each in ("create", "truncate", "sync", "rename", "link", "unlink", "make_folder"):
    setattr(DyingDisk, each, _counted(each))


def begun(folder: str, syntax: str, disk: Disk = DISK) -> tuple[Beginning, FolderStore]:
    store = FolderStore(Path(folder), "shop", syntax=syntax, disk=disk)
    return begin(Application("shop"), None, store, LOADER), store


def live(folder: str, syntax: str, numbers: list[int], *ends: str, disk: Disk = DISK) -> None:
    """A run for these days, with a ``checkpoint`` before the last, that is stopped (``stop``) or not."""
    day: Any = importlib.import_module("day")
    Path(folder).mkdir(exist_ok=True)
    beginning, store = begun(folder, syntax, disk)

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


def die(folder: str, syntax: str, numbers: list[int], last: int) -> bool:
    """A run that is stopped, but killed while its disk is at its `last` operation; whether it was."""
    child = os.fork()
    if child == 0:
        try:
            live(folder, syntax, numbers, "stop", disk=DyingDisk(last))
        except BaseException:  # noqa: BLE001 - nothing of the child goes on
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status in (0, -signal.SIGKILL), status
    return status != 0


def look(folder: str, syntax: str) -> Any:
    """What a run would begin with; what is parked, if anything is."""
    day: Any = importlib.import_module("day")
    beginning, _ = begun(folder, syntax)
    if beginning.warnings:
        assert all(" is parked: " in each for each in beginning.warnings), beginning.warnings
        return {"parked": beginning.warnings}
    return day.picture(beginning.application)


def write(path: str, syntax: str, numbers: list[int]) -> None:
    """A blueprint that has some days already."""
    day: Any = importlib.import_module("day")
    application = Application("shop")
    for number in numbers:
        day.pass_day(application, number)
    snapshot.write(
        Path(path), application, application="shop", holds="blueprint", signer=SIGNER, syntax=syntax
    )


def load(path: str) -> Any:
    """What is in a snapshot; what is parked, if anything is."""
    day: Any = importlib.import_module("day")
    application = LOADER.load(Path(path)).application
    components = application.registry.components
    parked = [key for key, each in components.items() if parked_at(each) is not None]
    return {"parked": parked} if parked else day.picture(application)


JOBS: dict[str, Callable[..., Any]] = {
    each.__name__: each for each in (live, die, look, write, load)
}


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
