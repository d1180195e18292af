"""What is kept of an application: which files, whose, and what a start would make of them."""

import fcntl
import os
from pathlib import Path
from typing import Any, Final

import attrs

from ..app.rewind import damage_of
from ..persist import inventory, siblings, snapshot
from ..persist.content import Snapshot
from ..persist.frames import journal_key
from ..persist.inventory import SegmentFacts
from ..persist.journalreader import JournalError, JournalReader
from ..persist.keyring import UnlockError
from ..persist.snapshot import MissingSnapshotError, SnapshotError
from ..persist.store import FolderStore, State
from ..persist.trust import Owner, Signer

_READ_BY_LIST: Final = 64 << 20
_MORE_LOOKS: Final = 2


def running(store: FolderStore) -> int | None:
    """The process that runs the application; 0 if its number is not known, None if there is none."""
    try:
        handle = os.open(store.lock_path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return None
    text = b""
    try:
        text = os.pread(handle, 32, 0).strip()
        if not text:
            return None  # Nobody has it; and not to take it is not to be in anybody's way.
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return int(text) if text.isdigit() else 0
    except OSError:
        return None
    finally:
        os.close(handle)
    return None


@attrs.frozen
class StateFacts:
    """A state as it lies on the disk. `damage` says why it cannot be read; None if it can, or if
    it was not read: then `is_read` is false, and `signed` None."""

    path: Path
    size: int
    state: State | None
    syntax: str | None
    signed: str | None
    damage: str | None
    is_read: bool = True


@attrs.frozen
class Start:
    """What a start would make of it: the state it `takes`, None for none; or why it `refuses`."""

    takes: Path | None
    replays: int
    cut: int
    lost: tuple[str, ...]
    refuses: str | None


@attrs.frozen
class View:
    """All that is kept of an application."""

    store: FolderStore
    process: int | None
    states: tuple[StateFacts, ...]
    segments: tuple[SegmentFacts, ...]
    start: Start

    def facts(self) -> dict[str, Any]:
        """For programs, as JSON has it."""
        return {
            "application": self.store.application,
            "folder": str(self.store.folder),
            "process": self.process,
            "states": [_state_facts(each) for each in self.states],
            "journal": [_segment_facts(each) for each in self.segments],
            "start": {
                "takes": None if self.start.takes is None else str(self.start.takes),
                "replays": self.start.replays,
                "cut": self.start.cut,
                "lost": list(self.start.lost),
                "refuses": self.start.refuses,
            },
        }


def look(store: FolderStore, signer: Signer, *, whole: bool) -> View:
    """Look at everything, and with `whole` at all of large states, too.

    What is removed meanwhile, by an application that runs, is left out. Raises JournalError.
    """
    view = _look(store, signer, whole)
    for _ in range(_MORE_LOOKS):
        if view.process is None or not (view.start.lost or view.start.refuses):
            break
        # A checkpoint may have come between the look at the states and that at the journal.
        view = _look(store, signer, whole)
    return view


def _look(store: FolderStore, signer: Signer, whole: bool) -> View:
    key = journal_key(signer)
    process = running(store)
    states = _looked_at(store, signer, whole)
    found = inventory.inventory(store.journal_folder, store.application, key)
    start = _foretold(store, states, found, key)
    return View(store, process, tuple(states), tuple(found), start)


def _looked_at(store: FolderStore, signer: Signer, whole: bool) -> list[StateFacts]:
    known = store.states()
    broken = [error.path for error in store.unreadable()]
    found: list[StateFacts] = []
    for path in [*(state.path for state in known), *broken]:
        state = next((each for each in known if each.path == path), None)
        try:
            size = path.stat().st_size
            if size > _READ_BY_LIST and not whole:
                facts = StateFacts(path, size, state, None, None, None, is_read=False)
            else:
                owner = Owner.of(path)
                # What is sealed is looked into if its key was given, and else at its outside.
                keyring = store.keyring if whole and store.keyring.secrets else None
                read = snapshot.read(path, keyring=keyring)
                facts = _facts(path, size, state, read, owner, signer)
        except FileNotFoundError:
            continue
        except MissingSnapshotError as error:
            if not path.exists():
                continue
            facts = StateFacts(path, path.stat().st_size, state, None, None, str(error))
        except (SnapshotError, UnlockError) as error:
            facts = StateFacts(path, path.stat().st_size, state, None, None, str(error))
        found.append(facts)
    return found


def _facts(
    path: Path, size: int, state: State | None, found: Snapshot, owner: Owner, signer: Signer
) -> StateFacts:
    if found.signer_key is None:
        signed = "nobody"
    elif found.is_signed_by(signer):
        signed = "you" if owner.may_have_signed() else "you, in another's file"
    else:
        signed = "somebody else"
    return StateFacts(path, size, state, found.syntax, signed, None)


def _foretold(
    store: FolderStore, states: list[StateFacts], found: list[SegmentFacts], key: bytes
) -> Start:
    """What a start as this user would do. Nothing is loaded: what code says to it is not known."""
    try:
        store.check_newest()
    except siblings.UnsureError as error:
        return Start(None, 0, 0, (), str(error))
    only_nobodys = bool(found) and found[-1].writer == "nobody"
    try:
        reader = JournalReader(
            store.journal_folder, store.application, b"" if only_nobodys else key
        )
        oldest = (reader.fresh_from or 1) - 1
        usable = [
            each
            for each in states
            if each.state is not None and each.state.passport.sequence >= oldest
        ]
        sound = [each for each in usable if each.damage is None]
        base = sound[0] if sound else None
        after = base.state.passport.sequence if base and base.state else oldest
        replays = sum(1 for _ in reader.records(after))
    except JournalError as error:
        return Start(None, 0, 0, (), str(error))
    report = reader.report
    begins = [each.first for each in found if each.is_fresh]
    lost = tuple(damage_of(report, begins))
    refuses = None
    newest = usable[0] if usable else None
    known = max((_changed(each.path) for each in usable), default=0.0)
    for each in states:
        if each.state is None and _changed(each.path) > known:
            refuses = each.damage
    if newest is not None and newest.damage is not None:
        made_up = newest.state is not None and reader.last >= newest.state.passport.sequence
        if not made_up or report.damage or (base is None and oldest):
            refuses = newest.damage
    return Start(base.path if base else None, replays, report.cut, lost, refuses)


def _changed(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def _state_facts(each: StateFacts) -> dict[str, Any]:
    passport = None if each.state is None else each.state.passport
    return {
        "path": str(each.path),
        "size": each.size,
        "sequence": None if passport is None else passport.sequence,
        "written": None if passport is None else passport.written,
        "writer": None if passport is None else passport.writer,
        "holds": None if passport is None else passport.holds,
        "syntax": each.syntax,
        "signed_by": each.signed,
        "damage": each.damage,
        "read": each.is_read,
        "sealed": bool(passport and passport.sealed),
    }


def _segment_facts(each: SegmentFacts) -> dict[str, Any]:
    header = each.header
    return {
        "path": str(each.path),
        "first": each.first,
        "last": each.last or None,
        "records": each.records,
        "size": each.size,
        "used": each.used,
        "written": None if header is None else header.written,
        "writer": None if header is None else header.writer,
        "fresh": each.is_fresh,
        "sealed": each.is_sealed,
        "tagged_by": {"own": "you", "other": "somebody else", "unknown": None}.get(
            each.writer, each.writer
        ),
    }
