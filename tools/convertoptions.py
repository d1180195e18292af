"""The options of ``appconvert``."""

from pathlib import Path
from typing import Final

import click

from .command import debug_option, version_option
from .sealkey import key_options, new_key_options
from .trustoptions import key_option, trust_key_option

_ANY_FILE: Final = click.Path(path_type=Path)
_FOLDER: Final = click.Path(path_type=Path, exists=True, file_okay=False)


def parameters() -> list[click.Parameter]:
    """All of them, and the argument."""
    return [
        click.Argument(["arguments"], nargs=-1, metavar="FILE..."),
        click.Option(
            ["--to"],
            type=click.Choice(["xml", "source", "pickle", "html"]),
            help="Write each FILE in this syntax (html: a page to look at).",
        ),
        click.Option(
            ["--set"],
            multiple=True,
            metavar="PLACE=VALUE",
            help="Set a value, such as 'registry[visits.Counter].value=41'; repeatable, all or none.",
        ),
        click.Option(
            ["--check"], is_flag=True, default=False, help="Say whether each FILE is valid."
        ),
        click.Option(
            ["--show"],
            is_flag=True,
            default=False,
            help="Show the objects of a file as a tree, or what is at PLACE: --show PLACE FILE.",
        ),
        click.Option(
            ["--diff"],
            is_flag=True,
            default=False,
            help="Compare two files by their content: --diff OLD NEW. Exit status 0: the same;"
            " 1: different; 2: trouble.",
        ),
        click.Option(
            ["--why"],
            is_flag=True,
            default=False,
            help="Say whether each FILE will load here, and why. Exit status 0: it will; 65: not.",
        ),
        click.Option(
            ["--seal"],
            is_flag=True,
            default=False,
            help="Encrypt each FILE, in its place with --force; what is sealed gets a new secret.",
        ),
        click.Option(
            ["--unseal"],
            is_flag=True,
            default=False,
            help="Write each FILE in the clear, in its place with --force. Nothing else does.",
        ),
        *key_options(),
        *new_key_options(),
        click.Option(
            ["--audit"],
            is_flag=True,
            default=False,
            help="Say what each FILE would load and call, who has signed it, and what is not allowed;"
            " nothing is imported. FILE may be the folder of a journal. Exit status 77: not all is.",
        ),
        click.Option(
            ["--parked"],
            is_flag=True,
            default=False,
            help="Say what FILE has parked, since it could not be loaded, and why.",
        ),
        click.Option(
            ["--rename"],
            multiple=True,
            metavar="OLD=NEW",
            help="With --parked: a class or module that is parked is called NEW now; repeatable.",
        ),
        click.Option(
            ["--drop"],
            multiple=True,
            metavar="KEY",
            help="With --parked: give up what is parked as KEY, for good; repeatable.",
        ),
        click.Option(
            ["-o", "--output"],
            type=_ANY_FILE,
            help="The file to write; '-' is standard output. Default: FILE with another suffix.",
        ),
        click.Option(
            ["--force"], is_flag=True, default=False, help="Replace a file that is there."
        ),
        click.Option(
            ["--reveal"],
            is_flag=True,
            default=False,
            help="Write or show the values of secret fields in plain.",
        ),
        click.Option(
            ["--with-code"],
            is_flag=True,
            default=False,
            help="With --check: compare with the types that the classes declare. It imports them.",
        ),
        click.Option(
            ["--pythonpath"],
            multiple=True,
            type=_FOLDER,
            help="With --with-code, --why and --audit: a folder where modules are found; repeatable.",
        ),
        click.Option(
            ["--trust"],
            multiple=True,
            metavar="MODULE",
            help="With --with-code, --why and --audit: a module to trust, though the snapshot is somebody else's.",
        ),
        trust_key_option("With --check, --why and --audit: "),
        key_option(),
        debug_option(),
        version_option(),
    ]
