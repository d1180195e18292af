"""Whose snapshots are believed: keys and signatures, and the names that may be loaded.

The names in a snapshot are code to be run, so they are believed only with the snapshot's writer.
Each user has a key of their own. A snapshot signed with it is that user's own work, and loads
whatever it names. From any other only what `values` lists loads, harmless values and classes of
Perdure that hold data, and the modules that the operator names.
"""

import contextlib
import functools
import os
import stat
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Final, NoReturn

import attrs

from . import files
from .disk import DISK, Disk
from .errors import PerdureError
from .values import DATA_CLASSES, SAFE_VALUES

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

KEY_FILE = "signing-key.pem"
HOME_VARIABLE = "PERDURE_HOME"
# Signed with the digest, so that no signature made for another purpose passes for one of these.
_PURPOSE = b"perdure snapshot\n"
_KEY_LIMIT = 4096
_MOST_SHOWN: Final = 20
_LONGEST_SHOWN: Final = 200

METHODS: Final = "builtins:getattr"
"""The function that picklers write for a bound method, and that leads to everything else too."""


@attrs.define
class KeyFileError(PerdureError):
    """This user's signing key cannot be read, made, or believed."""

    path: Path
    reason: str
    remedy: str
    exit_status: ClassVar[int] = os.EX_NOPERM

    def __str__(self) -> str:
        return f"the signing key {self.path}: {self.reason}; {self.remedy}"


@attrs.define
class UntrustableError(PerdureError):
    """`module` is Python's own, and so no module to be trusted."""

    module: str
    exit_status: ClassVar[int] = os.EX_USAGE

    def __str__(self) -> str:
        return (
            f"--trust {self.module}: a module of Python itself is never trusted, since a snapshot"
            " could then run anything; name modules of the application only"
        )


@attrs.frozen
class Policy:
    """Which names a stream may load.

    `modules` are trusted, each with all that is below it; None trusts everything.
    """

    modules: tuple[str, ...] | None

    @classmethod
    def everything(cls) -> "Policy":
        """For what this user has signed."""
        return cls(None)

    @classmethod
    def only(cls, modules: Sequence[str] = ()) -> "Policy":
        """For what comes from elsewhere: what `values` lists, and these `modules`.

        Raises `UntrustableError` for a module of Python itself.
        """
        for module in modules:
            if is_pythons_own(module):
                raise UntrustableError(module)
        return cls(tuple(modules))

    def allows(self, module: str, name: str) -> bool:
        """Whether `name` of `module` may be looked up; what is found there is judged after that.

        So is what is done with `METHODS`: it gives methods of classes that are trusted, and nothing
        else.
        """
        if self.modules is None or self.trusts(module):
            return True
        full = f"{module}:{name}"
        return full in SAFE_VALUES or full in DATA_CLASSES or full == METHODS

    def trusts(self, module: str) -> bool:
        """Whether the operator named `module`, or one above it.

        What a package runs as a program (``visits.__main__``) does so as it is imported; that has to be named.
        """
        whole = (self.modules or ()) if module.rpartition(".")[2] != "__main__" else ()
        return module in (self.modules or ()) or any(
            module.startswith(f"{trusted}.") for trusted in whole
        )


def is_pythons_own(module: str) -> bool:
    """Whether `module` is of the standard library, where names lead to everything."""
    return module.partition(".")[0] in sys.stdlib_module_names


def way_out(names: Iterable[str]) -> str:
    """What to do about a snapshot that names `names`, as ``module:qualname``, and may not.

    Trust is offered in modules of applications only.
    """
    own = sorted(name.replace(":", ".") for name in names if is_pythons_own(_module_of(name)))
    if own:
        verb = "is" if len(own) == 1 else "are"
        return (
            f"{shortened(own)} {verb} of Python itself, which no stranger's snapshot loads: it may"
            " be made to harm, do not run it"
        )
    modules = sorted({_module_of(name) for name in names})
    trusted = shortened([f"--trust {module}" for module in modules], " ")
    return f"if you trust who wrote it: {trusted}"


def shortened(names: Sequence[str], separator: str = ", ") -> str:
    """`names` in one line, of which there may be any number, and of any length."""
    shown = [
        name if len(name) <= _LONGEST_SHOWN else f"{name[:_LONGEST_SHOWN]}..." for name in names
    ]
    more = f" and {len(names) - _MOST_SHOWN:,} more" if len(names) > _MOST_SHOWN else ""
    return f"{separator.join(shown[:_MOST_SHOWN])}{more}"


def _module_of(name: str) -> str:
    return name.partition(":")[0]


