"""Going into the background, and telling the terminal how it went.

The command that a person typed returns only when the server accepts connections, or with the
reason why it does not. So the process forks before it opens anything; the parent waits on a
pipe for one message, a line of JSON, and repeats it on the terminal. It does not wait for the
pipe's end: a process that a service forks would keep that open.
"""

import json
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import NoReturn, Protocol

import attrs

from .command import complain


class Announce(Protocol):
    """Says how a start went."""

    def __call__(self, status: int, line: str, notices: Sequence[str] = ()) -> None:
        """Say `line`, and before it each of `notices`, on standard error."""


@attrs.frozen
class Terminal:
    """The foreground: lines go to the terminal itself."""

    program: str

    def announce(self, status: int, line: str, notices: Sequence[str] = ()) -> None:
        """Say `line`: how the start went (`status` 0), or why there was none; first `notices`."""
        for notice in notices:
            complain(self.program, notice)
        if status == os.EX_OK:
            with suppress(OSError):
                print(f"{self.program}: {line}", flush=True)
        else:
            complain(self.program, line)


@attrs.frozen
class Pipe:
    """The background: the first message goes to the waiting parent, later ones nowhere."""

    writer: int

    def announce(self, status: int, line: str, notices: Sequence[str] = ()) -> None:
        """Tell the parent, which leaves with `status`; the log has it as well."""
        with suppress(OSError):
            os.write(self.writer, json.dumps([status, line, *notices]).encode() + b"\n")
        with suppress(OSError):
            os.close(self.writer)


def open_standard() -> None:
    """Give descriptors 0 to 2 to the null device where the caller has closed them.

    Else the next file that is opened would get the number: the lock would be taken for standard
    input, and what is printed written into the journal.
    """
    while (opened := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(opened, True)
    os.close(opened)
    sys.stdin = sys.stdin or open(0, closefd=False)  # noqa: SIM115 it stays as long as we do
    sys.stdout = sys.stdout or open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = sys.stderr or open(2, "w", closefd=False)  # noqa: SIM115


def detach(program: str) -> Pipe:
    """Become a daemon; returns in the daemon only. The caller's process ends here.

    Forks twice with a new session between, so that the daemon has no terminal and cannot get
    one; descriptors 0 to 2 become the null device and all others are closed. Call it before any thread or event loop
    exists. The working folder and the umask are left to the caller.
    """
    reader, writer = os.pipe2(os.O_CLOEXEC)
    if child := os.fork():
        os.close(writer)
        os.waitpid(child, 0)
        _repeat(program, reader)
    os.close(reader)
    os.setsid()
    if os.fork():
        os._exit(os.EX_OK)
    null = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(null, standard)
    # What the caller's shell had open is not ours to keep: a pipe would wait, a lock would stay.
    os.closerange(3, writer)
    os.closerange(writer + 1, os.sysconf("SC_OPEN_MAX"))
    return Pipe(writer)


def _repeat(program: str, reader: int) -> NoReturn:
    with os.fdopen(reader, "rb") as pipe:
        message = pipe.readline()
    if not message.endswith(b"\n"):
        complain(program, "the server died before it was ready; its log may say why")
        sys.stderr.flush()
        os._exit(os.EX_SOFTWARE)
    status, line, *notices = json.loads(message)
    Terminal(program).announce(status, line, notices)
    os._exit(status)
