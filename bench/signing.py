"""What it costs to sign a snapshot of 200 MB and to verify it, against SHA-256 of as many bytes.

All sides run in turn, in one process, in every round, every other round in reverse order; what counts is
processor time. The bytes are those of a snapshot of random content, as the file has them. A file is
hashed once, whoever signs it: so besides, reading it is compared with reading one that nobody has signed.
"""

import hashlib
import os
import pickle
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from statistics import median
from time import process_time
from typing import Final

from perdure.persist.content import Content
from perdure.persist.formats import table
from perdure.persist.trust import Signer, verify

from .claims import Verdict, paired_ratio
from .formats import PASSPORT

SIZE: Final = 200_000_000
CLAIMED: Final = 1.5
_TRAILER: Final = 128
_PIECE: Final = 1 << 20

Side = Callable[[], object]
Times = Mapping[str, list[float]]


def run(folder: Path, rounds: int, size: int = SIZE) -> Iterator[Verdict]:
    """Measure in `rounds`; the key is made in `folder`."""
    times = _measure(_sides(Signer.of_user(folder / "key"), size), rounds)
    for side in ("sign", "verify"):
        yield _verdict(f"{side} {size / 1e6:,.0f} MB / SHA-256", times, side, "SHA-256")
    yield _verdict("read signed / not signed", times, "read signed", "read unsigned")


def _sides(signer: Signer, size: int) -> Mapping[str, Side]:
    content = Content.of_stream(pickle.dumps(os.urandom(size), 5))
    encode, decode = table.by_name("pickle").encode, table.by_name("pickle").decode
    signed = b"".join(encode(PASSPORT, content, signer, None))
    unsigned = b"".join(encode(PASSPORT, content, None, None))
    body = memoryview(signed)[:-_TRAILER]
    public, signature = signed[-_TRAILER + 32 : -64], signed[-64:]

    def sign() -> None:
        # As it is written: piece by piece.
        checksum = hashlib.sha256()
        for place in range(0, len(body), _PIECE):
            checksum.update(body[place : place + _PIECE])
        assert signer.sign(checksum.digest()) == signature

    def check() -> None:
        assert verify(public, hashlib.sha256(body).digest(), signature)

    return {
        "SHA-256": lambda: hashlib.sha256(body).digest(),
        "sign": sign,
        "verify": check,
        "read unsigned": lambda: decode(unsigned),
        "read signed": lambda: decode(signed),
    }


def _measure(sides: Mapping[str, Side], rounds: int) -> Times:
    times: dict[str, list[float]] = {name: [] for name in sides}
    for number in range(rounds):
        order = list(sides)[:: -1 if number % 2 else 1]
        for name in order:
            begun = process_time()
            made = sides[name]()
            times[name].append(process_time() - begun)
            del made
    return times


def _verdict(claim: str, times: Times, ours: str, peer: str) -> Verdict:
    return Verdict.of_ratio(
        claim,
        f"{median(times[ours]) * 1000:,.0f} ms",
        f"{median(times[peer]) * 1000:,.0f} ms",
        paired_ratio(times[ours], times[peer]),
        "at most",
        CLAIMED,
    )
