"""Pages made from templates: Jinja2, everything escaped, sent as it renders.

::

    class Front(Template):
        async def context(self, request):
            return {"entries": request.registry.get_component(Guestbook, default=Guestbook).entries}

    resource = Front("front.html", folder="/srv/templates")

A template finds ``request`` and ``registry``, what its resource was given, and what `Template.context`
says; asynchronous functions and iterators among that are awaited where it uses them. What it uses and
nobody has given is an error, and no empty place.
"""

import asyncio
import os
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Mapping
from contextlib import aclosing, suppress
from functools import lru_cache
from io import StringIO
from typing import TYPE_CHECKING, ClassVar, Final

import attrs

from ...persist.errors import PerdureError
from ...persist.parked import ParkedError
from ..registry import Registry
from ..turns import UnsafeError
from .errors import HTTPError
from .files.filecache import Signature, signature
from .files.mime import content_type
from .resource import Rendered, Resource
from .response import Response
from .scripts.scriptmodule import read_script

if TYPE_CHECKING:
    from jinja2 import BaseLoader, Environment
    from jinja2 import Template as Compiled

    from .request import Request

_PIECE: Final = 16 * 1024
"""Characters that leave together."""

_DELAY: Final = 0.02
"""Seconds after which fewer leave, while the template waits for something."""

_SUFFIXES: Final = (".jinja", ".j2")


@attrs.define(str=False)
class TemplateError(PerdureError):
    """A template cannot be rendered: at `line` of `path` (0: nobody knows where), for `reason`."""

    exit_status: ClassVar[int] = os.EX_DATAERR
    path: str
    line: int
    reason: str

    def __str__(self) -> str:
        place = f"{self.path}:{self.line}" if self.line else self.path
        return f"{place}: {self.reason}"


class Template(Resource):
    """The page that the template `name` in `folder` makes.

    Templates it includes or extends are found in that folder, and nowhere else. A changed file is
    noticed. A file is used only if nobody else could have written it, as with scripts: a template
    can call whatever it is given. `given` are names for it to find; they are saved with this resource.

    What it says leaves in pieces of some KB, or earlier while it waits for something. What goes
    wrong in the first piece is answered with an error page and logged with file and line; later,
    the connection is cut. The type is that of the name without ``.jinja`` or ``.j2``.
    """

    is_leaf = True

    def __init__(self, name: str, *, folder: str | os.PathLike[str], **given: object) -> None:
        self.name = name
        self.folder = os.path.abspath(folder)
        self.given = given

    async def context(self, request: "Request") -> Mapping[str, object]:
        """What the template finds besides; to be defined by subclasses."""
        return {}

    def check(self) -> None:
        """Raises `TemplateError` if there is no such template, or its syntax is wrong."""
        self._compiled()

    async def render_GET(self, request: "Request") -> Rendered:
        return await self.page(request)

    async def page(
        self,
        request: "Request",
        status: int = 200,
        headers: Iterable[tuple[str, str]] = (),
        **more: object,
    ) -> Response:
        """The reply, for who answers other methods than GET; the template finds `more` as well."""
        compiled = self._compiled()
        context = {
            "request": request,
            "registry": request.registry,
            **self.given,
            **await self.context(request),
            **more,
        }
        fields = [*headers]
        if not any(name.lower() == "content-type" for name, _ in fields):
            fields.append(("Content-Type", self._type()))
        pieces = _Pieces(self, compiled.generate_async(context))
        first = await pieces.next()
        if pieces.is_over:
            return Response(first, status, fields)
        return Response(_Body(first, pieces), status, fields)

    def _type(self) -> str:
        name = self.name
        for suffix in _SUFFIXES:
            name = name.removesuffix(suffix)
        return content_type(name, {}, "text/html")[0]

    def _compiled(self) -> "Compiled":
        try:
            return _environment(os.path.realpath(self.folder)).get_template(self.name)
        except Exception as error:
            raise self.failure(error) from error

    def failure(self, error: Exception) -> TemplateError:
        """`error` with the line of the template where it came up."""
        from jinja2 import TemplateNotFound, TemplatesNotFound, TemplateSyntaxError

        path, line = os.path.join(self.folder, self.name), 0
        reason = f"{type(error).__name__}: {error}"
        if isinstance(error, TemplateSyntaxError):
            return TemplateError(error.filename or path, error.lineno, str(error.message))
        if isinstance(error, TemplateNotFound) and not isinstance(error, TemplatesNotFound):
            reason = f"there is no template {error.name!r} in {self.folder}"
        if isinstance(error, PerdureError):
            reason = str(error)
        trace = error.__traceback__
        while trace is not None:
            # Jinja gives the frames of compiled templates the names and lines of their sources.
            if "__jinja_exception__" in trace.tb_frame.f_globals:
                path, line = trace.tb_frame.f_code.co_filename, trace.tb_lineno
            trace = trace.tb_next
        return TemplateError(path, line, reason)


