"""What was found for a path, as long as the file there stays as it was."""

import os
import time
from asyncio import get_running_loop
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

import attrs

from .resource import Resource

Key = tuple[str, ...]
Signature = tuple[int, int, int, int, int]

# A clock tick of the kernel is at most 10 ms: a file changed twice within one cannot be told apart.
_SETTLED: Final = 50_000_000


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
    holds: an index, a name with its extension left out, files beside it that are compressed. Those
    of the latter that there are, with their signatures, are `siblings`.
    """

    path: str
    signature: Signature
    resource: Resource
    cost: int = 0
    folder: str | None = None
    folder_signature: Signature | None = None
    siblings: list[tuple[str, Signature]] = attrs.field(factory=list[tuple[str, Signature]])
    checked: int = -1

    def is_fresh(self) -> bool:
        """Whether the file, and the folder if it matters, are what they were."""
        try:
            return (
                signature(os.stat(self.path)) == self.signature
                and (
                    self.folder is None or signature(os.stat(self.folder)) == self.folder_signature
                )
                and all(signature(os.stat(path)) == present for path, present in self.siblings)
            )
        except OSError:
            return False

    def is_settled(self, now: int) -> bool:
        """Whether a change from `now` (nanoseconds) on would surely show in the signatures."""
        newest = max(self.signature[:2])
        if self.folder_signature is not None:
            newest = max(newest, *self.folder_signature[:2])
        for _, present in self.siblings:
            newest = max(newest, *present[:2])
        return now - newest > _SETTLED


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
            if not entry.is_fresh():
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
        if entry.cost > self.limit or not entry.is_settled(self._clock()):
            return
        if key in self._entries:
            self._forget(key)
        self._entries[key] = entry
        self.size += entry.cost
        while self.size > self.limit or len(self._entries) > self.most:
            self._forget(next(iter(self._entries)))

    def _forget(self, key: Key) -> None:
        self.size -= self._entries.pop(key).cost
