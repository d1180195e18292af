"""Programs for tests of CGI, and what became of their processes."""

import os
import time
from pathlib import Path
from typing import Any, Final

from perdure.app.web.programs.cgi import CGILimits, CGIScript, CGISettings

HEAD: Final = r"printf 'Content-Type: text/plain\n\n'"
"""What a page in sh begins with."""

ENVIRONMENT: Final = r"""
print "Content-Type: text/plain\n\n", map {"$_=$ENV{$_}\0"} sort keys %ENV;
"""


def program(folder: Path, text: str, name: str = "page.cgi", interpreter: str = "/bin/sh") -> Path:
    """An executable file, whatever the umask."""
    path = folder / name
    path.write_text(f"#!{interpreter}\n{text}\n")
    path.chmod(0o755)
    return path


def perl(folder: Path, text: str, name: str = "page.cgi") -> Path:
    return program(folder, "$| = 1;\n" + text, name, "/usr/bin/perl")


def limited(path: Path, **limits: Any) -> CGIScript:
    return CGIScript(path, settings=CGISettings(limits=CGILimits(**limits)))


def listed(body: bytes) -> dict[str, bytes]:
    """The environment that a page with `ENVIRONMENT` gives."""
    lines = [line.partition(b"=") for line in body.split(b"\0")[:-1]]
    return {name.decode(): value for name, _, value in lines}


def children() -> set[int]:
    """The children of this process, also those that are dead and not reaped."""
    found: set[int] = set()
    for task in Path("/proc/self/task").iterdir():
        found.update(map(int, (task / "children").read_text().split()))
    return found


def is_there(pid: int) -> bool:
    """Whether there is a process of this number, dead ones that nobody reaped included."""
    # An orphan that died waits for the first process of the system, which may be in no hurry.
    state, parent = state_of(pid)
    return not (state == "" or (state == "Z" and parent != os.getpid()))


def state_of(pid: int) -> tuple[str, int]:
    """The letter for the state of a process, and its parent; an empty one if there is no process."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return "", 0
    return fields[0], int(fields[1])


def gone(*pids: int) -> None:
    """Returns when there are no such processes any more."""
    deadline = time.monotonic() + 20
    while any(map(is_there, pids)):
        assert time.monotonic() < deadline, pids
        os.sched_yield()
