"""What proxies tell of the client they speak for: ``Forwarded`` (RFC 7239) and ``X-Forwarded-*``.

Anybody can send these fields, so they are read only where the other end of the connection is a proxy
that is trusted. It is trusted to have written what stands at the end of each list; what stands before
is believed as long as it was written by a trusted proxy, too. So the client is the last hop that is
not trusted, and nothing that it sends itself can change that.

Whether a proxy speaks ``Forwarded`` or ``X-Forwarded-*`` cannot be known, and it passes the other on as
it came. So where both are there they have to agree; a request in which they do not is refused.
"""

import os
import re
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TYPE_CHECKING, ClassVar, Final

import attrs

from ...persist.errors import PerdureError
from .head import Headers, RequestError
from .hostname import host_name

if TYPE_CHECKING:
    from .request import Request

_UNIX: Final = "unix"
_PAIR: Final = re.compile(
    r"""[ \t]*(?:(?P<name>[!#$%&'*+.^_`|~0-9A-Za-z-]+)=
    (?:(?P<token>[!#$%&'*+.^_`|~0-9A-Za-z-]+)|"(?P<quoted>(?:[^"\\]|\\.)*)"))?
    [ \t]*(?P<end>[;,]|$)""",
    re.VERBOSE,
)
_PORT: Final = r"(?::(?:[0-9]{1,5}|_[A-Za-z0-9._-]+))?"
_NODE: Final = re.compile(
    rf"(?:\[(?P<six>[0-9A-Fa-f:.]+)\]|(?P<four>[0-9]+(?:\.[0-9]+){{3}})|"
    rf"(?P<hidden>unknown|_[A-Za-z0-9._-]+)){_PORT}",
    re.IGNORECASE,
)
_SCHEMES: Final = {"https": True, "http": False, "wss": True, "ws": False}


@attrs.define(str=False)
class TrustedProxyError(PerdureError):
    """What shall be trusted as a proxy is neither an address, a network nor ``unix``."""

    exit_status: ClassVar[int] = os.EX_CONFIG
    text: str
    reason: str

    def __str__(self) -> str:
        return (
            f"trusted proxy {self.text!r}: {self.reason}; "
            "expected an address, a network such as 10.0.0.0/8, or unix"
        )


@attrs.frozen
class Origin:
    """Where a request came from, as far as proxies tell; None is what they do not tell.

    `client` is an address, ``unknown``, or a name that a proxy gave it to hide it (``_abc``).
    """

    client: str
    secure: bool | None = None
    host: str | None = None

    def apply(self, request: "Request") -> None:
        """Let `request` be one that came from here."""
        request.client = self.client
        if self.secure is not None:
            request.secure = self.secure
        if self.host is not None:
            request.host = self.host


@attrs.frozen
class _Hop:
    client: str | None
    scheme: str | None
    host: str | None


