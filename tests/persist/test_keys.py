"""Keys that no stack or lifetime suffices to hash are refused, and nobody else's are."""

import pickle
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from perdure.persist.deep import DeepPickler
from perdure.persist.graphstream import read
from perdure.persist.opcodes import StreamError
from perdure.persist.restore import RestoreError, restore
from perdure.persist.trust import Policy

from .streams import stream

HOSTILE = {
    "too deep": stream(b"}N", b"\x85" * 3_000_000, b"Ns"),
    "too deep, in a set": stream(b"\x8f(N", b"\x85" * 100_000, b"\x90"),
    "too deep, in a frozenset": stream(b"(N", b"N\x86" * 100_000, b"\x91"),
    "too many parts": stream(b"}N\x94", *(b"0h%ch%c\x86\x94" % (n, n) for n in range(60)), b"Ns"),
    "too many members": stream(
        b"(\x91\x94", *(b"0(h%ch%c\x85\x91\x94" % (n, n) for n in range(60))
    ),
    "the same too often": stream(b"(", b"N" * 100_000, b"t\x94}", b"h\0Ns" * 100_000),
    "a long number too often": stream(
        b"\x8b", (1_000_000).to_bytes(4, "little"), b"\1" * 1_000_000, b"\x94}", b"h\0Ns" * 100_000
    ),
}  # fmt: skip


@pytest.mark.parametrize("hostile", HOSTILE.values(), ids=HOSTILE)
def test_hostile_keys_are_refused_before_they_are_hashed(hostile: bytes) -> None:
    begun = time.thread_time()
    with pytest.raises(StreamError, match=r"tuples deep|too long to hash"):
        read(hostile)
    with pytest.raises(RestoreError, match=r"tuples deep|too long to hash"):
        restore(hostile, Policy.only())
    assert time.thread_time() - begun < 30


def test_the_process_lives(tmp_path: Path) -> None:
    """Hashing three million nested tuples overflows the stack of any thread."""
    path = tmp_path / "hostile"
    path.write_bytes(HOSTILE["too deep"])
    program = (
        "import sys; from perdure.persist.graphstream import read\n"
        "try: read(open(sys.argv[1], 'rb').read())\n"
        "except ValueError as error: print(error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, path],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0
    assert done.stdout == "a key or member is nested more than 1,000 tuples deep\n"


def nested(depth: int, kind: Any = tuple) -> Any:
    made: Any = kind([1])
    for _ in range(depth):
        made = kind([made])
    return made


ORDINARY: dict[str, Any] = {
    "pairs": {(number, number + 1): number for number in range(20_000)},
    "nested keys": {nested(900): 1},
    "tuples of any depth that are no keys": [nested(100_000)],
    "sets of sets": nested(2_000, frozenset),
    "the same key in many dicts": [dict.fromkeys([("a", 1, (2, 3))]) for _ in range(20_000)],
    "a large set": frozenset(range(200_000)),
    "long numbers": {1 << 40_000: 1, -(1 << 40_000): 2},
    "a large key": {tuple(range(100_000)): 1},
}


@pytest.mark.parametrize("kind", ORDINARY)
@pytest.mark.parametrize("protocol", [4, 5])
def test_ordinary_keys_are_read(kind: str, protocol: int) -> None:
    try:
        data = pickle.dumps(ORDINARY[kind], protocol)
    except RecursionError:
        data = DeepPickler().dump(ORDINARY[kind])
    read(data)
