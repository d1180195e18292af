"""``appconvert --parked``: what a snapshot has parked, and how it is repaired or given up."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import attrs
import click

from .command import say


def parked(arguments: Sequence[str], options: dict[str, Any]) -> int:
    """Tell what is parked in a file; or change that, and write the file."""
    from ..convert import parked as parking
    from ..persist import snapshot
    from ..persist.formats.format import FormatError
    from ..persist.snapshot import SnapshotError
    from ..persist.trust import Owner
    from .progress import Progress

    if len(arguments) != 1:
        raise click.UsageError(
            "expected --parked FILE [--rename OLD=NEW | --drop KEY], got"
            f" {len(arguments) or 'no'} files"
        )
    path = Path(arguments[0])
    try:
        renamings = [parking.Renaming.parse(text) for text in options["rename"]]
    except ValueError as error:
        raise click.UsageError(f"--rename {error}") from error
    is_edit = bool(renamings or options["drop"])
    if not is_edit and (options["output"] or options["force"]):
        raise click.UsageError("-o and --force go with --rename and --drop")
    with Progress.shown() as progress:
        progress.say(f"reading {path}")
        owner = Owner.of(path)
        found = snapshot.read(path, keyring=options["keyring"])
        target = _target(path, options) if is_edit else path
        try:
            graph = found.content.graph
        except FormatError as error:
            raise SnapshotError.of(path, error) from error
        if not is_edit:
            lines = list(map(str, parking.listed(graph)))
            said = ""
        else:
            lines = _edited(graph, renamings, options["drop"])
            said = _written(found, graph, owner, target, progress)
    for line in lines:
        say(line)
    if said:
        say(said)
    elif not lines:
        say(f"{path}: nothing is parked")
    return 0


def _target(path: Path, options: dict[str, Any]) -> Path:
    from ..convert import convert

    target: Path = options["output"] or (path.resolve() if path.is_symlink() else path)
    if not convert.is_same(target, path):
        convert.check_target(target, force=options["force"])
    elif not options["force"]:
        raise convert.TargetError(
            target, "it is the file that is read; say --force to change it, or name another with -o"
        )
    return target


def _edited(graph: Any, renamings: Sequence[Any], dropped: Sequence[str]) -> list[str]:
    from ..convert import parked as parking

    lines: list[str] = []
    for renaming in renamings:
        keys = parking.rename(graph, renaming)
        lines.append(f"{renaming.old} is {renaming.new} in {', '.join(keys) or 'what they share'}")
    for key in dropped:
        places = parking.drop(graph, key)
        lines.append(f"{key} is dropped")
        lines += [f"{place}: None is in its place" for place in places]
    return lines


def _written(found: Any, graph: Any, owner: Any, target: Path, progress: Any) -> str:
    from ..convert import convert
    from ..persist.content import Content
    from ..persist.formats.format import FormatError
    from ..persist.snapshot import SnapshotError

    progress.say(f"writing {target}")
    signer = convert.signer_for(found, owner)
    form = convert.form_of(target) or found.syntax
    changed = attrs.evolve(found, content=Content.of_graph(graph))
    try:
        convert.write(changed, target, form, signer, progress.watch)
    except FormatError as error:
        raise SnapshotError.of(owner.path, error) from error
    stranger = "" if signer else f"; not signed, as {owner.path} is not yours"
    return f"{target}: written{stranger}"
