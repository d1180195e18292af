"""The snapshot file: written whole, read only if nothing of it has changed."""

import contextlib
import hashlib
import os
import pickle
import re
import resource
import stat
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from perdure.persist import snapshot
from perdure.persist.capture import CaptureError
from perdure.persist.files import CreateError
from perdure.persist.passport import Passport
from perdure.persist.restore import TrustError, restore
from perdure.persist.snapshot import MissingSnapshotError, Snapshot, SnapshotError
from perdure.persist.trust import Policy, Signer

from . import models

EX_DATAERR = 65
EX_NOINPUT = 66


def written(path: Path, root: object, signer: Signer, **options: Any) -> Snapshot:
    snapshot.write(path, root, application="web", holds="state", signer=signer, **options)
    return snapshot.read(path)


def test_what_is_written_is_read(tmp_path: Path, signer: Signer) -> None:
    path = tmp_path / "web.snap"
    passport = snapshot.write(
        path,
        [models.Plain(a=1)],
        application="web",
        holds="blueprint",
        paths=["/srv/site"],
        origin="ab" * 32,
        signer=signer,
    )
    found = snapshot.read(path)
    assert found.passport == passport
    assert passport.names == (f"{models.__name__}:Plain",)
    assert (passport.holds, passport.paths, passport.origin) == (
        "blueprint",
        ("/srv/site",),
        "ab" * 32,
    )
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", passport.written)
    again: Any = restore(found.stream, found.policy(signer))
    assert again[0].a == 1


def test_its_head_is_read_by_a_person(tmp_path: Path, signer: Signer) -> None:
    path = tmp_path / "web.snap"
    found = written(path, {"a": 1}, signer)
    magic, passport, sizes, _ = path.read_bytes().split(b"\n", 3)
    assert magic == b"PERDURE SNAPSHOT 1"
    assert passport + b"\n" == found.passport.to_line()
    method, packed, size = sizes.split(b" ")
    assert (method, int(size)) == (b"zstd", len(found.stream))
    content = path.read_bytes()
    assert content[-128:-96] == hashlib.sha256(content[:-128]).digest() == found.digest
    assert zstandard.decompress(content[-128 - int(packed) : -128]) == found.stream


def test_only_its_owner_may_read_it(tmp_path: Path, signer: Signer) -> None:
    written(tmp_path / "web.snap", {}, signer)
    assert stat.S_IMODE((tmp_path / "web.snap").stat().st_mode) == 0o600
    assert os.listdir(tmp_path) == ["web.snap"]


def test_this_users_own_work_loads_and_a_strangers_does_not(tmp_path: Path, signer: Signer) -> None:
    stranger = Signer.of_user(tmp_path / "stranger")
    root = [models.function]
    own = written(tmp_path / "own.snap", root, signer, paths=["/srv"])
    other = written(tmp_path / "other.snap", root, stranger, paths=["/tmp/hostile"])
    assert own.policy(signer) == Policy.everything()
    assert restore(own.stream, own.policy(signer)) == root
    assert own.folders(signer) == ("/srv",)
    assert other.policy(signer) == Policy.only()
    assert other.folders(signer) == ()
    with pytest.raises(TrustError):
        restore(other.stream, other.policy(signer))
    assert restore(other.stream, other.policy(signer, [models.__name__])) == root


def test_what_nobody_has_signed_is_a_strangers(tmp_path: Path, signer: Signer) -> None:
    path = tmp_path / "web.snap"
    written(path, {}, signer)
    path.write_bytes(path.read_bytes()[:-96] + bytes(96))
    found = snapshot.read(path)
    assert found.signer_key is None
    assert found.policy(signer, ["visits"]) == Policy.only(["visits"])


def test_every_flipped_bit_is_found(tmp_path: Path, signer: Signer) -> None:
    path, copy = tmp_path / "web.snap", tmp_path / "copy.snap"
    written(path, {"counter": 3}, signer)
    content = path.read_bytes()
    for place in range(len(content)):
        for bit in range(8):
            changed = bytearray(content)
            changed[place] ^= 1 << bit
            copy.write_bytes(changed)
            with pytest.raises(SnapshotError) as caught:
                snapshot.read(copy)
            assert caught.value.path == copy


