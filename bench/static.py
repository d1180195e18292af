"""Files that lie there compressed, against the same files that do not."""

import contextlib
import gzip
from collections.abc import Iterator
from pathlib import Path

from .claims import Verdict
from .http import Comparison, Page, installed, measured
from .ours import LOGGED, ours
from .servers import running

SERVER = "ours, precompressed"
# What browsers say.
ACCEPTS = "gzip, deflate, br, zstd"
SIZES = {"1 KB": 1024, "20 KB": 20 * 1024}


def _comparison(size: str, target: float, *, varied: bool = False) -> Comparison:
    name = size.replace(" ", "").lower()
    return Comparison(
        f"{size} precompressed{', no two requests alike' if varied else ''} / plain",
        Page(SERVER, f"/coded-{name}.css", varied, ACCEPTS),
        Page(SERVER, f"/plain-{name}.css", varied, ACCEPTS),
        target,
    )


COMPARISONS = [
    _comparison("20 KB", 1),
    _comparison("20 KB", 0.97, varied=True),
    # Where nothing is saved, the half microsecond shows that it takes to choose.
    _comparison("1 KB", 0.95),
]


def run(folder: Path, rounds: int, seconds: int) -> Iterator[Verdict]:
    """Ask one server for a file with siblings and for one without, in turn, `rounds` times."""
    site = _site(folder / "precompressed")
    candidates = [ours(SERVER, ["--path", str(site), *LOGGED])]
    with contextlib.ExitStack() as stack:
        instances = {
            server.name: stack.enter_context(running(server, folder))
            for server in installed(candidates)
        }
        yield from measured(COMPARISONS, instances, rounds, seconds)


def _site(folder: Path) -> Path:
    folder.mkdir()
    for size, octets in SIZES.items():
        name = size.replace(" ", "").lower()
        lines = "".join(f".a{number} {{ margin: {number}px }}\n" for number in range(octets))
        content = lines.encode()[:octets]
        for each in (f"plain-{name}.css", f"coded-{name}.css"):
            (folder / each).write_bytes(content)
        packed = gzip.compress(content, 9)
        for ending in (".gz", ".br", ".zst"):
            # Nobody unpacks what is measured; what counts is that there is a choice of three.
            (folder / f"coded-{name}.css{ending}").write_bytes(packed)
    return folder
