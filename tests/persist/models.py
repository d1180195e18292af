"""Classes of every shape that a user may write, for the tests to save and restore."""

import dataclasses
import enum
import threading
from collections.abc import Iterable
from typing import IO, Any, NamedTuple, NoReturn, Self

import attrs

from perdure.persist.persistent import persistent


class Plain:
    """Fields in a dict."""

    def __init__(self, **fields: Any) -> None:
        self.__dict__.update(fields)

    def method(self) -> str:
        return "called"

    @classmethod
    def class_method(cls) -> str:
        return cls.__name__

    @staticmethod
    def static_method() -> str:
        return "static"


class Slotted:
    """Fields in slots, one of them perhaps not set."""

    __slots__ = ("left", "right", "unset")
    left: Any
    right: Any
    unset: Any


class SlottedWithDict(Slotted):
    """Fields in slots and in a dict."""


@attrs.define
class Defined:
    left: Any = None
    right: Any = None


@attrs.frozen
class Frozen:
    left: Any = None
    right: Any = None


@dataclasses.dataclass
class Data:
    left: Any = None
    right: Any = None


@dataclasses.dataclass(frozen=True, slots=True)
class FrozenData:
    left: Any = None
    right: Any = None


class Pair(NamedTuple):
    left: Any
    right: Any


class Colour(enum.Enum):
    RED = 1
    BLUE = "blue"


class Permission(enum.Flag):
    READ = 1
    WRITE = 2


class MyList(list[Any]):
    """A list with fields."""


class MyDict(dict[Any, Any]):
    """A dict with fields."""


class MySet(set[Any]):
    """A set with fields."""


class MyInt(int):
    """A number with fields."""


class MyText(str):
    """A text with fields."""

    __slots__ = ()


class MyTuple(tuple[Any, ...]):
    """A tuple with fields."""


class MyFrozenSet(frozenset[Any]):
    """A frozenset with fields."""


class MyBytes(bytes):
    """Bytes with fields."""


class MyError(Exception):
    """An exception with fields."""


class Stateful:
    """A state that is no dict, and a way of its own to take it back."""

    def __init__(self, *items: object) -> None:
        self.items: list[Any] = list(items)

    def __getstate__(self) -> tuple[object, ...]:
        return tuple(self.items)

    def __setstate__(self, state: tuple[object, ...]) -> None:
        self.items = list(state)


class Falsy:
    """A state that is false, but a state."""

    def __getstate__(self) -> int:
        return 0

    def __setstate__(self, state: int) -> None:
        self.state = state


class Named:
    """A key that is hashed by its name."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.held_by: object = None

    def __getnewargs__(self) -> tuple[str]:
        return (self.name,)

    def __new__(cls, name: str) -> Self:
        made = super().__new__(cls)
        made.name = name
        return made

    def __hash__(self) -> int:
        return hash(self.name)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Named) and other.name == self.name


class WithNewArguments:
    """Made again with keywords."""

    def __new__(cls, *, size: int) -> Self:
        made = super().__new__(cls)
        made.size = size
        return made

    size: int

    def __getnewargs_ex__(self) -> tuple[tuple[()], dict[str, int]]:
        return (), {"size": self.size}


class Reduced:
    """Every part of a reduction, the state setter included."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.members: list[object] = []
        self.pairs: dict[object, object] = {}
        self.state: object = None

    def append(self, member: object) -> None:
        self.members.append(member)

    def __setitem__(self, key: object, value: object) -> None:
        self.pairs[key] = value

    def __reduce__(self) -> tuple[Any, ...]:
        return (
            Reduced,
            (self.name,),
            self.state,
            iter(self.members),
            iter(self.pairs.items()),
            set_reduced,
        )


def set_reduced(reduced: Reduced, state: object) -> None:
    reduced.state = state


class Remade:
    """Made again from arguments that lead back to it."""

    def __init__(self, holder: list[Any], *others: object) -> None:
        self.holder = holder
        self.others = others

    def __reduce__(self) -> tuple[Any, ...]:
        return Remade, (self.holder, *self.others), self.__dict__


class Singleton:
    """Saved by the name of the one instance."""

    def __reduce__(self) -> str:
        return "THE_ONE"


THE_ONE = Singleton()


class Meta(type):
    """A class of classes."""


class OfMeta(metaclass=Meta):
    """A class that is an instance of a class of ours."""


class Outer:
    class Inner:
        """A class inside a class."""


class Link:
    """A long chain is made of these."""

    def __init__(self, after: "Link | None") -> None:
        self.after = after


class Registry:
    """Says itself how its parts are called."""

    def __init__(self, components: dict[str, object]) -> None:
        self.components = components

    def capture_children(self) -> Iterable[tuple[str, object]]:
        for key, component in self.components.items():
            yield f"[{key}]", component


class RaisesInGetstate:
    def __getstate__(self) -> NoReturn:
        raise LookupError("no state today")


