"""Connecting to where another process listens."""

import asyncio
import os
import ssl
from collections.abc import Awaitable, Callable
from typing import Any, ClassVar, TypeVar

import attrs

from ..persist.errors import PerdureError

P = TypeVar("P", bound=asyncio.BaseProtocol)
Attempt = Awaitable[tuple[Any, P]]


@attrs.define(str=False)
class ConnectError(PerdureError):
    """No connection could be made."""

    exit_status: ClassVar[int] = os.EX_UNAVAILABLE
    endpoint: str
    reason: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.endpoint}: {self.reason}; {self.remedy}"


def to_tcp(
    host: str, port: int, factory: Callable[[], P], context: ssl.SSLContext | None = None
) -> Attempt[P]:
    """Connect to a port of `host`, "" being this machine; with TLS if there is a context."""
    loop = asyncio.get_running_loop()
    return loop.create_connection(factory, host or "localhost", port, ssl=context)


def to_unix(address: str, factory: Callable[[], P]) -> Attempt[P]:
    """Connect to the socket at the path `address`."""
    return asyncio.get_running_loop().create_unix_connection(factory, address)


async def connected(
    endpoint: str, attempt: Attempt[P], timeout: float
) -> tuple[asyncio.Transport, P]:
    """The connection that `attempt` makes within `timeout` seconds, or a `ConnectError`.

    `endpoint` is for messages.
    """
    try:
        async with asyncio.timeout(timeout):
            return await attempt
    except TimeoutError as error:
        reason = f"no connection within {timeout:g} s"
        raise ConnectError(endpoint, reason, "see whether it is reachable") from error
    except ssl.SSLCertVerificationError as error:
        reason = f"its certificate is not trusted ({error.verify_message})"
        remedy = "trust its authority, or connect by the name in the certificate"
        raise ConnectError(endpoint, reason, remedy) from error
    except ssl.SSLError as error:
        reason = f"it does not speak TLS as expected ({error.reason})"
        raise ConnectError(endpoint, reason, "see what listens there") from error
    except ConnectionRefusedError as error:
        raise ConnectError(endpoint, "nobody listens there", "start the server first") from error
    except (OSError, UnicodeError) as error:
        said = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise ConnectError(endpoint, said, "see whether host or path is right") from error
