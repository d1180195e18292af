"""What a `File` can be told, and what is said of a setting that makes no sense."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeVar

from ...registry import Registry
from ..resource import Resource
from ..setting import SettingError
from .precompressed import CODINGS

T = TypeVar("T")

_MEDIA_TYPE: Final = re.compile(r"[\w!#$&^.+-]+/[\w!#$&^.+-]+( *;[ -~]*)?", re.ASCII)

Processor = Callable[[str, Registry], object]
"""Called with the path of a file and the application's registry; gives a resource.

A class or a function of a module: a snapshot names it, and only whoever may load it gets it.
"""

ErrorContent = Resource | str | None
"""What is shown instead of a page: a resource, the name of a file with a template, or the usual."""


class StaticError(SettingError):
    """A `File` cannot work as it was described."""


def by_extension(setting: str, given: Mapping[str, T]) -> dict[str, T]:
    """`given` by extensions in lower case. Raises `StaticError` for what is none."""
    return {dotted(setting, extension).lower(): value for extension, value in given.items()}


def callables(processors: dict[str, Processor]) -> dict[str, Processor]:
    """`processors` as they are. Raises `StaticError` for one that cannot be called."""
    for extension, processor in processors.items():
        if not callable(processor):
            raise StaticError("processors", extension, f"{processor!r} cannot be called")
    return processors


def media_type(setting: str, given: str) -> str:
    """`given` as it is. Raises `StaticError` for what is no content type (RFC 9110, 8.3.1)."""
    if not _MEDIA_TYPE.fullmatch(given):
        raise StaticError(setting, given, "a content type is expected, such as text/plain")
    return given


def media_types(setting: str, given: Mapping[str, str]) -> dict[str, str]:
    """`given` by extensions in lower case. Raises `StaticError` for a wrong extension or type."""
    found = by_extension(setting, given)
    for kind in found.values():
        media_type(setting, kind)
    return found


def dotted(setting: str, extension: str) -> str:
    """`extension` as it is. Raises `StaticError` if it is none, nor ``*``."""
    if extension != "*" and (len(extension) < 2 or extension[0] != "." or "/" in extension):
        raise StaticError(setting, extension, "an extension begins with a dot, as '.html' does")
    return extension


def codings(given: Sequence[str]) -> tuple[str, ...]:
    """The extensions of precompressed files. Raises `StaticError` for one without a coding."""
    extensions = StaticError.texts("precompressed", given)
    for extension in extensions:
        if extension not in CODINGS:
            known = ", ".join(CODINGS)
            raise StaticError("precompressed", extension, f"browsers unpack none but {known}")
    return extensions


def relative(setting: str, name: str | None) -> str | None:
    """The name of a file below the folder. Raises `StaticError` for what may lie elsewhere."""
    if name is not None and (not name or {"", ".", ".."} & {*name.split("/")}):
        raise StaticError(setting, name, "it is the name of a file in the folder")
    return name


def error_content(setting: str, given: ErrorContent) -> ErrorContent:
    """`given` as it is. Raises `StaticError` if it is neither a resource nor a file's name."""
    if not isinstance(given, Resource | str | None) or given == "":  # pyright: ignore[reportUnnecessaryIsInstance]
        raise StaticError(setting, given, "a resource or the name of a template is expected")
    return given
