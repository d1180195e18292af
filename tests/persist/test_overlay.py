"""On an overlay everything can be done that a store does, and nothing of it is on the disk."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure.persist.disk import Disk
from perdure.persist.lock import StoreError
from perdure.persist.overlay import Overlay
from perdure.persist.store import FolderStore
from perdure.persist.trust import Signer


def content(folder: Path) -> dict[str, tuple[bytes, int]]:
    """All files below `folder`, and when they were changed."""
    return {
        str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture
def store(tmp_path: Path, signer: Signer) -> FolderStore:
    """A store with two states, over which nothing is written."""
    real = FolderStore(tmp_path, "web").lock()
    for number in (1, 2):
        real.save({"number": number}, sequence=number, signer=signer)
    real.unlock()
    return FolderStore(tmp_path, "web", disk=Overlay())


def test_a_save_is_seen_by_who_did_it_and_by_nobody_else(
    store: FolderStore, tmp_path: Path, signer: Signer
) -> None:
    before = content(tmp_path)
    store.check_writable()
    path = store.save({"number": 3}, sequence=3, signer=signer)
    assert [state.passport.sequence for state in store.states()] == [3, 2, 1]
    assert store.read(path)[0].passport.sequence == 3
    store.admit(store.draft({"number": 4}, sequence=4, signer=signer))
    assert store.states()[0].passport.sequence == 4
    assert content(tmp_path) == before
    assert FolderStore(tmp_path, "web").states()[0].passport.sequence == 2


def test_what_is_pruned_is_there_for_others(
    store: FolderStore, tmp_path: Path, signer: Signer
) -> None:
    before = content(tmp_path)
    store.keep = 1
    for number in (3, 4, 5):
        store.save({"number": number}, sequence=number, signer=signer)
    assert [state.passport.sequence for state in store.states()] == [5, 4]
    assert content(tmp_path) == before


def test_a_folder_that_is_not_there_is_named(signer: Signer, tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "none", "web", disk=Overlay())
    with pytest.raises(StoreError, match="No such file or directory"):
        store.check_writable()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_may_not_be_written_is_named(store: FolderStore, tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(StoreError, match="Permission denied"):
            store.check_writable()
    finally:
        tmp_path.chmod(0o700)


def test_no_lock_is_taken(store: FolderStore) -> None:
    with pytest.raises(StoreError, match="Read-only file system"):
        store.lock()


NAMES = st.sampled_from(["a", "b", "c"])
OPERATIONS = st.lists(
    st.tuples(st.sampled_from(["create", "rename", "link", "unlink", "folder"]), NAMES, NAMES),
    max_size=8,
)


@given(st.dictionaries(NAMES, st.binary(max_size=3), max_size=2), OPERATIONS)
def test_it_answers_as_a_disk_does(
    tmp_path_factory: pytest.TempPathFactory,
    files: dict[str, bytes],
    operations: list[tuple[str, str, str]],
) -> None:
    """Whatever is done, both say the same of it, and of what is there afterwards."""
    real, under = tmp_path_factory.mktemp("real"), tmp_path_factory.mktemp("under")
    for name, data in files.items():
        (real / name).write_bytes(data)
        (under / name).write_bytes(data)
    overlay = Overlay()
    for operation in operations:
        assert done(Disk(), real, *operation) == done(overlay, under, *operation), operation
        assert seen(Disk(), real) == seen(overlay, under)
    assert {path.name: path.read_bytes() for path in under.iterdir()} == files


def done(disk: Disk, folder: Path, operation: str, name: str, other: str) -> str:
    path, target = folder / name, folder / other
    try:
        match operation:
            case "create":
                handle = disk.create(path)
                disk.write(handle, name.encode(), 1)
                disk.sync(handle)
                disk.close(handle)
            case "rename" if disk.exists(path) and path != target and not is_folder(disk, target):
                disk.rename(path, target) if not is_folder(disk, path) else None
            case "link" if not is_folder(disk, path):
                disk.link(path, target)
            case "unlink" if not is_folder(disk, path):
                disk.unlink(path)
            case "folder":
                disk.make_folder(path)
            case _:
                pass
    except OSError as error:
        return type(error).__name__
    return ""


def is_folder(disk: Disk, path: Path) -> bool:
    try:
        disk.names(path)
    except OSError:
        return False
    return True


def seen(disk: Disk, folder: Path) -> dict[str, bytes | None]:
    found: dict[str, bytes | None] = {}
    for name in sorted(disk.names(folder)):
        path = folder / name
        found[name] = None if is_folder(disk, path) else disk.read(path)
    return found
