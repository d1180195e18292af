"""Fields that a class had and has no more, of objects that have no place for them.

An object with a ``__dict__`` keeps such a field as any other attribute. One with slots alone cannot;
then the value is kept here, beside the object, for as long as the object lives, and is saved with it.
"""

import weakref
from collections.abc import Callable
from typing import Any, Final

import attrs

from .fields import set_fields
from .reduction import Fields, class_of, fields_of

_MARK: Final = "__leftovers__"


@attrs.frozen
class _Leftovers:
    """Of one class: the `fields` in question, and what its objects had in them, by their ids."""

    fields: frozenset[str]
    values: dict[int, tuple[Any, Fields]] = attrs.field(factory=dict[int, tuple[Any, Fields]])


def can_keep(kind: type[Any]) -> bool:
    """Whether objects of `kind` can keep what is no field of theirs, here or in themselves."""
    return bool(kind.__dictoffset__) or bool(kind.__weakrefoffset__)


def needs_keeping(kind: type[Any]) -> bool:
    """Whether such objects have no place of their own for it."""
    return not kind.__dictoffset__


def kept_fields(kind: type[Any]) -> tuple[str, ...]:
    """The fields of which objects of `kind` have values here, sorted."""
    found = vars(kind).get(_MARK)
    return tuple(sorted(found.fields)) if isinstance(found, _Leftovers) else ()


def keep(kind: type[Any], fields: frozenset[str]) -> None:
    """Keep the values of `fields` that states of `kind` have, from now on, and save them again.

    The class is given pickle methods for that, which call those it has. Its objects must be such
    that a weak reference can be made of them (see `can_keep`).
    """
    found = vars(kind).get(_MARK)
    if isinstance(found, _Leftovers):
        setattr(kind, _MARK, attrs.evolve(found, fields=found.fields | fields))
        return
    setattr(kind, _MARK, _Leftovers(fields))
    changed: Any = kind
    changed.__getstate__ = _getter(kind, changed.__getstate__)
    changed.__setstate__ = _setter(kind, getattr(kind, "__setstate__", None))


def _getter(kind: type[Any], take: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def __getstate__(self: Any) -> Any:  # noqa: N807
        state = take(self)
        held = vars(kind)[_MARK].values.get(id(self)) if class_of(self) is kind else None
        parts = fields_of(state)
        if held is None or parts is None:
            return state
        whole = {**parts[-1], **held[1]}
        return whole if isinstance(state, dict) else (state[0], whole)

    return __getstate__


def _setter(kind: type[Any], put: Callable[[Any, Any], None] | None) -> Callable[[Any, Any], None]:
    give = put or set_fields

    def __setstate__(self: Any, state: Any) -> None:  # noqa: N807
        leftovers: _Leftovers = vars(kind)[_MARK]
        if class_of(state) is dict and leftovers.fields.isdisjoint(state):
            # As it is for most: this is called for each of perhaps millions.
            give(self, state)
            if leftovers.values:
                leftovers.values.pop(id(self), None)
            return
        parts = fields_of(state) if class_of(self) is kind else None
        held: Fields = {}
        if parts is not None:
            own = [dict(part) for part in parts]
            for part in own:
                for name in leftovers.fields & part.keys():
                    held[name] = part.pop(name)
            if held:
                state = (
                    own[0]
                    if isinstance(state, dict)
                    else (own[0] if len(own) > 1 else None, own[-1])
                )
        give(self, state)
        _hold(leftovers.values, self, held)

    return __setstate__


def _hold(values: dict[int, tuple[Any, Fields]], item: Any, held: Fields) -> None:
    number = id(item)
    if held:
        values[number] = weakref.ref(item, lambda _: values.pop(number, None)), held
    else:
        values.pop(number, None)
