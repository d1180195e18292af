"""Where an application's own modules are found."""

import sys
from collections.abc import Iterable
from pathlib import Path


def add_folders(folders: Iterable[str]) -> None:
    """Let modules be imported from `folders`, from now on and for the life of the process.

    They come after everything that is there already, so that nothing in them takes the place of
    Python's own modules or an installed one. A folder that is there already is left where it is,
    and so is one that does not exist: whoever needs it is told so when a module is missed.
    Only pass on folders that a snapshot names if this user has signed it.
    """
    for folder in folders:
        absolute = str(Path(folder).absolute())
        if absolute not in sys.path:
            sys.path.append(absolute)


def merged(*folders: Iterable[str]) -> list[str]:
    """All of `folders`, each once, in the order in which they came."""
    return [*dict.fromkeys(each for some in folders for each in some)]


def searched_folders() -> tuple[str, ...]:
    """The folders where modules are looked for, without Python's own and the installed ones."""
    own = (sys.prefix, sys.base_prefix, sys.exec_prefix)
    return tuple(
        folder for folder in sys.path if folder.startswith("/") and not folder.startswith(own)
    )
