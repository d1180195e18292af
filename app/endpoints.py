"""Endpoints: short texts that say where to listen or connect.

The text is a type and its arguments, all separated by ``:``. An argument is a value, standing in
its place, or ``name=value``. A backslash takes the meaning from a following ``:``, ``=`` or ``\\``.

============================ ====================================================================
``tcp:PORT``                 ``interface`` (default: all addresses, of IPv4 and IPv6), ``backlog``
``tls:PORT``                 ``cert`` (``server.pem``), ``key`` (as cert), ``interface``,
                             ``backlog``, ``certs`` (a folder of certificates)
``unix:ADDRESS``             ``mode`` (of the socket's file, octal; 660), ``backlog``
============================ ====================================================================

So: ``tcp:8080:interface=127.0.0.1``, ``tcp:8080:interface=\\:\\:1``, ``tls:443:cert=web.pem``,
``tls:443:certs=/etc/letsencrypt/live``, ``unix:/run/web.sock:mode=666``. When connecting, `interface` is the host, by default this one.
"""

import asyncio
import os
import socket
import ssl
import unicodedata
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, TypeVar

import attrs

from ..persist.errors import PerdureError
from . import certificates, connecting, listening
from .certificates import Pair
from .connecting import Attempt
from .renewal import Certificates

P = TypeVar("P", bound=asyncio.BaseProtocol)


@attrs.define(str=False)
class EndpointError(PerdureError):
    """An endpoint is not written or made as it should be.

    `position` counts the characters of `text` from 1; None when it was not read from a text.
    """

    exit_status: ClassVar[int] = os.EX_USAGE
    text: str
    position: int | None
    reason: str

    def __str__(self) -> str:
        where = "" if self.position is None else f", at character {self.position}"
        return f"endpoint {self.text!r}{where}: {self.reason}"


@attrs.frozen
class _Whole:
    """A whole number; its text in base 8 or 10."""

    expected: str
    low: int
    high: int
    base: int = 10

    def read(self, text: str) -> int | None:
        digits = text.removeprefix("0o") if self.base == 8 else text
        fits = digits.isascii() and digits.isdigit() and len(digits) < 20
        try:
            return int(digits, self.base) if fits else None
        except ValueError:
            return None

    def write(self, value: int) -> str:
        return f"{value:o}" if self.base == 8 else str(value)

    def fits(self, value: object) -> bool:
        if isinstance(value, bool) or not isinstance(value, int):
            return False
        return self.low <= value <= self.high


@attrs.frozen
class _Text:
    """A text of one line, without control characters."""

    expected: str
    empty: bool = False

    def read(self, text: str) -> str:
        return text

    def write(self, value: str) -> str:
        return value

    def fits(self, value: object) -> bool:
        if not isinstance(value, str):
            return False
        one_line = all(unicodedata.category(each) not in ("Cc", "Zl", "Zp") for each in value)
        return one_line and bool(value or self.empty)


_Grammar = _Whole | _Text

_PORT = _Whole("a port number from 0 to 65535", 0, 65535)
_BACKLOG = _Whole("a number of waiting connections from 1 to 65535", 1, 65535)
_MODE = _Whole("octal permissions from 0 to 777", 0, 0o777, base=8)
_INTERFACE = _Text("an address or host name of this machine", empty=True)
_PATH = _Text("the path of a file")
_FOLDER = _Text("the path of a folder")
_CERT = "server.pem"


def _check(_endpoint: object, field: "attrs.Attribute[Any]", value: object) -> None:
    grammar: _Grammar = field.metadata["grammar"]
    if not grammar.fits(value) and not (value is None and field.default is None):
        raise EndpointError(f"{field.name}={value!r}", None, f"{grammar.expected} was expected")


def _argument(grammar: _Grammar, default: Any = attrs.NOTHING) -> Any:
    return attrs.field(default=default, validator=_check, metadata={"grammar": grammar})


