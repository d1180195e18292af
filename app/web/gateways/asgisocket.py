"""One WebSocket, as an ASGI application sees it (ASGI 3.0, WebSocket 2.4)."""

import asyncio
from typing import Any, Final

from ...turns import UnsafeError, current
from ..errors import error_page
from ..flow import GoneError
from ..later import Later
from ..live.websocket import Offer
from ..live.websocketlimits import UNSAVED, SocketLimits
from ..live.websocketwire import SocketClosedError, Wire
from ..request import Request
from .appledger import AppTurn
from .appresponse import HOP_BY_HOP, AppError, AppResponse
from .asgiexchange import ASGI, Message
from .asgiscope import Scope
from .gateway import complain, serving

_DISCONNECT: Final = "websocket.disconnect"
_OWN: Final = HOP_BY_HOP | {"sec-websocket-accept", "sec-websocket-protocol", "date", "server"}


class SocketExchange:
    """Has an application talk to a client; `reply` is what its request is answered.

    A turn goes from one message to the next: what was changed is durable before the next is given,
    and before anything is sent that may tell of it. If it cannot be, the client hears 1013.
    """

    __slots__ = (
        "_answered",
        "_denial",
        "_has_connected",
        "_is_accepted",
        "_offer",
        "_turn",
        "_wire",
        "reply",
        "request",
        "task",
    )

    def __init__(
        self,
        request: Request,
        offer: Offer,
        limits: SocketLimits,
        turn: AppTurn | None,
    ) -> None:
        self.request = request
        self.reply = Later()
        self.task: asyncio.Task[None] | None = None
        self._offer = offer
        self._answered = asyncio.Event()
        self._denial: tuple[AppResponse, list[bytes]] | None = None
        self._has_connected = False
        self._is_accepted = False
        self._turn = turn
        self._wire = Wire(limits, turn)

    async def run(self, app: ASGI, scope: Scope, running: set[Any]) -> None:
        """Call the application, and see what it leaves. As long as it runs, this is in `running`."""
        running.add(self)
        turn, wire = self._turn, self._wire
        serving.set(self.request.registry)
        current.set(turn)
        if turn is not None:
            turn.begin()
        try:
            await app(scope, self.receive, self.send)
            if not self.reply.is_done:
                raise AppError("returned before it had accepted or refused a WebSocket")
            if turn is not None and wire.code is None:
                # The goodbye tells that all was done.
                await turn.durable()
            wire.end()
        except UnsafeError as error:
            self.reply.fail(error)
            wire.end(*UNSAVED)
        except GoneError:
            pass  # It had more to say than the client wanted to hear.
        except (Exception, SystemExit) as error:  # noqa: BLE001 - users' code raises anything
            if not self.reply.is_done:
                self.reply.fail(error)
            else:
                complain(self.request, error, "failed")
        finally:
            # Whatever came here without: also when the server has no more patience.
            self.reply.fail(asyncio.CancelledError())
            wire.end(1011, "the server failed")
            if turn is not None:
                turn.finish()
            running.discard(self)
            self.task = None

    async def receive(self) -> Message:
        """What the client says, or that it has gone."""
        if not self._has_connected:
            self._has_connected = True
            return {"type": "websocket.connect"}
        if not self._answered.is_set():
            await self._wait_for_answer()
        if not self._is_accepted:
            return {"type": _DISCONNECT, "code": 1006, "reason": ""}
        try:
            message = await self._wire.receive()
        except UnsafeError:
            self._wire.end(*UNSAVED)
            return {"type": _DISCONNECT, "code": UNSAVED[0], "reason": UNSAVED[1]}
        except SocketClosedError as error:
            return {"type": _DISCONNECT, "code": error.code, "reason": error.reason}
        if isinstance(message, str):
            return {"type": "websocket.receive", "text": message}
        return {"type": "websocket.receive", "bytes": message}

    async def send(self, message: Message) -> None:
        """Say something to the client. Raises `GoneError` if nobody is there to hear it, and
        `AppError` for what the protocol does not allow."""
        kind = message["type"]
        if kind == "websocket.send" and self._is_accepted:
            await self._send(message)
        elif kind == "websocket.accept" and not self._answered.is_set():
            self._accept(message)
        elif kind == "websocket.close" and not self._answered.is_set():
            self._answer(error_page(403))
        elif kind == "websocket.close" and self._is_accepted:
            await self._close(message)
        elif kind == "websocket.http.response.start" and not self._answered.is_set():
            self._denial = (AppResponse(message["status"], message.get("headers", ())), [])
        elif kind == "websocket.http.response.body" and self._denial is not None:
            response, pieces = self._denial
            pieces.append(bytes(message.get("body", b"")))
            if not message.get("more_body", False):
                response.take(b"".join(pieces), self.request.method)
                self._answer(response)
        else:
            raise AppError(f"sent a message that is not due, {kind!r}")

    async def _send(self, message: Message) -> None:
        text = message.get("text")
        content = message.get("bytes") if text is None else text
        if not isinstance(content, str | bytes):
            raise AppError(f"sent neither text nor bytes: {content!r}")
        try:
            await self._wire.send(content)
        except UnsafeError:
            self._wire.end(*UNSAVED)
            raise GoneError from None
        except SocketClosedError:
            raise GoneError from None

    async def _close(self, message: Message) -> None:
        try:
            if self._turn is not None:
                await self._turn.durable()
            self._wire.close(message.get("code", 1000) or 1000, message.get("reason") or "")
        except UnsafeError:
            self._wire.end(*UNSAVED)
        except (TypeError, ValueError) as error:
            raise AppError(f"closed a WebSocket as cannot be: {error}") from None

    def _accept(self, message: Message) -> None:
        fields: list[tuple[str, str]] = []
        # As for a reply: what cannot be sent is refused, what is the server's left out.
        for name, value in AppResponse(200, message.get("headers", ())).headers:
            if name.lower() not in _OWN:
                fields.append((name, value))
        try:
            upgrade = self._offer.accepted(self._wire, message.get("subprotocol"), fields)
        except ValueError as error:
            raise AppError(f"accepted a WebSocket as cannot be: {error}") from None
        self._is_accepted = True
        self._answer(upgrade)

    def _answer(self, rendered: Any) -> None:
        turn = self.request.turn
        if turn is not None and self._turn is not None:
            turn.touched.update(self._turn.touched)
        self._answered.set()
        self.reply.set(rendered)

    async def _wait_for_answer(self) -> None:
        waits = [
            asyncio.ensure_future(self.request.closed.wait()),
            asyncio.ensure_future(self._answered.wait()),
        ]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in waits:
                each.cancel()
