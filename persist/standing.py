"""How far a snapshot is believed: as this user's own, as that of a trusted key, or as anybody's.

Own work loads whatever it names. All else loads under the same list of names, whoever has signed it: a
signature of a trusted key says whose work it is, and that nobody has changed it since, and not that
its code may run here.
"""

import enum
import os
import re
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Final

import attrs

from . import mandate
from .content import Snapshot
from .errors import PerdureError
from .trust import Signer

_LONGEST: Final = 4096
_HEX: Final = re.compile(rb"\s*([0-9A-Fa-f]{64})\s*")
_HOW: Final = "its owner says it with: appconvert --key > FILE"


@attrs.define
class TrustKeyError(PerdureError):
    """The file at `path` gives no public key that could be trusted."""

    path: Path
    reason: str
    remedy: str
    exit_status: ClassVar[int] = os.EX_NOPERM

    def __str__(self) -> str:
        return f"--trust-key {self.path}: {self.reason}; {self.remedy}"


@attrs.define
class MissingTrustKeyError(TrustKeyError):
    """There is no such file."""

    exit_status: ClassVar[int] = os.EX_NOINPUT


@attrs.define
class BadTrustKeyError(TrustKeyError):
    """The file is there, and holds no public key."""

    exit_status: ClassVar[int] = os.EX_DATAERR


@attrs.frozen
class TrustedKey:
    """A public key that the operator trusts, and the `name` of the file it came from."""

    name: str
    public: bytes

    @classmethod
    def of_file(cls, path: Path) -> "TrustedKey":
        """The key in the file at `path`: in PEM, or one line of 64 hexadecimal digits.

        Raises `TrustKeyError`, also for a file that others than root and this user can change.
        """
        try:
            text = _read(path)
        except FileNotFoundError as error:
            raise MissingTrustKeyError(path, "there is no such file", _HOW) from error
        except OSError as error:
            raise TrustKeyError(path, os.strerror(error.errno or 0), _HOW) from error
        found = _HEX.fullmatch(text)
        return cls(path.name, bytes.fromhex(found[1].decode()) if found else _of_pem(path, text))


class Level(enum.Enum):
    """The levels of trust. Under all but the first a list says which names may be loaded."""

    OWN = "signed by you"
    TRUSTED = "signed by a trusted key"
    UNSIGNED = "unsigned"


@attrs.frozen
class Standing:
    """At which `level` a snapshot is, as a person is told (`said`), and why it is not own work."""

    level: Level
    said: str
    cause: str = ""

    @classmethod
    def of(cls, found: Snapshot, signer: Signer, keys: Sequence[TrustedKey] = ()) -> "Standing":
        """The standing of the snapshot `found` with the user of `signer`, who trusts `keys`."""
        if found.is_signed_by(signer):
            return cls(Level.OWN, Level.OWN.value)
        public = found.signer_key
        for key in keys:
            if key.public == public:
                return cls(
                    Level.TRUSTED,
                    f"{Level.TRUSTED.value}, {key.name}",
                    f"the snapshot is {Level.TRUSTED.value}, {key.name}, and not by this user",
                )
        if public is not None:
            whose = f"signed by somebody else, whose key {public.hex()} is not trusted"
            return cls(Level.UNSIGNED, whose, f"the snapshot is {whose}")
        cause = mandate.distrust(found.voided_by)
        return cls(Level.UNSIGNED, "not signed" if found.voided_by is None else cause, cause)


def _read(path: Path) -> bytes:
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):
            raise TrustKeyError(path, "it is not a file", _HOW)
        if status.st_uid not in (0, os.geteuid()):
            raise TrustKeyError(
                path,
                f"it belongs to user {status.st_uid}, who could put another key there",
                "copy it, and compare the copy with its owner's",
            )
        if status.st_mode & 0o022:
            raise TrustKeyError(
                path,
                f"other users may change it (mode {status.st_mode & 0o777:04o})",
                f"compare it with its owner's, and chmod 644 {path}",
            )
        return os.read(handle, _LONGEST)
    finally:
        os.close(handle)


def _of_pem(path: Path, text: bytes) -> bytes:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    if b"PRIVATE KEY" in text:
        raise BadTrustKeyError(path, "it holds a private key, which only its owner may have", _HOW)
    try:
        key = load_pem_public_key(text)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise BadTrustKeyError(
            path, "it holds no public key, in PEM or as a line of 64 hexadecimal digits", _HOW
        ) from error
    if not isinstance(key, Ed25519PublicKey):
        raise BadTrustKeyError(path, "it is not an Ed25519 key", _HOW)
    return key.public_bytes_raw()
