"""WebSockets as resources: a page that a client keeps talking to (RFC 6455)."""

import asyncio
import base64
import binascii
import hashlib
import logging
from collections.abc import Coroutine, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final, Self
from urllib.parse import urlsplit

import attrs

from ...turns import Turn, UnsafeError, current
from ..errors import HTTPError
from ..resource import Rendered, Resource
from ..upgrade import Upgrade
from .websocketlimits import UNSAVED, SocketLimits
from .websocketwire import Content, SocketClosedError, Wire

if TYPE_CHECKING:
    from ..request import Request

__all__ = [
    "Offer",
    "SocketClosedError",
    "SocketLimits",
    "WebSocket",
    "WebSocketResource",
    "check_origin",
    "offer_of",
    "turn_after",
]

_MAGIC: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_VERSION: Final = "13"

_report = logging.getLogger("perdure.web")


@attrs.frozen
class Offer:
    """What a client that wants a WebSocket has asked for. `protocols` are in its order."""

    key: str
    protocols: tuple[str, ...]

    def accepted(
        self, wire: Wire, protocol: str | None = None, headers: Iterable[tuple[str, str]] = ()
    ) -> Upgrade:
        """The reply that makes the connection one of `wire`, to speak `protocol`.

        Raises ValueError for a protocol that the client has not offered, and `HeaderError`.
        """
        if protocol is not None and protocol not in self.protocols:
            raise ValueError(f"the client offers {self.protocols}, and not {protocol!r}")
        digest = hashlib.sha1(self.key.encode() + _MAGIC, usedforsecurity=False).digest()
        fields = [
            ("Upgrade", "websocket"),
            ("Sec-WebSocket-Accept", base64.b64encode(digest).decode()),
        ]
        if protocol is not None:
            fields.append(("Sec-WebSocket-Protocol", protocol))
        return Upgrade(wire, [*fields, *headers])


def offer_of(request: "Request") -> Offer:
    """What `request` asks for. Raises `HTTPError` (400) if that is no WebSocket of version 13."""
    headers = request.headers
    if (
        request.method != "GET"
        or request.version != "1.1"
        or "websocket" not in _tokens(headers.get_all("upgrade"))
        or "upgrade" not in _tokens(headers.get_all("connection"))
    ):
        raise HTTPError(400, "This page speaks WebSocket, which the request does not ask for.")
    if headers.get("sec-websocket-version", "") != _VERSION:
        raise HTTPError(
            400,
            f"This page speaks version {_VERSION} of WebSocket.",
            [("Sec-WebSocket-Version", _VERSION)],
        )
    key = headers.get("sec-websocket-key", "")
    try:
        is_key = len(base64.b64decode(key, validate=True)) == 16
    except (binascii.Error, ValueError):
        is_key = False
    if not is_key:
        raise HTTPError(400, "The request has no proper Sec-WebSocket-Key.")
    protocols = [
        each.strip()
        for value in headers.get_all("sec-websocket-protocol")
        for each in value.split(",")
    ]
    return Offer(key, tuple(each for each in protocols if each))


def check_origin(request: "Request", allowed: Sequence[str] = ()) -> None:
    """Refuse a page of another site that would talk in the name of its visitor, cookies and all.

    `allowed` are origins as browsers write them, ``https://app.example.org``, that may do so; ``*``
    stands for all. A page of the same host may, but for one without TLS if this has it, and what is
    no browser: that says nothing. Raises `HTTPError` (403).
    """
    origin = request.headers.get("origin")
    if origin is None or "*" in allowed or origin.lower() in (each.lower() for each in allowed):
        return
    try:
        parts = urlsplit(origin.lower())
        port = {"http": 80, "https": 443}.get(parts.scheme)
    except ValueError:
        parts, port = urlsplit(""), None
    if port is not None and parts.netloc and not (request.secure and port == 80):
        # Behind a proxy that speaks TLS nobody may know which port was meant.
        host = request.host.lower().removesuffix(":80").removesuffix(":443")
        if parts.netloc.removesuffix(f":{port}") == host:
            return
    raise HTTPError(403, "Pages of other sites may not talk to this one.")


