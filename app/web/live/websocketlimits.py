"""How much a client may ask on a WebSocket, and how long it may take."""

from typing import Final

import attrs

from ...bounds import bound

UNSAVED: Final = (1013, "nothing can be saved at the moment")
"""The goodbye to a client whose page has changed something that cannot be saved (RFC 6455, 7.4)."""


@attrs.frozen
class SocketLimits:
    """Bounds for each WebSocket. Sizes in bytes, times in seconds."""

    message: int = bound(1 << 20)
    """A message, however many frames it comes in; over it 1009."""

    queue: int = bound(16)
    """Messages that came and were not asked for yet: beyond it, or beyond the size of one message in
    all, the client is not read from."""

    keep_alive: float = bound(20.0)
    """Without anything from the client; then it is sent a ping, and cut if that time passes again."""

    close_time: float = bound(5.0)
    """From our goodbye to the client's; then the connection is cut."""
