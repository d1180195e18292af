"""A root folder of its own: the process sees nothing outside of it any more."""

import os
from pathlib import Path
from typing import ClassVar

import attrs

from ..app import privileges
from ..persist.errors import PerdureError


@attrs.define
class RootError(PerdureError):
    """The process cannot be put into the folder that shall be its root."""

    exit_status: ClassVar[int] = os.EX_CONFIG
    folder: Path
    reason: str

    def __str__(self) -> str:
        return f"--chroot {self.folder}: {self.reason}"


def enter(root: Path, folder: Path) -> Path:
    """Make `root` the root of this process; returns `folder`, which is inside, as seen from there.

    Raises RootError.
    """
    if not folder.is_relative_to(root):
        raise RootError(root, f"the state folder {folder} is not inside; see --statedir")
    privileges.load_late_imports()
    try:
        os.chroot(root)
    except OSError as error:
        raise RootError(root, error.strerror or str(error)) from None
    os.chdir("/")
    return Path("/") / folder.relative_to(root)
