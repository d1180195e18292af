"""The options of ``mkapp web``, by the sections of its help."""

import re
from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Final

import click

from ...persist.errors import PerdureError
from ..kind import BuildError, Option

DEFAULT_LISTEN: Final = "tcp:8080:interface=127.0.0.1"

_SIZE: Final = re.compile(r"([0-9]{1,15})([KMG]?)", re.IGNORECASE)
_SHIFTS: Final = {"": 0, "K": 10, "M": 20, "G": 30}


class Size(click.ParamType[int]):
    """A number of bytes: plain, or with K, M or G behind it for so many times 1024 of them."""

    name = "SIZE"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        found = _SIZE.fullmatch(str(value))
        if not found:
            self.fail(
                f"{value!r} is not a number of bytes, such as 5000, 500K, 20M or 2G", param, ctx
            )
        number, unit = found.groups()
        return int(number) << _SHIFTS[unit.upper()]


_PATH: Final = click.Path(path_type=Path, exists=True)
_FOLDER: Final = click.Path(path_type=Path, exists=True, file_okay=False)
_FILE: Final = click.Path(path_type=Path, exists=True, dir_okay=False)

_Make = Callable[..., Option]
_root: Final[_Make] = partial(Option, section="What to serve")
_place: Final[_Make] = partial(Option, section="Hosts and places")
_file: Final[_Make] = partial(Option, section="Files")
_guard: Final[_Make] = partial(Option, section="Who may see it")
_reply: Final[_Make] = partial(Option, section="Replies")
_door: Final[_Make] = partial(Option, section="Listening")

_ROOTS: Final = (
    _root(["--path"], type=_PATH, help="The folder (or file) to serve."),
    _root(
        ["--class", "class_"],
        metavar="MODULE.CLASS",
        help="Serve an instance of this Resource.",
    ),
    _root(["--resource-script"], type=_FILE, help="Serve what this script defines."),
    _root(["--wsgi"], metavar="MODULE:OBJECT", help="Serve a WSGI application, in threads."),
    _root(
        ["--wsgi-threads"],
        type=click.IntRange(min=1),
        metavar="N",
        help="How many requests --wsgi answers at a time; default: 8.",
    ),
    _root(["--asgi"], metavar="MODULE:OBJECT", help="Serve an ASGI application."),
)

_PLACES: Final = (
    _place(
        ["--vhost"],
        multiple=True,
        metavar="HOST=FOLDER",
        help="Serve this folder to those who ask for HOST, which may be *.example.org; repeatable. "
        "What else is served is for all other hosts.",
    ),
    _place(
        ["--host-folder"],
        type=_FOLDER,
        help="Serve each folder in here to those who ask for the host it is named after.",
    ),
    _place(
        ["--users"],
        is_flag=True,
        default=False,
        help="Serve the public_html of the users of this machine at /~NAME/.",
    ),
    _place(
        ["--proxy"],
        multiple=True,
        metavar="/PATH=ENDPOINT",
        help="Pass what is below PATH on to the server at ENDPOINT, as if it were asked for there "
        "without PATH; repeatable.",
    ),
    _place(
        ["--forward-proxy"],
        multiple=True,
        metavar="HOST:PORT",
        help="As a proxy that clients choose, lead them to HOST:PORT, such as *.example.org:443 or "
        "*:443; repeatable.",
    ),
    _place(
        ["--forward-client"],
        multiple=True,
        metavar="NETWORK",
        help="Who may use --forward-proxy; repeatable. Default: this machine.",
    ),
    _place(
        ["--forward-private"],
        multiple=True,
        metavar="NETWORK",
        help="Addresses that are not public and that --forward-proxy leads to all the same; "
        "repeatable.",
    ),
    _place(
        ["--redirect"],
        multiple=True,
        metavar="/PATH=URL",
        help="Lead PATH, and what is below it, to URL; repeatable.",
    ),
    _place(
        ["--alias"],
        multiple=True,
        metavar="/OLD=/NEW",
        help="Answer OLD, and what is below it, as NEW; repeatable.",
    ),
    _place(
        ["--rewrite"],
        multiple=True,
        nargs=2,
        metavar="REGEX REPLACEMENT",
        help="Answer a path that all of REGEX matches as REPLACEMENT, where \\1 is its first group; "
        "repeatable, tried in order and after --alias.",
    ),
)

_FILES: Final = (
    _file(
        ["-i", "--index"],
        multiple=True,
        metavar="NAME",
        help="A file that answers for its folder; repeatable, in order of preference.",
    ),
    _file(["-m", "--mime-type"], metavar="TYPE", help="The type of files with no known extension."),
    _file(
        ["--ignore-ext"],
        multiple=True,
        metavar=".EXT",
        help="Serve NAME.EXT for NAME; repeatable; '*' is any extension.",
    ),
    _file(
        ["--no-listing"], is_flag=True, default=False, help="Do not list folders without an index."
    ),
    _file(
        ["--spa"],
        metavar="NAME",
        help="Where there is no page, answer with this file of the folder: the page of an "
        "application that knows its addresses itself.",
    ),
    _file(
        ["--no-scripts"],
        is_flag=True,
        default=False,
        help="Do not run scripts (.rpy, .epy, .trp, .asis), nor show them: files only.",
    ),
    _file(["--cgi"], is_flag=True, default=False, help="Run .cgi files, as programs."),
    _file(["--php"], is_flag=True, default=False, help="Run .php files, by php-cgi."),
    _file(
        ["--templates"],
        multiple=True,
        metavar=".EXT",
        help="Files of this extension are Jinja2 templates, and answered as the pages they make; "
        "repeatable.",
    ),
    _file(
        ["--processor"],
        multiple=True,
        metavar=".EXT=MODULE.CLASS",
        help="Let this class answer for files of an extension; repeatable.",
    ),
)

