r"""The snapshot file.

    offset  content
    0       PERDURE SNAPSHOT 1\n                  the magic line: what this is, and its format
            {"format": 1, ... }\n                 the passport, one line of JSON in ASCII
            zstd 1234 56789\n                     how the payload is packed, its bytes in the file,
                                                  and the bytes of the stream once unpacked
            ...                                   the payload
    -128    32 bytes                              SHA-256 of everything before
    -96     32 bytes                              the public key of the signer (Ed25519)
    -64     64 bytes                              its signature of that digest (see `trust`)

The first three lines are read with ``head -n 3``. The payload is a pickle stream of protocol 5, as
one Zstandard frame (``zstd``), or as it is (``plain``) where packing would shrink it more than a
thousandfold: a reader takes a greater claim for an attack on its memory. A file that nobody
signed has zeros for key and signature. Nothing follows the signature.
"""

import hashlib
import os
import platform
import stat
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import ClassVar, Final

import attrs

from . import files
from .capture import capture
from .errors import PerdureError
from .passport import Holds, Passport, PassportError
from .trust import Policy, Signer, verify

FORMAT: Final = 1
# Looked up now: the server that saves may have no access to the installation any more.
_WRITER: Final = f"perdure {version('perdure')}"
MAGIC: Final = b"PERDURE SNAPSHOT "
_MAGIC_LINE: Final = MAGIC + b"%d\n" % FORMAT
_UNSIGNED: Final = bytes(96)
_TRAILER: Final = 32 + len(_UNSIGNED)
_LONGEST_LINE: Final = 1 << 24
_GREATEST_RATIO: Final = 1000
_SPARE: Final = 1 << 16


@attrs.define
class SnapshotError(PerdureError):
    """A file cannot be read as a snapshot. `reason` says why, and what to do."""

    path: Path
    reason: str
    exit_status: ClassVar[int] = os.EX_DATAERR

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


@attrs.define
class MissingSnapshotError(SnapshotError):
    """There is no such file, or it may not be read."""

    exit_status: ClassVar[int] = os.EX_NOINPUT


@attrs.frozen
class Snapshot:
    """What a snapshot file holds, whole and undamaged, but not yet believed.

    `digest` names this very content. `signer_key` is the key whose signature was checked, or None
    if there was none.
    """

    passport: Passport
    stream: bytes = attrs.field(repr=False)
    digest: bytes
    signer_key: bytes | None

    def is_signed_by(self, signer: Signer) -> bool:
        """Whether `signer` signed it: then it is this user's own work."""
        return self.signer_key == signer.public

    def policy(self, signer: Signer, trusted: Sequence[str] = ()) -> Policy:
        """Everything may load if `signer` signed it; else only what is safe and `trusted` modules."""
        return Policy.everything() if self.is_signed_by(signer) else Policy.only(trusted)

    def folders(self, signer: Signer) -> tuple[str, ...]:
        """The folders to look for modules in: none, if a stranger named them."""
        return self.passport.paths if self.is_signed_by(signer) else ()


def write(
    path: Path,
    root: object,
    *,
    application: str,
    holds: Holds,
    paths: Sequence[str] = (),
    origin: str | None = None,
    signer: Signer | None,
) -> Passport:
    """Capture `root` and write it to `path`, mode 0600, whole and durable or not at all.

    Without a `signer` the file is unsigned: to everybody, its writer too, it is a stranger's. Raises `CaptureError`, or `WriteError`; the file that was at `path` is then still there.
    """
    content, passport = build(
        root, application=application, holds=holds, paths=paths, origin=origin, signer=signer
    )
    files.replace(path, content, verify=read)
    return passport


def build(
    root: object,
    *,
    application: str,
    holds: Holds,
    paths: Sequence[str] = (),
    origin: str | None = None,
    signer: Signer | None,
) -> tuple[bytes, Passport]:
    """The bytes of a snapshot file of `root`, and its passport; unsigned without a `signer`.

    Raises `CaptureError`.
    """
    captured = capture(root)
    passport = Passport(
        format=FORMAT,
        application=application,
        holds=holds,
        written=datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        writer=_WRITER,
        python=platform.python_version(),
        names=captured.names,
        paths=tuple(paths),
        origin=origin,
    )
    content = b"".join((_MAGIC_LINE, passport.to_line(), *_packed(captured.stream)))
    digest = hashlib.sha256(content).digest()
    seal = _UNSIGNED if signer is None else signer.public + signer.sign(digest)
    return b"".join((content, digest, seal)), passport


def read(path: Path) -> Snapshot:
    """Read the snapshot at `path`, checking every byte of it; nothing of it is loaded or run.

    Raises `SnapshotError` if the file is not there, is no snapshot, is of a newer format, or has
    been cut or changed in any way.
    """
    content = _content_of(path)
    try:
        return _parse(content)
    except _UnreadableError as error:
        raise SnapshotError(path, str(error)) from error


class _UnreadableError(Exception):
    """What `SnapshotError` says, without the path."""


def _packed(stream: bytes) -> tuple[bytes, bytes]:
    import zstandard

    method, payload = b"zstd", zstandard.ZstdCompressor(write_checksum=False).compress(stream)
    if len(stream) > len(payload) * _GREATEST_RATIO + _SPARE:
        method, payload = b"plain", stream
    return b"%s %d %d\n" % (method, len(payload), len(stream)), payload


