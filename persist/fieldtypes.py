"""Whether the fields of attrs objects have values of the types that their classes say.

A person who edits a snapshot writes text where a number belongs, or misspells a field. This finds
it before anything is built. It imports modules of the application, so it is done only where the
application would be run anyway, or on request.
"""

import importlib
import sys
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from inspect import isclass
from pathlib import Path
from types import FunctionType, MemberDescriptorType
from typing import Any, Final, NamedTuple, cast

import attrs

from . import place, snapshot
from .content import Snapshot
from .expectation import UNKNOWN, Expectations, MismatchError, Rule, named_by
from .graph import SCALARS, Call, Global, Graph, Instance, Node
from .place import Field, Item, Step
from .reduction import class_of, fields_of
from .survey import parts

Allows = Callable[[str, str], bool]
_LEAVES: Final = SCALARS | {Global, bytearray}


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


def check(graph: Graph, allows: Allows) -> list[Problem]:
    """The problems that `examine` finds."""
    return list(examine(graph, allows).problems)


def examine_file(path: Path, found: Snapshot, allows: Allows) -> Examination:
    """What `examine` finds in the snapshot `found` at `path`, with the lines if that is a text.

    Raises `SnapshotError` if the file can no longer be read.
    """
    examined = examine(found.content.graph, allows)
    if not examined.problems or found.syntax == "pickle":
        return examined
    # Lines cost time, and are wanted only here.
    graph, lines = snapshot.locate(path)
    located = examine(graph, allows, lines)
    # If the file was changed meanwhile, what was found is as wrong as it was.
    return located if located.problems else examined


def examine(graph: Graph, allows: Allows, lines: Mapping[int, int] | None = None) -> Examination:
    """Compare each attrs object of `graph` with its class.

    `lines` are those of the objects, by their ids, if they are known.


    Modules are imported of the classes and functions that ``allows(module, name)``, and of no
    others. Nothing is called, beyond what their import does. A module that cannot be imported
    is listed among the unchecked. A field that is missing is no problem: it has a default, or
    restoring says so. Nor is a class that reads its state by a ``__setstate__`` of its own.
    """
    classes = _Classes(allows)
    found: dict[int, list[tuple[Node, str, MismatchError]]] = {}
    for node in _nodes(graph.root):
        wrong = classes.mismatches(node)
        if wrong:
            found[id(node)] = wrong
    return Examination(
        tuple(_located(graph.root, found, lines or {})), tuple(classes.unchecked.values())
    )


class _Classes:
    """What the classes of one graph say of their fields, each looked at once."""

    def __init__(self, allows: Allows) -> None:
        self.unchecked: dict[str, Unchecked] = {}
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

    def mismatches(self, node: Node) -> list[tuple[Node, str, MismatchError]]:
        """The fields of `node` with a value of another type, or that its class does not have."""
        named = named_by(node)
        if named is None or node.state is None or node.setter is not None:
            return []
        if named not in self._known:
            self._known[named] = self._fields(named)
        fields = self._known[named]
        if fields is None:
            return []
        found: list[tuple[Node, str, MismatchError]] = []
        for state in fields_of(node.state) or ():
            for name, value in state.items():
                try:
                    fields.check(name, value)
                except MismatchError as mismatch:
                    found.append((node, name, mismatch))
        return found

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
        kind = self.lookup(named)
        if kind is UNKNOWN:
            self.unchecked[str(named)] = self._failures[named]
            return None
        if not isclass(kind) or not attrs.has(kind):
            return None
        if not _is_plain_setter(getattr(kind, "__setstate__", None)):
            self._leave_out(str(named), "it has a __setstate__ of its own")
            return None
        rules = dict(self._rules(named, kind))
        others = None if kind.__dictoffset__ else frozenset(_slots(kind))
        return _Fields(rules, others)

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
                    annotation = _resolved(kind, attribute.name, attribute.type)
                except Exception as error:  # noqa: BLE001 - it is looked up in users' code
                    self._leave_out(f"{named}.{attribute.name}", f"{type(error).__name__}: {error}")
            yield attribute.name, (self._expectations.rule(annotation), annotation)

    def _leave_out(self, name: str, reason: str) -> None:
        self.unchecked[name] = Unchecked(name, reason)


