"""Making room: older states are removed once those that stay are proven sound, and records with them."""

import os
from pathlib import Path
from typing import ClassVar

import attrs

from ..persist import files, segment, snapshot
from ..persist.disk import DISK
from ..persist.errors import PerdureError
from ..persist.snapshot import SnapshotError
from ..persist.store import FolderStore


@attrs.define
class KeptError(PerdureError):
    """One of the states that would stay is damaged: nothing was removed."""

    exit_status: ClassVar[int] = os.EX_DATAERR
    cause: SnapshotError

    def __str__(self) -> str:
        return (
            f"{self.cause}; nothing is removed, as this is one of those that would stay:"
            " mend it, or move it away first"
        )


@attrs.frozen
class Removed:
    """A file that was removed, and what room that gave, in bytes."""

    path: Path
    size: int


def prune(store: FolderStore, keep: int) -> list[Removed]:
    """Leave the newest state and `keep` generations before it, and the records that states need.

    What holds more records is newer, whatever its number. The caller holds the lock. Raises
    KeptError, and WriteError if a state cannot be removed.
    """
    generations = store.generations()
    broken = [error.path for error in store.unreadable()]
    older = [state.path for state in store.states()[keep + 1 :]]
    older += [path for path in generations[keep:] if path in broken]
    doomed = [path for path in generations if path in older]
    for path in [*(state.path for state in store.states()), *broken]:
        if path not in doomed:
            try:
                snapshot.read(path)
            except SnapshotError as error:
                raise KeptError(error) from error
    removed: list[Removed] = []
    for path in reversed(doomed):
        size = _room(path)
        try:
            os.unlink(path)
        except OSError as error:
            raise files.write_error(path, "removal", error) from error
        removed.append(Removed(path, size))
    left = store.states()
    if left:
        oldest = min(state.passport.sequence for state in left)
        folder = store.journal_folder
        sizes = {path: _room(path) for path in folder.glob("*.log")}
        gone = segment.prune(DISK, folder, oldest)
        removed += [Removed(path, sizes.get(path, 0)) for path in gone]
    return removed


def _room(path: Path) -> int:
    try:
        found = path.stat()
    except OSError:
        return 0
    # Another name of the same file keeps the room.
    return found.st_blocks * 512 if found.st_nlink == 1 else 0