def _content_of(path: Path) -> bytes:
    try:
        with open(path, "rb", opener=_open_at_once) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise SnapshotError(
                    path, "it is not a file; name a snapshot that mkapp has written"
                )
            head = file.read(len(_MAGIC_LINE))
            if head != _MAGIC_LINE:
                raise SnapshotError(path, _foreign(head + file.read(200)))
            return head + file.read()
    except FileNotFoundError as error:
        raise MissingSnapshotError(
            path, "there is no such file; write one with mkapp, or check the name"
        ) from error
    except OSError as error:
        raise MissingSnapshotError(
            path, f"it cannot be read: {os.strerror(error.errno or 0)}; check its owner and mode"
        ) from error


def _open_at_once(path: str, flags: int) -> int:
    # A pipe with no writer is an error here, not a wait for ever.
    return os.open(path, flags | os.O_NONBLOCK)


_DAMAGED = "the file is damaged ({}); take a copy, or an earlier generation"


def _parse(content: bytes) -> Snapshot:
    if len(content) < len(_MAGIC_LINE) + _TRAILER:
        raise _UnreadableError(_DAMAGED.format("it ends too early"))
    body, trailer = memoryview(content)[:-_TRAILER], content[-_TRAILER:]
    digest, key, signature = trailer[:32], trailer[32:64], trailer[64:]
    if hashlib.sha256(body).digest() != digest:
        raise _UnreadableError(_DAMAGED.format("its checksum does not match"))
    signer_key = None if trailer[32:] == _UNSIGNED else key
    if signer_key is not None and not verify(key, digest, signature):
        raise _UnreadableError(_DAMAGED.format("its signature does not match"))
    line, place = _line(content, len(_MAGIC_LINE))
    try:
        passport = Passport.from_line(line)
    except PassportError as error:
        raise _UnreadableError(f"its passport is wrong: {error}; write it anew") from error
    line, place = _line(content, place)
    return Snapshot(passport, _unpacked(line, body[place:]), digest, signer_key)


def _line(content: bytes, start: int) -> tuple[bytes, int]:
    end = content.find(b"\n", start, min(start + _LONGEST_LINE, len(content) - _TRAILER))
    if end < 0:
        raise _UnreadableError(_DAMAGED.format("a line of its head does not end"))
    return content[start:end], end + 1


def _unpacked(line: bytes, payload: memoryview) -> bytes:
    import zstandard

    try:
        method, *sizes = line.decode("ascii").split(" ")
        packed, size = map(int, sizes)
    except ValueError as error:
        raise _UnreadableError(_DAMAGED.format("the third line is not as it should be")) from error
    if packed != len(payload):
        raise _UnreadableError(
            _DAMAGED.format(f"it has {len(payload)} bytes of payload, not {packed}")
        )
    if method == "plain" and size == packed:
        return bytes(payload)
    if method != "zstd" or not 0 <= size <= packed * _GREATEST_RATIO + _SPARE:
        raise _UnreadableError(f"a payload of {packed} bytes cannot hold {size} as {method!r}")
    try:
        # The frame has a size of its own, which zstandard believes: it must be the one just checked.
        if zstandard.get_frame_parameters(payload).content_size != size:
            raise _UnreadableError("the payload and the third line disagree on the size")
        return zstandard.ZstdDecompressor().decompress(payload, allow_extra_data=False)
    except zstandard.ZstdError as error:
        raise _UnreadableError(_DAMAGED.format(f"it does not unpack: {error}")) from error


_KINDS = (
    (b"<?xml", "an XML document"),
    (b"<", "a document with markup"),
    (b"\x7fELF", "a program"),
    (b"\x1f\x8b", "a gzip file"),
    (b"PK\x03\x04", "a zip archive"),
    (b"\x28\xb5\x2f\xfd", "a Zstandard file"),
    (b"SQLite format 3", "an SQLite database"),
    (b"-----BEGIN", "a PEM file"),
)


def _foreign(head: bytes) -> str:
    """What a file that begins with `head` is, if it is no snapshot of this format."""
    if head.startswith(MAGIC):
        number = head[len(MAGIC) :].split(b"\n")[0]
        if number.isdigit():
            return (
                f"its format is {number.decode()}, and this Perdure reads up to {FORMAT};"
                " take a newer Perdure"
            )
    found = "a file of another kind"
    if not head:
        found = "an empty file"
    elif head[:1] == b"\x80" and head[1:2] in b"\x02\x03\x04\x05":
        found = "a bare pickle"
    else:
        for beginning, kind in _KINDS:
            if head.lstrip(b"\xef\xbb\xbf \r\n\t").startswith(beginning):
                found = kind
                break
        else:
            found = _text_kind(head, found)
    return f"it is not a snapshot but {found}; name a file that mkapp or rundaemon has written"


def _text_kind(head: bytes, otherwise: str) -> str:
    if b"\0" in head:
        return otherwise
    try:
        text = head.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start < len(head) - 3:
            return otherwise
        text = head[: error.start].decode("utf-8")
    beginnings = ("#!", "# ", '"""', "import ", "from ", "def ", "class ")
    if text.startswith(beginnings):
        return "Python source or another script (a configuration is run with rundaemon -y)"
    return "a text file"
