"""Why a server behind this one gave no answer that can be passed on."""

from collections.abc import Iterable
from typing import ClassVar

from ..errors import HTTPError


class GatewayError(HTTPError):
    """The server behind this one did not do its part; the client is told so in general words.

    Attribute `reason`: what happened, for the log and not for strangers.
    """

    answer: ClassVar[tuple[int, str]] = (502, "The server behind this one cannot be reached.")
    fields: ClassVar[Iterable[tuple[str, str]]] = ()

    def __init__(self, reason: str) -> None:
        super().__init__(*self.answer, headers=self.fields)
        self.reason = reason

    def __str__(self) -> str:
        return self.reason


class BadAnswerError(GatewayError):
    """What came is no answer, or could be read as two different ones (RFC 9112, 11)."""

    answer = (502, "The server behind this one gave an answer that makes no sense.")


class UpstreamGoneError(GatewayError):
    """The connection was closed before its answer was complete."""

    answer = (502, "The server behind this one gave no answer.")


class StaleConnectionError(UpstreamGoneError):
    """A connection that had been used before was closed without a byte of an answer."""


class UpstreamLateError(GatewayError):
    """The server took too long: to accept a connection, to answer, or to go on with its answer."""

    answer = (504, "The server behind this one did not answer in time.")


class UpstreamBusyError(GatewayError):
    """As many requests as may be are on their way to that server, and waiting for their turn."""

    answer = (503, "The server behind this one has too much to do. Please try again in a moment.")
    fields = (("Retry-After", "1"),)
