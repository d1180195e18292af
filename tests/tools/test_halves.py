"""The commands, killed while a page waits in the middle of its work: it is done, or it is not."""

import signal
import threading
from pathlib import Path

import httpx2
import pytest

from .conftest import Running, Workshop

MODULE = """
import asyncio

begun = asyncio.Event()
going_on = asyncio.Event()


class Left:
    value = 100


class Right:
    value = 0
"""
MOVE = """
import accounts
from perdure.app.web.resource import Resource


class Page(Resource):
    is_leaf = True

    async def render_GET(self, request):
        request.registry.get_component(accounts.Left, default=accounts.Left).value -= 10
        accounts.begun.set()
        await accounts.going_on.wait()
        request.registry.get_component(accounts.Right, default=accounts.Right).value += 10
        return "moved"


resource = Page()
"""
BEGUN = """
import accounts
from perdure.app.web.resource import Resource


class Page(Resource):
    is_leaf = True

    async def render_GET(self, request):
        await accounts.begun.wait()
        return "begun"

    def render_POST(self, request):
        accounts.going_on.set()
        return "goes on"


resource = Page()
"""
LOOK = """
import accounts
from perdure.app.web.resource import Resource


class Page(Resource):
    is_leaf = True

    def render_GET(self, request):
        get = request.registry.get_component
        left = get(accounts.Left, default=accounts.Left)
        right = get(accounts.Right, default=accounts.Right)
        return f"{left.value} {right.value}"


resource = Page()
"""


@pytest.fixture(name="bank")
def bank_fixture(workshop: Workshop) -> Workshop:
    site: Path = workshop.folder / "bank"
    site.mkdir()
    for name, text in (
        ("accounts.py", MODULE),
        ("move.rpy", MOVE),
        ("begun.rpy", BEGUN),
        ("look.rpy", LOOK),
    ):
        (site / name).write_text(text)
    workshop.mkapp("web", "--path", site, "--port", "0")
    return workshop


def checkpoint(server: Running) -> None:
    server.process.send_signal(signal.SIGUSR1)
    assert server.process.stdout is not None
    assert any("checkpoint " in line for line in server.process.stdout)


@pytest.mark.parametrize("is_done", [False, True])
def test_a_page_killed_in_its_middle_is_done_or_not(bank: Workshop, *, is_done: bool) -> None:
    server = bank.start("-f", "web.snap")
    assert server.get("look.rpy") == "100 0"
    moved: list[str] = []

    def move() -> None:
        try:
            moved.append(server.get("move.rpy"))
        except httpx2.TransportError:
            moved.append("")  # It was killed.

    client = threading.Thread(target=move)
    client.start()
    assert server.get("begun.rpy") == "begun"
    checkpoint(server)
    if is_done:
        httpx2.post(f"{server.url}begun.rpy")
        client.join()
    server.stop(signal.SIGKILL)
    client.join()
    server = bank.start("-f", "web.snap")
    assert "takes the state of" in server.said
    assert (server.get("look.rpy"), moved) == (("90 10", ["moved"]) if is_done else ("100 0", [""]))
