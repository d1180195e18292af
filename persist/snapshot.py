"""Snapshot files, in whichever syntax: written whole, read by what they are and not by their names.

What the files look like is said in `formats`: `pickled`, `xmltree` and `source`.
"""

import contextlib
import errno
import io
import os
import platform
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from typing import ClassVar, Final, Self

import attrs

from . import concealment, files, foreign
from .capture import capture
from .content import Content, Snapshot
from .disk import DISK, Disk
from .errors import PerdureError
from .formats import table
from .formats.format import Format, FormatError
from .graph import Graph
from .keyring import Keyring
from .packages import packages_of
from .passport import FORMAT, Holds, Passport
from .sealing import Envelope, Seal
from .trust import Signer

__all__ = [
    "MissingSnapshotError", "Snapshot", "SnapshotError", "VerificationError",
    "form_and_data", "locate", "now", "peek", "put", "read", "write",
]  # fmt: skip

# Looked up now: the server that saves may have no access to the installation any more.
_WRITER: Final = f"perdure {version('perdure')}"
# How much of a binary one is read for its passport; where that is not all of it, the more.
_HEADS: Final = (1 << 16, 1 << 25)


@attrs.define
class SnapshotError(PerdureError):
    """A file cannot be read as a snapshot. `reason` says why, and what to do.

    `line` and `column` count from 1, `offset` in bytes from 0; `place` is where in the application,
    such as ``application.registry[visits.Counter].value``. None for what is not known.
    """

    path: Path
    reason: str
    line: int | None = None
    column: int | None = None
    offset: int | None = None
    place: str | None = None
    exit_status: ClassVar[int] = os.EX_DATAERR

    @classmethod
    def of(cls, path: Path, error: FormatError) -> Self:
        """That `error` was met in the file at `path`."""
        line = (
            _line_of(path, error) if isinstance(error, concealment.ConcealedError) else error.line
        )
        return cls(path, error.reason, line, error.column, error.offset, error.place)

    def __str__(self) -> str:
        error = FormatError(self.reason, self.line, self.column, self.offset, self.place)
        return f"{self.path}:{'' if self.line else ' '}{error}"


@attrs.define
class MissingSnapshotError(SnapshotError):
    """There is no such file, or it may not be read."""

    exit_status: ClassVar[int] = os.EX_NOINPUT


@attrs.define
class VerificationError(PerdureError):
    """What was written to `path` reads back as something else, at `place`: a fault of Perdure.

    The file that was at `path` is still there.
    """

    path: Path
    place: str
    exit_status: ClassVar[int] = os.EX_SOFTWARE

    def __str__(self) -> str:
        return (
            f"{self.path} is not written: it would read back different at {self.place}; this is a"
            " fault of Perdure, please report it"
        )


def write(
    path: Path,
    root: object,
    *,
    application: str,
    holds: Holds,
    paths: Sequence[str] = (),
    origin: str | None = None,
    signer: Signer | None,
    syntax: str = "pickle",
    sequence: int = 0,
    blueprint: str | None = None,
    seal: Seal | None = None,
    after: str = "",
    retire: Callable[[], object] | None = None,
    disk: Disk = DISK,
) -> Passport:
    """Capture `root` and write it to `path`, mode 0600, whole and durable or not at all.

    Without a `signer` the file is unsigned: to everybody, its writer too, it is a stranger's. With a
    `seal` it is sealed: nothing of the content is ever on the disk in the clear. It will say that it
    was written later than `after`. `retire` is for `files.replace`. Raises `CaptureError`,
    `FormatError`, `VerificationError` or `WriteError`; the file that was at `path` is then still
    there.
    """
    captured = capture(root)
    passport = Passport(
        format=FORMAT,
        application=application,
        holds=holds,
        written=max(now(), _following(after)),
        writer=_WRITER,
        python=platform.python_version(),
        names=captured.names,
        paths=tuple(paths),
        origin=origin,
        secret=captured.secret,
        sequence=sequence,
        classes=captured.classes,
        packages=packages_of(captured.names),
        blueprint=blueprint,
    )
    content = Content.of_stream(captured.stream)
    content.believe()
    form = table.by_name(syntax)
    # Of the binary form the stream itself was written, and its checksum was read back.
    _write(
        path, passport, content, form, signer, seal,
        written=shown_as(passport, content, form, signer, seal), compare=syntax != "pickle",
        retire=retire, disk=disk,
    )  # fmt: skip
    return passport


