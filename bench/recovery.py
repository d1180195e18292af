"""How long a server takes after it was killed at the worst moment: right before a checkpoint.

What writes a journal, and is killed, and what reads it, are processes of their own: this module,
run with what it shall do.
"""

import asyncio
import importlib
import json
import os
import pickle
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any, Final, NoReturn

import attrs

from perdure.app.keeper import Keeper, Pace
from perdure.app.loader import Loader
from perdure.app.recovery import begin
from perdure.app.registry import Registry
from perdure.app.replay import replay
from perdure.app.state import Keeping
from perdure.persist.frames import journal_key
from perdure.persist.journalreader import JournalReader
from perdure.persist.store import FolderStore
from perdure.persist.trust import Policy, Signer

from .claims import Verdict, paired_ratio
from .ours import blueprint
from .peers import PAGES
from .servers import CORES, Launch, ServerError, free_port, start, stop
from .start import ask

RECORDS: Final = Pace().records
SPREAD: Final = 10_000
LIMIT: Final = 120.0
SECONDS: Final = 10
PAGE: Final = "/total.rpy"


@attrs.frozen
class Case:
    """What is journaled: `count` components of the class `name`, each changed in turn."""

    title: str
    name: str
    count: int
    rate: int
    """Records a second, at least. Of calls, which run the user's code, as many as the time allows."""


CASES = (
    Case("states of one component", "Note", 1, 100_000),
    Case(f"states of {SPREAD:,} components", "Note", SPREAD, 100_000),
    Case("calls of a mutation", "Account", 1, RECORDS // SECONDS),
)


def run(folder: Path, rounds: int) -> Iterator[Verdict]:
    """Each case is written once; it is recovered from a copy in each round."""
    for number, case in enumerate(CASES):
        place = folder / f"recovery-{number}"
        place.mkdir()
        yield from _case(case, place, rounds)


def _case(case: Case, place: Path, rounds: int) -> Iterator[Verdict]:
    written = place / "written"
    written.mkdir()
    port = free_port()
    site = ["--path", str(_site(place)), "--pythonpath", str(PAGES)]
    launch = blueprint(case.title, written, port, site)
    _process("write", case, written, launch, -signal.SIGKILL)
    size = sum(path.stat().st_size for path in (written / "web.journal").iterdir())
    print(f"{case.title}: {RECORDS:,} records, {size / 1e6:.0f} MB", file=sys.stderr)
    rates = json.loads(_process("read", case, written, launch, 0, str(rounds)))
    for ours, peer in zip(rates["replay"], rates["pickle"], strict=True):
        print(f"{case.title}: {ours:,.0f}/s; pickle.loads {peer:,.0f}/s", file=sys.stderr)
    yield Verdict(
        f"records replayed, {case.title} / pickle.loads of them",
        f"{median(rates['replay']):,.0f}/s",
        f"{median(rates['pickle']):,.0f}/s",
        paired_ratio(rates["replay"], rates["pickle"]),
        judged=median(rates["replay"]),
        bound="at least",
        target=case.rate,
        unit="/s",
    )
    killed: list[float] = []
    stopped: list[float] = []
    for number in range(rounds):
        home = place / f"round-{number}"
        shutil.copytree(written, home)
        killed.append(_first_answer(case, launch, home, port))
        stopped.append(_first_answer(case, launch, home, port))
        print(
            f"{case.title}: first answer {killed[-1]:.2f} s after a kill,"
            f" {stopped[-1]:.2f} s after a stop",
            file=sys.stderr,
        )
        shutil.rmtree(home)
    yield Verdict(
        f"first answer after a kill, {RECORDS:,} {case.title} / after a stop",
        f"{median(killed):.2f} s",
        f"{median(stopped):.2f} s",
        paired_ratio(killed, stopped),
        judged=median(killed),
        bound="at most",
        target=SECONDS,
        unit=" s",
    )


def _site(place: Path) -> Path:
    site = place / "site"
    site.mkdir()
    shutil.copy(PAGES / "total.rpy", site)
    return site


def _first_answer(case: Case, launch: Launch, home: Path, port: int) -> float:
    """Seconds from the start of the process to its first answer, which has to tell every change."""
    began = time.perf_counter()
    launch = attrs.evolve(launch, environment={"PERDURE_HOME": str(home / "perdure")})
    process = start(launch, home, CORES)
    try:
        while (answer := ask(port, PAGE)) is None:
            if process.poll() is not None or time.perf_counter() - began > LIMIT:
                raise ServerError(case.title, (home / "output").read_text().strip())
        seconds = time.perf_counter() - began
    finally:
        stop(process, LIMIT)
    if not answer.endswith(f"<p>{RECORDS}</p>\n".encode()):
        raise ServerError(case.title, f"tells {answer[-20:]!r}, and not {RECORDS}")
    return seconds


def _process(
    action: str, case: Case, folder: Path, launch: Launch, status: int, *words: str
) -> str:
    command = [sys.executable, "-m", __name__, action, case.name, str(case.count), *words]
    root = str(Path(__file__).parent.parent)
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, **launch.environment, "PYTHONPATH": root},
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
    )
    if done.returncode != status:
        raise ServerError(case.title, f"{action} failed: {done.stderr.strip()[-300:]}")
    return done.stdout


