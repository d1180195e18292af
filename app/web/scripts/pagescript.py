"""Page scripts: Python files that write a page, from top to bottom, for every request anew.

::

    from html import escape
    from visits import Counter                  # a module beside the script

    counter = registry.get_component(Counter, default=Counter)
    counter.increment()
    write(f"<p>Hello {escape(request.args.get('name', 'you'))}!")
    write(f"<p>You are visitor {counter.value}.")

A page script finds among its names

- ``request`` and ``registry``, as a page of any other kind does, and ``__file__``;
- ``write(text)``, which adds text (sent as UTF-8) or bytes to the page;
- ``status``, a number, and ``headers``, a list of pairs of name and value, both to be changed.

It may ``await`` (``form = await request.form()``), and raise ``HTTPError`` to answer with an error page.
The page is HTML unless ``headers`` has a Content-Type, and leaves when the script has come to its end.
A class that is to be kept in the registry is defined in a module beside it: those of the script are
made anew each time.
"""

import ast
import inspect
import logging
from collections.abc import Awaitable
from types import CodeType
from typing import TYPE_CHECKING, Any, cast

from ....persist.persistent import persistent
from ...registry import Registry
from ..errors import HTTPError
from ..resource import Rendered, Resource
from ..response import Response, type_of_str
from .scriptmodule import UnsafeScriptError, add_script_folder, failure, page_module, read_script

if TYPE_CHECKING:
    from ..request import Request

_report = logging.getLogger("perdure.web")


@persistent(transient=("_code",))
class PageScript(Resource):
    """One version of a page script; the processor of ``.epy`` files.

    It answers GET, HEAD and POST, here and below: what is left of the path is in
    ``request.postpath``. It is compiled once, and runs for every request, as part of its turn: what it
    has changed is durable before the page leaves. One that fails is answered with status 500.
    """

    is_leaf = True
    _code: CodeType | None = None

    def __init__(self, path: str, registry: Registry) -> None:
        self.path = path
        self.registry = registry

    def render_GET(self, request: "Request") -> Rendered:
        run = _Run(self.path, self.registry, request)
        waiting = eval(self._compiled(), run.names)
        return run.awaited(waiting) if inspect.isawaitable(waiting) else run.response()

    def render_POST(self, request: "Request") -> Rendered:
        return self.render_GET(request)

    def _compiled(self) -> CodeType:
        """What runs. Raises `ScriptError`, and `HTTPError` for what is not run."""
        if self._code is None:
            try:
                source = read_script(self.path)
                flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
                self._code = cast(CodeType, compile(source, self.path, "exec", flags, True))
            except UnsafeScriptError as error:
                _report.error("%s", error)
                told = "This script is not run; the server's log says why."
                raise HTTPError(500, told) from error
            except (SyntaxError, ValueError) as error:
                raise failure(self.path, error) from error
            add_script_folder(self.path)
        return self._code


class _Run:
    """One run of a page script: the names it finds, and what it has written."""

    def __init__(self, path: str, registry: Registry, request: "Request") -> None:
        self.written: list[bytes] = []
        self.names: dict[str, Any] = {
            # Decorators look their class's module up.
            "__name__": page_module(path),
            "__file__": path,
            "request": request,
            "registry": registry,
            "write": self.write,
            "status": 200,
            "headers": [],
        }

    def write(self, text: str | bytes) -> None:
        """Adds `text` to the page. Raises `TypeError` if it is neither text nor bytes."""
        if not isinstance(text, str | bytes):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(f"write() takes text or bytes, not {type(text).__name__}: {text!r}")
        self.written.append(text.encode() if isinstance(text, str) else text)

    async def awaited(self, script: Awaitable[object]) -> Rendered:
        """The page of a script that waits for something."""
        await script
        return self.response()

    def response(self) -> Response:
        """The page. Raises `HeaderError` and `StatusError` for what cannot be sent."""
        headers: list[tuple[str, str]] = list(self.names["headers"])
        if not any(name.lower() == "content-type" for name, _ in headers):
            headers.append(("Content-Type", type_of_str))
        return Response(b"".join(self.written), self.names["status"], headers)
