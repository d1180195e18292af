"""How often a password may be tried: the longer the more tries were wrong."""

import ipaddress
import math
from collections import OrderedDict

import attrs


@attrs.frozen
class Lockout:
    """After how many wrong tries who has to wait for how long. Times in seconds.

    `free` tries of one name, and `free_of_address` from one address, cost nothing. Then the next has to
    wait for `first`, and for twice as long after each that is wrong, up to `longest`. All is
    forgotten `memory` after the last. Of names and addresses `entries` each are remembered, those that
    were wrong last. It is not kept over a restart: to write down each try of a stranger would be
    a way to fill the disk.

    Who came in from an address before does not wait there because somebody elsewhere tries the name. An
    address is a network of 64 bits with IPv6. Those of this machine do not wait: they are a proxy that
    does not say for whom it asks, and everybody would.
    """

    free: int = 5
    free_of_address: int = 20
    first: float = 1.0
    longest: float = 900.0
    memory: float = 3600.0
    entries: int = 10_000


@attrs.define
class _Strike:
    count: int
    last: float


class Strikes:
    """Wrong tries by name or address: those that are remembered."""

    def __init__(self, policy: Lockout, free: int) -> None:
        self._policy = policy
        self._free = free
        self._strikes: OrderedDict[str, _Strike] = OrderedDict()

    def __len__(self) -> int:
        return len(self._strikes)

    def wait(self, key: str, now: float) -> float:
        """So many seconds `key` has to wait; 0 if it need not."""
        strike = self._strikes.get(key)
        if strike is None or strike.count < self._free:
            return 0.0
        policy = self._policy
        doublings = min(strike.count - self._free, 64)
        delay = min(policy.first * 2.0**doublings, policy.longest)
        return max(strike.last + delay - now, 0.0)

    def add(self, key: str, now: float) -> None:
        """`key` tries once more; what is right is forgotten afterwards."""
        strike = self._strikes.pop(key, None)
        if strike is None or now - strike.last > self._policy.memory:
            strike = _Strike(0, now)
        strike.count += 1
        strike.last = now
        self._strikes[key] = strike
        while len(self._strikes) > self._policy.entries:
            self._strikes.popitem(last=False)

    def take_back(self, key: str) -> None:
        """One of the tries of `key` was right."""
        strike = self._strikes.get(key)
        if strike is not None:
            strike.count -= 1
            if strike.count <= 0:
                del self._strikes[key]


def network(client: str) -> str | None:
    """What counts as the address of `client`; None for this machine itself."""
    try:
        address = ipaddress.ip_address(client.partition("%")[0])
    except ValueError:
        # What a proxy calls somebody whose address it does not tell is as good.
        return None if client == "unix" else client
    mapped = getattr(address, "ipv4_mapped", None)
    address = address if mapped is None else mapped
    if address.is_loopback:
        return None
    if address.version == 6:
        return str(ipaddress.ip_network((int(address), 64), strict=False))
    return str(address)


def seconds(wait: float) -> str:
    """What Retry-After says (RFC 9110, 10.2.3)."""
    return str(math.ceil(wait))
