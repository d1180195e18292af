"""What a command is doing, told on the terminal while it takes longer than a second.

Nothing is told where standard error is no terminal.
"""

import contextlib
import sys
import threading
from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Final

import attrs

from ..convert.brief import in_words

if TYPE_CHECKING:
    from rich.status import Status

_PATIENCE: Final = 1.0


@attrs.define(eq=False)
class Progress:
    """One line that says what is being done; it is gone when the work is."""

    _text: str = ""
    _status: "Status | None" = None
    _lock: threading.Lock = attrs.field(factory=threading.Lock)
    _over: bool = False

    def say(self, text: str) -> None:
        """From now on `text` is being done."""
        with self._lock:
            self._text = text
            if self._status is not None:
                self._status.update(text)

    def watch(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        """Pass on the pieces of a file that is being written, saying how much it is so far."""
        written = said = 0
        for piece in pieces:
            yield piece
            written += len(piece)
            if written - said >= 1_000_000:
                said = written
                self.say(f"writing, {in_words(written)} so far")
        self.say(f"verifying {in_words(written)}")

    @classmethod
    @contextlib.contextmanager
    def shown(cls) -> Generator["Progress"]:
        """A progress for the time of the context."""
        progress = cls()
        if not sys.stderr.isatty():
            yield progress
            return
        timer = threading.Timer(_PATIENCE, progress._show)
        timer.daemon = True
        timer.start()
        try:
            yield progress
        finally:
            timer.cancel()
            progress._end()

    def _show(self) -> None:
        from rich.console import Console

        status = Console(stderr=True).status(self._text)
        with self._lock:
            if self._over:
                return
            status.update(self._text)
            status.start()
            self._status = status

    def _end(self) -> None:
        with self._lock:
            self._over = True
            if self._status is not None:
                self._status.stop()
