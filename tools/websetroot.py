"""``websetroot``: change what a site serves, in the snapshot of its application."""

import signal
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from .command import SectionedCommand, complain, debug_option, run, say, version_option
from .kind import Option
from .kinds.weboptions import ROOT_OPTIONS
from .sealkey import key_options
from .trustoptions import trust_key_option

if TYPE_CHECKING:
    from .rootchange import Changed

PROGRAM: Final = "websetroot"
_site: Final = partial(Option, section="Which site")
# By these modules are named, which the next start has to find.
_NAMING: Final = ("class_", "wsgi", "asgi", "processor")


def main() -> None:
    """The command ``websetroot``."""
    # Who reads only the beginning of what is said, as `head` does, ends us without a word.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    sys.exit(run(COMMAND, PROGRAM))


def _set_root(
    file: Path,
    service: str | None,
    endpoint: str | None,
    resource: Path | None,
    dry_run: bool,
    **options: Any,
) -> None:
    if service is not None and endpoint is not None:
        raise click.UsageError("--service and --endpoint both say which site; say one of them")
    from ..app.loader import Loader
    from ..persist.trust import Signer
    from . import sealkey
    from .former import place_of
    from .rootchange import NewRoot, RootChange
    from .sites import SiteChoice

    folders = [str(folder.resolve()) for folder in options["pythonpath"]]
    if any(options[name] for name in _NAMING):
        folders.append(str(Path.cwd()))
    keyring = sealkey.keyring(options)
    loader = Loader(Signer.of_user(), options["trust"], keys=options["trust_keys"], keyring=keyring)
    change = RootChange(
        place_of(file, keyring),
        SiteChoice(service, endpoint),
        NewRoot(options, resource, folders),
        loader,
    )
    if dry_run:
        for difference in change.differences():
            say(str(difference))
        return
    changed = change.write()
    for line in changed.lines:
        complain(PROGRAM, line)
    say(_told(file, changed))


def _told(file: Path, changed: "Changed") -> str:
    root = type(changed.service.site.resource).__name__
    when = "from the next start on"
    if changed.loaded.passport.holds == "state":
        when = f"where this file is run (rundaemon -f {file}), and not where a blueprint is"
    former = changed.former
    if not file.is_absolute() and former.is_relative_to(Path.cwd()):
        former = former.relative_to(Path.cwd())
    lost = ", with your comments and layout" if changed.loaded.syntax != "pickle" else ""
    return (
        f"{file}: {changed.service.path} serves a {root} {when}; the former is kept as"
        f" {former}{lost}"
    )


_SITE: Final = (
    _site(["--service"], metavar="NAME", help="The one whose service is called so."),
    _site(
        ["--endpoint"],
        metavar="ENDPOINT",
        help="The one that listens there, such as tcp:8080; a port's number will do. Without either"
        " there has to be only one.",
    ),
)
_RESOURCE: Final = Option(
    ["--resource"],
    section="What to serve",
    metavar="FILE",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="The resource that is kept in this snapshot (.trp), as it is now.",
)
_OTHERS: Final = (
    click.Option(
        ["--dry-run"],
        is_flag=True,
        default=False,
        help="Write nothing; show what would be different, as appconvert --diff does.",
    ),
    click.Option(
        ["--pythonpath"],
        multiple=True,
        type=click.Path(path_type=Path, exists=True, file_okay=False),
        help="A folder where modules of the application are found; repeatable. This folder is one"
        " for the options that name modules.",
    ),
    click.Option(
        ["--trust"],
        multiple=True,
        metavar="MODULE",
        help="A module whose classes a snapshot of somebody else may name; repeatable.",
    ),
    trust_key_option(),
    *key_options(),
    debug_option(),
)

COMMAND = SectionedCommand(
    PROGRAM,
    callback=_set_root,
    params=[
        click.Argument(["file"], type=click.Path(path_type=Path)),
        *_SITE,
        _RESOURCE,
        *ROOT_OPTIONS,
        *_OTHERS,
        version_option(),
    ],
    help="Change the root of a site in FILE, a snapshot in any syntax: a blueprint, or the state of"
    " an application that does not run. Everything else stays, and what FILE was is kept.",
)
