"""Snapshots that are sealed, in each syntax: what is in them, what opens them, and what does not."""

import base64
import hashlib
import os
import re
from collections.abc import Callable
from pathlib import Path

import attrs
import pytest

from perdure.persist import snapshot
from perdure.persist.content import SealedContentError
from perdure.persist.formats import table
from perdure.persist.keyring import Keyring, NoSecretError, UnlockError
from perdure.persist.sealing import CHUNK, Seal, Secret
from perdure.persist.snapshot import SnapshotError
from perdure.persist.trust import Signer

from .models import Data

SECRET = Secret("key file", bytes(range(32)))
SEAL = Seal.new(SECRET)
SYNTAXES = ("pickle", "xml", "source")
PLAIN = "the plain text that nobody may find"
ROOT = {"row": Data(1, PLAIN), "rows": [PLAIN, PLAIN.encode(), 5]}


@pytest.fixture
def signer(tmp_path: Path) -> Signer:
    return Signer.of_user(tmp_path / "home")


def keyring() -> Keyring:
    return Keyring([SECRET])


def write(path: Path, signer: Signer | None, syntax: str, root: object = ROOT) -> Path:
    snapshot.write(
        path,
        root,
        application="web",
        holds="state",
        paths=["/srv/hidden"],
        origin="ab" * 32,
        sequence=7,
        signer=signer,
        syntax=syntax,
        seal=SEAL,
    )
    return path


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_a_sealed_file_opens_to_what_was_sealed_and_tells_nothing_before(
    tmp_path: Path, signer: Signer, syntax: str
) -> None:
    path = write(tmp_path / "web.snap", signer, syntax)
    data = path.read_bytes()
    found = snapshot.read(path)
    told = b"".join(re.findall(rb"[A-Za-z0-9+/=\n]{76,}", data))
    data += base64.b64decode(told.replace(b"\n", b"")[: len(told) // 4 * 4] or b"")
    for hidden in (PLAIN, "Data", "rows", "hidden", "abab"):
        assert hidden.encode() not in data
    assert (found.passport.application, found.passport.sequence) == ("web", 7)
    assert found.passport.names == found.passport.paths == ()
    assert snapshot.peek(path) == found.passport
    assert (found.syntax, found.signer_key) == (syntax, signer.public)
    for ask in (lambda: found.stream, lambda: found.content.graph):
        with pytest.raises(SealedContentError):
            ask()
    opened = snapshot.read(path, keyring=keyring())
    assert opened.seal == SEAL
    assert opened.passport.paths == ("/srv/hidden",)
    assert any(name.endswith(":Data") for name in opened.passport.names)
    assert opened.is_signed_by(signer)
    assert (opened.digest, opened.syntax) == (found.digest, syntax)
    plain = tmp_path / "plain.snap"
    snapshot.write(plain, ROOT, application="web", holds="state", signer=signer)
    assert opened.stream == snapshot.read(plain).stream


@pytest.mark.parametrize("first", SYNTAXES)
@pytest.mark.parametrize("second", SYNTAXES)
def test_a_sealed_file_becomes_another_syntax_and_back(
    tmp_path: Path, signer: Signer, first: str, second: str
) -> None:
    one = snapshot.read(write(tmp_path / "one", signer, first), keyring=keyring())
    form = table.by_name(second)
    snapshot.put(tmp_path / "two", one.passport, one.content, form, signer, seal=one.seal)
    two = snapshot.read(tmp_path / "two", keyring=keyring())
    assert (two.passport, two.stream) == (one.passport, one.stream)
    assert two.seal == SEAL
    assert PLAIN.encode() not in (tmp_path / "two").read_bytes()


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_without_the_right_secret_it_says_so(tmp_path: Path, syntax: str) -> None:
    path = write(tmp_path / "web.snap", None, syntax)
    with pytest.raises(NoSecretError, match="sealed with a key file, and none was given"):
        snapshot.read(path, keyring=Keyring())
    with pytest.raises(UnlockError, match=r"web\.snap: the key file is not the one"):
        snapshot.read(path, keyring=Keyring([Secret("key file", bytes(32))]))


def test_a_wrong_secret_is_told_before_any_damage(tmp_path: Path) -> None:
    path = write(tmp_path / "web.snap", None, "pickle")
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(UnlockError, match="not the one"):
        snapshot.read(path, keyring=Keyring([Secret("key file", bytes(32))]))
    with pytest.raises(SnapshotError, match="damaged"):
        snapshot.read(path, keyring=keyring())


def resealed(data: bytes) -> bytes:
    """With a checksum that is right again, as who changes a file on purpose would have it."""
    body = data[:-128]
    return body + hashlib.sha256(body).digest() + bytes(96)


def block_of(data: bytes) -> int:
    return data.index(b"\nsealed ") + data[data.index(b"\nsealed ") + 1 :].index(b"\n") + 2


def at(place: int) -> Callable[[bytes], bytes]:
    def change(data: bytes) -> bytes:
        begin = block_of(data) + place
        return data[:begin] + bytes([data[begin] ^ 1]) + data[begin + 1 :]

    return change


def swapped(data: bytes) -> bytes:
    begin, step = block_of(data) + 32, CHUNK + 16
    first, second = data[begin : begin + step], data[begin + step : begin + 2 * step]
    return data[:begin] + second + first + data[begin + 2 * step :]


def replacing(old: bytes, new: bytes) -> Callable[[bytes], bytes]:
    def change(data: bytes) -> bytes:
        assert old in data
        return data.replace(old, new, 1)

    return change


CHANGES: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "a chunk": (at(100), "chunk 1 of 4"),
    "the third chunk": (at(2 * CHUNK + 2000), "chunk 3 of 4"),
    "the salt": (at(3), "chunk 1 of 4"),
    "the order of chunks": (swapped, "chunk 1 of 4"),
    "the application": (replacing(b'"web"', b'"wob"'), "chunk 1 of 4"),
    "the number of records": (replacing(b'"sequence": 7', b'"sequence": 8'), "chunk 1 of 4"),
    "the third line": (replacing(b"\nsealed ", b"\nsealed 1"), "third line"),
    "the word sealed": (replacing(b"\nsealed ", b"\nplain "), "third line"),
    "the envelope": (replacing(b"salt=", b"salt=z"), "sealed"),
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
def test_what_was_changed_on_purpose_is_refused_with_its_place(tmp_path: Path, change: str) -> None:
    function, said = CHANGES[change]
    path = write(tmp_path / "web.snap", None, "pickle", os.urandom(3 * CHUNK + 500_000))
    path.write_bytes(resealed(function(path.read_bytes())))
    with pytest.raises(SnapshotError, match=said):
        snapshot.read(path, keyring=keyring())


def test_the_content_of_one_file_does_not_open_in_another(tmp_path: Path) -> None:
    first = write(tmp_path / "first", None, "pickle").read_bytes()
    second = write(
        tmp_path / "second", None, "pickle", {**ROOT, "row": Data(2, PLAIN)}
    ).read_bytes()
    first = first.replace(b'"sequence": 7', b'"sequence": 6')
    (tmp_path / "mixed").write_bytes(
        resealed(first[: block_of(first)] + second[block_of(second) :])
    )
    with pytest.raises(SnapshotError, match=r"chunk 1 of 1|third line"):
        snapshot.read(tmp_path / "mixed", keyring=keyring())


@pytest.mark.parametrize("syntax", ["xml", "source"])
def test_a_text_in_which_anything_was_changed_is_refused(tmp_path: Path, syntax: str) -> None:
    path = write(tmp_path / "web.snap", None, syntax)
    text = path.read_text()
    place = text.index("UEVSRFVS") + 900
    changes = [
        text.replace("web", "wob", 1),
        text.replace("perdure 0", "perdure 9", 1),
        text[:place] + ("A" if text[place] != "A" else "B") + text[place + 1 :],
        text.replace("UEVS", "UEV", 1),
        text.replace("UEVS", "?", 1),
    ]
    for changed in changes:
        assert changed != text
        path.write_text(changed)
        with pytest.raises(SnapshotError, match=r"passport was changed|damaged"):
            snapshot.read(path, keyring=keyring())


def test_a_hostile_envelope_in_a_file_is_refused_at_once(tmp_path: Path) -> None:
    path = write(tmp_path / "web.snap", None, "pickle")
    hostile = str(attrs.evolve(SEAL.envelope, scrypt=(1 << 30, 8, 1))).encode()
    data = path.read_bytes().replace(str(SEAL.envelope).encode(), hostile)
    path.write_bytes(resealed(data))
    with pytest.raises(SnapshotError, match="may be made to harm"):
        snapshot.read(path, keyring=Keyring([Secret("passphrase", b"correct")]))
    with pytest.raises(SnapshotError, match="may be made to harm"):
        snapshot.peek(path)
