"""``rundaemon``: run an application from its snapshot, and save its state when it stops."""

import logging
import math
import os
import sys
from pathlib import Path
from typing import Any

import click

from .command import (
    Choice,
    KindGroup,
    debug_option,
    notes,
    run,
    sentence,
    status_of,
    version_option,
)
from .daemon import open_standard
from .sealkey import key_options
from .trustoptions import trust_key_option

_FOLDER = click.Path(path_type=Path, exists=True, file_okay=False)
_FILE = click.Path(path_type=Path, dir_okay=False)
_REHEARSAL_LIMIT = 600.0


class _Mask(click.ParamType[int | None]):
    name = "octal"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> int | None:
        try:
            mask = int(value, 8)
        except ValueError:
            mask = -1
        if not 0 <= mask <= 0o777:
            self.fail(f"expected an octal mask such as 027, got {value!r}", param, ctx)
        return mask


class _Minutes(click.FloatRange):
    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        minutes = float(super().convert(value, param, ctx))
        if not math.isfinite(minutes):
            self.fail(f"expected a number of minutes, got {value!r}", param, ctx)
        return minutes


FIRST = [
    click.Option(["-f", "--file"], type=_FILE, help="Run the application in this snapshot."),
    click.Option(
        ["-y", "--python"],
        type=click.Path(path_type=Path, exists=True, dir_okay=False),
        help="Run the variable 'application' of this Python file.",
    ),
    click.Option(
        ["-l", "--logfile"],
        metavar="FILE",
        help="The server's log; '-' is standard output. Default: NAME.log in the run folder, "
        "or '-' with -n. Rotated at 1 MB and on SIGHUP.",
    ),
]
"""Options that stand before a KIND only: a kind may have its own of these names."""

SHARED = [
    click.Option(["-n", "--nodaemon"], is_flag=True, default=False, help="Stay in the foreground."),
    click.Option(["--pidfile"], type=_FILE, help="Default: NAME.pid in the run folder."),
    click.Option(
        ["-d", "--rundir"], type=_FOLDER, help="Change to this folder first. Default: this one."
    ),
    click.Option(
        ["--statedir"],
        type=_FOLDER,
        help="Where the state is kept. Default: the folder of the snapshot.",
    ),
    click.Option(
        ["--umask"], type=_Mask(), help="Octal. Default: 077 for a daemon, unchanged with -n."
    ),
    click.Option(["-u", "--uid"], help="The user to run as: a name or a number."),
    click.Option(["-g", "--gid"], help="The group to run as: a name or a number."),
    click.Option(
        ["--chroot"],
        type=_FOLDER,
        help="Make this folder the root. What the application serves is looked up inside; "
        "--statedir, as seen from outside, must be in there too.",
    ),
    click.Option(
        ["--fresh"],
        is_flag=True,
        default=False,
        help="Start without earlier state; it is kept as a generation.",
    ),
    click.Option(
        ["--no-save"], is_flag=True, default=False, help="Do not write the state at the end."
    ),
    click.Option(
        ["--durability"],
        type=click.Choice(["durable", "relaxed", "checkpoint"]),
        default="durable",
        show_default=True,
        help="What a reply that a client has got can rely on. durable: what it tells of survives a "
        "loss of power; relaxed: it survives the end of the process however it comes; "
        "checkpoint: it is saved at the next checkpoint.",
    ),
    click.Option(
        ["--checkpoint-every"],
        type=_Minutes(min=0.01),
        default=15.0,
        show_default=True,
        metavar="MINUTES",
        help="Save all of the state that often, if it changed, while it runs; also on SIGUSR1.",
    ),
    click.Option(
        ["--keep"],
        type=click.IntRange(min=1),
        default=5,
        show_default=True,
        help="How many older states to keep.",
    ),
    click.Option(
        ["--trust"],
        multiple=True,
        metavar="MODULE",
        help="A module whose classes a snapshot of somebody else may name; repeatable.",
    ),
    trust_key_option(),
    *key_options(),
    click.Option(
        ["--rehearse"],
        is_flag=True,
        default=False,
        help="Start nothing and write nothing: tell what a start would make of the state with the "
        "code of today, and leave with the status that it would have. Also beside a server that "
        "runs.",
    ),
    click.Option(
        ["--rehearsal-limit"],
        type=click.FloatRange(min=0, min_open=True),
        metavar="SECONDS",
        help="With --rehearse: how long it may take; 600 by default.",
    ),
    click.Option(
        ["--pythonpath"],
        multiple=True,
        type=_FOLDER,
        help="A folder where modules of the application are found; repeatable.",
    ),
    debug_option("Log more, and show the traceback of a failure."),
]

COMMAND = KindGroup(
    "rundaemon",
    invoke_without_command=True,
    subcommand_metavar="[KIND [OPTIONS]]",
    params=[*FIRST, version_option()],
    shared=SHARED,
    help="Run an application: of a snapshot (-f), of a Python file (-y), or of a KIND built on "
    "the spot.\n\nIt starts with the newest state this application has, and writes its state "
    "when it stops (TERM or INT).",
)


def main() -> None:
    """The command ``rundaemon``."""
    open_standard()
    status = run(COMMAND, "rundaemon")
    logging.shutdown()
    sys.stdout.flush()
    # Threads that scripts have started must not keep a server that has saved its state; nor is
    # there any use in taking gigabytes of objects apart.
    os._exit(status)


@COMMAND.result_callback()
def _run(choice: Choice | None, **options: Any) -> int:
    from . import sealkey
    from .daemon import Terminal, detach
    from .server import Server

    sources = [bool(options["file"]), bool(options["python"]), choice is not None]
    if sum(sources) != 1:
        raise click.UsageError("say what to run: one of -f SNAPSHOT, -y CONFIG.py, or a KIND")
    if not options["nodaemon"] and options["logfile"] == "-":
        raise click.UsageError("a daemon has no standard output: --logfile - goes with -n")
    is_rehearsed, limit = options.pop("rehearse"), options.pop("rehearsal_limit")
    if limit is not None and not is_rehearsed:
        raise click.UsageError("--rehearsal-limit goes with --rehearse")
    keyring = sealkey.keyring(options)
    server = Server(choice=choice, keyring=keyring, **_absolute(options))
    # Now, while there is a terminal: once it is a daemon nobody can be asked.
    server.unlock_first()
    if is_rehearsed:
        from .rehearsal import rehearse

        return rehearse(server, _REHEARSAL_LIMIT if limit is None else limit)
    if options["nodaemon"]:
        return server.run(Terminal("rundaemon").announce)
    pipe = detach("rundaemon")
    try:
        return server.run(pipe.announce)
    except BaseException as error:  # noqa: BLE001 the parent waits for word of any end
        pipe.announce(status_of(error), sentence(error), notes(error))
        return status_of(error)


def _absolute(options: dict[str, Any]) -> dict[str, Any]:
    """The options with every path absolute, before the working folder changes."""
    options["rundir"] = options["rundir"] or Path()
    if options["logfile"] not in (None, "-"):
        options["logfile"] = str(Path(options["logfile"]).absolute())
    options["pythonpath"] = [folder.absolute() for folder in options["pythonpath"]]
    return {
        key: value.absolute() if isinstance(value, Path) else value
        for key, value in options.items()
    }
