"""One call of a WSGI application, in a thread, and what comes of it in the event loop (PEP 3333)."""

import asyncio
import re
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from contextvars import Context, copy_context
from types import TracebackType
from typing import Any, Final, cast

from ...turns import UnsafeError, current
from ..flow import Flow, GoneError
from ..later import Later
from ..request import Request
from ..response import BODILESS, Response
from ..spool import Gathered
from .appledger import AppTurn, ThreadLedger
from .appresponse import HOP_BY_HOP, AppError, AppResponse
from .gateway import complain, serving
from .workers import Workers
from .wsgienviron import Environ, FileWrapper

WSGI = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]
ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None]

_ROOM: Final = 4
"""Pieces of a reply that may wait for the client; then the thread does."""

_STATUS = re.compile(r"([0-9]{3})(?: (.*))?", re.DOTALL)


class Call:
    """Has an application answer `request`; `reply` is what comes of it.

    `run` is for a thread, all else for the event loop. The application is a turn of its own. Where it
    has to do with components it is alone, as by `Application.in_thread`, except while it waits for
    its client. It is not stopped when that is gone, but told when it has more to send.
    """

    __slots__ = (
        "_app",
        "_context",
        "_environ",
        "_flow",
        "_is_complete",
        "_is_head",
        "_ledger",
        "_loop",
        "_response",
        "_room",
        "_turn",
        "body",
        "reply",
        "request",
        "workers",
    )

    def __init__(
        self,
        request: Request,
        loop: asyncio.AbstractEventLoop,
        workers: Workers,
    ) -> None:
        self.request = request
        self.reply = Later()
        self.body: Gathered | None = None
        self.workers = workers
        self._app: WSGI | None = None
        self._environ: Environ = {}
        self._context: Context = copy_context()
        self._flow: Flow | None = None
        self._is_complete = False
        self._is_head = request.method == "HEAD"
        self._loop = loop
        self._response: AppResponse | None = None
        self._room: threading.Semaphore | None = None
        ledger = None if request.turn is None else request.turn.ledger
        self._ledger = ThreadLedger(ledger, loop, request.registry.between_threads)
        self._turn = AppTurn(self._ledger)

    def begin(self, app: WSGI, environ: Environ) -> None:
        """Have `app` called by one of `workers`."""
        self._app = app
        self._environ = environ
        self._context.run(serving.set, self.request.registry)
        self._context.run(current.set, self._turn)
        self.workers.begin(self.run)

    # In the thread.

    def run(self) -> None:
        """Call the application, and give what it says to the loop. Raises nothing."""
        with suppress(RuntimeError):  # the loop is closed: nobody is there to be told
            self._context.run(self._run)

    def _run(self) -> None:
        assert self._app is not None
        result: Iterable[bytes] | None = None
        error: BaseException | None = None
        try:
            result = self._app(self._environ, self._start_response)
            self._take(result)
        except GoneError:
            pass
        except BaseException as raised:  # noqa: BLE001 - users' code raises anything
            error = raised
        try:
            close = getattr(result, "close", None)
            if close is not None:
                close()
        except BaseException as raised:  # noqa: BLE001 - as above
            error = error or raised
        was_alone, self._ledger.is_alone = self._ledger.is_alone, False
        self._environ = {}
        self._loop.call_soon_threadsafe(self._ended, error, was_alone)

    def _start_response(
        self, status: str, headers: list[tuple[str, str]], exc_info: ExcInfo | None = None, /
    ) -> Callable[[bytes], None]:
        if exc_info is not None:
            try:
                if self._flow is not None or self._is_complete:
                    raise exc_info[1].with_traceback(exc_info[2])
            finally:
                exc_info = None
        elif self._response is not None:
            raise AppError("called start_response twice, the second time without exc_info")
        self._response = _response(status, headers)
        return self._give

    def _take(self, result: Iterable[bytes]) -> None:
        if isinstance(result, list | tuple) and len(result) <= 1:
            # All there is, so its length is known.
            piece: bytes = result[0] if result else b""
            if self._flow is None and not self._is_complete:
                self._give(piece, is_whole=True)
                return
        elif isinstance(result, FileWrapper) and self._flow is None and not self._is_complete:
            response = self._begun()
            body = None if self._is_head else result.body(response.declared_length)
            if body is not None:
                response.send_file(body)
                self._finish(response)
                return
        for piece in result:
            if piece != b"":
                self._give(piece)
            if self._is_complete and (self._is_head or self._begun().status in BODILESS):
                return  # There is no body, however long it takes to make one.
        if not self._is_complete:
            self._give(b"", is_whole=True)

    def _give(self, piece: bytes, /, is_whole: bool = False) -> None:
        """Send a piece of the body; what ``write`` is. `is_whole`: it is the last."""
        if type(piece) is not bytes:
            raise AppError(f"gave a piece of its body that is not bytes: {piece!r}")
        response = self._begun()
        if self._is_complete:
            if piece and not self._is_head and response.status not in BODILESS:
                raise AppError("gave more than it had announced")
            return
        if self._flow is None:
            if is_whole or len(piece) == response.declared_length:
                response.take(piece, self.request.method)
                self._finish(response)
                return
            if self._is_head or response.status in BODILESS:
                response.take(b"", "HEAD")
                self._finish(response)
                return
            self._room = threading.Semaphore(_ROOM)
            self._flow = Flow(self._share, self._room.release)
            flowing = response.flowing(self._flow.body())
            self._loop.call_soon_threadsafe(self._answer, flowing)
            del flowing  # Only who sends it has it: when nobody has, nobody wants more.
        if is_whole:
            self._is_complete = True
            self._loop.call_soon_threadsafe(self._flow.end)
        elif piece:
            self._send(self._flow, piece)

    def _send(self, flow: Flow, piece: bytes) -> None:
        assert self._room is not None
        if not self._room.acquire(blocking=False):
            # While it waits for its client it is in nobody's way.
            was_alone, self._ledger.is_alone = self._ledger.is_alone, False
            if was_alone:
                self._loop.call_soon_threadsafe(self._paused)
            self._room.acquire()
            if was_alone:
                self._ledger.acquire()
        if flow.is_closed:
            self._room.release()
            raise GoneError
        self._loop.call_soon_threadsafe(flow.put, piece)

    def _begun(self) -> AppResponse:
        if self._response is None:
            raise AppError("gave a body before it had called start_response")
        return self._response

    def _finish(self, response: AppResponse) -> None:
        self._is_complete = True
        self._loop.call_soon_threadsafe(self._answer, response)

    # In the loop.

    def _answer(self, response: Response) -> None:
        if self.reply.is_done:
            if self._flow is not None:
                self._flow.close()
            return
        self._share()
        try:
            # Now, while no other thread is in the middle of changing the same.
            if self._turn.touched:
                self._turn.commit()
            if self._turn.is_refused and response.status >= 500:
                raise UnsafeError("a change was refused")
        except UnsafeError as error:
            self.reply.fail(error)
            if self._flow is not None:
                self._flow.close()
        else:
            self.reply.set(response)

    def _ended(self, error: BaseException | None, was_alone: bool) -> None:
        if not self.reply.is_done:
            self._share()
        self._turn.finish()
        if was_alone:
            self._ledger.release()
        if error is not None:
            self._fail(error)
        if self.body is not None:
            self.body.close()
        self.workers.done()

    def _paused(self) -> None:
        with suppress(UnsafeError):
            self._turn.commit()
        self._ledger.release()

    def _fail(self, error: BaseException) -> None:
        if not self.reply.is_done:
            if self._turn.is_refused:
                error = UnsafeError("a change was refused")
            self.reply.fail(error)
        elif self._flow is not None and not self._is_complete:
            self._flow.fail(error)
        else:
            complain(self.request, error, "went wrong after its reply")

    def _share(self) -> None:
        """What the application has touched is what the reply may tell of."""
        turn = self.request.turn
        if turn is not None:
            turn.touched.update(self._turn.touched)


def _response(status: object, headers: Any) -> AppResponse:
    found = _STATUS.fullmatch(status) if isinstance(status, str) else None
    if found is None:
        raise AppError(f"gave a status that is not like '200 OK': {status!r}")
    if not isinstance(cast(object, headers), list):
        raise AppError(f"gave header fields that are not a list: {headers!r}")
    return AppResponse(int(found[1]), map(_encoded, headers), found[2])


def _encoded(pair: Any) -> tuple[bytes, bytes]:
    try:
        name, value = pair
        encoded = name.encode("latin-1"), value.encode("latin-1")
    except (AttributeError, TypeError, ValueError):
        raise AppError(
            f"gave a header field that is not a pair of str in Latin-1: {pair!r}"
        ) from None
    if name.lower() in HOP_BY_HOP:
        raise AppError(f"gave the header field {name!r}, which is the server's to send")
    return encoded
