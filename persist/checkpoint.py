"""Work done by a forked child, on the memory as it was at the instant of the fork.

The parent stands still for the fork alone, some milliseconds for each gigabyte; the child has a copy of
everything, takes its time, writes what it has to write and ends. Nothing that the child does may
reach the parent's world: it keeps no port, no lock and no signal of the parent's, runs no handler at
its exit, and dies with its parent.
"""

import asyncio
import contextlib
import ctypes
import gc
import os
import signal
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar, Final

import attrs

from .errors import PerdureError

_RESULT_LIMIT: Final = 1 << 15  # what a pipe holds with nobody reading
_DEATH_SIGNAL: Final = 1  # PR_SET_PDEATHSIG, see prctl(2)
_HEADROOM: Final = 1.2
_NICENESS: Final = 10


@attrs.define
class ChildError(PerdureError):
    """The child did not do its work. `reason` says why; the parent is as it was."""

    exit_status: ClassVar[int] = os.EX_SOFTWARE
    reason: str

    def __str__(self) -> str:
        return self.reason


@attrs.define
class ForkError(ChildError):
    """The system gives no child."""


@attrs.frozen
class Done:
    """What the child returned, and what it cost."""

    result: bytes
    pause: float
    """For how many seconds the parent stood still."""


def check_memory() -> None:
    """Raise `ChildError` unless there is memory for a child that copies nearly everything.

    Reference counts are written to wherever an object is looked at, so nine tenths of the pages
    become the child's own. What it writes comes on top of that, as much again where it is large
    texts; for lack of that the system ends the child, and never the parent in its stead. Where the system does not say what it has, nothing is refused.
    """
    try:
        size = os.sysconf("SC_PAGE_SIZE") * int(Path("/proc/self/statm").read_text().split()[1])
        lines = Path("/proc/meminfo").read_text().splitlines()
        available = next(
            int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable")
        )
    except (OSError, ValueError, StopIteration):
        return
    if available < size * _HEADROOM:
        raise ChildError(
            f"a child might need {size * _HEADROOM / 1e9:.1f} GB, and {available / 1e9:.1f} GB are free"
        )


@attrs.frozen
class Child:
    """A child at work. `ended` has to be awaited, and soon."""

    _pid: int
    _process: int
    _reading: int
    _pause: float

    async def ended(self, *, patience: float) -> Done:
        """What the child returned; when it has done nothing for `patience` seconds it is killed.

        Raises `ChildError`; also if the caller is cancelled, the child is killed.
        """
        try:
            status = await _end_of(self._pid, self._process, patience)
            result = _read(self._reading)
        finally:
            os.close(self._reading)
        if status != 0 or not result:
            raise ChildError(_failure(status, result, patience))
        return Done(result[1:], self._pause)


async def in_child(work: Callable[[], bytes], *, patience: float) -> Done:
    """What `work` returns, done in a forked child. See `fork` and `Child.ended`."""
    return await fork(work).ended(patience=patience)


def fork(work: Callable[[], bytes]) -> Child:
    """Have `work` done in a forked child, which returns at most 32 KB.

    Call it where the objects that `work` reads are whole: between two turns. A lock that another
    thread holds at the instant of the fork stays locked in the child for ever: hence the patience.
    `work` may use only files that it opens itself, and threads not at all. Raises `ForkError`.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    try:
        reading, writing = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise _no_child(error) from error
    parent = os.getpid()
    begun = time.monotonic()
    # A collection in the child would touch, and so copy, every page.
    with warnings.catch_warnings():
        # From Python 3.12 on: threads may hold locks. The patience that ends is the answer to that.
        warnings.simplefilter("ignore", DeprecationWarning)
        try:
            child = os.fork()
        except OSError as error:
            os.close(reading)
            os.close(writing)
            raise _no_child(error) from error
    if child == 0:
        _be_the_child(work, writing, parent, libc)
    pause = time.monotonic() - begun
    os.close(writing)
    try:
        process = os.pidfd_open(child)
    except OSError as error:
        os.close(reading)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        raise _no_child(error) from error
    return Child(child, process, reading, pause)


def _no_child(error: OSError) -> ForkError:
    return ForkError(f"no process can be started: {os.strerror(error.errno or 0)}")


def _be_the_child(work: Callable[[], bytes], writing: int, parent: int, libc: ctypes.CDLL) -> None:
    status = 1
    try:
        gc.disable()
        # First of all: a signal sent to the child would wake the parent's loop.
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):
            signal.signal(number, signal.SIG_DFL)
        # A Ctrl-C at the terminal goes to both; the parent decides.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        libc.prctl(_DEATH_SIGNAL, signal.SIGKILL)
        if os.getppid() != parent:
            return
        _close_all_but(writing)
        os.nice(_NICENESS)
        _be_expendable()
        result = work()
        os.write(writing, b"+" + result[:_RESULT_LIMIT])
        status = 0
    except BaseException as error:  # noqa: BLE001 - told to the parent, whatever it is
        with contextlib.suppress(OSError):
            text = str(error) or type(error).__name__
            os.write(writing, b"-" + text.encode("utf-8", "replace")[:_RESULT_LIMIT])
    finally:
        os._exit(status)


def _be_expendable() -> None:
    # If memory runs out all the same, the system ends this process and not the server.
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")


def _close_all_but(kept: int) -> None:
    # Listening sockets would keep their ports; the file of a lock would keep it locked. /proc does
    # not say which there are: not in a root of one's own, nor to who was another user before.
    os.closerange(3, kept)
    os.closerange(kept + 1, os.sysconf("SC_OPEN_MAX"))


async def _end_of(child: int, process: int, patience: float) -> int:
    """The exit status of `child`, which is killed when it stands still. Never blocks the loop."""
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    loop.add_reader(process, ended.set)
    used = 0.0
    try:
        while True:
            # How long it takes depends on how much there is; a limit of hours would leave one that
            # hangs alone for hours.
            with contextlib.suppress(TimeoutError):
                # `wait_for` of Python 3.11 forgets a cancellation that comes with the event.
                async with asyncio.timeout(patience):
                    await ended.wait()
                break
            used, before = _processor_time(child), used
            if used == before:
                signal.pidfd_send_signal(process, signal.SIGKILL)
                break
    except BaseException:
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(process, signal.SIGKILL)
        os.waitpid(child, 0)  # noqa: ASYNC222 - it was killed
        raise
    finally:
        loop.remove_reader(process)
        os.close(process)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])  # noqa: ASYNC222 - it has ended


def _processor_time(process: int) -> float:
    """The seconds that a process has worked. Its clock's number: see clock_getcpuclockid(3)."""
    return time.clock_gettime((~process << 3) | 2)


def _read(reading: int) -> bytes:
    try:
        return os.read(reading, _RESULT_LIMIT + 1)
    except BlockingIOError:
        return b""


def _failure(status: int, result: bytes, patience: float) -> str:
    if result:
        return result[1:].decode("utf-8", "replace")
    if status == -signal.SIGKILL:
        return f"its child did nothing for {patience:g} s, or was killed"
    return f"its child ended with status {status} and said nothing"
