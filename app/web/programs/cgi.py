"""CGI: programs that are started for each request (RFC 3875).

::

    root.put_child("cgi-bin", CGIDirectory("/usr/lib/cgi-bin"))
    root.put_child("blog", PHPScript("/srv/blog/index.php"))
    File("/srv/site", processors={".cgi": CGIScript, ".php": PHPScript})

A program in a language of its own is a class::

    class PerlScript(FilteredScript):
        interpreter = "/usr/bin/perl"

The reply leaves as the script prints it, and the request's body goes in as it comes. What the client
sent without its length is kept in a temporary file first. A program ends when its client leaves, with
all that it has started.
"""

import asyncio
import logging
import os
import shutil
import stat
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any, Final

import attrs

from ....persist.persistent import persistent
from ...registry import Registry
from ..errors import error_page
from ..resource import ErrorPage, Rendered, Resource, resource_for
from ..response import BODILESS, Response
from ..scripts.scriptmodule import UnsafeScriptError, check_program
from .cgibody import CGIBody
from .cgienvironment import BASE, make_environment
from .cgilimits import CGILimits, CGIPlaces, CGISettings
from .cgiprocess import CGIProcess
from .cgireply import CGIError, CGIHead, parse_cgi_head, split_head

__all__ = [
    "CGIDirectory",
    "CGIError",
    "CGILimits",
    "CGIProcessor",
    "CGIScript",
    "CGISettings",
    "FilteredScript",
    "PHPScript",
]

if TYPE_CHECKING:
    from ..request import Request

_MOST_HOPS: Final = 10
_ending: Final = set["asyncio.Task[None]"]()

_report = logging.getLogger("perdure.web")


@persistent(transient=("_places",))
class CGIScript(Resource):
    """A program, run for each request; the processor of ``.cgi`` files.

    It answers every method, here and below: the rest of the path is its PATH_INFO. It has to be
    executable, and is not run if others could have written it (see `scriptmodule.check_program`). Its
    working folder is its own.

    `settings` holds for its class, or for this object if given. Requests that it cannot answer
    properly are answered 500, 502 or 504, and a line in the log says why.
    """

    is_leaf = True
    settings: CGISettings = CGISettings()
    _places: CGIPlaces | None = None

    def __init__(
        self,
        path: str | os.PathLike[str],
        registry: Registry | None = None,
        *,
        settings: CGISettings | None = None,
        places: CGIPlaces | None = None,
    ) -> None:
        """`registry` is not used: scripts know nothing of components. `places` are where it runs, if
        it shares them with others."""
        self.path = os.path.abspath(path)
        if settings is not None:
            self.settings = settings
        if places is not None:
            self._places = places

    def check(self) -> None:
        """Raises `CGIError` or `UnsafeScriptError` if the script cannot be run."""
        self.command(self._program())

    def command(self, path: str) -> tuple[str, ...]:
        """The words of the command that runs the script at `path`; nothing of a request is ever
        among them. Raises `CGIError`."""
        if not os.access(path, os.X_OK, effective_ids=os.access in os.supports_effective_ids):
            raise CGIError(path, f"it is not executable; chmod +x {path}", 500)
        return (path,)

    def environment(self) -> dict[str, str]:
        """What the script is told besides the request."""
        return dict(self.settings.environment)

    async def render(self, request: "Request") -> Rendered:
        try:
            return await self._run(request)
        except CGIError as error:
            _report.error("%s", error)
            return error_page(error.status, error.detail)
        except UnsafeScriptError as error:
            _report.error("%s", error)
            return error_page(500, "This program is not run; the server's log says why.")

    async def _run(self, request: "Request") -> Rendered:
        limits = self.settings.limits
        if self._places is None:
            self._places = CGIPlaces(limits)
        path = self._program()
        command = self.command(path)
        async with AsyncExitStack() as stack:
            body = CGIBody(request)
            stack.push_async_callback(body.close)
            await body.begin()
            if body.is_unmeasured:
                await stack.enter_async_context(self._places.spooled())
                await body.measure(limits.spool, limits.time)
            await stack.enter_async_context(self._places.entered())
            environment = make_environment(
                request,
                path,
                body.length,
                self.environment(),
                passes_authorization=self.settings.passes_authorization,
            )
            await stack.enter_async_context(self._places.taken())
            process = CGIProcess(path, command, environment, body, limits)
            stack.push_async_callback(process.end)
            head, rest = await _read_head(path, process, limits)
            if head.local is not None or request.method == "HEAD" or head.status in BODILESS:
                # Nobody wants what it prints, but perhaps what it still does.
                await process.exhaust()
            if head.local is None:
                output = _Output(process, rest, stack.pop_all())
                return Response(output, head.status, head.headers)
        return _relocated(request, path, head.local)

    def _program(self) -> str:
        try:
            path = os.path.realpath(self.path, strict=True)
            if not stat.S_ISREG(os.stat(path).st_mode):
                raise CGIError(path, "it is no regular file; put a program there", 500)
            check_program(path)
        except OSError as error:
            raise CGIError(self.path, error.strerror or str(error), 500) from error
        return path


