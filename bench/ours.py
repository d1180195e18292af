"""Perdure as a user runs it: built by `mkapp web`, run by `rundaemon -n`."""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from .peers import BIN, PAGES
from .servers import Launch, Server, ServerError

HELLO = ["--class", "hello.Hello", "--pythonpath", str(PAGES)]
LOGGED = ["--logfile", "access.log"]


def ours(name: str, options: list[str], run: Sequence[str] = ()) -> Server:
    """The server that `mkapp web` builds of `options`, all but where it listens and is written.

    `run` are further options of `rundaemon`.
    """

    def launch(folder: Path, port: int) -> Launch:
        return blueprint(name, folder, port, options, run)

    return Server(name, str(BIN / "rundaemon"), launch)


def blueprint(
    name: str, folder: Path, port: int, options: list[str], run: Sequence[str] = ()
) -> Launch:
    """Write `web.snap` into `folder`, and say how it is run."""
    # The key that signs snapshots is made here too, not among the user's own.
    environment = {"PERDURE_HOME": str(folder / "perdure")}
    listen = f"tcp:{port}:interface=127.0.0.1"
    command = [str(BIN / "mkapp"), "web", "--listen", listen, "--output", "web.snap", *options]
    built = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    if built.returncode:
        raise ServerError(name, f"mkapp failed: {built.stderr.strip()}")
    started = [str(BIN / "rundaemon"), "-n", "-f", "web.snap", "--logfile", "-", *run]
    return Launch(started, environment)