@attrs.frozen
class Signer:
    """This user's key, held in memory: it signs even after the right to read its file is gone."""

    _private: "Ed25519PrivateKey" = attrs.field(repr=False)

    @classmethod
    def of_user(cls, folder: Path | None = None) -> "Signer":
        """Read the key in `folder`, or make it there if there is none.

        Without `folder` it is ``$PERDURE_HOME``, else ``$XDG_CONFIG_HOME/perdure``, else
        ``~/.config/perdure``. Processes that make it at the same time end up with the same key.
        Raises `KeyFileError`; a key that other users can read or have made is refused.
        """
        path = (folder or _folder_of_user()) / KEY_FILE
        try:
            text = _read_key(path)
            if text is None:
                _make_key(path)
                text = _read_key(path)
        except OSError as error:
            raise KeyFileError(
                path,
                os.strerror(error.errno or 0),
                f"name a folder of this user's in ${HOME_VARIABLE}",
            ) from error
        return cls(_parse_key(path, text or b""))

    @classmethod
    def of_user_if_any(cls, folder: Path | None = None) -> "Signer | None":
        """As `of_user`, but None where there is no key: none is made. Raises as that does."""
        path = (folder or _folder_of_user()) / KEY_FILE
        return cls.of_user(folder) if path.exists() else None

    @functools.cached_property
    def public(self) -> bytes:
        """The 32 bytes by which others, and this user later, check the signatures."""
        return self._private.public_key().public_bytes_raw()

    def sign(self, digest: bytes) -> bytes:
        """The signature of `digest`, 64 bytes (Ed25519, RFC 8032)."""
        return self._private.sign(_PURPOSE + digest)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a signing key never leaves its file")


@attrs.frozen
class Owner:
    """Whose file is at `path`. Made before the file is read, and asked when it has been.

    A server that has gone over to another user keeps the key in memory. So what that other user
    wrote is theirs, whatever its signature.
    """

    path: Path
    user: int
    """-1 if there is no such file."""
    _version: tuple[int, int]
    _disk: Disk = attrs.field(repr=False)

    @classmethod
    def of(cls, path: Path, disk: Disk = DISK) -> "Owner":
        """The owner of what is at `path` now."""
        try:
            status = disk.status(path)
        except OSError:
            return cls(path, -1, (0, 0), disk)
        return cls(path, status.st_uid, (status.st_ino, status.st_ctime_ns), disk)

    def may_have_signed(self) -> bool:
        """Whether the file is this user's or root's, and has not been changed or replaced since."""
        return self.user in (0, os.geteuid()) and self == Owner.of(self.path, self._disk)


def verify(public: bytes, digest: bytes, signature: bytes) -> bool:
    """Whether `signature` of `digest` was made with the key that belongs to `public`."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, _PURPOSE + digest)
    except (InvalidSignature, ValueError):
        return False
    return True


def _folder_of_user() -> Path:
    if home := os.environ.get(HOME_VARIABLE):
        return Path(home)
    if config := os.environ.get("XDG_CONFIG_HOME"):
        return Path(config) / "perdure"
    try:
        return Path.home() / ".config" / "perdure"
    except RuntimeError as error:
        raise KeyFileError(
            Path(KEY_FILE), "this user has no home folder", f"name a folder in ${HOME_VARIABLE}"
        ) from error


def _read_key(path: Path) -> bytes | None:
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    try:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):
            raise KeyFileError(path, "it is not a file", "move it away; a new key will be made")
        if status.st_uid != os.geteuid():
            raise KeyFileError(
                path,
                f"it belongs to user {status.st_uid}, not to {os.geteuid()} who runs this",
                f"name a folder of this user's own in ${HOME_VARIABLE}",
            )
        if status.st_mode & 0o077:
            raise KeyFileError(
                path,
                f"other users may read or change it (mode {status.st_mode & 0o777:04o})",
                "delete it, and the next run makes a new one (what the old one signed then needs"
                f" --trust); or, if nobody has read it, chmod 600 {path}",
            )
        return os.read(handle, _KEY_LIMIT)
    finally:
        os.close(handle)


def _make_key(path: Path) -> None:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        NoEncryption,
        PrivateFormat,
    )

    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    text = Ed25519PrivateKey.generate().private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )
    draft = path.with_name(files.temporary_name(path.name))
    try:
        files.replace(draft, text)
        # Unlike a rename, a link never takes the place of a key that another process made first.
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)
        DISK.sync_folder(path.parent)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(draft)


def _parse_key(path: Path, text: bytes) -> "Ed25519PrivateKey":
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(text, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise KeyFileError(
            path, "it is damaged", "put it back from a copy, or delete it for a new one"
        ) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise KeyFileError(path, "it is not an Ed25519 key", "move it away for a new one")
    return key
