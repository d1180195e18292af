"""Applications for the tests of WSGI."""

import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any, cast
from wsgiref.validate import validator

from perdure.app.web.gateways.wsgi import WSGIApplication

Environ = dict[str, Any]
Write = Callable[[bytes], object]
Start = Callable[..., Write]
App = Callable[[Environ, Start], Iterable[bytes]]
TYPE = ("Content-Type", "text/plain")
WAIT = 10.0


class Body:
    """An iterable that notes that it was closed."""

    def __init__(self, pieces: Iterable[Any]) -> None:
        self.pieces = pieces
        self.closed = threading.Semaphore(0)

    def __iter__(self) -> Iterator[Any]:
        yield from self.pieces

    def close(self) -> None:
        self.closed.release()


def gateway(app: App, **options: int) -> WSGIApplication:
    """`app` as a resource. It is none that could be saved, since it belongs to its test."""
    made = WSGIApplication("of.a:test", **options)
    vars(made)["_loaded"] = app
    return made


def valid(app: App) -> App:
    """`app`, with what it is given and gives checked by the standard library."""
    return cast(App, validator(cast(Any, app)))


def says(*pieces: Any, status: str = "200 OK", fields: Iterable[Any] = (TYPE,)) -> App:
    def app(environ: Environ, start: Start) -> Iterable[bytes]:
        start(status, list(fields))
        return list(pieces)

    return app