_GUARDS: Final = (
    _guard(
        ["--auth"],
        multiple=True,
        metavar="/PATH=FILE",
        help="Only who is in FILE, as 'htpasswd -B' writes it, may see PATH and what is below, by "
        "whichever address (--users, --alias, --rewrite) it is asked for; repeatable.",
    ),
    _guard(
        ["--login"],
        multiple=True,
        metavar="/PATH=FILE",
        help="The same, with a page to log in at; programs do as for --auth.",
    ),
    _guard(
        ["--digest"],
        multiple=True,
        metavar="/PATH=FILE",
        help="The same, by Digest; FILE is as 'htdigest' writes it.",
    ),
    _guard(["--realm"], metavar="TEXT", help="What is guarded; default: restricted."),
)

_REPLIES: Final = (
    _reply(
        ["--add-header"],
        multiple=True,
        metavar="'NAME: VALUE'",
        help="A header on every reply; repeatable.",
    ),
    _reply(
        ["--cache-control"],
        multiple=True,
        metavar="[TYPE,...=]VALUE",
        help="How long replies may be kept: 'image/*,text/css=max-age=86400'. The first that fits "
        "counts; repeatable.",
    ),
    _reply(
        ["--csp"],
        metavar="POLICY",
        help="The Content-Security-Policy of pages that have none of their own.",
    ),
    _reply(
        ["--cors"],
        multiple=True,
        metavar="ORIGIN",
        help="Let scripts of pages at this origin read replies; repeatable; '*' is any.",
    ),
    _reply(
        ["--cors-method"],
        multiple=True,
        metavar="METHOD",
        help="What they may ask by besides GET, HEAD and POST; repeatable.",
    ),
    _reply(
        ["--cors-header"],
        multiple=True,
        metavar="NAME",
        help="A header that they may send besides the plain ones, such as Content-Type for JSON; "
        "repeatable.",
    ),
    _reply(
        ["--cors-credentials"],
        is_flag=True,
        default=False,
        help="They may ask as the visitor who is logged in; only for origins that are named.",
    ),
    _reply(["--compress"], is_flag=True, default=False, help="Compress replies: zstd, br, gzip."),
    _reply(["--not-found"], type=_FILE, help="A template for errors 404; see --error-page."),
    _reply(["--forbidden"], type=_FILE, help="A template for errors 403; see --error-page."),
    _reply(
        ["--error-page"],
        multiple=True,
        metavar="STATUS=FILE",
        help="A Jinja2 template for errors of this status (it has status, reason, detail and path); "
        "repeatable.",
    ),
    _reply(
        ["--display-tracebacks"],
        is_flag=True,
        default=False,
        help="Show the insides of errors to everybody; for development.",
    ),
)

_DOORS: Final = (
    _door(
        ["--listen"],
        multiple=True,
        metavar="ENDPOINT",
        help="Where to listen; with TLS by tls:443:cert=FILE, or tls:443:certs=FOLDER for certificates "
        f"by name. Repeatable. Default: {DEFAULT_LISTEN}",
    ),
    _door(
        ["-p", "--port"],
        multiple=True,
        type=click.IntRange(0, 65535),
        help="Short for --listen tcp:PORT:interface=127.0.0.1",
    ),
    _door(
        ["--trusted-proxy"],
        multiple=True,
        metavar="ADDRESS",
        help="Believe Forwarded and X-Forwarded-* from this address, network, or unix; repeatable.",
    ),
    _door(
        ["--max-body"],
        type=Size(),
        help="The most that a request may bring, uploads included: a number of bytes, or 500K, 20M, "
        "2G; default: 16M.",
    ),
    _door(
        ["-l", "--logfile"],
        type=click.Path(path_type=Path, dir_okay=False),
        help="The access log, in combined format.",
    ),
)

OPTIONS: Final[tuple[Option, ...]] = (*_ROOTS, *_PLACES, *_FILES, *_GUARDS, *_REPLIES, *_DOORS)
_OF_SITE: Final = {"add_header", "display_tracebacks", *(each.name for each in _DOORS)}
ROOT_OPTIONS: Final = tuple(each for each in OPTIONS if each.name not in _OF_SITE)
"""Those that say what the root of the site is, as `webroot.root` makes it."""


def flag(name: str) -> str:
    """What the option whose value is called `name` is called on the command line."""
    return "--" + name.rstrip("_").replace("_", "-")


def halves(option: str, text: str, expected: str) -> tuple[str, str]:
    """What stands on both sides of the first ``=`` in `text`. Raises `BuildError`."""
    left, _, right = text.partition("=")
    if not (left and right):
        raise BuildError(f"{option} {text}: expected {expected}")
    return left, right


@contextmanager
def named(*words: str) -> Generator[None]:
    """Has what is refused meanwhile say what on the command line it was, as a `BuildError`."""
    try:
        yield
    except BuildError:
        raise
    except PerdureError as error:
        raise BuildError(f"{' '.join(words)}: {error}") from error
