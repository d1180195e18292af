"""What ``mkapp web`` is told of files and of who answers for them."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from ..kind import BuildError
from .weboptions import flag, halves

if TYPE_CHECKING:
    from ...app.web.resource import Resource
    from ...app.web.static import File, Processor

_OF_ALL: Final = {
    "index": "index_names",
    "mime_type": "default_type",
    "ignore_ext": "ignored_extensions",
    "spa": "fallback",
}
_PROGRAMS: Final = ("cgi", "php")
_OF_SCRIPTS: Final = ("no_scripts", *_PROGRAMS, "templates", "processor")
GIVERS: Final = ("path", "vhost", "host_folder")
"""The options that say where files are."""


def check_files(options: Mapping[str, Any]) -> None:
    """Raises `BuildError` for options of files where none are served."""
    names = [*_OF_ALL, "no_listing", *_OF_SCRIPTS]
    unused = [flag(name) for name in names if options[name]]
    if unused and not any(options[name] for name in GIVERS):
        givers = ", ".join(map(flag, GIVERS))
        raise BuildError(f"{', '.join(unused)}: only for files, of {givers}")
    if options["no_scripts"]:
        running = [flag(name) for name in _PROGRAMS if options[name]]
        if running:
            raise BuildError(f"{', '.join(running)}: not together with --no-scripts")


def plain_settings(options: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a `File` that do not concern scripts."""
    settings = {setting: options[name] for name, setting in _OF_ALL.items() if options[name]}
    if options["no_listing"]:
        settings["listing"] = False
    return settings


def settings(options: Mapping[str, Any]) -> dict[str, Any]:
    """All settings of a `File`."""
    return {**plain_settings(options), "processors": _processors(options)}


def _processors(options: Mapping[str, Any]) -> "dict[str, Processor]":
    from ...app.web import static

    found: dict[str, Processor] = dict(static.DEFAULT_PROCESSORS)
    for extension in found:
        name = extension[1:]
        if options["no_scripts"] or (name in _PROGRAMS and not options[name]):
            # Not run, but not published either: a folder may hold scripts with its secrets in them.
            found[extension] = static.withhold
    for extension in options["templates"]:
        from ...app.web.template import TemplateFile

        found[_extension(extension, "--templates", ".EXTENSION")] = TemplateFile
    for text in options["processor"]:
        expected = ".EXTENSION=module.Class"
        extension, kind = halves("--processor", text, expected)
        extension = _extension(extension, "--processor", expected)
        if extension in options["templates"]:
            raise BuildError(f"--processor {text}: --templates says otherwise of {extension}")
        found[extension] = _imported(kind, "--processor")
    return found


def _extension(text: str, option: str, expected: str) -> str:
    if not text.startswith(".") or len(text) < 2 or "/" in text:
        raise BuildError(f"{option} {text}: expected {expected}")
    return text


def folder(path: str, settings: Mapping[str, Any]) -> "File":
    """The files at `path`. Raises `StaticError` if there are none, and `BuildError` for an option."""
    from ...app.web.static import File, StaticError

    try:
        found = File(path, **settings)
        found.check()
    except StaticError as error:
        option = next((name for name, each in _OF_ALL.items() if each == error.setting), None)
        if option is None:
            raise
        raise BuildError(f"{flag(option)}: {error.value!r}: {error.reason}") from error
    return found


def instance(name: str) -> "Resource":
    """An object of the class of `Resource` called `name`."""
    from ...app.web.resource import Resource

    cls = _imported(name, "--class")
    try:
        resource = cls()
    except Exception as error:
        raise BuildError(f"--class {name}: cannot be called without arguments: {error}") from error
    if not isinstance(resource, Resource):
        raise BuildError(f"--class {name}: makes {resource!r}, which is not a Resource")
    return resource


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
