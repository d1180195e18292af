"""Types and values in the words in which a person is told that one does not fit the other."""

import collections
import collections.abc
import datetime
import decimal
import pathlib
import typing
from types import NoneType, UnionType
from typing import Any, Final, ForwardRef, Literal, TypeVar, get_args, get_origin

from .graph import CONTAINERS, SCALARS, Call, Global, Instance

_ABC: Final = collections.abc
_CALLABLE: Final[Any] = get_origin(collections.abc.Callable[..., Any])
_LONGEST: Final = 60
_DEEPEST: Final = 1

# One of them, and many of them.
_WORDS: Final[dict[Any, tuple[str, str]]] = {
    Any: ("anything", "anything"),
    object: ("anything", "anything"),
    NoneType: ("None", "None"),
    bool: ("True or False", "True or False"),
    int: ("a whole number", "whole numbers"),
    float: ("a number", "numbers"),
    complex: ("a complex number", "complex numbers"),
    str: ("text", "text"),
    bytes: ("bytes", "bytes"),
    bytearray: ("a bytearray", "bytearrays"),
    type: ("a class", "classes"),
    _CALLABLE: ("a function or method", "functions or methods"),
    datetime.datetime: ("a datetime", "datetimes"),
    datetime.date: ("a date", "dates"),
    datetime.time: ("a time", "times"),
    datetime.timedelta: ("a timedelta", "timedeltas"),
    decimal.Decimal: ("a decimal number", "decimal numbers"),
    pathlib.Path: ("a path", "paths"),
    pathlib.PurePath: ("a path", "paths"),
}
_CONTAINERS: Final[dict[Any, tuple[str, str]]] = {
    list: ("a list", "lists"),
    tuple: ("a tuple", "tuples"),
    set: ("a set", "sets"),
    frozenset: ("a frozenset", "frozensets"),
    dict: ("a dictionary", "dictionaries"),
    collections.deque: ("a deque", "deques"),
    collections.defaultdict: ("a defaultdict", "defaultdicts"),
    collections.OrderedDict: ("an OrderedDict", "OrderedDicts"),
    collections.Counter: ("a Counter", "Counters"),
    _ABC.Sequence: ("a sequence", "sequences"),
    _ABC.MutableSequence: ("a list", "lists"),
    _ABC.Mapping: ("a dictionary", "dictionaries"),
    _ABC.MutableMapping: ("a dictionary", "dictionaries"),
    _ABC.Iterable: ("a collection", "collections"),
    _ABC.Collection: ("a collection", "collections"),
    _ABC.Set: ("a set", "sets"),
    _ABC.MutableSet: ("a set", "sets"),
}


def words(kind: Any, *, many: bool = False, depth: int = _DEEPEST) -> str:
    """What `kind`, an annotation, asks for: `text`, `a list of whole numbers`, `text or None`.

    `many` is for more than one of it; of what it consists is said to `depth` levels.
    """
    if kind is None:
        kind = NoneType
    if hasattr(kind, "__supertype__"):
        return words(kind.__supertype__, many=many, depth=depth)
    if isinstance(kind, TypeVar):
        return words(kind.__bound__ or Any, many=many, depth=depth)
    origin = get_origin(kind) or kind
    arguments = get_args(kind)
    if origin in (typing.Annotated, typing.Final, typing.ClassVar):
        return words(arguments[0], many=many, depth=depth)
    if origin in (typing.Union, UnionType):
        found = (words(one, many=many, depth=depth) for one in arguments)
        return " or ".join(dict.fromkeys(found))
    if origin is Literal:
        return " or ".join(repr(one) for one in arguments)
    if origin is type and arguments:
        return f"the class {_name(arguments[0])} or one below it"
    if origin in _WORDS:
        return _WORDS[origin][many]
    if origin is tuple and kind is not tuple and not arguments:
        return f"{'' if many else 'an '}empty tuple{'s' if many else ''}"
    if origin in _CONTAINERS:
        return _CONTAINERS[origin][many] + _of(origin, arguments, depth)
    return f"{'instances' if many else 'an instance'} of {_name(origin)}"


def _of(origin: Any, arguments: tuple[Any, ...], depth: int) -> str:
    if not arguments or depth == 0:
        return ""
    if origin is tuple and not (len(arguments) == 2 and arguments[1] is Ellipsis):
        return f" of ({', '.join(words(one, depth=depth - 1) for one in arguments)})"
    parts = [words(one, many=True, depth=depth - 1) for one in arguments if one is not Ellipsis]
    return f" of {parts[0]}" if len(parts) == 1 else f" from {parts[0]} to {parts[1]}"


def _name(kind: Any) -> str:
    if isinstance(kind, ForwardRef):
        return kind.__forward_arg__
    name = getattr(kind, "__qualname__", None)
    if name is None:
        return str(kind)
    return name if kind.__module__ == "builtins" else f"{kind.__module__}.{name}"


def shown(value: Any) -> str:
    """`value`, of a graph, in few words: `80`, `'x'`, `a list`, `an instance of visits.Counter`."""
    if type(value) in SCALARS:
        return _scalar(value)
    if type(value) in CONTAINERS:
        return f"{words(type(value))} of {len(value):,}"
    if type(value) is Global:
        return f"the class or function {value.module}.{value.name}"
    if isinstance(value, Instance):
        return f"an instance of {value.module}.{value.name}"
    if isinstance(value, Call) and type(value.function) is Global:
        return _called(value.function)
    return "the result of a call"


def _scalar(value: Any) -> str:
    if type(value) in (str, bytes) and len(value) > _LONGEST:
        return f"{value[:_LONGEST]!r}..."
    if type(value) is int and value.bit_length() > 3 * _LONGEST:
        # Python refuses to say more than 4,300 digits, and nobody reads them.
        return f"a whole number of {value.bit_length():,} bits"
    return repr(value)


def _called(function: Global) -> str:
    found = _KNOWN.get((function.module, function.name))
    return found or f"what {function.module}.{function.name} makes"


_KNOWN: Final = {
    ("builtins", "getattr"): "a method",
    ("importlib", "import_module"): "a module",
    ("datetime", "datetime"): "a datetime",
    ("datetime", "date"): "a date",
    ("datetime", "time"): "a time",
    ("decimal", "Decimal"): "a decimal number",
    ("pathlib", "PosixPath"): "a path",
}
