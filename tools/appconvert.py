"""``appconvert``: what can be done to a snapshot without running it.

It is written in another syntax, checked, edited, shown, or compared. Nothing of the application's
own code is imported, but by ``--check --with-code`` and ``--why``, which ask for it.
"""

import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import click

from ..persist.collector import collector_off
from ..persist.errors import PerdureError
from .command import complain, report, run, say
from .convertoptions import parameters
from .parkedview import parked

PROGRAM: Final = "appconvert"
_TROUBLE: Final = 2
_USES: Final = {
    "set": "--set PLACE=VALUE [--set ...] FILE",
    "to": "--to SYNTAX FILE...",
    "check": "--check FILE...",
    "show": "--show [PLACE] FILE",
    "diff": "--diff OLD NEW",
    "why": "--why FILE...",
    "audit": "--audit FILE...",
    "seal": "--seal FILE...",
    "unseal": "--unseal FILE...",
    "parked": "--parked FILE [--rename OLD=NEW | --drop KEY]",
}
# What may be asked for together with another syntax.
_WITH_SYNTAX: Final = frozenset({"set", "seal", "unseal"})


def main() -> None:
    """The command ``appconvert``."""
    # Who reads only the beginning of what is said, as `head` does, ends us without a word.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    if not _has_output():
        complain(PROGRAM, "standard output is closed; give it a file, or /dev/null")
        os._exit(os.EX_IOERR)
    status = run(COMMAND, PROGRAM)
    if "--diff" in sys.argv[1:] and status > 1:
        status = _TROUBLE  # as diff has it; 1 says that there are differences
    sys.stdout.flush()
    # There is no use in taking gigabytes of objects apart.
    os._exit(status)


def _has_output() -> bool:
    try:
        os.fstat(1)
    except OSError:
        return False
    return True


def _convert(context: click.Context, /, arguments: tuple[str, ...], **options: Any) -> int:
    from . import sealkey

    options["sets"] = options.pop("set")
    asked = [name for name in _USES if options["sets" if name == "set" else name]]
    asked = [name for name in asked if name != "to" or _WITH_SYNTAX.isdisjoint(asked)]
    if len(asked) != 1:
        ways = "; ".join(_USES.values())
        raise click.UsageError(f"say what to do, one of: {ways}")
    (mode,) = asked
    options["keyring"] = keyring = sealkey.keyring(options)
    _check_options(mode, options, context)
    new = options.pop("new_seal_key"), options.pop("new_passphrase")
    options["sealer"] = sealkey.Sealer(keyring, new[0] or new[1])
    # Looking for rubbish among so many objects would cost more than there ever is.
    with collector_off():
        return _MODES[mode](arguments, options)


def _check_options(mode: str, options: dict[str, Any], context: click.Context) -> None:
    allowed: dict[str, tuple[str, ...]] = {
        "to": ("to", "output", "force", "reveal"),
        "set": ("set", "to", "output", "force", "reveal"),
        "check": ("check", "with_code", "pythonpath", "trust", "trust_keys"),
        "show": ("show", "reveal"),
        "seal": ("seal", "to", "output", "force", "new_seal_key", "new_passphrase"),
        "unseal": ("unseal", "to", "output", "force", "reveal"),
        "diff": ("diff", "reveal"),
        "why": ("why", "pythonpath", "trust", "trust_keys"),
        "parked": ("parked", "rename", "drop", "output", "force"),
        "audit": ("audit", "pythonpath", "trust", "trust_keys"),
    }
    for parameter in context.command.params:
        name = str(parameter.name)
        given = options.get("sets" if name == "set" else name)
        if name not in ("arguments", "debug", "version", *allowed[mode]) and given:
            raise click.UsageError(f"{parameter.opts[-1]} does not go with --{mode}")
    if mode == "check" and (options["pythonpath"] or options["trust"]) and not options["with_code"]:
        raise click.UsageError("--pythonpath and --trust go with --check --with-code, and --why")


def _paths(mode: str, arguments: Sequence[str], least: int, most: int | None) -> list[Path]:
    if len(arguments) < least or (most is not None and len(arguments) > most):
        raise click.UsageError(f"expected {_USES[mode]}, got {_count(len(arguments), 'file')}")
    return [Path(each) for each in arguments]


def _count(number: int, what: str) -> str:
    return f"{number or 'no'} {what}{'' if number == 1 else 's'}"


