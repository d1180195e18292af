"""A full disk: what would change something is refused until there is room, and nothing is lost."""

import asyncio
import os
import random
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2
import pytest

from bench.crash import Lab, Life
from bench.crowd import Crowd, get
from bench.visitors import Claim, everything, watched

from ..tools.conftest import Workshop

# So much is written at each visit that the disk is full soon.
PAGE = """
import os
from perdure.app.web.resource import Resource

class Counter:
    def __init__(self):
        self.value = 0
        self.ballast = b""

counter = registry.get_component(Counter, default=Counter)

class Page(Resource):
    is_leaf = True
    def render_GET(self, request):
        counter.value += 1
        counter.ballast = os.urandom(60_000)
        return f"visitor {counter.value}."

resource = Page()
"""
AGAIN = "the state can be saved again"


@pytest.fixture
def small(lab: Lab) -> Iterator[Path]:
    """A folder on a disk of 32 MB, the one for checkpoints if no other is asked for."""
    lab.is_strict = False
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("only root can mount a small disk")
    folder = lab.folder / "web.generations"
    folder.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=32m", "tmpfs", folder],
        check=False,
        capture_output=True,
    )
    if done.returncode:
        pytest.skip("no disk can be mounted here")
    yield folder
    # The servers may end after this.
    subprocess.run(["umount", "--lazy", folder], check=True)


@pytest.fixture
def filler(lab: Lab, small: Path) -> Path:
    """What is to fill the small disk on which the lab keeps its state."""
    (lab.site / "counter.rpy").write_text(PAGE)
    lab.options += ("--statedir", str(small))
    return small / "filler"


def fill(path: Path) -> None:
    """Leave no room on the disk of `path`."""
    with path.open("wb", buffering=0) as file:
        try:
            while file.write(bytes(1 << 16)):
                pass
        except OSError:
            pass


def contents(folder: Path) -> dict[Path, bytes]:
    """Of all files in it, but for the lock's, which says who had it last."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".lock"]
    return {path: path.read_bytes() for path in files}


@pytest.mark.parametrize("claims", [everything, watched])
def test_changes_are_refused_until_there_is_room_and_none_is_lost(
    lab: Lab, filler: Path, claims: Callable[[], list[Claim]]
) -> None:
    """Where no mutation is called, what was answered 503 has not happened: clients see to that."""
    lab.claims = claims()

    async def full(life: Life, crowd: Crowd, chance: random.Random) -> None:
        for times in (1, 2):
            await crowd.until(100, 200)
            fill(filler)
            await crowd.until(200, 503)
            address = f"http://127.0.0.1:{life.port}/counter.rpy"
            refused = await asyncio.to_thread(httpx2.get, address)
            assert refused.status_code == 503
            assert int(refused.headers["Retry-After"]) > 0
            assert "counter.rpy" in await get(life.port, ""), "reads go on"
            filler.unlink()
            await life.says(AGAIN, times)
        await crowd.until(200, 200)

    said = asyncio.run(lab.life("with a full disk", full))
    assert said.count(AGAIN) == 2
    asyncio.run(lab.check())


def test_a_kill_while_the_disk_is_full_loses_nothing(lab: Lab, filler: Path) -> None:
    async def full(life: Life, crowd: Crowd, chance: random.Random) -> None:
        await crowd.until(100, 200)
        fill(filler)
        await crowd.until(chance.choice((1, 10, 100)), 503)

    for _ in range(2):
        asyncio.run(lab.life("with a full disk", full))
        filler.unlink()
    asyncio.run(lab.check())


def test_a_checkpoint_that_finds_no_room_is_taken_when_there_is(lab: Lab, small: Path) -> None:
    """The journal has a disk of its own here: changes go on."""

    async def full(life: Life, crowd: Crowd, chance: random.Random) -> None:
        fill(small / "filler")
        await crowd.until(100)
        life.process.send_signal(signal.SIGUSR1)
        await life.says("no checkpoint now")
        await crowd.until(100)
        assert [path.name for path in small.iterdir()] == ["filler"]
        (small / "filler").unlink()
        await life.says("checkpoint /")
        await crowd.until(100)
        assert set(crowd.statuses) == {200}

    said = asyncio.run(lab.life("with a full disk", full))
    assert "No space left on device" in said
    assert "a fault" not in said
    asyncio.run(lab.check())


def test_what_cannot_be_saved_at_the_end_for_lack_of_room_is_in_the_journal(
    lab: Lab, filler: Path
) -> None:
    async def full(life: Life, crowd: Crowd, chance: random.Random) -> None:
        await crowd.until(100, 200)
        fill(filler)
        life.process.send_signal(signal.SIGTERM)
        crowd.leave()
        assert await life.process.wait() == os.EX_IOERR

    said = asyncio.run(lab.life("with a full disk", full))
    assert "free some space" in said
    filler.unlink()
    asyncio.run(lab.check())


def test_a_start_that_finds_no_room_changes_nothing(
    workshop: Workshop, site: Path, small: Path
) -> None:
    workshop.mkapp("web", "--path", site, "--port", "0")
    arguments = ("-f", "web.snap", "--statedir", str(small))
    server = workshop.start(*arguments)
    for _ in range(3):
        server.get("counter.rpy")
    server.stop(signal.SIGKILL)
    fill(small / "filler")
    before = contents(small)
    result = workshop.run("rundaemon", "-n", *arguments)
    assert result.status == os.EX_IOERR
    assert "free some space" in result.err
    assert contents(small) == before
    (small / "filler").unlink()
    assert "visitor 4" in workshop.start(*arguments).get("counter.rpy")