class RaisesInReduce:
    def __reduce__(self) -> NoReturn:
        raise LookupError("nothing to reduce")


class ReducesToNonsense:
    def __reduce__(self) -> Any:
        return 42


class Endless:
    """Makes a new object of its kind each time it is saved."""

    def __getstate__(self) -> dict[str, object]:
        return {"next": Endless()}


class MadeFromItself:
    """No part of it could be made first."""

    def __reduce__(self) -> tuple[Any, ...]:
        return MadeFromItself, (self,)


class MadeFromAList:
    """Made from a new list each time it is saved, with itself in it."""

    def __reduce__(self) -> tuple[Any, ...]:
        return MadeFromAList, ([self],)


class RaisesInSetstate:
    def __getstate__(self) -> dict[str, int]:
        return {"a": 1}

    def __setstate__(self, state: object) -> NoReturn:
        raise LookupError("no room for a state")


class Handle:
    """A thing that cannot be saved, with a way to be saved all the same."""

    def __reduce__(self) -> tuple[Any, ...]:
        return Handle, ()


# What @persistent is for.


@persistent(transient=("cache", "lock", "shown"), reopen=("log",))
class Records:
    shown = "never"

    def __init__(self, log: IO[Any] | None = None) -> None:
        self.entries: list[str] = []
        self.cache: dict[str, int] | None = {"a": 1}
        self.lock: Any = threading.Lock()
        self.shown = "now"
        self.log = log


class SpecialRecords(Records):
    """Inherits the declaration."""


@persistent(transient=("extra",))
class MoreRecords(Records):
    """Declares more."""

    extra: Any = None


@persistent(transient=("cache",))
@attrs.define
class DefinedAbove:
    kept: int
    cache: dict[str, int] = attrs.field(factory=dict[str, int])


@attrs.define
@persistent(transient=("cache",))
class DefinedBelow:
    kept: int
    cache: dict[str, int] = attrs.field(factory=dict[str, int])


@persistent(transient=("cache",))
@attrs.frozen
class FrozenAbove:
    kept: int
    cache: dict[str, int] = attrs.field(factory=dict[str, int])


@attrs.frozen
@persistent(transient=("cache",))
class FrozenBelow:
    kept: int
    cache: dict[str, int] = attrs.field(factory=dict[str, int])


@persistent(transient=("cache",))
@attrs.define(slots=False)
class DefinedWithDict:
    kept: int
    cache: dict[str, int] = attrs.field(factory=dict[str, int])


@persistent(transient=("cache",))
@dataclasses.dataclass
class DataAbove:
    kept: int
    cache: dict[str, int] = dataclasses.field(default_factory=dict[str, int])


@persistent(transient=("cache",))
@dataclasses.dataclass(frozen=True, slots=True)
class FrozenDataAbove:
    kept: int
    cache: dict[str, int] = dataclasses.field(default_factory=dict[str, int])


@dataclasses.dataclass(frozen=True, slots=True)
@persistent(transient=("cache",))
class FrozenDataBelow:
    kept: int
    cache: dict[str, int] = dataclasses.field(default_factory=dict[str, int])


@attrs.define
class DefinedSubclass(DefinedAbove):
    """attrs gives it pickle methods of its own."""

    added: int = 0


@persistent(transient=("cache",))
class SlottedRecords:
    __slots__ = ("cache", "kept")

    def __init__(self, kept: int) -> None:
        self.kept = kept
        self.cache: Any = {"a": 1}


@persistent(transient=("__secret",))
class Mangled:
    def __init__(self) -> None:
        self.__secret = threading.Lock()

    @property
    def secret(self) -> object:
        return self.__secret


@persistent(transient=("index",))
class Indexed:
    """Keeps an index of its neighbours, made again when they are all there."""

    def __init__(self, *neighbours: "Indexed") -> None:
        self.neighbours = list(neighbours)
        self.saved = 0
        self.index: list[int] | None = None

    def before_capture(self) -> None:
        self.saved += 1

    def after_restore(self) -> None:
        self.index = [len(neighbour.neighbours) for neighbour in self.neighbours]


@persistent
class FailsBefore:
    def before_capture(self) -> None:
        raise LookupError("not now")


@persistent
class FailsAfter:
    def after_restore(self) -> None:
        raise LookupError("not here")


@persistent(transient=("cache",))
class MyPersistentDict(dict[str, int]):
    """A container with a declaration."""

    cache: Any


def function() -> None:
    """A function by name."""


@persistent(secret=("password",))
class Account:
    """A plain class with a secret."""

    def __init__(self, name: str, password: object) -> None:
        self.name = name
        self.password = password


@attrs.define(eq=False)
class Login:
    """An attrs class with slots, and a secret."""

    name: str
    pem: str = attrs.field(metadata={"secret": True})


@dataclasses.dataclass
class Deposit:
    """A dataclass with a secret."""

    number: int
    content: object = dataclasses.field(metadata={"secret": True})
