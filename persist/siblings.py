"""States of one application that lie beside each other, in several syntaxes.

One of them is the newest state. The others are exports of it or of an older one, which somebody
may have edited, or the newest state of a run that saved in another syntax. They are told apart by
the time when they were written, which an export has from its original, and by their content.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import attrs

from . import snapshot
from .content import Content, Snapshot
from .disk import DISK, Disk
from .errors import PerdureError
from .formats.format import FormatError
from .keyring import Keyring, UnlockError
from .snapshot import SnapshotError


@attrs.define
class UnsureError(PerdureError):
    """One of several states is `broken`, so that nobody knows which is the newest.

    `sound` are the others, each with the time when it was written. Nothing was changed.
    """

    broken: SnapshotError
    sound: tuple[tuple[Path, str], ...]
    exit_status: ClassVar[int] = os.EX_DATAERR

    def __str__(self) -> str:
        if not self.sound:
            return f"{self.broken}; nor can any state beside it be read: mend one of them"
        others = " and ".join(f"{path.name} (written {time})" for path, time in self.sound)
        verb = "is" if len(self.sound) == 1 else "are"
        return (
            f"{self.broken}; {others} beside it {verb} sound, but this one may be newer: mend it, or"
            f" move it away to start without it"
        )


def check(paths: Sequence[Path], disk: Disk = DISK) -> None:
    """Raises `UnsureError` if one of `paths` cannot be read."""
    found: dict[Path, str] = {}
    broken: SnapshotError | None = None
    for path in paths:
        try:
            found[path] = snapshot.read(path, disk).passport.written
        except SnapshotError as error:
            broken = broken or error
    if broken is not None:
        raise UnsureError(broken, tuple(found.items()))


def written(path: Path, disk: Disk = DISK) -> str:
    """When the snapshot at `path` was written; what cannot be read is older than all others."""
    return _time(_read(path, disk))


def exports(
    paths: Sequence[Path],
    replaced: Path | None,
    older: Path | None,
    disk: Disk = DISK,
    keyring: Keyring | None = None,
) -> set[Path]:
    """Those of `paths` that may stay beside a state that is saved now, in the place of `replaced`.

    They are not newer than the newest generation, `older`, or have the content of another of
    `paths` that will become one. What claims to be of this second or later is none of them: if it
    stayed, it would be taken for the newest state next time.
    """
    now = snapshot.now()
    last = "" if older is None else written(older, disk)
    snapshots = {path: _read(path, disk, keyring) for path in paths}
    states = [each for path, each in snapshots.items() if path == replaced]
    found: set[Path] = set()
    for path, each in snapshots.items():
        if path == replaced:
            continue
        time = _time(each)
        if "" < time < now and (time <= last or any(_is_export(each, one) for one in states)):
            found.add(path)
        else:
            states.append(each)
    return found


def not_retired(found: list[Path], older: Sequence[Path], disk: Disk = DISK) -> list[Path]:
    """`found` without what a killed save had made one of the `older` and would have removed."""
    if len(found) < 2:
        return found

    def is_copy(path: Path, other: Path) -> bool:
        size, length = disk.status(path).st_size, disk.status(other).st_size
        return size == length and disk.read(path, links=True) == disk.read(other)

    for is_same in (disk.is_same, is_copy):
        left = [path for path in found if not any(is_same(path, other) for other in older)]
        if 0 < len(left) < len(found):
            return left
    return found


def is_edited(path: Path, newest: Path, taken: Snapshot, disk: Disk = DISK) -> bool:
    """Whether `path` has another content than `newest`, which is `taken`, and somebody edited it.

    That is an export of `newest`, or a file that was changed after `newest` was. An export of an
    older state differs, and is no news.
    """
    try:
        keyring = None if taken.seal is None else Keyring.of_seal(taken.seal)
        found = snapshot.read(path, disk, keyring)
        touched = disk.status(path).st_mtime_ns > disk.status(newest).st_mtime_ns
    except (SnapshotError, UnlockError, OSError):
        return True
    passport, original = found.passport, taken.passport
    # What is in the same syntax is another state of the same second.
    is_export = (
        found.syntax != taken.syntax
        and passport.written == original.written
        and passport.sequence == original.sequence
    )
    return (touched or is_export) and not _is_same(found.content, taken.content)


def _read(path: Path, disk: Disk, keyring: Keyring | None = None) -> Snapshot | None:
    try:
        return snapshot.read(path, disk, keyring)
    except (SnapshotError, UnlockError):
        return None


def _time(found: Snapshot | None) -> str:
    return "" if found is None else found.passport.written


def _is_export(found: Snapshot | None, state: Snapshot | None) -> bool:
    if found is None or state is None:
        return False
    return _time(found) == _time(state) and _is_same(found.content, state.content)


def _is_same(first: Content, second: Content) -> bool:
    from . import isomorphism

    try:
        return isomorphism.difference(first.graph, second.graph) is None
    except FormatError:
        return False
