"""How much a client may ask of the server, and how long it may take."""

import math
from typing import Any

import attrs


def _not_negative(_limits: object, field: "attrs.Attribute[Any]", value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < math.inf:
        raise ValueError(f"{field.name} of Limits must be 0 or more, and finite, not {value!r}")


def _limit(default: Any) -> Any:
    return attrs.field(default=default, validator=_not_negative)


@attrs.frozen
class Limits:
    """Bounds for each connection of a site, and for its sessions. Sizes in bytes, times in seconds.

    Times are kept to about a second: one sweep a second looks at all connections.
    """

    head: int = _limit(16 * 1024)
    """Request line and header fields together; over it 414 or 431."""

    fields: int = _limit(100)
    """Header fields; over it 431."""

    body: int = _limit(16 * 1024 * 1024)
    """A request's body; over it 413."""

    upload: int = _limit(16 * 1024 * 1024)
    """One file of a form; over it 413. `body` is the bound of all that is sent."""

    form_parts: int = _limit(1000)
    """Fields and files of a form; over it 413."""

    form_text: int = _limit(1024 * 1024)
    """All that a form has in fields which are no files; over it 413."""

    form_memory: int = _limit(64 * 1024)
    """Of the files of one form, kept in memory; what is beyond it goes to a temporary file."""

    buffer: int = _limit(64 * 1024)
    """Bytes that came and were not asked for yet (body, pipelined requests): beyond it, the
    client is not read from."""

    drain: int = _limit(256 * 1024)
    """What is read and thrown away of a body that nobody asked for, to keep the connection."""

    handshakes: int = _limit(1000)
    """Of TLS that have begun and are not done, on one socket; beyond it the oldest is cut off."""

    handshake_time: float = _limit(10.0)
    """From a connection to the end of its TLS handshake; then it is cut off."""

    head_time: float = _limit(20.0)
    """From the first byte of a head to its end; over it 408."""

    body_time: float = _limit(30.0)
    """Without a byte of a body that is being read; over it 408."""

    idle_time: float = _limit(75.0)
    """Between two requests, and from the connection to the first."""

    send_time: float = _limit(60.0)
    """Without a byte of a reply taken by the client; then the connection is cut."""

    linger_time: float = _limit(5.0)
    """For a client to notice that the connection is being closed after an error."""

    connections: int = _limit(10_000)
    """At one time; each further one is answered 503 and closed."""

    session_time: float = _limit(900.0)
    """Without a request of a visitor; then the session is over, a tenth of that later at the most."""

    sessions: int = _limit(100_000)
    """At one time; beyond it the one that was unused longest is over, of those that came once first."""
