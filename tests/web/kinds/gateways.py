"""Applications of other protocols: by name, and by reference."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from perdure.app.web.gateways.asgi import ASGIApplication
from perdure.app.web.gateways.gateway import Gateway, current_registry
from perdure.app.web.gateways.wsgi import WSGIApplication

from .case import KindCase

Message = MutableMapping[str, Any]


async def greets(
    scope: Message,
    receive: Callable[[], Awaitable[Message]],
    send: Callable[[Message], Awaitable[None]],
) -> None:
    """Says which registry it has."""
    assert scope["type"] == "http"
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body", "body": repr(current_registry()).encode()})


CASES: tuple[KindCase, ...] = (
    KindCase(
        WSGIApplication,
        lambda folder: WSGIApplication("wsgiref.simple_server:demo_app", threads=2, waiting=3),
        "wsgi.multithread = True",
        also=(Gateway,),
    ),
    KindCase(ASGIApplication, lambda folder: ASGIApplication(greets), "<Registry: "),
)
