"""The journal while it is read, after whatever has ended the process that wrote it.

Three things may be wrong with a journal, and are told apart. A segment that a failure broke holds
records that were never secured: the next segment supersedes them, and they are passed over. The
newest segment may end in the middle of what was being written: that tail is cut, since nobody was
told that it is safe. Anything else that cannot be read was safe once, and is damage: it is
reported with the numbers that are missing, and reading goes on behind it.

What tells a tail from damage is that each frame, and each segment by its first number, says up to
where all was on the device when it was written.
"""

import os
from collections import deque
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import ClassVar, Final

import attrs

from .disk import DISK, Disk
from .errors import PerdureError
from .frames import (
    FORMAT,
    GREATEST_NUMBER,
    LONGEST_HEADER,
    ForeignTagError,
    Frame,
    Header,
    HeaderError,
    NewerFormatError,
    find_frames,
    read_frames,
    tagger,
    unsealed,
)
from .keyring import Keyring, UnlockError
from .sealing import Envelope, RecordSeal, TamperedError, name_in
from .segment import DAMAGED, segments

_NO_NUMBERS: Final = range(0)


@attrs.define
class JournalError(PerdureError):
    """A journal cannot be read at all. `reason` says why, and what to do."""

    path: Path
    reason: str
    exit_status: ClassVar[int] = os.EX_DATAERR

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


@attrs.frozen
class Damage:
    """Something that was once safe on the disk and cannot be read.

    It is `size` bytes at `offset` of the `segment`; `missing` are the numbers of the records that
    were there, and the range is empty if the damage hit none. Without bytes, the records are not in
    any file. `is_headless` is a segment of which nothing can be read: nobody knows what was in it.
    """

    segment: Path
    offset: int
    size: int
    missing: range
    is_headless: bool = False

    def __str__(self) -> str:
        what, verb = "no record", "is"
        if len(self.missing) == 1:
            what = f"the record {self.missing[0]}"
        elif self.missing:
            what, verb = f"the records {self.missing[0]} to {self.missing[-1]}", "are"
        if self.is_headless:
            state = "damaged from its first byte on" if self.size else "empty"
            return f"{self.segment}: it is {state}; what was in it is lost"
        if not self.size:
            place = f"behind byte {self.offset}" if self.offset else "before it"
            return f"{self.segment}: {what} {place} {verb} missing"
        by_it = "" if self.missing else " by it"
        return (
            f"{self.segment}: {self.size} bytes at {self.offset} are damaged;"
            f" {what} {verb} lost{by_it}"
        )


@attrs.frozen
class Report:
    """What was read, and what was not.

    `records` were given out; `given_up` numbers never had a record, because the disk failed and
    those who waited were told so; `superseded` records were passed over for the same reason. `cut`
    bytes at the end were never finished.
    """

    records: int
    given_up: int
    superseded: int
    cut: int
    damage: tuple[Damage, ...]


