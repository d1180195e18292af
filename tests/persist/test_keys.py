"""Keys that no stack or lifetime suffices to hash are refused, and nobody else's are."""

import pickle
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from perdure.persist.content import Content
from perdure.persist.deep import DeepPickler
from perdure.persist.formats.format import Format, FormatError
from perdure.persist.graph import Graph, Names
from perdure.persist.graphstream import read
from perdure.persist.opcodes import StreamError
from perdure.persist.restore import RestoreError, restore
from perdure.persist.trust import Policy

from .models import Plain
from .streams import stream
from .test_chains import FORMATS, encoded

HOSTILE = {
    "too deep": stream(b"}N", b"\x85" * 1_000_000, b"Ns"),
    "too deep, in a set": stream(b"\x8f(N", b"\x85" * 100_000, b"\x90"),
    "too deep, in a frozenset": stream(b"(N", b"N\x86" * 100_000, b"\x91"),
    "too many parts": stream(b"}N\x94", *(b"0h%ch%c\x86\x94" % (n, n) for n in range(60)), b"Ns"),
    "the same too often": stream(b"(", b"N" * 100_000, b"t\x94}", b"h\0Ns" * 100_000),
    "a long number too often": stream(
        b"\x8b", (1_000_000).to_bytes(4, "little"), b"\1" * 1_000_000, b"\x94}", b"h\0Ns" * 100_000
    ),
}  # fmt: skip


@pytest.mark.parametrize("hostile", HOSTILE.values(), ids=HOSTILE)
def test_hostile_keys_are_refused_before_they_are_hashed(hostile: bytes) -> None:
    begun = time.thread_time()
    with pytest.raises(StreamError, match=r"tuples deep|too long"):
        read(hostile)
    with pytest.raises(RestoreError, match=r"tuples deep|too long"):
        restore(hostile, Policy.only())
    assert time.thread_time() - begun < 30


# Python takes the hash of a number modulo this.
M = 2**61 - 1
MANY = range(1, 10_000)


def twins() -> list[frozenset[Any]]:
    """Two frozensets that are equal, which it takes 2**60 steps to find out."""
    found: list[frozenset[Any]] = []
    for _ in range(2):
        made = frozenset[Any]()
        for _ in range(60):
            made = frozenset([(made, 1), (made, 2)])
        found.append(made)
    return found


COLLIDING: dict[str, Any] = {
    "numbers": dict.fromkeys(number * M for number in MANY),
    "members": {number * M for number in MANY},
    "members of a frozenset": frozenset(number * M for number in MANY),
    "negative numbers": {-number * M - 7 for number in MANY},
    "long numbers": {(number << 1000) * M for number in MANY},
    "tuples": {("a", number * M, None) for number in MANY},
    "tuples in tuples": {((number * M, b"x"), 1.5) for number in MANY},
    "frozensets": {frozenset([number * M]) for number in MANY},
    # The hashes of two members that have the same cancel out each other.
    "frozensets of two": {frozenset([number, number + M, 5]) for number in MANY},
    "floats": {(2.0 ** (61 * (n % 17)), 2.0 ** (61 * (n // 17 % 17)),
                2.0 ** (61 * (n // 289 % 17)), 2.0 ** (61 * (n // 4913)))
               for n in range(10_000)},
}  # fmt: skip


@pytest.mark.parametrize("form", FORMATS, ids=lambda form: form.name)
@pytest.mark.parametrize("kind", COLLIDING)
def test_keys_of_the_same_hash_are_refused_before_they_are_compared(
    kind: str, form: Format
) -> None:
    data = encoded(form, Content.of_graph(Graph(COLLIDING[kind], Names())))
    begun = time.thread_time()
    with pytest.raises((FormatError, StreamError), match="too long to compare"):
        _ = read(form.decode(data).stream) if form.name == "pickle" else form.decode(data)
    assert time.thread_time() - begun < 20


def test_equal_keys_that_it_takes_years_to_compare_are_refused() -> None:
    # No set can be made of them here, either: so a list is made one in the stream.
    data = pickle.dumps(twins())
    hostile = b"\x8f\x94(".join(data.split(b"]\x94(", 1)).removesuffix(b"e.") + b"\x90."
    with pytest.raises(StreamError, match="too long to compare"):
        read(hostile)
    read(data)


def test_the_process_lives(tmp_path: Path) -> None:
    """Hashing a million nested tuples overflows the stack of any thread."""
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


def alternating(parts: list[Any]) -> Any:
    return frozenset([tuple(parts)])


def doubled(depth: int) -> frozenset[Any]:
    made = frozenset[Any]()
    for _ in range(depth):
        made = frozenset([made, (made,)])
    return made


ORDINARY: dict[str, Any] = {
    "pairs": {(number, number + 1): number for number in range(20_000)},
    "nested keys": {nested(900): 1},
    "tuples of any depth that are no keys": [nested(100_000)],
    "sets of sets": nested(100_000, frozenset),
    "sets that hold each other twice": doubled(60),
    "sets and tuples in turn": nested(50_000, alternating),
    "the same key in many dicts": [dict.fromkeys([("a", 1, (2, 3))]) for _ in range(20_000)],
    "a large set": frozenset(range(200_000)),
    "long numbers": {1 << 40_000: 1, -(1 << 40_000): 2},
    "a large key": {tuple(range(100_000)): 1},
    "powers of two": {1 << number: 2.0**-number for number in range(1_000)},
    "fractions that are powers of two": {2.0**number for number in range(-1_074, 1_024)},
    "multiples of a power of two": {number << 40 for number in range(20_000)},
    "numbers of which none is one": {float("nan") for _ in range(20_000)},
    "names and a number": {(f"name {number}", 0) for number in range(20_000)},
    "objects and a number": {(Plain(), 0) for _ in range(8_000)},
    "what has the same hash by nature": {
        (one, other) for one in range(-50, 50) for other in range(-50, 50)
    },
}


@pytest.mark.parametrize("kind", ORDINARY)
@pytest.mark.parametrize("protocol", [4, 5])
def test_ordinary_keys_are_read(kind: str, protocol: int) -> None:
    try:
        data = pickle.dumps(ORDINARY[kind], protocol)
    except RecursionError:
        data = DeepPickler().dump(ORDINARY[kind])
    read(data)
