"""What becomes of a script's objects when the script runs again.

A class statement makes a new class each time it runs, while the registry still holds objects of the
former one; pickle would refuse those, since the name of their class now leads to another. So

- when the script was changed, every object of a former class becomes one of the class that
  has its name now, where the layout of the two allows it: it keeps its fields and has the new methods;
- an object of a former class that is left is saved as one of the class that has its name then.

Rejected: changing the former class itself into the new one. ``super()`` and everything that decorators
such as attrs keep about a class would still speak of the new one.
"""

import copyreg
import gc
import sys
from collections.abc import Iterator
from contextlib import suppress
from types import ModuleType
from typing import Any, Final
from weakref import WeakSet

_retired: Final[dict[str, WeakSet[type]]] = {}
"""By module, the classes whose names have passed to others."""


def follow(former: ModuleType, module: ModuleType, *, with_instances: bool) -> None:
    """Lets the classes of `module` take the place of those of `former`, of the same name.

    `with_instances` false leaves the objects with their classes, and has them saved under the new
    ones: for a script that ran again unchanged, since the search for them takes time with all objects
    there are (some 0.1 s a million).
    """
    retired = _retired.setdefault(module.__name__, WeakSet())
    for cls in set(_classes(former)):
        if _successor(cls) is not cls:
            _retire(cls)
            retired.add(cls)
    if with_instances and retired:
        _convert(set(retired))


def _classes(module: ModuleType) -> Iterator[type]:
    """The classes that were defined in `module`, also those within others."""
    waiting: list[object] = list(vars(module).values())
    seen: set[int] = set()
    while waiting:
        item = waiting.pop()
        if isinstance(item, type) and item.__module__ == module.__name__ and id(item) not in seen:
            seen.add(id(item))
            waiting += vars(item).values()
            yield item


def _successor(cls: type) -> type | None:
    """The class that has the name of `cls` now."""
    found: object = sys.modules.get(cls.__module__)
    for part in cls.__qualname__.split("."):
        found = getattr(found, part, None)
    return found if isinstance(found, type) else None


def _retire(cls: type) -> None:
    reduce_ex: Any = cls.__reduce_ex__

    def reduce_as_successor(self: object, protocol: int) -> Any:
        return _with_successor(type(self), reduce_ex(self, protocol))

    # A class that cannot be changed keeps its objects from being saved; pickle says so then.
    with suppress(TypeError, AttributeError):
        type.__setattr__(cls, "__reduce_ex__", reduce_as_successor)


def _with_successor(cls: type, reduced: Any) -> Any:
    successor = _successor(cls)
    if successor is None or isinstance(reduced, str):
        return reduced
    make, arguments, *rest = reduced
    if make is copyreg.__newobj__:  # type: ignore[attr-defined]
        # pickle insists that its own function is called with the very class of the object.
        make = new_instance
    return (
        successor if make is cls else make,
        tuple(successor if each is cls else each for each in arguments),
        *rest,
    )


def new_instance(cls: type, *arguments: Any) -> object:
    """A bare object of `cls`. Snapshots name this function."""
    return cls.__new__(cls, *arguments)


def _convert(retired: set[type]) -> None:
    # Frozen objects are not found.
    frozen = gc.get_freeze_count()
    if frozen:
        gc.unfreeze()
    holders: list[object] = gc.get_referrers(*retired)
    for item in holders:
        cls = type(item)
        if cls in retired and (successor := _successor(cls)):
            # A frozen class refuses in its own __setattr__.
            with suppress(TypeError):
                object.__setattr__(item, "__class__", successor)
    if frozen:
        gc.freeze()
