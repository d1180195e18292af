"""Which classes and functions can be saved by name, and what that name is.

A snapshot holds no code: it names a class or a function by its module and its place in it, and
loading looks the name up again. So whatever is named must be found there, and found the same.
"""

import importlib
import pickle
import sys
from types import (
    BuiltinFunctionType,
    EllipsisType,
    FunctionType,
    ModuleType,
    NoneType,
    NotImplementedType,
)
from typing import Final

NAMED: Final = (type, FunctionType, BuiltinFunctionType)

# The classes of these stand in no module; pickle saves each as type(its one instance).
SINGLETONS: Final[dict[object, object]] = {
    NoneType: None,
    NotImplementedType: NotImplemented,
    EllipsisType: ...,
}


class Unnamed(pickle.PicklingError):
    """A class or a function has no name under which it would be found again.

    `reason` says why; `remedy` says what to do about it.
    """

    def __init__(self, reason: str, remedy: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.remedy = remedy


def module_of(item: object, name: str) -> str:
    """The module that `item` says it is defined in, or else seems to be, under `name`."""
    module = getattr(item, "__module__", None)
    if isinstance(module, str):
        return module
    # A C function may say None, and a singleton nothing: pickle then searches, and so must we.
    return str(pickle.whichmodule(item, name))  # type: ignore[attr-defined]


def qualified_name(item: object) -> str:
    """The dotted place of `item` inside its module."""
    name = getattr(item, "__qualname__", None) or getattr(item, "__name__", None)
    return name if isinstance(name, str) else type(item).__name__


def is_bound(item: object) -> bool:
    """Whether `item` is a built-in method of an object: saved by that object and not by name."""
    if not isinstance(item, BuiltinFunctionType):
        return False
    owner = item.__self__
    return owner is not None and not isinstance(owner, ModuleType)


def check_named(item: object) -> str:
    """Return ``module:qualname`` of a class or function; raise `Unnamed` if it has no such name."""
    if isinstance(item, type) and item in SINGLETONS:
        return "builtins:type"
    name = qualified_name(item)
    module = module_of(item, name)
    kind = "class" if isinstance(item, type) else "function"
    if "<lambda>" in name:
        raise Unnamed(
            "a lambda has no name to be found by",
            "use a function defined with def at the top level of a module",
        )
    if module == "__main__":
        raise Unnamed(
            f"the {kind} {name} belongs to the program that was started (__main__)"
            " and would not be found by the next one",
            "move it to a module of its own and import it from there",
        )
    if "<locals>" in name:
        raise Unnamed(
            f"the {kind} {module}.{name} is defined inside a function",
            "define it at the top level of its module",
        )
    found = _find(module, name)
    if found is not item:
        there = "nothing" if found is None else "something else"
        raise Unnamed(
            f"the name {module}.{name} leads to {there}, not to this {kind}",
            "leave the name as it was defined",
        )
    return f"{module}:{name}"


def _find(module: str, name: str) -> object:
    try:
        found: object = sys.modules.get(module) or importlib.import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError):
        return None
    return found
