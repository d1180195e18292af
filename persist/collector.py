"""Garbage collection, held off while a large graph is built or walked."""

import contextlib
import gc
from collections.abc import Generator


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
