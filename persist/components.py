"""One component's state as a journal keeps it: taken from the live object, and put back into it.

A record says how the component is made and what it is then given, apart, so that it can be put back
into the object that is there already: others hold that object, and go on holding it. Where the
record meets another component it holds a reference (see `references`), that component's key.

What two components share besides is in the records of both, and is two things after a recovery; a
checkpoint, which holds everything at once, keeps it one.
"""

import copyreg
import io
import pickle
import sys
from collections import defaultdict, deque
from collections.abc import Mapping
from typing import Any, Final, cast

import attrs

from .collector import collector_off
from .fields import fields, set_fields
from .naming import NAMED
from .persistent import restoring
from .reduction import PROTOCOL, class_of, fields_of
from .references import ReferenceLostError, References, referred, resolving
from .restore import call_after_restore, check_parts, load, restore
from .trust import Policy


class TooLargeError(Exception):
    """A component's record would be longer than allowed."""


@attrs.define
class Record:
    """The state of a component, not to be changed.

    `made` is the stream of its class, or empty when more than that is needed to make it: then the
    stream `state` says that as well. `met` are the keys of what it refers to.
    """

    made: bytes
    state: bytes
    met: tuple[str, ...] = attrs.field(default=(), eq=False)


class Recorder:
    """Makes records and streams in which the objects that `references` know stay references.

    `limit` is about how many bytes they may have. Threads may share one.
    """

    def __init__(self, references: References, limit: int | None = None) -> None:
        self._references = references
        self._limit = limit
        self._classes: dict[type[Any], bytes] = {}
        # A pickler costs more than what it does here. One in use is not in the list.
        self._idle: list[_Pickler] = []

    def record(self, component: object) -> Record:
        """What there is to `component`.

        Raises what its own methods raise, PicklingError for what cannot be saved, RecursionError if
        it is deeply nested, and `TooLargeError`, before all of it was looked at.
        """
        kind = class_of(component)
        made = self._classes.get(kind)
        if made is None and (isinstance(component, NAMED) or kind in copyreg.dispatch_table):
            return Record(b"", *self._dump(component, component))
        whole: object = component.__reduce_ex__(PROTOCOL)
        reduced: Any = whole
        if type(whole) is not tuple or reduced[0] is not _newobj or len(reduced[1]) != 1:
            return Record(b"", *self._dump(component, component))
        if made is None:
            made = self._classes[kind] = self._dump(reduced[1][0])[0]
        given: tuple[Any, ...] = reduced[2:]
        if given[1:3] != (None, None):
            given = (given[0], *(each and list(each) for each in given[1:3]), *given[3:])
        return Record(made, *self._dump(given))

    def stream(self, content: object) -> bytes:
        """`content` as a stream, to be read by `read`. Raises as `record` does."""
        return self._dump(content)[0]

    def _dump(self, content: object, whole: object = None) -> tuple[bytes, tuple[str, ...]]:
        pickler = self._idle.pop() if self._idle else _Pickler(self._references, self._limit)
        pickler.whole = whole
        pickler.dump(content)
        pieces = pickler.pieces
        met: tuple[str, ...] = ()
        stream = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        pieces.clear()
        pieces.size = 0
        if pickler.met:
            met = tuple(pickler.met)
            pickler.met.clear()
        pickler.clear_memo()
        self._idle.append(pickler)
        return stream, met


def reference_to(key: str) -> Record:
    """The record of what is a component by another `key` as well."""
    return Record(b"", pickle.dumps(_Reference(key), PROTOCOL), (key,))


def difference(was: Record, now: Record) -> str | None:
    """The place in a component where its records begin to differ: ``.entries[5]``; None if nowhere.

    The same state may be written in several ways.
    """
    from . import graphstream, isomorphism

    if was.made != now.made:
        return ", its class,"
    first, second = (graphstream.read(each.state, trusted=True) for each in (was, now))
    place = isomorphism.difference(first, second)
    if place is None:
        return None
    steps = place.partition("[")[1] + place.partition("[")[2]
    if not was.made:
        return steps
    # What is given to a component is its state, its members and its items.
    part, rest = steps[:3], steps[3:]
    name, bracket, below = rest[1:].partition("]")
    return f".{name}{below}" if part == "[0]" and bracket else rest


def read(stream: bytes, references: References, policy: Policy) -> object:
    """What a `Recorder` has made `stream` of. Raises as `restore` does, and `ReferenceLostError`."""
    with resolving(references):
        return restore(stream, policy)


def put_back(
    record: Record, key: str, component: object | None, references: References, policy: Policy
) -> object:
    """The component of `record`: `component` itself wherever it can be given the state, else another.

    `references` then have it as `key`. Fields that the class declares transient stay as they are.
    Another is made when there is none, or one of another class, or one that its class makes by more
    than ``__new__`` with nothing. Raises as `read` does; nothing was changed unless code of the
    component's own has failed half-way.
    """
    with collector_off(), restoring() as restored, resolving(references):
        kind = _kind(record, policy, {})
        whole = _put_back(record, key, component, references, policy, kind)
    for item in restored:
        call_after_restore(item)
    return whole


