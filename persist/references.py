"""What a record refers to instead of holding it: objects that have names of their own."""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from enum import Enum
from typing import Any, Final

import attrs

from .errors import PerdureError
from .naming import NAMED, check_named, is_bound


@attrs.define
class ReferenceLostError(PerdureError):
    """A record refers to what is not there; `key` is its name."""

    key: str

    def __str__(self) -> str:
        return f"a record refers to {self.key}, which is not there"


# What stands for itself wherever it is met: another component may hold the same, and mean its own.
_VALUES: Final = (*NAMED, Enum, str, int, float, complex, bytes, tuple, frozenset)


class References:
    """Objects and the keys by which records refer to them.

    A subclass may know more names than it was given, by `name_of` and `named`, for objects of the
    classes in `kinds`. Not seen as references are components that are bare lists, dicts, sets or
    tuples: what holds one of these holds it as its own, and gets a copy of its own at a recovery.
    """

    kinds: tuple[type[Any], ...] = ()

    def __init__(self, objects: Mapping[str, object] | None = None) -> None:
        self.keys: dict[int, str] = {}
        self.objects: dict[str, object] = {}
        self._expected: dict[str, object] = {}
        # The keys of what cannot be had, and None stands for it; see `give_up`.
        self.lost: set[str] = set()
        # Looked at before and found to be nothing special: classes of objects, and global names.
        self.ordinary: set[type[Any]] = set()
        self.checked: set[object] = set()
        for key, item in (objects or {}).items():
            self.put(key, item)

    def put(self, key: str, item: object) -> None:
        """Let `key` stand for `item`, and no longer for what it stood for.

        Of an item with several keys the first is what references to it are written with.
        """
        self.drop(key)
        self.objects[key] = item
        if not isinstance(item, _VALUES):
            self.keys.setdefault(id(item), key)

    def expect(self, key: str, item: object) -> None:
        """Let references to `item` be written with `key`, which stands for it in no record yet.

        That holds until `put` or `drop` for this key.
        """
        self._forget(key, self._expected.pop(key, None))
        if not isinstance(item, _VALUES) and self.keys.setdefault(id(item), key) == key:
            self._expected[key] = item

    def expects(self, key: str) -> bool:
        """Whether it was told to `expect` something for `key`."""
        return key in self._expected

    def drop(self, key: str) -> None:
        """Let `key` stand for nothing."""
        self._forget(key, self.objects.pop(key, None))
        self._forget(key, self._expected.pop(key, None))

    def _forget(self, key: str, former: object) -> None:
        if former is not None and self.keys.get(id(former)) == key:
            del self.keys[id(former)]

    def find(self, key: str) -> object:
        """What `key` stands for. Raises `ReferenceLostError`."""
        found = self.objects.get(key)
        if found is None:
            found = self.named(key)
        if found is None and key not in self.lost:
            raise ReferenceLostError(key)
        return found

    def give_up(self, key: str, holder: str) -> bool:
        """Whether to go on with None for what `key` stands for: it cannot be had, and `holder` needs it.

        A subclass may do so, if it adds the key to those `lost`; here it is an error.
        """
        return False

    def name_of(self, item: object) -> str | None:
        """The key of an `item` of one of `kinds`; None if it is held after all."""
        return None

    def named(self, key: str) -> object | None:
        """What a key stands for that was not `put`."""
        return None

    def key_of(self, item: object) -> str | None:
        """The key of what a pickler has met; None for what is to be saved as it is.

        Raises PicklingError for a class or function that has no name to be found by.
        """
        key = self.keys.get(id(item))
        if key is not None or type(item) in self.ordinary:
            return key
        if isinstance(item, NAMED):
            if item not in self.checked and not is_bound(item):
                check_named(item)
                self.checked.add(item)
        elif isinstance(item, self.kinds):
            return self.name_of(item)
        else:
            self.ordinary.add(type(item))
        return None


_present: ContextVar[References | None] = ContextVar("perdure_references", default=None)


@contextmanager
def resolving(references: References) -> Generator[None]:
    """Within the block, let `referred` find what `references` know."""
    token = _present.set(references)
    try:
        yield
    finally:
        _present.reset(token)


def referred(key: str) -> object:
    """What `key` stands for: what a stream calls where it holds a reference."""
    present = _present.get()
    if present is None:
        raise LookupError(f"it refers to {key!r:.80}, as only the record of a component may")
    return present.find(key)
