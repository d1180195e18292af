"""A pickle stream to live objects, under a trust policy."""

import functools
import importlib
import io
import os
import pickle
import sys
from collections.abc import Mapping
from types import BuiltinFunctionType, FunctionType, MappingProxyType, MethodType
from typing import Any, ClassVar, Final

import attrs

from . import inert, opcodes
from .collector import collector_off
from .errors import PerdureError
from .modules import searched_folders
from .persistent import restoring
from .shapes import Shape
from .trust import METHODS, Policy, shortened, way_out
from .values import DATA_CLASSES

_LONGEST_SAID: Final = 500
NO_SHAPES: Final[Mapping[str, Shape]] = MappingProxyType({})


@attrs.define
class TrustError(PerdureError):
    """A snapshot names what may not be loaded; no object of it was built and nothing called.

    `names` are the refused ones, as ``module:qualname``. `cause` says why they may not. Nothing was
    imported for it either, unless all its modules are allowed and a name is not of the one it is
    looked for in: those were.
    """

    names: tuple[str, ...]
    cause: str = "this user has not signed the snapshot"
    exit_status: ClassVar[int] = os.EX_NOPERM

    def __str__(self) -> str:
        shown = shortened([name.replace(":", ".") for name in self.names])
        return (
            f"{self.cause}, and it names {shown}, which a stranger's may not load; nothing was run;"
            f" {way_out(self.names)}"
        )


@attrs.define
class StrayNameError(TrustError):
    """Names that are not defined in their modules, which are trusted: no trust in others would help."""

    def __str__(self) -> str:
        shown = shortened([name.replace(":", ".") for name in self.names])
        return (
            f"{self.cause}, and it names {shown}, which the module there does not define; nothing"
            " was run; it may be made to harm, do not run it"
        )


@attrs.define
class RestoreError(PerdureError):
    """A stream cannot be made live objects again.

    `name` is the class, function or file in question (or empty), `reason` what happened,
    `remedy` what to do.
    """

    name: str
    reason: str
    remedy: str
    exit_status: ClassVar[int] = os.EX_DATAERR

    def __str__(self) -> str:
        return (
            f"{self.name}: {self.reason}; {self.remedy}"
            if self.name
            else (f"{self.reason}; {self.remedy}")
        )


def restore(stream: bytes, policy: Policy, shapes: Mapping[str, Shape] = NO_SHAPES) -> object:
    """Build the objects of `stream`, and give its root.

    `shapes` are those that its classes had, by ``module:qualname``, as they were recorded with it: what
    has changed since is made up for first, or `SchemaError` raised (see `migration`).

    Garbage collection is off during the call. Once the whole graph is there, ``after_restore`` of
    every object whose class is `persistent` and defines it has been called.

    Under any policy but everything, the stream is first read with stand-ins; if it names what
    `policy` does not allow, `TrustError` lists all of that before anything is imported or built.
    Raises `RestoreError` if a class cannot be imported, or an object not be built: also where code
    of the snapshot's classes raises SystemExit. KeyboardInterrupt and MemoryError pass.
    """
    with collector_off():
        with restoring() as restored:
            root = load(stream, policy, shapes)
        for item in restored:
            call_after_restore(item)
        return root


def load(stream: bytes, policy: Policy, shapes: Mapping[str, Shape] = NO_SHAPES) -> object:
    """As `restore`, for one of many streams: the caller sees to the collector and `after_restore`."""
    try:
        opcodes.check_protocol(stream)
        wanted = judged(stream, policy)
        if shapes:
            from .migration import Migration

            migrated = Migration.of(shapes, policy).stream(stream)
            if migrated is not stream:
                stream, wanted = migrated, judged(migrated, policy)
        return _load(stream, policy, wanted)
    except opcodes.StreamError as error:
        raise _no_stream(error) from error


Wanted = Mapping[tuple[str, str], object]


def judged(stream: bytes, policy: Policy) -> Wanted:
    """The names in `stream`, all of which `policy` allows; none if it allows everything.

    Nothing is imported. Raises `TrustError`, and `StreamError` for what no pickler writes.
    """
    if policy.modules is None:
        return {}
    wanted = inert.names_in(stream, policy)
    refused = [f"{module}:{name}" for module, name in wanted if not policy.allows(module, name)]
    if refused:
        raise TrustError(tuple(sorted(refused)))
    return wanted


def check_parts(made: bytes, state: bytes, policy: Policy) -> None:
    """Raise as `load` if a stranger's record gives a component what it may not have.

    There the class, `made`, comes apart from what its object is given, `state`, so that neither stream tells
    whether that is the class's to take.
    """
    if policy.modules is None or not made:
        return
    try:
        for stream in (made, state):
            judged(stream, policy)
        inert.check_parts(made, state, policy)
    except opcodes.StreamError as error:
        raise _no_stream(error) from error


def _no_stream(error: opcodes.StreamError) -> RestoreError:
    return RestoreError(
        "", f"the content is not a stream of objects: {error}", "take an earlier snapshot"
    )


