"""What was found for a path, as long as the file there stays as it was."""

import os
import time
from asyncio import get_running_loop
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

import attrs

from ..resource import Resource

Key = tuple[str, ...]
Signature = tuple[int, int, int, int, int]

# A clock tick of the kernel is at most 10 ms: a file changed twice within one cannot be told apart.
_SETTLED: Final = 50_000_000
_PATIENCE: Final = 1_000_000_000
_UNKNOWN: Final = (0, 0, 0, 0, 0)


def signature(status: os.stat_result) -> Signature:
    """Tells one version of a file from another: times, size, number and device.

    The time of the last status change is among them: it cannot be set back by hand, and it
    moves when who may read the file does.
    """
    return (
        status.st_mtime_ns,
        status.st_ctime_ns,
        status.st_size,
        status.st_ino,
        status.st_dev,
    )


@attrs.define(eq=False)
class Entry:
    """A resource that answers for the file at `path` while its signature lasts.

    `folder` is looked at too, when what was found there depends on what else the folder
    holds: an index, or a name with its extension left out.

    `beside` is what the resource could be better for, and is not wrong without: the folder in which
    compressed versions of the file may turn up, and those that have. These are looked at
    once a second, since each look costs as much as half an answer.
    """

    path: str
    signature: Signature
    resource: Resource
    cost: int = 0
    folder: str | None = None
    folder_signature: Signature | None = None
    beside: list[tuple[str, Signature]] = attrs.field(factory=list[tuple[str, Signature]])
    looked: int = 0
    checked: int = -1

    def is_fresh(self, now: int) -> bool:
        """Whether the file, and the folder if it matters, are what they were; `now` in nanoseconds."""
        try:
            if signature(os.stat(self.path)) != self.signature:
                return False
            if self.folder and signature(os.stat(self.folder)) != self.folder_signature:
                return False
            if self.beside and not 0 <= now - self.looked < _PATIENCE:
                self.looked = now
                return all(signature(os.stat(path)) == then for path, then in self.beside)
        except OSError:
            return False
        return True

    def is_settled(self, now: int) -> bool:
        """Whether a change from `now` (nanoseconds) on would surely show in the signatures."""
        return _is_settled(self.signature, now) and (
            self.folder_signature is None or _is_settled(self.folder_signature, now)
        )

    def begin(self, now: int) -> None:
        """It is kept from `now` on. What else is beside it and not settled is looked for anew soon."""
        self.looked = now
        self.beside = [
            (path, then if _is_settled(then, now) else _UNKNOWN) for path, then in self.beside
        ]


def _is_settled(present: Signature, now: int) -> bool:
    return now - max(present[:2]) > _SETTLED


class FileCache:
    """Entries by path, at most `limit` bytes and `most` of them; those least asked for leave first.

    An entry is checked against its file, with one ``stat``, whenever it is asked for; in an event
    loop, once for all the requests that the loop found waiting when it last looked. So
    whoever asks after a change is done gets the changed file.
    """

    def __init__(
        self,
        limit: int = 64 * 1024 * 1024,
        most: int = 10_000,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        self.limit = limit
        self.most = most
        self.size = 0
        self._clock = clock
        self._entries: OrderedDict[Key, Entry] = OrderedDict()
        self._turn = 0
        self._turn_ends = False

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: Key) -> Resource | None:
        """The resource kept for `key`, or None if there is none or its file has changed."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        if entry.checked != self._turn:
            if not entry.is_fresh(self._clock()):
                self._forget(key)
                return None
            self._entries.move_to_end(key)
            self._note_checked(entry)
        return entry.resource

    def _note_checked(self, entry: Entry) -> None:
        if not self._turn_ends:
            try:
                # Runs before the loop looks for requests again.
                get_running_loop().call_soon(self._end_turn)
            except RuntimeError:
                return
            self._turn_ends = True
        entry.checked = self._turn

    def _end_turn(self) -> None:
        self._turn += 1
        self._turn_ends = False

    def put(self, key: Key, entry: Entry) -> None:
        """Keeps `entry`, unless its file changed so lately that the next change might not show."""
        now = self._clock()
        if entry.cost > self.limit or not entry.is_settled(now):
            return
        if key in self._entries:
            self._forget(key)
        entry.begin(now)
        self._entries[key] = entry
        self.size += entry.cost
        while self.size > self.limit or len(self._entries) > self.most:
            self._forget(next(iter(self._entries)))

    def _forget(self, key: Key) -> None:
        self.size -= self._entries.pop(key).cost
