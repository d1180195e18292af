"""Server-sent events: a page that goes on telling (HTML Living Standard, 9.2).

::

    class Counting(EventStream):
        async def events(self, request):
            async for counter in watching(request.registry, Counter, default=Counter):
                yield str(counter.value)

A browser hears that with ``new EventSource(address)``, and connects again by itself when the connection
is gone.
"""

import asyncio
import re
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any, Final

import attrs

from ....persist.errors import PerdureError
from ..resource import Rendered, Resource
from ..response import Response

if TYPE_CHECKING:
    from ..request import Request

_HEADERS: Final = (
    ("Content-Type", "text/event-stream; charset=utf-8"),
    # An event that waits in somebody's buffer for others to come comes too late.
    ("Cache-Control", "no-cache, no-transform"),
    ("X-Accel-Buffering", "no"),
)
_NEWLINE: Final = re.compile(r"\r\n|\r|\n")
_UNFIT: Final = re.compile(r"[\r\n\0]")
_HEARTBEAT: Final = b":\n\n"


class EventError(PerdureError):
    """An event cannot be sent. Attributes: `field`, and its `value`."""

    def __init__(self, field: str, value: object, reason: str) -> None:
        super().__init__(f"an event's {field} {value!r}: {reason}")
        self.field = field
        self.value = value


def _one_line(_event: object, field: "attrs.Attribute[Any]", value: object) -> None:
    if value is not None and (not isinstance(value, str) or _UNFIT.search(value)):
        raise EventError(field.name, value, "it has to be text of one line")


def _milliseconds(_event: object, field: "attrs.Attribute[Any]", value: object) -> None:
    if value is not None and (type(value) is not int or value < 0):
        raise EventError(field.name, value, "it has to be a whole number of milliseconds")


@attrs.frozen
class Event:
    """One event. `data` is any text, of any number of lines.

    `event` is what a page listens for (``message`` if None); `id` is what a browser that comes back
    names as the last it heard; after `retry` milliseconds it does so. Raises `EventError`.
    """

    data: str
    event: str | None = attrs.field(default=None, validator=_one_line, kw_only=True)
    id: str | None = attrs.field(default=None, validator=_one_line, kw_only=True)
    retry: int | None = attrs.field(default=None, validator=_milliseconds, kw_only=True)

    def encoded(self) -> bytes:
        """The event as it is sent; line ends in `data` begin no field of their own."""
        fields = (("event", self.event), ("id", self.id), ("retry", self.retry))
        lines = [f"{name}: {value}\n" for name, value in fields if value is not None]
        lines += [f"data: {line}\n" for line in _NEWLINE.split(self.data)]
        return "".join([*lines, "\n"]).encode(errors="replace")


class EventStream(Resource):
    """A page of events, which goes on as long as `events` does and the client listens.

    Each event leaves when what it may tell of is durable; where that fails, the connection is cut.
    After `heartbeat` seconds without one the client is sent an empty comment, which keeps proxies from
    giving up, and finds out whether it is still there. A server that stops ends the stream at once.
    """

    heartbeat: float = 15.0

    async def events(self, request: "Request") -> AsyncIterator[Event | str]:
        """The events, or just their data; none by default.

        What it gives is closed when the client has gone.
        """
        return
        yield

    def render_GET(self, request: "Request") -> Rendered:
        return Response(self._pieces(request), headers=_HEADERS)

    async def _pieces(self, request: "Request") -> AsyncIterator[bytes]:
        yield b""  # The head leaves now, so that the client knows that it is connected.
        events = aiter(self.events(request))
        draining = asyncio.ensure_future(request.draining.wait())
        coming: asyncio.Task[Event | str | None] | None = None
        try:
            while True:
                if coming is None:
                    coming = asyncio.create_task(_next(events))
                await asyncio.wait(
                    (coming, draining),
                    timeout=self.heartbeat,
                    return_when=asyncio.FIRST_COMPLETED,
                )
                if coming.done():
                    event, coming = coming.result(), None
                    if event is None:
                        return
                    yield (Event(event) if isinstance(event, str) else event).encoded()
                elif draining.done():
                    return
                else:
                    yield _HEARTBEAT
        finally:
            draining.cancel()
            if coming is not None:
                coming.cancel()
                await asyncio.gather(coming, return_exceptions=True)
            close = getattr(events, "aclose", None)
            if close is not None:
                await close()


def last_event_id(request: "Request") -> str:
    """The `id` of the last event that a browser which comes back has heard; empty if it is new."""
    return request.headers.get("last-event-id", "").encode("latin-1").decode(errors="replace")


async def _next(events: AsyncIterator[Event | str]) -> Event | str | None:
    return await anext(events, None)
