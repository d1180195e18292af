"""``websetroot``, killed at any moment: there is the former, or the new."""

import os
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest

from perdure.app.loader import Loader
from perdure.persist.disk import Disk
from perdure.persist.keyring import Keyring
from perdure.persist.trust import Signer
from perdure.tools.former import File, NewestState, place_of
from perdure.tools.kinds.weboptions import ROOT_OPTIONS
from perdure.tools.rootchange import NewRoot, RootChange
from perdure.tools.sites import SiteChoice

from .websites import Desk


@pytest.fixture
def desk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Desk:
    return Desk.at(tmp_path, monkeypatch, capsys)


@attrs.define(eq=False)
class Mortal(Disk):
    """The process ends at one of the operations that change something, which is not done."""

    left: int

    def _step(self) -> None:
        self.left -= 1
        if self.left < 0:
            os._exit(9)

    def create(self, path: Path, mode: int = 0o600) -> int:
        self._step()
        return super().create(path, mode)

    def write(self, handle: int, data: bytes, offset: int) -> None:
        self._step()
        super().write(handle, data, offset)

    def rename(self, source: Path, target: Path) -> None:
        self._step()
        super().rename(source, target)

    def link(self, source: Path, target: Path) -> None:
        self._step()
        super().link(source, target)

    def unlink(self, path: Path) -> None:
        self._step()
        super().unlink(path)

    def make_folder(self, path: Path, mode: int = 0o700) -> None:
        self._step()
        super().make_folder(path, mode)

    def sync_folder(self, folder: Path) -> None:
        self._step()
        super().sync_folder(folder)


def killed(path: Path, www: Path) -> Iterator[int]:
    """Changes the snapshot in processes that are killed ever later, the last one not at all."""
    nothing = {str(each.name): () if each.multiple else None for each in ROOT_OPTIONS}
    for number in range(200):
        child = os.fork()
        if child == 0:
            place = place_of(path, Keyring())
            if isinstance(place, NewestState):
                place = attrs.evolve(place, store=attrs.evolve(place.store, disk=Mortal(number)))
            else:
                assert isinstance(place, File)
                place = attrs.evolve(place, disk=Mortal(number))
            root = NewRoot({**nothing, "path": www})
            try:
                RootChange(place, SiteChoice(), root, Loader(Signer.of_user())).write()
                os._exit(0)
            finally:
                os._exit(1)
        _, status = os.waitpid(child, 0)
        yield os.waitstatus_to_exitcode(status)
        if os.waitstatus_to_exitcode(status) != 9:
            return


@pytest.mark.parametrize("holds", ["blueprint", "state"])
def test_a_kill_leaves_the_former_or_the_new(desk: Desk, holds: str) -> None:
    path = desk.write("web.snap") if holds == "blueprint" else desk.state(sequence=3)
    before, seen = path.read_bytes(), set[str]()
    ends: list[int] = []
    for end in killed(path, desk.folder / "www"):
        ends.append(end)
        seen.add(desk.roots(path)[0])
        if path.read_bytes() != before:
            assert any(each.read_bytes() == before for each in desk.folder.rglob("0*.snap"))
        if holds == "state":
            assert desk.store().states()[0].path == path
        if desk.roots(path) == ["www"] and end:
            path.write_bytes(before)
    assert set(ends[:-1]) == {9}
    assert ends[-1] == 0
    assert seen == {"first", "www"}
