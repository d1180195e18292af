"""Where the state of one application lives on disk.

web-shutdown.snap              the newest state
web.generations/000001.snap    older ones, the greater number the newer
web.lock                       held by the process that runs the application; has its number

A state in XML is called ``web-shutdown.snap.xml``, and one in source ``web-shutdown.snap.py``; so
are generations. Such a file may also be an export that somebody has put beside the newest state.
"""

import contextlib
import fcntl
import filecmp
import os
import re
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Final, Self

import attrs

from . import files, siblings, snapshot
from .errors import PerdureError
from .formats.table import SUFFIXES
from .trust import Signer

NEWEST: Final = "{}-shutdown.snap"
GENERATIONS: Final = "{}.generations"
GENERATION: Final = "{:06d}.snap"
LOCK: Final = "{}.lock"
_NUMBERED: Final = re.compile(
    rf"([0-9]+)\.snap({'|'.join(map(re.escape, SUFFIXES.values()))})", re.ASCII
)
_LONGEST_NAME: Final = 100


@attrs.define
class StoreError(PerdureError):
    """The folder for the state cannot be used. `reason` says why, and what to do."""

    folder: Path
    reason: str
    exit_status: ClassVar[int] = os.EX_CANTCREAT

    def __str__(self) -> str:
        return f"the state folder {self.folder}: {self.reason}"


@attrs.define
class LockedError(PerdureError):
    """Another process runs this application; `pid` is its number, if it could be read."""

    application: str
    path: Path
    pid: int | None
    exit_status: ClassVar[int] = os.EX_TEMPFAIL

    def __str__(self) -> str:
        process = "another process" if self.pid is None else f"process {self.pid}"
        stop = "" if self.pid is None else f" (kill {self.pid})"
        return (
            f"{process} already runs {self.application} (it holds {self.path});"
            f" stop it first{stop}, or use another --statedir"
        )


def _check_name(store: "FolderStore", attribute: object, name: str) -> None:
    if not name or name[0] == "." or "/" in name or "\0" in name:
        raise StoreError(store.folder, f"no file can be called after {name!r}; choose another")
    if len(os.fsencode(name)) > _LONGEST_NAME:
        raise StoreError(
            store.folder, f"the name {name[:20]}... is longer than {_LONGEST_NAME} bytes"
        )


