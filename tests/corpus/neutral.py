"""What an application holds, in JSON: what a set of the corpus says of itself, whatever reads it.

Never change what is written for something that a set has: its expectations are of the day it was
made. Of Perdure's own objects there is only what a user sees of them, since their fields may change.
"""

import collections
import enum
import functools
import types
from collections.abc import Iterable
from typing import Any

from perdure.persist.parked import parked_at
from perdure.persist.secret import Secret

SCALARS = (bool, str, types.NoneType)
MAPPINGS = (dict, collections.OrderedDict, collections.Counter, collections.defaultdict)
BUILTINS: tuple[type[Any], ...] = (dict, list, tuple, int, str)
LARGEST = 1 << 53
OURS = "perdure."
MODULES = ("harbour", "wreck")


def registry(found: Any) -> dict[str, Any]:
    """The components of a registry, its alarms, and its sessions."""
    describe = Describe()
    own = {key: each for key, each in found.items() if not key.startswith(OURS)}
    sessions = [each for key, each in found.items() if ".KeptSession" in key]
    return {
        "components": {key: describe(each) for key, each in own.items()},
        "alarms": [
            [
                describe(alarm.when), type(alarm.component).__qualname__, alarm.method,
                describe(alarm.arguments), describe(alarm.seconds),
            ]
            for alarm in found.alarms.all()
        ],
        "sessions": [
            {key: describe(each) for key, each in session.components.items()}
            for session in sessions
        ],
    }  # fmt: skip


def services(found: Iterable[Any]) -> list[Any]:
    """The services of a blueprint, with where they listen."""
    return [
        [
            type(each).__qualname__,
            each.name,
            [
                [type(endpoint).__qualname__, endpoint.interface, endpoint.port]
                for endpoint in getattr(each, "endpoints", ())
            ],
        ]
        for each in found
    ]


class Describe:
    """Each object that may be shared is described once, and then as the ``same`` as that one."""

    def __init__(self) -> None:
        self._seen: dict[int, int] = {}
        self._kept: list[object] = []

    def __call__(self, value: Any) -> Any:
        """`value` in JSON."""
        parked = parked_at(value)
        if parked is not None:
            return {"parked": parked.key}
        kind: type[Any] = value.__class__
        if kind in SCALARS:
            return value
        if kind is int:
            return value if abs(value) < LARGEST else {"int": str(value)}
        if kind is float or kind is complex or value is ... or value is NotImplemented:
            return {kind.__name__: repr(value)}
        if kind is bytes:
            return {"bytes": value.hex()}
        if isinstance(value, enum.Enum):
            return {"member": f"{kind.__qualname__}.{value.name}"}
        if isinstance(value, type | types.FunctionType | types.BuiltinFunctionType):
            return {"name": f"{value.__module__}.{value.__qualname__}"}
        number = self._seen.get(id(value))
        if number is not None:
            return {"same": number}
        self._seen[id(value)] = len(self._seen)
        # As long as it is kept no other object gets its id.
        self._kept.append(value)
        return self._object(value, kind)

    def _object(self, value: Any, kind: type[Any]) -> Any:
        if kind is Secret:
            return {"secret": self(value.reveal())}
        if kind in (list, tuple):
            return {kind.__name__: [self(each) for each in value]}
        if kind in (set, frozenset):
            members = sorted((repr(each), each) for each in value)
            return {kind.__name__: [self(each) for _, each in members]}
        if kind in MAPPINGS:
            made = {kind.__name__: self._pairs(value)}
            factory = getattr(value, "default_factory", None)
            return {**made, "factory": self(factory)} if factory else made
        if kind is collections.deque:
            return {"deque": [self(each) for each in value], "maxlen": value.maxlen}
        if kind is collections.ChainMap:
            return {"ChainMap": [self(each) for each in value.maps]}
        if kind is types.MethodType:
            return {"method": value.__name__, "of": self(value.__self__)}
        if kind is functools.partial:
            return {"partial": self(value.func), "arguments": self(value.args)}
        if kind.__module__ in MODULES or kind is types.SimpleNamespace:
            return self._instance(value, kind)
        # Python's own values, which are equal when they are shown in the same way.
        return {kind.__name__: repr(value)}

    def _instance(self, value: Any, kind: type[Any]) -> Any:
        made: dict[str, Any] = {"class": kind.__qualname__}
        for base in BUILTINS:
            if issubclass(kind, base):
                made["value"] = self(base(value))
        slots = [
            name
            for each in kind.__mro__
            for name in each.__dict__.get("__slots__", ())
            if name != "__weakref__" and hasattr(value, name)
        ]
        names = sorted({*slots, *getattr(value, "__dict__", {})})
        made["fields"] = {name: self(getattr(value, name)) for name in names}
        return made

    def _pairs(self, value: Any) -> list[Any]:
        return [[self(key), self(each)] for key, each in value.items()]
