"""From the segments of a path to a file in a folder, and never to one outside of it."""

import os
import re
import stat
from collections.abc import Collection, Iterator, Sequence
from typing import Final

import attrs

from ..errors import HTTPError
from .mime import extension_of

# Besides scripts lie the modules they import.
_CODE: Final = (".py", ".pyc", ".pyo", ".pyw", ".pyi")
_CODE_FOLDER: Final = "__pycache__"
_SECOND: Final = 1_000_000_000


@attrs.frozen
class Found:
    """What lies at a path.

    `path` is the way there by name, `real` the same without symbolic links, `status` its
    ``stat``. `taken` segments of the path led there; `named` tells whether they are its
    very name, and not an index or a name with its extension left out. `slash` is whether a folder
    was asked for with a slash at its end.
    """

    path: str
    real: str
    status: os.stat_result
    taken: int
    named: bool = True
    slash: bool = False

    @property
    def is_folder(self) -> bool:
        """Whether it is a folder; if not it is a regular file."""
        return stat.S_ISDIR(self.status.st_mode)


@attrs.frozen
class Folder:
    """The rules by which files below `root` are found.

    `root` may also be a single file: then the path has to be empty.

    `processed` are the extensions of files that are run and not read. As long as there are any, the
    code beside them stays private: modules, and anything that looks like a copy of a script
    (``page.rpy.bak``, ``page.rpy~``).

    Someone who may rename folders below `root` while a request is answered is trusted.
    """

    root: str
    index_names: Sequence[str] = ()
    ignored_extensions: Sequence[str] = ()
    processed: Collection[str] = ()
    follow_links_out: bool = False
    dot_files: bool = False
    _private: re.Pattern[str] | None = attrs.field(
        default=attrs.Factory(lambda self: _private_names(self.processed), takes_self=True),
        init=False,
        repr=False,
    )

    def is_visible(self, name: str) -> bool:
        """Whether a file or folder of this name may be seen at all, and `name` is a name."""
        if not name or name in (".", "..") or "/" in name or "\\" in name or "\0" in name:
            return False
        if name[0] == "." and not self.dot_files:
            return False
        if self._private is None or extension_of(name) in self.processed:
            return True
        return name.lower() != _CODE_FOLDER and not self._private.search(name)

    def could_be(self, segments: tuple[str, ...]) -> bool:
        """Whether all of `segments` are names that may be seen, but for a slash at the end."""
        return all(map(self.is_visible, segments[:-1] if segments[-1:] == ("",) else segments))

    def find(self, segments: Sequence[str]) -> Found:
        """What the decoded `segments` of a path lead to.

        A regular file, or a folder for which there is no index. Raises `HTTPError`: 404 for whatever
        is not there, may not be seen or is neither; 403 for what this process may not reach.
        """
        try:
            found = self._walk(segments)
            self._check_inside(found)
        except (FileNotFoundError, NotADirectoryError, ValueError):
            raise HTTPError(404) from None
        except OSError as error:
            raise refusal(error) from None
        return found

    def _walk(self, segments: Sequence[str]) -> Found:
        path = self.root
        status = os.stat(path)
        if not stat.S_ISDIR(status.st_mode):
            if any(segments):
                raise HTTPError(404)
            return self._found(path, status, len(segments))
        for number, segment in enumerate(segments, 1):
            last = number == len(segments)
            if last and not segment:
                return self._index(path, status, number)
            if not self.is_visible(segment):
                raise HTTPError(404)
            parent, path = path, os.path.join(path, segment)
            try:
                status = os.stat(path)
            except FileNotFoundError:
                if not last:
                    raise
                return self._completed(parent, segment, number)
            if not stat.S_ISDIR(status.st_mode):
                if not last and extension_of(segment) not in self.processed:
                    raise HTTPError(404)
                return self._found(path, status, number)
        return Found(path, os.path.realpath(path, strict=True), status, len(segments))

    def _found(self, path: str, status: os.stat_result, taken: int, *, named: bool = True) -> Found:
        # Opening a FIFO waits for its other end, and reading a device may do anything.
        if not stat.S_ISREG(status.st_mode):
            raise HTTPError(404)
        return Found(path, os.path.realpath(path, strict=True), status, taken, named)

    def _index(self, folder: str, status: os.stat_result, taken: int) -> Found:
        for name in self.index_names:
            path = os.path.join(folder, name)
            try:
                index = os.stat(path)
            except (FileNotFoundError, NotADirectoryError):
                continue
            if stat.S_ISREG(index.st_mode):
                return self._found(path, index, taken, named=False)
        return Found(folder, os.path.realpath(folder, strict=True), status, taken, slash=True)

    def _completed(self, folder: str, name: str, taken: int) -> Found:
        """The file whose name is `name` with one of the extensions that may be left out."""
        for extension in self.ignored_extensions:
            names = self._any(folder, name) if extension == "*" else (name + extension,)
            for each in names:
                path = os.path.join(folder, each)
                if self.is_visible(each) and os.path.isfile(path):
                    return self._found(path, os.stat(path), taken, named=False)
        raise HTTPError(404)

    @staticmethod
    def _any(folder: str, name: str) -> Iterator[str]:
        start = name + "."
        yield from sorted(each for each in os.listdir(folder) if each.startswith(start))

    def sibling(self, found: Found, ending: str) -> Found | None:
        """The file beside `found` whose name is the same with `ending`; None if it may not be used.

        That is one that may not be seen, is run, or is older than the file: it was made from another
        version. What some tools make has the time of the file without the fraction of its second.
        """
        path = found.path + ending
        name = os.path.basename(path)
        if not self.is_visible(name) or extension_of(name) in self.processed:
            return None
        try:
            status = os.stat(path)
            beside = self._found(path, status, 0)
            self._check_inside(beside)
        except (OSError, HTTPError):
            return None
        made, changed = status.st_mtime_ns, found.status.st_mtime_ns
        return beside if made >= changed - (0 if made % _SECOND else changed % _SECOND) else None

    def _check_inside(self, found: Found) -> None:
        """Raises `HTTPError` if symbolic links led to where the path itself could not have."""
        root = os.path.realpath(self.root)
        if found.real == root:
            return
        if self._processing(found.real) != self._processing(found.path):
            # A script is not text under any other name, nor a text a script.
            raise HTTPError(404)
        inside = found.real.startswith(root.rstrip("/") + "/")
        if not inside and not self.follow_links_out:
            raise HTTPError(404)
        names = found.real[len(root) :].strip("/").split("/") if inside else [found.real]
        names[-1] = os.path.basename(names[-1])
        if not all(map(self.is_visible, names)):
            raise HTTPError(404)

    def _processing(self, path: str) -> str | None:
        extension = extension_of(os.path.basename(path))
        return extension if extension in self.processed else None

    def visible_entries(self, folder: Found) -> Iterator[tuple[str, os.stat_result]]:
        """The names in `folder` that lead somewhere, with their ``stat``, in no order.

        No URL leads to a name that is not UTF-8, so such are left out.
        """
        with os.scandir(folder.path) as entries:
            for entry in entries:
                if not (self.is_visible(entry.name) and _is_text(entry.name)):
                    continue
                try:
                    status = entry.stat()
                    if entry.is_symlink():
                        real = os.path.realpath(entry.path, strict=True)
                        self._check_inside(Found(entry.path, real, status, 0))
                except (OSError, HTTPError):
                    continue
                if stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode):
                    yield entry.name, status


def _is_text(name: str) -> bool:
    return not any("\ud800" <= letter <= "\udfff" for letter in name)


def _private_names(processed: Collection[str]) -> re.Pattern[str] | None:
    """What the names that stay private beside files of the extensions `processed` contain."""
    if not processed:
        return None
    extensions = "|".join(re.escape(each) for each in {*processed, *_CODE})
    return re.compile(rf"(?:{extensions})(?![a-z0-9])", re.IGNORECASE)


def refusal(error: OSError) -> HTTPError:
    """What a client is told when a file cannot be had because of `error`."""
    return HTTPError(403 if isinstance(error, PermissionError) else 404)


def open_file(path: str) -> tuple[int, os.stat_result]:
    """A descriptor of the regular file at `path`, which must be no link; the caller's to close.

    Raises `HTTPError`: 404 or 403.
    """
    try:
        # A file that became a FIFO since it was looked at must not hold the loop up.
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        raise refusal(error) from None
    status = os.fstat(fd)
    if not stat.S_ISREG(status.st_mode):
        os.close(fd)
        raise HTTPError(404)
    return fd, status