@attrs.frozen
class TrustedProxies:
    """The `networks` whose members are believed, and whether those on a UNIX socket (`unix`) are."""

    networks: tuple[IPv4Network | IPv6Network, ...]
    unix: bool

    @classmethod
    def parse(cls, texts: Iterable[str]) -> "TrustedProxies":
        """Of addresses, networks and ``unix``. Raises `TrustedProxyError`."""
        networks: list[IPv4Network | IPv6Network] = []
        unix = False
        for text in texts:
            if text == _UNIX:
                unix = True
                continue
            try:
                networks.append(ip_network(text))
            except ValueError as error:
                raise TrustedProxyError(text, str(error)) from None
        return cls(tuple(networks), unix)

    def trusts(self, client: str) -> bool:
        """Whether `client` (an address, ``unix``, or whatever a hop is called) is one of them."""
        if client == _UNIX:
            return self.unix
        try:
            address = ip_address(_plain(client))
        except ValueError:
            return False
        return any(address in network for network in self.networks)

    def origin(self, headers: Headers, peer: str) -> Origin | None:
        """Where a request with these `headers`, that trusted `peer` has sent, came from.

        None where it has none of these fields: then it comes from `peer` itself. Raises
        `RequestError` (400) for fields that break their grammar, and for two that disagree.
        """
        found = [
            self._outermost(hops, peer)
            for hops in (_standard(headers), _customary(headers))
            if hops is not None
        ]
        if len(found) == 2 and found[0] != found[1]:
            raise RequestError(
                400, "Forwarded and X-Forwarded-* disagree; the proxy should send one of them."
            )
        return found[0] if found else None

    def _outermost(self, hops: Sequence[_Hop], peer: str) -> Origin:
        """What the first of the proxies told that are trusted one after another, from `peer` on."""
        client, told = peer, hops[-1]
        for hop in reversed(hops):
            told = hop
            if hop.client is None:
                break
            client = _client(hop.client)
            if not self.trusts(client):
                break
        secure = None if told.scheme is None else _SCHEMES.get(told.scheme.lower())
        if told.scheme is not None and secure is None:
            raise RequestError(400, "The proxy tells of a scheme that is not http or https.")
        if told.host is not None and host_name(told.host) is None:
            raise RequestError(400, "The proxy tells of a host that is no name and no address.")
        return Origin(client, secure, told.host)


def _standard(headers: Headers) -> list[_Hop] | None:
    """The hops in ``Forwarded``, the one nearest to us last."""
    lines = headers.get_all("forwarded")
    # Each line by itself: a quote that is left open in one must not swallow the next.
    return [hop for line in lines for hop in _elements(line)] if lines else None


def _elements(line: str) -> list[_Hop]:
    hops: list[_Hop] = []
    pairs: dict[str, str] = {}
    position = 0
    while True:
        match = _PAIR.match(line, position)
        if match is None:
            raise RequestError(400, "The field Forwarded breaks its grammar (RFC 7239).")
        if (name := match["name"]) is not None:
            quoted = match["quoted"]
            value = match["token"] if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
            if name.lower() in pairs:
                raise RequestError(400, "The field Forwarded says a thing twice (RFC 7239).")
            pairs[name.lower()] = value
        if match["end"] != ";":
            if pairs:
                hops.append(_Hop(pairs.get("for"), pairs.get("proto"), pairs.get("host")))
            pairs = {}
            if not match["end"]:
                return hops or [_Hop(None, None, None)]
        position = match.end()


def _customary(headers: Headers) -> list[_Hop] | None:
    """The hops in ``X-Forwarded-For``, ``-Proto`` and ``-Host``, the one nearest to us last.

    Of shorter lists the first value holds for the hops before it: the proxies behind the first have
    passed it on as it was.
    """
    clients, schemes, hosts = (
        [value.strip(" \t") for value in headers.get(f"x-forwarded-{name}", "").split(",")]
        if f"x-forwarded-{name}" in headers
        else []
        for name in ("for", "proto", "host")
    )
    if not (clients or schemes or hosts):
        return None
    return [
        _Hop(
            clients[-number] if clients else None,
            schemes[-min(number, len(schemes))] if schemes else None,
            hosts[-min(number, len(hosts))] if hosts else None,
        )
        for number in range(max(len(clients), 1), 0, -1)
    ]


def _client(text: str) -> str:
    """The address in ``for=`` or in ``X-Forwarded-For``, without its port."""
    match = _NODE.fullmatch(text)
    if match is None:
        address = text  # X-Forwarded-For has IPv6 addresses without brackets
    elif match["hidden"]:
        return match["hidden"]
    else:
        address = match["six"] or match["four"]
    try:
        return _plain(str(ip_address(address)))
    except ValueError:
        raise RequestError(400, "The proxy tells of a client that is no address.") from None


def _plain(address: str) -> str:
    """`address` without the zone, and as IPv4 if that is what it stands for."""
    address = address.partition("%")[0]
    if ":" in address:
        mapped = IPv6Address(address).ipv4_mapped
        return address if mapped is None else str(mapped)
    return address
