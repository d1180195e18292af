"""From the XML form to a graph, in one pass and never deeper than the text is nested.

What is as the writer wrote it is read by its lines (see `xmllines`), all else by expat. Where an error
stands is found by reading again up to it.
"""

import contextlib
from pyexpat import ExpatError
from typing import Final

from ..assembly import AssemblyError
from ..collector import collector_off
from ..graph import GraphError
from ..words import WordError
from . import xmllines
from .format import FormatError
from .xmlevents import Document, Finder, FoundError, Reader
from .xmlframes import WrongError
from .xmltext import ValueTextError

# AssemblyError, ValueTextError, WordError and GraphError are all ValueErrors.
_MISTAKES: Final = (
    WrongError, ExpatError, ValueError, LookupError, MemoryError, RecursionError
)  # fmt: skip


def read(data: bytes, lines: dict[int, int] | None = None) -> Document:
    """Read a whole file. Raises FormatError.

    `lines`, if given, gets the line on which each object of the graph begins, by its id.
    """
    with collector_off():
        quick = xmllines.read(data) if lines is None else None
    if quick is not None:
        return quick
    reader = Reader(lines)
    try:
        with collector_off():
            return reader.document(data)
    except _MISTAKES as error:
        raise _explained(data, reader, error) from error


def complaint(data: bytes) -> str | None:
    """What is wrong with `data`, a document, but for references to what is not there; or None."""
    reader = Reader()
    try:
        reader.elements(data)
    except FormatError as error:
        return error.reason
    except _MISTAKES as error:
        return _explained(data, reader, error).reason
    return None


def _explained(data: bytes, reader: Reader, error: Exception) -> FormatError:
    if isinstance(error, WrongError | AssemblyError):
        if error.where is None:
            return reader.error(error.reason)
        return _located(data, error.reason, error.where)
    if isinstance(error, ExpatError):
        return reader.malformed(error)
    if isinstance(error, ValueTextError | WordError | GraphError):
        return reader.error(str(error))
    if isinstance(error, LookupError | ValueError) and not reader.stack:
        # Expat asks for the codec that the XML declaration names.
        return FormatError(f"its encoding cannot be read: {error}; write it as UTF-8", 1)
    if isinstance(error, MemoryError | RecursionError):
        return FormatError("it takes more memory than there is")
    raise error


def _located(data: bytes, reason: str, where: int) -> FormatError:
    finder = Finder(where)
    with contextlib.suppress(FoundError, WrongError, AssemblyError):
        finder.document(data)
    return finder.error(reason)
