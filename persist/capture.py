"""Live objects to a pickle stream.

The stream is made by the C pickler, protocol 5. Its own limits are lifted in two ways: where it
gives up for depth, `deep` writes the stream with no recursion at all; where an object cannot be
saved, `culprit` finds the path to it, which a pickler cannot tell.
"""

import pickle
from collections.abc import Mapping
from typing import Any, Final

import attrs

from . import culprit
from .collector import collector_off
from .culprit import CaptureError
from .deep import DeepPickler
from .naming import NAMED, check_named, is_bound
from .persistent import secret_fields
from .reduction import PROTOCOL
from .shapes import UNKNOWN, texts_of

__all__ = ["Capture", "CaptureError", "capture"]

_NOTHING: Final = str(UNKNOWN)


@attrs.frozen
class Capture:
    """A graph of objects as a stream.

    `names` are the classes and functions that the stream names, as ``module:qualname``, sorted.
    An object that stands for itself by a global name of its own (`typing.Any` is one) is not among them.
    `secret` are the fields that those of them which are classes have declared secret. `classes` are
    the shapes of those that are an application's, but for what is known of any (see `shapes`).
    """

    stream: bytes = attrs.field(repr=False)
    names: tuple[str, ...]
    secret: Mapping[str, tuple[str, ...]]
    classes: Mapping[str, str]


def capture(root: object, *, name: str = "application") -> Capture:
    """Save the whole graph of `root`, at any depth, with all its sharing and its cycles.

    The graph must hold still: no other thread may change it meanwhile. Garbage collection is off
    during the call. Methods by which objects say what they keep (``__getstate__``,
    ``before_capture`` and the like) may be called more than once.

    Not found out here: an object that is hashed by its own fields, and that itself holds the set or
    dict in which it is a member or a key. Its stream is written, but no unpickler can read it.

    Raises `CaptureError` if something in the graph cannot be saved; it says where, in a path that
    begins with `name`.
    """
    with collector_off():
        try:
            return _capture(root)
        except MemoryError:
            raise
        except Exception as error:  # noqa: BLE001 - any error of a user's code is the finding
            found = culprit.find(root, name, error)
            raise found from None if found.is_secret else error


def _capture(root: object) -> Capture:
    try:
        pieces = _Pieces()
        pickler = _Pickler(pieces, PROTOCOL)
        pickler.dump(root)
        return _captured(b"".join(pieces), pickler.names)
    except RecursionError:
        slow = DeepPickler()
        return _captured(slow.dump(root), slow.names)


def _captured(stream: bytes, names: Mapping[str, object]) -> Capture:
    order = sorted(names)
    secret = {name: fields for name in order if (fields := secret_fields(names[name]))}
    classes = {name: text for name, text in texts_of(names.values()).items() if text != _NOTHING}
    return Capture(stream, tuple(order), secret, classes)


class _Pieces(list[bytes]):
    """What the pickler writes: a piece for each frame or large value, joined once at the end."""

    write = list[bytes].append


class _Pickler(pickle.Pickler):
    """The C pickler, noting the names it writes."""

    def __init__(self, pieces: _Pieces, protocol: int) -> None:
        super().__init__(pieces, protocol)
        self.names: dict[str, object] = {}
        self._ordinary: set[type] = set()

    def reducer_override(self, obj: object) -> Any:
        # Called for nearly every object: for one whose class was met before, one look-up is all.
        if type(obj) not in self._ordinary:
            if not isinstance(obj, NAMED):
                self._ordinary.add(type(obj))
            elif not is_bound(obj):
                self.names[check_named(obj)] = obj
        return NotImplemented
