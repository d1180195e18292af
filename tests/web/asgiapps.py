"""Applications for the tests of ASGI."""

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

from perdure.app.mutations import mutation
from perdure.app.web.gateways.asgi import ASGIApplication
from perdure.app.web.gateways.gateway import current_registry

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]
Fields = Iterable[tuple[bytes, bytes]]
WAIT = 10.0


class Counter:
    def __init__(self) -> None:
        self.value = 0


class Messages:
    """Journaled by its calls."""

    def __init__(self) -> None:
        self.count = 0

    @mutation
    def post(self) -> int:
        self.count += 1
        return self.count


def gateway(app: App) -> ASGIApplication:
    """`app` for requests alone, as a resource. It could not be saved, as it belongs to its test."""

    async def for_requests(scope: Message, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        await app(scope, receive, send)

    return with_lifespan(for_requests)


def with_lifespan(app: App) -> ASGIApplication:
    """`app` as a resource, told of the start and stop as well."""
    made = ASGIApplication("of.a:test")
    vars(made)["_loaded"] = app
    return made


def count() -> int:
    counter = current_registry().get_component(Counter, default=Counter)
    counter.value += 1
    return counter.value


async def begin(send: Send, status: Any = 200, fields: Any = ()) -> None:
    await send({"type": "http.response.start", "status": status, "headers": fields})


async def give(send: Send, body: Any, *, more: bool = False) -> None:
    await send({"type": "http.response.body", "body": body, "more_body": more})


def says(*pieces: Any, status: Any = 200, fields: Any = ()) -> App:
    """Gives the pieces; the last is said to be the last."""

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await begin(send, status, fields)
        for number, piece in enumerate(pieces, 1):
            await give(send, piece, more=number < len(pieces))

    return app
