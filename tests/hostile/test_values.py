"""The table of safe values: each row with hostile arguments, within bounds of memory and time."""

import pickle
import struct
import tracemalloc
from time import process_time
from typing import Any

import pytest

from perdure.persist.restore import RestoreError, restore
from perdure.persist.trust import Policy
from perdure.persist.values import HASHES, SAFE_VALUES

from ..persist.streams import called, named, number, stream, text
from .conftest import Canary
from .techniques import binary, get, listed, state

ONLY = Policy.only()
PRIME = (1 << 61) - 1
SECONDS = 20.0
N = pickle.NONE
LONG_TEXT = text("1" * 20_000)
LONG_BYTES = binary(b"1" * 20_000)
DEEP_TUPLE = pickle.EMPTY_TUPLE + pickle.TUPLE1 * 2_000
DEEP_LIST = pickle.EMPTY_LIST * 2_000 + pickle.APPEND * 1_999


def large(value: int) -> bytes:
    data = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
    return pickle.LONG4 + struct.pack("<i", len(data)) + data


def real(value: float) -> bytes:
    return pickle.BINFLOAT + struct.pack(">d", value)


HUGE = large((1 << 100_000) - 1)
LAUGHS = pickle.EMPTY_TUPLE + (pickle.MEMOIZE + pickle.POP) + b"".join(
    get(n) * 2 + pickle.TUPLE2 + pickle.MEMOIZE + pickle.POP for n in range(60)
) + get(60)  # fmt: skip

ARGUMENTS: dict[str, tuple[bytes, ...]] = {
    "nothing": (),
    "none": (N,),
    "a huge number": (HUGE,),
    "two huge numbers": (HUGE, large((1 << 99_999) - 3)),
    "a large number of bytes": (number(10**12),),
    "a negative number": (number(-1),),
    "many numbers": (number(1),) * 20,
    "infinity": (real(float("inf")),),
    "not a number": (real(float("nan")), real(float("nan"))),
    "a long text": (LONG_TEXT,),
    "a text with a large exponent": (text("1e999999999"),),
    "a text that is no value": (text("x\0y"),),
    "long bytes": (LONG_BYTES,),
    "ten bytes": (binary(b"\xff" * 10),),
    "bytes and none": (binary(b"\x07\xe9\x01\x01\0\0\0\0\0\0"), N),
    "a range of numbers": (called(named("builtins", "range"), number(10**12)),),
    "a deep tuple": (DEEP_TUPLE,),
    "a deep list": (DEEP_LIST,),
    "a billion laughs": (LAUGHS,),
    "a class": (named("builtins", "object"),),
    "a class and a tuple": (named("builtins", "list"), pickle.EMPTY_TUPLE),
    "a class and a deep tuple": (named("builtins", "list"), DEEP_TUPLE),
    "a dict": (pickle.EMPTY_DICT,),
    "a list of a dict": (listed(pickle.EMPTY_DICT), number(10**12)),
    "itself": (named("types", "SimpleNamespace"),),
}


def place_of(name: str) -> bytes:
    module, _, qualname = name.partition(":")
    return named(module, qualname)


def attempt(data: bytes) -> object:
    """What it gives, or the error: one, of the right kind, in bounded time and memory."""
    begun = process_time()
    tracemalloc.start()
    try:
        made = restore(data, ONLY)
    except RestoreError as error:
        made = error
    finally:
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert peak < 150 * len(data) + 20_000_000
    assert process_time() - begun < SECONDS
    assert len(str(made) if isinstance(made, RestoreError) else "") < 1_000
    return made


# pathlib._local is a module of some versions of Python only.
ROWS = [name for name in SAFE_VALUES if "._local" not in name]


@pytest.mark.parametrize("name", ROWS)
def test_a_row_takes_hostile_arguments_within_bounds(name: str, canary: Canary) -> None:
    place = place_of(name)
    for arguments in ARGUMENTS.values():
        attempt(stream(called(place, *arguments)))
        attempt(stream(place, pickle.MARK, *arguments, pickle.TUPLE, pickle.NEWOBJ))


@pytest.mark.parametrize("name", ROWS)
def test_a_row_as_a_key_is_hashed_within_bounds(name: str, canary: Canary) -> None:
    place = place_of(name)
    for arguments in ARGUMENTS.values():
        attempt(stream(pickle.EMPTY_DICT, called(place, *arguments), N, pickle.SETITEM))


@pytest.mark.parametrize("name", ROWS)
def test_a_row_takes_no_state_or_members_but_its_own(name: str, canary: Canary) -> None:
    place = place_of(name)
    for arguments in ((), (text("1"),), (number(1),), (named("builtins", "list"), b")")):
        made = called(place, *arguments)
        for then in (
            state(text("__class__"), named("uuid", "UUID")),
            state(text("__setstate__"), place),
            state(text("append"), place),
            *([state(text("int"), DEEP_TUPLE)] if name != "types:SimpleNamespace" else []),
            text("a") + pickle.BUILD,
            state(number(1), N),
        ):
            assert isinstance(attempt(stream(made, then)), RestoreError), then


