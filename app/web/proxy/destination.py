"""Where a forward proxy may lead: names and ports that were allowed, at addresses that are public."""

import asyncio
import os
import ssl
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import ClassVar, Final, TypeVar

import attrs

from ....persist.errors import PerdureError
from ...connecting import ConnectError
from ...endpoints import TCPEndpoint
from ..errors import HTTPError
from ..hostname import HostError, host_name, written_name

P = TypeVar("P", bound=asyncio.BaseProtocol)
Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

# What an address of IPv6 is a cover for: RFC 6052, 3056 and 4380.
_TRANSLATED: Final = IPv6Network("64:ff9b::/96")
# RFC 4291, 2.4, and IANA's registry: no other address of IPv6 has been given to anybody in public.
_UNICAST: Final = IPv6Network("2000::/3")


@attrs.define(str=False)
class DestinationError(PerdureError):
    """A place where a proxy shall lead, or a network, is not written as one."""

    exit_status: ClassVar[int] = os.EX_CONFIG
    text: str
    reason: str

    def __str__(self) -> str:
        return f"{self.text!r}: {self.reason}"


@attrs.frozen
class Destination:
    """A place where a forward proxy may lead. `host` begins with ``*.`` for all names below one, and
    ``*`` is any; `port` None is any.
    """

    host: str
    port: int | None

    def matches(self, host: str, port: int) -> bool:
        """Whether `host`, as `host_name` gives it, and `port` are allowed by this."""
        if self.port is not None and port != self.port:
            return False
        if self.host.startswith("*"):
            return host.endswith(self.host[1:])
        return host == self.host


def parse_destination(text: str) -> Destination:
    """What ``HOST:PORT`` allows: ``example.org:443``, ``*.example.org:443``, ``*:443``, ``[::1]:*``.

    ``*.example.org`` is not ``example.org`` itself. Raises `DestinationError`.
    """
    host, colon, number = text.rpartition(":")
    if not colon or not host:
        raise DestinationError(text, "HOST:PORT was expected, with * for any of either")
    port = None
    if number != "*":
        if not (number.isascii() and number.isdigit()) or not 0 < int(number[:6]) < 65536:
            raise DestinationError(text, "a port is a number from 1 to 65535, or *")
        port = int(number)
    if host == "*":
        return Destination("*", port)
    prefix = "*." if host.startswith("*.") else ""
    bare = host.removeprefix(prefix)
    if bare.startswith("[") and bare.endswith("]"):
        bare = bare[1:-1]
    try:
        return Destination(prefix + written_name(bare), port)
    except HostError as error:
        raise DestinationError(text, error.reason) from None


def target_place(authority: str, default_port: int | None) -> tuple[str, int]:
    """Host and port of an authority that a client wrote. Raises `HTTPError`."""
    host = host_name(authority)
    _, colon, port = authority.rpartition(":")
    if authority.endswith("]"):
        colon = port = ""
    number = int(port) if colon and port else default_port
    if host is None or not number:
        raise HTTPError(400, "The address names no host and port.")
    return host, number


@lru_cache(maxsize=64)
def networks(texts: Sequence[str]) -> tuple[Network, ...]:
    """The networks that `texts` describe, as ``10.0.0.0/8``. Raises `DestinationError`."""
    found: list[Network] = []
    for text in texts:
        try:
            found.append(ip_network(text))
        except ValueError as error:
            raise DestinationError(text, str(error)) from None
    return tuple(found)


def is_within(address: Address, allowed: Iterable[Network]) -> bool:
    """Whether `address` is in one of the networks."""
    return any(address in network for network in allowed if network.version == address.version)


def true_address(address: Address) -> Address:
    """The IPv4 address that one of IPv6 stands for, where it does."""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
        if address.sixtofour is not None:
            return address.sixtofour
        if address.teredo is not None:
            return address.teredo[1]
        if address in _TRANSLATED:
            return IPv4Address(int(address) & 0xFFFFFFFF)
    return address


def is_open(address: Address, private: Iterable[Network]) -> bool:
    """Whether a proxy may lead there: to the public Internet, or to a network named in `private`."""
    address = true_address(address)
    if is_within(address, private):
        return True
    if isinstance(address, IPv6Address) and address not in _UNICAST:
        return False
    return address.is_global and not address.is_multicast


@attrs.frozen
class Addresses:
    """Addresses that were looked up and judged; what is connected to is one of them and nothing else.

    So a name that means something else when it is looked up a second time gains nothing.
    """

    hosts: tuple[str, ...]
    port: int

    async def connect(
        self,
        factory: Callable[[], P],
        *,
        timeout: float,
        context: ssl.SSLContext | None = None,
    ) -> tuple[asyncio.Transport, P]:
        """As `Endpoint.connect`, to the first that answers; `timeout` seconds are for each."""
        for host in self.hosts[:-1]:
            try:
                return await TCPEndpoint(self.port, host).connect(factory, timeout=timeout)
            except ConnectError:
                continue
        return await TCPEndpoint(self.port, self.hosts[-1]).connect(factory, timeout=timeout)


async def addresses(
    host: str, port: int, private: Iterable[Network], timeout: float
) -> Addresses | None:
    """Where `host` is, as far as a proxy may lead there; None if nobody knows.

    Raises `HTTPError` if it may not.
    """
    loop = asyncio.get_running_loop()
    bare = host[1:-1] if host.startswith("[") else host
    try:
        async with asyncio.timeout(timeout):
            # Also for addresses: there are many ways to write one, and what counts is what it is.
            found = await loop.getaddrinfo(bare, port, type=1)
    except (OSError, UnicodeError, TimeoutError):
        return None
    # Without the scope of a link-local address, which is none to lead to.
    hosts = dict.fromkeys(str(each[4][0]).partition("%")[0] for each in found)
    judged = tuple(each for each in hosts if is_open(ip_address(each), private))
    if hosts and not judged:
        raise HTTPError(403, "This proxy does not lead to addresses that are not public.")
    return Addresses(judged, port) if judged else None
