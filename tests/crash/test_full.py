"""A full disk: what would change something is refused until there is room, and nothing is lost."""

import asyncio
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from ..tools.conftest import Workshop
from .crowd import Crowd
from .test_kills import count, kill

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


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A folder on a disk of 32 MB."""
    folder = tmp_path / "small"
    folder.mkdir()
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("only root can mount a small disk")
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


def fill(path: Path) -> None:
    """Leave no room on the disk of `path`."""
    with path.open("wb", buffering=0) as file:
        try:
            while file.write(bytes(1 << 16)):
                pass
        except OSError:
            pass


def test_a_full_disk_refuses_changes_until_there_is_room_and_loses_none(
    workshop: Workshop, site: Path, small: Path
) -> None:
    (site / "counter.rpy").write_text(PAGE)
    workshop.mkapp("web", "--path", site, "--port", "0")
    arguments = ("-f", "web.snap", "--statedir", small)
    server = workshop.start(*arguments)

    async def scenario() -> Crowd:
        crowd = Crowd()
        await crowd.arrive(server.url, clients=8)
        for _ in range(2):
            await crowd.until_answered(20)
            fill(small / "filler")
            await crowd.until_refused(50)
            refused = await asyncio.to_thread(httpx2.get, server.url + "counter.rpy")
            assert refused.status_code == 503, refused
            assert int(refused.headers["Retry-After"]) > 0
            read = await asyncio.to_thread(httpx2.get, server.url)
            assert read.status_code == 200, "reads go on"
            (small / "filler").unlink()
        await crowd.until_answered(20)
        server.process.kill()
        await crowd.gone()
        return crowd

    crowd = asyncio.run(scenario())
    assert crowd.statuses == {b"200", b"503"}
    said = kill(server)
    assert said.count("can be saved again") == 2
    server = workshop.start(*arguments)
    assert crowd.highest <= count(server) - 1 <= crowd.highest + crowd.in_flight, server.said


def test_what_cannot_be_saved_at_the_end_for_lack_of_room_is_in_the_journal(
    workshop: Workshop, site: Path, small: Path
) -> None:
    (site / "counter.rpy").write_text(PAGE)
    workshop.mkapp("web", "--path", site, "--port", "0")
    arguments = ("-f", "web.snap", "--statedir", small)
    server = workshop.start(*arguments)
    assert count(server) == 1
    fill(small / "filler")
    result = server.stop()
    assert result.status == os.EX_IOERR
    assert "free some space" in result.err
    (small / "filler").unlink()
    assert count(workshop.start(*arguments)) == 2
