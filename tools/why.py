"""Whether a snapshot will load here, and why, in plain sentences.

Nothing of it is built, and no step of an upgrade is run. The modules of a snapshot that this user has
signed are imported, since only they tell what their classes are now; of any other those that the
operator trusts.
"""

import hashlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final, cast

from ..app.loader import OwnerError
from ..persist import modules, prospect, snapshot
from ..persist.content import Snapshot
from ..persist.errors import PerdureError
from ..persist.formats import table
from ..persist.formats.format import FormatError
from ..persist.graph import Global, Graph, Instance, is_shared
from ..persist.keyring import Keyring
from ..persist.opcodes import StreamError
from ..persist.passport import Passport
from ..persist.prospect import Sentence, will_load
from ..persist.restore import TrustError, judged
from ..persist.snapshot import SnapshotError
from ..persist.standing import Level, Standing, TrustedKey
from ..persist.store import GENERATIONS
from ..persist.survey import parts
from ..persist.trust import Owner, Policy, Signer
from .checking import Outcome

_REGISTRY: Final = "perdure.app.registry:Registry"
_COMPONENTS: Final = "_components"
_SHOWN: Final = 16
_DIGEST: Final = slice(-128, -96)
_MOST_FILES: Final = 1000
_LARGEST_TEXT: Final = 1 << 24


def why(
    path: Path,
    *,
    folders: Sequence[Path] = (),
    trusted: Sequence[str] = (),
    keys: Sequence[TrustedKey] = (),
    keyring: Keyring | None = None,
) -> Outcome:
    """What to say of the file at `path`; the status is 0 if it will load.

    Raises `SnapshotError` for what is no snapshot, `KeyFileError`, and for what is sealed `UnlockError`.
    """
    owner = Owner.of(path)
    found = snapshot.read(path, keyring=keyring)
    said = [*_sentences(path, found, owner, folders, trusted, keys)]
    stops = [each for each in said if each.stops]
    lines = [f"{path} will load here" if will_load(said) else f"{path} will not load here:"]
    lines += [f"! {each}" for each in stops]
    lines += [f"- {each}" for each in _about(path, found.passport)]
    lines += [f"- {each}" for each in said if not each.stops]
    return Outcome(os.EX_DATAERR if stops else os.EX_OK, (), tuple(lines))


def _about(path: Path, passport: Passport) -> Iterator[str]:
    yield (
        f"it is the {passport.holds} of the application {passport.application}, written"
        f" {passport.written} by {passport.writer} under Python {passport.python or 'unknown'}"
    )
    digests = {"the snapshot": passport.origin, "the blueprint": passport.blueprint}
    beside = _digests_beside(path, passport.application) if any(digests.values()) else {}
    if passport.origin and passport.origin == passport.blueprint:
        digests = {"the blueprint": passport.origin}
    for what, digest in digests.items():
        if digest:
            file = beside.get(digest)
            where = f", which is {file}" if file else ", which is not beside it"
            verb = "ran from" if what == "the blueprint" else "comes from"
            yield f"it {verb} {what} {digest[:_SHOWN]}...{where}"


def _digests_beside(path: Path, application: str) -> dict[str, Path]:
    """The snapshots in the folder, and among the generations, by their digests."""
    found: dict[str, Path] = {}
    for folder in (path.parent, path.parent / GENERATIONS.format(application), path.parent.parent):
        try:
            files = sorted(folder.iterdir())[:_MOST_FILES]
        except OSError:
            continue
        for file in files:
            stem, syntax = table.split(file.name)
            if stem != file.name and (digest := _digest_of(file, syntax)) is not None:
                found.setdefault(digest, file)
    return found


def _digest_of(file: Path, syntax: str) -> str | None:
    try:
        with file.open("rb") as opened:
            if syntax == "pickle":
                opened.seek(_DIGEST.start, os.SEEK_END)
                return opened.read(_DIGEST.stop - _DIGEST.start).hex()
            text = opened.read(_LARGEST_TEXT + 1)
            return hashlib.sha256(text).hexdigest() if len(text) <= _LARGEST_TEXT else None
    except OSError:
        return None


def _sentences(
    path: Path,
    found: Snapshot,
    owner: Owner,
    folders: Sequence[Path],
    trusted: Sequence[str],
    keys: Sequence[TrustedKey],
) -> Iterator[Sentence]:
    signer = Signer.of_user()
    standing = Standing.of(found, signer, keys)
    own = standing.level is Level.OWN
    if own and not owner.may_have_signed():
        yield Sentence(str(OwnerError(path, owner.user)), stops=True)
        return
    policy = found.policy(signer, trusted)
    may = "all that it names" if own else _may(trusted)
    yield Sentence(f"it is {standing.said}, and may load {may}")
    try:
        stream = found.stream
        judged(stream, policy)
    except FormatError as error:
        yield Sentence(str(SnapshotError.of(path, error)), stops=True)
        return
    except StreamError as error:
        yield Sentence(f"its content is not a stream of objects: {error}", stops=True)
        return
    except TrustError as error:
        error.cause = standing.cause
        yield Sentence(str(error), stops=True)
        yield from prospect.of_environment(found.passport)
        yield Sentence("of classes that may not be imported nothing more can be said")
        return
    _find_modules(found, folders, signer)
    yield from prospect.of_environment(found.passport)
    try:
        graph = found.content.graph
    except FormatError as error:
        yield Sentence(str(SnapshotError.of(path, error)), stops=True)
        return
    said = prospect.of_classes(
        found.content.names,
        found.passport.shapes,
        policy,
        parkable=_only_in_components(graph),
        stream=stream,
    )
    yield from said
    if will_load(said) and (found.syntax != "pickle" or not own):
        yield from _of_fields(path, found, policy, strict=not own)


def _may(trusted: Sequence[str]) -> str:
    listed = "harmless values, and classes of Perdure that hold data"
    return f"{listed}; and the modules {', '.join(trusted)}" if trusted else listed


def _find_modules(found: Snapshot, folders: Sequence[Path], signer: Signer) -> None:
    from ..app.web.scripts import scriptmodule

    modules.add_folders([str(each.absolute()) for each in folders])
    modules.add_folders(found.folders(signer))
    scriptmodule.install()


def _of_fields(path: Path, found: Snapshot, policy: Policy, *, strict: bool) -> Iterator[Sentence]:
    """What a start checks of a text, which a person may have edited, and of a stranger's."""
    from ..persist import examination

    try:
        examined = examination.examine_file(path, found, policy, strict=strict)
    except PerdureError as error:
        yield Sentence(str(error), stops=True)
        return
    for problem in examined.problems:
        yield Sentence(f"{path}:{'' if problem.line else ' '}{problem}", stops=True)


def _only_in_components(graph: Graph) -> set[str]:
    """What is named nowhere but in components of the registry: services do without it."""
    needed: set[str] = set()
    seen: set[int] = set()
    stack: list[Any] = [graph.root]
    while stack:
        item = stack.pop()
        if type(item) is Global:
            needed.add(str(item))
        if not is_shared(item) or id(item) in seen:
            continue
        seen.add(id(item))
        if isinstance(item, Instance):
            needed.add(str(type(item)))
            state: object = item.state
            if str(type(item)) == _REGISTRY and isinstance(state, dict):
                fields = cast("dict[str, Any]", state)
                stack += [value for name, value in fields.items() if name != _COMPONENTS]
                continue
        stack += parts(item)
    return {str(name) for name in graph.names} - needed
