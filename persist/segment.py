"""One segment of a journal, while it is written; and the names of segments in their folder.

00000000000000000001.log    named after the first number that may be in it
begin.tmp                   a segment that is being made
damaged/                    copies of segments in which recovery found damage

A segment gets its name when what it begins with is on the device, so a name never stands for
less. From then on it only grows, and only through the process that made it: the next process
begins another. What `files` does for whole files would be too much for each batch of records.
"""

import contextlib
import errno
import hashlib
import os
from collections.abc import Generator, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path
from typing import Final, Self

import attrs

from .disk import Disk
from .files import WriteError, write_error
from .frames import GREATEST_NUMBER, LARGE, Frame, Header, encode, encode_void, tagger
from .sealing import RecordSeal, Seal

NAME: Final = "{:020d}.log"
DAMAGED: Final = "damaged"
_DRAFT: Final = "begin.tmp"
_WRITER: Final = f"perdure {version('perdure')}"
# Less would cost rate, and more would make those wait longer who come when it is flushed.
_STEP: Final = 1 << 20
_NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT})
# What is framed together: enough to make the overhead small, and little to lose to one bad sector.
_FRAME_BYTES: Final = 1 << 16
_FRAME_RECORDS: Final = 1 << 10


@attrs.frozen
class Place:
    """Where segments are made, and what they have in common."""

    disk: Disk
    folder: Path
    application: str
    key: bytes = attrs.field(repr=False)
    seal: Seal | None = None