class FilteredScript(CGIScript):
    """A script that its `interpreter` runs; it need not be executable.

    `interpreter` is a path, or the name of a program in the script's PATH. It is given the path of the
    script.
    """

    interpreter: str = ""

    def __init__(
        self,
        path: str | os.PathLike[str],
        registry: Registry | None = None,
        *,
        interpreter: str | None = None,
        settings: CGISettings | None = None,
        places: CGIPlaces | None = None,
    ) -> None:
        super().__init__(path, registry, settings=settings, places=places)
        if interpreter is not None:
            self.interpreter = interpreter

    def command(self, path: str) -> tuple[str, ...]:
        """See `CGIScript.command`. Raises `CGIError` if there is no such interpreter."""
        if not self.interpreter:
            raise CGIError(path, f"{type(self).__name__} names no interpreter for it", 500)
        found = shutil.which(self.interpreter, path={**BASE, **self.environment()}["PATH"])
        if found is None:
            reason = f"there is no {self.interpreter} to run it; install that"
            raise CGIError(path, reason, 500)
        return (found, path)


class PHPScript(FilteredScript):
    """A page of PHP, run by ``php-cgi``; the processor of ``.php`` files."""

    interpreter = "php-cgi"

    def command(self, path: str) -> tuple[str, ...]:
        # It finds the script in its environment. Words would be taken for options.
        return super().command(path)[:1]

    def environment(self) -> dict[str, str]:
        # PHP is built to run for nobody who did not say so (cgi.force_redirect).
        return {**super().environment(), "REDIRECT_STATUS": "200"}


@persistent(transient=("_places",))
class CGIDirectory(Resource):
    """A folder of programs, each run by its name; folders in it are the like.

    Nothing else is to be seen: no listing, and no file that is not executable or whose name begins
    with a dot. Links that lead out of the folder are not followed. All programs share the bounds
    of `settings`.
    """

    settings: CGISettings = CGISettings()
    _places: CGIPlaces | None = None

    def __init__(
        self, path: str | os.PathLike[str], *, settings: CGISettings | None = None
    ) -> None:
        self.path = os.path.abspath(path)
        if settings is not None:
            self.settings = settings

    def check(self) -> None:
        """Raises `CGIError` if there is no folder at `path`."""
        if not os.path.isdir(self.path):
            raise CGIError(self.path, "there is no such folder; put it back, or build anew", 500)

    def get_child(self, segment: str, request: "Request") -> Resource:
        path = self.path
        while _is_name(segment):
            path = os.path.join(path, segment)
            if not os.path.isdir(path):
                return self._script(path)
            if not request.postpath:
                break
            segment = request.postpath.pop(0)
            request.prepath.append(segment)
        return ErrorPage(404)

    def render(self, request: "Request") -> Rendered:
        return error_page(404)

    def _script(self, path: str) -> Resource:
        real, root = os.path.realpath(path), os.path.realpath(self.path)
        if not real.startswith(root.rstrip("/") + "/"):
            return ErrorPage(404)
        names = real[len(root) :].strip("/").split("/")
        if not (all(map(_is_name, names)) and os.path.isfile(real) and os.access(real, os.X_OK)):
            return ErrorPage(404)
        if self._places is None:
            self._places = CGIPlaces(self.settings.limits)
        return CGIScript(real, settings=self.settings, places=self._places)


