"""Work in a forked child: what it returns, and that it leaves the parent's world alone."""

import asyncio
import atexit
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from perdure.persist.checkpoint import ChildError, in_child

_OOM = Path("/proc/self/oom_score_adj")


def test_it_sees_the_memory_of_the_instant() -> None:
    async def scenario() -> None:
        values = [1]
        task = asyncio.ensure_future(in_child(lambda: repr(values).encode(), patience=20))
        await asyncio.sleep(0)
        values.append(2)
        assert (await task).result == b"[1]"

    asyncio.run(scenario())


def test_what_it_raises_is_told() -> None:
    def work() -> bytes:
        raise OSError("no space left on it")

    with pytest.raises(ChildError, match="no space left on it"):
        asyncio.run(in_child(work, patience=20))


def test_a_lock_held_by_another_thread_costs_the_child_and_nothing_else() -> None:
    lock, held, done = threading.Lock(), threading.Event(), threading.Event()

    def hold() -> None:
        with lock:
            held.set()
            done.wait()

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait()

    def work() -> bytes:
        with lock:
            return b"never"

    try:
        with pytest.raises(ChildError, match=r"did nothing for 0\.2 s"):
            asyncio.run(in_child(work, patience=0.2))
    finally:
        done.set()
        thread.join()


def test_a_child_that_works_is_waited_for_however_long_it_takes() -> None:
    def work() -> bytes:
        begun = time.process_time()
        while time.process_time() < begun + 2:
            pass
        return b"done"

    assert asyncio.run(in_child(work, patience=0.9)).result == b"done"


def test_a_signal_to_the_child_does_not_reach_the_parent() -> None:
    async def scenario() -> list[int]:
        heard: list[int] = []
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, heard.append, 1)

        def work() -> bytes:
            os.kill(os.getpid(), signal.SIGTERM)
            return b"survived"

        with pytest.raises(ChildError):
            await in_child(work, patience=20)
        return heard

    assert asyncio.run(scenario()) == []


def test_it_keeps_no_port_and_no_file_of_its_parent(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    with kept.open("w") as file, socket.create_server(("127.0.0.1", 0)) as listening:
        numbers = {file.fileno(), listening.fileno()}

        def work() -> bytes:
            open_now = {int(name) for name in os.listdir("/proc/self/fd")}
            return repr(sorted(numbers & open_now)).encode()

        assert asyncio.run(in_child(work, patience=20)).result == b"[]"


def test_it_gives_way_to_its_parent() -> None:
    def work() -> bytes:
        return str(os.getpriority(os.PRIO_PROCESS, 0)).encode()

    before = os.getpriority(os.PRIO_PROCESS, 0)
    assert int(asyncio.run(in_child(work, patience=20)).result) == min(19, before + 10)


@pytest.mark.skipif(not _OOM.exists(), reason="the system does not say whom it ends first")
def test_it_is_the_first_to_be_ended_when_memory_runs_out() -> None:
    assert asyncio.run(in_child(_OOM.read_bytes, patience=20)).result == b"1000\n"


def test_nothing_that_is_to_run_at_exit_runs_in_it(tmp_path: Path) -> None:
    note = tmp_path / "note"
    told = atexit.register(note.write_text, "it ran")
    try:
        asyncio.run(in_child(lambda: b"done", patience=20))
    finally:
        atexit.unregister(told)
    assert not note.exists()


_ORPHAN = """
import asyncio, os, time
from perdure.persist.checkpoint import in_child

def work():
    os.write(1, b"%d\\n" % os.getpid())
    time.sleep(100)

asyncio.run(in_child(work, patience=100))
"""


def test_it_dies_with_its_parent() -> None:
    with subprocess.Popen([sys.executable, "-c", _ORPHAN], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        child = os.pidfd_open(int(parent.stdout.readline()))
        parent.kill()
    try:

        async def ended() -> None:
            done = asyncio.Event()
            asyncio.get_running_loop().add_reader(child, done.set)
            await asyncio.wait_for(done.wait(), 20)

        asyncio.run(ended())
    finally:
        os.close(child)


def test_cancelling_kills_it() -> None:
    async def scenario() -> None:
        def work() -> bytes:
            signal.pause()
            return b""

        task = asyncio.ensure_future(in_child(work, patience=100))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        with pytest.raises(ChildProcessError):
            os.waitpid(-1, os.WNOHANG)  # noqa: ASYNC222 - it does not wait

    asyncio.run(scenario())
