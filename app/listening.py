"""Opening the sockets on which a server listens."""

import errno
import os
import socket
import stat
from contextlib import suppress
from typing import ClassVar

import attrs

from ..persist.errors import PerdureError

BACKLOG = 512
"""Connections that may wait to be accepted, unless an endpoint says otherwise."""

MODE = 0o660
"""Permissions of a UNIX socket's file, unless an endpoint says otherwise."""


@attrs.define(str=False)
class BindError(PerdureError):
    """An endpoint cannot be listened on. Nothing of it is open."""

    exit_status: ClassVar[int] = os.EX_UNAVAILABLE
    endpoint: str
    reason: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.endpoint}: {self.reason}; {self.remedy}"


@attrs.define(str=False)
class BindPermissionError(BindError):
    """This process may not listen there."""

    exit_status: ClassVar[int] = os.EX_NOPERM


class UNIXListener(socket.socket):
    """A listening socket that takes its file along when it is closed.

    The file is removed only by the process that made it, and only if it is still the one that was
    made. A server of uvloop detaches the socket instead of closing it: close it after that.
    """

    _file: tuple[str, int, int, int] | None = None

    def own(self, path: str) -> None:
        """Remove the file at `path`, as it is now, when this socket is closed."""
        found = os.lstat(path)
        self._file = (path, found.st_dev, found.st_ino, os.getpid())

    def close(self) -> None:
        """Close, and remove the file. Again is no mistake."""
        owned, self._file = self._file, None
        if owned is not None:
            path, device, inode, process = owned
            # After a chroot or without privileges it may be out of reach: it is then left behind,
            # and replaced by the next one who listens there.
            with suppress(OSError):
                found = os.lstat(path)
                if (found.st_dev, found.st_ino, os.getpid()) == (device, inode, process):
                    os.unlink(path)
        super().close()


def open_tcp(
    endpoint: str, interface: str, port: int, backlog: int | None = None
) -> list[socket.socket]:
    """Listen on `port` of every address that `interface` names, "" being all; all or none.

    Port 0 is the same free port on all of them. `endpoint` is for messages. Raises `BindError`.
    """
    try:
        addresses = _addresses(interface, port)
    except (OSError, UnicodeError) as error:
        reason = f"the interface {interface!r} is not known ({_said(error)})"
        remedy = "give an address of this machine, or none for all"
        raise BindError(endpoint, reason, remedy) from error
    for attempts_left in reversed(range(10)):
        try:
            return _open_all(addresses, port, BACKLOG if backlog is None else backlog)
        except OSError as error:
            # Port 0: what was free on one address may not be on another.
            if port or error.errno != errno.EADDRINUSE or not attempts_left:
                raise _explained(endpoint, port, error) from error
    raise AssertionError  # pragma: no cover


def open_unix(
    endpoint: str, address: str, mode: int | None = None, backlog: int | None = None
) -> list[socket.socket]:
    """Listen at the path `address`, whose file gets the permissions `mode`.

    A socket's file there where nobody answers is removed first. `endpoint` is for messages.
    Raises `BindError`.
    """
    path = os.path.abspath(address)
    listener = UNIXListener(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        _clear(endpoint, path)
        # Nobody may connect before the permissions are the final ones.
        umask = os.umask(0o777)
        try:
            listener.bind(path)
        finally:
            os.umask(umask)
        listener.own(path)
        os.chmod(path, MODE if mode is None else mode)
        listener.listen(BACKLOG if backlog is None else backlog)
        listener.setblocking(False)
    except BaseException as error:
        listener.close()
        if isinstance(error, OSError):
            raise _explained(endpoint, None, error) from error
        raise
    return [listener]


def describe(bound: socket.socket) -> str:
    """Where a listening socket listens: ``127.0.0.1:8080``, ``[::1]:8080`` or a path."""
    name = bound.getsockname()
    if bound.family == socket.AF_INET6:
        return f"[{name[0]}]:{name[1]}"
    return f"{name[0]}:{name[1]}" if isinstance(name, tuple) else os.fsdecode(name)


def _addresses(interface: str, port: int) -> list[tuple[socket.AddressFamily, tuple[object, ...]]]:
    if not interface:
        every: list[tuple[socket.AddressFamily, tuple[object, ...]]]
        every = [(socket.AF_INET, ("0.0.0.0", port)), (socket.AF_INET6, ("::", port))]
        return every if socket.has_ipv6 else every[:1]
    found = socket.getaddrinfo(interface, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    return list(dict.fromkeys((family, address) for family, _, _, _, address in found))


def _open_all(
    addresses: list[tuple[socket.AddressFamily, tuple[object, ...]]], port: int, backlog: int
) -> list[socket.socket]:
    opened: list[socket.socket] = []
    absent: OSError | None = None
    try:
        for family, (host, _, *rest) in addresses:
            try:
                opened.append(_open(family, (host, port, *rest), backlog))
            except OSError as error:
                # A name may have an IPv6 address on a machine that has IPv6 switched off.
                if error.errno not in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
                    raise
                absent = error
            else:
                port = opened[-1].getsockname()[1]
        if absent is not None and not opened:
            raise absent
    except BaseException:
        for each in opened:
            each.close()
        raise
    return opened


def _open(family: socket.AddressFamily, address: tuple[object, ...], backlog: int) -> socket.socket:
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            # IPv4 has a socket of its own, so what the system's default is does not matter.
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind(address)
        listener.listen(backlog)
        listener.setblocking(False)
    except BaseException:
        listener.close()
        raise
    return listener


def _clear(endpoint: str, path: str) -> None:
    """Remove a socket's file that a process left behind when it died."""
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(found.st_mode):
        reason = f"{path} is there already and is not a socket"
        raise BindError(endpoint, reason, "it is left alone; choose another path or move it away")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1)
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            pass
        except OSError as error:
            if error.errno != errno.EAGAIN and not isinstance(error, TimeoutError):
                raise
            raise _in_use(endpoint) from error  # its backlog is full
        else:
            raise _in_use(endpoint)
    now = os.lstat(path)
    if (now.st_dev, now.st_ino) == (found.st_dev, found.st_ino):
        os.unlink(path)


def _in_use(endpoint: str) -> BindError:
    return BindError(
        endpoint, "another process listens there", "stop that one or choose another endpoint"
    )


def _explained(endpoint: str, port: int | None, error: OSError) -> BindError:
    if error.errno == errno.EADDRINUSE:
        return _in_use(endpoint)
    if error.errno in (errno.EACCES, errno.EPERM):
        if port is not None:
            remedy = "start as root, with --uid to become another user, or choose a port from 1024"
        else:
            remedy = "choose a folder where this user may write"
        return BindPermissionError(endpoint, f"no permission ({_said(error)})", remedy)
    if error.errno in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
        reason = "this machine does not have that address"
        return BindError(endpoint, reason, "`ip address` lists those it has")
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        return BindError(endpoint, "there is no such folder", "make it first")
    if port is None and error.errno is None:
        return BindError(endpoint, _said(error), "choose a path of at most 107 bytes")
    return BindError(endpoint, _said(error), "choose another endpoint")


def _said(error: Exception) -> str:
    return error.strerror or str(error) if isinstance(error, OSError) else str(error)
