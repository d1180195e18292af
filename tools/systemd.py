"""What a supervisor such as systemd is told: ready, stopping, still alive.

The protocol is that of ``sd_notify(3)``: datagrams to the socket in ``NOTIFY_SOCKET``; without
that variable every call does nothing.
"""

import os
import socket
from contextlib import suppress

import attrs


@attrs.frozen
class Supervisor:
    """The one who started this process, if it wants to be told.

    `interval` is how often, in seconds, it wants to hear that the server is alive; None if not.
    `line` is the connected socket, None if nobody listens.
    """

    line: socket.socket | None
    interval: float | None

    @classmethod
    def of_environment(cls) -> "Supervisor":
        """Read ``NOTIFY_SOCKET`` and ``WATCHDOG_USEC``, and keep them from our own children.

        The socket is connected here and kept: call this before the root folder changes, which
        hides its path. A watch meant for another process (``WATCHDOG_PID``) is not ours to keep.
        """
        address = os.environ.pop("NOTIFY_SOCKET", "")
        period = os.environ.pop("WATCHDOG_USEC", "")
        ours = os.environ.pop("WATCHDOG_PID", "") in ("", str(os.getpid()))
        # Half the period, as sd_watchdog_enabled(3) advises.
        wanted = ours and period.isdecimal() and int(period)
        return cls(_connected(address) if address else None, wanted / 2_000_000 if wanted else None)

    def tell(self, *states: str) -> None:
        """Send `states` (``READY=1``, ``STOPPING=1``, ...); a deaf supervisor is no error."""
        if self.line is not None:
            with suppress(OSError):
                self.line.send("\n".join(states).encode())


def _connected(address: str) -> socket.socket | None:
    line = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        line.connect("\0" + address[1:] if address.startswith("@") else address)
    except OSError:
        line.close()
        return None
    return line
