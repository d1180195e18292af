"""Runs whose state is sealed: it stays so, whatever the blueprint is and whoever forgets what."""

from pathlib import Path

import attrs
import pytest

from perdure.app.application import Application
from perdure.app.keeper import Keeper
from perdure.app.loader import Loader
from perdure.persist import snapshot
from perdure.persist.disk import Disk
from perdure.persist.keyring import Keyring, NoSecretError
from perdure.persist.sealing import Seal, Secret
from perdure.persist.store import FolderStore
from perdure.persist.trust import Signer

from .lives import House, visit

SECRET = Secret("key file", bytes(range(32)))
SEAL = Seal.new(SECRET)


@attrs.define(eq=False)
class SealedHouse(House):
    """One with these secrets, and this seal for what is saved."""

    keyring: Keyring = attrs.field(factory=lambda: Keyring([SECRET]))
    seal: Seal | None = SEAL

    @property
    def store(self) -> FolderStore:
        return attrs.evolve(super().store, keyring=self.keyring, seal=self.seal)

    @property
    def loader(self) -> Loader:
        return attrs.evolve(super().loader, keyring=self.keyring)


@pytest.fixture
def house(tmp_path: Path) -> SealedHouse:
    (tmp_path / "state").mkdir()
    return SealedHouse(tmp_path / "state", Signer.of_user(tmp_path / "key"))


def kept(house: House) -> bytes:
    return b"".join(path.read_bytes() for path in house.folder.rglob("*") if path.is_file())


def is_sealed(house: SealedHouse) -> bool:
    """Whether nothing on the disk tells of the class, not even a packed stream."""
    states = [snapshot.read(state.path) for state in house.store.states()]
    return all(each.sealed for each in states) and b"Tally" not in kept(house)


@attrs.define(eq=False)
class Recording(Disk):
    """A disk of which every byte that is ever written is kept, by forked children too."""

    copy: Path

    def write(self, handle: int, data: bytes, offset: int) -> None:
        with self.copy.open("ab") as file:
            file.write(data)
        super().write(handle, data, offset)


def test_no_byte_that_is_written_is_in_the_clear_not_even_for_a_moment(
    house: SealedHouse, tmp_path: Path
) -> None:
    disk = Recording(tmp_path / "copy")

    async def work(application: Application, keeper: Keeper) -> None:
        await visit(application, 2)
        await keeper.checkpoint()
        await visit(application, 2)

    house.run(work, disk=disk)
    house.run(work, disk=disk, stop=True)
    data = disk.copy.read_bytes()
    assert house.found() == 8
    assert len(data) > 5000
    for plain in (b"Tally", b"perdure.app", b"\x80\x05\x95", b"\x28\xb5\x2f\xfd"):
        assert plain not in data
    house.seal, house.folder = None, tmp_path / "plain"
    house.folder.mkdir()
    house.run(work, disk=disk)
    data = disk.copy.read_bytes()
    assert b"Tally" in data
    assert b"\x28\xb5\x2f\xfd" in data


def test_a_sealed_state_comes_back_after_a_crash_and_after_a_stop(house: SealedHouse) -> None:
    house.run(lambda application, _: visit(application, 3))
    assert house.found() == 3
    house.run(lambda application, keeper: visit(application, 2), stop=True)
    assert house.found() == 5

    async def checkpointed(application: Application, keeper: Keeper) -> None:
        await visit(application, 1)
        await keeper.checkpoint()
        await visit(application, 1)

    house.run(checkpointed)
    assert house.found() == 7
    assert is_sealed(house)


@pytest.mark.parametrize("stop", [True, False])
def test_it_stays_sealed_when_nobody_says_so_any_more(house: SealedHouse, stop: bool) -> None:
    house.run(lambda application, _: visit(application), stop=stop)
    house.seal = None
    house.run(lambda application, _: visit(application), stop=True)
    assert house.found() == 2
    house.run(lambda application, _: visit(application), durability="checkpoint", stop=True)
    house.run(lambda application, _: visit(application), fresh=True, stop=True)
    assert house.found() == 1
    assert is_sealed(house)


@pytest.mark.parametrize("stop", [True, False])
def test_without_the_secret_nothing_is_run_and_nothing_changed(
    house: SealedHouse, stop: bool
) -> None:
    house.run(lambda application, _: visit(application), stop=stop)
    before = kept(house)
    house.seal, house.keyring = None, Keyring()
    with pytest.raises(NoSecretError):
        house.store.stay_sealed()
    with pytest.raises(Exception, match="none was given"):
        house.begin()
    with pytest.raises(NoSecretError):
        house.store.save([1], signer=None)
    assert kept(house) == before


def test_a_plain_state_is_sealed_from_the_next_save_on(house: SealedHouse) -> None:
    house.seal = None
    house.run(lambda application, _: visit(application, 2))
    house.seal = SEAL
    house.run(lambda application, _: visit(application), stop=True)
    house.seal = None
    house.run(lambda application, _: visit(application), stop=True)
    newest, *_ = house.store.states()
    assert newest.passport.sealed
    assert house.found() == 4


def test_who_has_lost_the_secret_begins_anew_with_another(house: SealedHouse) -> None:
    house.run(lambda application, _: visit(application, 3))
    other = Secret("key file", bytes(32))
    house.keyring, house.seal = Keyring([other]), Seal.new(other)
    house.run(lambda application, _: visit(application), fresh=True, stop=True)
    assert house.found() == 1


def test_with_both_secrets_a_run_goes_on_with_the_newer_seal(house: SealedHouse) -> None:
    house.run(lambda application, _: visit(application, 3))
    other = Secret("key file", bytes(32))
    house.keyring, house.seal = Keyring([other, SECRET]), Seal.new(other)
    house.run(lambda application, _: visit(application), stop=True)
    house.keyring = Keyring([other])
    assert house.found() == 4