def test_every_truncation_and_every_addition_is_found(tmp_path: Path, signer: Signer) -> None:
    path, copy = tmp_path / "web.snap", tmp_path / "copy.snap"
    written(path, {"counter": 3}, signer)
    content = path.read_bytes()
    for size in range(len(content)):
        copy.write_bytes(content[:size])
        with pytest.raises(SnapshotError):
            snapshot.read(copy)
    for more in (b"\0", b"\n", content):
        copy.write_bytes(content + more)
        with pytest.raises(SnapshotError, match="damaged"):
            snapshot.read(copy)


@given(data=st.data())
def test_no_damage_is_anything_but_a_snapshot_error(data: st.DataObject) -> None:
    with _scratch() as folder:
        path = folder / "web.snap"
        written(path, {"counter": 3}, Signer.of_user(folder))
        content = bytearray(path.read_bytes())
        start = data.draw(st.integers(0, len(content)))
        stop = data.draw(st.integers(start, len(content)))
        middle = data.draw(st.binary(max_size=40))
        if bytes(content[start:stop]) == middle:
            return
        content[start:stop] = middle
        path.write_bytes(content)
        with pytest.raises(SnapshotError):
            snapshot.read(path)


@contextlib.contextmanager
def _scratch() -> Any:
    import tempfile

    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


FOREIGN = {
    "an empty file": b"",
    "a text file": b"just some text\n",
    "a document with markup": b"<html></html>",
    "another document": b'\xef\xbb\xbf<?xml version="1.0"?><a/>',
    "Python source": b'"""A configuration."""\nimport os\n',
    "one in source whose first line is not '# Perdure snapshot, source": (
        b"# -*- coding: utf-8 -*-\n\npassport = Passport(\n    format=1,"
    ),
    "a bare pickle": pickle.dumps([1]),
    "a gzip file": b"\x1f\x8b\x08\x00",
    "a zip archive": b"PK\x03\x04abc",
    "a program": b"\x7fELF\x02",
    "a file of another kind": b"\x00\x01\x02\xff",
}


