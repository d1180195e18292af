"""Journals that are sealed: what is on the disk, what opens it, and what is left when it is damaged."""

from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest

from perdure.persist.inventory import inventory
from perdure.persist.journal import Journal
from perdure.persist.journalreader import JournalError, JournalReader
from perdure.persist.keyring import Keyring, NoSecretError, UnlockError
from perdure.persist.sealing import Seal, Secret

KEY = b"k" * 32
SECRET = Secret("key file", bytes(range(32)))
SEAL = Seal.new(SECRET)
PLAIN = b"the plain text that nobody may find"
RECORDS = [PLAIN, b"", PLAIN * 3, PLAIN * 20_000]


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "web.journal"
    journal = Journal(folder, application="web", key=KEY, seal=SEAL)
    for record in RECORDS:
        journal.append(record)
    journal.close()
    yield folder
    assert PLAIN not in b"".join(path.read_bytes() for path in folder.rglob("*.log"))


def reader(folder: Path, keyring: Keyring | None = None, key: bytes | None = KEY) -> JournalReader:
    return JournalReader(folder, "web", key, keyring=keyring)


def keyring() -> Keyring:
    return Keyring([SECRET])


def test_records_are_sealed_and_open_with_the_key(folder: Path) -> None:
    found = reader(folder, keyring())
    assert [record for _, record in found.records()] == RECORDS
    assert found.report.damage == ()


def test_without_a_keyring_their_numbers_can_be_told_and_their_writer(folder: Path) -> None:
    found = reader(folder)
    assert list(found.records()) == [(number, b"") for number in range(1, 5)]
    (facts,) = inventory(folder, "web", KEY)
    assert (facts.records, facts.last, facts.writer, facts.is_sealed) == (4, 4, "own", True)


def test_a_wrong_or_missing_secret_is_said(folder: Path) -> None:
    with pytest.raises(NoSecretError, match="sealed with a key file, and none was given"):
        list(reader(folder, Keyring()).records())
    with pytest.raises(UnlockError, match="not the one"):
        list(reader(folder, Keyring([Secret("key file", bytes(32))])).records())


def test_what_is_carried_over_is_sealed_again(folder: Path) -> None:
    found = reader(folder, keyring())
    assert len(list(found.records())) == 4
    first, carried = found.resumption(0)
    other = Seal.new(SECRET)
    journal = Journal(folder, application="web", key=KEY, first=first, carried=carried, seal=other)
    journal.append(PLAIN)
    journal.close()
    assert [record for _, record in reader(folder, keyring()).records()] == [*RECORDS, PLAIN]


def test_records_outlive_a_damaged_head_where_their_key_is_known(folder: Path) -> None:
    (path,) = folder.glob("*.log")
    data = path.read_bytes()
    path.write_bytes(b"?" * 20 + data[20:])
    assert [each for _, each in reader(folder, Keyring.of_seal(SEAL)).records()] == RECORDS
    with pytest.raises(UnlockError, match="with a key that was not given"):
        list(reader(folder, keyring()).records())


def test_a_frame_that_was_put_elsewhere_does_not_open(folder: Path) -> None:
    """Also where nobody's key is in its tag."""
    other = folder.with_name("wiki.journal")
    journal = Journal(other, application="wiki", seal=SEAL)
    journal.append(PLAIN)
    journal.close()
    (path,) = other.glob("*.log")
    data = path.read_bytes().replace(b'"application": "wiki"', b'"application": "web" ')
    path.write_bytes(data)
    with pytest.raises(JournalError, match="does not open"):
        list(JournalReader(other, "web", None, keyring=keyring()).records())


def test_damage_in_the_middle_is_damage_and_the_rest_is_read(folder: Path) -> None:
    journal = Journal(folder, application="web", key=KEY, first=5, seal=SEAL)
    for record in RECORDS:
        journal.append(record)
        while journal.secured < journal.appended:
            pass
    journal.close()
    path = max(folder.glob("*.log"))
    data = bytearray(path.read_bytes())
    data[data.index(b"\n", data.index(b"\n") + 1) + 60] ^= 1
    path.write_bytes(data)
    found = reader(folder, keyring())
    assert [number for number, _ in found.records()] == [1, 2, 3, 4, 6, 7, 8]
    assert [each.missing for each in found.report.damage] == [range(5, 6)]


def test_a_hostile_envelope_takes_no_memory(folder: Path) -> None:
    (path,) = folder.glob("*.log")
    hostile = str(attrs.evolve(SEAL.envelope, scrypt=(1 << 30, 8, 1))).encode()
    path.write_bytes(path.read_bytes().replace(str(SEAL.envelope).encode(), hostile))
    with pytest.raises(UnlockError):
        list(reader(folder, Keyring([Secret("passphrase", b"x")])).records())
