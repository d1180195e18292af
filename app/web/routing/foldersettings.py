"""The settings of files that are found later: of a folder of hosts, of users' folders."""

from collections.abc import Mapping
from inspect import signature
from typing import Any

from ..static import File, StaticError


def checked_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """`settings`, the keywords of `File`, as a dictionary of their own.

    Raises `StaticError` for what `File` does not take.
    """
    known = signature(File).parameters
    for name, value in settings.items():
        if name == "path" or name not in known:
            raise StaticError(name, value, "a File has no such setting")
    File("/", **settings)
    return dict(settings)
