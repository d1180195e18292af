"""A first reading of a stranger's stream, in which nothing is imported and nothing is run.

The C unpickler reads the stream with a stand-in class for each name. What comes out is thrown away;
what counts is which names were asked for, and what was to be done with them.
"""

import io
import pickle
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar, Final, NoReturn, Self, cast

from . import keys, opcodes
from .opcodes import StreamError
from .trust import METHODS, Policy
from .values import (
    DATA_CLASSES,
    HASHES,
    SAFE_VALUES,
    STATE_RULES,
    TAKE_MEMBERS,
    TAKE_PAIRS,
    VALUE_FIELDS,
    Hasher,
    Rule,
)

# What an unpickler looks for on the instance itself, so that a field of that name would be called.
_CALLED = frozenset({"append", "extend", "add", "__setstate__"})
# How much of what a call is given makes up a piece: it is copied, and may be given to many calls.
_PIECES: Final[dict[type, int]] = {list: 1, tuple: 1, dict: 1, str: 16, bytes: 16}
_SLACK: Final = 1 << 16
_STEPS_PER_COMPARISON: Final = 20
_LONGEST_SAID: Final = 300


class _Effort:
    """What one stream may cost those who build it, in proportion to its size."""

    def __init__(self, size: int) -> None:
        self._pieces = size + _SLACK
        self._budget = keys.Budget()
        self._budget.allow_for(size)

    def copy(self, arguments: tuple[Any, ...]) -> None:
        """Allow for copies of all in `arguments`. Raises `StreamError`."""
        for argument in arguments:
            kind = cast("type[object]", type(argument))
            if kind in _PIECES:
                self._pieces -= len(argument) // _PIECES[kind]
        self._pieces -= len(arguments)
        if self._pieces < 0:
            raise StreamError("it has more made of the same parts than anybody has memory for")

    def compare(self) -> None:
        """Allow for one comparison of what has the same hash. Raises `StreamError`."""
        try:
            self._budget.compare(_STEPS_PER_COMPARISON)
        except keys.KeysError as error:
            raise StreamError(str(error)) from error


class _Named(type):
    """The class of stand-ins: it knows a call, which comes here, from a bare ``__new__``."""

    def __call__(cls, *arguments: Any, **keywords: Any) -> Any:
        stand_in = cast("type[_StandIn]", cls)
        if stand_in.name in DATA_CLASSES and stand_in.listed:
            raise StreamError(f"{stand_in.name} is not to be called")
        return super().__call__(*arguments, **keywords)


class _StandIn(metaclass=_Named):
    """Takes what an unpickler does to an instance, if that is what the class is for; keeps nothing.

    A class that is `listed` takes what the lists of `values` say. What the operator trusts may do
    as it likes, but for one thing: no field of an instance is called. So does what will be refused
    by name, so that all such names are found.

    Identity serves as hash and equality, so that sets and keys work whatever the real class says; but
    where a stranger can choose the hash of a value, it is that, and comparisons are counted.
    The methods have names for all their arguments: called on a stand-in class instead of an
    instance, as when a stream sets attributes of a class, they fail and the stream with them.
    """

    name: ClassVar[str] = ""
    listed: ClassVar[bool] = False
    rule: ClassVar[Rule | None] = None
    hasher: ClassVar[Hasher | None] = None
    effort: ClassVar[_Effort]
    _closed = False
    _parts: tuple[Any, ...] = ()

    def __new__(cls, *arguments: Any, **keywords: Any) -> Self:
        if cls.rule is not None and (keywords or not cls.rule(arguments)):
            raise StreamError(f"{cls.name} is not made from such arguments")
        cls.effort.copy(arguments)
        made = object.__new__(cls)
        if cls.hasher is not None:
            made._parts = arguments
        return made

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        pass

    def __hash__(self) -> int:
        hasher = type(self).hasher
        return object.__hash__(self) if hasher is None else hasher(self._parts)

    def __eq__(self, other: object) -> bool:
        self.effort.compare()
        return self is other

    def __setstate__(self, state: Any) -> None:
        if self._closed:
            raise StreamError(f"{self.name} has a state already")
        parts = cast("tuple[object, ...]", state) if type(state) is tuple else (state,)
        self.effort.copy(parts)
        if self.listed:
            _check_state(self.name, state)
            if type(self).hasher is not None:
                self._parts = tuple(cast("dict[str, Any]", state).values())
        else:
            self._closed = any(isinstance(part, dict) and _CALLED & part.keys() for part in parts)

    def __setitem__(self, key: object, value: object) -> None:
        self._check_takes(TAKE_PAIRS)

    def append(self, item: object) -> None:
        """Take a member."""
        self._check_takes(TAKE_MEMBERS)

    def extend(self, items: Iterable[object]) -> None:
        """Take some members."""
        self._check_takes(TAKE_MEMBERS)

    def add(self, item: object) -> None:
        """Take a member of a set."""
        self._check_takes(frozenset())

    def _check_takes(self, takers: frozenset[str]) -> None:
        if self._closed or (self.listed and self.name not in takers):
            raise StreamError(f"{self.name} takes no members")


