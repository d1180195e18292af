"""``mkapp``: build an application, and write it as a snapshot that ``rundaemon`` runs."""

import sys
from pathlib import Path
from typing import Any

import click

from .command import Choice, KindGroup, complain, debug_option, run, version_option
from .sealkey import key_options
from .trustoptions import trust_key_option

SHARED = [
    click.Option(
        ["-o", "--output"],
        type=click.Path(path_type=Path, dir_okay=False),
        help="The snapshot to write; default: KIND.snap in this folder. Its name is the "
        "application's; one in .snap.xml or .snap.py is written in that syntax.",
    ),
    click.Option(
        ["-a", "--append"],
        type=click.Path(path_type=Path, dir_okay=False),
        help="Add to the application in this snapshot (made when it is not there).",
    ),
    click.Option(["-u", "--uid"], help="The user to run as: a name or a number."),
    click.Option(["-g", "--gid"], help="The group to run as: a name or a number."),
    click.Option(
        ["--pythonpath"],
        multiple=True,
        type=click.Path(path_type=Path, exists=True, file_okay=False),
        help="A folder where modules of the application are found; repeatable. This folder is "
        "always one.",
    ),
    click.Option(
        ["--trust"],
        multiple=True,
        help="With --append: a module whose classes a snapshot of somebody else may name.",
    ),
    trust_key_option("With --append: "),
    click.Option(
        ["--seal"],
        is_flag=True,
        default=False,
        help="Encrypt the snapshot, and with it all of the state; see --seal-key.",
    ),
    *key_options(),
    debug_option(),
]


def main() -> None:
    """The command ``mkapp``."""
    sys.exit(run(COMMAND, "mkapp"))


COMMAND = KindGroup(
    "mkapp",
    shared=SHARED,
    no_args_is_help=False,
    params=[version_option()],
    subcommand_metavar="KIND [OPTIONS]",
    help="Build an application of a KIND, and write it as a snapshot for rundaemon to run.\n\n"
    "'mkapp KIND --help' lists the options of a kind. Options may stand before or after KIND.",
)


@COMMAND.result_callback()
def _write(choice: Choice, **options: Any) -> None:
    from ..app.loader import Loader
    from ..persist import modules, snapshot
    from ..persist.account import Account
    from ..persist.formats import table
    from ..persist.trust import Signer
    from . import building, sealkey

    append: Path | None = options["append"]
    target: Path = options["output"] or append or Path(choice.name + table.EXTENSION)
    folders = [str(Path(folder).resolve()) for folder in (*options["pythonpath"], ".")]
    # Modules that the kind's own options name (--class, --processor) are found here.
    modules.add_folders(folders)
    signer = Signer.of_user()
    keyring = sealkey.keyring(options)
    loader = Loader(signer, options["trust"], keys=options["trust_keys"], keyring=keyring)
    account = Account()
    with building.explained(account):
        basis = building.basis(append, target, loader)
    for line in account.lines():
        complain("mkapp", line)
    seal = basis.seal or (sealkey.new_seal(keyring) if options["seal"] else None)
    application = basis.application
    building.include(application, choice)
    application.process = building.overridden(
        application.process, uid=options["uid"], gid=options["gid"]
    )
    application.paths = modules.merged(application.paths, folders)
    snapshot.write(
        target,
        application,
        application=application.name,
        holds=basis.holds,
        paths=application.paths,
        origin=basis.origin,
        sequence=basis.sequence,
        blueprint=basis.blueprint,
        after=basis.after,
        signer=signer if basis.own else None,
        syntax=table.split(target.name)[1],
        seal=seal,
    )
    sealed = "a sealed" if seal else "a"
    click.echo(f"{target}: {sealed} {choice.name} application; run it with: rundaemon -f {target}")