def put(
    path: Path,
    passport: Passport,
    content: Content,
    form: Format,
    signer: Signer | None,
    *,
    seal: Seal | None = None,
    reveal: bool = False,
    retire: Callable[[], object] | None = None,
) -> None:
    """Write `content` to `path` in the syntax `form`, mode 0600, whole and durable or not at all.

    `passport` stays as it is, but for the names, which are those of `content`. Before the file takes
    its name it is read back, and its graph compared with that of `content`. `retire` is for
    `files.replace`.

    Pass on this user's `signer` only for what was signed with it before: the file becomes this
    user's own. And pass on the `seal` of what was sealed, for else it is in the clear. In a text the
    values of secret fields are concealed (see `concealment`), but with `reveal`, or a seal. Raises
    `FormatError` for a content that has no such form, `VerificationError` or `WriteError`; the file
    that was at `path` is then still there.
    """
    if signer is not None:
        content.believe()
    passport = attrs.evolve(passport, names=tuple(sorted(map(str, content.graph.names))))
    written = content if reveal else shown_as(passport, content, form, signer, seal)
    _write(
        path, passport, content, form, signer, seal,
        written=written, compare=True, retire=retire, disk=DISK,
    )  # fmt: skip


def shown_as(
    passport: Passport, content: Content, form: Format, signer: Signer | None, seal: Seal | None
) -> Content:
    """What `form` is made of: for a text secret values are concealed. Raises as `concealed`."""
    if form.locate is None or seal is not None:
        return content
    return concealment.concealed(content, passport, signer)


def _line_of(path: Path, error: concealment.ConcealedError) -> int | None:
    try:
        graph, lines = locate(path)
        return lines.get(id(concealment.sealed_values(graph)[error.index]))
    except (SnapshotError, IndexError):
        # It was changed meanwhile.
        return None


def _write(
    path: Path,
    passport: Passport,
    content: Content,
    form: Format,
    signer: Signer | None,
    seal: Seal | None,
    *,
    written: Content,
    compare: bool,
    retire: Callable[[], object] | None,
    disk: Disk,
) -> None:
    keyring = None if seal is None else Keyring.of_seal(seal)

    def verify(temporary: Path) -> None:
        try:
            found = read(temporary, disk, keyring)
        except SnapshotError as error:
            if error.place is None:
                raise
            # It is whole, but there is an object in it that this form cannot hold.
            raise FormatError(error.reason, place=error.place) from error
        if attrs.evolve(found.passport, names=passport.names) != passport:
            raise VerificationError(path, "its passport")
        if found.signer_key != (signer and signer.public):
            raise VerificationError(path, "its signature")
        if (found.seal is None) != (seal is None):
            raise VerificationError(path, "its seal")
        if signer is not None:
            found.content.believe()
        place = _difference(content, found.content) if compare else None
        if place is not None:
            raise VerificationError(path, place)

    files.replace(
        path, form.encode(passport, written, signer, seal), verify=verify, retire=retire, disk=disk
    )


def _difference(content: Content, found: Content) -> str | None:
    from . import isomorphism

    return isomorphism.difference(content.graph, found.graph)


def now() -> str:
    """This second, as passports have it. Such texts are ordered as the times are."""
    return _text(datetime.now(UTC))


def _following(time: str) -> str:
    """The second after `time`; nothing for what is no time, as an edited passport may have."""
    with contextlib.suppress(ValueError, OverflowError):
        return _text(datetime.fromisoformat(time).astimezone(UTC) + timedelta(seconds=1))
    return ""


