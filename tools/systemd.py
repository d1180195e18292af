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
    """

    address: str | None
    interval: float | None

    @classmethod
    def of_environment(cls) -> "Supervisor":
        """Read ``NOTIFY_SOCKET`` and ``WATCHDOG_USEC``, and keep them from our own children."""
        address = os.environ.pop("NOTIFY_SOCKET", None)
        period = os.environ.pop("WATCHDOG_USEC", "")
        # Half the period, as sd_watchdog_enabled(3) advises.
        interval = int(period) / 2_000_000 if period.isdecimal() and int(period) else None
        return cls(address, interval)

    def tell(self, *states: str) -> None:
        """Send `states` (``READY=1``, ``STOPPING=1``, ...); a deaf supervisor is no error."""
        if not self.address:
            return
        where = "\0" + self.address[1:] if self.address.startswith("@") else self.address
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
            line.connect(where)
            line.send("\n".join(states).encode())