@attrs.frozen
class _Fields:
    """The rules for the fields of a class by name; `others` are slots it has besides, None if it
    takes any field.
    """

    rules: dict[str, tuple[Rule, Any]]
    others: frozenset[str] | None

    def check(self, name: str, value: Any) -> None:
        """Raises `MismatchError`."""
        known = self.rules.get(name)
        if known is not None:
            rule, annotation = known
            rule(value, annotation)
        elif self.others is not None and name not in self.others:
            names = ", ".join(self.rules) or "none"
            raise MismatchError(f"one of its fields ({names})", str(name))


def _anything(_value: Any, _annotation: Any) -> None:
    """Any value will do."""


def _is_plain_setter(setter: Any) -> bool:
    """Whether the state of a class is a dict of its fields: nobody else reads it."""
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


def _resolved(kind: type[Any], name: str, annotation: Any) -> Any:
    """`annotation`, with what it says as text looked up where the field was declared.

    `attrs.resolve_types` would change the class, and give up all fields for one.
    """
    home = next(
        (base for base in kind.__mro__ if name in vars(base).get("__annotations__", ())), kind
    )
    names = vars(sys.modules[home.__module__])
    holder = type(home.__name__, (), {"__annotations__": {name: annotation}})
    return typing.get_type_hints(holder, names, {home.__name__: home, **vars(home)})[name]


def _nodes(root: Any) -> Iterator[Node]:
    """All nodes that `root` leads to, each once."""
    seen: set[int] = set()
    stack = [root]
    while stack:
        item = stack.pop()
        if type(item) in _LEAVES or id(item) in seen:
            continue
        seen.add(id(item))
        if isinstance(item, Node):
            yield item
        stack += [part for part in parts(item) if type(part) not in _LEAVES]


def _located(
    root: Any, found: dict[int, list[tuple[Node, str, MismatchError]]], lines: Mapping[int, int]
) -> Iterator[Problem]:
    """Say where they are: a second walk, for which the way to each object is kept."""
    seen: set[int] = set()
    stack: list[tuple[Any, _Way | None]] = [(root, None)] if found else []
    while stack and found:
        item, way = stack.pop()
        if type(item) in _LEAVES or id(item) in seen:
            continue
        seen.add(id(item))
        for node, name, mismatch in found.pop(id(item), ()):
            steps = [*_steps(way), _to_field(name), *mismatch.items]
            yield Problem(place.show(steps), mismatch.expected, mismatch.got, lines.get(id(node)))
        below = [
            (part, _Way(way, steps)) for part, *steps in _ways(item) if type(part) not in _LEAVES
        ]
        stack += reversed(below)


class _Way(NamedTuple):
    """How the walk came to an object: from another, by these steps."""

    before: "_Way | None"
    steps: Sequence[Step]


def _steps(way: _Way | None) -> list[Step]:
    legs: list[Sequence[Step]] = []
    while way is not None:
        legs.append(way.steps)
        way = way.before
    return [step for leg in reversed(legs) for step in leg]


def _ways(item: Any) -> Iterator[tuple[Any, *tuple[Step, ...]]]:
    """What `item` consists of, each with the steps that lead there."""
    kind = class_of(item)
    if isinstance(item, Node):
        yield from _ways_of_node(item)
    elif kind is dict:
        for key, value in cast("dict[Any, Any]", item).items():
            yield key, Item(key)
            yield value, Item(key)
    else:
        for number, part in enumerate(parts(item)):
            yield part, Item(number)


def _ways_of_node(node: Node) -> Iterator[tuple[Any, *tuple[Step, ...]]]:
    for number, argument in enumerate(node.arguments):
        yield argument, Field("arguments"), Item(number)
    if isinstance(node, Call):
        yield node.function, Field("function")
    elif isinstance(node, Instance):
        for name, value in (node.keywords or {}).items():
            yield value, Field(name)
    for number, member in enumerate(node.members or ()):
        yield member, Item(number)
    for key, value in node.pairs or ():
        yield key, Item(key)
        yield value, Item(key)
    fields = fields_of(node.state)
    if fields is None:
        yield node.state, Field("state")
    for name, value in [pair for some in fields or () for pair in some.items()]:
        yield value, _to_field(name)
    yield node.setter, Field("setter")


def _to_field(name: Any) -> Step:
    # Nobody says that the keys of a state are text.
    return Field(name) if type(name) is str else Item(name)
