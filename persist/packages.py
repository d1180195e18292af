"""The installed packages that names come from, and their versions."""

import contextlib
import sys
from collections.abc import Iterable
from functools import cache
from importlib.machinery import PathFinder
from importlib.metadata import Distribution, PackageNotFoundError, packages_distributions
from pathlib import Path
from typing import Final

_OWN: Final = __name__.partition(".")[0]
_INSTALLED: Final = ("site-packages", "dist-packages")


def packages_of(names: Iterable[str]) -> dict[str, str]:
    """The versions by the names of packages that `names`, ``module:qualname``, come from; sorted.

    Python's own modules and Perdure are of none, and so are modules that lie in a folder. Nothing is
    imported. Looked at once in the life of the process: it may lose its right to see them.
    """
    tops = {name.partition(":")[0].partition(".")[0] for name in names}
    found = [each for top in tops if (each := _package_of(top)) is not None]
    return dict(sorted(found))


@cache
def _package_of(top: str) -> tuple[str, str] | None:
    if not top or top == _OWN or top in sys.stdlib_module_names:
        return None
    # What is broken, or may not be read, is as good as not there.
    with contextlib.suppress(OSError, ValueError, ImportError):
        is_installed = _is_installed(top)
        found = _distribution(top)
        if found is not None and (is_installed or _is_editable(found)):
            return found.metadata["Name"], found.version
        if is_installed:
            # Seldom: a package that is called otherwise than its module.
            for name in packages_distributions().get(top, ()):
                if (found := _distribution(name)) is not None:
                    return found.metadata["Name"], found.version
    return None


def _is_installed(top: str) -> bool:
    spec = PathFinder.find_spec(top)
    if spec is None:
        return False
    places = [spec.origin or "", *(spec.submodule_search_locations or ())]
    return any(part in _INSTALLED for place in places for part in Path(place).parts)


def _distribution(name: str) -> Distribution | None:
    with contextlib.suppress(PackageNotFoundError):
        return Distribution.from_name(name)
    return None


def _is_editable(found: Distribution) -> bool:
    return '"editable": true' in (found.read_text("direct_url.json") or "")
