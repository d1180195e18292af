"""Where a running server's own log goes: a file that rotates, or the terminal."""

import logging
import os
import sys
from pathlib import Path
from typing import ClassVar

import attrs

from ..app.logfile import LogFile
from ..persist.errors import PerdureError

LIMIT = 1_000_000
"""Bytes at which the server's log is rotated by itself."""


@attrs.define(str=False)
class LogError(PerdureError):
    """The log file cannot be opened."""

    exit_status: ClassVar[int] = os.EX_CANTCREAT
    path: Path
    reason: str

    def __str__(self) -> str:
        return f"{self.path}: cannot open the log: {self.reason}; name another with --logfile"


class FileHandler(logging.Handler):
    """Writes records to a `LogFile`, rotating it at `LIMIT` bytes."""

    def __init__(self, file: LogFile) -> None:
        super().__init__()
        self.file = file

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record; a log that cannot be written must not stop the server."""
        try:
            self.file.write(self.format(record) + "\n")
        except Exception:  # noqa: BLE001 whatever a record's text does
            self.handleError(record)


def start(target: str, *, debug: bool) -> FileHandler | None:
    """Send the log to the file `target`, or to standard output for ``-``.

    Returns the handler when it is a file, for its rotation. Raises LogError.
    """
    handler: logging.Handler
    if target == "-":
        handler = logging.StreamHandler(sys.stdout)
        handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", datefmt="%H:%M:%S"))
    else:
        try:
            handler = FileHandler(LogFile(Path(target), limit=LIMIT))
        except OSError as error:
            raise LogError(Path(target), error.strerror or str(error)) from None
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.captureWarnings(True)
    logging.basicConfig(level=logging.DEBUG if debug else logging.INFO, handlers=[handler])
    # asyncio's own debug lines are about the loop, not about the server.
    logging.getLogger("asyncio").setLevel(logging.WARNING)
    return handler if isinstance(handler, FileHandler) else None
