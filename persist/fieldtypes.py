"""Whether the fields of attrs objects have values of the types that their classes say.

A person who edits a snapshot writes text where a number belongs, or misspells a field. This finds
it before anything is built. It imports modules of the application, so it is done only where the
application would be run anyway, or on request.
"""

import enum
import importlib
import sys
import typing
from collections.abc import Callable, Collection, Iterator, Mapping
from inspect import isclass
from types import FunctionType, MappingProxyType, MemberDescriptorType
from typing import Any, Final

import attrs

from . import place
from .errors import PerdureError
from .expectation import UNKNOWN, Expectations, MismatchError, Rule, named_by
from .graph import SCALARS, Call, Global, Graph, Instance, Node
from .persistent import secret_fields
from .reduction import fields_of
from .survey import objects
from .typewords import shown, words
from .values import DATA_CLASSES
from .ways import Way, steps_of, to_field, ways

Allows = Callable[[str, str], bool]
_LEAVES: Final = SCALARS | {Global, bytearray}
_MOST_VALUES: Final = 10
NOTHING: Final[Mapping[str, Collection[str]]] = MappingProxyType({})
_MISSING: Final[Any] = enum.Enum._missing_.__func__  # type: ignore[attr-defined]

# The object, its field or None for itself, and what is wrong.
_Mismatch = tuple[Node, str | None, MismatchError]


@attrs.frozen
class Problem:
    """A field that its class does not want so.

    `place` is where it is, such as ``application.services[0].endpoint``, and `line` where in a text
    the object of the field begins, None if that is not known.
    """

    place: str
    expected: str
    got: str
    line: int | None = None

    def __str__(self) -> str:
        line = "" if self.line is None else f"{self.line}: "
        return f"{line}{self.place}: expected {self.expected}, got {self.got}"


@attrs.frozen
class Unchecked:
    """A class, or one field of it, whose values could not be judged, and why.

    `remedy` says how they can be, if they can; `is_untrusted`, that it is this user who may say so.
    """

    name: str
    reason: str
    remedy: str = ""
    is_untrusted: bool = False

    def __str__(self) -> str:
        return f"{self.name}: {self.reason}{'; ' if self.remedy else ''}{self.remedy}"


@attrs.frozen
class Examination:
    """What was found, in the order of the graph, and what could not be looked at."""

    problems: tuple[Problem, ...]
    unchecked: tuple[Unchecked, ...]


def examine(
    graph: Graph,
    allows: Allows,
    lines: Mapping[int, int] | None = None,
    *,
    strict: bool = False,
    excepted: Collection[str] = (),
    kept: Mapping[str, Collection[str]] = NOTHING,
) -> Examination:
    """Compare each attrs object of `graph` with its class, but for classes that are `excepted`.

    `kept` are fields, by class, that objects may have though their class has them no more. `lines` are those of the objects, by their ids, if they are known. With `strict`, which is for a
    stranger's, Perdure's own classes take the fields that are listed for them, and no others.

    Modules are imported of the classes and functions that ``allows(module, name)``, and of no
    others. Nothing is called, beyond what their import does, but for the validators of Perdure's
    own records. A module that cannot be imported is listed among the unchecked, and so is a class
    that reads its state by a ``__setstate__`` of its own. A field that is missing is a problem if it
    has no default and no saving of the class would leave it out. So is a member of an enumeration
    that has none of its values.
    """
    classes = _Classes(allows, excepted, kept, strict=strict)
    found: dict[int, list[_Mismatch]] = {}
    for node in objects(graph.root):
        wrong = classes.mismatches(node) if isinstance(node, Node) else None
        if wrong:
            found[id(node)] = wrong
    return Examination(
        tuple(_located(graph.root, found, lines or {})), tuple(classes.unchecked.values())
    )


