"""How much a client may ask of the server, and how long it may take."""

import attrs

from ..bounds import bound


@attrs.frozen
class Limits:
    """Bounds for each connection of a site, and for its sessions. Sizes in bytes, times in seconds.

    Times are kept to about a second: one sweep a second looks at all connections.
    """

    head: int = bound(16 * 1024, least=0)
    """Request line and header fields together; over it 414 or 431."""

    fields: int = bound(100, least=0)
    """Header fields; over it 431."""

    body: int = bound(16 * 1024 * 1024, least=0)
    """A request's body; over it 413."""

    upload: int = bound(16 * 1024 * 1024, least=0)
    """One file of a form; over it 413. `body` is the bound of all that is sent."""

    form_parts: int = bound(1000, least=0)
    """Fields and files of a form; over it 413."""

    form_text: int = bound(1024 * 1024, least=0)
    """All that a form has in fields which are no files; over it 413."""

    form_memory: int = bound(64 * 1024, least=0)
    """Of the files of one form, kept in memory; what is beyond it goes to a temporary file."""

    bodies: int = bound(512 * 1024 * 1024, least=0)
    """All bodies that pages are gathering in memory at one time, but for the first `buffer` bytes of
    each; over it 503. One may always have as much as `body` allows."""

    buffer: int = bound(64 * 1024, least=0)
    """Bytes that came and were not asked for yet (body, pipelined requests): beyond it, the
    client is not read from."""

    drain: int = bound(256 * 1024, least=0)
    """What is read and thrown away of a body that nobody asked for, to keep the connection."""

    handshakes: int = bound(1000, least=0)
    """Of TLS that have begun and are not done, on one socket; beyond it the oldest is cut off."""

    handshake_time: float = bound(10.0, least=0)
    """From a connection to the end of its TLS handshake; then it is cut off."""

    head_time: float = bound(20.0, least=0)
    """From the first byte of a head to its end; over it 408."""

    body_time: float = bound(30.0, least=0)
    """Without a byte of a body that is being read; over it 408."""

    idle_time: float = bound(75.0, least=0)
    """Between two requests, and from the connection to the first."""

    send_time: float = bound(60.0, least=0)
    """Without a byte of a reply taken by the client; then the connection is cut."""

    linger_time: float = bound(5.0, least=0)
    """For a client to notice that the connection is being closed after an error."""

    connections: int = bound(10_000, least=0)
    """At one time; each further one is answered 503 and closed."""

    session_time: float = bound(900.0, least=0)
    """Without a request of a visitor; then the session is over, a tenth of that later at the most."""

    sessions: int = bound(100_000, least=0)
    """At one time; beyond it the one that was unused longest is over, of those that came once first."""
