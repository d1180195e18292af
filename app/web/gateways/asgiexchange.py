"""One request and its reply, as an ASGI application sees them (ASGI 3.0, HTTP 2.4)."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from typing import Any, Final, cast

from ...turns import UnsafeError, current
from ..body import BodyDroppedError, ClientGoneError
from ..errors import HTTPError
from ..flow import Flow, GoneError
from ..later import Later
from ..request import Request
from ..response import BODILESS, Response
from .appledger import AppTurn
from .appresponse import AppError, AppResponse
from .asgiscope import Scope
from .gateway import complain, serving

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGI = Callable[[Scope, Receive, Send], Awaitable[None]]

_DISCONNECT: Final = "http.disconnect"

_PATIENCE: Final = 5.0
"""Seconds in which an application may go on giving a body where there is none, as of a HEAD: some do
what they have to when they have given all of it."""


class Exchange:
    """Has an application answer `request`; `reply` is what comes of it.

    The application is a turn of its own, which ends with it and not with the reply. It goes on when
    its client is gone, as its protocol says.
    """

    __slots__ = (
        "_body",
        "_done",
        "_flow",
        "_is_read",
        "_left",
        "_over",
        "_response",
        "_turn",
        "_until",
        "reply",
        "request",
        "task",
    )

    def __init__(self, request: Request, turn: AppTurn | None) -> None:
        self.request = request
        self.reply = Later()
        self.task: asyncio.Task[None] | None = None
        self._response: AppResponse | None = None
        self._flow: Flow | None = None
        self._done = False
        self._is_read = False
        self._body: AsyncIterator[bytes] | None = None if request.body is None else request.stream()
        self._left: asyncio.Future[None] | None = None
        self._over: asyncio.Event | None = None
        self._turn = turn
        self._until = 0.0

    async def run(self, app: ASGI, scope: Scope, running: set[Any]) -> None:
        """Call the application, and see what it leaves. As long as it runs, this is in `running`."""
        running.add(self)
        turn = self._turn
        serving.set(self.request.registry)
        current.set(turn)
        try:
            await app(scope, self.receive, self.send)
            if not self._done:
                self._fail(AppError("returned before its reply was complete"))
        except asyncio.CancelledError as error:
            self._fail(error)
            raise
        except (Exception, SystemExit) as error:  # noqa: BLE001 - users' code raises anything
            self._fail(error)
        finally:
            if turn is not None:
                turn.finish()
            running.discard(self)
            self.task = None

    async def receive(self) -> Message:
        """A piece of the request's body, or that there is nobody or nothing more to wait for."""
        body = self.request.body
        if body is None and not self._is_read:
            self._is_read = True
            return {"type": "http.request", "body": b"", "more_body": False}
        if body is not None and self._body is not None and not self._is_read and not self._done:
            try:
                piece = await anext(self._body, b"")
            except HTTPError as error:
                # Whatever the application makes of it, the client is told what was wrong.
                self._refuse(error)
                return {"type": _DISCONNECT}
            except (BodyDroppedError, ClientGoneError):
                return {"type": _DISCONNECT}
            self._is_read = body.complete and not body.buffered
            return {"type": "http.request", "body": piece, "more_body": not self._is_read}
        await self._ended()
        return {"type": _DISCONNECT}

    async def send(self, message: Message) -> None:
        """A part of the reply. Of one that comes in pieces, returns when the piece has left.

        Then it raises `GoneError` when the client is gone, also where the reply was cut because it
        told of what cannot be saved; where there is no body, when it was given for some seconds.
        Raises `AppError` for what the protocol does not allow.
        """
        kind = message["type"]
        if kind == "http.response.body":
            response = self._response
            if response is None or self._done:
                raise AppError("sent a body where none is due")
            body = message.get("body", b"")
            if not isinstance(body, bytes):
                if not isinstance(body, bytearray | memoryview):
                    raise AppError(f"sent a body that is not made of bytes: {body!r}")
                body = bytes(cast("bytearray | memoryview", body))
            if self._flow is not None or message.get("more_body", False):
                await self._send_piece(response, body, bool(message.get("more_body", False)))
                return
            response.take(body, self.request.method)
            self._finish()
            self._answer(response)
        elif kind == "http.response.start":
            if self._response is not None:
                raise AppError("began its reply twice")
            self._response = AppResponse(message["status"], message.get("headers", ()))
        else:
            raise AppError(f"sent a message of an unknown type, {kind!r}")

    async def _send_piece(self, response: AppResponse, body: bytes, is_more: bool) -> None:
        flow = self._flow
        if flow is None:
            flow = self._flow = Flow(self._share, self._wake)
            if self.request.method == "HEAD" or response.status in BODILESS:
                response.take(b"", "HEAD")
                flow.close()
                self._answer(response)
                self._until = asyncio.get_running_loop().time() + _PATIENCE
                if self._over is not None:
                    self._over.set()
            else:
                self._answer(response.flowing(flow.body()))
        if not is_more:
            self._finish()
        if flow.is_closed:
            if asyncio.get_running_loop().time() >= self._until:
                raise GoneError
            await asyncio.sleep(0)
            return
        flow.put(body)
        if is_more:
            self._left = asyncio.get_running_loop().create_future()
            await self._left
            if flow.is_closed and not self._done:
                raise GoneError
        else:
            flow.end()

    def _answer(self, response: Response) -> None:
        if self.reply.is_done:
            return
        self._share()
        turn = self._turn
        if turn is not None and turn.is_refused and response.status >= 500:
            self.reply.fail(UnsafeError("a change was refused"))
        else:
            self.reply.set(response)

    def _refuse(self, error: HTTPError) -> None:
        if not self.reply.is_done:
            self.reply.fail(error)
        elif self._flow is not None:
            self._flow.fail(error)

    def _fail(self, error: BaseException) -> None:
        """The application has raised."""
        if not self.reply.is_done:
            self._share()
            if self._turn is not None and self._turn.is_refused:
                error = UnsafeError("a change was refused")
            self.reply.fail(error)
        elif self._flow is not None and not self._done:
            self._flow.fail(error)
        elif not isinstance(error, asyncio.CancelledError):
            complain(self.request, error, "went wrong after its reply")
        self._finish()

    def _finish(self) -> None:
        self._done = True
        if self._over is not None:
            self._over.set()

    def _share(self) -> None:
        """What the application has touched is what the reply may tell of."""
        turn = self.request.turn
        if turn is not None and self._turn is not None:
            turn.touched.update(self._turn.touched)

    def _wake(self) -> None:
        left, self._left = self._left, None
        if left is not None and not left.done():
            left.set_result(None)

    async def _ended(self) -> None:
        """Returns when the reply is complete, or the client gone."""
        if self._done or (self._flow is not None and self._flow.is_closed):
            return
        over = self._over = self._over or asyncio.Event()
        waits = [
            asyncio.ensure_future(self.request.closed.wait()),
            asyncio.ensure_future(over.wait()),
        ]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in waits:
                each.cancel()
