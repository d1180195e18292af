"""`python -m bench [PART]...`: measure, then print every claim with its ratio."""

import contextlib
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Generator
from pathlib import Path
from types import FrameType
from typing import cast

import click

from perdure.persist.errors import PerdureError

from . import (
    checkpoint,
    compression,
    crash,
    durability,
    formats,
    gateways,
    http,
    memory,
    proxy,
    recovery,
    scale,
    schema,
    signing,
    start,
    static,
)
from .claims import Bound, Verdict, table

PARTS = (
    "http",
    "gateways",
    "static",
    "proxy",
    "compression",
    "durability",
    "checkpoint",
    "recovery",
    "objects",
    "formats",
    "scale",
    "schema",
    "signing",
    "start",
    "memory",
)


@click.command(help="Measure every claim of speed against its peer, in interleaved rounds.")
@click.argument("parts", nargs=-1, type=click.Choice(PARTS))
@click.option("--rounds", default=5, show_default=True, type=click.IntRange(min=1))
@click.option(
    "--seconds",
    default=2,
    show_default=True,
    type=click.IntRange(min=1),
    help="How long each run of the load lasts.",
)
def main(parts: tuple[str, ...], rounds: int, seconds: int) -> None:
    signal.signal(signal.SIGTERM, _leave)
    verdicts: list[Verdict] = []
    failed = False
    with _folder() as folder:
        for part in parts or PARTS:
            try:
                verdicts.extend(_measure(part, folder, rounds, seconds))
            except PerdureError as error:
                # The other parts still have something to say.
                print(f"{part}: {error}", file=sys.stderr)
                failed = True
    print(table(verdicts))
    sys.exit(os.EX_UNAVAILABLE if failed else 0)


def _measure(part: str, folder: Path, rounds: int, seconds: int) -> Generator[Verdict]:
    if (
        part in ("http", "gateways", "static", "proxy", "durability", "memory")
        and shutil.which("wrk") is None
    ):
        print(f"skipped: {part}: no wrk on PATH", file=sys.stderr)
        return
    match part:
        case "http":
            yield from http.run(folder, rounds, seconds)
        case "static":
            yield from static.run(folder, rounds, seconds)
        case "proxy":
            yield from proxy.run(folder, rounds, seconds)
        case "compression":
            yield from compression.run(folder, rounds)
        case "gateways":
            yield from gateways.run(folder, rounds, seconds)
        case "durability":
            yield from durability.run(folder, rounds, seconds)
        case "checkpoint":
            yield from checkpoint.run(folder, rounds)
        case "recovery":
            yield from recovery.run(folder, rounds)
        case "memory":
            yield from memory.run(folder, rounds)
        case "start":
            yield from start.run(folder)
        case "formats":
            yield from formats.run(rounds)
        case "scale":
            yield from scale.run(folder)
        case "schema":
            yield from schema.run(rounds)
        case "signing":
            yield from signing.run(folder, rounds)
        case _:
            from . import objects

            for claim, ratio, target in objects.run(rounds):
                bound, _, number = target.rpartition(" ")
                yield Verdict.of_ratio(claim, "", "", ratio, cast(Bound, bound), float(number))


@contextlib.contextmanager
def _folder() -> Generator[Path]:
    with tempfile.TemporaryDirectory(prefix="perdure-bench-") as name:
        yield Path(name)


def _leave(_number: int, _frame: FrameType | None) -> None:
    """End as Ctrl-C does: through every `finally`, so that no server is left behind."""
    raise SystemExit(os.EX_TEMPFAIL)


if __name__ == "__main__":
    if sys.argv[1:2] == ["crash"]:
        # It measures nothing, and has options of its own.
        crash.main(sys.argv[2:], "python -m bench crash")
    main()