@persistent(transient=("_places",))
@attrs.define
class CGIProcessor:
    """A processor of a `File` that runs scripts as `kind`, all of them within `settings`.

    The class alone, as a processor, gives each script bounds of its own.
    """

    kind: type[CGIScript] = CGIScript
    settings: CGISettings = attrs.field(factory=CGISettings)
    _places: CGIPlaces | None = attrs.field(default=None, init=False, eq=False, repr=False)

    def __call__(self, path: str, registry: Registry) -> CGIScript:
        """The resource for the script at `path`."""
        if self._places is None:
            self._places = CGIPlaces(self.settings.limits)
        return self.kind(path, registry, settings=self.settings, places=self._places)


class _Output:
    """The body of a script's reply, as it comes; then the script is ended."""

    def __init__(self, process: CGIProcess, rest: bytes, stack: AsyncExitStack) -> None:
        self._process = process
        # Also if it is empty: the head need not wait for more.
        self._rest: bytes | None = rest
        self._stack = stack
        self._closed = False
        # The task that sends the reply. Somebody may have replaced it by another, unread.
        task = asyncio.current_task()
        assert task is not None
        task.add_done_callback(self._abandon)

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        piece, self._rest = self._rest, None
        if piece is not None:
            return piece
        piece = await self._process.read()
        if not piece:
            await self._process.finish()
            raise StopAsyncIteration
        return piece

    async def aclose(self) -> None:
        """Ends the script; a second time does nothing."""
        self._closed = True
        await self._stack.pop_all().aclose()

    def _abandon(self, task: "asyncio.Task[Any]") -> None:
        if not self._closed:
            ending = task.get_loop().create_task(self.aclose())
            _ending.add(ending)
            ending.add_done_callback(_ending.discard)


async def _read_head(path: str, process: CGIProcess, limits: CGILimits) -> tuple[CGIHead, bytes]:
    """The header of a script, and what came of its body with it. Raises `CGIError`."""
    output = b""
    try:
        async with asyncio.timeout(limits.head_time):
            while (parts := split_head(output)) is None:
                if len(output) > limits.head:
                    raise CGIError(path, f"its header is larger than {limits.head} bytes")
                piece = await process.read()
                if not piece:
                    await process.finish()
                    raise CGIError(path, "it ended before its header did")
                output += piece
    except TimeoutError:
        reason = f"its header was not complete after {limits.head_time} s"
        raise CGIError(path, reason, 504) from None
    if len(parts[0]) > limits.head:
        raise CGIError(path, f"its header is larger than {limits.head} bytes")
    return parse_cgi_head(path, parts[0]), parts[1]


def _relocated(request: "Request", path: str, target: str) -> Rendered:
    """The page at `target`, as RFC 3875, 6.2.2, has it."""
    if request.relocations == _MOST_HOPS or request.root is None:
        raise CGIError(path, f"{target} leads on again, after {_MOST_HOPS} local redirects")
    request.relocate(target)
    resource = resource_for(request.root, request)
    if request.turn is not None and resource.tells_state:
        request.turn.touch_held(resource)
    return resource.render(request)


def _is_name(segment: str) -> bool:
    return bool(segment) and segment[0] != "." and not any(each in segment for each in "/\\\0")