def _check_state(name: str, state: Any) -> None:
    known = DATA_CLASSES[name] if name in DATA_CLASSES else VALUE_FIELDS.get(name, frozenset())
    if type(state) is not dict:
        raise StreamError(f"{name} has no such state")
    fields = cast("dict[object, object]", state)
    for field, value in fields.items():
        if type(field) is not str or (
            field in _CALLED or field.startswith("__") if known is None else field not in known
        ):
            raise StreamError(f"{name} has no field {field!r:.80}")
        # Code that sets an attribute of what it finds in a field would change the class for all.
        if isinstance(value, type):
            raise StreamError(f"the field {field} of {name} is a class")
    if name in STATE_RULES and not STATE_RULES[name](fields):
        raise StreamError(f"{name} has no such state")


def _is_method(arguments: tuple[Any, ...]) -> bool:
    """Whether they are an instance and the name of its method; or a class that is trusted.

    Those of a class that is listed are nobody's to hand on.
    """
    if len(arguments) != 2 or type(arguments[1]) is not str:
        return False
    item, name = arguments
    kind: Any = item if isinstance(item, type) else type(item)
    known = issubclass(kind, _StandIn) and not kind.listed
    return known and name.isidentifier() and not name.startswith("_")


def _no_arguments(arguments: tuple[Any, ...]) -> bool:
    return not arguments


class _Reader(pickle.Unpickler):
    def __init__(self, stream: bytes, policy: Policy) -> None:
        super().__init__(io.BytesIO(stream), fix_imports=False)
        self.stand_ins: dict[tuple[str, str], type[_StandIn]] = {}
        self._policy = policy
        self._effort = _Effort(len(stream))

    def find_class(self, module_name: str, global_name: str, /) -> type[_StandIn]:
        known = self.stand_ins.get((module_name, global_name))
        if known is None:
            known = self._stand_in(module_name, f"{module_name}:{global_name}")
            self.stand_ins[module_name, global_name] = known
        return known

    def _stand_in(self, module: str, name: str) -> type[_StandIn]:
        rule = SAFE_VALUES.get(name)
        is_data = name in DATA_CLASSES and not self._policy.trusts(module)
        if is_data:
            rule = _no_arguments
        elif name == METHODS:
            rule = _is_method
        content = {
            "name": name,
            "listed": rule is not None,
            "rule": None if rule is None else staticmethod(rule),
            "hasher": None if name not in HASHES else staticmethod(HASHES[name]),
            "effort": self._effort,
        }
        return cast("type[_StandIn]", _Named("_Known", (_StandIn,), content))

    def persistent_load(self, pid: Any, /) -> NoReturn:
        raise StreamError("it holds a persistent id")


def names_in(stream: bytes, policy: Policy) -> Mapping[tuple[str, str], object]:
    """The (module, name) pairs that `stream` asks for, found without loading any of them.

    `policy` says which classes are the operator's concern; the others take only what the lists of
    `values` say. Raises `StreamError` if the stream is malformed, or asks them for more than that.
    """
    reader = _reader(stream, policy)
    _tried(reader.load)
    return reader.stand_ins


def check_parts(made: bytes, state: bytes, policy: Policy) -> None:
    """Check what is given to a component apart from its class (see `components`) as if it were whole.

    Both streams name nothing but what `policy` allows. Raises `StreamError` as `names_in`.
    """
    kind = _tried(_reader(made, policy).load)
    given: Any = _tried(_reader(state, policy).load)
    if not (isinstance(kind, type) and issubclass(kind, _StandIn)):
        raise StreamError("its component is of no class")
    if type(given) is not tuple:
        raise StreamError("it is no state of a component")
    _tried(lambda: _give(kind, *given))


def _give(
    kind: type[_StandIn], state: Any = None, members: Any = None, pairs: Any = None, *setter: Any
) -> None:
    if {type(members), type(pairs)} - {list, type(None)}:
        raise StreamError("it has members or items that are none")
    whole = kind.__new__(kind)
    if members is not None:
        whole.extend(members)
    for key, value in pairs or ():
        whole[key] = value
    if setter not in ((), (None,)):
        (function,) = setter
        if not (isinstance(function, type) and issubclass(function, _StandIn)) or function.listed:
            raise StreamError("its state is set by what is no function of a trusted module")
    elif state is not None:
        whole.__setstate__(state)


def _reader(stream: bytes, policy: Policy) -> _Reader:
    opcodes.check(stream)
    keys.check(stream)
    return _Reader(stream, policy)


def _tried(work: Callable[[], Any]) -> Any:
    try:
        return work()
    except (StreamError, MemoryError):
        raise
    except Exception as error:
        raise StreamError(f"{type(error).__name__}: {error!s:.{_LONGEST_SAID}}") from error
