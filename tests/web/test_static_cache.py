"""What was found for a path, as long as the file there stays as it was."""

import asyncio
import os
import time
from pathlib import Path

import pytest

from perdure.app.web.files.filecache import Entry, FileCache, Key, signature
from perdure.app.web.resource import Resource


def later() -> int:
    """A clock by which every file has been left alone for a while."""
    return time.time_ns() + 10**10


@pytest.fixture
def cache() -> FileCache:
    return FileCache(limit=100, most=3, clock=later)


def entry(path: Path, cost: int = 10) -> Entry:
    path.touch()
    return Entry(str(path), signature(os.stat(path)), Resource(), cost)


def kept(cache: FileCache, *names: str) -> list[str]:
    return [name for name in names if cache.get((name,)) is not None]


def test_an_entry_lasts_as_long_as_its_file_is_the_same(cache: FileCache, tmp_path: Path) -> None:
    path, key = tmp_path / "a", ("a",)
    for change in (
        lambda: path.write_text("other"),
        lambda: path.chmod(0o600),
        lambda: os.utime(path, (1, 1)),
        path.unlink,
    ):
        cache.put(key, entry(path))
        assert cache.get(key) is not None
        change()
        assert cache.get(key) is None
        assert len(cache) == cache.size == 0


def test_those_least_asked_for_leave_first(cache: FileCache, tmp_path: Path) -> None:
    for name in "abc":
        cache.put((name,), entry(tmp_path / name))
    cache.get(("a",))
    cache.put(("d",), entry(tmp_path / "d"))
    assert kept(cache, *"abcd") == ["a", "c", "d"]


def test_the_bytes_kept_are_bounded(cache: FileCache, tmp_path: Path) -> None:
    for name in "ab":
        cache.put((name,), entry(tmp_path / name, 60))
    assert (kept(cache, *"ab"), cache.size) == (["b"], 60)
    cache.put(("c",), entry(tmp_path / "c", 101))
    assert kept(cache, *"bc") == ["b"]
    cache.put(("b",), entry(tmp_path / "b", 70))
    assert cache.size == 70


def test_a_file_changed_just_now_is_not_kept(tmp_path: Path) -> None:
    """Its next change might come within the same tick of the clock, and not show."""
    cache, key = FileCache(), ("a",)
    cache.put(key, entry(tmp_path / "a"))
    assert cache.get(key) is None


def test_requests_that_wait_together_share_one_look(cache: FileCache, tmp_path: Path) -> None:
    path, key = tmp_path / "a", ("a",)
    cache.put(key, entry(path))

    async def scenario() -> None:
        assert cache.get(key) is not None
        path.write_text("changed within the turn of the loop")
        assert cache.get(key) is not None
        await asyncio.sleep(0)
        assert cache.get(key) is None

    asyncio.run(scenario())


def test_a_folder_is_looked_at_where_it_matters(cache: FileCache, tmp_path: Path) -> None:
    key: Key = ("",)
    path = tmp_path / "index.htm"
    made = entry(path)
    made.folder, made.folder_signature = str(tmp_path), signature(os.stat(tmp_path))
    cache.put(key, made)
    assert cache.get(key) is made.resource
    (tmp_path / "index.html").touch()
    assert cache.get(key) is None


def test_what_is_beside_a_file_is_looked_at_once_a_second(tmp_path: Path) -> None:
    times = [later()]
    cache, key = FileCache(clock=lambda: times[0]), ("a.css",)
    made = entry(tmp_path / "a.css")

    def put() -> None:
        made.beside = [(str(tmp_path), signature(os.stat(tmp_path)))]
        cache.put(key, made)

    put()
    (tmp_path / "a.css.gz").touch()
    times[0] += 999_999_999
    assert cache.get(key) is made.resource
    times[0] += 1
    assert cache.get(key) is None
    put()
    for _ in range(3):
        times[0] += 10**9
        assert cache.get(key) is made.resource
    (tmp_path / "a.css").write_text("changed")
    assert cache.get(key) is None


def test_what_is_beside_a_file_and_changed_just_now_is_looked_for_again(tmp_path: Path) -> None:
    """The file itself is kept meanwhile: a folder may change all the time."""
    key = ("a.css",)
    made = entry(tmp_path / "a.css")
    os.utime(tmp_path / "a.css", (1, 1))
    status = os.stat(tmp_path / "a.css")
    times = [status.st_ctime_ns + 10**8]
    cache = FileCache(clock=lambda: times[0])
    made.signature = signature(status)
    made.beside = [(str(tmp_path), (times[0], times[0], 1, 1, 1))]
    cache.put(key, made)
    assert cache.get(key) is made.resource
    times[0] += 10**9
    assert cache.get(key) is None