def put_back_all(
    records: Mapping[str, Record], references: References, policy: Policy, *, calls: bool = True
) -> dict[str, object]:
    """The components of `records`, by their keys; they may refer to each other in any way.

    Each is put back into the object that `references` have under its key, if there is one. With
    `calls`, their ``after_restore`` is called in the end. Raises as `put_back` does; components
    before the one that failed have then been put back.
    """
    made: dict[str, object] = {}
    kinds: dict[bytes, Any] = {}
    shells: set[str] = set()
    with collector_off(), restoring() as restored, resolving(references):
        for key, record in records.items():
            if key not in references.objects:
                shell = _shell(_kind(record, policy, kinds))
                if shell is not None:
                    references.put(key, shell)
                    shells.add(key)
        waiting = list(records)[::-1]
        begun: set[str] = set()
        while waiting:
            key = waiting[-1]
            record = records[key]
            try:
                if key not in made:
                    there = references.objects.get(key)
                    kind = _kind(record, policy, kinds)
                    is_new = key in shells
                    made[key] = _put_back(record, key, there, references, policy, kind, is_new)
                waiting.pop()
            except ReferenceLostError as error:
                # It has no shell: it must be there whole before what refers to it.
                begun.add(key)
                if error.key in records and error.key not in begun:
                    waiting.append(error.key)
                elif not references.give_up(error.key, key):
                    raise
    for item in restored if calls else ():
        call_after_restore(item)
    return made


def _kind(record: Record, policy: Policy, known: dict[bytes, Any]) -> Any:
    """The class that `record` is made by, None if by more. `known` saves looking it up again."""
    check_parts(record.made, record.state, policy)
    kind = known.get(record.made)
    if kind is None and record.made:
        kind = known[record.made] = restore(record.made, policy)
    return kind


def _shell(kind: Any) -> object | None:
    return None if kind is None else cast(object, kind.__new__(kind))


def _put_back(
    record: Record,
    key: str,
    component: object | None,
    references: References,
    policy: Policy,
    kind: Any,
    is_new: bool = False,
) -> object:
    if kind is None:
        whole = load(record.state, policy)
        if class_of(component) is class_of(whole) and _move(component, whole):
            references.put(key, component)
            return component
        references.put(key, whole)
        return whole
    if class_of(component) is kind:
        if references.objects.get(key) is not component:
            references.put(key, component)
        given = cast("tuple[Any, ...]", load(record.state, policy))
        if not is_new:
            _empty(component, given[0] if given else None)
        _give(component, *given)
        return component
    new: Any = kind.__new__(kind)
    # What refers to the component itself finds the one that shall have the state.
    references.put(key, new)
    try:
        given = cast("tuple[Any, ...]", load(record.state, policy))
    except BaseException:
        references.drop(key)
        if component is not None:
            references.put(key, component)
        raise
    _give(new, *given)
    return cast(object, new)


_newobj: Final[Any] = cast(Any, copyreg).__newobj__
_CONTAINERS: Final = (list, dict, set, deque, bytearray)
_HOLDERS: Final = 3


@attrs.frozen
class _Reference:
    key: str

    def __reduce__(self) -> Any:
        return referred, (self.key,)


class _Pieces(list[bytes]):
    """What a pickler writes: a piece for each frame or large value."""

    def __init__(self, limit: int | None) -> None:
        super().__init__()
        self.limit = sys.maxsize if limit is None else limit
        self.size = 0

    def write(self, piece: bytes) -> None:
        self.size += len(piece)
        if self.size > self.limit:
            raise TooLargeError
        self.append(piece)


class _Pickler(pickle.Pickler):
    def __init__(self, references: References, limit: int | None) -> None:
        self.pieces = _Pieces(limit)
        self.met: dict[str, None] = {}
        self.whole: object = None
        self._references = references
        super().__init__(cast("io.BytesIO", self.pieces), PROTOCOL)

    def reducer_override(self, obj: object) -> Any:
        if obj is self.whole:
            self.whole = None  # The first of all; itself, and no reference.
            return NotImplemented
        key = self._references.key_of(obj)
        if key is None:
            return NotImplemented
        self.met[key] = None
        return referred, (key,)


def _give(
    whole: Any, state: Any = None, members: Any = None, pairs: Any = None, setter: Any = None
) -> None:
    """What an unpickler does with the parts of a reduction, for frozen classes too."""
    if members is not None:
        if hasattr(whole, "extend"):
            whole.extend(members)
        else:
            for member in members:
                whole.append(member)
    for key, value in pairs or ():
        whole[key] = value
    if setter is not None:
        setter(whole, state)
    elif state is not None:
        if hasattr(whole, "__setstate__"):
            whole.__setstate__(state)
        else:
            set_fields(whole, state)


def _empty(whole: Any, state: object) -> None:
    """Take from `whole` what a new one would not have before it is given `state`."""
    kind: Any = class_of(whole)
    if issubclass(kind, _CONTAINERS):
        whole.clear()
    kept = {name for part in fields_of(state) or () for name in part}
    declared: Any = getattr(class_of(whole), "__persistent__", None)
    if declared is not None:
        kept |= declared.transient
        for name in declared.reopen & set(fields(whole)):
            close = getattr(fields(whole)[name], "close", None)
            if close is not None:
                close()  # It is opened again, at the place of then.
    for name in set(fields(whole)) - kept:
        object.__delattr__(whole, name)


def _move(component: Any, whole: Any) -> bool:
    """Give `component` all that `whole`, which is thrown away, has; False if that cannot be."""
    if component is whole:
        return True
    kind: Any = class_of(whole)
    if (
        not issubclass(kind, _CONTAINERS)
        or getattr(component, "maxlen", None) != getattr(whole, "maxlen", None)
        # Something in it refers to it: our caller and we hold it, and so does this call.
        or sys.getrefcount(whole) > _HOLDERS
    ):
        return False
    _empty(component, fields(whole))
    if issubclass(kind, (dict, set)):
        component.update(whole)
    else:
        component.extend(whole)
    if issubclass(kind, defaultdict):
        component.default_factory = whole.default_factory
    set_fields(component, fields(whole))
    return True