@pytest.mark.parametrize(("kind", "content"), FOREIGN.items(), ids=FOREIGN)
def test_a_foreign_file_is_called_what_it_is(kind: str, content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "web.snap"
    path.write_bytes(content)
    with pytest.raises(SnapshotError) as caught:
        snapshot.read(path)
    assert f"it is not a snapshot but {kind}" in str(caught.value)
    assert "name a file that mkapp, rundaemon or appconvert has written" in str(caught.value)
    assert caught.value.exit_status == EX_DATAERR


def test_a_newer_format_says_so(tmp_path: Path) -> None:
    path = tmp_path / "web.snap"
    path.write_bytes(b"PERDURE SNAPSHOT 12\nand more")
    with pytest.raises(SnapshotError, match=r"its format is 12.*reads up to 1; take a newer"):
        snapshot.read(path)


def test_what_is_not_a_file_is_refused_without_waiting(tmp_path: Path) -> None:
    with pytest.raises(MissingSnapshotError, match="there is no such file; write one") as caught:
        snapshot.read(tmp_path / "none.snap")
    assert caught.value.exit_status == EX_NOINPUT
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/zero"), tmp_path):
        with pytest.raises(SnapshotError, match=r"it is not a file|Is a directory"):
            snapshot.read(path)
    with pytest.raises(MissingSnapshotError, match="cannot be read: Not a directory"):
        snapshot.read(Path("/dev/null/web.snap"))


def resigned(content: bytes, signer: Signer) -> bytes:
    """What a hostile writer makes: well formed as far as digest and signature go."""
    digest = hashlib.sha256(content).digest()
    return content + digest + signer.public + signer.sign(digest)


def hostile(third_line: bytes, payload: bytes, signer: Signer) -> bytes:
    passport = Passport(
        format=1, application="web", holds="state", written="", writer="", python=""
    )
    head = b"PERDURE SNAPSHOT 1\n" + passport.to_line()
    return resigned(head + third_line + b"\n" + payload, signer)


BOMB = zstandard.compress(bytes(200_000_000))
CLAIMS = {
    "ten gigabytes": (b"zstd 9 10000000000", b"123456789"),
    "a bomb as it is": (b"zstd %d 200000000" % len(BOMB), BOMB),
    "a bomb that claims to be small": (b"zstd %d 1000" % len(BOMB), BOMB),
    "a negative size": (b"zstd 9 -1", b"123456789"),
    "another payload": (b"zstd 8 9", b"123456789"),
    "another method": (b"lzma 9 9", b"123456789"),
    "no numbers": (b"zstd a b", b"123456789"),
    "one number": (b"zstd 9", b"123456789"),
    "a very long number": (b"zstd 9 " + b"9" * 5000, b"123456789"),
    "nothing packed": (b"zstd 9 9", b"123456789"),
    "two frames": (b"zstd 28 5", zstandard.compress(b"12345") * 2),
    "plain with another size": (b"plain 9 8", b"123456789"),
}


@pytest.mark.parametrize(("line", "payload"), CLAIMS.values(), ids=CLAIMS)
def test_an_absurd_claim_takes_no_memory(
    line: bytes, payload: bytes, tmp_path: Path, signer: Signer
) -> None:
    path = tmp_path / "web.snap"
    path.write_bytes(hostile(line, payload, signer))
    snapshot_memory = 10_000_000
    tracemalloc.start()
    try:
        with pytest.raises(SnapshotError):
            snapshot.read(path)
        assert tracemalloc.get_traced_memory()[1] < snapshot_memory
    finally:
        tracemalloc.stop()


def test_a_claim_within_bounds_for_which_there_is_no_memory_is_refused(
    tmp_path: Path, signer: Signer
) -> None:
    claimed = 20_000_000_000
    payload = b"\x28\xb5\x2f\xfd\xe0" + claimed.to_bytes(8, "little") + bytes(claimed // 1000)
    path = tmp_path / "web.snap"
    path.write_bytes(hostile(b"zstd %d %d" % (len(payload), claimed), payload, signer))
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (10_000_000_000, before[1]))
    try:
        with pytest.raises(SnapshotError, match=r"20000000000 bytes.*more memory than there is"):
            snapshot.read(path)
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def test_a_passport_that_is_wrong_or_endless_is_refused(tmp_path: Path, signer: Signer) -> None:
    path = tmp_path / "web.snap"
    for line, message in (
        (b"{}\n", "its passport is wrong: format: it is missing"),
        (b"", "not end"),
    ):
        path.write_bytes(resigned(b"PERDURE SNAPSHOT 1\n" + line, signer))
        with pytest.raises(SnapshotError, match=message):
            snapshot.read(path)


def test_what_packs_too_well_is_kept_plain(tmp_path: Path, signer: Signer) -> None:
    path = tmp_path / "web.snap"
    found = written(path, bytes(20_000_000), signer)
    assert path.read_bytes().split(b"\n", 3)[2].startswith(b"plain ")
    assert restore(found.stream, Policy.only()) == bytes(20_000_000)


def test_a_save_that_fails_leaves_the_file_as_it_was(tmp_path: Path, signer: Signer) -> None:
    path = tmp_path / "web.snap"
    written(path, {"a": 1}, signer)
    before = path.read_bytes()
    with pytest.raises(CaptureError):
        written(path, lambda: None, signer)
    assert path.read_bytes() == before
    with pytest.raises(CreateError, match=r"No such file.*; make the folder first"):
        written(tmp_path / "none" / "web.snap", {}, signer)
    assert os.listdir(tmp_path) == ["web.snap"]


def test_a_snapshot_is_deterministic_but_for_its_date(tmp_path: Path, signer: Signer) -> None:
    one = written(tmp_path / "one.snap", {"a": [1, "b"]}, signer)
    other = written(tmp_path / "other.snap", {"a": [1, "b"]}, signer)
    assert one.stream == other.stream
