"""Where a name of old leads that is not there any more: classes moved, modules renamed.

What the modules imported so far declare is asked first (`schema`), then what is installed declares, by
an entry point of the group ``perdure.moved``: its name is the old module, its value the new one. Last,
the sources of the application's folders and of the package that had the name are searched for a
declaration of it; they are parsed, and imported only by whoever uses what is found.
"""

import ast
import functools
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from importlib.machinery import PathFinder
from importlib.metadata import entry_points
from inspect import isclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

import attrs

from .modules import searched_folders
from .schema import MOVED

GROUP: Final = "perdure.moved"
_FARTHEST: Final = 20
_MOST_FILES: Final = 5_000
_LARGEST: Final = 1 << 22
_TELLING: Final = re.compile(rb"\bmoved\b|\bwas\s*=")


def present_name(module: str, name: str) -> tuple[str, str] | None:
    """The module and name that have taken the place of `name` in `module`; None if none is known.

    That one may have moved on: it is then asked for again.
    """
    found = _declared(module, name)
    if found is None:
        found = _by_prefix(module, name, _modules())
    return found or _searched(module, name)


def own_place(item: object) -> tuple[str, str] | None:
    """The module and the name by which the class `item` is saved; None for what is no such class.

    It may have been found by another name of its own: one of old that leads to it still.
    """
    if not isclass(item) or _own_name(item) is None:
        return None
    return item.__module__, item.__qualname__


def present_class(dotted: str) -> str:
    """The present dotted name of a class that was called `dotted`; the same if that is not known.

    Asked is only what has been declared so far: nothing is imported, and no source searched.
    """
    moved = _modules()
    name = dotted
    for _ in range(_FARTHEST):
        item = _there(name)
        if item is not None:
            return _own_name(item) or name
        found = MOVED.classes.get(name)
        if found is not None:
            name = found.replace(":", ".")
            continue
        prefix = _prefix_of(name, moved)
        if prefix is None:
            return name
        name = moved[prefix] + name[len(prefix) :]
    return dotted


def _own_name(item: object) -> str | None:
    """What the class `item` calls itself, if it is there by that name: it may be met by another."""
    if not isclass(item):
        return None
    name = f"{item.__module__}.{item.__qualname__}"
    return name if _there(name) is item else None


def _there(dotted: str) -> object:
    """What has that name in the modules imported so far; None if nothing has."""
    module, steps = dotted, list[str]()
    while module not in sys.modules:
        module, _, step = module.rpartition(".")
        if not module:
            return None
        steps.insert(0, step)
    item: object = sys.modules[module]
    for step in steps:
        item = getattr(item, step, None)
    return item


def _declared(module: str, name: str) -> tuple[str, str] | None:
    found = MOVED.classes.get(f"{module}.{name}")
    if found is None:
        return None
    new_module, _, new_name = found.partition(":")
    return new_module, new_name


def _by_prefix(module: str, name: str, moved: Mapping[str, str]) -> tuple[str, str] | None:
    prefix = _prefix_of(module, moved)
    return None if prefix is None else (moved[prefix] + module[len(prefix) :], name)


def _prefix_of(dotted: str, moved: Mapping[str, str]) -> str | None:
    """The longest beginning of `dotted` that was `moved`."""
    while dotted and dotted not in moved:
        dotted = dotted.rpartition(".")[0]
    return dotted or None


def _modules() -> Mapping[str, str]:
    return {**installed(), **MOVED.modules} if MOVED.modules else installed()


@functools.cache
def installed() -> Mapping[str, str]:
    return MappingProxyType({each.name: each.value for each in entry_points(group=GROUP)})


def _searched(module: str, name: str) -> tuple[str, str] | None:
    modules: dict[str, str] = {}
    for place, path in _source_files(module):
        try:
            status = path.stat()
        except OSError:
            continue
        if status.st_size > _LARGEST:
            continue
        told = _told(path, status.st_mtime_ns, status.st_size)
        found = told.classes.get(f"{module}.{name}")
        if found is not None:
            return place, found
        modules.update(told.modules)
    return _by_prefix(module, name, modules)


@attrs.frozen
class _Told:
    """What a source tells of moves: `classes` by their former dotted names, and `modules` by theirs."""

    classes: Mapping[str, str]
    modules: Mapping[str, str]


_NOTHING_TOLD: Final = _Told({}, {})


@functools.lru_cache(_MOST_FILES)
def _told(path: Path, _modified: int, _size: int) -> _Told:
    """What this version of the source at `path` tells; where much has moved it is asked often."""
    try:
        text = path.read_bytes()
        tree = ast.parse(text) if _TELLING.search(text) else None
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        # What cannot be read or parsed declares nothing.
        return _NOTHING_TOLD
    if tree is None:
        return _NOTHING_TOLD
    classes: dict[str, str] = {}
    modules: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            for former in _former_names(node):
                # Of a class in a class only that can be told, which class statements are in which.
                classes.setdefault(former, _qualified(tree, node))
        elif isinstance(node, ast.Call) and _called(node) == "moved":
            texts = [each.value for each in node.args if isinstance(each, ast.Constant)]
            match texts:
                case [str(old), str(new)]:
                    modules[old] = new
                case _:
                    pass
    return _Told(classes, modules)


def _former_names(node: ast.ClassDef) -> Iterator[str]:
    for decorator in node.decorator_list:
        if isinstance(decorator, ast.Call) and _called(decorator) == "schema":
            for keyword in decorator.keywords:
                if keyword.arg == "was" and isinstance(keyword.value, (ast.Tuple, ast.List)):
                    for each in keyword.value.elts:
                        if isinstance(each, ast.Constant) and isinstance(each.value, str):
                            yield each.value


def _called(node: ast.Call) -> str:
    function = node.func
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def _qualified(tree: ast.Module, wanted: ast.ClassDef) -> str:
    stack: list[tuple[str, Iterable[ast.stmt]]] = [("", tree.body)]
    while stack:
        prefix, body = stack.pop()
        for each in body:
            if isinstance(each, ast.ClassDef):
                if each is wanted:
                    return prefix + each.name
                stack.append((f"{prefix}{each.name}.", each.body))
    return wanted.name


def _source_files(module: str) -> Iterator[tuple[str, Path]]:
    top = module.partition(".")[0]
    found = PathFinder.find_spec(top)
    waiting = [("", Path(folder)) for folder in searched_folders()]
    if found is not None:
        waiting += [(f"{top}.", Path(each)) for each in found.submodule_search_locations or ()]
    count = 0
    seen: set[Path] = set()
    while waiting and count < _MOST_FILES:
        prefix, folder = waiting.pop(0)
        if folder in seen:
            continue
        seen.add(folder)
        for path in _listed(folder):
            count += 1
            if path.suffix == ".py" and path.stem.isidentifier():
                yield (prefix[:-1] if path.stem == "__init__" else prefix + path.stem), path
            elif path.name.isidentifier() and (path / "__init__.py").is_file():
                waiting.append((f"{prefix}{path.name}.", path))


def _listed(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []
