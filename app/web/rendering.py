"""The middle of a connection: a request becomes a reply.

A render that gives its reply at once costs no task. Everything that waits (an ``async`` render,
a stream, a large file) is one task, which ends when the client goes. A render that returns a `Later`
has it made elsewhere, by what goes on when the client has gone.
"""

import asyncio
import functools
import logging
import traceback
from collections.abc import AsyncIterable, Awaitable
from typing import Final, cast

from ...persist.errors import PerdureError
from ...persist.parked import ParkedError
from ..ledger import Ledger
from ..turns import Turn, UnsafeError, current
from .errors import HTTPError, error_page
from .filebody import FileBody
from .later import Later
from .output import BUSY, SENDING, Output
from .request import Request
from .resource import Rendered, Resource, ResourceError, resource_for
from .response import BODILESS, PreparedResponse, Response, type_of_bytes, type_of_str
from .sending import SMALL, FileSender, copy_file, read_file, send_stream
from .upgrade import Upgrade

_TEXT: Final = (
    f"HTTP/1.1 200 OK\r\nContent-Type: {type_of_str}\r\nContent-Length: ".encode() + b"%d\r\n"
)
_BYTES: Final = (
    f"HTTP/1.1 200 OK\r\nContent-Type: {type_of_bytes}\r\nContent-Length: ".encode() + b"%d\r\n"
)

_WHOLE: Final = frozenset((str, bytes, PreparedResponse))
_NOT_NOW: Final = "Nothing can be saved at the moment, so nothing was done. Please try again soon."

_MISSING_KEY: Final = "BadRequestKeyError"
"""Of werkzeug. Not by its class: a module that was not needed before cannot be imported to answer for a
failure, when what failed is that no file can be opened."""

_NO_PROXY: Final = "This server is not a proxy."

_NOT_LOADED: Final = "A part of what this page needs is not available at the moment."

_report = logging.getLogger("perdure.web")


class Rendering(Output):
    """Finds the resource for a request, has it rendered, and sends what comes of it."""

    __slots__ = ()

    def rendered(self) -> None:
        """A reply is complete that did not come at once."""
        raise NotImplementedError

    def upgrade(self, request: Request, upgrade: Upgrade) -> None:
        """The connection is to be handed over."""
        raise NotImplementedError

    def answer(self, request: Request) -> None:
        """Answers `request`, or starts the task that will."""
        self._request = request
        self._phase = BUSY
        if self._server.draining:
            request.drain()
        ledger = self._server.ledger
        if ledger is None:
            self._answer(request)
            return
        request.turn = turn = Turn(ledger)
        token = current.set(turn)
        try:
            self._answer(request)
        finally:
            current.reset(token)

    def _answer(self, request: Request) -> None:
        resource: Resource | None = None
        try:
            request.root = self._server.site.resource
            resource = resource_for(request.root, request)
            if request.method == "CONNECT" and not resource.takes_connect:
                raise HTTPError(501, _NO_PROXY, [("Connection", "close")])
            if request.turn is not None and resource.tells_state:
                request.turn.touch_held(resource)
            self._deliver(request, resource, resource.render(request))
        except (Exception, SystemExit) as error:  # noqa: BLE001 - users' code raises anything
            self._fail(request, resource, error)

    def _deliver(self, request: Request, resource: Resource | None, rendered: Rendered) -> None:
        """Sends what was rendered, or starts what will; raises if that cannot be.

        It is held as long as what it may tell of could still be lost.
        """
        if type(rendered) is Later:
            rendered.when_done(functools.partial(self._arrived, request, resource))
            return
        if request.transforms is not None:
            rendered = _transformed(request, rendered)
        turn, ledger = request.turn, self._server.ledger
        if turn is None or ledger is None:
            self._send(request, resource, rendered)
        elif type(rendered) not in _WHOLE and _comes_later(rendered):
            turn.begin()
            self._send(request, resource, rendered)
        elif not turn.touched and (
            ledger.is_settled() or (resource is not None and not resource.tells_state)
        ):
            turn.touched = ledger.roaming
            self._send(request, resource, rendered)
        else:
            self._hold(request, turn, ledger, resource, rendered)

    def _arrived(self, request: Request, resource: Resource | None, later: Later) -> None:
        """Sends what somebody else has rendered, in a task or thread of its own."""
        try:
            rendered = later.result()
            if self._request is request:
                self._deliver(request, resource, rendered)
            else:
                _discard(rendered)
        except (Exception, SystemExit, asyncio.CancelledError) as error:  # noqa: BLE001 - as above
            if self._request is request:
                self._fail(request, resource, error)
        if self._task is None:
            self.rendered()

    def _hold(
        self,
        request: Request,
        turn: Turn,
        ledger: Ledger,
        resource: Resource | None,
        rendered: Rendered,
    ) -> None:
        """Sends what was rendered once all that was changed before it is durable."""

        def release(failure: UnsafeError | None) -> None:
            if self._request is request:
                self._release(
                    request, resource, rendered if failure is None else _refusal(rendered)
                )
            else:
                _discard(rendered)

        if ledger.gather(turn, release):
            turn.touched = ledger.roaming
            return
        try:
            sequence = turn.commit()
        except UnsafeError:
            rendered, sequence = _refusal(rendered), 0
        if self._task is None:
            turn.touched = ledger.roaming
        if ledger.has_reached(sequence):
            self._send(request, resource, rendered)
        else:
            ledger.when_reached(sequence, release)

    def _release(self, request: Request, resource: Resource | None, rendered: Rendered) -> None:
        try:
            self._send(request, resource, rendered)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - as in `_answer`
            self._send(request, resource, self._failed(request, error))
        if self._task is None:
            self.rendered()

    def _send(self, request: Request, resource: Resource | None, rendered: Rendered) -> None:
        kind = type(rendered)
        if kind is str:
            body = cast(str, rendered).encode()
            self.reply(request, 200, _TEXT % len(body), body)
        elif kind is bytes:
            self.reply(request, 200, _BYTES % len(cast(bytes, rendered)), cast(bytes, rendered))
        elif kind is PreparedResponse:
            prepared = cast(PreparedResponse, rendered)
            self.reply(request, prepared.status, prepared.head, prepared.body)
        elif isinstance(rendered, Response):
            self._respond(request, resource, rendered)
        elif isinstance(rendered, str):
            self._send(request, resource, str(rendered))
        elif isinstance(rendered, Upgrade):
            self.upgrade(request, rendered)
        elif hasattr(kind, "__await__") or hasattr(kind, "__aiter__"):
            self._task = self._server.loop.create_task(self._run(request, resource, rendered))
        else:
            raise ResourceError(
                resource, f"rendering {request.method} returned {rendered!r}, which is no reply"
            )

    def _respond(self, request: Request, resource: Resource | None, response: Response) -> None:
        body = response.body
        if isinstance(body, str):
            body = body.encode()
        if isinstance(body, FileBody):
            self._send_file(request, response, body)
        elif isinstance(body, bytes):
            head = response.head(len(body))
            if response.status in BODILESS:
                body = b""
            self.reply(request, response.status, head, body, response.closes)
        elif not hasattr(type(body), "__aiter__"):
            raise ResourceError(resource, f"the body of its response is {body!r}")
        else:
            self._task = self._server.loop.create_task(self._run(request, resource, response))

    async def _run(self, request: Request, resource: Resource | None, rendered: Rendered) -> None:
        """The task of a reply that does not come at once."""
        try:
            while hasattr(type(rendered), "__await__"):
                rendered = await cast("Awaitable[Rendered]", rendered)
            if hasattr(type(rendered), "__aiter__"):
                rendered = Response(cast("AsyncIterable[str | bytes]", rendered))
            if request.transforms is not None:
                rendered = _transformed(request, rendered)
            if isinstance(rendered, Response) and hasattr(type(rendered.body), "__aiter__"):
                tells_state = resource is None or resource.tells_state
                await send_stream(self, request, rendered, tells_state=tells_state)
            elif self._request is request:
                self._deliver(request, resource, rendered)
            else:
                _discard(rendered)
        except asyncio.CancelledError as error:
            # If it is not the channel that cancelled, a resource failed: its client must not wait.
            if self._request is request:
                self._fail(request, resource, error)
            raise
        except (Exception, SystemExit) as error:  # noqa: BLE001 - users' code raises anything
            if self._request is request:
                self._fail(request, resource, error)
        finally:
            request.release()
            if request.turn is not None:
                # Also what it did after its reply, or for a client that has gone.
                request.turn.finish()
            self._end_task()

    def _end_task(self) -> None:
        if self._task is asyncio.current_task():
            self._task = None
            self.rendered()

    def _send_file(self, request: Request, response: Response, body: FileBody) -> None:
        head = response.head(body.length)
        if request.method == "HEAD" or response.status in BODILESS:
            body.close()
            self.reply(request, response.status, head, b"", response.closes)
        elif body.length <= SMALL:
            try:
                content = read_file(body)
            finally:
                body.close()
            self.reply(request, response.status, head, content, response.closes)
        else:
            self._phase = SENDING
            keeps = self.keeps(request, response.closes)
            self.leave(head + self.ending(request, keeps))
            self.uncork()
            try:
                sender = None if self._secure else FileSender(self, body)
                if sender is not None and sender.begin():
                    body.close()
                    self.finish(request, response.status, body.length, keeps)
                    return
            except (OSError, PerdureError) as error:
                self._break_off_file(request, response, body, error)
                return
            self._task = self._server.loop.create_task(
                self._run_file(request, response, body, sender, keeps)
            )

    async def _run_file(
        self,
        request: Request,
        response: Response,
        body: FileBody,
        sender: FileSender | None,
        keeps: bool,
    ) -> None:
        """The task of a file that the client does not take at once."""
        try:
            await (copy_file(self, body) if sender is None else sender.run())
            if self._request is request:
                self.finish(request, response.status, body.length, keeps)
        except (OSError, PerdureError) as error:
            self._break_off_file(request, response, body, error)
        finally:
            body.close()
            self._end_task()

    def _break_off_file(
        self, request: Request, response: Response, body: FileBody, error: Exception
    ) -> None:
        body.close()
        if self._request is not request:
            return
        if not isinstance(error, ConnectionError):
            line = request.head.line.decode("latin-1")
            _report.error("%s from %s broke off: %s", line, request.client, error)
        self.break_off(request, response.status, 0)

    def _fail(self, request: Request, resource: Resource | None, error: BaseException) -> None:
        """Answers with the page for an error."""
        if self._request is not request:
            raise error
        self._deliver(request, resource, self._failed(request, error))

    def _failed(self, request: Request, error: BaseException) -> Response:
        """The page for an error, which is reported unless it was meant as an answer."""
        if isinstance(error, UnsafeError):
            return _refusal(b"")
        line = request.head.line.decode("latin-1")
        if isinstance(error, ParkedError):
            _report.error("%s from %s: %s", line, request.client, error)
            return error_page(503, _NOT_LOADED)
        if isinstance(error, HTTPError):
            try:
                return error_page(error.status, error.detail, headers=error.headers)
            except PerdureError as unfit:
                error = unfit
        if type(error).__name__ == _MISSING_KEY and isinstance(error, KeyError):
            # Of ``request.args["name"]`` or a form's field: what is missing is the client's fault.
            return error_page(400, f"The request lacks the field {error.args[0]!r}.")
        _report.error("%s from %s failed: %s", line, request.client, error, exc_info=error)
        if not self._server.site.display_tracebacks:
            return error_page(500)
        return error_page(500, trace="".join(traceback.format_exception(error)))


def _transformed(request: Request, rendered: Rendered) -> Rendered:
    """What the transforms that were asked for make of what was rendered; as it is if it is none yet."""
    if hasattr(type(rendered), "__await__") or isinstance(rendered, Upgrade):
        return rendered
    if isinstance(rendered, PreparedResponse):
        response = rendered.response()
    elif isinstance(rendered, Response):
        response = rendered
    elif isinstance(rendered, str | bytes) or hasattr(type(rendered), "__aiter__"):
        response = Response(cast("str | bytes | AsyncIterable[str | bytes]", rendered))
    else:
        return rendered
    transforms, request.transforms = request.transforms or (), None
    for transform in reversed(transforms):
        response = transform(request, response)
    return response


def _comes_later(rendered: Rendered) -> bool:
    kind: type = type(rendered)
    if isinstance(rendered, Response):
        kind = type(rendered.body)
    return hasattr(kind, "__aiter__") or hasattr(kind, "__await__")


def _refusal(rendered: Rendered) -> Response:
    """What is answered instead of `rendered`, which tells of changes that were undone."""
    _discard(rendered)
    return error_page(503, _NOT_NOW, headers=[("Retry-After", "1")])


def _discard(rendered: Rendered) -> None:
    if isinstance(rendered, Response) and isinstance(rendered.body, FileBody):
        rendered.body.close()
    elif isinstance(rendered, Upgrade):
        rendered.tunnel.closed(None)