def _to(arguments: Sequence[str], options: dict[str, Any]) -> int:
    mode = next(name for name in ("seal", "unseal", "to") if options[name])
    paths = _paths(mode, arguments, 1, None)
    if len(paths) == 1:
        _to_one(paths[0], options)
        return 0
    if options["output"] is not None:
        raise click.UsageError(f"-o is for one file, got {len(paths)}; without it each has its own")
    status = 0
    for path in paths:
        try:
            _to_one(path, options)
        except PerdureError as error:
            status = max(status, report(PROGRAM, error))
    return status


def _to_one(path: Path, options: dict[str, Any]) -> None:
    import attrs

    from ..convert import convert
    from ..persist import snapshot
    from ..persist.trust import Owner
    from .progress import Progress

    inside = path.resolve() if path.is_symlink() else path
    form, target = options["to"], options["output"] or inside
    if form:
        target = options["output"] or convert.target_of(path, form)
        _check_target(target, path, options)
    with Progress.shown() as progress:
        progress.say(f"reading {path}")
        owner = Owner.of(path)
        found = snapshot.read(path, keyring=options["keyring"])
        if not form:
            form = (options["output"] and convert.form_of(target)) or found.syntax
            options = {**options, "to": form}
            _check_target(target, path, options)
        if options["seal"]:
            found = attrs.evolve(found, seal=options["sealer"].seal(found.seal))
        elif options["unseal"]:
            found = attrs.evolve(found, seal=None)
        said = _write(found, owner, target, options, progress)
    if said:
        say(said)


def _check_target(target: Path, source: Path, options: dict[str, Any]) -> None:
    from ..convert import convert

    form = options["to"]
    if _is_output(target):
        if form == "pickle" and sys.stdout.isatty():
            raise click.UsageError("a binary snapshot is not for a terminal; name a file with -o")
    elif convert.is_same(target, source):
        if not any(options[name] for name in ("sets", "seal", "unseal")):
            raise convert.TargetError(target, "it is the file that is read; name another with -o")
        if not options["force"]:
            raise convert.TargetError(
                target,
                "it is the file that is read; say --force to change it, or name another with -o",
            )
    else:
        convert.check_target(target, force=options["force"])


def _is_output(target: Path) -> bool:
    return str(target) == "-"


def _write(found: Any, owner: Any, target: Path, options: dict[str, Any], progress: Any) -> str:
    """Write it, and say so; nothing is said where the snapshot itself goes to standard output."""
    from ..convert import convert
    from ..persist.formats.format import FormatError
    from ..persist.snapshot import SnapshotError

    path, form, reveal = owner.path, options["to"], options["reveal"]
    progress.say(f"writing {target}")
    signer = None if form == convert.HTML else convert.signer_for(found, owner)
    try:
        if _is_output(target):
            for piece in convert.pieces(found, form, signer, reveal=reveal):
                sys.stdout.buffer.write(piece)
            sys.stdout.buffer.flush()
            return ""
        convert.write(found, target, form, signer, progress.watch, reveal=reveal)
    except FormatError as error:
        raise SnapshotError.of(path, error) from error
    stranger = "" if signer or form == convert.HTML else f"; not signed, as {path} is not yours"
    return f"{target}: {path} as {form}{stranger}"


def _set(arguments: Sequence[str], options: dict[str, Any]) -> int:
    import attrs

    from ..convert import convert, edit
    from ..persist import hiding, snapshot
    from ..persist.content import Content
    from ..persist.place import PlaceError
    from ..persist.trust import Owner
    from .progress import Progress

    (path,) = _paths("set", arguments, 1, 1)
    try:
        edits = [edit.Edit.parse(text) for text in options["sets"]]
    except PlaceError as error:
        raise click.UsageError(f"--set {error}") from error
    with Progress.shown() as progress:
        progress.say(f"reading {path}")
        owner = Owner.of(path)
        found = snapshot.read(path, keyring=options["keyring"])
        output = options["output"]
        form = options["to"] or (output and convert.form_of(output)) or found.syntax
        # Of a link, what it leads to is changed.
        inside = path.resolve() if path.is_symlink() else path
        default = convert.target_of(path, form) if options["to"] else inside
        target = output or default
        options["to"] = form
        _check_target(target, path, options)
        graph = _graph(path, found)
        secret: hiding.Declared = {} if options["reveal"] else hiding.merged(found.passport.secret)
        changes = edit.apply(graph, edits, secret)
        passport = edit.renamed(found.passport, graph, changes)
        changed = attrs.evolve(found, passport=passport, content=Content.of_graph(graph))
        said = _write(changed, owner, target, options, progress)
    for change in changes if said else ():
        say(f"{change.place}: {change.before} -> {change.after}")
    if said:
        is_text = found.syntax != "pickle" and convert.is_same(target, path)
        lost = "; comments and layout of your own are gone" if is_text else ""
        say(f"{said}, with {_count(len(changes), 'value')} set{lost}")
    return 0