class TemplateFile(Template):
    """The template at `path`; as a `Processor` it answers for files such as ``about.html.jinja``.

    ``File(folder, processors={".jinja": TemplateFile})``. It finds others in its own folder.
    """

    def __init__(self, path: str, registry: Registry) -> None:
        folder, name = os.path.split(os.path.abspath(path))
        super().__init__(name, folder=folder)


class _Buffer:
    """What a template has said and nobody has taken yet."""

    def __init__(self) -> None:
        self.text = StringIO()
        self.some = asyncio.Event()
        self.full = asyncio.Event()
        self.taken = asyncio.Event()

    async def fill(self, page: Template, fragments: AsyncGenerator[str, object]) -> None:
        """Render, no further ahead than one piece. Raises `TemplateError`."""
        try:
            async with aclosing(fragments):
                async for fragment in fragments:
                    self.text.write(fragment)
                    self.some.set()
                    if self.text.tell() >= _PIECE:
                        self.taken.clear()
                        self.full.set()
                        await self.taken.wait()
        except (HTTPError, UnsafeError, ParkedError):
            raise
        except Exception as error:
            raise page.failure(error) from error
        finally:
            self.some.set()
            self.full.set()


class _Pieces(AsyncIterator[str]):
    """The pieces of a page, which a task of its own renders as far as they are taken."""

    def __init__(self, page: Template, fragments: AsyncGenerator[str, object]) -> None:
        self._buffer = buffer = _Buffer()
        self._task = asyncio.create_task(buffer.fill(page, fragments))

    @property
    def is_over(self) -> bool:
        """Whether all has been taken."""
        return self._task.done() and not self._buffer.text.tell()

    async def next(self) -> str:
        """The next piece; empty if there is no more. Raises what rendering did."""
        buffer = self._buffer
        await buffer.some.wait()
        if not buffer.full.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(_DELAY):
                    await buffer.full.wait()
        if self._task.done():
            self._task.result()
        else:
            buffer.some.clear()
            buffer.full.clear()
        piece, buffer.text = buffer.text.getvalue(), StringIO()
        buffer.taken.set()
        return piece

    async def __anext__(self) -> str:
        if self.is_over:
            self._task.result()
            raise StopAsyncIteration
        return await self.next()

    async def aclose(self) -> None:
        """Nobody takes any more of it."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    def __del__(self) -> None:
        # A reply that was never sent must not leave a template that waits for ever.
        if not self._task.done():
            self._task.get_loop().call_soon_threadsafe(self._task.cancel)


class _Body(AsyncIterator[str]):
    """A page of which the first piece is there already."""

    def __init__(self, first: str, others: _Pieces) -> None:
        self._first = first
        self._others = others

    async def __anext__(self) -> str:
        first, self._first = self._first, ""
        return first or await anext(self._others)

    async def aclose(self) -> None:
        """Nobody takes any more of it."""
        await self._others.aclose()


@lru_cache(maxsize=64)
def _environment(folder: str) -> "Environment":
    from jinja2 import Environment, StrictUndefined

    return Environment(
        loader=_loader(folder),
        autoescape=True,
        enable_async=True,
        undefined=StrictUndefined,
    )


def _loader(folder: str) -> "BaseLoader":
    from jinja2 import FunctionLoader

    def load(name: str) -> tuple[str, str, Callable[[], bool]] | None:
        path = os.path.realpath(os.path.join(folder, name))
        if not path.startswith(folder.rstrip(os.sep) + os.sep):
            return None
        try:
            version = signature(os.stat(path))
            source = read_script(path)
        except (OSError, ValueError):
            return None
        return source.decode(), path, lambda: _is_fresh(path, version)

    return FunctionLoader(load)


def _is_fresh(path: str, version: Signature) -> bool:
    try:
        return signature(os.stat(path)) == version
    except OSError:
        return False
