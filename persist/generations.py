"""The folder of an application's older states and checkpoints.

000001.snap                 a state; the greater the number, the later it came here
000002.snap.xml             the same, in another syntax
.checkpoint.5c0ffe.tmp      a draft, which counts for nothing
"""

import contextlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import attrs

from . import files
from .disk import Disk
from .formats.table import SUFFIXES
from .storage import State

_GENERATION: Final = "{:06d}.snap{}"
_NUMBERED: Final = re.compile(
    rf"([0-9]+)\.snap({'|'.join(map(re.escape, SUFFIXES.values()))})", re.ASCII
)


@attrs.frozen
class Generations:
    """The generations in `folder`, which need not be there."""

    folder: Path
    disk: Disk = attrs.field(repr=False)

    def paths(self) -> list[Path]:
        """All of them, the greatest number first; of one number the binary one before its exports."""
        found = sorted(self._numbered(), key=lambda each: (-each[0], each[1].name))
        return [path for _, path in found]

    def draft(self) -> Path:
        """A name for a draft. Raises `WriteError` if there cannot be a folder for it."""
        files.make_folder(self.folder, self.disk)
        return self.folder / files.temporary_name("checkpoint")

    def admit(self, draft: Path) -> Path:
        """Make a draft a generation, durably. Raises `WriteError`."""
        path = self._next("")
        try:
            self.disk.rename(draft, path)
            self.disk.sync_folder(self.folder)
        except OSError as error:
            raise files.write_error(path, "renaming", error) from error
        return path

    def add(self, path: Path, suffix: str) -> None:
        """Make the file at `path`, which stays, a generation too; durably. Raises `WriteError`."""
        if any(self.disk.is_same(path, other) for other in self.paths()):
            return  # A save that was killed before it had replaced the file has done it.
        target = self._next(suffix)
        try:
            self.disk.link(path, target)
            self.disk.sync_folder(self.folder)
        except OSError:
            # A file system without hard links, or another's file: a copy costs only time.
            try:
                content = self.disk.read(path, links=True)
            except OSError as error:
                raise files.write_error(path, "copying to a generation", error) from error
            files.replace(target, content, disk=self.disk)

    def _next(self, suffix: str) -> Path:
        files.make_folder(self.folder, self.disk)
        last = max((number for number, _ in self._numbered()), default=0)
        return self.folder / _GENERATION.format(last + 1, suffix)

    def _numbered(self) -> list[tuple[int, Path]]:
        found: list[tuple[int, Path]] = []
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            for name in self.disk.names(self.folder):
                if match := _NUMBERED.fullmatch(name):
                    found.append((int(match[1]), self.folder / name))
        return found


def divided(states: Sequence[State], count: int) -> tuple[list[State], list[State]]:
    """The first `count` of `states`, and the others.

    An export that lies beside its generation goes with that, and takes no other's place.
    """

    def original(state: State) -> Path:
        return state.path.with_name(state.path.name.partition(".")[0])

    first = [*dict.fromkeys(map(original, states))][:count]
    return (
        [state for state in states if original(state) in first],
        [state for state in states if original(state) not in first],
    )
