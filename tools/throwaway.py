"""Work done in a process of its own, that may hang or crash and leaves nothing behind."""

import faulthandler
import json
import os
import re
import resource
import select
import signal
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from typing import Any, ClassVar, Final, NoReturn

import attrs

from ..persist.errors import PerdureError

Tell = Callable[[str], None]
"""Says what is being done from now on: ``restoring the state``."""

_GRACE: Final = 2.0
"""Seconds that a process has to say where it hangs, once it was told to end."""

_WHERE: Final = re.compile(rb'^  File "(.*)", line (\d+) in (.*)$', re.MULTILINE)
_PIECE: Final = 1 << 16


@attrs.define
class _EndedError(PerdureError):
    """The process has ended without an answer. `doing` is what it was at, `where` the place in code."""

    exit_status: ClassVar[int] = os.EX_SOFTWARE
    doing: str
    where: str

    @property
    def _place(self) -> str:
        return f"while it was {self.doing}{f', {self.where}' if self.where else ''}"


@attrs.define
class CrashError(_EndedError):
    """It was ended by a signal, or by code that ends the process; `how` says which."""

    how: str

    def __str__(self) -> str:
        return (
            f"the process {self.how} {self._place}; so would a server's: the fault is in code that is"
            " called there"
        )


@attrs.define
class TimeLimitError(_EndedError):
    """It was ended after `limit` seconds."""

    limit: float

    def __str__(self) -> str:
        return (
            f"it was not done after {self.limit:g} s, and was ended {self._place}; if there is no"
            " fault in what is called there, give it more time"
        )


@attrs.frozen
class Answer:
    """What the work gave, the seconds it took, and the most memory it had, in bytes."""

    value: Any
    seconds: float
    memory: int


def run(work: Callable[[Tell], Any], limit: float) -> Answer:
    """Call `work` in a fork of this process, and give what it returns: what JSON has a form for.

    What it writes to standard output goes to standard error. No byte code is written there, and no
    core file. When it is done, has failed or was not done after `limit` seconds, it ends, and with
    it all processes that it has started and that have made no session of their own. Raises
    `CrashError` or `TimeLimitError`. No thread may run in this process.
    """
    begun = time.monotonic()
    reader, writer = os.pipe2(os.O_CLOEXEC)
    trace = os.memfd_create("trace")
    sys.stdout.flush()
    child = os.fork()
    if not child:
        _work(work, writer, trace)
    os.close(writer)
    watch = os.pidfd_open(child)
    messages = _Messages(reader)
    try:
        is_late = not messages.read(watch, begun + limit)
        if is_late:
            # The handler for this writes where it is.
            os.kill(child, signal.SIGABRT)
            select.select([watch], [], [], _GRACE)
    finally:
        # Its number is its own, and that of its group, until it is waited for.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(child, signal.SIGKILL)
        with suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
        _, status, usage = os.wait4(child, 0)
        where = _where(trace)
        for handle in (reader, watch, trace):
            os.close(handle)
    if messages.answer is not None:
        return Answer(messages.answer[0], time.monotonic() - begun, usage.ru_maxrss << 10)
    if is_late:
        raise TimeLimitError(messages.doing, where, limit)
    raise CrashError(messages.doing, where, _how(os.waitstatus_to_exitcode(status)))


class _Messages:
    """What the process says: lines of JSON, with the answer as the last."""

    def __init__(self, reader: int) -> None:
        os.set_blocking(reader, False)
        self._reader = reader
        self._rest = b""
        self.doing = "beginning"
        self.answer: list[Any] | None = None

    def read(self, watch: int, deadline: float) -> bool:
        """Read until there is an answer, or the process of `watch` has ended; false for too late."""
        while self.answer is None:
            ready, _, _ = select.select(
                [self._reader, watch], [], [], max(0.0, deadline - time.monotonic())
            )
            if not ready:
                return False
            # A process that it has started may keep the pipe open: its end says nothing.
            if not self._take() and watch in ready:
                return True
        return True

    def _take(self) -> bool:
        try:
            piece = os.read(self._reader, _PIECE)
        except BlockingIOError:
            return False
        *lines, self._rest = (self._rest + piece).split(b"\n")
        for line in lines:
            kind, value = json.loads(line)
            if kind == "doing":
                self.doing = value
            else:
                self.answer = [value]
        return bool(piece)


def _work(work: Callable[[Tell], Any], writer: int, trace: int) -> NoReturn:
    """In the child."""
    status = os.EX_SOFTWARE
    try:
        os.setsid()
        resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
        sys.dont_write_bytecode = True
        os.dup2(2, 1)
        faulthandler.enable(trace)

        def send(kind: str, value: Any) -> None:
            line = json.dumps([kind, value]).encode() + b"\n"
            while line:
                line = line[os.write(writer, line) :]

        send("answer", work(lambda doing: send("doing", doing)))
        status = os.EX_OK
    except BaseException:  # noqa: BLE001 - it must not go on as the parent does
        traceback.print_exc()
    finally:
        os._exit(status)


def _how(status: int) -> str:
    if status >= 0:
        return f"ended itself with status {status}"
    try:
        return f"was ended by {signal.Signals(-status).name}"
    except ValueError:
        return f"was ended by signal {-status}"


def _where(trace: int) -> str:
    """The innermost place in code, as the handler of fatal signals has written it; or nothing."""
    text = os.pread(trace, _PIECE, 0)
    found = _WHERE.search(text, max(0, text.find(b"Current thread")))
    if found is None:
        return ""
    file, line, function = (each.decode("ascii", "backslashreplace") for each in found.groups())
    return f"in {function} ({file}, line {line})"
