"""How much a client may ask on a WebSocket, and how long it may take."""

import math
from typing import Any

import attrs


def _positive(_limits: object, field: "attrs.Attribute[Any]", value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < math.inf:
        raise ValueError(f"{field.name} of SocketLimits must be more than 0, not {value!r}")


def _limit(default: Any) -> Any:
    return attrs.field(default=default, validator=_positive)


@attrs.frozen
class SocketLimits:
    """Bounds for each WebSocket. Sizes in bytes, times in seconds."""

    message: int = _limit(1 << 20)
    """A message, however many frames it comes in; over it 1009."""

    queue: int = _limit(16)
    """Messages that came and were not asked for yet: beyond it, or beyond the size of one message in
    all, the client is not read from."""

    keep_alive: float = _limit(20.0)
    """Without anything from the client; then it is sent a ping, and cut if that time passes again."""

    close_time: float = _limit(5.0)
    """From our goodbye to the client's; then the connection is cut."""
