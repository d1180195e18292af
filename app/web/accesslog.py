"""The access log, in the combined format of Apache and nginx."""

import asyncio
import logging
import os
import re
from pathlib import Path
from typing import Final

from ...persist.errors import PerdureError
from ..logfile import LogFile
from .head import Head

_UNFIT: Final = re.compile(r"[^ !#-\[\]-~]")
_SOURCE: Final = re.compile(rb"\n(referer|user-agent):[ \t]*([^\r]*)", re.IGNORECASE)
_DELAY: Final = 0.5
_BATCH: Final = 512

_report = logging.getLogger("perdure.web")


class AccessLogError(PerdureError):
    """The access log cannot be opened. Attributes: `path`, `reason`."""

    exit_status = os.EX_CANTCREAT

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"access log {path}: {reason}; choose a file that can be written")
        self.path = path
        self.reason = reason


def escaped(text: str) -> str:
    """`text` as it may stand between quotes: other than plain ASCII as ``\\xHH``."""
    return _UNFIT.sub(lambda match: f"\\x{ord(match[0]):02x}", text) if text else "-"


class AccessLog:
    """One line a reply, written in batches: after half a second, or when many have gathered.

    A line that cannot be written is lost and the loss reported; no reply waits for the log or fails
    with it. Lines that wait are written by `flush` and `close`.
    """

    def __init__(self, path: str, loop: asyncio.AbstractEventLoop) -> None:
        self._path = path
        self._loop = loop
        self._lines: list[str] = []
        self._timer: asyncio.TimerHandle | None = None
        self._failing = False
        try:
            self._file = LogFile(Path(path), before_rotation=self.flush)
        except OSError as error:
            raise AccessLogError(path, error.strerror or str(error)) from None

    def add(
        self, client: str, user: str | None, when: str, head: Head, status: int, sent: int
    ) -> None:
        """Notes one reply; `when` is the time as the format has it, `sent` the body's bytes.

        `user` is who asked, if that is known; a blank in the name is told as ``%20``.
        """
        line, source = head.for_log or _noted(head)
        who = "-" if user is None else escaped(user).replace(" ", "%20")
        self.add_line(f'{client} - {who} [{when}] "{line}" {status} {sent} {source}\n')

    def add_line(self, line: str) -> None:
        """Notes one line, complete and escaped."""
        lines = self._lines
        lines.append(line)
        if self._timer is None:
            self._timer = self._loop.call_later(_DELAY, self.flush)
        elif len(lines) >= _BATCH:
            self.flush()

    def flush(self) -> None:
        """Writes what has gathered."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self._lines:
            return
        text = "".join(self._lines)
        lost, self._lines = len(self._lines), []
        try:
            self._file.write(text)
        except OSError as error:
            if not self._failing:
                _report.error("access log %s: %s; %d lines lost", self._path, error, lost)
            self._failing = True
        else:
            self._failing = False

    def close(self) -> None:
        """Writes what has gathered and closes the file; nothing is added afterwards."""
        self.flush()
        self._file.close()


def _noted(head: Head) -> tuple[str, str]:
    # Found in the raw head: taking all fields apart costs more than the rest of the request.
    fields = {name.lower(): value for name, value in _SOURCE.findall(head.raw)}
    referer = escaped(fields.get(b"referer", b"").decode("latin-1"))
    agent = escaped(fields.get(b"user-agent", b"").decode("latin-1"))
    head.for_log = (escaped(head.line.decode("latin-1")), f'"{referer}" "{agent}"')
    return head.for_log
