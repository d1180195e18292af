"""Who may log in: where names and password records come from."""

import hashlib
import os
import secrets
import unicodedata
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar, Final

import attrs

from ....persist.errors import PerdureError
from ....persist.secret import Secret
from ...naming import class_name
from ...registry import Registry
from .passwords import STANDARD, Cost, cost_of

ALGORITHMS: Final = {"SHA-256": "sha256", "MD5": "md5"}
"""What Digest may be asked for, and what it is called by `hashlib`."""

_LONGEST_NAME: Final = 255


@attrs.define
class UserError(PerdureError):
    """Something is asked for of a user that cannot be; nothing was changed."""

    exit_status: ClassVar[int] = os.EX_DATAERR
    name: str
    reason: str

    def __str__(self) -> str:
        return f"user {self.name!r}: {self.reason}"


@attrs.define
class UsersError(PerdureError):
    """The users cannot be known, so nobody is let in. `remedy` says what to do."""

    exit_status: ClassVar[int] = os.EX_NOPERM
    path: str
    reason: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}; {self.remedy}"


@attrs.frozen
class Account:
    """What is kept of one user. `stamp` is another after each change of the password.

    `record` is what a password is compared with (see `passwords`); None if there is nothing.
    `digests` are for Digest, by realm and algorithm: with one of them, anybody can be the user in
    that realm, as with a password.
    """

    record: Secret[str] | None
    stamp: str
    digests: Mapping[str, Secret[str]] = attrs.field(factory=dict[str, Secret[str]])

    def digest(self, realm: str, algorithm: str) -> Secret[str] | None:
        """The hash of name, `realm` and password in hexadecimal (RFC 7616, 3.4.2)."""
        return self.digests.get(f"{algorithm} {realm}")


def named(name: str) -> str:
    """`name` in the one form in which it counts. Raises `UserError`."""
    text = unicodedata.normalize("NFC", name)
    if not 0 < len(text) <= _LONGEST_NAME or not text.isprintable() or ":" in text:
        reason = f"a name has 1 to {_LONGEST_NAME} characters that can be printed, and no colon"
        raise UserError(name[:_LONGEST_NAME], reason)
    return text


class UserSource(ABC):
    """Where users come from; part of an application and saved with it."""

    has_records: ClassVar[bool] = True
    """Whether passwords can be compared with what it has: for Basic and a form."""

    @property
    @abstractmethod
    def identity(self) -> str:
        """The same for all that give the same users: who logged in by one is known by the others."""

    @abstractmethod
    def account(self, name: str, registry: Registry) -> Account | None:
        """What is kept of the user `name`; None if there is none. Quick: called at each request."""

    @abstractmethod
    def decoy(self, name: str, registry: Registry) -> str:
        """A record to try for `name`, who is no user, so that the time does not tell that."""

    def has_digests(self, _realm: str, _algorithm: str) -> bool:
        """Whether it may have what Digest needs, in this realm."""
        return False

    def offers(self, _realm: str, _algorithm: str) -> bool:
        """Whether it has that now, for anybody: if not, clients are not to choose this algorithm."""
        return True

    def check(self) -> None:  # noqa: B027 - most have nothing to check
        """As `Resource.check`."""

    def renewed(self, _name: str, _password: str, _registry: Registry) -> str | None:
        """A record of other cost for the password, which was right; None if the present one is good.

        Called in a thread: it changes nothing.
        """
        return None

    def renew(  # noqa: B027 - most have `renewed` give nothing
        self, name: str, record: str, registry: Registry
    ) -> None:
        """Keep `record`, from `renewed`, in place of the present one."""


