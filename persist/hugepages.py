"""This process's memory in huge pages, which make a fork fast.

A fork copies what says where each page is: for a gigabyte in pages of 4 KB that takes 20 ms and more,
during which nothing else runs, and in huge pages of 2 MB hardly one. Nobody has to be told to use
them: what lies in small pages is gathered by the kernel, on our request (MADV_COLLAPSE, see
madvise(2); Linux 6.1 or later), whatever the system's setting is for those who do not ask.
"""

import ctypes
import errno
import functools
import mmap
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import attrs

_COLLAPSE: Final = 25  # MADV_COLLAPSE, which the mmap module has no name for before Python 3.13
SIZE_FILE: Final = Path("/sys/kernel/mm/transparent_hugepage/hpage_pmd_size")
MAPS: Final = Path("/proc/self/maps")
# Private memory of no file: what Python and the C library allocate.
_OURS: Final = re.compile(r"([0-9a-f]+)-([0-9a-f]+) rw.p \S+ \S+ 0 *(?:\[heap\]|\[anon:.*)?$")
_WORTH_IT: Final = 64 << 20
"""With less memory than this, a fork takes no time that anybody would notice."""

_FULL: Final = 3 / 4
"""How much of a huge page must be in use: the rest of it is taken from the system for nothing."""


@attrs.frozen
class Gathered:
    """What `gather` has done, in bytes: what lies in huge pages now, and what could not be put there."""

    huge: int = 0
    refused: int = 0


def gather(is_given_up: Callable[[], bool] = lambda: False, *, idle: float = 0) -> Gathered:
    """Have the memory of this process in huge pages, as far as it is in use and the system gives any.

    That takes seconds for each gigabyte at first and milliseconds later, when little has changed.
    Call it in a thread of its own: others run meanwhile, and wait, for a millisecond or so, only if
    they look at just the memory that is being moved. After each move it is `idle` for so many times
    as long as that took. It ends early when it `is_given_up`, and does
    nothing where the system cannot do it.
    """
    step = size()
    if not step:
        return Gathered()
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mincore.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_char_p)
    libc.madvise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    pages = ctypes.create_string_buffer(step // mmap.PAGESIZE)
    huge = refused = 0
    for begin, end in _ranges(step):
        for place in range(begin, end, step):
            if is_given_up():
                return Gathered(huge, refused)
            # What was given back meanwhile is refused: nothing is written to it.
            if libc.mincore(place, step, pages) or pages.raw.count(1) < len(pages) * _FULL:
                continue
            begun = time.monotonic()
            failed = libc.madvise(place, step, _COLLAPSE)
            error = ctypes.get_errno()
            if idle:
                time.sleep(idle * (time.monotonic() - begun))
            if not failed:
                huge += step
                continue
            refused += step
            if error in (errno.EINVAL, errno.ENOMEM, errno.EPERM, errno.ENOSYS):
                # The system cannot, or has no more: it would say so each time.
                return Gathered(huge, refused)
    return Gathered(huge, refused)


@functools.cache
def size() -> int:
    """Bytes of a huge page; 0 where there are none."""
    try:
        return int(SIZE_FILE.read_text())
    except (OSError, ValueError):
        return 0


def _ranges(size: int) -> list[tuple[int, int]]:
    """Where huge pages could be; nothing if that is not worth it."""
    found: list[tuple[int, int]] = []
    try:
        lines = MAPS.read_text().splitlines()
    except OSError:
        return []
    for line in lines:
        if match := _OURS.match(line):
            begin = -(-int(match[1], 16) // size) * size
            end = int(match[2], 16) // size * size
            if begin < end:
                found.append((begin, end))
    return found if sum(end - begin for begin, end in found) >= _WORTH_IT else []
