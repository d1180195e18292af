"""Where the states of one application live: the newest, the generations before it, the lock."""

import errno
import multiprocessing
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from perdure.persist import snapshot
from perdure.persist.capture import CaptureError
from perdure.persist.disk import Disk
from perdure.persist.files import WriteError, temporary_name
from perdure.persist.lock import LockedError, StoreError
from perdure.persist.store import FolderStore
from perdure.persist.trust import Signer

from .states import content, newest_of

EX_CANTCREAT = 73
EX_TEMPFAIL = 75


def test_the_newest_state_is_found_and_older_ones_are_kept(folder: Path, signer: Signer) -> None:
    kept = FolderStore(folder, "web", keep=2)
    assert newest_of(kept) is None
    assert kept.generations() == []
    for number in range(1, 6):
        path = kept.save({"number": number}, paths=["/srv"], origin="ab", signer=signer)
        assert path == newest_of(kept) == folder / "web-shutdown.snap"
        assert content(path) == {"number": number}
    assert [content(path)["number"] for path in kept.generations()] == [4, 3]
    assert [path.name for path in kept.generations()] == ["000004.snap", "000003.snap"]
    passport = snapshot.read(folder / "web-shutdown.snap").passport
    assert (passport.application, passport.holds) == ("web", "state")
    assert (passport.paths, passport.origin) == (("/srv",), "ab")


def test_two_applications_share_a_folder(folder: Path, signer: Signer) -> None:
    web, mail = FolderStore(folder, "web"), FolderStore(folder, "web-shutdown")
    with web.lock(), mail.lock():
        web.save(1, signer=signer)
        mail.save(2, signer=signer)
        assert (content(newest_of(web)), content(newest_of(mail))) == (1, 2)


