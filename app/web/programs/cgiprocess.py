"""The process of a CGI script: started, fed, listened to, and ended with all that it has started."""

import asyncio
import contextlib
import errno
import logging
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Sequence
from typing import Final

from ....persist.errors import PerdureError
from .cgibody import CGIBody
from .cgilimits import CGILimits
from .cgipipe import Pipe
from .cgireply import CGIError

_GRACE: Final = 2.0
"""For a script that was asked to end (SIGTERM), before it is made to."""

_AFTER: Final = 1.0
"""For one that has closed its output; and for what it has left behind, with that still open."""

_LONGEST: Final = 1000

_ending: Final = set["asyncio.Task[None]"]()

_report = logging.getLogger("perdure.web")


class CGIProcess:
    """One run of the script at `path`, in a session of its own.

    It has the three standard streams and no other descriptor of ours. Raises `CGIError` if it cannot
    be started. `end` has to be awaited, whatever happens.

    It is started by `subprocess`, and not by the event loop: uvloop forks, which takes the longer the
    more memory the server has (25 ms with 500 MB), while this, by vfork, takes a fifth of a
    millisecond always.
    """

    def __init__(
        self,
        path: str,
        command: Sequence[str],
        environment: dict[bytes, bytes],
        body: CGIBody,
        limits: CGILimits,
    ) -> None:
        self._path = path
        self._limits = limits
        self._loop = asyncio.get_running_loop()
        self._failure: PerdureError | None = None
        stdin = subprocess.DEVNULL if body.is_empty else subprocess.PIPE
        try:
            self._popen = subprocess.Popen(
                command,
                bufsize=0,
                cwd=os.path.dirname(path),
                env=environment,
                start_new_session=True,
                stdin=stdin if body.file is None else body.file,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
        except OSError as error:
            raise CGIError(path, _refusal(command[0], error), 500) from error
        assert self._popen.stdout is not None
        assert self._popen.stderr is not None
        self._output, errors = Pipe(self._popen.stdout), Pipe(self._popen.stderr)
        self._pipes = [self._output, errors]
        self._tasks = [self._loop.create_task(self._listen(errors))]
        if self._popen.stdin is not None:
            pipe = Pipe(self._popen.stdin)
            self._pipes.append(pipe)
            self._tasks.append(self._loop.create_task(self._feed(pipe, body)))
        self._timers: list[asyncio.TimerHandle] = []
        if limits.time is not None:
            late = CGIError(path, f"it ran for {limits.time} s", 504)
            self._timers.append(self._loop.call_later(limits.time, self._fail, late))
        self._look = self._loop.call_later(_AFTER, self._look_behind)
        try:
            _restrain(self._popen.pid, limits)
        except OSError as error:
            self._fail(CGIError(path, f"its limits cannot be set: {error.strerror}", 500))

    async def read(self) -> bytes:
        """The next piece of its output; empty at the end. Raises what kept it from coming."""
        piece = await self._output.read()
        if self._failure is not None:
            raise self._failure
        return piece

    async def exhaust(self) -> None:
        """Lets it come to its end; what it prints is dropped. Raises as `read` and `finish`."""
        while await self.read():
            await asyncio.sleep(0)
        await self.finish()

    async def finish(self) -> None:
        """To be called at the end of its output: raises `CGIError` if it did not come to that itself.

        A script that closed its output and goes on is given a second.
        """
        if not await self._gone(_AFTER):
            return
        state = _state(self._popen.pid)
        if state is None:
            return
        if state.si_code != os.CLD_EXITED:
            name = signal.Signals(state.si_status).name
            raise CGIError(self._path, f"it was ended by {name}")
        if state.si_status:
            _report.warning("%s: it ended with status %d", self._path, state.si_status)

    async def end(self) -> None:
        """Ends what is still there of it and its like, and returns when it is gone.

        Whoever waits for it may be cancelled meanwhile, as when a client leaves with the end of its
        reply: it goes on all the same.
        """
        ending = self._loop.create_task(self._end())
        _ending.add(ending)
        ending.add_done_callback(_ending.discard)
        try:
            await asyncio.shield(ending)
        except asyncio.CancelledError:
            await asyncio.wait([ending])
            raise

    async def _end(self) -> None:
        for timer in self._timers:
            timer.cancel()
        self._look.cancel()
        for task in self._tasks[1:]:
            task.cancel()
        self._output.close()
        try:
            if not self._has_ended():
                self._signal(signal.SIGTERM)
                await self._gone(_GRACE)
        finally:
            # Also what it has left behind. Its number is its own as long as it has not been reaped.
            self._signal(signal.SIGKILL)
            await self._reap()

    async def _reap(self) -> None:
        try:
            if not await self._gone(_GRACE):
                _report.error("%s: process %d cannot be ended", self._path, self._popen.pid)
            # Only what has left its session can still hold the error output open.
            _, late = await asyncio.wait(self._tasks, timeout=_AFTER)
            for task in late:
                task.cancel()
        finally:
            self._popen.poll()
            # Here, too: a task that was cancelled before it began has closed nothing.
            for pipe in self._pipes:
                pipe.close()

    def _has_ended(self) -> bool:
        return self._popen.returncode is not None or _state(self._popen.pid) is not None

    async def _gone(self, seconds: float) -> bool:
        """Whether it has ended, at the latest `seconds` from now.

        Looked for again and again: it is asked only when the end is near, and watching children by
        signals would be for the whole process to agree on.
        """
        deadline = self._loop.time() + seconds
        pause = 0.0005
        while not self._has_ended():
            if self._loop.time() >= deadline:
                return False
            await asyncio.sleep(pause)
            pause = min(pause * 2, 0.05)
        return True

    def _signal(self, number: int) -> None:
        if self._popen.returncode is None:
            # Members of its group may run as somebody else.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._popen.pid, number)

    def _look_behind(self) -> None:
        """Ends what still holds the output open after it has ended: its client waits for that."""
        if self._has_ended():
            self._end_soon()
        else:
            self._look = self._loop.call_later(_AFTER, self._look_behind)

    def _end_soon(self) -> None:
        self._signal(signal.SIGTERM)
        self._timers.append(self._loop.call_later(_GRACE, self._signal, signal.SIGKILL))

    def _fail(self, failure: PerdureError) -> None:
        """Ends it; whoever reads its output, now or later, gets `failure`."""
        if self._failure is None:
            self._failure = failure
            self._output.close()
            self._end_soon()

    async def _feed(self, pipe: Pipe, body: CGIBody) -> None:
        try:
            async for piece in body.pieces():
                await pipe.write(piece)
        except OSError:
            pass  # it wants no more
        except PerdureError as error:
            self._fail(error)
        finally:
            pipe.close()

    async def _listen(self, pipe: Pipe) -> None:
        """Logs its error output line by line."""
        left = self._limits.complaints
        rest = b""
        while piece := await pipe.read():
            # Who always has something to say shall not have the loop for it.
            await asyncio.sleep(0)
            if left < 0:
                continue
            *lines, rest = (rest + piece).split(b"\n", left + 1)
            rest = rest[:_LONGEST]
            for line in lines:
                left -= 1
                self._log(line, left)
        if rest:
            self._log(rest, left - 1)

    def _log(self, line: bytes, left: int) -> None:
        if left >= 0:
            text = line[:_LONGEST].decode(errors="replace").rstrip("\r")
            shown = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
            _report.warning("%s: %s", self._path, shown)
        elif left == -1:
            _report.warning("%s: it has more to say, which is left out", self._path)


def _refusal(program: str, error: OSError) -> str:
    reason = error.strerror
    # What the system says of these two is said of the script, and meant for its first line.
    if error.errno == errno.ENOENT and os.path.exists(program):
        reason = "what its first line names is not there; install that, or mend the line"
    elif error.errno == errno.ENOEXEC:
        reason = "it is no program; let it begin with a line such as #!/bin/sh"
    return f"{program} cannot be run: {reason}"


def _state(pid: int) -> os.waitid_result | None:
    """How the child `pid` has ended; None if it has not. It is not reaped."""
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)


def _restrain(pid: int, limits: CGILimits) -> None:
    """Has the kernel bound what the process takes. Raises OSError.

    Right after it was started: what could do it before, in the child, is not safe with threads.
    """
    if sys.platform != "linux":
        return
    for kind, value, more in (
        (resource.RLIMIT_CPU, limits.cpu, 1),
        (resource.RLIMIT_AS, limits.memory, 0),
        (resource.RLIMIT_CORE, 0, 0),
    ):
        if value is not None:
            _, most = resource.prlimit(pid, kind)
            hard = value + more if most == resource.RLIM_INFINITY else min(value + more, most)
            resource.prlimit(pid, kind, (min(value, hard), hard))
