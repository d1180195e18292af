"""What an object keeps when it is saved: the declaration of its class."""

import contextlib
import dataclasses
from collections.abc import Callable, Generator, Iterable
from contextvars import ContextVar
from types import FunctionType
from typing import Any, Final, TypeVar, overload
from weakref import WeakKeyDictionary

import attrs

from .fields import default_of, has_field, set_fields
from .openfile import keep_file, reopen_file
from .reduction import Fields, class_of, fields_of

C = TypeVar("C", bound=type[Any])

_DECLARATION: Final = "__persistent__"
_Pending = dict[int, Any]
# Beside the classes, and not in them: there are some of which nothing can be changed.
_former: Final = WeakKeyDictionary[type[Any], frozenset[str]]()
_pending: ContextVar[_Pending | None] = ContextVar("perdure_restored", default=None)


@attrs.frozen
class _Declaration:
    transient: frozenset[str] = frozenset()
    reopen: frozenset[str] = frozenset()
    secret: frozenset[str] = frozenset()

    def joined(self, other: "_Declaration") -> "_Declaration":
        return _Declaration(
            self.transient | other.transient,
            self.reopen | other.reopen,
            self.secret | other.secret,
        )


@overload
def persistent(cls: C, /) -> C: ...
@overload
def persistent(
    *, transient: Iterable[str] = ..., reopen: Iterable[str] = ..., secret: Iterable[str] = ...
) -> Callable[[C], C]: ...
def persistent(
    cls: type[Any] | None = None,
    /,
    *,
    transient: Iterable[str] = (),
    reopen: Iterable[str] = (),
    secret: Iterable[str] = (),
) -> Any:
    """Declare how objects of a class are saved::

        @persistent(transient=("cache",), reopen=("log",), secret=("password",))
        class Records: ...

    Fields named in `transient` are left out. They come back as the default that attrs or dataclasses
    has for them, made anew; else as the class attribute of that name; else as None.

    Fields named in `reopen` may hold open files. A file is saved as its path, mode, encoding and
    position, and opened there again. One that was being read must still be there and be no shorter.
    One that was being written is made anew if it is gone, and never emptied; if it has become
    shorter, writing goes on at its end.

    Fields named in `secret` are saved like all others: a binary snapshot has their values, unless all
    of it is sealed. But in XML and source they are concealed (see `concealment`), and nothing shows
    them to people: no tree, page, comparison, log or message. The same is meant by
    ``metadata={"secret": True}`` of a field of attrs or dataclasses, and by the class `Secret`.

    ``before_capture(self)``, if defined, is called before an object's fields are taken, perhaps more
    than once. ``after_restore(self)`` is called when all the objects of a snapshot are there, in no
    order that may be relied on. When one object is copied by `copy` or loaded by bare `pickle`, it
    is called as soon as that object has its fields.

    It works for plain, slotted, attrs and dataclass classes, above or below their own decorators
    (only above the old ``attr.s(slots=True)``), and for subclasses, which may declare more.
    Raises TypeError for a class whose own ``__reduce__`` decides what is saved.
    """
    declaration = _Declaration(
        _names("transient", transient), _names("reopen", reopen), _names("secret", secret)
    )

    def decorate(decorated: C) -> C:
        _check_class(decorated)
        own = _Declaration(
            _mangled(decorated, declaration.transient),
            _mangled(decorated, declaration.reopen),
            _mangled(decorated, declaration.secret),
        )
        _declare(decorated, own)
        _follow_subclasses(decorated)
        return decorated

    return decorate if cls is None else decorate(cls)


def secret_fields(item: object) -> tuple[str, ...]:
    """The fields that `item`, if it is a class, or a base of it has declared secret; sorted.

    Those of earlier versions of it are among them (see `keep_secret`), unless it has such a field now.
    """
    if not isinstance(item, type):
        return ()
    bases: tuple[type[Any], ...] = item.__mro__
    declaration = getattr(item, _DECLARATION, None)
    found = set(declaration.secret) if isinstance(declaration, _Declaration) else set[str]()
    fields: Iterable[Any] = ()
    if attrs.has(item):
        fields = attrs.fields(item)
    elif dataclasses.is_dataclass(item):
        fields = dataclasses.fields(item)
    found.update(each.name for each in fields if each.metadata.get("secret") is True)
    former = frozenset[str]().union(*(_former.get(base, ()) for base in bases))
    found |= former.difference(each.name for each in fields)
    return tuple(sorted(found))


def keep_secret(kind: type[Any], fields: Iterable[str]) -> None:
    """Count `fields`, which an earlier version of `kind` has declared secret, among its secret ones.

    A class says no more of a field that is gone, but objects may have kept what was in it.
    """
    _former[kind] = _former.get(kind, frozenset[str]()).union(fields)


@contextlib.contextmanager
def restoring() -> Generator[Iterable[Any]]:
    """Within the block, put ``after_restore`` off; gives the objects that wait for it.

    Of blocks within one another the outermost has them all.
    """
    if _pending.get() is not None:
        yield ()
        return
    pending: _Pending = {}
    token = _pending.set(pending)
    try:
        yield pending.values()
    finally:
        _pending.reset(token)


