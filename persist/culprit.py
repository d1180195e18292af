"""Where in a graph the object stands that cannot be saved.

A pickler knows what it failed on, not how it got there. So only once it failed, the graph is walked
from its root, breadth first and by the same rules as the pickler's, and the first object met that
cannot be taken apart is named by its path, the shortest there is.
"""

import os
from collections.abc import Iterable
from typing import Any, ClassVar, Final

import attrs

from .deep import EndlessError
from .errors import PerdureError
from .naming import NAMED, Unnamed, check_named, is_bound
from .persistent import secret_fields
from .reduction import class_of, fields_of, reduction_of
from .refusals import advise, resource_of

_LEAVES: Final = (type(None), bool, int, float, complex, str, bytes, bytearray)
_REPR_LIMIT = 40

# The kind of the step from an object to its part, what names the step, and the part.
_Part = tuple[str, object, object]


@attrs.define
class CaptureError(PerdureError):
    """An object cannot be saved.

    `path` leads to it from the root, `type_name` is its class, `reason` what is wrong with it,
    `remedy` what to do. The exception that the object's own code raised, if any, is the cause. Of what
    is in a field that is secret (see `persistent`) nothing more is told than that, and no cause.
    """

    path: str
    type_name: str
    reason: str
    remedy: str
    is_secret: bool = False
    exit_status: ClassVar[int] = os.EX_DATAERR

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}; {self.remedy}"


@attrs.define
class _Walk:
    """Every object met so far: its parent's number and the step from there, unspelled."""

    objects: list[object]
    parents: list[int]
    steps: list[tuple[str, object]]
    seen: set[int]

    def add(self, item: object, parent: int, step: tuple[str, object]) -> None:
        if type(item) not in _LEAVES and id(item) not in self.seen:
            self.seen.add(id(item))
            self.objects.append(item)
            self.parents.append(parent)
            self.steps.append(step)

    def way_to(self, number: int) -> list[int]:
        way: list[int] = []
        while number:
            way.append(number)
            number = self.parents[number]
        return way[::-1]

    def spell(self, name: str, way: list[int]) -> str:
        return name + "".join(_spell(*self.steps[number]) for number in way)


def find(root: object, name: str, error: Exception) -> CaptureError:
    """The typed error for `error`, which saving `root`, called `name`, has raised."""
    if isinstance(error, EndlessError):
        return CaptureError(
            name,
            _type_name(root),
            f"its parts never end ({error})",
            "look for a method such as __getstate__ or __getattr__ that makes new objects each time",
        )
    walk = _Walk([root], [-1], [("", "")], {id(root)})
    number = 0
    while number < len(walk.objects):
        item = walk.objects[number]
        try:
            for kind, key, part in _parts(item):
                walk.add(part, number, (kind, key))
        except MemoryError:
            raise
        except Exception as refusal:  # noqa: BLE001 - any error of a user's code is the finding
            return _report(walk, name, number, refusal)
        number += 1
    return CaptureError(
        name, _type_name(root), f"it cannot be saved: {_said(error)}", "see the cause"
    )


def _report(walk: _Walk, name: str, number: int, refusal: Exception) -> CaptureError:
    way = walk.way_to(number)
    # A lock inside a thread is the thread's business: name the outermost thing of that sort.
    for length, ancestor in enumerate(way):
        if resource_of(walk.objects[ancestor]) is not None:
            way = way[: length + 1]
            break
    secret = next((at for at, step in enumerate(way) if walk.steps[step][0] == "secret"), None)
    if secret is not None:
        way = way[: secret + 1]
        owner = walk.objects[walk.parents[way[-1]]]
        return CaptureError(
            walk.spell(name, way),
            _type_name(owner),
            "something in this field, which is secret, cannot be saved",
            f"look at it there, or leave the field out with {_transient(walk.steps[way[-1]][1])}",
            is_secret=True,
        )
    item = walk.objects[way[-1] if way else 0]
    field = next(
        (str(walk.steps[n][1]) for n in reversed(way) if walk.steps[n][0] == "attribute"), None
    )
    if isinstance(refusal, Unnamed) and resource_of(item) is None:
        reason, remedy = refusal.reason, refusal.remedy
    else:
        reason, remedy = advise(item, field, refusal)
    problem = CaptureError(walk.spell(name, way), _type_name(item), reason, remedy)
    problem.__cause__ = refusal
    return problem


def _parts(item: Any) -> list[_Part]:
    """What `item` is saved with. Raises if it cannot be saved."""
    kind = class_of(item)
    if kind is list or kind is tuple:
        return [("item", place, part) for place, part in enumerate(item)]
    if kind is set or kind is frozenset:
        return [("member", part, part) for part in item]
    if kind is dict:
        return _pair_parts(item.items())
    if isinstance(item, NAMED) and not is_bound(item):
        check_named(item)
        return []
    named_children = getattr(kind, "capture_children", None)
    if named_children is None:
        return _reduced_parts(item)
    spelled: list[_Part] = [("spelled", step, part) for step, part in named_children(item)]
    return spelled + _reduced_parts(item)


def _reduced_parts(item: Any) -> list[_Part]:
    made = reduction_of(item)
    if isinstance(made, str):
        return []
    for named in (made.function, *made.arguments[:1]):
        # Its own class, or what makes it: the object itself is at fault, not a part of it.
        if isinstance(named, NAMED) and not is_bound(named):
            check_named(named)
    found: list[_Part] = [("argument", place, part) for place, part in enumerate(made.arguments)]
    found += [("argument", "function", made.function), ("argument", "setter", made.setter)]
    fields = fields_of(made.state)
    if fields is None:
        found.append(("state", "", made.state))
    else:
        secret = secret_fields(class_of(item))
        found += [
            ("secret" if name in secret else "attribute", name, value)
            for part in fields
            for name, value in part.items()
        ]
    found += [("item", place, part) for place, part in enumerate(made.members or ())]
    return found + _pair_parts(made.pairs or ())


def _pair_parts(pairs: Iterable[tuple[object, object]]) -> list[_Part]:
    found: list[_Part] = []
    for key, part in pairs:
        found += [("item", key, part), ("key", key, key)]
    return found


def _spell(kind: str, key: object) -> str:
    match kind:
        case "attribute" | "secret":
            return f".{key}"
        case "spelled":
            return str(key)
        case "item":
            return f"[{_brief(key)}]"
        case "key":
            return f".keys()[{_brief(key)}]"
        case "member":
            return f"{{{_brief(key)}}}"
        case "argument":
            return f".__reduce__()[{key}]"
        case _:
            return ".__getstate__()"


def _brief(key: object) -> str:
    # Never the repr of a user's object: it may be endless, or fail, or do something.
    if isinstance(key, type):
        return f"{key.__module__}.{key.__qualname__}"
    if type(key) in _LEAVES:
        text = repr(key)
        return text if len(text) <= _REPR_LIMIT else text[:_REPR_LIMIT] + "..."
    return f"<{type(key).__qualname__}>"


def _transient(field: object) -> str:
    return f"@persistent(transient={(field,)!r})"


def _type_name(item: object) -> str:
    return f"{type(item).__module__}.{type(item).__qualname__}"


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
