"""Blocks, envelopes and records, sealed: what opens them, and that nothing else does."""

import copy
import os
import pickle
from collections.abc import Callable
from pathlib import Path

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perdure.persist.keyring import (
    BadSecretError,
    Keyring,
    MissingSecretFileError,
    NoSecretError,
    SecretFileError,
    UnlockError,
    read_key,
    read_passphrase,
)
from perdure.persist.sealing import (
    CHUNK,
    OVERHEAD,
    Envelope,
    EnvelopeError,
    Seal,
    Secret,
    TamperedError,
    WrongSecretError,
    block_size,
    name_in,
)

KEY = Secret("key file", bytes(range(32)))
SEAL = Seal.new(KEY)
STEP = CHUNK + 16
LONG = os.urandom(1 << 16) * 50  # Three chunks, and a part of one.
WHERE = Path("web.snap")


def block(content: bytes, head: bytes = b"head", seal: Seal = SEAL) -> bytes:
    return b"".join(seal.block(content, head))


@settings(max_examples=30, deadline=None)
@given(st.sampled_from([0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 2 * CHUNK + 7]), st.binary())
def test_what_is_sealed_opens_to_the_same_bytes(length: int, head: bytes) -> None:
    content = os.urandom(length)
    sealed = block(content, head)
    assert len(sealed) == block_size(length)
    assert SEAL.content(sealed, head) == content


def test_two_blocks_of_one_content_have_nothing_in_common() -> None:
    first, second = block(b"x" * 64), block(b"x" * 64)
    assert first[:32] != second[:32]
    assert first[32:] != second[32:]
    assert b"xxxx" not in first


def swapped(data: bytes) -> bytes:
    return (
        data[:32] + data[32 + STEP : 32 + 2 * STEP] + data[32 : 32 + STEP] + data[32 + 2 * STEP :]
    )


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "a flipped bit": lambda data: data[:1000] + bytes([data[1000] ^ 1]) + data[1001:],
    "a flipped bit of the salt": lambda data: bytes([data[0] ^ 1]) + data[1:],
    "a flipped bit at the end": lambda data: data[:-1] + bytes([data[-1] ^ 1]),
    "the last chunk cut off": lambda data: data[: 32 + 3 * STEP],
    "two chunks cut off": lambda data: data[: 32 + 2 * STEP],
    "all chunks cut off": lambda data: data[:32],
    "half of it cut off": lambda data: data[: len(data) // 2],
    "nothing left": lambda _: b"",
    "chunks swapped": swapped,
    "a chunk left out": lambda data: data[: 32 + STEP] + data[32 + 2 * STEP :],
    "a chunk repeated": lambda data: data[: 32 + STEP] + data[32:],
    "a byte added": lambda data: data + b"\0",
    "a chunk of another file": lambda data: (
        data[: 32 + STEP] + block(LONG)[32 + STEP : 32 + 2 * STEP] + data[32 + 2 * STEP :]
    ),
}  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_block_that_was_changed_does_not_open(damage: str) -> None:
    sealed = block(LONG)
    with pytest.raises(TamperedError):
        SEAL.content(DAMAGES[damage](sealed), b"head")


def test_a_block_belongs_to_its_head_and_key() -> None:
    sealed = block(b"content")
    with pytest.raises(TamperedError):
        SEAL.content(sealed, b"Head")
    with pytest.raises(TamperedError):
        Seal.new(KEY).content(sealed, b"head")


@pytest.mark.parametrize("secret", [KEY, Secret("passphrase", b"correct horse")])
def test_an_envelope_gives_the_key_to_its_secret_and_says_plainly_when_it_is_another(
    secret: Secret,
) -> None:
    seal = Seal.new(secret)
    envelope = Envelope.parse(str(seal.envelope))
    assert envelope == seal.envelope
    assert Seal.of(envelope, secret) == seal
    with pytest.raises(WrongSecretError):
        Seal.of(envelope, Secret(secret.kind, b"?" * 32))


def test_another_secret_for_the_same_key_opens_what_was_sealed_before() -> None:
    sealed = block(b"content")
    other = Secret("key file", b"o" * 32)
    again = SEAL.for_secret(other)
    assert (
        Seal.of(Envelope.parse(str(again.envelope)), other).content(sealed, b"head") == b"content"
    )
    with pytest.raises(WrongSecretError):
        Seal.of(again.envelope, KEY)


@given(st.integers(0, len(str(SEAL.envelope)) - 1), st.sampled_from("0aZ= \n\0é"))
def test_an_envelope_that_was_damaged_is_no_envelope(place: int, letter: str) -> None:
    text = str(SEAL.envelope)
    changed = text[:place] + letter + text[place + 1 :]
    if changed != text:
        with pytest.raises(EnvelopeError):
            Envelope.parse(changed)


def test_an_envelope_that_was_forged_is_told_from_a_wrong_secret() -> None:
    forged = attrs.evolve(SEAL.envelope, wrapped=bytes(48))
    with pytest.raises(TamperedError):
        Seal.of(Envelope.parse(str(forged)), KEY)


