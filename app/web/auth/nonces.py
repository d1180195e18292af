"""The nonces of Digest: each for a few minutes, and each count of it for one request."""

import hmac
import secrets
from collections import OrderedDict
from collections.abc import Callable
from enum import Enum, auto
from hashlib import sha256
from typing import Final

import attrs

LIFETIME: Final = 300.0
"""Seconds for which a nonce is good."""

_REMEMBERED: Final = 10_000
_WINDOW: Final = 256
"""So far requests of one client may overtake each other."""


class Freshness(Enum):
    """Of a nonce that a client has used."""

    GOOD = auto()
    STALE = auto()
    """Too old, or used for this count before; the client is given another."""
    FOREIGN = auto()
    """Not given in this run."""


@attrs.define
class _Use:
    highest: int = 0
    seen: int = 0
    """A bit for each of the counts below `highest` that was used."""


class Nonces:
    """Gives nonces and knows them again. They are signed, so nothing is kept of those not used.

    The key is that of this run, as are the counts: were it kept, what somebody overheard could be
    said again after a restart. Clients are told to take another nonce, and do so by themselves.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._key = secrets.token_bytes(32)
        self._uses: OrderedDict[str, _Use] = OrderedDict()
        # Of what was given up to then, nothing is remembered that is not in `_uses`.
        self._forgotten = -1.0

    def __len__(self) -> int:
        return len(self._uses)

    def give(self) -> str:
        """A new one."""
        text = f"{self._clock():.3f}-{secrets.token_hex(8)}"
        return f"{text}-{self._signature(text)}"

    def judge(self, nonce: str) -> Freshness:
        """Whether it may be used; its count is looked at by `use`."""
        given = self._given(nonce)
        if given is None:
            return Freshness.FOREIGN
        if nonce not in self._uses and given <= self._forgotten:
            return Freshness.STALE
        return Freshness.GOOD if self._clock() - given <= LIFETIME else Freshness.STALE

    def use(self, nonce: str, count: int) -> bool:
        """Whether `count` was not used yet; for a nonce that is good and a client who is known."""
        use = self._uses.get(nonce)
        if use is None:
            use = self._uses[nonce] = _Use()
            while len(self._uses) > _REMEMBERED:
                oldest, _ = self._uses.popitem(last=False)
                self._forgotten = max(self._forgotten, self._given(oldest) or 0.0)
        behind = use.highest - count
        if behind < 0:
            use.seen = (use.seen << -behind | 1) & ((1 << _WINDOW) - 1) if -behind < _WINDOW else 1
            use.highest = count
            return True
        if behind >= _WINDOW or use.seen >> behind & 1:
            return False
        use.seen |= 1 << behind
        return True

    def _given(self, nonce: str) -> float | None:
        text, _, signature = nonce.rpartition("-")
        if not nonce.isascii() or not hmac.compare_digest(self._signature(text), signature):
            return None
        return float(text.partition("-")[0])

    def _signature(self, text: str) -> str:
        return hmac.new(self._key, text.encode(), sha256).hexdigest()[:32]