@pytest.mark.parametrize("name", [name for name, rule in SAFE_VALUES.items() if rule(())])
def test_many_of_a_row_cost_no_more_than_their_stream(name: str, canary: Canary) -> None:
    if name in ROWS:
        copies = (get(0) + pickle.EMPTY_TUPLE + pickle.REDUCE) * 5_000
        attempt(stream(place_of(name), pickle.MEMOIZE, pickle.POP, listed(copies)))


COPIED: dict[str, tuple[str, bytes]] = {
    "bytes": ("builtins:bytearray", LONG_BYTES),
    "a list": ("collections:deque", listed(N * 100_000)),
    "a tuple": ("collections:deque", pickle.MARK + N * 100_000 + pickle.TUPLE),
    "a dict": (
        "collections:Counter",
        pickle.EMPTY_DICT
        + pickle.MARK
        + b"".join(number(n) + number(1) for n in range(50_000))
        + pickle.SETITEMS,
    ),
    "parts of a path": ("pathlib:PurePosixPath", text("a" * 100_000)),
}


@pytest.mark.parametrize("name", COPIED)
def test_copies_of_one_argument_are_counted(name: str, canary: Canary) -> None:
    place, argument = COPIED[name]
    head = argument + pickle.TUPLE1 + pickle.MEMOIZE + pickle.POP
    copies = (get(1) + get(0) + pickle.REDUCE) * 10_000
    trick = stream(head, place_of(place), pickle.MEMOIZE, pickle.POP, listed(copies))
    error: Any = attempt(trick)
    assert isinstance(error, RestoreError)
    assert "more made of the same parts" in str(error)


def test_copies_of_one_state_are_counted(canary: Canary) -> None:
    fields = pickle.EMPTY_DICT + pickle.MARK
    fields += b"".join(text(f"f{n}") + N for n in range(20_000)) + pickle.SETITEMS
    copy = get(1) + pickle.EMPTY_TUPLE + pickle.REDUCE + get(0) + pickle.BUILD
    head = fields + pickle.MEMOIZE + pickle.POP + named("types", "SimpleNamespace")
    trick = stream(head, pickle.MEMOIZE, pickle.POP, listed(copy * 5_000))
    assert "more made of the same parts" in str(attempt(trick))


COLLIDING: dict[str, list[bytes]] = {
    "builtins:range": [number(0), number(1)],
    "builtins:slice": [],
    "decimal:Decimal": [],
    "fractions:Fraction": [],
    "ipaddress:IPv6Network": [],
    "types:GenericAlias": [],
}


@pytest.mark.parametrize("name", COLLIDING)
def test_values_of_the_same_hash_are_counted(name: str, canary: Canary) -> None:
    def one(count: int) -> bytes:
        value = number(count * PRIME)
        if name == "builtins:range":
            # Of ranges of no members only that counts: so they have one each.
            return called(get(0), value, number(count * PRIME + 1))
        if name == "types:GenericAlias":
            return called(get(0), named("builtins", "list"), value + pickle.TUPLE1)
        return called(get(0), value)

    keys = b"".join(one(count) + N for count in range(3_000))
    trick = pickle.EMPTY_DICT + pickle.MARK + keys + pickle.SETITEMS
    error = attempt(stream(place_of(name), pickle.MEMOIZE, pickle.POP, trick))
    assert isinstance(error, RestoreError)
    assert "same hash" in str(error) or "unhashable" in str(error)


def test_every_value_with_a_hash_of_its_own_is_tried() -> None:
    others = {"builtins:complex", "ipaddress:IPv6Interface", "uuid:UUID"}
    assert HASHES.keys() == COLLIDING.keys() | others


def test_uuids_of_the_same_hash_are_counted(canary: Canary) -> None:
    def one(count: int) -> bytes:
        made = get(0) + pickle.EMPTY_TUPLE + pickle.NEWOBJ
        return made + state(text("int"), number(count * PRIME))

    keys = b"".join(one(count) + N for count in range(3_000))
    trick = pickle.EMPTY_DICT + pickle.MARK + keys + pickle.SETITEMS
    error = attempt(stream(place_of("uuid:UUID"), pickle.MEMOIZE, pickle.POP, trick))
    assert "same hash" in str(error)


def test_honest_values_are_none_the_worse() -> None:
    """Many of each, as keys and in lists, load as a stranger's."""
    import uuid
    from collections import Counter, deque
    from datetime import UTC, datetime, timedelta
    from decimal import Decimal
    from fractions import Fraction
    from pathlib import PurePosixPath

    from perdure.persist.capture import capture

    folder = "a/folder/with/a/name/of/some/length"
    for values in (
        [Decimal(n) / 8 for n in range(20_000)],
        [Fraction(n, 7) for n in range(5_000)],
        [complex(n, -n) for n in range(20_000)],
        [uuid.UUID(int=n << 60) for n in range(20_000)],
        [datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=n) for n in range(20_000)],
        [PurePosixPath(folder) / str(n) for n in range(10_000)],
        [range(n) for n in range(10_000)],
    ):
        keyed = dict.fromkeys(values)
        assert restore(capture([values, keyed]).stream, ONLY) == [values, keyed]
    held = [Counter({"a": n}) for n in range(2_000)], [deque([n] * 20) for n in range(2_000)]
    assert restore(capture(held).stream, ONLY) == held
