"""A disk that knows what a loss of power would have left, at any moment of a run.

It keeps its files in memory and writes down every operation. Afterwards the run is played again,
and at each operation there are disks as they may be found when it was the last to begin: what was
synced is there; of everything else, any sector of 512 bytes and any name may be old or new, in any
combination, and the last write may have stopped anywhere. Names count only after the folder's sync,
however well the file itself was synced.

A sync that fails has forgotten what it should have written, as the kernel's does: it reads as
written, a later sync succeeds, and whether the device ever got it stays open.
"""

import errno
import os
import random
import stat
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import attrs

from perdure.persist.disk import Disk

ROOT = Path("/state")
SECTOR = 512
# What is allocated reads as zeros; so many of them are as good as megabytes.
ZEROS = 4096

Fault = Callable[[str, int], int | None]


@attrs.frozen
class Step:
    """An operation on a file, or on the names in a folder, or something that the test noted."""

    kind: str
    file: int = 0
    offset: int = 0
    data: bytes = b""
    folder: Path = Path()
    names: tuple[tuple[str, int | None], ...] = ()
    note: Any = None


def apply(content: bytearray, step: Step) -> None:
    """Do to `content` what a write, an allocation or a truncation does."""
    if step.kind == "write":
        if step.data:
            content.extend(bytes(max(0, step.offset - len(content))))
            content[step.offset : step.offset + len(step.data)] = step.data
    elif step.kind == "allocate":
        content.extend(bytes(max(0, step.offset - len(content))))
    else:
        content.extend(bytes(max(0, step.offset - len(content))))
        del content[step.offset :]


