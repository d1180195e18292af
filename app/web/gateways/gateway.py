"""Applications that speak a protocol of Python's, WSGI or ASGI, as resources."""

import logging
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, ClassVar

from ....persist.errors import PerdureError
from ...naming import check_callable
from ...registry import Registry
from ..request import Request
from ..resource import Resource
from .appresponse import AppError
from .imported import ImportedError, imported

App = Callable[..., Any]

serving: ContextVar[Registry] = ContextVar("perdure_registry")
"""The registry of the application in which the running code answers."""

report = logging.getLogger("perdure.web")


class OutsideError(PerdureError):
    """The registry was asked for where no page of the application is being made."""

    def __init__(self) -> None:
        super().__init__(
            "there is no registry here: current_registry() is for code that answers a request in"
            " rundaemon, or starts there, and for the tasks and threads that have its context"
        )


def current_registry() -> Registry:
    """The registry of the application in which the code that calls this answers a request.

    For the views of WSGI and ASGI applications, and what these start up with. What is got from it is
    watched, and the reply waits until it is saved, as for any page. Raises `OutsideError` elsewhere.
    """
    try:
        return serving.get()
    except LookupError:
        raise OutsideError from None


class Gateway(Resource):
    """An application at a place in the tree: what is below it is all the application's.

    `app` is its name, ``module:object`` or ``package.module.object``, looked up when the server
    starts; or the callable itself if it is a function or class of a module, or an object of such a
    class that can be saved. Raises `ImportedError` from `check` if there is no such thing.
    """

    is_leaf = True
    protocol: ClassVar[str]
    _loaded: App | None = None

    def __init__(self, app: str | App) -> None:
        if not isinstance(app, str):
            check_callable(app)
        self.app = app

    def check(self) -> None:
        self.load()

    def load(self) -> App:
        """The application, which is looked up once. Raises `ImportedError`."""
        app = self._loaded
        if app is None:
            found = imported(self.app) if isinstance(self.app, str) else self.app
            if not callable(found):
                raise ImportedError(
                    str(self.app), f"{self.protocol} applications can be called, not {found!r}"
                )
            app = self._loaded = found
        return app

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.app!r})"


def place_of(request: Request) -> tuple[str, str]:
    """The path as decoded text: up to the resource, and from there on.

    The first is empty or begins with a slash and does not end with one, the second too is empty or
    begins with one, as WSGI (PEP 3333) and ASGI have it.
    """
    prepath, postpath = request.prepath, request.postpath
    if not prepath:
        return "", "/" + (postpath[0] if len(postpath) == 1 else "/".join(postpath))
    if not prepath[-1]:
        prepath, postpath = prepath[:-1], ["", *postpath]
    before = "/" + "/".join(prepath) if prepath else ""
    return before, "/" + "/".join(postpath) if postpath else ""


def address_of(host: str, secure: bool) -> tuple[str, int]:
    """Name and port under which the client addressed the server, as its `host` says."""
    name, port = host, ""
    if ":" in host and not host.endswith("]"):
        name, _, port = host.rpartition(":")
    if name[:1] == "[":
        name = name[1:-1]
    return name or "localhost", int(port) if port.isdecimal() else 443 if secure else 80


def complain(request: Request, error: BaseException, what: str) -> None:
    """Log what an application did that no client can be told any more."""
    line = request.head.line.decode("latin-1")
    trace = None if isinstance(error, AppError) else error
    report.error("%s from %s %s: %s", line, request.client, what, error, exc_info=trace)
