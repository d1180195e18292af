"""The protocol of HTTP/2, by the h2 library, set up as this server needs it."""

from typing import Final

from h2.config import H2Configuration
from h2.connection import (
    ConnectionInputs,
    ConnectionState,
    H2Connection,
    H2ConnectionStateMachine,
)
from h2.settings import SettingCodes, Settings

from .limits import Limits

STREAMS: Final = 100
"""At a time."""

_WINDOW: Final = 256 * 1024
_WINDOWS: Final = 512 * 1024
"""What a client may send of one body, and of all, before somebody takes it.

The first is not less than what is thrown away of a body that nobody wants (`Limits.drain`): curl 7.88
that has to wait for room while its reply is complete already does so for ever, whatever it is told.
"""

_OVERHEAD: Final = 32
"""What a header field counts beside its bytes (RFC 9113, 6.5.2)."""

_PSEUDO: Final = 4

_CONFIG: Final = H2Configuration(
    client_side=False,
    header_encoding=None,
    # Judged in `http2head`: a mistake then costs its stream, and not all the others too.
    validate_inbound_headers=False,
    normalize_inbound_headers=False,
    # Ours are correct as they are made.
    validate_outbound_headers=False,
    normalize_outbound_headers=False,
)


class _States(H2ConnectionStateMachine):
    # As it is, a goodbye from either side ends everything at once. RFC 9113, 6.8: the streams that
    # were open before it come to their own end.
    _transitions = H2ConnectionStateMachine._transitions | {
        (ConnectionState.SERVER_OPEN, each): (None, ConnectionState.SERVER_OPEN)
        for each in (ConnectionInputs.SEND_GOAWAY, ConnectionInputs.RECV_GOAWAY)
    }


class HTTP2Machine(H2Connection):
    """Frames to events and back, for the server's side of one connection; sends nothing itself."""

    # To remember all would be megabytes a connection; what is asked is about the latest only.
    MAX_CLOSED_STREAMS = 1000

    def __init__(self, limits: Limits) -> None:
        super().__init__(_CONFIG)
        self.state_machine = _States()
        size = limits.head + _OVERHEAD * (limits.fields + _PSEUDO)
        self.local_settings = Settings(
            client=False,
            initial_values={
                SettingCodes.MAX_CONCURRENT_STREAMS: STREAMS,
                SettingCodes.INITIAL_WINDOW_SIZE: _WINDOW,
                SettingCodes.MAX_HEADER_LIST_SIZE: size,
            },
        )
        self.decoder.max_header_list_size = size
        self.initiate_connection()
        self.increment_flow_control_window(_WINDOWS - self.inbound_flow_control_window)
