"""ASGI applications as resources: FastAPI, Starlette, Django and the like, at any place of a site."""

import asyncio
from typing import TYPE_CHECKING, ClassVar, Final

from ....persist.persistent import persistent
from ...turns import Committer
from ..live.websocket import offer_of
from ..live.websocketlimits import SocketLimits
from ..request import Request
from ..resource import Rendered
from ..response import Response
from .appledger import AppLedger, AppTurn
from .asgiexchange import Exchange
from .asgiscope import scope_of
from .asgisocket import SocketExchange
from .gateway import Gateway
from .lifespan import Lifespan

if TYPE_CHECKING:
    from ...application import Application

_REST: Final = 2.0
_LAST: Final = 1.0
_SHUTDOWN: Final = 5.0
"""Seconds, at a stop, for work that goes on behind replies, for what it does when it is cancelled, and
for the application's own end: less in all than a service has to stop."""


@persistent(transient=("_ledger", "_lifespan", "_loaded", "_opened", "_running"))
class ASGIApplication(Gateway):
    """The ASGI application called ``module:object``, at this place and below.

    It is told when the server starts and stops (lifespan), if it wants to be told. What it gets by
    `current_registry` is watched, and its replies wait until what they may tell of is saved, each
    piece of a stream and each message of a WebSocket too. It is not cancelled when a client leaves,
    and may work on when its reply is complete; a stop waits some seconds for that.
    """

    protocol: ClassVar[str] = "ASGI"
    _ledger: AppLedger | None = None
    _lifespan: Lifespan | None = None
    _opened: int = 0
    _running: "set[Exchange | SocketExchange] | None" = None

    socket_limits = SocketLimits()
    """Bounds for each WebSocket. Set it on the instance: class attributes are not saved."""

    async def open(self, application: "Application") -> None:
        self._opened += 1
        if self._opened == 1:
            self._lifespan = Lifespan(repr(self), self.load(), application)
            await self._lifespan.start()

    async def quiesce(self) -> None:
        await _settled(self._running or set(), None)

    async def close(self) -> None:
        self._opened = max(self._opened - 1, 0)
        if self._opened:
            return
        running = self._running or set()
        await _settled(running, _REST)
        for each in tuple(running):
            if each.task is not None:
                each.task.cancel()
        await _settled(running, _LAST)
        lifespan, self._lifespan = self._lifespan, None
        if lifespan is not None:
            await lifespan.stop(_SHUTDOWN)

    def render(self, request: Request) -> Rendered:
        if request.head.path == "*":
            return Response(b"", 204)  # RFC 9110, 9.3.7: asked of the server, not of a page
        lifespan = self._lifespan
        state = None if lifespan is None else lifespan.state
        loop = asyncio.get_running_loop()
        running = self._running
        if running is None:
            running = self._running = set()
        turn = None if request.turn is None else self._turn(request.turn.ledger, loop)
        exchange: Exchange | SocketExchange
        if _is_for_websocket(request):
            offer = offer_of(request)
            exchange = SocketExchange(request, offer, self.socket_limits, turn)
            scope = scope_of(request, "websocket", state)
            scope["subprotocols"] = list(offer.protocols)
        else:
            exchange = Exchange(request, turn)
            scope = scope_of(request, "http", state)
        exchange.task = loop.create_task(exchange.run(self._loaded or self.load(), scope, running))
        return exchange.reply

    def _turn(self, ledger: Committer | None, loop: asyncio.AbstractEventLoop) -> AppTurn | None:
        if ledger is None:
            return None
        own = self._ledger
        if own is None or not own.is_for(ledger):
            own = self._ledger = AppLedger(ledger, loop)
        return AppTurn(own)


def _is_for_websocket(request: Request) -> bool:
    # Looked for in the bytes: most requests have no such field, and need not be taken apart for that.
    if request.method != "GET" or b"pgrade" not in request.head.raw:
        return False
    return "websocket" in request.headers.get("upgrade", "").lower()


async def _settled(running: set[Exchange | SocketExchange], seconds: float | None) -> None:
    tasks = [each.task for each in running if each.task is not None]
    if tasks:
        await asyncio.wait(tasks, timeout=seconds)