def _graph(path: Path, found: Any) -> Any:
    from ..persist.formats.format import FormatError
    from ..persist.snapshot import SnapshotError

    try:
        return found.content.graph
    except FormatError as error:
        raise SnapshotError.of(path, error) from error


def _check(arguments: Sequence[str], options: dict[str, Any]) -> int:
    from . import checking
    from .progress import Progress

    status = 0
    for path in _paths("check", arguments, 1, None):
        with Progress.shown() as progress:
            progress.say(f"checking {path}")
            try:
                outcome = checking.check(
                    path,
                    with_code=options["with_code"],
                    folders=options["pythonpath"],
                    trusted=options["trust"],
                    keys=options["trust_keys"],
                    keyring=options["keyring"],
                )
            except PerdureError as error:
                status = max(status, report(PROGRAM, error))
                continue
        for problem in outcome.problems:
            complain(PROGRAM, problem)
        for line in outcome.said:
            say(line)
        status = max(status, outcome.status)
    return status


def _why(arguments: Sequence[str], options: dict[str, Any]) -> int:
    from .why import why

    return _examine("why", why, arguments, options)


def _audit(arguments: Sequence[str], options: dict[str, Any]) -> int:
    from .auditing import audit

    return _examine("audit", audit, arguments, options)


def _examine(
    mode: str, look: Callable[..., Any], arguments: Sequence[str], options: dict[str, Any]
) -> int:
    from .progress import Progress

    status = 0
    for path in _paths(mode, arguments, 1, None):
        with Progress.shown() as progress:
            progress.say(f"looking at {path}")
            try:
                outcome = look(
                    path,
                    folders=options["pythonpath"],
                    trusted=options["trust"],
                    keys=options["trust_keys"],
                    keyring=options["keyring"],
                )
            except PerdureError as error:
                status = max(status, report(PROGRAM, error))
                continue
        for problem in outcome.problems:
            complain(PROGRAM, problem)
        for line in outcome.said:
            say(line)
        status = max(status, outcome.status)
    return status


def _show(arguments: Sequence[str], options: dict[str, Any]) -> int:
    from ..convert import lookup
    from ..convert.tree import Tree
    from ..persist import hiding, snapshot
    from ..persist.place import PlaceError
    from .progress import Progress

    paths = _paths("show", arguments, 1, 2)
    place = arguments[0] if len(paths) == 2 else ""
    with Progress.shown() as progress:
        progress.say(f"reading {paths[-1]}")
        found = snapshot.read(paths[-1], keyring=options["keyring"])
        graph = _graph(paths[-1], found)
        progress.say("measuring")
        secret: hiding.Declared = {} if options["reveal"] else hiding.merged(found.passport.secret)
        try:
            spot = lookup.find(graph, place, secret)
        except PlaceError as error:
            raise click.UsageError(f"--show {error}") from error
        if lookup.is_in_secret(spot, secret):
            say(f"{spot.place}: hidden")
            return 0
        tree = Tree(spot.value, spot.steps, secret)
    if sys.stdout.isatty():
        from .treeview import show

        show(tree.lines())
    else:
        for line in tree.lines():
            say(str(line))
    return 0


def _diff(arguments: Sequence[str], options: dict[str, Any]) -> int:
    from ..convert.diff import compare_snapshots
    from ..persist import snapshot
    from .progress import Progress

    paths = _paths("diff", arguments, 2, 2)
    with Progress.shown() as progress:
        snapshots: list[Any] = []
        for path in paths:
            progress.say(f"reading {path}")
            snapshots.append(snapshot.read(path, keyring=options["keyring"]))
            _graph(path, snapshots[-1])
        progress.say("comparing")
        found = compare_snapshots(*snapshots, reveal=options["reveal"])
    for each in found:
        say(str(each))
    return 1 if found else 0


_MODES: Final[dict[str, Callable[[Sequence[str], dict[str, Any]], int]]] = {
    "to": _to,
    "set": _set,
    "check": _check,
    "show": _show,
    "diff": _diff,
    "why": _why,
    "audit": _audit,
    "seal": _to,
    "unseal": _to,
    "parked": parked,
}

COMMAND = click.Command(
    PROGRAM,
    callback=click.pass_context(_convert),
    params=parameters(),
    help="Work on snapshots, in whichever syntax, without running them.\n\n"
    "Say one of --to, --set, --check, --show, --diff, --why, --audit, --seal, --unseal, --parked. Nothing of the"
    " application's own code is imported, but by --with-code, and by --why of what may be trusted.",
)
