"""A value that is for the running application, and not for the eyes of people: a password, a key."""

import hmac
from typing import Any, Generic, TypeVar, cast

import attrs

from .persistent import persistent
from .reduction import class_of

T = TypeVar("T")


@persistent(secret=("_value",))
@attrs.frozen(repr=False, eq=False)
class Secret(Generic[T]):
    """Holds a value that no text shows: not its own, no log's, no message's, no view's, no export's.

    `reveal` gives the value. Two are equal if their values are; texts, and bytes, are compared in a
    time that tells nothing of where they differ. It is saved like any object: the binary snapshot and
    the journal have the value, and text forms have it sealed (see `concealment`).
    """

    _value: T

    def reveal(self) -> T:
        """The value itself."""
        return self._value

    def matches(self, value: object) -> bool:
        """Whether the value is equal to `value`, compared like two secrets are."""
        return _is_same(self._value, value)

    def __eq__(self, other: object) -> bool:
        if not issubclass(class_of(other), Secret):
            return NotImplemented
        return _is_same(self._value, cast("Secret[Any]", other)._value)

    def __hash__(self) -> int:
        return hash((Secret, self._value))

    def __repr__(self) -> str:
        return "Secret(hidden)"

    def __format__(self, _specification: str) -> str:
        return repr(self)


def _is_same(one: Any, other: Any) -> bool:
    if isinstance(one, str) and isinstance(other, str):
        return hmac.compare_digest(
            *(each.encode("utf-8", "surrogatepass") for each in (one, other))
        )
    if isinstance(one, bytes) and isinstance(other, bytes):
        return hmac.compare_digest(one, other)
    return bool(one == other)
