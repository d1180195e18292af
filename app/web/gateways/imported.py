"""What is named by text: an object of a module, looked up when the server starts."""

import importlib
import os
import traceback
from typing import ClassVar

import attrs

from ....persist.errors import PerdureError


@attrs.define(str=False)
class ImportedError(PerdureError):
    """What `name` says cannot be had, for `reason`."""

    exit_status: ClassVar[int] = os.EX_CONFIG
    name: str
    reason: str

    def __str__(self) -> str:
        return f"{self.name}: {self.reason}"


def imported(name: str) -> object:
    """The object that ``package.module:object`` names, or ``package.module.object``.

    Behind the colon there may be attributes of attributes. Without one, as many parts from the left
    as there are modules name the module. Raises `ImportedError`, also for whatever a module raises.
    """
    module_name, colon, path = name.partition(":")
    if colon:
        module, rest = _module(name, module_name), path
    else:
        module_name, _, rest = name.rpartition(".")
        while True:
            if not module_name:
                raise ImportedError(name, _NO_FORM)
            try:
                module = _module(name, module_name)
                break
            except _NoModuleError:
                if "." not in module_name:
                    raise
                module_name, _, last = module_name.rpartition(".")
                rest = f"{last}.{rest}"
    if not module_name or not rest:
        raise ImportedError(name, _NO_FORM)
    found: object = module
    for part in rest.split("."):
        try:
            found = getattr(found, part)
        except AttributeError:
            raise ImportedError(name, f"there is no {part!r} in {module_name}") from None
    return found


_NO_FORM = "this names no object of a module: write module:object"


class _NoModuleError(ImportedError):
    """There is no such module."""


def _module(name: str, module_name: str) -> object:
    if not all(part.isidentifier() for part in module_name.split(".")):
        raise ImportedError(name, _NO_FORM)
    try:
        return importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is not None and f"{module_name}.".startswith(f"{error.name}."):
            raise _NoModuleError(
                name, f"no module is called {error.name}; --pythonpath says where modules are"
            ) from None
        raise ImportedError(name, _said(error)) from error
    except (Exception, SystemExit) as error:
        raise ImportedError(name, _said(error)) from error


def _said(error: BaseException) -> str:
    """What went wrong in a module, and where in it."""
    frames = [
        each
        for each in traceback.extract_tb(error.__traceback__)
        if "importlib" not in each.filename and each.filename != __file__
    ]
    where = f" ({frames[-1].filename}:{frames[-1].lineno})" if frames else ""
    if isinstance(error, SyntaxError):
        where = f" ({error.filename}:{error.lineno})"
        return f"cannot be imported: SyntaxError: {error.msg}{where}"
    text = " ".join(str(error).split())
    return f"cannot be imported: {type(error).__name__}: {text}{where}"