def sectors(step: Step) -> list[Step]:
    """The parts of a write that the device gets one by one."""
    if step.kind != "write":
        return [step]
    parts: list[Step] = []
    start, end = step.offset, step.offset + len(step.data)
    while start < end:
        stop = min(end, (start // SECTOR + 1) * SECTOR)
        data = step.data[start - step.offset : stop - step.offset]
        parts.append(attrs.evolve(step, offset=start, data=data))
        start = stop
    return parts


@attrs.define
class Inode:
    """What of a file is on the device for certain, and what came since: each with its doubt."""

    content: bytearray = attrs.field(factory=bytearray)
    since: list[tuple[Step, bool]] = attrs.field(factory=list[tuple[Step, bool]])

    def sync(self, chance: random.Random) -> None:
        for step, doubtful in self.since:
            for part in sectors(step):
                if not doubtful or chance.random() < 0.5:
                    apply(self.content, part)
        self.since.clear()

    def fail_to_sync(self) -> None:
        self.since = [(step, True) for step, _ in self.since]

    def left(self, choose: Callable[[], bool]) -> bytearray:
        content = bytearray(self.content)
        for step, _ in self.since:
            for part in sectors(step):
                if choose():
                    apply(content, part)
        return content


@attrs.define
class Device:
    """What is on the device for certain at one moment of a run, and what may be."""

    inodes: dict[int, Inode] = attrs.field(factory=dict[int, Inode])
    folders: dict[Path, dict[str, int]] = attrs.field(factory=dict[Path, dict[str, int]])
    since: list[Step] = attrs.field(factory=list[Step])
    chance: random.Random = attrs.field(factory=lambda: random.Random(0))

    @classmethod
    def holding(
        cls, folders: dict[Path, dict[str, int]], contents: dict[int, bytearray]
    ) -> "Device":
        inodes = {number: Inode(bytearray(content)) for number, content in contents.items()}
        return cls(inodes, {folder: dict(names) for folder, names in folders.items()})

    def play(self, step: Step) -> None:
        if step.kind == "sync":
            self.inodes[step.file].sync(self.chance)
        elif step.kind == "failed sync":
            self.inodes[step.file].fail_to_sync()
        elif step.kind == "sync_folder":
            for other in self.since:
                if other.folder == step.folder:
                    _rename(self.folders, other)
            self.since = [other for other in self.since if other.folder != step.folder]
        elif step.kind == "names":
            self.since.append(step)
        elif step.kind != "note":
            self.inodes.setdefault(step.file, Inode()).since.append((step, False))

    def left(self, choose: Callable[[], bool]) -> "SimulatedDisk":
        """What is found when the power is back; `choose` decides for each thing in doubt."""
        folders = {folder: dict(names) for folder, names in self.folders.items()}
        for step in self.since:
            if choose():
                _rename(folders, step)
        contents = {number: inode.left(choose) for number, inode in self.inodes.items()}
        return SimulatedDisk.holding(folders, contents)

    def killed(self, step: Step, share: float) -> "SimulatedDisk":
        """What the next process finds if this one was killed when it had done a part of `step`."""
        if step.kind != "write":
            return self.left(lambda: True)
        inode = self.inodes[step.file]
        whole = inode.since.pop()
        part = attrs.evolve(step, data=step.data[: int(len(step.data) * share)])
        inode.since.append((part, False))
        disk = self.left(lambda: True)
        inode.since[-1] = whole
        return disk


def _rename(folders: dict[Path, dict[str, int]], step: Step) -> None:
    names = folders.setdefault(step.folder, {})
    for name, file in step.names:
        if file is None:
            names.pop(name, None)
        else:
            names[name] = file
            if not file:
                folders.setdefault(step.folder / name, {})


@attrs.define(eq=False)
class SimulatedDisk(Disk):
    """The disk of one run. `fault` is asked before each operation for an error number."""

    fault: Fault = attrs.field(default=lambda _kind, _number: None)
    steps: list[Step] = attrs.field(factory=list[Step])
    operations: int = 0
    _contents: dict[int, bytearray] = attrs.field(factory=dict[int, bytearray])
    _folders: dict[Path, dict[str, int]] = attrs.field(factory=lambda: {ROOT: {}})
    _open: dict[int, int] = attrs.field(factory=dict[int, int])
    _locks: dict[int, int] = attrs.field(factory=dict[int, int])
    _handles: int = 1000
    _numbers: int = 0
    _lock: threading.RLock = attrs.field(factory=threading.RLock)
    _before: Device = attrs.field(factory=lambda: Device(folders={ROOT: {}}))

    @classmethod
    def holding(
        cls, folders: dict[Path, dict[str, int]], contents: dict[int, bytearray]
    ) -> "SimulatedDisk":
        """A disk with all of this on its device."""
        folders = {path: names for path, names in folders.items() if _is_there(folders, path)}
        disk = cls()
        disk._before = Device.holding(folders, contents)
        again = Device.holding(folders, contents)
        disk._folders = again.folders
        disk._contents = {number: inode.content for number, inode in again.inodes.items()}
        disk._numbers = max(contents, default=0)
        return disk

    def note(self, note: object) -> None:
        """Remember that this happened here."""
        with self._lock:
            self.steps.append(Step("note", note=note))

    def moments(self) -> Iterator[tuple[Step, Device]]:
        """Every operation and note, each with the device at the moment when it is under way."""
        device = self._device()
        for step in list(self.steps):
            if step.kind in {"sync", "failed sync", "sync_folder"}:
                # Under way it has done nothing for certain.
                yield step, device
                device.play(step)
            else:
                device.play(step)
                yield step, device

    def cut(self, seed: int | None = None, after: int | None = None) -> "SimulatedDisk":
        """What is found if the power goes now: with no seed only what is there for certain.

        It may also have gone `after` so many of the steps.
        """
        device = self._device()
        for step in self.steps[:after]:
            device.play(step)
        return device.left(chooser(seed))

    def inherited(self) -> "SimulatedDisk":
        """What the next process has if this one is killed now: what was not synced still is not."""
        with self._lock:
            disk = SimulatedDisk(steps=list(self.steps))
            disk._before, disk._numbers = self._before, self._numbers
            disk._folders = {folder: dict(names) for folder, names in self._folders.items()}
            disk._contents = {
                number: bytearray(content) for number, content in self._contents.items()
            }
            return disk

    # The operations.

    def create(self, path: Path, mode: int = 0o600) -> int:
        with self._doing("create"):
            if path.name in self._names(path.parent):
                raise _error(errno.EEXIST, path)
            self._numbers += 1
            self._contents[self._numbers] = bytearray()
            self._step(Step("truncate", self._numbers))
            self._rename(path.parent, (path.name, self._numbers))
            return self._handle(self._numbers)

    def write(self, handle: int, data: bytes, offset: int) -> None:
        number = self._ask("write")
        with self._lock:
            if number is not None:
                data = data[: len(data) * 2 // 3]
            step = Step("write", self._open[handle], offset, bytes(data))
            apply(self._contents[step.file], step)
            self._step(step)
        if number is not None:
            raise _error(number)

    def allocate(self, handle: int, offset: int, length: int) -> None:
        with self._doing("allocate"):
            step = Step("allocate", self._open[handle], offset + min(length, ZEROS))
            apply(self._contents[step.file], step)
            self._step(step)

    def truncate(self, handle: int, length: int) -> None:
        with self._doing("truncate"):
            step = Step("truncate", self._open[handle], length)
            apply(self._contents[step.file], step)
            self._step(step)

    def sync(self, handle: int) -> None:
        number = self._ask("sync")
        with self._lock:
            self._step(Step("failed sync" if number else "sync", self._open[handle]))
        if number is not None:
            raise _error(number)

    def close(self, handle: int) -> None:
        with self._lock:
            del self._open[handle]
            self._locks.pop(handle, None)

    def lock(self, path: Path) -> int:
        with self._doing("lock"):
            if path.name not in self._names(path.parent):
                self.close(self.create(path))
            number = self._find(path)
            if number in self._locks.values():
                raise _error(errno.EWOULDBLOCK, path)
            handle = self._handle(number)
            self._locks[handle] = number
            return handle

    def read(self, path: Path, *, links: bool = False) -> bytes:
        with self._doing("read"):
            return bytes(self._contents[self._find(path)])

    def read_owned(self, path: Path) -> tuple[bytes, int]:
        return self.read(path), self.status(path).st_uid

    def read_part(self, path: Path, offset: int, length: int, *, links: bool = False) -> bytes:
        with self._doing("read"):
            return bytes(self._contents[self._find(path)][offset : offset + length])

    def status(self, path: Path) -> os.stat_result:
        with self._lock:
            number = 0
            if not _is_there(self._folders, path):
                number = self._find(path)
            kind = stat.S_IFREG if number else stat.S_IFDIR
            size = len(self._contents[number]) if number else 0
            # What was made later has the greater number, and may pass for later by the clock.
            times = {"st_mtime_ns": number, "st_ctime_ns": number}
            return os.stat_result(
                (kind | 0o600, number, 1, 1, os.geteuid(), os.getegid(), size, *([number] * 3)),
                times,
            )

    def names(self, folder: Path) -> list[str]:
        with self._doing("names"):
            return list(self._names(folder))

    def make_folder(self, path: Path, mode: int = 0o700) -> None:
        with self._doing("make_folder"):
            if path.name in self._names(path.parent):
                raise _error(errno.EEXIST, path)
            # A folder is a name whose file is never opened.
            self._rename(path.parent, (path.name, 0))

    def rename(self, source: Path, target: Path) -> None:
        with self._doing("rename"):
            number = self._find(source)
            self._rename(source.parent, (source.name, None), (target.name, number))

    def link(self, source: Path, target: Path) -> None:
        with self._doing("link"):
            if target.name in self._names(target.parent):
                raise _error(errno.EEXIST, target)
            self._rename(target.parent, (target.name, self._find(source)))

    def unlink(self, path: Path) -> None:
        with self._doing("unlink"):
            self._find(path)
            self._rename(path.parent, (path.name, None))

    def sync_folder(self, folder: Path) -> None:
        with self._doing("sync_folder"):
            self._step(Step("sync_folder", folder=folder))

    def damage(self, path: Path) -> None:
        """Change some bytes near the end of a file, behind everybody's back."""
        with self._lock:
            content = self._contents[self._find(path)]
            content[-20] ^= 0xFF

    def open_handles(self) -> int:
        """How many files are open."""
        return len(self._open)

    def _handle(self, number: int) -> int:
        self._handles += 1
        self._open[self._handles] = number
        return self._handles

    def _ask(self, kind: str) -> int | None:
        with self._lock:
            self.operations += 1
            return self.fault(kind, self.operations)

    def _doing(self, kind: str) -> threading.RLock:
        number = self._ask(kind)
        if number is not None:
            raise _error(number)
        return self._lock

    def _step(self, step: Step) -> None:
        self.steps.append(step)

    def _rename(self, folder: Path, *names: tuple[str, int | None]) -> None:
        step = Step("names", folder=folder, names=names)
        _rename(self._folders, step)
        self._step(step)

    def _names(self, folder: Path) -> dict[str, int]:
        if not _is_there(self._folders, folder):
            raise _error(errno.ENOENT, folder)
        return self._folders[folder]

    def _find(self, path: Path) -> int:
        number = self._names(path.parent).get(path.name)
        if number is None:
            raise _error(errno.ENOENT, path)
        return number

    def _device(self) -> Device:
        """The device before the run."""
        contents = {number: inode.content for number, inode in self._before.inodes.items()}
        return Device.holding(self._before.folders, contents)


def _is_there(folders: dict[Path, dict[str, int]], folder: Path) -> bool:
    if folder == ROOT:
        return True
    above = folder.parent
    return folder in folders and _is_there(folders, above) and folder.name in folders[above]


def chooser(seed: int | None) -> Callable[[], bool]:
    """What decides what is left: by chance, or, without a seed, that nothing in doubt is."""
    if seed is None:
        return lambda: False
    chance = random.Random(seed)
    # Some disks keep nearly all of it, some nearly nothing.
    share = chance.choice((0.1, 0.5, 0.9))
    return lambda: chance.random() < share


def _error(number: int, path: Path | None = None) -> OSError:
    return OSError(number, os.strerror(number), None if path is None else str(path))
