"""Scripts: Python files that define a resource.

::

    from perdure.app.web.resource import Resource
    from visits import Counter                  # a module beside the script

    counter = registry.get_component(Counter, default=Counter)

    class CounterPage(Resource):
        def render_GET(self, request):
            counter.increment()
            return f"You are visitor {counter.value}."

    resource = CounterPage()

A script finds ``registry`` and ``__file__`` among its names and has to define ``resource``. It runs
when it is first asked for, and again when its file has changed; between, that resource answers.
With ``run_every_request = True`` in it, it runs for every request. Modules that it imports
are loaded once, as always in Python: a change in those needs a restart. Objects of a script's own classes can
live in the registry; with ``run_every_request`` they are better defined in a module beside it.
"""

import logging
import os
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import TYPE_CHECKING

from ...persist.persistent import persistent
from ..registry import Registry
from ..turns import current, gathering
from .errors import HTTPError
from .files.filecache import Signature, signature
from .resource import Resource, Wrapper
from .scripts.scriptmodule import ScriptError, UnsafeScriptError, run_script

__all__ = [
    "ResourceScript",
    "ScriptError",
    "ScriptRoot",
    "UnsafeScriptError",
    "cgi_script",
    "file_as_is",
    "kept_resource",
    "load_module",
    "page_script",
    "php_script",
]

if TYPE_CHECKING:
    from .request import Request

_report = logging.getLogger("perdure.web")


@persistent(transient=("_resource", "_watched"))
class ResourceScript(Wrapper):
    """One version of a script; the processor of ``.rpy`` files.

    What the script defined answers, at this place and below it. A script that failed runs again at
    the next request: what it imports may have been repaired.
    """

    _resource: Resource | None = None
    _watched: Mapping[str, None] = MappingProxyType({})

    def __init__(self, path: str, registry: Registry) -> None:
        self.path = path
        self.registry = registry

    def enter(self, request: "Request") -> Resource:
        return self.defined()

    def defined(self) -> Resource:
        """The script's resource, after running the script if need be.

        Components that the script got while it ran may be what its resource now changes, so they
        belong to every turn it answers in.
        Raises `ScriptError`, and `HTTPError` where the page itself shall say what is wrong.
        """
        if self._resource is not None:
            turn = current.get()
            if turn is not None:
                for key in self._watched:
                    turn.touch(key)
                turn.touch_held(self._resource)
            return self._resource
        self._watched = watched = dict[str, None]()
        try:
            with gathering(watched):
                module = run_script(self.path, self.registry)
        except UnsafeScriptError as error:
            _report.error("%s", error)
            raise HTTPError(500, "This script is not run; the server's log says why.") from error
        except ScriptError as error:
            if isinstance(error.__cause__, HTTPError):
                raise error.__cause__ from None
            raise
        resource = self._checked(getattr(module, "resource", None))
        if not getattr(module, "run_every_request", False):
            self._resource = resource
        return resource

    def _checked(self, resource: object) -> Resource:
        if isinstance(resource, Resource):
            return resource
        name = os.path.basename(self.path)
        if resource is None:
            told = f"{name} does not define 'resource'. End it with: resource = YourPage()"
        elif isinstance(resource, type):
            told = (
                f"{name} defines 'resource' as the class {resource.__name__}, not an object of it."
                f" Say: resource = {resource.__name__}()"
            )
        else:
            told = (
                f"{name} defines 'resource' as an object of {type(resource).__name__}, which is not"
                " a Resource. Derive its class from perdure.app.web.resource.Resource."
            )
        _report.error("%s: %s", self.path, told)
        raise HTTPError(500, told)


@persistent(transient=("_script", "_version"))
class ScriptRoot(Wrapper):
    """The resource that the script at `path` defines, as the root of a site or anywhere else."""

    _script: ResourceScript | None = None
    _version: Signature | None = None

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = os.path.abspath(path)

    def check(self) -> None:
        """Raises `ScriptError` if there is no script at `path`."""
        self._status()

    def enter(self, request: "Request") -> Resource:
        return self._present(request)

    def _status(self) -> os.stat_result:
        try:
            return os.stat(self.path)
        except OSError as error:
            raise ScriptError(self.path, 0, error.strerror or str(error)) from error

    def _present(self, request: "Request") -> ResourceScript:
        version = signature(self._status())
        if self._script is None or version != self._version:
            self._script = ResourceScript(os.path.realpath(self.path), request.registry)
            self._version = version
        return self._script


# Processors by functions of this module: whoever trusts it lets a folder's files run, of any kind.


def page_script(path: str, registry: Registry) -> Resource:
    """The processor of ``.epy`` files, see `pagescript`."""
    from .scripts.pagescript import PageScript

    return PageScript(path, registry)


def kept_resource(path: str, registry: Registry) -> Resource:
    """The processor of ``.trp`` files, see `pickled`."""
    from .scripts.pickled import SnapshotResource

    return SnapshotResource(path, registry)


def file_as_is(path: str, registry: Registry) -> Resource:
    """The processor of ``.asis`` files, see `asis`."""
    from .files.asis import AsIsFile

    return AsIsFile(path, registry)


def cgi_script(path: str, registry: Registry) -> Resource:
    """The processor of ``.cgi`` files, see `cgi`."""
    from .programs.cgi import CGIScript

    return CGIScript(path, registry)


def php_script(path: str, registry: Registry) -> Resource:
    """The processor of ``.php`` files, see `cgi`."""
    from .programs.cgi import PHPScript

    return PHPScript(path, registry)


def load_module(path: Path) -> ModuleType:
    """Runs the Python file at `path` as a module of its own, so that its classes can be saved.

    It runs each time this is called. Raises `ScriptError` and `UnsafeScriptError`.
    """
    return run_script(os.path.realpath(path), Registry())