@attrs.define(eq=False)
class Segment:
    """A segment that this process has begun. Not for several threads at once.

    `next` is the number that the next record gets. After any error the segment can only be
    abandoned: what a device failed to take must not be asked of it again.
    """

    path: Path
    first: int
    next: int
    _disk: Disk = attrs.field(repr=False)
    _handle: int
    _tags: hashlib.blake2b = attrs.field(repr=False)
    size: int
    _synced: int
    _allocated: int
    _allocates: bool
    _seal: RecordSeal | None
    _closed: bool = False

    @classmethod
    def begin(
        cls,
        place: Place,
        first: int,
        *,
        fresh: bool = False,
        carried: Sequence[Frame] = (),
        retained: Sequence[Sequence[bytes]] = (),
        given_up: int = 0,
    ) -> Self:
        """Make the segment that begins with the number `first`, and put it on the device.

        It supersedes every record from `first` on in older segments, and one that is named the
        same. In it are, at once and before it has its name, the frames `carried` from an older
        one, the batches `retained`, and that `given_up` numbers have no record. A `fresh` one
        gives up its first number, so that no state before it has the number of one after it.
        Raises `WriteError`, also if there is no room for some records to come.
        """
        tags = tagger(place.key, place.application, first)
        header = Header(
            application=place.application,
            first=first,
            written=f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
            writer=_WRITER,
            fresh=fresh,
            sealed=str(place.seal.envelope) if place.seal else "",
        )
        seal = place.seal.records(place.application, first) if place.seal else None
        path = place.folder / NAME.format(first)
        disk, draft = place.disk, place.folder / _DRAFT
        with _failing_as(path, "creation"):
            with contextlib.suppress(FileNotFoundError):
                disk.unlink(draft)
            handle = disk.create(draft)
        segment = cls(path, first, first, disk, handle, tags, 0, first - 1, 0, True, seal)
        try:
            segment._fill(header, carried, retained, given_up)
            with _failing_as(path, "renaming"):
                disk.rename(draft, path)
            with _failing_as(path, "flush of the folder"):
                disk.sync_folder(place.folder)
        except BaseException:
            segment._close()
            with contextlib.suppress(OSError):
                disk.unlink(draft)
            raise
        return segment

    def write(self, records: Sequence[bytes]) -> None:
        """Hand `records` to the operating system. Raises `WriteError`."""
        small: list[bytes] = []
        size = 0
        pieces: list[bytes] = []
        with _failing_as(self.path, "write"):  # There may be no memory to join them.
            for record in records:
                length = len(record)
                if size + length > _FRAME_BYTES or len(small) == _FRAME_RECORDS:
                    pieces += self._encode(small)
                    small, size = [], 0
                small.append(record)
                size += length
            pieces += self._encode(small)
        self._put(pieces)

    def sync(self) -> None:
        """Put what was written on the device. Raises `WriteError`."""
        with _failing_as(self.path, "flush"):
            self._disk.sync(self._handle)
        self._synced = self.next - 1

    def finish(self, *, last: bool = False) -> None:
        """Close the segment, all of which must have been synced.

        The `last` one of a journal that is closed says so, if it can.
        """
        if last:
            with contextlib.suppress(WriteError):
                self._put(encode_void(self._tags, self.next, 0, self._synced))
                self.sync()
        with contextlib.suppress(OSError):  # The room goes back, or the zeros stay.
            self._disk.truncate(self._handle, self.size)
        self._close()

    def abandon(self, size: int) -> None:
        """Close the segment, if it is open, and cut what is beyond `size`, if that can be cut.

        That makes it likely, not sure, that nobody ever sees those records; what makes it sure is
        the segment that supersedes them.
        """
        if self._closed:
            return
        with contextlib.suppress(OSError):
            self._disk.truncate(self._handle, size)
            self._disk.sync(self._handle)
        self._close()

    def _fill(
        self,
        header: Header,
        carried: Sequence[Frame],
        retained: Sequence[Sequence[bytes]],
        given_up: int,
    ) -> None:
        with _failing_as(self.path, f"allocation of {_STEP >> 20} MB"):
            self._allocate(_STEP)
        self._put([header.to_bytes()])
        if header.fresh:
            self._give_up(1)
        for frame in carried:
            if frame.records is None:
                self._give_up(frame.total)
            else:
                self.write(frame.records)
        for records in retained:
            self.write(records)
        if given_up:
            self._give_up(given_up)
        self.sync()

    def _give_up(self, count: int) -> None:
        if count:
            self._put(encode_void(self._tags, self.next, count, self._synced))
            self.next += count

    def _encode(self, records: Sequence[bytes]) -> list[bytes]:
        if not records:
            return []
        pieces = encode(self._tags, self.next, records, self._synced, self._seal)
        self.next += len(records)
        return pieces

    def _put(self, pieces: Sequence[bytes]) -> None:
        total = sum(map(len, pieces))
        if self._allocates and self.size + total > self._allocated:
            # Without room for a step there may be some for the records.
            with contextlib.suppress(OSError):
                self._allocate(total + _STEP)
        with _failing_as(self.path, "write"):
            small: list[bytes] = []
            for piece in pieces:
                if len(piece) > LARGE:
                    self._append(small)
                    small = []
                    self._append([piece])
                else:
                    small.append(piece)
            self._append(small)

    def _append(self, pieces: Sequence[bytes]) -> None:
        if pieces:
            data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
            self._disk.write(self._handle, data, self.size)
            self.size += len(data)

    def _allocate(self, length: int) -> None:
        try:
            self._disk.allocate(self._handle, self.size, length)
        except OSError as error:
            # Some file systems cannot, which costs only speed.
            self._allocates = False
            if error.errno in _NO_ROOM:
                raise
        else:
            self._allocated = self.size + length

    def _close(self) -> None:
        self._closed = True
        with contextlib.suppress(OSError):
            self._disk.close(self._handle)


def segments(disk: Disk, folder: Path) -> list[tuple[int, Path]]:
    """The segments in `folder` with their first numbers, oldest first. Raises OSError."""
    found: list[tuple[int, Path]] = []
    for name in disk.names(folder):
        stem, dot, suffix = name.partition(".")
        if dot + suffix != ".log" or len(stem) != 20 or not (stem.isascii() and stem.isdigit()):
            continue
        if int(stem) <= GREATEST_NUMBER:
            found.append((int(stem), folder / name))
    return sorted(found)


def prune(disk: Disk, folder: Path, sequence: int) -> list[Path]:
    """Remove the segments all of whose records have numbers up to `sequence`; tells which.

    The newest stays in any case. What cannot be removed costs room and nothing else.
    """
    removed: list[Path] = []
    with contextlib.suppress(OSError):
        for (_, path), (following, _) in pairwise(segments(disk, folder)):
            if following > sequence + 1:
                break
            disk.unlink(path)
            removed.append(path)
    return removed


@contextlib.contextmanager
def _failing_as(path: Path, operation: str) -> Generator[None]:
    try:
        yield
    except OSError as error:
        raise write_error(path, operation, error) from error
    except MemoryError as error:
        no_memory = OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))
        raise write_error(path, operation, no_memory) from error
