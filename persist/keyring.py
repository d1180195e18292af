"""The secrets that a person has given for sealed files, and the seals that they have opened."""

import os
import re
import stat
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import ClassVar, Final, NoReturn

import attrs

from .errors import PerdureError
from .sealing import Envelope, Kind, Seal, Secret, TamperedError, WrongSecretError

PASSPHRASE_VARIABLE: Final = "PERDURE_PASSPHRASE"
_LIMIT: Final = 4096
_KEY_BYTES: Final = 32
_WAYS: Final[dict[Kind, str]] = {
    "passphrase": f"--passphrase-file, {PASSPHRASE_VARIABLE}, or at a terminal",
    "key file": "--seal-key",
}
_ATTEMPTS: Final = 3


@attrs.define
class UnlockError(PerdureError):
    """What is sealed at `path` cannot be opened; nothing was changed."""

    path: Path
    reason: str
    exit_status: ClassVar[int] = os.EX_NOPERM

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


@attrs.define
class NoSecretError(UnlockError):
    """It is sealed, and nothing was given that could open it."""


@attrs.define
class SecretFileError(PerdureError):
    """A file in which a secret should be cannot be used."""

    path: Path
    reason: str
    exit_status: ClassVar[int] = os.EX_NOPERM

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


@attrs.define
class MissingSecretFileError(SecretFileError):
    """There is no such file."""

    exit_status: ClassVar[int] = os.EX_NOINPUT


@attrs.define
class BadSecretError(SecretFileError):
    """The file is there, and holds no secret."""

    exit_status: ClassVar[int] = os.EX_DATAERR


@attrs.define
class NoNewSecretError(PerdureError):
    """Something is to be sealed, and nothing was given to seal it with."""

    is_sealed: bool = False
    exit_status: ClassVar[int] = os.EX_USAGE

    def __str__(self) -> str:
        if self.is_sealed:
            return (
                "it is sealed already; to seal it with another secret, give that by --new-seal-key or"
                " --new-passphrase-file, or at a terminal"
            )
        return (
            f"to seal, a secret is needed: {_WAYS['key file']} FILE, or a passphrase by"
            f" {_WAYS['passphrase']}"
        )


@attrs.define(eq=False)
class Keyring:
    """The `secrets` that were given, and what each has opened: one scrypt for each envelope.

    `ask`, if there is a person to ask, gives a passphrase for the file of that name; it is asked when
    there is need of one. It is held in memory only.
    """

    secrets: Sequence[Secret] = attrs.field(factory=tuple[Secret, ...], repr=False)
    ask: Callable[[Path], bytes] | None = attrs.field(default=None, repr=False)
    _seals: dict[bytes, Seal] = attrs.field(init=False, factory=dict[bytes, Seal], repr=False)

    @classmethod
    def of_seal(cls, seal: Seal) -> "Keyring":
        """One that opens what `seal` seals."""
        keyring = cls()
        keyring.learn(seal)
        return keyring

    def learn(self, seal: Seal) -> None:
        """From now on, open what `seal` seals."""
        self._seals.setdefault(seal.envelope.name, seal)

    def known(self, name: bytes) -> Seal | None:
        """The seal whose data key has this name, if it was opened before."""
        return self._seals.get(name)

    def unlock(self, envelope: Envelope, path: Path) -> Seal:
        """The seal of the file at `path`, which has this envelope.

        Raises `UnlockError`, and `NoSecretError` where nothing of its kind was given.
        """
        seal = self._seals.get(envelope.name)
        if seal is None:
            seal = self._tried(envelope, path) or self._asked(envelope, path)
            self.learn(seal)
        # With its own envelope: that of the file was not looked into, and would be written on.
        return seal

    def _tried(self, envelope: Envelope, path: Path) -> Seal | None:
        """The seal, by what was given; None if a person may be asked instead."""
        fitting = [secret for secret in self.secrets if secret.kind == envelope.kind]
        for secret in fitting:
            if seal := _opened(envelope, secret, path):
                return seal
        if fitting:
            raise UnlockError(path, f"the {envelope.kind} is not the one it is sealed with")
        return None

    def _asked(self, envelope: Envelope, path: Path) -> Seal:
        if self.ask is None or envelope.kind != "passphrase":
            raise NoSecretError(
                path,
                f"it is sealed with a {envelope.kind}, and none was given; give it by"
                f" {_WAYS[envelope.kind]}",
            )
        for _ in range(_ATTEMPTS):
            secret = passphrase(self.ask(path))
            if seal := _opened(envelope, secret, path):
                self.secrets = (*self.secrets, secret)
                return seal
        raise UnlockError(path, "the passphrase is not the one it is sealed with")

    def __reduce__(self) -> NoReturn:
        raise TypeError("a keyring is never saved")


def _opened(envelope: Envelope, secret: Secret, path: Path) -> Seal | None:
    try:
        return Seal.of(envelope, secret)
    except WrongSecretError:
        return None
    except TamperedError as error:
        raise UnlockError(path, f"{error}; take a copy, or an earlier generation") from error
    except MemoryError as error:
        raise UnlockError(path, "its passphrase takes more memory than there is") from error


def passphrase(text: bytes) -> Secret:
    """The secret of a person who has typed `text`."""
    return Secret("passphrase", text)


def read_passphrase(path: Path) -> Secret:
    """The passphrase in the file at `path`, without its last line end. Raises `SecretFileError`."""
    text = _private(path, "passphrase")
    text = text.removesuffix(b"\n").removesuffix(b"\r")
    if not text:
        raise BadSecretError(path, "the passphrase in it is empty; write one there")
    if b"\n" in text:
        raise BadSecretError(path, "a passphrase is one line, and there are more; leave one")
    return passphrase(text)


def read_key(path: Path) -> Secret:
    """The key in the file at `path`: 32 bytes, or 64 hexadecimal digits. Raises `SecretFileError`."""
    text = _private(path, "key")
    if len(text) == _KEY_BYTES:
        return Secret("key file", text)
    if re.fullmatch(rb"[0-9a-fA-F]{64}", text.strip()):
        return Secret("key file", bytes.fromhex(text.decode("ascii").strip()))
    raise BadSecretError(
        path,
        f"a key has {_KEY_BYTES} bytes, or {2 * _KEY_BYTES} hexadecimal digits, and here are"
        f" {len(text) if len(text) < _LIMIT else 'far more'} bytes; make one with:"
        f" (umask 077; openssl rand -hex {_KEY_BYTES} > {path.name})",
    )


def _private(path: Path, what: str) -> bytes:
    """What is in a file that only this user, or root, may read."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError as error:
        raise MissingSecretFileError(
            path, f"there is no such {what} file; check the name"
        ) from error
    except OSError as error:
        raise SecretFileError(
            path, f"the {what} cannot be read: {os.strerror(error.errno or 0)}"
        ) from error
    try:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):
            raise SecretFileError(path, f"it is not a file; name the file of the {what}")
        if status.st_uid not in (0, os.geteuid()):
            raise SecretFileError(
                path,
                f"it belongs to user {status.st_uid}, not to {os.geteuid()} who runs this; use a"
                f" {what} of this user's own",
            )
        if status.st_mode & 0o077:
            raise SecretFileError(
                path,
                f"other users may read or change the {what} (mode {status.st_mode & 0o777:04o});"
                f" chmod 600 {path}, and if somebody may have read it, take another {what}",
            )
        return os.read(handle, _LIMIT)
    finally:
        os.close(handle)
