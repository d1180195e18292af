"""What a forked child could do to its server, and what could become of it: none of that does harm."""

import io
import os
import resource
import select
import signal
import socket
import sys
import threading
import time
from pathlib import Path
from typing import Any

import attrs
import httpx2
import pytest

from perdure.app import keeper as keepers
from perdure.app.application import Application
from perdure.app.keeper import Keeper
from perdure.persist.checkpoint import ChildError
from perdure.persist.trust import Signer

from ..app.lives import House, Tally, visit
from ..tools.conftest import Running, Workshop

# In a child it tells that it is there, and waits to be let through.
MODULE = """
import os


class Slow:
    def __init__(self, folder):
        self.folder = folder
        self.home = os.getpid()

    def __getstate__(self):
        if os.getpid() != self.home:
            with open(self.folder + "/arrived", "w") as arrived:
                arrived.write(f"{os.getpid()}\\n")
            with open(self.folder + "/through"):
                pass
        return {"folder": self.folder}

    def __setstate__(self, state):
        self.__init__(state["folder"])
"""
PAGE = """
from slow import Slow

from perdure.app.web.resource import Resource

slow = registry.get_component(Slow, default=lambda: Slow({folder!r}))


class Page(Resource):
    def render_GET(self, request):
        return "slow"


resource = Page()
"""


@attrs.define(eq=False)
class Place:
    """A server whose checkpoints take until they are let through."""

    workshop: Workshop
    port: int

    def start(self) -> Running:
        return self.workshop.start("-f", "web.snap")

    def child(self) -> int:
        """The child that has arrived; a handle to it that outlasts it."""
        return os.pidfd_open(int((self.workshop.folder / "arrived").read_text()))

    def let_through(self) -> None:
        (self.workshop.folder / "through").write_text("")


@pytest.fixture
def place(workshop: Workshop, site: Path) -> Place:
    (site / "slow.py").write_text(MODULE)
    (site / "slow.rpy").write_text(PAGE.format(folder=str(workshop.folder)))
    for name in ("arrived", "through"):
        os.mkfifo(workshop.folder / name)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    workshop.mkapp("web", "--path", site, "--port", str(port))
    return Place(workshop, port)


def begun(server: Running) -> None:
    """It has a state that is slow to save."""
    assert server.get("slow.rpy") == "slow"
    assert "visitor 1" in server.get("counter.rpy")


def says(server: Running, words: str) -> str:
    assert server.process.stdout is not None
    return next(line for line in server.process.stdout if words in line)


def ended(child: int) -> None:
    """Return when it has."""
    assert select.select([child], [], [], 30)[0], "it goes on"
    os.close(child)


def test_an_orphan_keeps_neither_the_port_nor_the_lock(place: Place) -> None:
    server = place.start()
    begun(server)
    server.process.send_signal(signal.SIGUSR1)
    child = place.child()
    server.stop(signal.SIGKILL)
    again = place.start()
    assert again.url == server.url
    assert "visitor 2" in again.get("counter.rpy")
    ended(child)
    assert not list(place.workshop.folder.rglob(".checkpoint*")), "what it had begun is removed"


def test_the_child_of_a_daemon_dies_with_it(place: Place) -> None:
    workshop = place.workshop
    assert workshop.run("rundaemon", "-f", "web.snap").status == 0
    daemon = int((workshop.folder / "web.pid").read_text())
    handle = os.pidfd_open(daemon)
    try:
        for page in ("slow.rpy", "counter.rpy"):
            assert httpx2.get(f"http://127.0.0.1:{place.port}/{page}").status_code == 200
        os.kill(daemon, signal.SIGUSR1)
        child = place.child()
    finally:
        os.kill(daemon, signal.SIGKILL)
    ended(handle)
    ended(child)
    assert "visitor 2" in place.start().get("counter.rpy")


def test_the_server_answers_while_its_child_takes_its_time(place: Place) -> None:
    server = place.start()
    begun(server)
    server.process.send_signal(signal.SIGUSR1)
    child = place.child()
    for number in range(2, 20):
        assert f"visitor {number}." in server.get("counter.rpy")
    place.let_through()
    assert "000001.snap" in says(server, "checkpoint ")
    ended(child)
    server.stop(signal.SIGKILL)
    again = place.start()
    assert "18 changes" in again.said
    assert "visitor 20." in again.get("counter.rpy")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGKILL])
def test_a_signal_to_the_child_is_none_to_the_server(place: Place, number: signal.Signals) -> None:
    server = place.start()
    begun(server)
    server.process.send_signal(signal.SIGUSR1)
    child = place.child()
    signal.pidfd_send_signal(child, number)
    ended(child)
    assert "the next attempt is in" in says(server, "no checkpoint now")
    assert "visitor 2" in server.get("counter.rpy")
    assert server.process.poll() is None


def test_an_interrupt_from_the_terminal_is_left_to_the_server(place: Place) -> None:
    server = place.start()
    begun(server)
    server.process.send_signal(signal.SIGUSR1)
    child = place.child()
    signal.pidfd_send_signal(child, signal.SIGINT)
    place.let_through()
    assert "000001.snap" in says(server, "checkpoint ")
    ended(child)


