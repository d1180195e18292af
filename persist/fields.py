"""The fields of an object while it is being restored: setting them, missing them, their defaults."""

import contextlib
import dataclasses
import sys
from types import MemberDescriptorType
from typing import Any

import attrs

from .reduction import class_of, fields_of


def set_fields(item: object, state: object) -> None:
    """What pickle does for a class with no ``__setstate__``; unlike it, for frozen classes too."""
    for fields in fields_of(state) or ():
        for name, value in fields.items():
            object.__setattr__(item, sys.intern(name), value)


def fields(item: object) -> dict[str, Any]:
    """What is in the ``__dict__`` and the slots of `item`, by name."""
    found: dict[str, Any] = dict(getattr(item, "__dict__", ()))
    for base in class_of(item).__mro__:
        # Types written in C have such members too, which are none of their object's fields.
        for name, held in vars(base).items() if "__slots__" in vars(base) else ():
            if isinstance(held, MemberDescriptorType):
                # A slot hidden by two underscores is in its class under its full name.
                with contextlib.suppress(AttributeError):
                    found.setdefault(name, held.__get__(item))
    return found


def has_field(item: object, field: str) -> bool:
    """Whether `item` has a value for `field`, found without running a property of its class."""
    if field in getattr(item, "__dict__", ()):
        return True
    for base in type(item).__mro__:
        held = base.__dict__.get(field)
        if isinstance(held, MemberDescriptorType):
            try:
                held.__get__(item)
            except AttributeError:
                return False
            return True
        if field in base.__dict__:
            return True
    return False


def default_of(item: Any, field: str) -> object:
    """The default that attrs or dataclasses has for `field`, made anew; None if there is none."""
    kind = class_of(item)
    if attrs.has(kind):
        attribute = attrs.fields_dict(kind).get(field)
        if attribute is not None and attribute.default is not attrs.NOTHING:
            default: Any = attribute.default
            if not isinstance(default, _FACTORY):
                return default
            return default.factory(item) if default.takes_self else default.factory()
    elif dataclasses.is_dataclass(kind):
        for declared in dataclasses.fields(kind):
            if declared.name != field:
                continue
            if declared.default is not dataclasses.MISSING:
                return declared.default
            if declared.default_factory is not dataclasses.MISSING:
                return declared.default_factory()
    return None


# attrs types its Factory as a function; it is a class.
_FACTORY: Any = attrs.Factory
