"""``appstore``: look after the state of an application: what is kept, whether it is sound, what happened.

Nothing of the application's own code is imported, but by ``recover``, which does again what the
journal says.
"""

import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from ..persist.collector import collector_off
from .command import complain, debug_option, report, run, say, version_option
from .moment import Moment
from .sealkey import key_options
from .trustoptions import trust_key_option

if TYPE_CHECKING:
    from ..persist.standing import TrustedKey
    from .subject import Subject

PROGRAM: Final = "appstore"
_FOLDER: Final = click.Path(path_type=Path, exists=True, file_okay=False)
_ANY_FILE: Final = click.Path(path_type=Path)


def main() -> None:
    """The command ``appstore``."""
    # Who reads only the beginning of what is said, as `head` does, ends us without a word.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    if sys.stdout is None:  # pyright: ignore[reportUnnecessaryComparison]
        complain(PROGRAM, "standard output is closed; give it a file, or /dev/null")
        os._exit(os.EX_IOERR)
    try:
        status = run(COMMAND, PROGRAM)
        sys.stdout.flush()
    except OSError as error:
        status = report(PROGRAM, error)
    # There is no use in taking gigabytes of objects apart.
    os._exit(status)


def _list(subject: "Subject", as_json: bool) -> int:
    from ..persist.trust import Signer
    from . import storetext
    from .progress import Progress
    from .storeview import look

    with Progress.shown() as progress, collector_off():
        progress.say(f"reading {subject.folder}")
        view = look(subject.store(), Signer.of_user(), whole=False)
    if as_json:
        import json

        click.echo(json.dumps(view.facts(), indent=2))
        return os.EX_OK
    for line in storetext.listing(view):
        say(line)
    return os.EX_OK


def _verify(subject: "Subject") -> int:
    from ..persist.trust import Signer
    from . import storecheck, storetext
    from .progress import Progress
    from .storeview import look

    signer = Signer.of_user()
    # Without its key much of what is sealed can be checked, and nobody is asked for it.
    subject.keyring.ask = None
    with Progress.shown() as progress, collector_off():
        progress.say(f"reading {subject.folder}")
        view = look(subject.store(), signer, whole=True)
        progress.say("reading all records")
        found = [*storecheck.problems(view, signer)]
    for line in storecheck.sound(view):
        say(line)
    for problem in found:
        complain(PROGRAM, problem.text)
    say(storetext.start(view))
    return max((problem.status for problem in found), default=os.EX_OK)


def _log(
    subject: "Subject",
    component: str | None,
    since: float | None,
    last: int | None,
    reveal: bool,
) -> int:
    from ..persist.trust import Signer
    from .storelog import Choice, Log

    log = Log(subject.store(), Signer.of_user(), lambda line: complain(PROGRAM, line))
    with collector_off():
        shown = False
        for line in log.lines(Choice(component, since, last, reveal)):
            shown = True
            say(line)
    if not shown:
        complain(PROGRAM, f"{subject.name}: there is no such record")
    return log.status


def _recover(
    subject: "Subject",
    at: float | None,
    sequence: int | None,
    output: Path | None,
    force: bool,
    trust: Sequence[str],
    trust_keys: Sequence["TrustedKey"],
    pythonpath: Sequence[Path],
) -> int:
    from ..app.loader import Loader
    from ..app.rewind import Moment as Wanted
    from ..persist.trust import Signer
    from . import storerecovery

    if (at is None) == (sequence is None):
        raise click.UsageError("say to which moment: one of --at TIME, --sequence NUMBER")
    if at is not None and at > time.time():
        raise click.UsageError("--at is in the future")
    if output is not None:
        _check_output(output, force)
    elif force:
        raise click.UsageError("--force goes with -o")
    folders = [str(folder.absolute()) for folder in pythonpath]
    loader = Loader(Signer.of_user(), trust, folders, trust_keys, subject.keyring)
    recovery = storerecovery.Recovery(subject, loader, Wanted(at, sequence))
    for line in recovery.install() if output is None else recovery.write(output):
        say(line)
    return os.EX_OK


def _export(
    subject: "Subject", state: str, output: Path | None, form: str | None, force: bool
) -> int:
    from ..convert import convert
    from ..persist import snapshot
    from ..persist.formats.format import FormatError
    from ..persist.snapshot import SnapshotError
    from ..persist.trust import Owner
    from .progress import Progress

    path = subject.state(state)
    form = form or (output and convert.form_of(output)) or "pickle"
    if output is None:
        which = "newest" if path.parent == subject.folder else path.name.partition(".")[0]
        output = convert.target_of(Path(f"{subject.name}-{which}.snap"), form)
    to_output = str(output) == "-"
    if to_output and form == "pickle" and sys.stdout.isatty():
        raise click.UsageError("a binary snapshot is not for a terminal; name a file with -o")
    if not to_output:
        _check_output(output, force)
    with Progress.shown() as progress, collector_off():
        progress.say(f"reading {path}")
        owner = Owner.of(path)
        found = snapshot.read(path, keyring=subject.keyring)
        signer = None if form == convert.HTML else convert.signer_for(found, owner)
        try:
            if to_output:
                for piece in convert.pieces(found, form, signer):
                    sys.stdout.buffer.write(piece)
                return os.EX_OK
            convert.write(found, output, form, signer, progress.watch)
        except FormatError as error:
            raise SnapshotError.of(path, error) from error
    stranger = "" if signer or form == convert.HTML else f"; not signed, as {path} is not yours"
    say(f"{output}: {path} as {form}, up to record {found.passport.sequence}{stranger}")
    return os.EX_OK