class _Classes:
    """What the classes of one graph say of their fields, each looked at once."""

    def __init__(
        self,
        allows: Allows,
        excepted: Collection[str],
        kept: Mapping[str, Collection[str]],
        *,
        strict: bool,
    ) -> None:
        self.unchecked: dict[str, Unchecked] = {}
        self._excepted = excepted
        self._kept = kept
        self._listed = DATA_CLASSES if strict else {}
        self._allows = allows
        self._found: dict[Global, Any] = {}
        self._failures: dict[Global, Unchecked] = {}
        self._known: dict[Global, _Fields | None] = {}
        self._expectations = Expectations(self.lookup)

    def lookup(self, named: Global) -> Any:
        """What `named` stands for, or `UNKNOWN`."""
        if named not in self._found:
            self._found[named] = self._look_up(named)
        return self._found[named]

    def mismatches(self, node: Node) -> list["_Mismatch"]:
        """The fields of `node` with a value of another type, or that its class does not have."""
        named = named_by(node)
        if named is not None and isinstance(node, Call) and len(node.arguments) == 1:
            wrong = self._no_member(node, named)
            if wrong:
                return wrong
        if named is None or node.state is None or node.setter is not None:
            return []
        if named not in self._known:
            self._known[named] = self._fields(named)
        fields = self._known[named]
        if fields is None:
            return []
        found: list[_Mismatch] = []
        missing = dict(fields.required) if _is_bare(node) else {}
        for state in fields_of(node.state) or ():
            for name, value in state.items():
                missing.pop(name, None)
                try:
                    fields.check(name, value)
                except MismatchError as mismatch:
                    found.append((node, name, mismatch))
        for name, annotation in missing.items():
            nothing = MismatchError(words(annotation), "nothing: the field is missing")
            found.append((node, name, nothing))
        return found

    def _no_member(self, node: Call, named: Global) -> list["_Mismatch"]:
        """That `node` is no member of the enumeration which it calls, if that is one."""
        kind, value = self.lookup(named), node.arguments[0]
        # Of flags there are members for every sum, and a class may make more of its own.
        if not isclass(kind) or not issubclass(kind, enum.Enum) or issubclass(kind, enum.Flag):
            return []
        values = [member.value for member in kind]
        is_plain = getattr(kind._missing_, "__func__", None) is _MISSING
        if not is_plain or type(value) not in SCALARS or value in values:
            return []
        expected = " or ".join(map(shown, values[:_MOST_VALUES]))
        return [(node, None, MismatchError(f"{expected} for {kind.__name__}", shown(value)))]

    def _look_up(self, named: Global) -> Any:
        if not self._allows(named.module, named.name):
            remedy = f"say --trust {named.module}, if you trust who wrote it"
            reason = "its module is not trusted"
            self._failures[named] = Unchecked(str(named), reason, remedy, is_untrusted=True)
            return UNKNOWN
        try:
            found: Any = importlib.import_module(named.module)
            for step in named.name.split("."):
                found = getattr(found, step)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - users' code raises anything
            remedy = "say with --pythonpath in which folder its module is"
            if not isinstance(error, ModuleNotFoundError):
                remedy = "mend its module, or name another with --pythonpath"
            reason = f"{type(error).__name__}: {error}"
            self._failures[named] = Unchecked(str(named), reason, remedy)
            return UNKNOWN
        return found

    def _fields(self, named: Global) -> "_Fields | None":
        if str(named) in self._excepted:
            return None
        kind = self.lookup(named)
        if kind is UNKNOWN:
            self.unchecked[str(named)] = self._failures[named]
            return None
        listed = self._listed.get(str(named))
        if not isclass(kind) or not attrs.has(kind):
            return None if listed is None else _Fields({}, listed, {}, {})
        if not _is_plain_setter(getattr(kind, "__setstate__", None)):
            self._leave_out(str(named), "it has a __setstate__ of its own")
            return None
        rules = dict(self._rules(named, kind))
        others = listed
        if others is None and not kind.__dictoffset__:
            others = frozenset((*_slots(kind), *self._kept.get(str(named), ())))
        required = {name: rules[name][1] for name in _required(kind)}
        is_ours = str(named) in DATA_CLASSES
        return _Fields(
            rules, others, required, attrs.fields_dict(kind) if is_ours else {}, secret_fields(kind)
        )

    def _rules(self, named: Global, kind: type[Any]) -> Iterator[tuple[str, tuple[Rule, Any]]]:
        declaration = getattr(kind, "__persistent__", None)
        for attribute in attrs.fields(kind):
            # An open file is saved as the place where it is found again.
            if declaration is not None and attribute.name in declaration.reopen:
                yield attribute.name, (_anything, None)
                continue
            annotation: Any = Any
            if attribute.type is not None:
                try:
                    annotation = resolved(kind, attribute.name, attribute.type)
                except Exception as error:  # noqa: BLE001 - it is looked up in users' code
                    self._leave_out(f"{named}.{attribute.name}", f"{type(error).__name__}: {error}")
            yield attribute.name, (self._expectations.rule(annotation), annotation)

    def _leave_out(self, name: str, reason: str) -> None:
        self.unchecked[name] = Unchecked(name, reason)