# What the processes do, in the folder of the state.


def write(name: str, count: int) -> NoReturn:
    """Journal all changes, each in a turn of its own, and be killed once they are secured."""
    loader = Loader(Signer.of_user(), (), ())
    built = loader.load(Path("web.snap"))
    application = built.application
    store = FolderStore(Path().absolute(), application.name)
    beginning = begin(application, built, store, loader)
    kind = _kind(name)

    async def work() -> None:
        keeper = Keeper(Keeping(beginning, store, loader), "relaxed")
        keeper.open()
        for number in range(RECORDS):
            with application.turn() as turn:
                _count(application.registry, kind, str(number % count))
                if number == RECORDS - 1:
                    await turn.durable()
            if not number % 1000:
                await asyncio.sleep(0)
        os.kill(os.getpid(), signal.SIGKILL)

    asyncio.run(work())
    raise AssertionError("it was killed")


def read(name: str, count: int, rounds: int) -> dict[str, list[float]]:
    """Records a second: read and replayed to an application, and given to `pickle.loads` alone."""
    del name, count
    loader = Loader(Signer.of_user(), (), ())
    key = journal_key(loader.signer)
    folder = Path().absolute() / "web.journal"
    payloads = [payload for _, payload in JournalReader(folder, "web", key).records(0)]
    assert len(payloads) >= RECORDS

    def replayed() -> None:
        application = loader.load(Path("web.snap")).application
        records = JournalReader(folder, "web", key).records(0)
        replay(application, records, Policy.everything())

    def loaded() -> None:
        for payload in payloads:
            pickle.loads(payload)

    sides: dict[str, Callable[[], None]] = {"replay": replayed, "pickle": loaded}
    rates: dict[str, list[float]] = {name: [] for name in sides}
    for side in sides.values():
        side()
    for _ in range(rounds):
        for name, side in sides.items():
            begun = time.perf_counter()
            side()
            rates[name].append(len(payloads) / (time.perf_counter() - begun))
    return rates


def _count(registry: Registry, kind: type[Any], key: str) -> None:
    registry.get_component(kind, name=key, default=kind).count()


def _kind(name: str) -> type[Any]:
    kind: type[Any] = getattr(importlib.import_module("notes"), name)
    return kind


def main(action: str, name: str, count: str, *words: str) -> None:
    """Do one thing, in the folder of the state."""
    sys.path.append(str(PAGES))
    if action == "write":
        write(name, int(count))
    print(json.dumps(read(name, int(count), int(words[0]))))


if __name__ == "__main__":
    main(*sys.argv[1:])
