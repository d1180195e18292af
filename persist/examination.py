"""The fields of a snapshot's objects compared with their classes, as these will be when it is restored."""

from pathlib import Path

from . import snapshot
from .account import Account, accounted
from .content import Snapshot
from .fieldtypes import Examination, examine
from .migration import Migration
from .trust import Policy


def examine_file(
    path: Path, found: Snapshot, policy: Policy, *, strict: bool = False
) -> Examination:
    """What `examine` finds in the snapshot `found` at `path`, with the lines if that is a text.

    Objects of classes that have changed since are looked at as they are once they were brought up,
    and so without lines. Raises `SnapshotError` if the file can no longer be read, and what a
    migration raises: `SchemaError`, `TrustError`.
    """
    migration = Migration.of(found.passport.shapes, policy)
    changed = frozenset(migration.changed)
    allows = policy.allows
    examined = examine(found.content.graph, allows, strict=strict, excepted=changed)
    if examined.problems and found.syntax != "pickle":
        # Lines cost time, and are wanted only here.
        graph, lines = snapshot.locate(path)
        located = examine(graph, allows, lines, strict=strict, excepted=changed)
        # If the file was changed meanwhile, what was found is as wrong as it was.
        return located if located.problems else examined
    if examined.problems or not changed:
        return examined
    with accounted(Account()):
        brought_up = migration.graph(found.stream)
    return examine(brought_up, allows, strict=strict, kept=migration.kept)
