"""The syntaxes there are. A text syntax is imported when one of its files is met, not before."""

import importlib
import os
from collections.abc import Iterator
from typing import ClassVar, Final

import attrs

from ..errors import PerdureError
from .format import Format

SUFFIXES: Final = {"pickle": "", "xml": ".xml", "source": ".py"}
"""By a syntax's name: the end of its files' names, after ``.snap``. The first is the default."""
EXTENSION: Final = ".snap"
_MODULES: Final = {"pickle": "pickled", "xml": "xmltree", "source": "source"}
HEAD: Final = 1024
"""How many bytes of a file tell its syntax."""
_BEFORE: Final = b"\xef\xbb\xbf \t\r\n"


@attrs.define(str=False)
class UnknownSyntaxError(PerdureError):
    """No syntax is called `name`."""

    exit_status: ClassVar[int] = os.EX_USAGE
    name: str

    def __str__(self) -> str:
        return f"no syntax is called {self.name!r}; there are {', '.join(SUFFIXES)}"


def by_name(name: str) -> Format:
    """The syntax called `name`. Raises `UnknownSyntaxError`."""
    if name not in _MODULES:
        raise UnknownSyntaxError(name)
    found: Format = importlib.import_module(f".{_MODULES[name]}", __package__).FORMAT
    return found


def formats() -> Iterator[Format]:
    """All of them, the binary one first."""
    return map(by_name, SUFFIXES)


def detect(head: bytes) -> Format | None:
    """The syntax of a file that begins with `head`, its first `HEAD` bytes; None if it is none."""
    head = head.lstrip(_BEFORE)
    return next((each for each in formats() if head.startswith(each.begins)), None)


def split(name: str) -> tuple[str, str]:
    """The stem and the syntax that the file name `name` promises: ``web`` and ``xml``.

    For what a file is to be called, never for what it is.
    """
    for syntax, suffix in SUFFIXES.items():
        if name.endswith(EXTENSION + suffix):
            return name.removesuffix(EXTENSION + suffix), syntax
    return name, "pickle"
