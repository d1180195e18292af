"""Applications of other protocols inside the container, against the servers made for them."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from . import peers
from .claims import Verdict
from .http import Comparison, Page, installed, measured
from .ours import ours
from .peers import BIN, PAGES
from .servers import Launch, Server, running

_FOUND = ["--pythonpath", str(PAGES)]


def _against(
    claim: str, name: str, peer: str, target: float, *, varied: bool = False
) -> Comparison:
    return Comparison(claim, Page(name, varied=varied), Page(peer, varied=varied), target)


COMPARISONS = [
    _against("ASGI hello / uvicorn", "ours ASGI", "uvicorn, no log", 0.8),
    _against(
        "ASGI hello, no two requests alike / uvicorn",
        "ours ASGI",
        "uvicorn, no log",
        0.8,
        varied=True,
    ),
    _against("WSGI hello / waitress", "ours WSGI", "waitress", 1),
    _against(
        "WSGI hello, no two requests alike / waitress", "ours WSGI", "waitress", 1, varied=True
    ),
]


def waitress() -> Server:
    """waitress, with as many threads as ours has, on a bare WSGI function. It writes no log."""

    def launch(folder: Path, port: int) -> Launch:
        listen = f"--listen=127.0.0.1:{port}"
        command = [str(BIN / "waitress-serve"), listen, "--threads=8", "wsgi_hello:hello"]
        return Launch(command, {"PYTHONPATH": str(PAGES)})

    return Server("waitress", str(BIN / "waitress-serve"), launch)


def servers() -> list[Server]:
    """Every server that a comparison names. Ours is as it is for everybody: its state is durable."""
    return [
        ours("ours ASGI", ["--asgi", "asgi_hello:hello", *_FOUND]),
        ours("ours WSGI", ["--wsgi", "wsgi_hello:hello", *_FOUND]),
        peers.uvicorn("--no-access-log", name="uvicorn, no log"),
        waitress(),
    ]


def run(folder: Path, rounds: int, seconds: int) -> Iterator[Verdict]:
    """Keep every server running, and load one after the other, `rounds` times."""
    with contextlib.ExitStack() as stack:
        instances = {
            server.name: stack.enter_context(running(server, folder))
            for server in installed(servers())
        }
        yield from measured(COMPARISONS, instances, rounds, seconds)