@attrs.define(eq=False)
class Users:
    """A component: names, and records of their passwords by scrypt. Text forms have these sealed.

    With a `realm`, passwords that are set from then on can be used for Digest in it as well, by
    SHA-256. When `cost` is changed, records are made anew as their owners log in.

    To make a record takes a while (see `passwords.STANDARD`): `add` and `set_password` are for
    configuration files and scripts. A page that must not hold up the others has ``account =
    await asyncio.to_thread(users.account_of, name, password)``, then ``users.put(name, account)``.
    """

    realm: str | None = None
    cost: Cost = STANDARD
    _accounts: dict[str, Account] = attrs.field(factory=dict[str, Account], init=False)

    def add(self, name: str, password: str) -> None:
        """A new user. Raises `UserError` if there is one of this name, and `PasswordError`."""
        if named(name) in self._accounts:
            raise UserError(name, "is there already; set_password gives another password")
        self.put(name, self.account_of(name, password))

    def set_password(self, name: str, password: str) -> None:
        """Another password; who logged in with the former is logged out. Raises as `add`."""
        self._check_present(name)
        self.put(name, self.account_of(name, password))

    def remove(self, name: str) -> None:
        """Forget a user, who is logged out by it. Raises `UserError`."""
        self._check_present(name)
        del self._accounts[named(name)]

    @property
    def names(self) -> list[str]:
        """All of them, in the order in which they came."""
        return list(self._accounts)

    def __contains__(self, name: str) -> bool:
        return unicodedata.normalize("NFC", name) in self._accounts

    def account_of(self, name: str, password: str) -> Account:
        """What would be kept of a user; slow on purpose. Raises `PasswordError`, `UserError`."""
        record = Secret(self.cost.record(password))
        digests: dict[str, Secret[str]] = {}
        if self.realm is not None:
            text = digest_text(named(name), self.realm, password)
            digests[f"SHA-256 {self.realm}"] = Secret(hashlib.sha256(text).hexdigest())
        return Account(record, secrets.token_hex(8), digests)

    def put(self, name: str, account: Account) -> None:
        """Keep `account` for `name`, in place of what is there. Raises `UserError`."""
        self._accounts[named(name)] = account

    def get(self, name: str) -> Account | None:
        """What is kept of `name`; None if there is no such user."""
        return self._accounts.get(unicodedata.normalize("NFC", name))

    def _check_present(self, name: str) -> None:
        if name not in self:
            raise UserError(name, "there is none of this name")


def digest_text(name: str, realm: str, password: str) -> bytes:
    """What Digest hashes of a user."""
    return f"{name}:{realm}:{unicodedata.normalize('NFC', password)}".encode()


_NOBODY: Final = Users()
_KEY: Final = class_name(Users)


@attrs.frozen
class RegisteredUsers(UserSource):
    """The users of a component `Users`: the one of the registry that has this name, or none."""

    name: str | None = None

    @property
    def identity(self) -> str:
        return "users" if self.name is None else f"users:{self.name}"

    def account(self, name: str, registry: Registry) -> Account | None:
        return self._users(registry).get(name)

    def decoy(self, name: str, registry: Registry) -> str:
        return self._users(registry).cost.decoy()

    def has_digests(self, _realm: str, algorithm: str) -> bool:
        return algorithm == "SHA-256"

    def renewed(self, name: str, password: str, registry: Registry) -> str | None:
        users = self._users(registry)
        account = users.get(name)
        if account is None or account.record is None:
            return None
        if cost_of(account.record.reveal()) == users.cost:
            return None
        return users.cost.record(password)

    def renew(self, name: str, record: str, registry: Registry) -> None:
        users = registry.get_component(Users, name=self.name)
        account = None if users is None else users.get(name)
        if users is not None and account is not None:
            users.put(name, attrs.evolve(account, record=Secret(record)))

    def _users(self, registry: Registry) -> Users:
        # Without touching it: to look at all users for changes at each request would cost more than
        # the request. The reply waits for changes all the same, as any that may tell of components.
        found = registry.components.get(_KEY if self.name is None else f"{_KEY}:{self.name}")
        return found if type(found) is Users else _NOBODY