def _text(time: datetime) -> str:
    return time.isoformat(timespec="seconds").replace("+00:00", "Z")


def read(path: Path, disk: Disk = DISK, keyring: Keyring | None = None) -> Snapshot:
    """Read the snapshot at `path`, in any syntax; nothing of it is loaded or run.

    Of a binary one every byte is checked. What is sealed is opened with the `keyring`; without one
    it stays sealed, and has no content. Raises `SnapshotError` if the file is not there, is no
    snapshot, is of a newer format, or has been cut or changed so that it cannot be read; and
    `UnlockError` if nothing in the keyring opens it, which of a binary one is said first.
    """
    from .formats import pickled

    try:
        form, data = form_and_data(path, disk)
        if keyring is not None and form is pickled.FORMAT:
            _unlock(path, pickled.peek(io.BytesIO(data)), keyring)
        return opened(path, form.decode(data), keyring)
    except FormatError as error:
        raise SnapshotError.of(path, error) from error


def opened(path: Path, found: Snapshot, keyring: Keyring | None) -> Snapshot:
    """What was read at `path`, with its content if it was sealed and there is a `keyring`.

    And with those of its concealed values of which this user has the key (see `concealment`). Raises
    `UnlockError`, and FormatError for what is damaged.
    """
    if keyring is None:
        return concealment.opened(found)
    seal = _unlock(path, found.passport, keyring)
    if seal is None:
        return concealment.opened(found)
    from .formats import pickled

    return pickled.opened(found, seal)


def _unlock(path: Path, passport: Passport, keyring: Keyring) -> Seal | None:
    return keyring.unlock(Envelope.parse(passport.sealed), path) if passport.sealed else None


def peek(path: Path, disk: Disk = DISK) -> Passport:
    """The passport of the snapshot at `path`; of a binary one nothing else is read or checked.

    Raises `SnapshotError`.
    """
    from .formats import pickled

    try:
        for length in _HEADS:
            head = disk.read_part(path, 0, length, links=True)
            if not head.startswith(pickled.MAGIC):
                break
            if head.count(b"\n", 0, length) > 1 or len(head) < length:
                return pickled.peek(io.BytesIO(head))
    except FormatError as error:
        raise SnapshotError.of(path, error) from error
    except OSError:
        pass
    return read(path, disk).passport


def locate(path: Path) -> tuple[Graph, Mapping[int, int]]:
    """The graph of the snapshot at `path`, and in which line its objects begin, each by its id.

    Of a binary one there are no lines. That takes longer than `read`, and is for messages. Raises
    `SnapshotError`.
    """
    lines: dict[int, int] = {}
    try:
        form, data = form_and_data(path)
        graph = form.locate(data, lines) if form.locate else form.decode(data).content.graph
    except FormatError as error:
        raise SnapshotError.of(path, error) from error
    return graph, lines


def form_and_data(path: Path, disk: Disk = DISK) -> tuple[Format, bytes]:
    """The syntax of the file at `path`, by how it begins, and all that is in it.

    Raises `SnapshotError` if there is no such file, or it is of no syntax.
    """
    try:
        head = disk.read_part(path, 0, table.HEAD, links=True)
        form = table.detect(head)
        if form is None:
            raise SnapshotError(path, foreign.described(head))
        return form, disk.read(path, links=True)
    except FileNotFoundError as error:
        raise MissingSnapshotError(
            path, "there is no such file; write one with mkapp, or check the name"
        ) from error
    except OSError as error:
        if error.errno in (errno.EINVAL, errno.EISDIR):
            raise MissingSnapshotError(
                path, "it is not a file; name a snapshot that mkapp has written"
            ) from error
        raise MissingSnapshotError(
            path, f"it cannot be read: {os.strerror(error.errno or 0)}; check its owner and mode"
        ) from error
