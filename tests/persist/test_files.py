"""A file is replaced as a whole or not at all, whatever fails or is killed."""

import errno
import os
import random
import signal
import stat
import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from perdure.persist import disk as disks
from perdure.persist import files
from perdure.persist.files import CreateError, WriteError, replace, target_of, temporary_name

EX_CANTCREAT = 73
EX_IOERR = 74
STEPS = ("open", "pwrite", "fdatasync", "fsync", "close", "pread", "rename")


class Disk:
    """The operating system's files, of which one operation goes wrong."""

    def __init__(self, change: Callable[[str, int, Any, tuple[Any, ...]], Any]) -> None:
        self.change = change
        self.calls: list[str] = []

    def __getattr__(self, name: str) -> Any:
        real = getattr(os, name)
        if name not in STEPS:
            return real

        def step(*arguments: Any) -> Any:
            self.calls.append(name)
            return self.change(name, len(self.calls), real, arguments)

        return step


def as_it_is(name: str, number: int, real: Any, arguments: tuple[Any, ...]) -> Any:
    return real(*arguments)


@pytest.fixture
def target(tmp_path: Path) -> Path:
    path = tmp_path / "target"
    path.write_bytes(b"old")
    return path


def test_the_content_is_replaced_and_readable_by_its_owner_alone(target: Path) -> None:
    target.chmod(0o644)
    replace(target, b"new")
    assert target.read_bytes() == b"new"
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    replace(target, b"public", mode=0o640)
    assert os.listdir(target.parent) == ["target"]


def test_a_large_content_is_written_whole(target: Path) -> None:
    content = random.Random(1).randbytes(5_000_000)
    replace(target, content)
    assert target.read_bytes() == content


def test_a_content_in_pieces_is_never_held_whole(target: Path) -> None:
    def pieces() -> Iterator[bytes]:
        for number in range(100):
            yield bytes([number]) * 1_000_000

    tracemalloc.start()
    try:
        replace(target, pieces())
        assert tracemalloc.get_traced_memory()[1] < 10_000_000
    finally:
        tracemalloc.stop()
    assert target.read_bytes() == b"".join(pieces())


def test_pieces_that_cannot_be_made_leave_the_old_content_and_nothing_else(target: Path) -> None:
    def pieces() -> Iterator[bytes]:
        yield b"new"
        raise LookupError("no more")

    with pytest.raises(LookupError):
        replace(target, pieces())
    assert target.read_bytes() == b"old"
    assert os.listdir(target.parent) == ["target"]


