"""Which methods of a class an unpickler or a restore would run, as its source says; nothing is imported."""

import ast
import os
import stat
import sys
from collections.abc import Iterable
from functools import cache
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Final

import attrs

# In the order in which they are run.
_RUN: Final = (
    "__new__",
    "__init__",
    "__setstate__",
    "__setattr__",
    "__hash__",
    "__eq__",
    "after_restore",
)
_CALLED_ONLY: Final = "__init__"
_LARGEST: Final = 4 << 20


@attrs.frozen
class Hooks:
    """What is known of a class: the `file` of its source, and there its own methods and their lines.

    `bases` are the expressions of the classes that it inherits more from, which is not looked into.
    """

    file: Path
    methods: tuple[tuple[str, int], ...]
    bases: tuple[str, ...]


def hooks_of(module: str, name: str, folders: Iterable[str] = ()) -> Hooks | None:
    """Those of the class `name` in `module`, found in `folders` or where Python finds modules.

    None if there is no such source. No package above the module is imported either.
    """
    found = _parsed(module, tuple(folders))
    if found is None:
        return None
    file, tree = found
    node: ast.AST = tree
    for part in name.split("."):
        inner = [
            each
            for each in ast.iter_child_nodes(node)
            if isinstance(each, ast.ClassDef) and each.name == part
        ]
        if not inner:
            return None
        node = inner[-1]
    assert isinstance(node, ast.ClassDef)
    lines = {
        each.name: each.lineno
        for each in node.body
        if isinstance(each, (ast.FunctionDef, ast.AsyncFunctionDef))
    }
    methods = tuple((each, lines[each]) for each in _RUN if each in lines)
    return Hooks(file, methods, tuple(ast.unparse(base) for base in node.bases))


def run_on(hooks: Hooks, *, called: bool) -> list[str]:
    """The methods that run, with their lines, where the class is `called` or only made empty."""
    return [
        f"{name}() at line {line}" for name, line in hooks.methods if called or name != _CALLED_ONLY
    ]


@cache
def _parsed(module: str, folders: tuple[str, ...]) -> tuple[Path, ast.Module] | None:
    file = _file_of(module, [*folders, *sys.path])
    if file is None:
        return None
    try:
        handle = os.open(file, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        with open(handle, "rb") as opened:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                return None
            source = opened.read(_LARGEST)
        return file, ast.parse(source)
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _file_of(module: str, folders: list[str]) -> Path | None:
    """Where the source is. A finder of the path looks for files, and runs nothing."""
    path: list[str] | None = folders
    spec = None
    whole = ""
    for part in module.split("."):
        if not part or path is None:
            return None
        whole = f"{whole}.{part}" if whole else part
        try:
            spec = PathFinder.find_spec(whole, path)
        except (ImportError, ValueError, OSError):
            return None
        if spec is None:
            return None
        places = spec.submodule_search_locations
        path = None if places is None else list(places)
    if spec is None or not spec.has_location or not (spec.origin or "").endswith(".py"):
        return None
    return Path(spec.origin or "")
