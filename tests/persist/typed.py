"""attrs classes with every kind of annotation that a field may have."""

import enum
from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterable, Mapping, MutableMapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import (
    IO,
    TYPE_CHECKING,
    Annotated,
    Any,
    Final,
    Generic,
    Literal,
    NewType,
    Optional,
    Protocol,
    TypeVar,
    Union,
)

import attrs

from perdure.persist.persistent import persistent

if TYPE_CHECKING:
    from datetime import tzinfo

T = TypeVar("T")
Small = TypeVar("Small", int, str)
Bounded = TypeVar("Bounded", bound=int)
UserId = NewType("UserId", int)
Json = Union[dict[str, "Json"], list["Json"], str, int, None]  # noqa: UP007


class Colour(enum.Enum):
    """An enumeration."""

    RED = "red"
    BLUE = "blue"


class Level(enum.IntEnum):
    """One whose members are numbers."""

    LOW = 1


class Text(str):
    """A text of a class of its own."""


class Base:
    """A plain class."""

    def __init__(self, **fields: Any) -> None:
        self.__dict__.update(fields)

    def method(self) -> None:
        """Something to bind."""


class Derived(Base):
    """A class below it."""

    def __call__(self) -> None:
        """Be callable."""


class Named(Protocol):
    """Not for run time."""

    name: str


@attrs.define(eq=False)
class Inner:
    """One with a field that other classes hold."""

    port: int = 80
    again: "Inner | None" = None


@attrs.define(eq=False)
class Wide(Generic[T]):
    """One field for each kind of annotation."""

    text: str = ""
    number: int = 0
    real: float = 0.0
    turning: complex = 0j
    flag: bool = False
    raw: bytes = b""
    nothing: None = None
    anything: Any = None
    thing: object = None
    maybe: Optional[str] = None  # noqa: UP045
    either: int | str = 0
    words: list[str] = attrs.field(factory=list[str])
    maybe_words: list[str] | None = None
    bare: list = attrs.field(factory=list)  # type: ignore[type-arg]  # pyright: ignore
    many: tuple[int, ...] = ()
    pair: tuple[int, str] = (0, "")
    empty: tuple[()] = ()
    by_name: dict[str, int] = attrs.field(factory=dict[str, int])
    unique: set[int] = attrs.field(factory=set[int])
    fixed: frozenset[str] = frozenset()
    queue: deque[int] = attrs.field(factory=deque[int])
    ordered: OrderedDict[str, int] = attrs.field(factory=OrderedDict[str, int])
    defaults: defaultdict[str, list[int]] = attrs.field(factory=lambda: defaultdict(list))
    sequence: Sequence[str] = ()
    mapping: Mapping[str, Sequence[int]] = attrs.field(factory=dict[str, Sequence[int]])
    mutable: MutableMapping[str, int] = attrs.field(factory=dict[str, int])
    iterable: Iterable[int] = ()
    call: Callable[[int], str] | None = None
    any_call: Callable[..., Any] = print
    path: Path = Path("/")
    when: datetime = datetime(2026, 1, 1)
    day: date = date(2026, 1, 1)
    price: Decimal = Decimal(0)
    colour: Colour = Colour.RED
    level: int = Level.LOW
    mode: Literal["r", "w", 3] = "r"
    base: Base = attrs.field(factory=Base)
    inner: Inner = attrs.field(factory=Inner)
    protocol: Named | None = None
    kind: type[Base] = Base
    any_kind: type = int
    user: UserId = UserId(0)
    type_variable: T | None = None
    small: Small = 0  # type: ignore[valid-type]  # pyright: ignore
    bounded: Bounded = 0  # type: ignore[valid-type]  # pyright: ignore
    remark: Annotated[str, "for people"] = ""
    final: Final[int] = 0
    later: "list[Inner]" = attrs.field(factory=list[Inner])
    json: Json = None  # pyright: ignore
    unresolved: "tzinfo | None" = None


@attrs.define
class Unsaid:
    """Says nothing of its type."""

    value = attrs.field(default=None)  # type: ignore[var-annotated]  # pyright: ignore


@attrs.define(slots=False)
class Open:
    """Takes any field more."""

    port: int = 0


@attrs.define
class Extended:
    """Has a slot that is no field."""

    extra: int = 0


@persistent(reopen=("log",))
@attrs.define(eq=False)
class Logged:
    """Its log is saved as something else."""

    log: "IO[str] | None" = None
    lines: int = 0


@attrs.define(eq=False)
class Own:
    """Reads its state in its own way."""

    port: int = 0

    def __getstate__(self) -> dict[str, Any]:
        return {"p": str(self.port)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.port = int(state["p"])


@attrs.define
class FailureError(Exception):
    """An exception, which is saved as a call."""

    code: int = 0


@attrs.frozen
class Price:
    """With slots, and a field that must be there."""

    amount: Decimal


@attrs.define(slots=False)
class OpenPrice:
    """The same without slots."""

    amount: Decimal


@persistent(transient=("amount",))
@attrs.define
class Fleeting:
    """One whose field is not saved."""

    amount: Decimal


@attrs.define(slots=False)
class Thrifty:
    """One that saves less of itself."""

    amount: Decimal

    def __getstate__(self) -> object:
        return {"other": 1}


class Guessed(enum.Enum):
    """An enumeration that finds members itself."""

    ONE = 1

    @classmethod
    def _missing_(cls, value: object) -> "Guessed":
        return cls.ONE


class Flags(enum.Flag):
    """An enumeration of sums."""

    A = 1
    B = 2
