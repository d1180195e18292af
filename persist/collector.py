"""Garbage collection, held off while a large graph is built or walked, and from what has come to stay."""

import contextlib
import gc
from collections.abc import Generator
from pathlib import Path
from typing import Final

import attrs

SIZE_FILE: Final = Path("/proc/self/statm")


@contextlib.contextmanager
def collector_off() -> Generator[None]:
    """Hold collection off for the block. Making a graph makes no garbage: the collector would walk
    all of it again and again, for as long as the work itself takes, and find nothing.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


@attrs.define
class Settled:
    """The objects that the collector does not look at any more, as they are likely to stay.

    To look through all that a server holds takes a second for some million objects, in which nothing
    else runs, and Python would do it again whenever a quarter is new. The price is that settled
    objects that become garbage in a cycle are not found. So all are looked through once the process
    has twice the memory that it had then.
    """

    _size: int = attrs.field(init=False, default=0)

    def all(self) -> None:
        """Look through everything, and settle what is no garbage."""
        gc.unfreeze()
        gc.collect()
        gc.freeze()
        # What the collector calls many is a quarter of what there was at its last full look: of
        # nothing, now. So it goes on to look through the new objects as there come more of these.
        gc.collect()
        self._size = _resident()

    def new(self) -> None:
        """Settle what has come since, without a look at more than the youngest; or all, see above."""
        if self._size and _resident() > 2 * self._size:
            self.all()
        else:
            gc.collect(1)
            gc.freeze()


def _resident() -> int:
    """Pages of memory in use; 0 where the system does not say."""
    try:
        return int(SIZE_FILE.read_text().split()[1])
    except (OSError, ValueError):
        return 0
