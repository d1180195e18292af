"""``mkapp web``: a web server for a folder, a class of resource, or a script."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..kind import BuildError, Kind

if TYPE_CHECKING:
    from ...app.service import Service
    from ...app.web.resource import Resource
    from ...app.web.static import Processor

DEFAULT_LISTEN = "tcp:8080:interface=127.0.0.1"


def make(options: Mapping[str, Any]) -> "Service":
    """The web service that `options` describe. Raises a `PerdureError` for what cannot be."""
    from ...app.endpoints import parse_endpoint
    from ...app.web.service import WebService
    from ...app.web.site import Site

    listen = [*options["listen"], *(f"tcp:{port}:interface=127.0.0.1" for port in options["port"])]
    logfile: Path | None = options["logfile"]
    site = Site(
        _root(options),
        log=str(logfile.absolute()) if logfile else None,
        headers=tuple(_header(text) for text in options["add_header"]),
    )
    return WebService(site, [parse_endpoint(text) for text in listen or [DEFAULT_LISTEN]])


def _root(options: Mapping[str, Any]) -> "Resource":
    given = [name for name in ("path", "class_", "resource_script") if options[name]]
    if len(given) != 1:
        raise BuildError(
            "say what to serve: one of --path FOLDER, --class NAME, --resource-script FILE"
        )
    if given != ["path"]:
        unused = [
            f"--{name.replace('_', '-')}"
            for name in ("index", "mime_type", "ignore_ext", "processor", "no_scripts")
            if options[name]
        ]
        if unused:
            raise BuildError(f"{', '.join(unused)} is for --path only")
    if options["class_"]:
        return _instance(options["class_"])
    if options["resource_script"]:
        from ...app.web.script import ScriptRoot

        return ScriptRoot(str(options["resource_script"].absolute()))
    return _folder(options)


def _folder(options: Mapping[str, Any]) -> "Resource":
    from ...app.web import static

    processors: dict[str, Processor] = dict(static.DEFAULT_PROCESSORS)
    if options["no_scripts"]:
        # Not run, but not published either: a folder may hold scripts with its secrets in them.
        processors = dict.fromkeys(processors, static.withhold)
    processors.update(_processor(text) for text in options["processor"])
    settings: dict[str, Any] = {"processors": processors}
    if options["index"]:
        settings["index_names"] = options["index"]
    if options["mime_type"]:
        settings["default_type"] = options["mime_type"]
    if options["ignore_ext"]:
        settings["ignored_extensions"] = options["ignore_ext"]
    folder = static.File(str(options["path"].absolute()), **settings)
    folder.check()
    return folder


def _instance(name: str) -> "Resource":
    from ...app.web.resource import Resource

    cls = _imported(name, "--class")
    try:
        resource = cls()
    except Exception as error:
        raise BuildError(f"--class {name}: cannot be called without arguments: {error}") from error
    if not isinstance(resource, Resource):
        raise BuildError(f"--class {name}: makes {resource!r}, which is not a Resource")
    return resource


def _processor(text: str) -> "tuple[str, Processor]":
    extension, equals, name = text.partition("=")
    if not (extension.startswith(".") and len(extension) > 1 and equals and name):
        raise BuildError(f"--processor {text}: expected .EXTENSION=module.Class")
    return extension, _imported(name, "--processor")


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not (name.strip() and colon):
        raise BuildError(f"--add-header {text!r}: expected 'Name: value'")
    return name.strip(), value.strip()


def _imported(name: str, option: str) -> Any:
    from pkgutil import resolve_name

    module, _, attribute = name.rpartition(".")
    if not (module and attribute.isidentifier()):
        raise BuildError(f"{option} {name}: expected module.Class")
    try:
        found = resolve_name(name)
    except Exception as error:
        # The module is somebody's, and so is whatever goes wrong in it.
        raise BuildError(
            f"{option} {name}: {type(error).__name__}: {error}; "
            "modules are found in this folder and by --pythonpath"
        ) from error
    if not callable(found):
        raise BuildError(f"{option} {name}: is {found!r}, which cannot be called")
    return found


_PATH = click.Path(path_type=Path, exists=True)

KIND = Kind(
    summary="A web server: files, pages, scripts with state.",
    make=make,
    options=(
        click.Option(["--path"], type=_PATH, help="The folder (or file) to serve."),
        click.Option(
            ["--class", "class_"],
            metavar="MODULE.CLASS",
            help="Serve an instance of this Resource.",
        ),
        click.Option(["--resource-script"], type=_PATH, help="Serve what this script defines."),
        click.Option(
            ["--listen"],
            multiple=True,
            metavar="ENDPOINT",
            help=f"Where to listen; repeatable. Default: {DEFAULT_LISTEN}",
        ),
        click.Option(
            ["-p", "--port"],
            multiple=True,
            type=click.IntRange(0, 65535),
            help="Short for --listen tcp:PORT:interface=127.0.0.1",
        ),
        click.Option(
            ["-i", "--index"],
            multiple=True,
            metavar="NAME",
            help="A file that answers for its folder; repeatable, in order of preference.",
        ),
        click.Option(
            ["-m", "--mime-type"], metavar="TYPE", help="The type of files with no known extension."
        ),
        click.Option(
            ["--ignore-ext"],
            multiple=True,
            metavar=".EXT",
            help="Serve NAME.EXT for NAME; repeatable; '*' is any extension.",
        ),
        click.Option(
            ["--processor"],
            multiple=True,
            metavar=".EXT=MODULE.CLASS",
            help="Let this class answer for files of an extension; repeatable.",
        ),
        click.Option(
            ["--no-scripts"],
            is_flag=True,
            default=False,
            help="Do not run .rpy scripts, nor show them: files only.",
        ),
        click.Option(
            ["-l", "--logfile"],
            type=click.Path(path_type=Path, dir_okay=False),
            help="The access log, in combined format.",
        ),
        click.Option(
            ["--add-header"],
            multiple=True,
            metavar="'NAME: VALUE'",
            help="A header on every reply; repeatable.",
        ),
    ),
)