@attrs.frozen
class Endpoint:
    """Where to listen or connect. ``str()`` of it is the text, in its shortest form.

    Arguments that are None have the default of the version that runs, not of the one that wrote the
    snapshot.
    """

    kind: ClassVar[str]

    def __str__(self) -> str:
        parts = [self.kind]
        for field in attrs.fields(type(self)):
            value = getattr(self, field.name)
            text = _escaped(field.metadata["grammar"].write(value)) if value is not None else ""
            if field.default is attrs.NOTHING:
                parts.append(text)
            elif value != field.default:
                parts.append(f"{field.name}={text}")
        return ":".join(parts)

    def bind(self) -> list[socket.socket]:
        """Open the listening sockets, all or none: non-blocking, not inherited by programs started.

        Give each back with `release`. Raises `BindError`.
        """
        raise NotImplementedError

    def release(self, bound: socket.socket) -> None:
        """Close one of the sockets that `bind` gave, also one that a server has closed already.

        That of a UNIX endpoint removes its file, if that is still its own.
        """
        bound.close()

    def certificates(self, protocols: Sequence[str] = ()) -> Certificates | None:
        """What to serve TLS with here, offering `protocols`; None where connections are plain."""
        return None

    def ssl_context(self) -> ssl.SSLContext | None:
        """The context for serving TLS here; None where plain connections are served."""
        certificates = self.certificates()
        return None if certificates is None else certificates.context

    async def connect(
        self,
        factory: Callable[[], P],
        *,
        timeout: float = 10.0,
        context: ssl.SSLContext | None = None,
    ) -> tuple[asyncio.Transport, P]:
        """Connect within `timeout` seconds; `factory` makes the protocol.

        `context` is for TLS, by default one that trusts the system's authorities and checks the
        host's name. Raises `ConnectError`.
        """
        return await connecting.connected(str(self), self._attempt(factory, context), timeout)

    async def open_stream(
        self, *, timeout: float = 10.0, context: ssl.SSLContext | None = None
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """As `connect`, for a pair of streams."""
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(loop=loop)
        transport, protocol = await self.connect(
            lambda: asyncio.StreamReaderProtocol(reader, loop=loop),
            timeout=timeout,
            context=context,
        )
        return reader, asyncio.StreamWriter(transport, protocol, reader, loop)

    def _attempt(self, factory: Callable[[], P], context: ssl.SSLContext | None) -> Attempt[P]:
        raise NotImplementedError


@attrs.frozen
class TCPEndpoint(Endpoint):
    """A TCP port. Port 0 is one that the system chooses."""

    kind: ClassVar[str] = "tcp"
    port: int = _argument(_PORT)
    interface: str = _argument(_INTERFACE, "")
    backlog: int | None = _argument(_BACKLOG, None)

    def bind(self) -> list[socket.socket]:
        return listening.open_tcp(str(self), self.interface, self.port, self.backlog)

    def _attempt(self, factory: Callable[[], P], context: ssl.SSLContext | None) -> Attempt[P]:
        return connecting.to_tcp(self.interface, self.port, factory)


@attrs.frozen
class TLSEndpoint(Endpoint):
    """A TCP port where TLS is spoken.

    `cert` and `key` are PEM files, by default one for both. `certs` is a folder with others, for
    the names in them; see `certificates.find_pairs`. Clients that ask for no name, or for one that
    nothing vouches for, are shown that of `cert`, or if there is none the first of the folder.
    """

    kind: ClassVar[str] = "tls"
    port: int = _argument(_PORT)
    cert: str | None = _argument(_PATH, None)
    key: str | None = _argument(_PATH, None)
    interface: str = _argument(_INTERFACE, "")
    backlog: int | None = _argument(_BACKLOG, None)
    certs: str | None = _argument(_FOLDER, None)

    def bind(self) -> list[socket.socket]:
        """As for `Endpoint`; raises `CertificateError` before anything is opened."""
        self.certificates()
        return listening.open_tcp(str(self), self.interface, self.port, self.backlog)

    def certificates(self, protocols: Sequence[str] = ()) -> Certificates:
        """The certificates and keys as they are now; they renew themselves while watched.

        All files are read: before privileges are dropped, if others may not read them. `protocols`
        are offered by ALPN, the best first. Raises `CertificateError`.
        """
        pair: Pair | None = None
        if self.certs is None or self.cert is not None or self.key is not None:
            cert = self.cert or _CERT
            pair = Pair(cert, self.key or cert)
        return Certificates(str(self), pair, self.certs, protocols)

    def ssl_context(self) -> ssl.SSLContext:
        """The context of `certificates`. Raises `CertificateError`."""
        return self.certificates().context

    def _attempt(self, factory: Callable[[], P], context: ssl.SSLContext | None) -> Attempt[P]:
        context = context or certificates.client_context()
        return connecting.to_tcp(self.interface, self.port, factory, context)


@attrs.frozen
class UNIXEndpoint(Endpoint):
    """A socket in the file system, for processes of the same machine."""

    kind: ClassVar[str] = "unix"
    address: str = _argument(_PATH)
    mode: int | None = _argument(_MODE, None)
    backlog: int | None = _argument(_BACKLOG, None)

    def bind(self) -> list[socket.socket]:
        """As for `Endpoint`. A socket's file where nobody answers is replaced, nothing else is."""
        return listening.open_unix(str(self), self.address, self.mode, self.backlog)

    def _attempt(self, factory: Callable[[], P], context: ssl.SSLContext | None) -> Attempt[P]:
        return connecting.to_unix(self.address, factory)


TYPES: dict[str, type[Endpoint]] = {
    each.kind: each for each in (TCPEndpoint, TLSEndpoint, UNIXEndpoint)
}


def describe(bound: socket.socket) -> str:
    """Where a listening socket listens: ``127.0.0.1:8080``, ``[::1]:8080`` or a path."""
    return listening.describe(bound)


def parse_endpoint(text: str) -> Endpoint:
    """The endpoint that `text` describes. Raises `EndpointError`."""
    (_, kind, _), *given = _arguments(text)
    if kind not in TYPES:
        raise EndpointError(text, 1, _no_such_type(kind, given))
    fields = attrs.fields(TYPES[kind])
    places = iter(fields)
    values: dict[str, object] = {}
    for name, value, position in given:
        if name is None:
            field = next(places, None)
            if field is None:
                reason = f"{value!r} is one argument too many for {kind}; {_known(fields)}"
                raise EndpointError(text, position, reason)
        else:
            field = next((each for each in fields if each.name == name), None)
            if field is None:
                raise EndpointError(text, position, f"no argument {name!r}; {_known(fields)}")
        if field.name in values:
            raise EndpointError(text, position, f"{field.name} is given a second time")
        grammar: _Grammar = field.metadata["grammar"]
        values[field.name] = grammar.read(value)
        if not grammar.fits(values[field.name]):
            reason = f"{field.name} is {value!r}; {grammar.expected} was expected"
            raise EndpointError(text, position, reason)
    for field in fields:
        if field.default is attrs.NOTHING and field.name not in values:
            reason = f"{field.name} is missing: {field.metadata['grammar'].expected}"
            raise EndpointError(text, len(text) + 1, reason)
    return TYPES[kind](**values)


def _arguments(text: str) -> list[tuple[str | None, str, int]]:
    """Name, value and position of each part; the first is the type."""
    found: list[tuple[str | None, str, int]] = []
    name: str | None = None
    value, start, position = "", 1, 0
    while position < len(text):
        letter = text[position]
        position += 1
        if letter == "\\":
            if text[position : position + 1] not in (":", "=", "\\"):
                reason = "a backslash stands before one of : = \\ only; for itself write \\\\"
                raise EndpointError(text, position, reason)
            value += text[position]
            position += 1
        elif letter == ":":
            found.append((name, value, start))
            name, value, start = None, "", position + 1
        elif letter == "=" and found:
            if name is not None:
                raise EndpointError(text, position, "a second '='; in a value write \\=")
            name, value = value, ""
        else:
            value += letter
    return [*found, (name, value, start)]


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace(":", "\\:").replace("=", "\\=")


def _known(fields: Sequence["attrs.Attribute[Any]"]) -> str:
    return f"there are {', '.join(field.name for field in fields)} (in a value write \\: and \\=)"


def _no_such_type(kind: str, given: Sequence[tuple[str | None, str, int]]) -> str:
    if kind.isdigit() and not given:
        return f"the type is missing; say tcp:{kind}"
    if kind == "ssl":
        return "the type for encrypted connections is tls"
    hint = ""
    if kind.isprintable() and kind and len(given) == 1 and given[0][1].isdigit():
        hint = f"; for a port of one address say tcp:{given[0][1]}:interface={_escaped(kind)}"
    return f"no type {kind!r}; there are {', '.join(TYPES)}{hint}"