def _check_output(output: Path, force: bool) -> None:
    from ..convert import convert

    if str(output) == "-":
        raise click.UsageError("this is not written to standard output; name a file with -o")
    convert.check_target(output, force=force)


def _prune(subject: "Subject", keep: int) -> int:
    from ..app import privileges
    from ..convert.brief import in_words
    from . import storeprune, storetext
    from .progress import Progress
    from .subject import identity_of

    store = subject.store()
    identity = identity_of(store)
    with Progress.shown() as progress, store.lock(), collector_off():
        privileges.drop(identity)
        progress.say("reading what stays")
        removed = storeprune.prune(store, keep)
    for each in removed:
        say(f"removed {each.path.relative_to(store.folder)}")
    room = in_words(sum(each.size for each in removed))
    say(f"{storetext.count(len(removed), 'file')} removed, {room} more room")
    return os.EX_OK


COMMAND: Final = click.Group(
    PROGRAM,
    no_args_is_help=False,
    params=[version_option()],
    help="Look after the state of an application.\n\nAPPLICATION is its name, or one of its"
    " snapshots. Only recover imports code of the application.",
)


def _command(
    function: Callable[..., int], name: str, params: Sequence[click.Parameter], text: str
) -> None:
    def call(application: str, statedir: Path | None, debug: bool, **options: Any) -> int:
        from . import sealkey
        from .subject import Subject

        keyring = sealkey.keyring(options)
        return function(Subject.of(application, statedir, keyring), **options)

    own = [param for param in params if isinstance(param, click.Argument)]
    others = [param for param in params if not isinstance(param, click.Argument)]
    shared = [
        click.Option(
            ["--statedir"],
            type=_FOLDER,
            help="Where the state is kept. Default: the folder of the snapshot, or this one.",
        ),
        *key_options(),
        debug_option(),
    ]
    arguments = [click.Argument(["application"]), *own]
    COMMAND.add_command(
        click.Command(name, callback=call, params=[*arguments, *others, *shared], help=text)
    )


_command(
    _list,
    "list",
    [
        click.Option(
            ["--json", "as_json"], is_flag=True, default=False, help="All of it, for programs."
        )
    ],
    "Say which states and records are kept, and what a start would take.",
)
_command(
    _verify,
    "verify",
    [],
    "Read everything, and say what is damaged and what is lost by it. Exit status 0: all is sound.",
)
_command(
    _log,
    "log",
    [
        click.Option(
            ["--component"], metavar="KEY", help="Only of this one, such as visits.Counter."
        ),
        click.Option(["--since"], type=Moment(), help="Only from this time on."),
        click.Option(
            ["--last"], type=click.IntRange(min=1), metavar="N", help="Only the last so many."
        ),
        click.Option(
            ["--reveal"], is_flag=True, default=False, help="Show the values of secret fields, too."
        ),
    ],
    "Show the records of the journal: what changed, and when.",
)
_command(
    _recover,
    "recover",
    [
        click.Option(["--at"], type=Moment(), help="The time, such as 2026-11-21T12:30:00Z."),
        click.Option(
            ["--sequence"], type=click.IntRange(min=0), metavar="N", help="The number of a record."
        ),
        click.Option(
            ["-o", "--output"],
            type=_ANY_FILE,
            help="Write it to this file, and leave what is kept as it is.",
        ),
        click.Option(
            ["--force"], is_flag=True, default=False, help="Replace the file that is there."
        ),
        click.Option(
            ["--trust"],
            multiple=True,
            metavar="MODULE",
            help="A module whose classes a snapshot of somebody else may name; repeatable.",
        ),
        trust_key_option(),
        click.Option(
            ["--pythonpath"],
            multiple=True,
            type=_FOLDER,
            help="A folder where modules of the application are found; repeatable.",
        ),
    ],
    "Make the state as it was at a time, or after a record, the newest: the next start takes it.\n\n"
    "The application must not run. It does again what the journal says, with the application's code.",
)
_command(
    _export,
    "export",
    [
        click.Argument(["state"], metavar="STATE"),
        click.Option(
            ["-o", "--output"], type=_ANY_FILE, help="The file to write; '-' is standard output."
        ),
        click.Option(
            ["--to", "form"],
            type=click.Choice(["xml", "source", "pickle", "html"]),
            help="The syntax. Default: what the name of the file promises.",
        ),
        click.Option(
            ["--force"], is_flag=True, default=False, help="Replace the file that is there."
        ),
    ],
    "Write a state as a snapshot: STATE is the number of a generation, or 'newest'.",
)
_command(
    _prune,
    "prune",
    [
        click.Option(
            ["--keep"],
            type=click.IntRange(min=1),
            required=True,
            metavar="N",
            help="How many older states stay.",
        )
    ],
    "Remove older states, and the records that only they need, once the others are proven sound.\n\n"
    "The application must not run.",
)
