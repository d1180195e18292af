"""The operations that durability rests on do on a real disk what their users count on."""

import errno
import os
import stat
from pathlib import Path

import pytest

from perdure.persist.disk import DISK

from .simulator import ROOT, SimulatedDisk


def test_a_file_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "file"
    handle = DISK.create(path)
    try:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert not os.get_inheritable(handle)
        with pytest.raises(FileExistsError):
            DISK.create(path)
    finally:
        DISK.close(handle)


def test_what_is_written_anywhere_is_read_with_zeros_between(tmp_path: Path) -> None:
    path = tmp_path / "file"
    handle = DISK.create(path)
    DISK.allocate(handle, 0, 100)
    DISK.write(handle, b"abc", 10)
    DISK.write(handle, b"", 20)
    DISK.sync(handle)
    assert DISK.read(path) == bytes(10) + b"abc" + bytes(87)
    assert DISK.read_start(path, 11) == bytes(10) + b"a"
    DISK.truncate(handle, 12)
    DISK.close(handle)
    assert DISK.read(path) == bytes(10) + b"ab"
    assert DISK.read_start(path, 100) == bytes(10) + b"ab"


def test_a_write_that_the_system_takes_in_parts_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.pwrite

    def pwrite(handle: int, data: memoryview, offset: int) -> int:
        return real(handle, data[:7], offset)

    monkeypatch.setattr(os, "pwrite", pwrite)
    handle = DISK.create(tmp_path / "file")
    DISK.write(handle, bytes(range(100)), 0)
    DISK.close(handle)
    assert DISK.read(tmp_path / "file") == bytes(range(100))


def test_names_come_and_go(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    DISK.make_folder(folder)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    with pytest.raises(FileExistsError):
        DISK.make_folder(folder)
    for name in ("a", "b"):
        DISK.close(DISK.create(folder / name))
    DISK.link(folder / "a", folder / "c")
    with pytest.raises(FileExistsError):
        DISK.link(folder / "a", folder / "b")
    DISK.rename(folder / "a", folder / "b")
    DISK.sync_folder(folder)
    assert sorted(DISK.names(folder)) == ["b", "c"]
    DISK.unlink(folder / "b")
    assert DISK.names(folder) == ["c"]


def test_only_an_ordinary_file_is_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("pipe")
    for path, number in (
        (tmp_path / "pipe", errno.EINVAL),
        (tmp_path / "link", errno.ELOOP),
        (tmp_path / "none", errno.ENOENT),
        (tmp_path, errno.EISDIR),
    ):
        with pytest.raises(OSError, match=os.strerror(number)) as caught:
            DISK.read(path)
        assert caught.value.errno == number


def test_the_simulated_disk_forgets_what_nobody_synced() -> None:
    disk = SimulatedDisk()
    handle = disk.create(ROOT / "file")
    disk.write(handle, b"x" * 2000, 0)
    assert disk.cut().names(ROOT) == []
    disk.sync_folder(ROOT)
    assert disk.cut().read(ROOT / "file") == b""
    torn = {disk.cut(seed).read(ROOT / "file") for seed in range(50)}
    assert len(torn) > 5
    disk.sync(handle)
    assert disk.cut().read(ROOT / "file") == b"x" * 2000


def test_the_simulated_disk_reports_success_for_what_a_failed_sync_lost() -> None:
    disk = SimulatedDisk()
    handle = disk.create(ROOT / "file")
    disk.sync_folder(ROOT)
    disk.write(handle, b"lost", 0)
    disk.fault = lambda kind, _: errno.EIO if kind == "sync" else None
    with pytest.raises(OSError, match="Input/output error"):
        disk.sync(handle)
    disk.fault = lambda _, __: None
    disk.sync(handle)
    assert disk.read(ROOT / "file") == b"lost"
    assert {disk.cut(seed).read(ROOT / "file") for seed in range(20)} <= {b"", b"lost"}


@pytest.mark.parametrize("place", ["real", "simulated"])
def test_a_lock_is_held_by_one_handle_until_it_is_closed(place: str, tmp_path: Path) -> None:
    disk, folder = (DISK, tmp_path) if place == "real" else (SimulatedDisk(), ROOT)
    handle = disk.lock(folder / "lock")
    disk.write(handle, b"7\n", 0)
    with pytest.raises(BlockingIOError):
        disk.lock(folder / "lock")
    assert disk.read_start(folder / "lock", 32) == b"7\n"
    disk.close(handle)
    disk.close(disk.lock(folder / "lock"))


@pytest.mark.parametrize("place", ["real", "simulated"])
def test_two_names_of_one_file_are_told_from_two_files(place: str, tmp_path: Path) -> None:
    disk, folder = (DISK, tmp_path) if place == "real" else (SimulatedDisk(), ROOT)
    for name in ("a", "b"):
        disk.close(disk.create(folder / name))
    disk.link(folder / "a", folder / "c")
    assert disk.is_same(folder / "a", folder / "c")
    assert not disk.is_same(folder / "a", folder / "b")
    assert [disk.exists(folder / name) for name in ("a", "d")] == [True, False]
    assert disk.exists(folder)
    assert disk.status(folder / "a").st_uid == os.geteuid()


def test_a_link_is_followed_where_that_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"content")
    (tmp_path / "link").symlink_to("file")
    assert DISK.read(tmp_path / "link", links=True) == b"content"
    assert DISK.read_part(tmp_path / "link", 3, 2, links=True) == b"te"
    with pytest.raises(OSError, match="symbolic links"):
        DISK.read_part(tmp_path / "link", 3, 2)