@attrs.define
class FolderStore:
    """The states of `application`, in `folder`. `keep` older ones are kept besides the newest.

    They are saved in `syntax`, and found in any. Only the process that holds the lock may save or prune.
    """

    folder: Path
    application: str = attrs.field(validator=_check_name)
    keep: int = 5
    syntax: str = "pickle"
    _lock: int | None = attrs.field(default=None, init=False)

    @property
    def shutdown_path(self) -> Path:
        """Where the next state will be."""
        return self._shutdown_path(self.syntax)

    @property
    def lock_path(self) -> Path:
        """The file whose lock says that the application runs."""
        return self.folder / LOCK.format(self.application)

    @property
    def generations_folder(self) -> Path:
        """Where older states are."""
        return self.folder / GENERATIONS.format(self.application)

    def lock(self) -> Self:
        """Take the lock; gives the store itself, whose block then ends with `unlock`.

        The lock goes with the open file: a forked child has it too, and the system lets go of it
        when the last of them is gone, however they end. Locking again, as after a fork, writes
        this process's number. What a killed save has left is removed. Raises `LockedError`, or
        `StoreError` if the lock file cannot be made.
        """
        if self._lock is None:
            self._lock = self._take_lock()
            self._remove_leftovers()
        number = b"%d\n" % os.getpid()
        try:
            os.pwrite(self._lock, number, 0)
            os.ftruncate(self._lock, len(number))
        except OSError as error:
            self.unlock()
            raise files.write_error(self.lock_path, "write", error) from error
        return self

    def unlock(self) -> None:
        """Let go of the lock, if it is held. The file stays: removing it would let two in."""
        if self._lock is not None:
            os.ftruncate(self._lock, 0)
            os.close(self._lock)
            self._lock = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.unlock()

    def check_writable(self) -> None:
        """Prove that this process may write a save here; not that there is room for it.

        Raises `StoreError`.
        """
        for folder in (self.folder, self.generations_folder):
            if folder is not self.folder and not folder.exists():
                continue
            probe = folder / files.temporary_name(self.shutdown_path.name)
            try:
                files.replace(probe, b"")
                os.unlink(probe)
            except files.WriteError as error:
                raise StoreError(folder, _way_out(error.number)) from error
            except OSError as error:
                raise StoreError(folder, _way_out(error.errno)) from error
        for path in self._shutdown_files():
            with contextlib.suppress(FileNotFoundError):
                if not os.access(path, os.R_OK | os.W_OK, effective_ids=True):
                    owner = os.stat(path).st_uid
                    raise StoreError(
                        self.folder,
                        f"{path.name} belongs to user {owner} and could not be set aside"
                        f" for a newer one; chown it to user {os.geteuid()}",
                    )

    def newest(self) -> Path | None:
        """The newest state, or None if there is none yet.

        If there are several, in several syntaxes, it is the one that was written last. An export
        has the time of its original: then it is the one in this store's own syntax, or else the
        binary one. Raises `UnsureError` if one of several cannot be read.
        """
        found = self._shutdown_files()
        if len(found) > 1:
            times = siblings.times(found)
            last = max(times.values())
            # An export may be older than what a killed save had made a generation.
            found = self._not_retired([path for path in found if times[path] == last])
        return found[0] if found else None

    def passed_over(self, newest: Path) -> list[Path]:
        """What lies beside `newest` with another content, and was edited: nothing of it is taken.

        That is an export of `newest`, or a file that was changed after `newest` was. It takes the
        time to read all of them, if there are any.
        """
        found = self._not_retired(self._shutdown_files())
        others = [path for path in found if path != newest]
        if not others:
            return []
        taken = snapshot.read(newest)
        return [path for path in others if siblings.is_edited(path, newest, taken)]

    def generations(self) -> list[Path]:
        """The older states, newest first."""
        return [path for _, path in sorted(self._numbered(), reverse=True)]

    def save(
        self,
        root: object,
        *,
        paths: Sequence[str] = (),
        origin: str | None = None,
        signer: Signer | None,
    ) -> Path:
        """Write the state `root` as the newest; the one before it becomes a generation.

        That happens once the new one is on the device and has been read back: at every moment
        there is a whole newest state. What lies beside it in other syntaxes becomes generations
        too, but for exports of a state that is or becomes one: these stay where they are, and are
        known to be older by the time when they were written. Raises `CaptureError`, `WriteError` or
        `SnapshotError`, and for text `FormatError` or
        `VerificationError`; all earlier states are then as they were.
        """
        left = self._exports()
        snapshot.write(
            self.shutdown_path,
            root,
            application=self.application,
            holds="state",
            paths=paths,
            origin=origin,
            signer=signer,
            syntax=self.syntax,
            retire=lambda: self._copy_to_generations(left),
        )
        for path in self._shutdown_files()[1:]:
            if path not in left:
                # One that stays is known by the copy among the generations.
                with contextlib.suppress(OSError):
                    os.unlink(path)
        self._prune()
        return self.shutdown_path

    def _shutdown_path(self, syntax: str) -> Path:
        return self.folder / (NEWEST.format(self.application) + SUFFIXES[syntax])

    def _shutdown_files(self) -> list[Path]:
        """Those that are there, this store's own syntax first, the others in their order."""
        order = dict.fromkeys([self.syntax, *SUFFIXES])
        return [path for path in map(self._shutdown_path, order) if path.exists()]

    def _not_retired(self, found: list[Path]) -> list[Path]:
        """`found` without what a killed save had made a generation and would have removed."""
        older = self.generations()
        for is_same in (os.path.samefile, _has_content_of):
            left = [path for path in found if not any(is_same(path, other) for other in older)]
            if 0 < len(left) < len(found):
                return left
        return found

    def _take_lock(self) -> int:
        path = self.lock_path
        try:
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise StoreError(self.folder, f"{path.name}: {_way_out(error.errno)}") from error
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            text = os.pread(handle, 32, 0).strip()
            raise LockedError(
                self.application, path, int(text) if text.isdigit() else None
            ) from error
        except OSError as error:
            raise StoreError(self.folder, f"{path.name}: {_way_out(error.errno)}") from error
        else:
            handle, kept = -1, handle
            return kept
        finally:
            if handle >= 0:
                os.close(handle)

    def _remove_leftovers(self) -> None:
        ours = {self._shutdown_path(syntax).name for syntax in SUFFIXES}
        for folder in (self.folder, self.generations_folder):
            # What cannot be removed costs room, and nothing else.
            with contextlib.suppress(OSError):
                for name in os.listdir(folder):
                    target = files.target_of(name)
                    if target in ours or (target and folder != self.folder):
                        os.unlink(folder / name)

    def _exports(self) -> set[Path]:
        """What the next save leaves where it is, that would only use up generations."""
        found = self._shutdown_files()
        if len(found) < 2:
            return set()
        replaced = found[0] if found[0] == self.shutdown_path else None
        return siblings.exports(found, replaced, next(iter(self.generations()), None))

    def _copy_to_generations(self, left: set[Path]) -> None:
        found = [path for path in self._shutdown_files() if path not in left]
        if len(found) > 1:
            # The one that `newest` finds gets the greatest number.
            found.reverse()
            found.sort(key=siblings.written)
        for path in found:
            self._copy_to_generation(path)

    def _copy_to_generation(self, path: Path) -> None:
        if any(os.path.samefile(path, other) for other in self.generations()):
            return  # A save that was killed between this and its rename has done it.
        target = self._next_generation(path.name.removeprefix(NEWEST.format(self.application)))
        try:
            os.link(path, target)
            files.flush_folder(target.parent)
        except OSError:
            # A file system without hard links, or another's file: a copy costs only time.
            try:
                content = path.read_bytes()
            except OSError as error:
                raise files.write_error(path, "copying to a generation", error) from error
            files.replace(target, content)

    def _next_generation(self, suffix: str) -> Path:
        folder = self.generations_folder
        try:
            folder.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise files.write_error(folder, "creation", error) from error
        last = max((number for number, _ in self._numbered()), default=0)
        return folder / (GENERATION.format(last + 1) + suffix)

    def _numbered(self) -> list[tuple[int, Path]]:
        found: list[tuple[int, Path]] = []
        with contextlib.suppress(FileNotFoundError):
            for path in self.generations_folder.iterdir():
                if match := _NUMBERED.fullmatch(path.name):
                    found.append((int(match[1]), path))
        return found

    def _prune(self) -> None:
        for path in self.generations()[self.keep :]:
            # One too many harms nobody, and the save itself is done.
            with contextlib.suppress(OSError):
                os.unlink(path)


def _has_content_of(path: Path, other: Path) -> bool:
    return filecmp.cmp(path, other, shallow=False)


def _way_out(number: int | None) -> str:
    text = os.strerror(number or 0)
    return f"{text}; make it writable for user {os.geteuid()}, or name another with --statedir"
