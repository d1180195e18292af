"""What a client was told is there after kill -9, at whatever moment that comes."""

import asyncio
import subprocess
import sys

import pytest

from bench.crash import MISFORTUNES, Lab
from bench.visitors import LostError

from .conftest import ROOT


@pytest.mark.parametrize("misfortune", MISFORTUNES)
@pytest.mark.parametrize("durability", ["durable", "relaxed"])
def test_what_was_acknowledged_is_there(
    lab: Lab, kills: int, misfortune: str, durability: str
) -> None:
    lab.options += ("--durability", durability)
    asyncio.run(lab.lives([misfortune] * kills, starts=0))
    print(lab.tally)
    assert lab.tally.kills.total() == kills
    assert lab.tally.replies


def test_a_start_that_is_killed_loses_nothing(lab: Lab, kills: int) -> None:
    asyncio.run(lab.lives(["at a checkpoint"] * kills, starts=0.6))
    print(lab.tally)


def test_the_lab_notices_what_is_lost(lab: Lab) -> None:
    lab.options += ("--durability", "checkpoint")
    with pytest.raises(LostError, match="clients were told"):
        asyncio.run(lab.lives(["under load"], starts=0))


@pytest.mark.parametrize(
    ("durability", "status", "said"),
    [("durable", 0, "nothing that was acknowledged is lost"), ("checkpoint", 1, "lost: ")],
)
def test_it_is_a_tool_for_users_as_well(durability: str, status: int, said: str) -> None:
    arguments = ("crash", "--kills", "1", "--seed", "3", "--durability", durability)
    done = subprocess.run(
        [sys.executable, "-m", "bench", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == status, done
    assert said in done.stdout + done.stderr
    assert "1 kills: " in done.stdout