@attrs.frozen
class _Fields:
    """The rules for the fields of a class by name; `others` are slots it has besides, None if it
    takes any field. `required` are those that must be there, `ours` those of Perdure's own.
    """

    rules: dict[str, tuple[Rule, Any]]
    others: frozenset[str] | None
    required: dict[str, Any]
    ours: "dict[str, attrs.Attribute[Any]]"
    secret: tuple[str, ...] = ()

    def check(self, name: str, value: Any) -> None:
        """Raises `MismatchError`, which tells nothing of a secret value."""
        try:
            self._check(name, value)
        except MismatchError as mismatch:
            if name in self.secret:
                raise mismatch.hidden() from None
            raise

    def _check(self, name: str, value: Any) -> None:
        known = self.rules.get(name)
        if known is not None:
            rule, annotation = known
            rule(value, annotation)
            self._validate(name, value)
        elif self.others is not None and name not in self.others:
            names = ", ".join(self.rules or sorted(self.others)) or "none"
            raise MismatchError(f"one of its fields ({names})", str(name))

    def _validate(self, name: str, value: Any) -> None:
        validator = self.ours[name].validator if name in self.ours else None
        if validator is not None and type(value) in SCALARS:
            try:
                # Those of our own look at the value alone.
                validator(None, self.ours[name], value)
            except (PerdureError, ValueError) as error:
                raise MismatchError("another value", f"{shown(value)} ({error})") from error


def _is_bare(node: Node) -> bool:
    """Whether the state is all that the instance has."""
    return isinstance(node, Instance) and not node.arguments and not node.keywords


def _required(kind: Any) -> list[str]:
    """The fields without a default, of a class that leaves out none when it is saved."""
    declaration = getattr(kind, "__persistent__", None)
    left_out = () if declaration is None else declaration.transient
    if not (kind.__getstate__ is object.__getstate__ or _is_plain_setter(kind.__getstate__)):
        return []
    return [
        field.name
        for field in attrs.fields(kind)
        if field.default is attrs.NOTHING and field.init and field.name not in left_out
    ]


def _anything(_value: Any, _annotation: Any) -> None:
    """Any value will do."""


def _is_plain_setter(setter: Any) -> bool:
    """Whether the state of a class is a dict of its fields: nobody else reads, or makes, it."""
    return setter is None or (
        isinstance(setter, FunctionType) and setter.__module__ in _PLAIN_SETTERS
    )


# attrs gives its classes with slots such a method, and so does `persistent`.
_PLAIN_SETTERS: Final = ("attr._make", f"{__package__}.persistent")


def _slots(kind: type[Any]) -> Iterator[str]:
    for base in kind.__mro__:
        for name, member in vars(base).items():
            if isinstance(member, MemberDescriptorType):
                yield name


def resolved(kind: type[Any], name: str, annotation: Any) -> Any:
    """`annotation`, with what it says as text looked up where the field was declared.

    `attrs.resolve_types` would change the class, and give up all fields for one.
    """
    home = next(
        (base for base in kind.__mro__ if name in vars(base).get("__annotations__", ())), kind
    )
    names = vars(sys.modules[home.__module__])
    holder = type(home.__name__, (), {"__annotations__": {name: annotation}})
    return typing.get_type_hints(holder, names, {home.__name__: home, **vars(home)})[name]


def _located(
    root: Any, found: dict[int, list[_Mismatch]], lines: Mapping[int, int]
) -> Iterator[Problem]:
    """Say where they are: a second walk, for which the way to each object is kept."""
    seen: set[int] = set()
    stack: list[tuple[Any, Way | None]] = [(root, None)] if found else []
    while stack and found:
        item, way = stack.pop()
        if type(item) in _LEAVES or id(item) in seen:
            continue
        seen.add(id(item))
        for node, name, mismatch in found.pop(id(item), ()):
            field = () if name is None else (to_field(name),)
            steps = [*steps_of(way), *field, *mismatch.items]
            yield Problem(place.show(steps), mismatch.expected, mismatch.got, lines.get(id(node)))
        below = [
            (part, Way(way, steps)) for part, *steps in ways(item) if type(part) not in _LEAVES
        ]
        stack += reversed(below)
