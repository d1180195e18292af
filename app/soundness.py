"""Whether what was restored is an application that can be run: its names and its numbers.

Restoring calls no constructor, so it calls no validator either. What somebody has written by hand,
or changed, may have a name that leads out of its folder, or a port that no machine has.
"""

from collections.abc import Iterator
from typing import Any, Final, cast

import attrs

from ..persist.errors import PerdureError
from .application import Application
from .registry import Registry
from .service import Service
from .timer import Timer, check_interval

_OURS: Final = f"{__package__}."


def problems(application: Application) -> Iterator[str]:
    """Each that is found, beginning with its place: ``application.services[0].endpoints[0].port``.

    Looked at are the application, its process, its services, and what of Perdure's own records
    these hold. Components are their authors' concern.
    """
    seen: set[int] = set()
    stack: list[tuple[str, Any]] = [("application", application)]
    while stack:
        place, item = stack.pop()
        if id(item) in seen:
            continue
        seen.add(id(item))
        parts: list[tuple[str, Any]] = []
        if type(item) in (list, tuple):
            members = cast("list[Any]", item)
            parts = [(f"{place}[{number}]", part) for number, part in enumerate(members)]
        elif _is_ours(item):
            yield from _wrong_fields(place, item)
            parts = [(f"{place}.{name}", part) for name, part in _fields(item).items()]
        # Who reads of it knows the children of a collection, not where it keeps them.
        stack += [(name.replace("._services", ""), part) for name, part in reversed(parts)]


def _is_ours(item: Any) -> bool:
    if isinstance(item, Registry):
        return False
    record = bool(_declared(item)) and type(item).__module__.startswith(_OURS)
    return isinstance(item, Service) or record


def _declared(item: Any) -> "tuple[attrs.Attribute[Any], ...]":
    kind = cast("Any", type(item))
    return attrs.fields(kind) if attrs.has(kind) else ()


def _fields(item: Any) -> dict[str, Any]:
    if hasattr(item, "__dict__"):
        return cast("dict[str, Any]", vars(item))
    names = [field.name for field in _declared(item)]
    return {name: getattr(item, name) for name in names if hasattr(item, name)}


def _wrong_fields(place: str, item: Any) -> Iterator[str]:
    there = _fields(item)
    for field in _declared(item):
        if field.name not in there:
            if field.default is attrs.NOTHING:
                yield f"{place}: the field {field.name} is missing"
        elif field.validator is not None:
            try:
                field.validator(item, field, there[field.name])
            except (PerdureError, ValueError, TypeError, AttributeError) as error:
                yield f"{place}.{field.name}: {error}"
    if isinstance(item, Timer):
        try:
            check_interval(item, there.get("interval"))
        except PerdureError as error:
            yield f"{place}.interval: {error}"