def test_a_stop_gives_up_the_checkpoint_and_saves(place: Place) -> None:
    server = place.start()
    begun(server)
    server.process.send_signal(signal.SIGUSR1)
    child = place.child()
    assert "visitor 2" in server.get("counter.rpy")
    result = server.stop()
    assert result.status == os.EX_OK
    assert "is saved in" in result.out
    ended(child)
    assert not list(place.workshop.folder.rglob(".checkpoint*"))
    assert "visitor 3" in place.start().get("counter.rpy")


def test_signals_that_come_during_a_checkpoint_are_one_more_checkpoint(place: Place) -> None:
    server = place.start()
    begun(server)
    server.process.send_signal(signal.SIGUSR1)
    first = place.child()
    for _ in range(3):
        server.process.send_signal(signal.SIGUSR1)
        server.get("")
    place.let_through()
    second = place.child()
    ended(first)
    place.let_through()
    assert "000001.snap" in says(server, "checkpoint ")
    assert "000002.snap" in says(server, "checkpoint ")
    ended(second)
    result = server.stop()
    assert "checkpoint " not in result.out.replace(server.said, "")


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path, Signer.of_user(tmp_path / "key"))


@attrs.define(eq=False)
class InChild:
    """Does what `act` says when it is saved by another process than the one it was made in."""

    act: Any
    home: int = attrs.field(factory=os.getpid)

    def __getstate__(self) -> dict[str, Any]:
        if os.getpid() != self.home:
            self.act()
        return {}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.act = None


async def fails(house: House, keeper: Keeper, application: Application, why: str) -> None:
    with pytest.raises(ChildError, match=why):
        await keeper.checkpoint()
    assert not house.generations
    await visit(application)


def test_a_child_that_hangs_is_killed_and_the_next_one_is_well(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes a lock that another thread had at the fork."""
    monkeypatch.setattr(keepers, "_CHILD_PATIENCE", 0.3)
    lock, held, done = threading.Lock(), threading.Event(), threading.Event()

    def hold() -> None:
        with lock:
            held.set()
            done.wait()

    def take() -> None:
        with lock:
            pass

    thread = threading.Thread(target=hold)

    async def work(application: Application, keeper: Keeper) -> None:
        application.registry.set_component(InChild, InChild(take))
        await visit(application, 2)
        await fails(house, keeper, application, r"did nothing for 0\.3 s")
        done.set()
        thread.join()
        monkeypatch.setattr(keepers, "_CHILD_PATIENCE", 60)
        await keeper.checkpoint()

    thread.start()
    held.wait()
    try:
        house.run(work)
    finally:
        done.set()
        thread.join()
    assert len(house.generations) == 1
    assert house.found() == 3


def test_a_child_without_memory_costs_nothing_but_the_checkpoint(house: House) -> None:
    def eat() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (1 << 28, 1 << 28))
        bytearray(1 << 30)

    async def work(application: Application, keeper: Keeper) -> None:
        application.registry.set_component(InChild, InChild(eat))
        await visit(application, 2)
        await fails(house, keeper, application, "MemoryError")

    house.run(work)
    assert house.found() == 3


def test_a_thread_that_is_in_the_middle_of_a_print_does_not_hold_the_child(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its lock is in the child as well; so the child must write to no file of the parent's."""
    reading, writing = os.pipe()
    full = io.TextIOWrapper(io.BufferedWriter(io.FileIO(writing, "wb")), write_through=True)
    amount = 1 << 22
    thread = threading.Thread(target=lambda: full.write("x" * amount))

    async def work(application: Application, keeper: Keeper) -> None:
        await visit(application, 2)
        with monkeypatch.context() as patch:
            patch.setattr(sys, "stdout", full)
            patch.setattr(sys, "stderr", full)
            await keeper.checkpoint()

    thread.start()
    # As soon as anything can be read it is in the middle: a pipe does not take it all.
    left = amount - len(os.read(reading, 1))
    house.run(work)
    while left:
        left -= len(os.read(reading, 1 << 16))
    thread.join()
    full.close()
    os.close(reading)
    assert len(house.generations) == 1


def test_a_turn_that_waits_is_whole_whether_or_not_a_checkpoint_came_between(house: House) -> None:
    async def work(application: Application, keeper: Keeper) -> None:
        with application.turn() as turn:
            first = application.registry.get_component(Tally, default=Tally)
            second = application.registry.get_component(Tally, name="other", default=Tally)
            first.value += 1
            await keeper.checkpoint()
            second.value += 1
            await turn.durable()

    house.run(work)
    components = house.begin().application.registry.components
    assert [tally.value for tally in components.values() if isinstance(tally, Tally)] == [1, 1]


def test_a_flood_of_signals_while_it_forks_is_survived(place: Place, site: Path) -> None:
    (site / "slow.rpy").unlink()
    server = place.start()
    for number in range(1, 100):
        server.process.send_signal(signal.SIGUSR1 if number % 2 else signal.SIGHUP)
        if number % 10 == 0:
            assert f"visitor {number // 10}." in server.get("counter.rpy")
    while not list((place.workshop.folder / "web.generations").glob("*.snap")):
        time.sleep(0.001)
    result = server.stop()
    assert result.status == os.EX_OK, result
    assert "no checkpoint" not in result.out
    assert "visitor 10." in place.start().get("counter.rpy")
