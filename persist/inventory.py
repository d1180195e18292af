"""A journal's segments as files: what each says of itself, what is in it, and who tagged it.

Unlike `journalreader`, which gives what counts, this looks at all that is there, and believes nothing.
"""

import os
from pathlib import Path
from typing import Literal

import attrs

from .disk import DISK
from .frames import (
    LONGEST_HEADER,
    ForeignTagError,
    Frame,
    Header,
    HeaderError,
    find_frames,
    read_frames,
    tagger,
)
from .journalreader import JournalError, JournalReader
from .segment import segments
from .storage import State

Writer = Literal["own", "nobody", "other", "unknown"]
"""By whose key the frames are tagged; ``nobody``: without a key, by a run of a stranger's snapshot.

What lies in another user's file is that ``other`` user's: a server may have kept the key in memory.
"""


@attrs.frozen
class SegmentFacts:
    """A segment: its name says that it begins with the number `first`.

    `header` is None if it is damaged. Of its `size` bytes `used` are not the zeros at the end.
    `records` are those that are whole, `last` the greatest of their numbers, and 0 for none. Whether
    any are sealed can be told without their key.
    """

    path: Path
    first: int
    header: Header | None
    size: int
    used: int
    records: int
    last: int
    writer: Writer
    is_sealed: bool

    @property
    def is_fresh(self) -> bool:
        """Whether it begins a history that forgets what was before."""
        return self.header is not None and self.header.fresh


def inventory(folder: Path, application: str, key: bytes) -> list[SegmentFacts]:
    """The segments in `folder`, oldest first; `key` is that of this user's journals.

    One that is removed meanwhile is left out. Raises `JournalError` for what cannot be opened.
    """
    found: list[SegmentFacts] = []
    for first, path in _segments(folder):
        try:
            owner = path.stat().st_uid
            data = DISK.read(path)
        except FileNotFoundError:
            continue
        except OSError as error:
            raise _unreadable(path, error) from error
        facts = _facts(path, first, data, application, key)
        if facts.writer == "own" and owner not in (0, os.geteuid()):
            facts = attrs.evolve(facts, writer="other")
        found.append(facts)
    return found


def envelope(newest: State | None, reader: JournalReader) -> tuple[Path, str]:
    """With which envelope, and in which file, the newest there is, a state or records after it, is sealed.

    Empty if that is in the clear. Raises `JournalError`.
    """
    if newest is not None and newest.passport.sealed:
        return newest.path, newest.passport.sealed
    after = 0 if newest is None else newest.passport.sequence
    for path in reversed(reader.segments):
        try:
            header = Header.from_bytes(DISK.read_start(path, LONGEST_HEADER))
        except (HeaderError, OSError):
            continue
        if header.sealed and any(True for _ in reader.records(after)):
            return path, header.sealed
        break
    return reader.folder, ""


def begins_of_histories(folder: Path) -> list[int]:
    """The numbers of the segments that forget what was before them, in order.

    Raises `JournalError`.
    """
    found: list[int] = []
    for first, path in _segments(folder):
        try:
            header = Header.from_bytes(DISK.read_start(path, LONGEST_HEADER))
        except (HeaderError, FileNotFoundError):
            continue
        except OSError as error:
            raise _unreadable(path, error) from error
        if header.fresh:
            found.append(first)
    return found


def _segments(folder: Path) -> list[tuple[int, Path]]:
    try:
        return segments(DISK, folder)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise _unreadable(folder, error) from error


def _unreadable(path: Path, error: OSError) -> JournalError:
    return JournalError(path, f"it cannot be read: {os.strerror(error.errno or 0)}")


def _facts(path: Path, first: int, data: bytes, application: str, key: bytes) -> SegmentFacts:
    try:
        header = Header.from_bytes(data[:LONGEST_HEADER])
    except HeaderError:
        header = None
    frames = find_frames(data, 0, None)
    full = [frame for frame in frames if frame.records is not None or frame.sealed is not None]
    return SegmentFacts(
        path=path,
        first=first,
        header=header,
        size=len(data),
        used=len(data.rstrip(b"\0")),
        records=sum(frame.total for frame in full),
        last=max((frame.first + frame.total - 1 for frame in full), default=0),
        writer=_writer(data, frames, key, application, first),
        is_sealed=any(frame.sealed is not None for frame in frames),
    )


def _writer(data: bytes, frames: list[Frame], key: bytes, application: str, first: int) -> Writer:
    if not frames:
        return "unknown"
    writers: tuple[tuple[Writer, bytes], ...] = (("own", key), ("nobody", b""))
    for writer, tried in writers:
        tags = tagger(tried, application, first)
        try:
            for frame in frames:
                next(read_frames(data, frame.offset, tags), None)
        except ForeignTagError:
            continue
        return writer
    return "other"