def _names(option: str, fields: Iterable[str]) -> frozenset[str]:
    if isinstance(fields, str):
        raise TypeError(f"{option} is a tuple of names: {option}=({fields!r},)")
    return frozenset(fields)


def _mangled(cls: type, fields: frozenset[str]) -> frozenset[str]:
    prefix = "_" + cls.__name__.lstrip("_")
    return frozenset(
        prefix + field if field.startswith("__") and not field.endswith("__") else field
        for field in fields
    )


def _check_class(cls: type) -> None:
    for name in ("__reduce__", "__reduce_ex__"):
        if isinstance(getattr(cls, name), FunctionType):
            raise TypeError(
                f"{cls.__qualname__} has a {name} of its own, which decides what is saved:"
                " @persistent would do nothing"
            )
    if issubclass(cls, BaseException):
        raise TypeError(f"{cls.__qualname__} is an exception, and those save all they have")


def _declare(cls: type, own: _Declaration) -> None:
    """Give `cls` the pickle methods that follow `own` and what its bases declare."""
    for base in cls.__mro__[1:]:
        inherited = base.__dict__.get(_DECLARATION)
        if inherited is not None:
            own = own.joined(inherited)
    followed = hasattr(cls, _DECLARATION)
    methods: dict[str, Any] = {_DECLARATION: own}
    if not followed or "__getstate__" in cls.__dict__:
        methods["__getstate__"] = _getter(_method(cls, "__getstate__"))
    if not followed or "__setstate__" in cls.__dict__:
        methods["__setstate__"] = _setter(_method(cls, "__setstate__"))
    for name, value in methods.items():
        if not _is_ours(cls.__dict__.get(name)):
            setattr(cls, name, value)


def _follow_subclasses(cls: type) -> None:
    """Have `_declare` called for subclasses too: attrs gives those pickle methods of their own."""
    if any(_is_ours(_function(base.__dict__.get("__init_subclass__"))) for base in cls.__mro__):
        return
    previous = _function(cls.__dict__.get("__init_subclass__"))

    def follow(subclass: type[Any], /, **keywords: Any) -> None:
        if previous is not None:
            previous(subclass, **keywords)
        else:
            # Not `cls`: attrs and dataclasses make a second class of it when it has slots.
            holder: type[Any] = next(
                base
                for base in subclass.__mro__
                if _function(base.__dict__.get("__init_subclass__")) is follow
            )
            super(holder, subclass).__init_subclass__(**keywords)
        _declare(subclass, _Declaration())

    name = "__init_subclass__"
    setattr(cls, name, classmethod(follow))


def _getter(inherited: Callable[[Any], Any]) -> Callable[[Any], Any]:
    take = object.__getstate__ if _is_of_dataclasses(inherited) else inherited

    def __getstate__(self: Any) -> Any:  # noqa: N807
        before = getattr(class_of(self), "before_capture", None)
        if before is not None:
            before(self)
        state = take(self)
        # A state of None would not be given back, and nothing could be filled in.
        return {} if state is None else _changed(self, state, _kept)

    return __getstate__


def _setter(inherited: Callable[[Any, Any], None] | None) -> Callable[[Any, Any], None]:
    put = set_fields if inherited is None or _is_of_dataclasses(inherited) else inherited

    def __setstate__(self: Any, state: Any) -> None:  # noqa: N807
        put(self, _changed(self, state, _given_back))
        kind = class_of(self)
        for field in kind.__persistent__.transient:
            if not has_field(self, field):
                object.__setattr__(self, field, default_of(self, field))
        if hasattr(kind, "after_restore"):
            pending = _pending.get()
            if pending is None:
                self.after_restore()
            else:
                pending[id(self)] = self

    return __setstate__


def _changed(item: Any, state: Any, change: Callable[[_Declaration, Fields], Fields]) -> Any:
    """`state` with its fields changed, in whichever of Python's shapes it comes."""
    declaration: _Declaration = class_of(item).__persistent__
    parts = fields_of(state)
    if parts is None:
        if declaration.transient or declaration.reopen:
            raise TypeError(
                f"__getstate__ of {class_of(item).__qualname__} gives no dict of fields, in which"
                " @persistent would find those that it declares"
            )
        return state
    changed = [change(declaration, part) for part in parts]
    if isinstance(state, dict):
        return changed[0]
    return (changed[0] if len(changed) == 2 else None, changed[-1])


def _kept(declaration: _Declaration, fields: Fields) -> Fields:
    kept = {name: value for name, value in fields.items() if name not in declaration.transient}
    for name in declaration.reopen & kept.keys():
        kept[name] = keep_file(kept[name])
    return kept


def _given_back(declaration: _Declaration, fields: Fields) -> Fields:
    for name in declaration.reopen & fields.keys():
        fields = {**fields, name: reopen_file(fields[name])}
    return fields


def _method(cls: type[Any], name: str) -> Any:
    return getattr(cls, name, None)


def _function(method: Any) -> Any:
    """The function inside a class method; None for anything else."""
    return getattr(method, "__func__", None)


def _is_ours(function: Any) -> bool:
    return isinstance(function, FunctionType) and function.__module__ == __name__


def _is_of_dataclasses(function: Any) -> bool:
    # Those save a list of values without names, in the order of the fields.
    return isinstance(function, FunctionType) and function.__module__ == dataclasses.__name__
