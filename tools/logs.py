"""Where a running server's own log goes: a file that rotates, or the terminal."""

import logging
import os
import re
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import ClassVar, Final

import attrs

from ..app.logfile import LogFile
from ..persist.errors import PerdureError

LIMIT = 1_000_000
"""Bytes at which the server's log is rotated by itself."""

_IN_A_FILE: Final = "%(asctime)s %(levelname)s %(name)s: %(message)s"
_ON_TERMINAL: Final = "%(asctime)s %(message)s"
_CONTROL: Final = re.compile("[\0-\x1f\x7f-\x9f\u2028\u2029]")


@attrs.define(str=False)
class LogError(PerdureError):
    """The log file cannot be opened."""

    exit_status: ClassVar[int] = os.EX_CANTCREAT
    path: Path
    reason: str

    def __str__(self) -> str:
        return f"{self.path}: cannot open the log: {self.reason}; name another with --logfile"


class LineFormatter(logging.Formatter):
    """One line a record, whatever its text has in it; a traceback below it is indented by four.

    So no line that begins with a time is the work of a client: control characters are written
    as in Python (``\\n``, ``\\x1b``).
    """

    def format(self, record: logging.LogRecord) -> str:
        """The lines of `record`, the last one without its end."""
        record.message = record.getMessage().rstrip("\n")
        record.asctime = self.formatTime(record, self.datefmt)
        lines = [_escaped(self.formatMessage(record))]
        # Not `record.exc_text`, in which another handler may have left what it made of it.
        if record.exc_info:
            lines += _indented(self.formatException(record.exc_info))
        if record.stack_info:
            lines += _indented(self.formatStack(record.stack_info))
        return "\n".join(lines)


class LineHandler(logging.Handler):
    """Gives each record to `write`, as lines. What `write` cannot take is lost.

    A full disk, or a terminal that is gone, must not stop the server; and there is no
    better place to report it.
    """

    def __init__(self, write: Callable[[str], object]) -> None:
        super().__init__()
        self._write = write

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record."""
        try:
            text = self.format(record) + "\n"
        except Exception:  # noqa: BLE001 arguments that do not fit the message, or worse
            self.handleError(record)
        else:
            with suppress(OSError):
                self._write(text)


def start(target: str, *, debug: bool) -> None:
    """Send the log to the file `target`, or to standard output for ``-``. Raises LogError."""
    if target == "-":
        handler = LineHandler(_print)
        handler.setFormatter(LineFormatter(_ON_TERMINAL, datefmt="%H:%M:%S"))
    else:
        try:
            handler = LineHandler(LogFile(Path(target), limit=LIMIT).write)
        except OSError as error:
            raise LogError(Path(target), error.strerror or str(error)) from None
        handler.setFormatter(LineFormatter(_IN_A_FILE))
    logging.captureWarnings(True)
    logging.basicConfig(level=logging.DEBUG if debug else logging.INFO, handlers=[handler])
    # asyncio's own debug lines are about the loop, not about the server.
    logging.getLogger("asyncio").setLevel(logging.WARNING)


def _print(text: str) -> None:
    # Past the buffer of sys.stdout: what a closed pipe left in there would fail again at exit.
    data = text.encode(sys.stdout.encoding, "backslashreplace")
    while data:
        data = data[os.write(sys.stdout.fileno(), data) :]


def _escaped(text: str) -> str:
    # No codec: it would be a module to import, at a time when perhaps no file can be opened.
    return _CONTROL.sub(lambda found: repr(found[0])[1:-1], text)


def _indented(text: str) -> list[str]:
    return ["    " + _escaped(line) for line in text.split("\n")]
