"""Names of hosts: what a client wrote, and what an operator wrote, in one form to be compared."""

import os
import re
from functools import lru_cache
from typing import ClassVar, Final

import attrs

from ...persist.errors import PerdureError

_LONGEST: Final = 253
"""RFC 1035, 2.3.4, without the empty label of the root."""

_PLAIN: Final = re.compile(
    r"(?P<name>[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?)\.?(?::(?P<port>[0-9]{0,5}))?"
)
_BRACKETED: Final = re.compile(r"\[(?P<address>[0-9A-Fa-f:.]+)\](?::(?P<port>[0-9]{0,5}))?")


@attrs.define(str=False)
class HostError(PerdureError):
    """What shall be the name of a host is none. `name` is what was given, `reason` why not."""

    exit_status: ClassVar[int] = os.EX_CONFIG
    name: str
    reason: str

    def __str__(self) -> str:
        return f"host {self.name!r}: {self.reason}"


@lru_cache(maxsize=1024)
def host_name(text: str) -> str | None:
    """The name in ``HOST`` or ``HOST:PORT`` as a client sends it; None if it is neither.

    In lower case, without the port and the dot of the root; IPv6 addresses in brackets and as
    short as they get. Names are ASCII on the wire, in the form of RFC 5891 where they are not at heart.
    """
    if len(text) > _LONGEST + len(".:65535"):
        return None
    match = _PLAIN.fullmatch(text)
    if match is not None:
        name = match["name"].lower()
        if len(name) > _LONGEST or ".." in name or int(match["port"] or 0) > 65535:
            return None
        return name
    match = _BRACKETED.fullmatch(text)
    if match is None or int(match["port"] or 0) > 65535:
        return None
    from ipaddress import IPv6Address

    try:
        return f"[{IPv6Address(match['address']).compressed}]"
    except ValueError:
        return None


def written_name(text: str) -> str:
    """The name that an operator has written, as `host_name` gives it for requests to that host.

    It may have letters of any alphabet, which are brought into the form of RFC 5891, may be an IPv6
    address without brackets, and has no port. Raises `HostError`.
    """
    from ipaddress import IPv6Address

    try:
        return f"[{IPv6Address(text).compressed}]"
    except ValueError:
        pass
    name = text
    if not text.isascii():
        import idna

        try:
            name = idna.encode(text[: _LONGEST + 1], uts46=True).decode("ascii")
        except idna.IDNAError as error:
            raise HostError(text, f"{error}") from None
    found = host_name(name)
    if found is None or name.endswith((":", "]:")) or found != host_name(f"{name}:0"):
        raise HostError(text, "expected a name such as example.org, or an address, without a port")
    return found


@lru_cache(maxsize=1024)
def readable_name(name: str) -> str:
    """`name`, from `host_name`, in the alphabet that people write it in; as it is if that fails."""
    if "xn--" not in name:
        return name
    import idna

    try:
        return idna.decode(name)
    except idna.IDNAError:
        return name
