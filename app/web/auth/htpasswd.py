"""Users from the files of Apache's tools: ``htpasswd -B`` and ``htdigest``."""

import hashlib
import hmac
import logging
import os
import secrets
import shlex
import stat
from abc import abstractmethod
from collections.abc import Iterator
from typing import ClassVar, Final

import attrs

from ....persist.persistent import persistent
from ....persist.secret import Secret
from ...registry import Registry
from .passwords import STANDARD, PasswordError, check_record
from .users import Account, UserError, UsersError, UserSource, named

_LARGEST: Final = 64 * 1024 * 1024
_HEXADECIMAL: Final = frozenset("0123456789abcdef")
_ALGORITHMS: Final = {64: "SHA-256", 32: "MD5"}

_report = logging.getLogger("perdure.web")


class _BadLineError(Exception):
    """What is wrong with a line, and what to do; never what is in it."""


@attrs.frozen
class _Content:
    mark: tuple[int, int, int, int]
    accounts: dict[str, Account]
    digests: frozenset[str]
    """The realms and algorithms of all."""


@persistent(transient=("_content", "_salt"))
class UserFile(UserSource):
    """A file of users, one a line; read again when it has changed. Others may not write to it.

    A line that cannot be used is told in the log with its number, once for each change of the file,
    and keeps nobody else out. While the file cannot be read, nobody is let in.
    """

    _content: _Content | None = None
    _salt: bytes | None = None

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = os.path.abspath(path)

    @property
    def identity(self) -> str:
        return f"{type(self).__name__}:{self.path}"

    def check(self) -> None:
        """Raises `UsersError` if the file cannot be read, or others may write to it."""
        self._read()

    def account(self, name: str, registry: Registry) -> Account | None:
        return self._read().accounts.get(name)

    def decoy(self, name: str, registry: Registry) -> str:
        # That of somebody else, always the same for one name: it costs what those here cost.
        records = [each.record.reveal() for each in self._read().accounts.values() if each.record]
        if not records:
            return STANDARD.decoy()
        if self._salt is None:
            self._salt = secrets.token_bytes(16)
        digest = hmac.digest(self._salt, name.encode("utf-8", "surrogatepass"), "sha256")
        return records[int.from_bytes(digest[:8]) % len(records)]

    @abstractmethod
    def _accounts(self, line: str) -> tuple[str, str, Secret[str]]:
        """The user, what is kept of it by which key, and that. Raises `_BadLineError`."""

    @abstractmethod
    def _added(self, account: Account | None, key: str, kept: Secret[str]) -> Account:
        """`account` with one thing more that is kept of it. Raises `_BadLineError`."""

    def _read(self) -> _Content:
        try:
            status = os.stat(self.path)
            mark = (status.st_mtime_ns, status.st_size, status.st_ino, status.st_ctime_ns)
            if self._content is None or self._content.mark != mark:
                accounts = self._parsed()
                digests = frozenset(key for each in accounts.values() for key in each.digests)
                self._content = _Content(mark, accounts, digests)
        except OSError as error:
            self._content = None
            reason = error.strerror or str(error)
            raise UsersError(self.path, reason, "make it one that the server may read") from None
        return self._content

    def _parsed(self) -> dict[str, Account]:
        accounts: dict[str, Account] = {}
        for number, line in enumerate(_lines(self.path), 1):
            try:
                text = line.decode().strip()
                if text and not text.startswith("#"):
                    name, key, kept = self._accounts(text)
                    accounts[name] = self._added(accounts.get(name), key, kept)
            except UnicodeDecodeError:
                _report.warning("%s:%d: this line is not UTF-8", self.path, number)
            except (_BadLineError, UserError) as error:
                _report.warning("%s:%d: %s", self.path, number, error)
        return accounts


def _lines(path: str) -> Iterator[bytes]:
    # Whoever has put a pipe there is not to hold up the server.
    with open(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK), "rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise UsersError(path, "it is no regular file", "name a file of users")
        if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            mode = stat.S_IMODE(status.st_mode)
            reason = f"others may write to it (mode {mode:04o})"
            raise UsersError(path, reason, f"chmod go-w {shlex.quote(path)}")
        if status.st_size > _LARGEST:
            reason = f"it has more than {_LARGEST} bytes"
            raise UsersError(path, reason, "keep so many users in a component")
        return iter(file.read().split(b"\n"))


@persistent(transient=())
class HtpasswdFile(UserFile):
    """The file that ``htpasswd -B FILE NAME`` writes: ``NAME:$2y$...``.

    Besides bcrypt, records as `passwords` makes them are known. Apache's other kinds are not: whoever
    gets hold of the file would have most of the passwords of these in a day.
    """

    def _accounts(self, line: str) -> tuple[str, str, Secret[str]]:
        name, colon, record = line.partition(":")
        if not colon or not name:
            raise _BadLineError("a line is NAME:RECORD, as htpasswd -B writes it")
        try:
            check_record(record)
        except PasswordError as error:
            again = f"htpasswd -B {shlex.quote(self.path)} {shlex.quote(name)}"
            raise _BadLineError(
                f"what is kept of {name!r} is not used ({error}); do it anew: {again}"
            ) from None
        return named(name), "", Secret(record)

    def _added(self, account: Account | None, key: str, kept: Secret[str]) -> Account:
        if account is not None:
            raise _BadLineError("this name is there already; the first counts")
        return Account(kept, _stamp(kept))


@persistent(transient=())
class HtdigestFile(UserFile):
    """The file that ``htdigest FILE REALM NAME`` writes: ``NAME:REALM:HASH``, for Digest.

    That tool knows MD5 alone. A line with SHA-256, of ``NAME:REALM:PASSWORD`` in hexadecimal, may be there
    as well. Whoever can read the file can be any of its users without a password.
    """

    has_records: ClassVar[bool] = False

    def has_digests(self, _realm: str, _algorithm: str) -> bool:
        return True

    def offers(self, realm: str, algorithm: str) -> bool:
        try:
            return f"{algorithm} {realm}" in self._read().digests
        except UsersError:
            return True  # which is told to whoever asks for an account

    def realms(self) -> frozenset[str]:
        """Those that anybody in it is of. Raises `UsersError`."""
        return frozenset(each.partition(" ")[2] for each in self._read().digests)

    def _accounts(self, line: str) -> tuple[str, str, Secret[str]]:
        name, _, rest = line.partition(":")
        realm, _, digest = rest.rpartition(":")
        algorithm = _ALGORITHMS.get(len(digest))
        if not name or not realm or algorithm is None or not _HEXADECIMAL.issuperset(digest):
            raise _BadLineError("a line is NAME:REALM:HASH, as htdigest writes it")
        return named(name), f"{algorithm} {realm}", Secret(digest)

    def _added(self, account: Account | None, key: str, kept: Secret[str]) -> Account:
        if account is None:
            return Account(None, _stamp(kept), {key: kept})
        if key in account.digests:
            raise _BadLineError("this name is there already in this realm; the first counts")
        return attrs.evolve(account, digests={**account.digests, key: kept})


def _stamp(kept: Secret[str]) -> str:
    return hashlib.sha256(kept.reveal().encode()).hexdigest()[:16]
