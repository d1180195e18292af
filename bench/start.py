"""How long a command takes until it is of use, against an interpreter that does nothing."""

import contextlib
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

from .claims import Verdict, paired_ratio
from .ours import HELLO, blueprint
from .peers import BIN
from .servers import START_LIMIT, ServerError, free_port, start, stop

REPEATS = 15
NOTHING = [sys.executable, "-c", "pass"]
REQUEST = "GET {} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"


def run(folder: Path) -> Iterator[Verdict]:
    """Fifteen of each, in turn; limits are milliseconds on the project's kind of machine."""
    help_command = [str(BIN / "mkapp"), "--help"]
    yield _verdict("mkapp --help", 250, lambda: _seconds(help_command))
    yield _verdict("rundaemon -n to first answer", 600, lambda: _first_answer(folder))


def _verdict(claim: str, limit: float, act: Callable[[], float]) -> Verdict:
    act()
    ours: list[float] = []
    peer: list[float] = []
    for _ in range(REPEATS):
        ours.append(act() * 1000)
        peer.append(_seconds(NOTHING) * 1000)
    return Verdict(
        claim=f"{claim} / python -c pass",
        ours=f"{median(ours):.0f} ms",
        peer=f"{median(peer):.0f} ms",
        ratio=paired_ratio(ours, peer),
        judged=median(ours),
        bound="at most",
        target=limit,
        unit=" ms",
    )


def _seconds(command: list[str]) -> float:
    began = time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, timeout=30, check=True)
    return time.perf_counter() - began


def _first_answer(folder: Path) -> float:
    """From the start of the process to the last octet of its answer; it resumes its own state."""
    place = folder / "start"
    place.mkdir(exist_ok=True)
    port = free_port()
    launch = blueprint("ours hello", place, port, HELLO)
    began = time.perf_counter()
    process = start(launch, place)
    try:
        while ask(port, "/") is None:
            if process.poll() is not None or time.perf_counter() - began > START_LIMIT:
                raise ServerError("ours hello", (place / "output").read_text().strip())
        return time.perf_counter() - began
    finally:
        stop(process)


def ask(port: int, path: str) -> bytes | None:
    """The whole answer, if it is a success; None if there is none yet."""
    with contextlib.suppress(ConnectionRefusedError):
        with socket.create_connection(("127.0.0.1", port), timeout=START_LIMIT) as connection:
            connection.sendall(REQUEST.format(path).encode())
            answer = b""
            while part := connection.recv(65536):
                answer += part
        if answer.startswith(b"HTTP/1.1 200 "):
            return answer
    # Asking faster than this would take the time from the server that it needs to start.
    time.sleep(0.002)
    return None
