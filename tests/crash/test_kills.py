"""What a client was told is there after kill -9, at whatever moment that comes."""

import asyncio
import contextlib
import random
import re
import signal
import subprocess
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from ..tools.conftest import COMMANDS, Running, Workshop
from .crowd import Crowd

Misfortune = Callable[[Running, Crowd, random.Random], Awaitable[None]]
COUNT = re.compile(r"visitor (\d+)")


def count(server: Running) -> int:
    found = COUNT.search(server.get("counter.rpy"))
    assert found
    return int(found[1])


def kill(server: Running) -> str:
    """End it, and give what it said."""
    server.process.kill()
    out, err = server.process.communicate()
    return server.said + out + err


async def under_load(server: Running, crowd: Crowd, chance: random.Random) -> None:
    await crowd.until(chance.choice((1, 20, 300, 3000)))


async def during_checkpoints(server: Running, crowd: Crowd, chance: random.Random) -> None:
    for _ in range(chance.choice((1, 2, 5))):
        await crowd.until(chance.randrange(1, 1000))
        server.process.send_signal(signal.SIGUSR1)
    await crowd.until(chance.choice((1, 10, 50, 100, 200, 400)))


async def during_the_end(server: Running, crowd: Crowd, chance: random.Random) -> None:
    await crowd.until(chance.randrange(1, 500))
    server.process.send_signal(signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        await asyncio.to_thread(server.process.wait, chance.random() * 0.1)


async def checkpoint_and_end(server: Running, crowd: Crowd, chance: random.Random) -> None:
    await crowd.until(chance.randrange(1, 500))
    server.process.send_signal(signal.SIGUSR1)
    await crowd.until(chance.choice((1, 10, 100)))
    await during_the_end(server, crowd, chance)


async def visited(server: Running, misfortune: Misfortune, chance: random.Random) -> Crowd:
    crowd = Crowd()
    await crowd.arrive(server.url)
    await misfortune(server, crowd, chance)
    server.process.kill()
    await crowd.gone()
    return crowd


def killed_while_it_starts(workshop: Workshop, chance: random.Random, *arguments: str) -> None:
    with subprocess.Popen(
        [COMMANDS / "rundaemon", "-n", *arguments],
        cwd=workshop.folder,
        env=workshop.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            process.wait(0.3 + chance.random() * 0.3)
        except subprocess.TimeoutExpired:
            process.kill()


@pytest.mark.parametrize(
    "misfortune", [under_load, during_checkpoints, during_the_end, checkpoint_and_end]
)
@pytest.mark.parametrize("durability", ["durable", "relaxed"])
def test_what_was_acknowledged_is_there(
    workshop: Workshop,
    site: Path,
    kills: int,
    chance: random.Random,
    misfortune: Misfortune,
    durability: str,
) -> None:
    workshop.mkapp("web", "--path", site, "--port", "0")
    arguments = ("-f", "web.snap", "--durability", durability, "--keep", "2")
    highest, most, said = 0, 0, ""
    for _ in range(kills):
        server = workshop.start(*arguments)
        found = count(server) - 1
        assert highest <= found <= most, said + server.said
        highest = most = found + 1
        crowd = asyncio.run(visited(server, misfortune, chance))
        assert not crowd.refused
        highest = max(highest, crowd.highest)
        most = highest + crowd.in_flight
        said = kill(server)
        assert "no checkpoint" not in said
        assert "fault" not in said


def test_a_start_that_is_killed_loses_nothing(
    workshop: Workshop, site: Path, kills: int, chance: random.Random
) -> None:
    workshop.mkapp("web", "--path", site, "--port", "0")
    highest, most = 0, 0
    for _ in range(kills):
        server = workshop.start("-f", "web.snap")
        found = count(server) - 1
        assert highest <= found <= most, server.said
        highest = most = found + 1
        crowd = asyncio.run(visited(server, during_checkpoints, chance))
        kill(server)
        highest = max(highest, crowd.highest)
        most = highest + crowd.in_flight
        for _ in range(2):
            killed_while_it_starts(workshop, chance, "-f", "web.snap")
