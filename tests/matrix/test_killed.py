"""Whoever is killed while states of an earlier release are brought up and saved loses nothing."""

import json
import random
import shutil
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from .conftest import Matrix
from .releases import expected

COMMANDS = Path(sys.executable).parent
LAST = 4


def first(matrix: Matrix, folder: Path, syntax: str, days: int = 3) -> list[int]:
    """A state of the first release, that ended by a crash; the releases of its days."""
    numbers = list(range(1, days + 1))
    jobs: list[list[Any]] = [["live", folder, syntax, numbers[:-1], "stop"]]
    jobs.append(["live", folder, syntax, numbers[-1:]])
    assert matrix.do(1, jobs) == [None, None]
    return [1] * days


@pytest.mark.parametrize("syntax", ["pickle", "xml", "source"])
def test_at_any_operation_of_the_disk(
    matrix: Matrix, tmp_path: Path, syntax: str, kills: int
) -> None:
    days = first(matrix, tmp_path / "0", syntax)
    # How many there are is known once one was not killed.
    counts: list[list[Any]] = []
    for last in (10, 20, 40, 80, 160):
        shutil.copytree(tmp_path / "0", tmp_path / f"count {last}")
        counts.append(["die", tmp_path / f"count {last}", syntax, [4, 5], last])
    killed = matrix.do(LAST, counts)
    most = next(job[4] for job, was_killed in zip(counts, killed, strict=True) if not was_killed)
    places = sorted(random.sample(range(1, most + 1), min(kills * 2, most)))
    jobs: list[list[Any]] = []
    for last in places:
        folder = tmp_path / str(last)
        shutil.copytree(tmp_path / "0", folder)
        jobs.append(["die", folder, syntax, [4, 5], last])
        jobs += [["look", folder, syntax], ["live", folder, syntax, [], "stop"]]
        jobs.append(["look", folder, syntax])
    found = matrix.do(LAST, jobs)
    pictures = [expected([*days, *[LAST] * more], LAST) for more in range(3)]
    for number in range(0, len(jobs), 4):
        _, seen, stopped, again = found[number : number + 4]
        assert seen in pictures, jobs[number]
        assert (stopped, again) == (None, seen), jobs[number]


def test_at_any_time_of_a_start(matrix: Matrix, tmp_path: Path, kills: int) -> None:
    days = first(matrix, tmp_path, "pickle", 100)
    environment = {**matrix.environment, "PYTHONPATH": str(matrix.code(LAST))}
    make = "web", "--port", "0", "--output", "shop.snap", "--path", matrix.code(LAST)
    subprocess.run([COMMANDS / "mkapp", *make], cwd=tmp_path, env=environment, check=True)
    taken = 0.0
    for number in range(kills + 1):
        begun = time.monotonic()
        server = subprocess.Popen(
            [COMMANDS / "rundaemon", "-n", "-f", "shop.snap"],
            cwd=tmp_path,
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert server.stdout is not None
        if number == 0:
            assert any("runs as process" in line for line in server.stdout)
            taken = time.monotonic() - begun
        else:
            # What comes first is Python itself: nothing is at stake there.
            delay = taken * (0.3 + 0.7 * number / kills) * random.uniform(0.8, 1.1)
            with suppress(subprocess.TimeoutExpired):
                server.wait(delay)
        server.kill()
        server.communicate()
        assert matrix.do(LAST, [["look", tmp_path, "pickle"]]) == [expected(days, LAST)]
    # And then it is stopped, which saves what was brought up.
    server = subprocess.Popen(
        [COMMANDS / "rundaemon", "-n", "-f", "shop.snap"],
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert server.stdout is not None
    assert any("runs as process" in line for line in server.stdout)
    server.terminate()
    server.communicate()
    assert server.returncode == 0
    assert matrix.do(LAST, [["look", tmp_path, "pickle"]]) == [expected(days, LAST)]
    # The state of old is a generation now, and comes up like any other.
    [old, *_] = sorted((tmp_path / "shop.generations").glob("*.snap"))
    [found] = matrix.do(LAST, [["load", old]])
    assert json.dumps(found) == json.dumps(expected(days[:-1], LAST))