def test_the_steps_come_in_the_order_that_lasts(
    target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = Disk(as_it_is)
    monkeypatch.setattr(disks, "os", disk)
    replace(target, b"new")
    assert disk.calls == [
        *("open", "pwrite", "fdatasync", "close"),
        *("open", "pread", "close"),
        *("rename", "open", "fsync", "close"),
    ]


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC, errno.EACCES, errno.EROFS])
@pytest.mark.parametrize("failing", range(1, 9))
def test_an_error_at_any_step_leaves_the_old_content_and_nothing_else(
    failing: int, number: int, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(name: str, count: int, real: Any, arguments: tuple[Any, ...]) -> Any:
        if count != failing:
            return real(*arguments)
        if name == "close":
            real(*arguments)
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(disks, "os", Disk(fail))
    with pytest.raises(WriteError) as caught:
        replace(target, b"new")
    assert target.read_bytes() == b"old"
    assert os.listdir(target.parent) == ["target"]
    error = caught.value
    assert (error.path, error.number) == (target, number)
    place = number in (errno.EACCES, errno.EROFS)
    assert isinstance(error, CreateError) is place
    assert error.exit_status == (EX_CANTCREAT if place else EX_IOERR)


def test_an_error_after_the_rename_leaves_the_new_content_and_is_told(
    target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(name: str, count: int, real: Any, arguments: tuple[Any, ...]) -> Any:
        if count == 10:
            raise OSError(errno.EIO, "")
        return real(*arguments)

    monkeypatch.setattr(disks, "os", Disk(fail))
    with pytest.raises(WriteError, match=r"Input/output error \(at flush of the folder\)"):
        replace(target, b"new")
    assert target.read_bytes() == b"new"


def test_a_disk_that_reads_back_something_else_is_found(
    target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lie(name: str, count: int, real: Any, arguments: tuple[Any, ...]) -> Any:
        return b"nex" if name == "pread" else real(*arguments)

    monkeypatch.setattr(disks, "os", Disk(lie))
    with pytest.raises(WriteError, match="it reads back changed") as caught:
        replace(target, b"new")
    assert caught.value.number is None
    assert target.read_bytes() == b"old"


def test_a_disk_that_takes_little_at_a_time_gets_it_all(
    target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def little(name: str, count: int, real: Any, arguments: tuple[Any, ...]) -> Any:
        if name == "pwrite":
            return real(arguments[0], arguments[1][:7], arguments[2])
        return real(*arguments)

    monkeypatch.setattr(disks, "os", Disk(little))
    replace(target, bytes(range(100)))
    assert target.read_bytes() == bytes(range(100))


def test_a_verification_or_retirement_that_fails_leaves_all_as_it_was(target: Path) -> None:
    def verify(path: Path) -> None:
        assert path.read_bytes() == b"new"
        assert target_of(path.name) == "target"
        raise LookupError("not good")

    def retire() -> None:
        raise LookupError("no room")

    with pytest.raises(LookupError, match="not good"):
        replace(target, b"new", verify=verify, retire=retire)
    with pytest.raises(LookupError, match="no room"):
        replace(target, b"new", retire=retire)
    assert target.read_bytes() == b"old"
    assert os.listdir(target.parent) == ["target"]


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("none/file", "No such file or directory (at creation); make the folder first"),
        ("target/file", "Not a directory (at creation); a part of the path is a file"),
        ("folder", "Is a directory (at renaming); that is a folder; choose another name"),
        ("x" * 300, "File name too long (at creation); choose a shorter name"),
    ],
)
def test_an_impossible_place_is_told_with_the_way_out(
    place: str, message: str, target: Path
) -> None:
    (target.parent / "folder").mkdir()
    with pytest.raises(CreateError) as caught:
        replace(target.parent / place, b"new")
    assert message in str(caught.value)
    assert sorted(os.listdir(target.parent)) == ["folder", "target"]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a full disk")
def test_the_error_of_a_full_disk_says_so() -> None:
    with open("/dev/full", "wb", 0) as full, pytest.raises(OSError, match="No space") as caught:
        full.write(b"a")
    error = files.write_error(Path("/x"), "write", caught.value)
    assert str(error) == (
        "/x cannot be written: No space left on device (at write); free some space on that disk"
    )


def test_temporary_names_are_fresh_and_known_again() -> None:
    names = {temporary_name("web.snap") for _ in range(100)}
    assert len(names) == 100
    assert {target_of(name) for name in names} == {"web.snap"}
    for other in ("web.snap", ".web.snap.tmp", ".web.snap.0123456789ab", ".0123456789ab.tmp"):
        assert target_of(other) is None


# A child that saves for ever, and is killed; or kills itself at a step.

SIZE = 300_000
SAVER = f"""
import os, signal, sys
from pathlib import Path
from perdure.persist import disk as disks
from perdure.persist import disk, files
target, step = Path(sys.argv[1]), int(sys.argv[2])

class Disk:
    calls = 0
    def __getattr__(self, name):
        real = getattr(os, name)
        if name not in {STEPS!r}:
            return real
        def call(*arguments):
            Disk.calls += 1
            if Disk.calls == step and name == "pwrite":
                real(arguments[0], arguments[1][:len(arguments[1]) // 2], arguments[2])
            if Disk.calls == step:
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*arguments)
        return call

if step:
    disk.os = Disk()
print("ready", flush=True)
number = 0
while True:
    number += 1
    files.replace(target, b"%d" % (number % 10) * {SIZE})
    print(number, flush=True)
"""


def start(target: Path, step: int) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", SAVER, str(target), str(step)], stdout=subprocess.PIPE, text=True
    )


def whole(target: Path) -> bool:
    content = target.read_bytes()
    return content == b"old" or (len(content) == SIZE and content == content[:1] * SIZE)


@pytest.mark.parametrize("step", range(1, 14))
def test_a_process_killed_at_any_step_leaves_a_whole_file(step: int, target: Path) -> None:
    with start(target, step) as process:
        output = process.communicate()[0]
    assert process.returncode == -signal.SIGKILL
    assert whole(target)
    if step <= 8:
        assert target.read_bytes() == b"old"
    if "1\n" in output:
        assert target.read_bytes()[:1] == b"1"


def random_delays(times: int) -> Iterator[float]:
    chance = random.Random(20261121)
    return (chance.random() * 0.01 for _ in range(times))


def test_a_process_killed_at_a_random_moment_leaves_a_whole_file(
    target: Path,
) -> None:
    kills = int(os.environ.get("PERDURE_TEST_KILLS", "40"))
    for delay in random_delays(kills):
        with start(target, 0) as process:
            assert process.stdout is not None
            process.stdout.readline()
            # Not a wait for something: the moment itself is what is drawn.
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(delay)
            process.kill()
            said = process.stdout.read().split("\n")
        assert whole(target)
        # What was said to be saved is saved, or something later is.
        done = [int(line) for line in said if line]
        if done:
            assert int(target.read_bytes()[:1]) in (done[-1] % 10, (done[-1] + 1) % 10)