def _load(stream: bytes, policy: Policy, wanted: Wanted) -> object:
    if policy.modules is None:
        reader: pickle.Unpickler = _Reader(io.BytesIO(stream), fix_imports=False)
    else:
        reader = _StrictReader(stream, _resolve(wanted, policy))
    try:
        return reader.load()
    except (PerdureError, MemoryError, KeyboardInterrupt):
        raise
    except BaseException as error:
        # SystemExit too: a snapshot does not decide when its reader ends.
        raise RestoreError(
            _place(error),
            f"it cannot be built again: {type(error).__name__}: {error!s:.{_LONGEST_SAID}}",
            "mend its class, or take an earlier snapshot",
        ) from error


class _Reader(pickle.Unpickler):
    """The C unpickler, saying plainly what it did not find."""

    def find_class(self, module_name: str, global_name: str, /) -> Any:
        return find_named(module_name, global_name)


class _StrictReader(_Reader):
    """Takes names only from what was looked up, and judged, before."""

    def __init__(self, stream: bytes, found: Mapping[tuple[str, str], object]) -> None:
        super().__init__(io.BytesIO(stream), fix_imports=False)
        self._found = found

    def find_class(self, module_name: str, global_name: str, /) -> Any:
        return self._found[module_name, global_name]


def _resolve(wanted: Wanted, policy: Policy) -> dict[tuple[str, str], object]:
    """Look up the `wanted` names, all of them allowed; refuse what is not defined where it is named.

    A module also holds what it has imported: without this look, a trusted one would lead to
    ``os.system``.
    """
    found: dict[tuple[str, str], object] = {}
    refused: list[str] = []
    for module, name in wanted:
        if f"{module}:{name}" == METHODS:
            found[module, name] = functools.partial(_method, policy)
            continue
        item = find_named(module, name)
        judged = policy.trusts(module) or f"{module}:{name}" in DATA_CLASSES
        if judged and not _is_defined_there(item, module, name):
            refused.append(f"{module}:{name}")
        found[module, name] = item
    if refused:
        raise StrayNameError(tuple(sorted(refused)))
    return found


def _method(policy: Policy, item: Any, name: str) -> object:
    """The method `name` bound to `item`, an instance of a trusted class, or such a class."""
    kind: Any = item if isinstance(item, type) else type(item)
    found = getattr(item, name) if policy.trusts(kind.__module__) else None
    if not isinstance(found, MethodType) or found.__self__ is not item:
        raise RestoreError(
            f"{kind.__module__}.{kind.__qualname__}.{name}",
            "a stranger's snapshot wants it as a method, and it is none of a trusted class",
            "do not run it, or ask who wrote it",
        )
    return found


def _is_defined_there(item: object, module: str, name: str) -> bool:
    if isinstance(item, (type, FunctionType, BuiltinFunctionType)):
        return item.__module__ == module and item.__qualname__ == name
    # An object that stands for itself by name, such as a marker; not one of another's class.
    return "." not in name and type(item).__module__ == module


def find_named(module: str, name: str) -> object:
    """Import `module`, and give what it holds under the dotted `name`. Raises `RestoreError`."""
    try:
        item: object = sys.modules.get(module) or importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise _not_found(module, name, error) from error
    except (MemoryError, KeyboardInterrupt):
        raise
    except BaseException as error:
        raise RestoreError(
            f"{module}.{name}",
            f"its module fails on import: {type(error).__name__}: {error}",
            "mend the module",
        ) from error
    try:
        for part in name.split("."):
            item = getattr(item, part)
    except AttributeError as error:
        file = getattr(sys.modules[module], "__file__", None)
        raise RestoreError(
            f"{module}.{name}",
            f"there is no {name} in the module {module}" + (f" ({file})" if file else ""),
            "put it back there under that name, or take the module that had it",
        ) from error
    return item


def _not_found(module: str, name: str, error: ModuleNotFoundError) -> RestoreError:
    missing = error.name or module
    folders = ", ".join(searched_folders()) or "none"
    reason = (
        f"there is no module {missing}"
        if module == missing or module.startswith(f"{missing}.")
        else f"its module needs a module {missing}, which is not there"
    )
    return RestoreError(
        f"{module}.{name}",
        f"{reason} (folders searched: {folders})",
        "name the folder that holds it with --pythonpath FOLDER, or install it",
    )


def call_after_restore(item: Any) -> None:
    """Call the hook of `item`. Raises `RestoreError` if it fails."""
    try:
        item.after_restore()
    except (MemoryError, KeyboardInterrupt):
        raise
    except BaseException as error:
        raise RestoreError(
            f"{type(item).__module__}.{type(item).__qualname__}",
            f"its after_restore() raised {type(error).__name__}: {error}",
            "mend that method, or take an earlier snapshot",
        ) from error


def _place(error: BaseException) -> str:
    """The function that let `error` out, if it is not the unpickler itself."""
    traceback = error.__traceback__
    while traceback is not None and traceback.tb_next is not None:
        traceback = traceback.tb_next
    if traceback is None or traceback.tb_frame.f_code.co_filename == __file__:
        return ""
    frame = traceback.tb_frame
    return f"{frame.f_globals.get('__name__')}.{frame.f_code.co_qualname}"
