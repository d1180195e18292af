"""Looking at the states of a store."""

from pathlib import Path
from typing import Any

from perdure.persist import snapshot
from perdure.persist.restore import restore
from perdure.persist.store import FolderStore
from perdure.persist.trust import Policy


def content(path: Path | None) -> Any:
    """What the snapshot at `path` holds."""
    assert path is not None
    return restore(snapshot.read(path).stream, Policy.only())


def newest_of(store: FolderStore) -> Path | None:
    """The state that a run would begin with."""
    store.check_newest()
    return next((state.path for state in store.states()), None)