def test_a_save_that_fails_changes_nothing(
    folder: Path, signer: Signer, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = FolderStore(folder, "web")
    kept.save(1, signer=signer)
    kept.save(2, signer=signer)

    def fail(handle: int) -> None:
        raise OSError(errno.ENOSPC, "")

    with monkeypatch.context() as patch:
        patch.setattr("perdure.persist.disk.os.fdatasync", fail)
        with pytest.raises(WriteError, match="free some space"):
            kept.save(3, signer=signer)
    with pytest.raises(CaptureError):
        kept.save(lambda: None, signer=signer)
    assert content(newest_of(kept)) == 2
    assert [content(path) for path in kept.generations()] == [1]


def test_without_hard_links_generations_are_copies(
    folder: Path, signer: Signer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EPERM, "")

    monkeypatch.setattr("perdure.persist.disk.os.link", refuse)
    kept = FolderStore(folder, "web")
    for number in range(3):
        kept.save(number, signer=signer)
    assert [content(path) for path in kept.generations()] == [1, 0]


@pytest.mark.parametrize("name", ["", ".web", "a/b", "..", "a\0b", "x" * 101])
def test_a_name_that_makes_no_file_is_refused(name: str, folder: Path) -> None:
    with pytest.raises(StoreError):
        FolderStore(folder, name)


def test_foreign_files_among_the_generations_are_left_alone(folder: Path, signer: Signer) -> None:
    kept = FolderStore(folder, "web", keep=1)
    for number in range(2):
        kept.save(number, signer=signer)
    foreign = kept.generations_folder / "notes.txt"
    foreign.write_text("mine")
    other = kept.generations_folder / "best.snap"
    other.write_text("mine too")
    for number in range(3):
        kept.save(number, signer=signer)
    assert len(kept.generations()) == 1
    assert foreign.exists()
    assert other.exists()


def checkpoint(kept: FolderStore, sequence: int, signer: Signer) -> Path:
    return kept.admit(kept.draft(sequence, sequence=sequence, signer=signer))


def test_the_state_of_the_last_stop_is_not_kept_longer_than_others(
    folder: Path, signer: Signer
) -> None:
    """Or its records would be kept as long as a run goes on."""
    kept = FolderStore(folder, "web", keep=2)
    kept.journal_folder.mkdir()
    for number in range(1, 7):
        (kept.journal_folder / f"{number:020d}.log").touch()
    kept.save(1, sequence=1, signer=signer)
    for number, oldest in ((2, 1), (3, 1), (4, 2), (5, 3)):
        checkpoint(kept, number, signer)
        kept.prune()
        assert kept.shutdown_path.exists()
        segments = sorted(int(path.stem) for path in kept.journal_folder.iterdir())
        assert segments == list(range(oldest + 1, 7))
    kept.save(6, sequence=6, signer=signer)
    assert [content(path) for path in kept.generations()] == [5, 4]


def test_what_cannot_be_read_now_keeps_its_records(folder: Path, signer: Signer) -> None:
    class Failing(Disk):
        broken: Path | None = None

        def read_part(self, path: Path, offset: int, length: int, *, links: bool = False) -> bytes:
            if path == self.broken:
                raise OSError(errno.EIO, "")
            return super().read_part(path, offset, length, links=links)

    disk = Failing()
    kept = FolderStore(folder, "web", keep=1, disk=disk)
    kept.journal_folder.mkdir()
    for number in (1, 2, 3, 4):
        (kept.journal_folder / f"{number:020d}.log").touch()
    disk.broken = checkpoint(kept, 1, signer)
    for number in (2, 3):
        checkpoint(kept, number, signer)
    disk.broken = kept.generations()[-1]
    kept.prune()
    assert len(list(kept.journal_folder.iterdir())) == 4
    disk.broken = None
    kept.prune()
    assert [content(path) for path in kept.generations()] == [3, 2]
    assert len(list(kept.journal_folder.iterdir())) == 2


# The lock.


def test_a_second_process_is_told_who_runs_the_application(folder: Path) -> None:
    with FolderStore(folder, "web").lock() as first:
        with pytest.raises(LockedError) as caught:
            FolderStore(folder, "web").lock()
        assert (caught.value.pid, caught.value.application) == (os.getpid(), "web")
        assert caught.value.exit_status == EX_TEMPFAIL
        assert f"process {os.getpid()} already runs web" in str(caught.value)
        assert f"(kill {os.getpid()})" in str(caught.value)
        FolderStore(folder, "mail").lock().unlock()
        first.lock()
    FolderStore(folder, "web").lock().unlock()


HOLDER = """
import sys
from pathlib import Path
from perdure.persist.store import FolderStore
held = FolderStore(Path(sys.argv[1]), "web").lock()
print("held", flush=True)
sys.stdin.read()
"""


def test_the_lock_goes_with_its_process_however_it_ends(folder: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, folder],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        with pytest.raises(LockedError) as caught:
            FolderStore(folder, "web").lock()
        assert caught.value.pid == process.pid
        process.send_signal(signal.SIGKILL)
    assert (folder / "web.lock").read_text() == f"{process.pid}\n"
    FolderStore(folder, "web").lock().unlock()


def _lock_in_child(kept: FolderStore) -> None:
    kept.lock()
    os._exit(0)


def test_a_forked_child_keeps_the_lock_and_writes_its_own_number(folder: Path) -> None:
    kept = FolderStore(folder, "web").lock()
    child = multiprocessing.get_context("fork").Process(target=_lock_in_child, args=(kept,))
    child.start()
    child.join()
    assert child.exitcode == 0
    assert (folder / "web.lock").read_text() == f"{child.pid}\n"
    with pytest.raises(LockedError):
        FolderStore(folder, "web").lock()
    kept.unlock()


def test_a_lock_file_without_a_number_still_locks(folder: Path) -> None:
    with FolderStore(folder, "web").lock():
        (folder / "web.lock").write_text("nonsense")
        with pytest.raises(LockedError, match="another process already runs web") as caught:
            FolderStore(folder, "web").lock()
        assert caught.value.pid is None


def test_a_lock_that_cannot_be_made_is_told(folder: Path) -> None:
    with pytest.raises(StoreError, match=r"web\.lock: No such file.*--statedir") as caught:
        FolderStore(folder / "none", "web").lock()
    assert caught.value.exit_status == EX_CANTCREAT


def test_what_a_killed_save_has_left_is_removed_and_nothing_else(
    folder: Path, signer: Signer
) -> None:
    kept = FolderStore(folder, "web")
    kept.save(1, signer=signer)
    kept.save(2, signer=signer)
    mine = [
        folder / temporary_name("web-shutdown.snap"),
        folder / "web.generations" / temporary_name("web-shutdown.snap"),
        folder / "web.generations" / temporary_name("000003.snap"),
    ]
    others = [folder / temporary_name("mail-shutdown.snap"), folder / ".notes.tmp"]
    for path in mine + others:
        path.write_text("")
    kept.lock().unlock()
    assert not any(path.exists() for path in mine)
    assert all(path.exists() for path in others)
    assert content(newest_of(kept)) == 2


# Whether it may be written at all.


def test_a_folder_that_can_be_written_passes_and_is_left_as_it_was(
    folder: Path, signer: Signer
) -> None:
    kept = FolderStore(folder, "web")
    kept.check_writable()
    assert os.listdir(folder) == []
    kept.save(1, signer=signer)
    kept.save(2, signer=signer)
    before = sorted(folder.rglob("*"))
    kept.check_writable()
    assert sorted(folder.rglob("*")) == before


def test_a_folder_that_is_missing_or_a_file_does_not_pass(folder: Path) -> None:
    with pytest.raises(StoreError, match="No such file"):
        FolderStore(folder / "none", "web").check_writable()
    (folder / "file").write_text("")
    with pytest.raises(StoreError, match="Not a directory"):
        FolderStore(folder / "file", "web").check_writable()


AS_NOBODY = """
import os, sys
from pathlib import Path
from perdure.persist.lock import StoreError
from perdure.persist.store import FolderStore
os.setgroups([]); os.setgid(65534); os.setuid(65534)
try:
    FolderStore(Path(sys.argv[1]), "web").check_writable()
except StoreError as error:
    print(error)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may become another user")
@pytest.mark.parametrize(
    ("mode", "message"),
    [
        (0o755, "Permission denied; make it writable for user 65534, or name another"),
        (0o777, "web-shutdown.snap belongs to user 0 and could not be set aside"),
    ],
)
def test_a_user_who_could_not_save_is_told_before(
    mode: int, message: str, signer: Signer, tmp_path_factory: pytest.TempPathFactory
) -> None:
    import tempfile

    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        folder = Path(name)
        folder.chmod(mode)
        FolderStore(folder, "web").save(1, signer=signer)
        done = subprocess.run(
            [sys.executable, "-c", AS_NOBODY, folder], capture_output=True, text=True, check=True
        )
    assert message in done.stdout


# Killed in the middle of a save.

SAVER = """
import os, signal, sys
from pathlib import Path
from perdure.persist import disk, store
from perdure.persist.trust import Signer
folder, key, syntax, step = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], int(sys.argv[4])

