"""Whether a snapshot is valid, and if not, all that is wrong with it."""

import os
from collections.abc import Sequence
from pathlib import Path

import attrs

from ..convert.brief import in_words
from ..convert.outline import Outline
from ..convert.sizes import sizes
from ..persist import concealment, fieldtypes, modules, snapshot
from ..persist.content import Snapshot
from ..persist.formats.format import FormatError
from ..persist.keyring import Keyring
from ..persist.snapshot import MissingSnapshotError, SnapshotError
from ..persist.standing import Standing, TrustedKey
from ..persist.survey import survey
from ..persist.trust import Owner, Policy, Signer, way_out


@attrs.frozen
class Outcome:
    """What a check has found: lines that say what is wrong, and others."""

    status: int
    problems: tuple[str, ...]
    said: tuple[str, ...] = ()


def check(
    path: Path,
    *,
    with_code: bool,
    folders: Sequence[Path],
    trusted: Sequence[str],
    keys: Sequence[TrustedKey] = (),
    keyring: Keyring | None = None,
) -> Outcome:
    """Check the file at `path`; `with_code` against what its classes declare as well.

    Raises `MissingSnapshotError` if there is nothing to check, `KeyFileError`, or `UnlockError`.
    """
    owner = Owner.of(path)
    try:
        form, data = snapshot.form_and_data(path)
    except MissingSnapshotError:
        raise
    except SnapshotError as error:
        return Outcome(error.exit_status, (str(error),))
    problems = _schema_problems(path, data) if form.name == "xml" else ()
    try:
        found = snapshot.opened(path, form.decode(data), keyring)
        root = found.content.graph.root
    except FormatError as error:
        return Outcome(error.exit_status, problems or (str(SnapshotError.of(path, error)),))
    signer = Signer.of_user()
    own = found.is_signed_by(signer) and owner.may_have_signed()
    said: list[str] = []
    status = os.EX_DATAERR
    if with_code and not problems:
        examined = _examined(path, found, own, folders, trusted)
        problems = tuple(f"{path}:{'' if each.line else ' '}{each}" for each in examined.problems)
        for each in examined.unchecked:
            line = f"{path}: not compared: {each}"
            if each.remedy:
                problems += (line,)
                status = os.EX_NOPERM if each.is_untrusted else status
            else:
                said.append(line)
        status = os.EX_DATAERR if examined.problems else status
    if problems:
        return Outcome(status, problems, tuple(said))
    passport = found.passport
    if concealment.has_sealed(found.content.graph):
        said.append(
            f"{path}: it has values that are concealed with a key which this user has not: here it"
            " is for looking at only"
        )
    measured = sizes(root, Outline(survey(root), {}))
    said.insert(
        0,
        f"{path}: valid {found.syntax}: {passport.holds} of the application"
        f" {passport.application}, written {passport.written};"
        f" {len(measured.objects):,} objects, {in_words(measured.whole[0])};"
        f" {_signed(found, Standing.of(found, signer, keys))}",
    )
    return Outcome(os.EX_OK, (), tuple(said))


def _signed(found: Snapshot, standing: Standing) -> str:
    said = standing.said
    if found.voided_by is None:
        return said
    if not found.voided_by:
        return f"{said}; put back what was changed, or export it again"
    names = _untrusted(found)
    return f"{said}; take that out{f'; {way_out(names)}' if names else ''}"


def _untrusted(found: Snapshot) -> list[str]:
    """What a stranger's snapshot may not name, and `found` names."""
    allows = Policy.only().allows
    return [str(each) for each in found.content.graph.names if not allows(each.module, each.name)]


def _schema_problems(path: Path, data: bytes) -> tuple[str, ...]:
    """All that is wrong with the XML `data` of the file at `path`, and not just the first."""
    from ..persist.formats import xmlcheck

    return tuple(str(SnapshotError.of(path, error)) for error in xmlcheck.check(data))


def _examined(
    path: Path,
    found: Snapshot,
    own: bool,
    folders: Sequence[Path],
    trusted: Sequence[str],
) -> fieldtypes.Examination:
    from ..app.web.scripts import scriptmodule
    from ..persist import examination

    modules.add_folders([str(each.absolute()) for each in folders])
    modules.add_folders(found.passport.paths if own else ())
    scriptmodule.install()
    policy = Policy.everything() if own else Policy.only(trusted)
    return examination.examine_file(path, found, policy)
