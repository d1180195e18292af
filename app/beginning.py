"""What a run begins with, as recovery has found it."""

from collections.abc import Sequence
from pathlib import Path

import attrs

from ..persist.frames import Frame
from ..persist.trust import Policy
from .application import Application


@attrs.frozen
class Resumption:
    """How the journal goes on: the arguments of `Journal` that recovery knows."""

    first: int
    carried: Sequence[Frame]
    fresh: bool
    key: bytes


@attrs.frozen
class Beginning:
    """What a run begins with. `state` is the file its state came from, None for none."""

    application: Application
    own: bool
    """Whether all of it is this user's work: only then what becomes of it is signed."""
    state: Path | None
    origin: str | None
    sentence: str
    """Which state was taken, and what was replayed, for a person."""
    warnings: Sequence[str]
    """What an operator must know: what was damaged, cut or left aside."""
    services: bytes | None
    """The services as they began, to fall back to; None if they cannot be saved."""
    resumption: Resumption
    policy: Policy
    """What the records of this run may load."""
    base: int
    """The number of the last record whose effect its `state` has."""
    is_recovery: bool = False
    """Whether the run before it did not come to its end."""
    returned: Sequence[str] = ()
    """What was parked till now, for a person."""
    blueprint: str | None = None
    """The digest of the blueprint, in hexadecimal; None if it was made on the spot."""

    @property
    def sequence(self) -> int:
        """The number of the last record whose effect this holds."""
        carried = sum(frame.total for frame in self.resumption.carried)
        return self.resumption.first - 1 + carried