class Disk:
    calls = 0
    def __getattr__(self, name):
        real = getattr(os, name)
        if name not in ("open", "pwrite", "fsync", "fdatasync", "rename", "link", "unlink", "mkdir"):
            return real
        def call(*arguments):
            Disk.calls += 1
            if Disk.calls == step:
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*arguments)
        return call

kept = store.FolderStore(folder, "web", keep=3, syntax=syntax).lock()
signer = Signer.of_user(key)
disk.os = Disk()
kept.save("new", signer=signer)
"""


@pytest.mark.parametrize("syntax", ["pickle", "xml", "source"])
def test_a_save_killed_at_any_step_loses_no_state(
    syntax: str, folder: Path, tmp_path: Path
) -> None:
    """Nor does it give an old state for the new one, when the new one is in another syntax."""
    key = tmp_path / "key"
    signer = Signer.of_user(key)
    other = "pickle" if syntax != "pickle" else "xml"
    kept = FolderStore(folder, "web", keep=3, syntax=other)
    for number in range(5):
        kept.save(number, signer=signer)
    step, finished, seen, before = 0, False, set[Any](), 4
    while not finished:
        step += 1
        assert content(newest_of(kept)) == before
        command = [sys.executable, "-c", SAVER]
        done = subprocess.run([*command, folder, key, syntax, str(step)], check=False)
        finished = done.returncode == 0
        assert finished or done.returncode == -signal.SIGKILL
        found = content(newest_of(kept))
        assert found == content(newest_of(FolderStore(folder, "web", syntax=syntax)))
        assert found in (before, "new")
        seen.add(found)
        states = [content(path) for path in kept.generations()]
        assert len(states) >= 3
        kept.save(before, signer=signer)
    assert step > 10
    assert seen == {before, "new"}
    with kept.lock():
        assert not [path for path in folder.rglob("*") if path.suffix == ".tmp"]


class States(RuleBasedStateMachine):
    """However often a state is saved: the newest and the last generations are what they were."""

    def __init__(self) -> None:
        super().__init__()
        import tempfile

        self.place = tempfile.TemporaryDirectory()
        self.kept = FolderStore(Path(self.place.name), "web", keep=3)
        self.signer = Signer.of_user(Path(self.place.name) / "key")
        self.newest: int | None = None
        self.older: list[int] = []

    @rule(state=st.integers())
    def save(self, state: int) -> None:
        self.kept.save(state, signer=self.signer)
        if self.newest is not None:
            self.older.append(self.newest)
        self.newest = state

    @invariant()
    def all_are_there(self) -> None:
        path = newest_of(self.kept)
        assert (None if path is None else content(path)) == self.newest
        states = [content(generation) for generation in self.kept.generations()]
        assert states == self.older[:-4:-1]

    def teardown(self) -> None:
        self.place.cleanup()


TestStates = States.TestCase
TestStates.settings = settings(max_examples=20, stateful_step_count=12)


@given(st.text(st.characters(codec="utf-8"), max_size=99))
def test_any_name_makes_a_store_or_a_store_error(name: str) -> None:
    try:
        made = FolderStore(Path("/state"), name)
    except StoreError:
        return
    for path in (made.shutdown_path, made.lock_path, made.generations_folder):
        assert path.parent == Path("/state")
