"""Memory of a kept connection that has served one request and waits for the next."""

import contextlib
import socket
import sys
from collections.abc import Generator, Iterator
from pathlib import Path
from statistics import median

from . import load
from .claims import Verdict, paired_ratio
from .ours import HELLO, ours
from .peers import uvicorn
from .servers import LOAD_CORE, Running, Server, ServerError, pinned, running

CONNECTIONS = 2000
FIRST = 1000
REQUEST = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


def run(folder: Path, rounds: int) -> Iterator[Verdict]:
    """Start each server anew in each round: memory that was used once is not given back."""
    mine = ours("ours hello, no log", HELLO)
    # Its own five seconds of patience could end while connections are still being opened.
    peer = uvicorn("--no-access-log", "--timeout-keep-alive", "75", name="uvicorn, no log")
    costs: dict[str, list[float]] = {mine.name: [], peer.name: []}
    for number in range(rounds):
        for server in (mine, peer) if number % 2 == 0 else (peer, mine):
            place = folder / f"memory-{number}"
            place.mkdir(exist_ok=True)
            cost = _cost(server, place)
            costs[server.name].append(cost)
            print(
                f"round {number + 1}/{rounds}: {server.name}: {cost:,.0f} B a connection",
                file=sys.stderr,
            )
    yield Verdict.of_ratio(
        f"memory of an idle connection ({CONNECTIONS:,}) / uvicorn",
        f"{median(costs[mine.name]) / 1024:.1f} KB",
        f"{median(costs[peer.name]) / 1024:.1f} KB",
        paired_ratio(costs[mine.name], costs[peer.name]),
        "at most",
        1,
    )


def _cost(server: Server, folder: Path) -> float:
    with running(server, folder) as instance, pinned(LOAD_CORE):
        load.run(instance.url("/"), 1)
        with contextlib.ExitStack() as stack:
            # The first ones live in what the start of the process has left behind.
            opened = [stack.enter_context(_asked(instance)) for _ in range(FIRST)]
            before = instance.memory()
            opened += [stack.enter_context(_asked(instance)) for _ in range(CONNECTIONS)]
            after = instance.memory()
            _still_open(instance, opened)
    return (after - before) / CONNECTIONS


@contextlib.contextmanager
def _asked(instance: Running) -> Generator[socket.socket]:
    """A connection that has had one answer."""
    with socket.create_connection(("127.0.0.1", instance.port), timeout=10) as connection:
        connection.sendall(REQUEST)
        answer = b""
        while not answer.endswith(b"Hello, world!\n"):
            part = connection.recv(65536)
            if not part:
                raise ServerError(instance.server.name, f"closed after {answer[:60]!r}")
            answer += part
        yield connection


def _still_open(instance: Running, connections: list[socket.socket]) -> None:
    for connection in connections:
        connection.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            connection.recv(1)
            raise ServerError(instance.server.name, "did not keep its connections open")
