"""An audit: what a snapshot or a journal would load and call, who has signed it, and what is refused."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from ..app.records import ReplayError
from ..app.rewind import all_records, read_record
from ..convert.audit import Audit
from ..persist import graphstream, inert, inventory, snapshot
from ..persist.content import Snapshot
from ..persist.formats.format import FormatError
from ..persist.frames import journal_key
from ..persist.keyring import Keyring
from ..persist.opcodes import StreamError
from ..persist.snapshot import MissingSnapshotError, SnapshotError
from ..persist.standing import Level, Standing, TrustedKey
from ..persist.store import JOURNAL, FolderStore
from ..persist.trust import Owner, Policy, Signer, shortened, way_out
from .checking import Outcome

_MOST_PROBLEMS: Final = 20
_WRITERS: Final = {
    "own": "signed by you",
    "nobody": "unsigned: not signed",
    "other": "unsigned: signed by somebody else, or not this user's file",
}


def audit(
    path: Path,
    *,
    folders: Sequence[Path] = (),
    trusted: Sequence[str] = (),
    keys: Sequence[TrustedKey] = (),
    keyring: Keyring | None = None,
) -> Outcome:
    """What to say of the snapshot at `path`, or of the folder of a journal. Nothing is imported.

    The status is 0 if a start would load all that it names. Raises `SnapshotError` for what is neither,
    `JournalError` and `KeyFileError`.
    """
    searched = [str(each.absolute()) for each in folders]
    end = JOURNAL.format("")
    if path.is_dir() and path.absolute().name.endswith(end):
        name = path.absolute().name.removesuffix(end)
        store = FolderStore(path.absolute().parent, name, keyring=keyring or Keyring())
        return _journal(path, store, searched, trusted)
    owner = Owner.of(path)
    found = snapshot.read(path, keyring=keyring)
    signer = Signer.of_user()
    standing = Standing.of(found, signer, keys)
    own = standing.level is Level.OWN and owner.may_have_signed()
    policy = Policy.everything() if own else Policy.only(trusted)
    passport = found.passport
    level = "" if standing.said.startswith(standing.level.value) else f"{standing.level.value}: "
    said = [
        (
            f"{path}: {passport.holds} of the application {passport.application}, written"
            f" {passport.written} by {passport.writer}, as {found.syntax}"
        ),
        f"{level}{standing.said}",
    ]
    if standing.level is Level.OWN and not own:
        said.append(f"but its file belongs to user {owner.user}: it counts as a stranger's")
    result = Audit()
    problems: list[str] = []
    try:
        result.add(found.content.graph)
        stream = found.stream
        if not own:
            inert.names_in(stream, policy)
    except FormatError as error:
        raise SnapshotError.of(path, error) from error
    except StreamError as error:
        problems.append(f"a start refuses it: {error}")
    said += _lies(found, result)
    said += result.lines(policy, [*searched, *(passport.paths if own else ())])
    return _outcome(path, said, result, policy, problems)


def _lies(found: Snapshot, result: Audit) -> list[str]:
    """How the names of the passport are not those of the content; no matter for what is loaded."""
    told = {name for name in found.passport.names if ":" in name and not name.endswith("()")}
    named = {f"{module}:{name}" for module, name in result.uses}
    hidden = sorted(named - told)
    return [f"its passport does not tell of {shortened(hidden)}"] if hidden and told else []


def _journal(
    path: Path, store: FolderStore, folders: Sequence[str], trusted: Sequence[str]
) -> Outcome:
    key = journal_key(Signer.of_user())
    segments = inventory.inventory(store.journal_folder, store.application, key)
    if not segments:
        raise MissingSnapshotError(path, "there is no journal in this folder; name another")
    own = all(each.writer == "own" or not each.records for each in segments)
    policy = Policy.everything() if own else Policy.only(trusted)
    said = [f"{path}: the journal of the application {store.application}, as far as it is kept"]
    said += [
        f"{each.path.name}: {each.records:,} record{'s' * (each.records != 1)};"
        f" {_WRITERS.get(each.writer, each.writer)}"
        for each in segments
    ]
    result = Audit()
    problems: list[str] = []
    calls: dict[tuple[str, str], int] = {}
    _, records = all_records(store, key if own else None)
    for number, payload in records:
        try:
            for component, kind, content in read_record(number, payload, trusted=own).entries:
                if kind == "state":
                    made, state = content
                    if made:
                        result.component(graphstream.read(made, trusted=own))
                    result.add(graphstream.read(state, trusted=own))
                elif kind == "command":
                    place = component, content[0]
                    calls[place] = calls.get(place, 0) + 1
                    result.add(graphstream.read(content[-1], trusted=own))
                elif kind == "folders" and own:
                    folders = [*folders, *content]
        except (ReplayError, StreamError) as error:
            problems.append(f"record {number}: {error}")
    said += result.lines(policy, folders)
    said += [
        f"replayed: {name} of registry[{component}], {count:,} times"
        for (component, name), count in sorted(calls.items())
    ]
    return _outcome(path, said, result, policy, problems)


def _outcome(
    path: Path, said: list[str], result: Audit, policy: Policy, problems: list[str]
) -> Outcome:
    refused = result.refused(policy)
    if refused:
        names = shortened([name.replace(":", ".") for name in refused])
        said.append(f"not allowed: {names}; {way_out(refused)}")
    elif not problems:
        said.append("all that it names may be loaded; nothing of it was imported")
    shown = [f"{path}: {problem}" for problem in problems[:_MOST_PROBLEMS]]
    if len(problems) > _MOST_PROBLEMS:
        shown.append(f"{path}: and {len(problems) - _MOST_PROBLEMS:,} problems more")
    status = os.EX_DATAERR if problems else os.EX_NOPERM if refused else os.EX_OK
    return Outcome(status, tuple(shown), tuple(said))