@attrs.define
class JournalReader:
    """The journal of `application` in `folder`, as it is when `records` is called.

    With a `key` only frames that it has tagged are believed; without, any: then nothing that was
    read may be unpickled. A reader writes nothing, but for `keep_damaged`.
    """

    folder: Path
    application: str
    key: bytes | None = attrs.field(repr=False)
    _disk: Disk = attrs.field(default=DISK, repr=False)
    keyring: Keyring | None = None
    # The number of the segment that forgets all states and records before it.
    fresh_from: int | None = attrs.field(init=False, default=None)
    # When that was written.
    fresh_since: str = attrs.field(init=False, default="")
    _segments: list[tuple[int, Path]] = attrs.field(init=False)
    _last: int = attrs.field(init=False, default=0)
    _tail: deque[Frame] = attrs.field(init=False, factory=deque[Frame])
    _records: int = attrs.field(init=False, default=0)
    _given_up: int = attrs.field(init=False, default=0)
    _superseded: int = attrs.field(init=False, default=0)
    _cut: int = attrs.field(init=False, default=0)
    _damage: list[Damage] = attrs.field(init=False, factory=list[Damage])
    # Of which segment and data key the last frame was, and what opens it.
    _seal: tuple[int, bytes, RecordSeal] | None = attrs.field(init=False, default=None)

    def __attrs_post_init__(self) -> None:
        """Look at the headers: raises `JournalError` if this is not a journal for us to read."""
        try:
            self._segments = segments(self._disk, self.folder)
        except FileNotFoundError:
            self._segments = []
        except OSError as error:
            raise _unreadable(self.folder, error) from error
        for first, path in self._segments:
            header = self._header(path)
            if header is not None and header.fresh:
                self.fresh_from, self.fresh_since = first, header.written

    @property
    def segments(self) -> list[Path]:
        """The segments there are, oldest first."""
        return [path for _, path in self._segments]

    @property
    def report(self) -> Report:
        """What `records` has met, complete when it has ended."""
        return Report(
            self._records, self._given_up, self._superseded, self._cut, tuple(self._damage)
        )

    @property
    def last(self) -> int:
        """The greatest number read, of a record or of one given up; once `records` has ended."""
        return self._last

    def records(self, after: int = 0) -> Iterator[tuple[int, bytes]]:
        """The records with numbers greater than `after`, in order, with their numbers.

        A state that holds the effect of all up to `after` needs these. Nothing before the segment
        that forgets is given. Of what is sealed a reader without a keyring gives the numbers, and
        nothing for each record. Raises `JournalError` if a segment cannot be opened, or if another
        key than ours made it, or it is another user's file; and `UnlockError`.
        """
        self._begin(max(after, (self.fresh_from or 1) - 1))
        chain = [*self._segments, (GREATEST_NUMBER + 1, self.folder)]
        for (first, path), (following, _) in pairwise(chain):
            if following > self._last + 1:
                yield from self._read(path, first, following)

    def resumption(self, sequence: int) -> tuple[int, list[Frame]]:
        """How a journal goes on here: the number it begins with, and what it must carry over.

        What the process before this one wrote last may be only in the system's memory, though it
        was read; so it is written again. `sequence` is that of the state to which the records
        were applied. To be asked when `records` has ended.
        """
        begin = self.fresh_from or 0
        if self._last <= max(sequence, begin):
            return max(sequence, begin) + 1, []
        # A segment that begins a history is on the device, and nothing may take its name.
        tail = [frame for frame in self._tail if frame.total and frame.first > begin]
        return (tail[0].first if tail else self._last + 1), tail

    def keep_damaged(self) -> list[Path]:
        """Keep the damaged segments where pruning does not find them; tells where.

        Raises OSError. Those kept before stay as they are.
        """
        kept: list[Path] = []
        for path in dict.fromkeys(damage.segment for damage in self._damage):
            folder = self.folder / DAMAGED
            if folder.name not in self._disk.names(self.folder):
                self._disk.make_folder(folder)
            target = folder / path.name
            if target.name not in self._disk.names(folder):
                # A segment is never changed again, so that a second name is as good as a copy.
                self._disk.link(path, target)
                self._disk.sync_folder(folder)
            kept.append(target)
        return kept

    def _begin(self, after: int) -> None:
        self._last = after
        self._records = self._given_up = self._superseded = self._cut = 0
        self._tail.clear()
        self._damage.clear()

    def _header(self, path: Path) -> Header | None:
        """What the segment says of itself; None if that is damaged."""
        try:
            header = Header.from_bytes(self._disk.read_start(path, LONGEST_HEADER))
        except OSError as error:
            raise _unreadable(path, error) from error
        except NewerFormatError as error:
            raise JournalError(
                path,
                f"it is of format {error}, and this version reads {FORMAT}; use a newer Perdure",
            ) from error
        except HeaderError:
            return None
        if header.application != self.application:
            raise JournalError(
                path,
                f"it belongs to {header.application!r}, not to {self.application!r};"
                " move it to that application's journal",
            )
        return header

    def _read(self, path: Path, first: int, following: int) -> Iterator[tuple[int, bytes]]:
        data = self._content(path)
        tags = None if self.key is None else tagger(self.key, self.application, first)
        self._miss(path, 0, 0, range(self._last + 1, first))
        self._tail.clear()
        expected, offset = first, self._frames_begin(path, data)
        frames = read_frames(data, offset, tags) if offset else iter(())
        try:
            for frame in frames:
                if frame.first != expected:
                    break
                expected, offset = frame.first + frame.total, frame.end
                yield from self._admit(path, first, frame, following)
        except ForeignTagError as error:
            raise JournalError(
                path,
                f"what is at {error} was not written with this user's key; run as the user who"
                " wrote it, or move it away and do without its records",
            ) from error
        end = len(data.rstrip(b"\0"))
        rest: list[Frame] = []
        if offset < end or expected < following <= GREATEST_NUMBER:
            rest = find_frames(data, offset, tags)
            yield from self._go_on(path, first, rest, following, expected, offset, end)
        if not offset and following > GREATEST_NUMBER and not rest:
            # It got its name when its head was on the device.
            self._cut = 0
            self._damage.append(Damage(path, 0, end, _NO_NUMBERS, is_headless=True))

    def _content(self, path: Path) -> bytes:
        try:
            data, owner = self._disk.read_owned(path)
        except OSError as error:
            raise _unreadable(path, error) from error
        # A server that has gone over to another user has the key in its memory still.
        if self.key and owner not in (0, os.geteuid()):
            raise JournalError(
                path,
                f"it belongs to user {owner}, and this is user {os.geteuid()}, who may not trust"
                " it; run as that user (--uid), or chown it",
            )
        return data

    def _go_on(
        self,
        path: Path,
        begin: int,
        frames: list[Frame],
        following: int,
        expected: int,
        offset: int,
        end: int,
    ) -> Iterator[tuple[int, bytes]]:
        """What can be had of a segment from where its frames do not follow each other any more."""
        synced = max((frame.synced for frame in frames), default=0)
        if following <= GREATEST_NUMBER:
            synced = following - 1
        for frame in frames:
            if frame.first < expected:
                continue
            if frame.first > expected > synced:
                break
            if frame.offset > offset:
                self._miss(
                    path,
                    offset,
                    frame.offset - offset,
                    range(expected, min(frame.first, following)),
                )
            yield from self._admit(path, begin, frame, following)
            expected, offset = frame.first + frame.total, frame.end
        end = max(end, offset)
        if expected <= synced:
            self._miss(path, offset, end - offset, range(expected, synced + 1))
        elif following > GREATEST_NUMBER:
            self._cut = end - offset

    def _unsealed(self, path: Path, begin: int, frame: Frame, sealed: bytes) -> Frame:
        if self.keyring is None:
            return frame._replace(records=[b""] * frame.total, sealed=None)
        name = name_in(sealed)
        if self._seal is None or self._seal[:2] != (begin, name):
            header = self._header(path)
            if header is not None and header.sealed:
                self.keyring.unlock(Envelope.parse(header.sealed), path)
            seal = self.keyring.known(name)
            if seal is None:
                raise UnlockError(path, "its records are sealed with a key that was not given")
            self._seal = begin, name, seal.records(self.application, begin)
        try:
            return unsealed(frame, self._seal[2])
        except TamperedError as error:
            raise JournalError(
                path,
                f"what is at {frame.offset} does not open: {error}; move it away and do without its"
                " records",
            ) from error

    def _admit(
        self, path: Path, begin: int, frame: Frame, following: int
    ) -> Iterator[tuple[int, bytes]]:
        if frame.sealed is not None and frame.first < following:
            frame = self._unsealed(path, begin, frame, frame.sealed)
        first, records, last = frame.first, frame.records, frame.first + frame.total - 1
        if last >= following:
            dead = last + 1 - max(first, following)
            self._superseded += dead if records is not None else 0
            if first >= following:
                return iter(())
            last -= dead
            records = None if records is None else records[: len(records) - dead]
        self._note(frame)
        if last <= self._last:
            return iter(())
        fresh = last - max(first - 1, self._last)
        self._last = last
        if records is None:
            self._given_up += fresh
            return iter(())
        self._records += fresh
        return enumerate(records[-fresh:] if fresh < len(records) else records, last + 1 - fresh)

    def _note(self, frame: Frame) -> None:
        """Keep the frame until a later one says that it is on the device."""
        synced = frame.synced
        while self._tail and self._tail[0].first <= synced:
            self._tail.popleft()
        self._tail.append(frame)

    def _miss(self, path: Path, offset: int, size: int, missing: range) -> None:
        needed = range(max(missing.start, self._last + 1), missing.stop)
        if needed or (size and not missing):
            self._damage.append(Damage(path, offset, size, needed))
        self._last = max(self._last, missing.stop - 1)

    def _frames_begin(self, path: Path, data: bytes) -> int:
        """Where the header ends; 0 if it is damaged."""
        if self._header(path) is None:
            return 0
        return data.index(b"\n", data.index(b"\n") + 1) + 1


def _unreadable(path: Path, error: OSError) -> JournalError:
    return JournalError(path, f"it cannot be read: {os.strerror(error.errno or 0)}")