def turn_after(request: "Request") -> Turn | None:
    """A turn for what goes on when `request` is answered; None where changes are not made durable.

    It has to do with all components that were touched until now. Its `begin` and `end` are the
    caller's, and to make it the current one.
    """
    if request.turn is None:
        return None
    turn = Turn(request.turn.ledger)
    turn.touched = dict(request.turn.touched)
    return turn


class WebSocket(Wire):
    """The connection to one client, as a `WebSocketResource` sees it.

    ``async for message in socket`` gives the messages, `str` or `bytes`, until the connection is
    closed by whomever. `protocol` is the one agreed on, or None.
    """

    def __init__(
        self, resource: "WebSocketResource", request: "Request", protocol: str | None
    ) -> None:
        super().__init__(resource.limits, turn_after(request))
        self.protocol = protocol
        self._resource = resource
        self._request = request
        self._beside: set[asyncio.Task[None]] = set()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Content:
        try:
            return await self.receive()
        except SocketClosedError:
            raise StopAsyncIteration from None

    def beside(self, work: Coroutine[Any, Any, None]) -> None:
        """Do `work` besides; it is cancelled when ``connected`` ends. If it fails, so does that."""
        task = self._loop.create_task(self._watched(work))
        self._beside.add(task)
        task.add_done_callback(self._beside.discard)

    def opened(self, transport: asyncio.Transport) -> None:
        super().opened(transport)
        self.task = self._loop.create_task(self._run())

    async def _run(self) -> None:
        turn = self.turn
        current.set(turn)
        if turn is not None:
            turn.begin()
        try:
            await self._watched(self._resource.connected(self, self._request))
            if turn is not None and self.code is None:
                # The goodbye tells that all was done.
                await turn.durable()
            self.end()
        except UnsafeError:
            self.end(*UNSAVED)
        finally:
            self.end(1011, "the server failed")
            for task in self._beside:
                task.cancel()
            try:
                if self._beside:
                    await asyncio.wait(self._beside)
            finally:
                # Also if this is cancelled once more: when the server is, and then the connection.
                if turn is not None:
                    self._end(turn)

    def _end(self, turn: Turn) -> None:
        try:
            turn.end()
        except UnsafeError as error:
            line = self._request.head.line.decode("latin-1")
            _report.error("%s from %s: %s", line, self._request.client, error)

    async def _watched(self, work: Coroutine[Any, Any, None]) -> None:
        """Do `work`, and close the connection if it fails."""
        try:
            await work
        except SocketClosedError:
            pass  # It had more to say than the client wanted to hear.
        except UnsafeError:
            self.end(*UNSAVED)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - users' code raises anything
            line = self._request.head.line.decode("latin-1")
            _report.error(
                "%s from %s failed: %s", line, self._request.client, error, exc_info=error
            )
            self.end(1011, "the server failed")


class WebSocketResource(Resource):
    """A page to which clients keep a connection. Subclasses define `connected`.

    `protocols` are the subprotocols it speaks, those preferred first. Only pages of the same host may
    connect, and those of the `origins` given (see `check_origin`). An ordinary request is answered 400.

    A turn goes from one message to the next: what was changed is durable before the next is given,
    and before anything is sent that may tell of it. Where that fails the client hears 1013; where
    `connected` raises, 1011. A server that stops says 1001.
    """

    protocols: Sequence[str] = ()
    origins: Sequence[str] = ()
    limits: SocketLimits = SocketLimits()

    async def connected(self, socket: WebSocket, request: "Request") -> None:
        """Talk to a client; the connection is closed when this returns.

        When the client has gone, the messages that came are still given, then there are no more, and
        to send raises `SocketClosedError`, which need not be caught. It is cancelled if it
        has not ended a second later, and at once if it has never asked for a message.
        """
        raise NotImplementedError

    def render_GET(self, request: "Request") -> Rendered:
        check_origin(request, self.origins)
        offer = offer_of(request)
        protocol = next((each for each in self.protocols if each in offer.protocols), None)
        return offer.accepted(WebSocket(self, request, protocol), protocol)


def _tokens(values: Iterable[str]) -> set[str]:
    return {each.strip().lower() for value in values for each in value.split(",")}
