"""Becoming the user that an application shall run as, for good."""

import grp
import importlib
import os
import pickle
import pkgutil
import pwd
from collections.abc import Callable
from contextlib import suppress
from typing import ClassVar

import attrs

from ..persist.errors import PerdureError
from ..persist.formats import table
from .application import ProcessSettings

# Imported inside functions, so perhaps only when they can no longer be read.
_IMPORTED_LATE = (
    "cattrs",
    "concurrent.futures.thread",
    "cryptography.exceptions",
    "cryptography.hazmat.primitives.asymmetric.ed25519",
    "cryptography.hazmat.primitives.serialization",
    "encodings.idna",
    "jinja2",
    "werkzeug.datastructures",
    "werkzeug.exceptions",
    "werkzeug.formparser",
    "werkzeug.http",
    "zstandard",
)
# What a server does without, if it must.
_OPTIONAL = ("uvloop",)

# One more would be the -1 that means "leave it as it is" to the system.
_HIGHEST = 2**32 - 2


@attrs.define(str=False)
class PrivilegeError(PerdureError):
    """The process cannot become the user it should, or could become root again.

    It may be half changed: it must end and not go on.
    """

    exit_status: ClassVar[int] = os.EX_NOPERM
    reason: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.reason}; {self.remedy}"


@attrs.define(str=False)
class UnknownUserError(PrivilegeError):
    """This machine has no such user or group. Nothing was changed."""

    exit_status: ClassVar[int] = os.EX_NOUSER


@attrs.frozen
class Identity:
    """What a process runs as, in numbers. None: what it is already."""

    uid: int | None = None
    gid: int | None = None
    groups: tuple[int, ...] = ()

    @property
    def current(self) -> bool:
        """Whether this process is that already, and can be nothing else."""
        user = self.uid is None or os.getresuid() == (self.uid,) * 3
        if self.gid is None:
            return user
        groups = set(os.getgroups()) <= {self.gid, *self.groups}
        return user and groups and os.getresgid() == (self.gid,) * 3


def resolve(process: ProcessSettings) -> Identity:
    """Look up the user and group on this machine; before a chroot, which hides their names.

    Without a group it is the user's own, and with a user, the groups the user is in come along.
    Raises `UnknownUserError`.
    """
    if process.uid is None:
        gid = None if process.gid is None else _group(process.gid)
        return Identity(None, gid, () if gid is None else (gid,))
    user = _user(process.uid)
    if isinstance(user, int):
        if process.gid is None:
            raise UnknownUserError(
                f"user {user} has no entry in the password file, so no group",
                "say which with --gid",
            )
        gid = _group(process.gid)
        return Identity(user, gid, (gid,))
    gid = user.pw_gid if process.gid is None else _group(process.gid)
    return Identity(user.pw_uid, gid, tuple(sorted(os.getgrouplist(user.pw_name, gid))))


def drop(identity: Identity) -> None:
    """Become `identity` for good, and prove that there is no way back.

    Real, effective and saved ids and all groups are set, read back, and becoming root again is
    tried and must fail. Raises `PrivilegeError`; the process must then end.
    """
    if identity.current:
        return
    if os.geteuid() != 0:
        raise PrivilegeError(
            f"this process is user {os.geteuid()} and may not become {_words(identity)}",
            "start it as root, or leave out --uid and --gid",
        )
    load_late_imports()
    try:
        if identity.gid is not None:
            os.setgroups(identity.groups)
            os.setresgid(identity.gid, identity.gid, identity.gid)
        if identity.uid is not None:
            os.setresuid(identity.uid, identity.uid, identity.uid)
    except OSError as error:
        raise PrivilegeError(
            f"becoming {_words(identity)} failed ({error.strerror})",
            "see whether this system or container allows it",
        ) from error
    if not identity.current or (identity.uid and _can_be_root()):
        raise PrivilegeError(
            f"became {_words(identity)}, but could be more than that",
            "start it without extra capabilities or secure bits",
        )


def check_as(identity: Identity, check: Callable[[], object]) -> None:
    """Call `check` as `identity`, in a process of its own, and raise here what it raises there.

    This process stays what it is. For the time before there are threads or an event loop.
    """
    if identity.current:
        check()
        return
    load_late_imports()  # here: the child would, and leave nothing of it behind
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        _report(writing, identity, check)
    os.close(writing)
    with os.fdopen(reading, "rb") as answer:
        raised = answer.read()
    _, status = os.waitpid(child, 0)
    if raised:
        raise pickle.loads(raised)
    if status:
        raise PrivilegeError(
            f"what was tried as {_words(identity)} ended with status {status}", "try it by hand"
        )


def load_late_imports() -> None:
    """Import what functions of Perdure import when they need it, while it can be read.

    After a chroot, or as a user who may not read where Python is installed, it is too late.
    """
    names = list(_IMPORTED_LATE)
    for package in ("perdure.app", "perdure.app.web", "perdure.persist"):
        path = importlib.import_module(package).__path__
        names += [f"{package}.{module.name}" for module in pkgutil.iter_modules(path)]
    for name in names:
        importlib.import_module(name)
    for name in _OPTIONAL:
        with suppress(ImportError):
            importlib.import_module(name)
    for _ in table.formats():
        pass  # Each is imported when it is asked for.
    # The name service switch loads its libraries at the first look-up.
    with suppress(KeyError):
        pwd.getpwuid(os.getuid())


def _report(writing: int, identity: Identity, check: Callable[[], object]) -> None:
    """In the child: what `check` raises, pickled; never returns."""
    status = 1
    try:
        drop(identity)
        check()
        status = 0
    except Exception as error:  # noqa: BLE001 - it is raised in the parent
        try:
            answer = pickle.dumps(error)
            pickle.loads(answer)
        except Exception:  # noqa: BLE001 - then its text must do
            answer = pickle.dumps(PrivilegeError(str(error), f"as {_words(identity)}"))
        with os.fdopen(writing, "wb") as stream:
            stream.write(answer)
    finally:
        os._exit(status)


def _can_be_root() -> bool:
    for attempt in (os.setuid, os.seteuid):
        try:
            attempt(0)
        except OSError:
            continue
        return True
    return False


def _number(given: int | str) -> int | None:
    if isinstance(given, str) and not (given.isascii() and given.isdigit()):
        return None
    return int(given)


def _user(given: int | str) -> pwd.struct_passwd | int:
    """The user's entry, or the number when the machine has none for it."""
    number = _number(given)
    try:
        return pwd.getpwnam(str(given)) if number is None else pwd.getpwuid(number)
    except KeyError:
        if number is not None and number <= _HIGHEST:
            return number
        raise UnknownUserError(f"there is no user {given!r} here", "see `getent passwd`") from None


def _group(given: int | str) -> int:
    number = _number(given)
    if number is not None and number <= _HIGHEST:
        return number
    try:
        return grp.getgrnam(str(given)).gr_gid
    except KeyError:
        raise UnknownUserError(f"there is no group {given!r} here", "see `getent group`") from None


def _words(identity: Identity) -> str:
    uid, gid = identity.uid, identity.gid
    said = [
        *([f"user {uid}"] if uid is not None else []),
        *([f"group {gid}"] if gid is not None else []),
    ]
    return " and ".join(said) or "itself"
