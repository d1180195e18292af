"""A disk that fails at any one operation of a run, and then a kill: what was told, and what refused."""

import asyncio
import errno
import itertools
import os
from pathlib import Path
from typing import Any

import attrs
import pytest

from perdure.app.application import Application
from perdure.app.keeper import Keeper
from perdure.app.turns import UnsafeError
from perdure.persist import journal
from perdure.persist.disk import Disk
from perdure.persist.files import WriteError
from perdure.persist.trust import Signer

from ..app.lives import House

VISITS = 6


class Book:
    """The numbers of the visits that it was given."""

    def __init__(self) -> None:
        self.numbers: list[int] = []


@attrs.define(eq=False)
class Failing(Disk):
    """Of the operations that change something, those in `broken` fail."""

    broken: range
    number: int
    done: int = 0
    met: list[str] = attrs.field(factory=list[str])

    def _ask(self, kind: str) -> None:
        self.done += 1
        if self.done in self.broken:
            self.met.append(kind)
            raise OSError(self.number, os.strerror(self.number))

    def create(self, path: Path, mode: int = 0o600) -> int:
        self._ask("create")
        return super().create(path, mode)

    def write(self, handle: int, data: bytes, offset: int) -> None:
        try:
            self._ask("write")
        except OSError:
            super().write(handle, data[: len(data) * 2 // 3], offset)
            raise
        super().write(handle, data, offset)

    def allocate(self, handle: int, offset: int, length: int) -> None:
        self._ask("allocate")
        super().allocate(handle, offset, length)

    def truncate(self, handle: int, length: int) -> None:
        self._ask("truncate")
        super().truncate(handle, length)

    def sync(self, handle: int) -> None:
        self._ask("sync")
        super().sync(handle)

    def rename(self, source: Path, target: Path) -> None:
        self._ask("rename")
        super().rename(source, target)

    def sync_folder(self, folder: Path) -> None:
        self._ask("sync_folder")
        super().sync_folder(folder)


def numbers(application: Application) -> list[int]:
    found: Any = application.registry.components.get(f"{Book.__module__}.Book")
    return found.numbers if found is not None else []


@attrs.define(eq=False)
class Visitor:
    """Who visits until there have been so many replies, or `patience` refusals."""

    patience: int = 1000
    told: list[int] = attrs.field(factory=list[int])
    refused: list[int] = attrs.field(factory=list[int])

    async def visit(self, application: Application, keeper: Keeper) -> None:
        while len(self.told) < VISITS and len(self.refused) < self.patience:
            number = len(self.told) + len(self.refused) + 1
            try:
                with application.turn() as turn:
                    application.registry.get_component(Book, default=Book).numbers.append(number)
                    await turn.durable()
                self.told.append(number)
            except UnsafeError:
                self.refused.append(number)
                # The journal's thread tries on meanwhile.
                await asyncio.sleep(0.001)
            assert numbers(application) == self.told, "what was refused is undone at once"


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "_FIRST_DELAY", 0.001)


def run(folder: Path, disk: Failing, visitor: Visitor) -> list[int]:
    """A run that is killed at its end; what is there afterwards."""
    folder.mkdir()
    house = House(folder, Signer.of_user(folder.parent / "key"))
    try:
        house.run(visitor.visit, disk=disk)
    except WriteError:
        assert not visitor.told, "only a start ends by an error of the disk"
    return numbers(house.begin().application)


@pytest.mark.parametrize("lasting", [1, 3])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO])
def test_what_was_told_is_there_and_what_was_refused_is_not_once_the_disk_is_well(
    tmp_path: Path, number: int, lasting: int
) -> None:
    kinds = set[str]()
    for failing in itertools.count(1):
        disk, visitor = Failing(range(failing, failing + lasting), number), Visitor()
        assert run(tmp_path / str(failing), disk, visitor) == visitor.told
        kinds.update(disk.met)
        if not disk.met:
            break
    assert kinds >= {"create", "write", "sync", "allocate", "sync_folder"}


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO])
def test_a_kill_before_the_disk_is_well_loses_nothing_that_was_told(
    tmp_path: Path, number: int
) -> None:
    """What was refused last may have reached the disk, and be there: nobody could write that it is not."""
    for failing in itertools.count(1):
        disk, visitor = Failing(range(failing, 1 << 30), number), Visitor(patience=3)
        found = run(tmp_path / str(failing), disk, visitor)
        assert found[: len(visitor.told)] == visitor.told
        assert set(found[len(visitor.told) :]) <= {*visitor.refused[:1]}
        if not disk.met:
            break
