"""The shape of a class: what of it the saved states of its objects depend on.

A snapshot records the shapes of the classes it names, so that what the code has become since is
found without a look at any object.
"""

import dataclasses
import enum
import sys
from collections.abc import Iterable, Mapping
from inspect import isclass
from types import FunctionType, MappingProxyType
from typing import Any, Final, Self, cast

import attrs

from .leftovers import kept_fields
from .persistent import secret_fields
from .schema import FIRST, declaration_of

_BASES: Final = " < "
_FIELDS: Final = ";"
_KEPT: Final = "~"
_SECRET: Final = "!"
_UNDECLARED: Final = "?"


@attrs.frozen
class Shape:
    """A class as it is at some time.

    `bases` are the classes of applications below which it is, nearest first, as ``module:qualname``.
    `fields` are the texts of the types of its fields, empty for none; None if they are unknown,
    since the class does not declare them. `kept` are fields that it had, and its objects have still.
    `secret` are those of all these, and of fields that are gone, that are secret (see `persistent`).
    """

    version: int = FIRST
    bases: tuple[str, ...] = ()
    fields: Mapping[str, str] | None = None
    kept: tuple[str, ...] = ()
    secret: tuple[str, ...] = ()

    def __str__(self) -> str:
        """``3 < visits:Base; value: int; name: str; ~old; !name``: one line without its end."""
        head = f"{self.version}{_BASES}{', '.join(self.bases)}" if self.bases else f"{self.version}"
        marked = [f"{_KEPT}{name}" for name in self.kept]
        marked += [f"{_SECRET}{name}" for name in self.secret]
        if self.fields is None:
            return f"{_FIELDS} ".join((head, _UNDECLARED, *marked)) if marked else head
        fields = [f"{name}: {kind}" if kind else name for name, kind in self.fields.items()]
        return f"{head}{_FIELDS} {f'{_FIELDS} '.join((*fields, *marked))}".rstrip()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what ``str`` of a shape gave. Raises ValueError."""
        head, known, rest = text.partition(_FIELDS)
        number, _, bases = head.partition(_BASES)
        if not number.isdecimal() or int(number) < FIRST:
            raise ValueError(
                f"expected a version and fields, such as '3; value: int', got {text!r:.80}"
            )
        fields: dict[str, str] | None = {} if known else None
        kept: list[str] = []
        secret: list[str] = []
        for part in rest.split(_FIELDS) if rest else ():
            name, _, kind = part.strip().partition(": ")
            if name.startswith(_KEPT):
                kept.append(name[1:])
            elif name.startswith(_SECRET):
                secret.append(name[1:])
            elif name == _UNDECLARED:
                fields = None
            elif fields is not None and name:
                fields[name] = kind
        above = tuple(bases.split(", ")) if bases else ()
        return cls(int(number), above, fields, tuple(kept), tuple(secret))


UNKNOWN: Final = Shape()
"""What is known of a class of which nothing was recorded."""


def shape_of(kind: type[Any]) -> Shape:
    """The shape of `kind` now."""
    bases = tuple(name_of(base) for base in lineage(kind)[:-1])[::-1]
    secret = tuple(filter(str.isidentifier, secret_fields(kind)))
    version = declaration_of(kind).version
    return Shape(version, bases, field_types(kind), kept_fields(kind), secret)


def lineage(kind: type[Any]) -> list[type[Any]]:
    """`kind` and the classes above it that are an application's, the farthest first."""
    return [each for each in reversed(kind.__mro__) if is_applications(each)]


def name_of(kind: type[Any]) -> str:
    """``module:qualname``"""
    return f"{kind.__module__}:{kind.__qualname__}"


def is_applications(item: object) -> bool:
    """Whether `item` is a class whose objects have states of their own making, and not Python's."""
    if not isclass(item) or issubclass(item, enum.Enum):
        return False
    return item.__module__.partition(".")[0] not in sys.stdlib_module_names


def texts_of(classes: Iterable[object]) -> dict[str, str]:
    """The shapes of those of `classes` that are an application's, and of their bases, as texts by name."""
    found: dict[str, str] = {}
    for item in classes:
        if is_applications(item):
            for kind in lineage(cast("type[Any]", item)):
                if name_of(kind) not in found:
                    found[name_of(kind)] = str(shape_of(kind))
    return dict(sorted(found.items()))


def parsed(texts: Mapping[str, str]) -> Mapping[str, Shape]:
    """The shapes in what `texts_of` gave. Raises ValueError."""
    return MappingProxyType({name: Shape.parse(text) for name, text in texts.items()})


def field_types(kind: type[Any]) -> dict[str, str] | None:
    """The names of the fields that are saved, and the texts of their types.

    None where attrs and dataclasses know of none, or the class decides itself what its state is.
    """
    if not saves_fields(kind):
        return None
    declaration = getattr(kind, "__persistent__", None)
    left_out: frozenset[str] = frozenset() if declaration is None else declaration.transient
    return {name: _text(each.type) for name, each in declared(kind).items() if name not in left_out}


def declared(kind: type[Any]) -> "dict[str, attrs.Attribute[Any] | dataclasses.Field[Any]]":
    """The fields of `kind` by name, as attrs or dataclasses know them."""
    if attrs.has(kind):
        return {each.name: each for each in attrs.fields(kind)}
    return {each.name: each for each in dataclasses.fields(kind)}


def saves_fields(kind: type[Any]) -> bool:
    """Whether the state of `kind` is what its fields hold: nobody else makes, or reads, it."""
    if not attrs.has(kind) and not dataclasses.is_dataclass(kind):
        return False
    methods = (kind.__getstate__, getattr(kind, "__setstate__", None))
    return all(
        each is None
        or each is object.__getstate__
        or (isinstance(each, FunctionType) and each.__module__ in _PLAIN)
        for each in methods
    )


# Who gives classes methods that save fields, and nothing else.
_PLAIN: Final = (
    "attr._make",
    "dataclasses",
    *(f"{__package__}.{name}" for name in ("leftovers", "persistent")),
)


def _text(annotation: Any) -> str:
    if annotation is None:
        return ""
    if isclass(annotation) and not hasattr(annotation, "__args__"):
        found = annotation.__qualname__
        if annotation.__module__ != "builtins":
            found = f"{annotation.__module__}.{found}"
    else:
        found = annotation if isinstance(annotation, str) else repr(annotation)
    # Compared, and never read: but an address is another in each process.
    return "?" if " at 0x" in found else " ".join(found.replace(_FIELDS, ",").split())