@pytest.mark.parametrize(
    ("costs", "said"),
    [
        ((1 << 30, 8, 1), "n=1073741824"),
        ((1 << 20, 32, 1), "4.3 GB"),
        ((1 << 17, 8, 1 << 20), "p=1048576"),
        ((1 << 17, 1 << 25, 1), "r=33554432"),
        (((1 << 17) + 1, 8, 1), "power of two"),
        ((2, 8, 1), "n=2"),
    ],
)
def test_a_hostile_envelope_is_refused_before_it_takes_memory_or_time(
    costs: tuple[int, int, int], said: str
) -> None:
    hostile = str(attrs.evolve(SEAL.envelope, scrypt=costs))
    with pytest.raises(EnvelopeError, match=said):
        Envelope.parse(hostile)


def test_a_record_opens_in_its_place_only() -> None:
    records, facts = SEAL.records("web", 7), b"facts"
    sealed = records.closed(facts, [b"some", b"thing"])
    assert len(sealed) == len(b"something") + OVERHEAD
    assert name_in(sealed) == SEAL.envelope.name
    assert records.opened(facts, sealed) == b"something"
    assert records.closed(facts, [b"some", b"thing"]) != sealed
    for other, said in [
        (SEAL.records("web", 8), facts),
        (SEAL.records("wiki", 7), facts),
        (Seal.new(KEY).records("web", 7), facts),
        (records, b"Facts"),
    ]:
        with pytest.raises(TamperedError):
            other.opened(said, sealed)
    for damaged in (sealed[:-1], sealed[:20], b"", sealed[:8] + b"\0" * 12 + sealed[20:]):
        with pytest.raises(TamperedError):
            records.opened(facts, damaged)


def test_nothing_of_a_secret_is_shown_or_saved() -> None:
    secret = Secret("passphrase", b"correct horse")
    seal = Seal.new(KEY)
    for each in (secret, seal, seal.records("web", 1), Keyring([secret])):
        assert "horse" not in repr(each)
        assert "_key=" not in repr(each)
    for each in (secret, seal, Keyring([secret])):
        with pytest.raises(TypeError):
            pickle.dumps(each)
        with pytest.raises(TypeError):
            copy.deepcopy(each)


def test_a_keyring_opens_with_any_of_its_secrets_and_computes_once() -> None:
    word = Secret("passphrase", b"correct horse")
    seal = Seal.new(word)
    keyring = Keyring([KEY, Secret("passphrase", b"older"), word])
    opened = keyring.unlock(seal.envelope, WHERE)
    assert opened == seal
    keyring.secrets = ()
    assert keyring.unlock(seal.envelope, WHERE) == seal
    assert keyring.known(seal.envelope.name) == seal
    assert keyring.known(bytes(8)) is None


def test_a_keyring_says_what_is_missing_and_what_is_wrong() -> None:
    with pytest.raises(NoSecretError, match=r"web\.snap: it is sealed with a key file.*--seal-key"):
        Keyring().unlock(SEAL.envelope, WHERE)
    with pytest.raises(NoSecretError):
        Keyring([Secret("passphrase", b"x")], lambda _: b"x").unlock(SEAL.envelope, WHERE)
    with pytest.raises(UnlockError, match="the key file is not the one it is sealed with"):
        Keyring([Secret("key file", b"x" * 32)]).unlock(SEAL.envelope, WHERE)
    word = Seal.new(Secret("passphrase", b"correct"))
    with pytest.raises(NoSecretError, match="PERDURE_PASSPHRASE"):
        Keyring().unlock(word.envelope, WHERE)


def test_a_person_is_asked_three_times() -> None:
    word = Seal.new(Secret("passphrase", b"correct"))
    answers = iter([b"wrong", b"correct"])
    assert Keyring(ask=lambda _: next(answers)).unlock(word.envelope, WHERE) == word
    asked: list[Path] = []

    def ask(path: Path) -> bytes:
        asked.append(path)
        return b"wrong"

    with pytest.raises(UnlockError, match="not the one"):
        Keyring(ask=ask).unlock(word.envelope, WHERE)
    assert asked == [WHERE] * 3


def written(path: Path, content: bytes, mode: int = 0o600) -> Path:
    path.write_bytes(content)
    path.chmod(mode)
    return path


@pytest.mark.parametrize("content", [bytes(range(32)), bytes(range(32)).hex().encode() + b"\n"])
def test_a_key_is_read_in_bytes_or_hexadecimal(tmp_path: Path, content: bytes) -> None:
    assert read_key(written(tmp_path / "key", content)) == KEY


def test_a_passphrase_is_one_line_of_a_file(tmp_path: Path) -> None:
    path = written(tmp_path / "word", b" correct horse\r\n")
    assert read_passphrase(path) == Secret("passphrase", b" correct horse")


def test_secrets_are_read_from_private_files_of_the_right_form_only(tmp_path: Path) -> None:
    with pytest.raises(MissingSecretFileError, match="there is no such key file"):
        read_key(tmp_path / "none")
    for mode in (0o644, 0o640, 0o602):
        with pytest.raises(SecretFileError, match="chmod 600"):
            read_key(written(tmp_path / "key", bytes(32), mode))
    for content in (b"", bytes(31), bytes(33), b"0" * 63, b"g" * 64, bytes(10_000)):
        with pytest.raises(BadSecretError, match="a key has 32 bytes"):
            read_key(written(tmp_path / "key", content))
    with pytest.raises(SecretFileError, match="it is not a file"):
        read_key(tmp_path)
    for content in (b"", b"\n", b"two\nlines\n"):
        with pytest.raises(BadSecretError):
            read_passphrase(written(tmp_path / "word", content))
