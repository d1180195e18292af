"""WSGI applications as resources: Flask, Django and the like, at any place of a site."""

import asyncio
import io
from typing import IO, ClassVar, Final

from ....persist.persistent import persistent
from ..errors import error_page
from ..request import Request
from ..resource import Rendered
from ..response import Response
from ..spool import Gathered
from .gateway import App, Gateway
from .workers import Workers
from .wsgicall import Call
from .wsgienviron import environ_of

_MEMORY: Final = 64 * 1024
"""Bytes of a request's body; what is longer is kept in a file."""

_REST: Final = 3.0
"""Seconds, at a stop, for what goes on behind replies."""


@persistent(transient=("_loaded", "_workers"))
class WSGIApplication(Gateway):
    """The WSGI application called ``module:object``, at this place and below.

    It is called in one of `threads` threads, and no more than `waiting` requests wait for one: who
    comes then is answered 503. A thread is needed from when the whole request is there, so that slow
    clients keep none busy with their sending; bodies too large for memory are in a file meanwhile.

    What it gets by `current_registry` is watched, and its replies wait until what they may tell of is
    saved. From the first component that it gets, a thread is the only one to have to do with
    components until it has answered, or waits for its client: slow work is best done before.
    """

    protocol: ClassVar[str] = "WSGI"
    threads: int = 8
    waiting: int = 100
    _workers: Workers | None = None

    def __init__(self, app: str | App, *, threads: int = threads, waiting: int = waiting) -> None:
        super().__init__(app)
        for name, value, least in (("threads", threads, 1), ("waiting", waiting, 0)):
            if type(value) is not int or value < least:
                raise ValueError(f"{name} is a number from {least} up, not {value!r}")
            if value != getattr(type(self), name):
                setattr(self, name, value)

    async def quiesce(self) -> None:
        if self._workers is not None:
            await self._workers.rest()

    async def close(self) -> None:
        try:
            async with asyncio.timeout(_REST):
                await self.quiesce()
        except TimeoutError:
            pass  # They are daemons.
        workers, self._workers = self._workers, None
        if workers is not None:
            workers.close()

    def render(self, request: Request) -> Rendered:
        if request.head.path == "*":
            return Response(b"", 204)  # RFC 9110, 9.3.7: asked of the server, not of a page
        workers = self._workers
        if workers is None:
            workers = self._workers = Workers(repr(self), self.threads, self.waiting)
        call = Call(request, asyncio.get_running_loop(), workers)
        if request.body is None:
            return self._begin(call, io.BytesIO(), None)
        return self._gathered(call)

    async def _gathered(self, call: Call) -> Rendered:
        """Calls the application when all of the request is there."""
        body = call.body = Gathered(_MEMORY)
        try:
            async for piece in call.request.stream():
                await body.append(piece)
        except BaseException:
            body.close()
            raise
        return self._begin(call, body.open(), body.size)

    def _begin(self, call: Call, body: IO[bytes], length: int | None) -> Rendered:
        if call.workers.is_full:
            if call.body is not None:
                call.body.close()
            return error_page(503, headers=[("Retry-After", "1")])
        call.begin(self._loaded or self.load(), environ_of(call.request, body, length))
        return call.reply
