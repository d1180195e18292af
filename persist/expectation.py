"""What the annotation of a field expects of a value in a graph, and how a person is told.

cattrs finds the rule for an annotation and keeps it. The rules do not convert, as those of cattrs
itself do: an inert node is no object yet, and what is restored is what the file says.
"""

import collections
import collections.abc
import typing
from collections.abc import Callable, Iterable
from inspect import isclass
from types import NoneType, UnionType
from typing import Any, Final, ForwardRef, Literal, TypeVar, cast, get_args, get_origin

import attrs
from cattrs import BaseConverter
from cattrs.dispatch import FunctionDispatch

from .graph import Call, Global, Node
from .parkedgraph import is_stand_in
from .place import Item
from .reduction import class_of
from .typewords import shown, words

UNKNOWN: Final = object()
"""What a name stands for that may not, or cannot, be looked up."""

Rule = Callable[[Any, Any], Any]
Lookup = Callable[[Global], Any]

_ABC: Final = collections.abc
_MAPPINGS: Final = (
    dict, collections.defaultdict, collections.OrderedDict, _ABC.Mapping, _ABC.MutableMapping,
)  # fmt: skip
_WITH_MEMBERS: Final = (list, tuple, set, frozenset)
_BARE_TUPLE: Final[Any] = typing.Tuple  # noqa: UP006

_CALLABLE: Final[Any] = get_origin(Callable[..., Any])
_ANYTHING: Final = (Any, object)
_NUMBERS: Final[dict[Any, tuple[type, ...]]] = {float: (float, int), complex: (complex, float, int)}


@attrs.define
class MismatchError(Exception):
    """A value is not what was expected. `items` lead from the field's value to the part meant."""

    expected: str
    got: str
    items: tuple[Item, ...] = ()

    def hidden(self) -> "MismatchError":
        """The same of a value that is secret."""
        return MismatchError(self.expected, "something else, which is secret")


class Expectations:
    """The rules for annotations; `lookup` gives what a name stands for, or `UNKNOWN`.

    What cannot be known without running the snapshot's code is let pass: a node whose class is
    unknown, and what a function returns.
    """

    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup
        # Without the rules that a converter begins with: those convert.
        self._rules = FunctionDispatch(BaseConverter())
        # Of several that apply, cattrs takes the one registered last.
        for applies, factory in reversed(self._table()):
            self._rules.register(applies, factory, is_generator=True)

    def rule(self, annotation: Any) -> Rule:
        """A function of a value and the annotation that raises `MismatchError` if it does not fit."""
        return self._rules.dispatch(annotation) or _pass

    def _table(self) -> list[tuple[Callable[[Any], bool], Callable[[Any], Rule]]]:
        return [
            (lambda kind: kind in _ANYTHING, lambda _: _pass),
            (lambda kind: kind is None or kind is NoneType, lambda _: _none),
            (lambda kind: get_origin(kind) is typing.Annotated, self._first),
            (lambda kind: get_origin(kind) in (typing.Final, typing.ClassVar), self._first),
            (
                lambda kind: hasattr(kind, "__supertype__"),
                lambda kind: self.rule(kind.__supertype__),
            ),
            (_is_alias_statement, lambda kind: self.rule(kind.__value__)),
            (lambda kind: isinstance(kind, TypeVar), self._type_variable),
            (lambda kind: get_origin(kind) in (typing.Union, UnionType), self._union),
            (lambda kind: get_origin(kind) is Literal, _literal),
            (lambda kind: _plain(kind) is _CALLABLE, self._callable),
            (lambda kind: kind is type or get_origin(kind) is type, self._class),
            (lambda kind: get_origin(kind) is tuple and kind is not _BARE_TUPLE, self._tuple),
            (lambda kind: _plain(kind) in _MAPPINGS and bool(get_args(kind)), self._mapping),
            (_is_collection, self._collection),
            (lambda kind: isclass(_plain(kind)), self._instance),
        ]

    def _first(self, kind: Any) -> Rule:
        return self.rule(get_args(kind)[0])

    def _type_variable(self, kind: Any) -> Rule:
        if kind.__constraints__:
            return self.rule(typing.Union[kind.__constraints__])  # noqa: UP007
        return _pass if kind.__bound__ is None else self.rule(kind.__bound__)

    def _instance(self, kind: Any) -> Rule:
        wanted = _plain(kind)
        accepted = _NUMBERS.get(wanted, (wanted,))
        exact = frozenset(accepted)

        def check(value: Any, _: Any) -> None:
            if type(value) not in exact and not self._is_a(value, accepted):
                raise MismatchError(words(kind), shown(value))

        return check

    def _is_a(self, value: Any, wanted: tuple[type, ...]) -> bool:
        if type(value) is Global:
            found = self._lookup(value)
            return found is UNKNOWN or _safely(isinstance, found, wanted)
        actual = self._class_of(value)
        if actual is bool and int in wanted:
            # Python says that it is; a person who writes True for a number is wrong.
            return False
        return actual is None or _safely(issubclass, actual, wanted)

    def _class_of(self, value: Any) -> type | None:
        """The class that `value` will have; None if that cannot be known."""
        if not isinstance(value, Node):
            return class_of(value)
        if is_stand_in(value):
            return None
        named = named_by(value)
        found = UNKNOWN if named is None else self._lookup(named)
        return found if isclass(found) else None

    def _union(self, kind: Any) -> Rule:
        members = get_args(kind)
        rules = [(self.rule(member), member) for member in members]
        others = [rule for rule, member in rules if member is not NoneType]
        told = others[0] if len(others) == 1 else None

        def check(value: Any, _: Any) -> None:
            found: MismatchError | None = None
            for rule, member in rules:
                try:
                    rule(value, member)
                except MismatchError as mismatch:
                    if rule is told and mismatch.items:
                        found = mismatch
                else:
                    return
            raise found or MismatchError(words(kind), shown(value))

        return check

    def _callable(self, kind: Any) -> Rule:
        def check(value: Any, _: Any) -> None:
            if not self._is_callable(value):
                raise MismatchError(words(kind), shown(value))

        return check

    def _is_callable(self, value: Any) -> bool:
        if type(value) is Global:
            found = self._lookup(value)
            return found is UNKNOWN or callable(found)
        made = self._class_of(value)
        # Not hasattr, which finds the method of classes that makes instances.
        return made is None or any("__call__" in vars(base) for base in made.__mro__)

    def _class(self, kind: Any) -> Rule:
        bases = [base for base in get_args(kind) if isclass(base)]

        def check(value: Any, _: Any) -> None:
            # A call may return anything; a form such as list[int], say.
            found = self._lookup(value) if type(value) is Global else value
            if found is UNKNOWN or isinstance(found, Call):
                return
            if not isclass(found) or not all(_safely(issubclass, found, base) for base in bases):
                raise MismatchError(words(kind), shown(value))

        return check

    def _tuple(self, kind: Any) -> Rule:
        arguments = get_args(kind)
        whole = self._instance(tuple)
        if len(arguments) == 2 and arguments[1] is Ellipsis:
            return self._parts(kind, whole, arguments[0])
        rules = [(self.rule(argument), argument) for argument in arguments if argument != ()]

        def check(value: Any, _: Any) -> None:
            _within(whole, tuple, value, kind)
            actual = class_of(value)
            if actual is not tuple:
                # A named tuple, whose class knows better.
                return
            parts = cast("tuple[Any, ...]", value)
            if len(parts) != len(rules):
                raise MismatchError(words(kind), shown(value))
            for place, (part, (rule, argument)) in enumerate(zip(parts, rules, strict=True)):
                _below(rule, part, argument, place)

        return check

    def _collection(self, kind: Any) -> Rule:
        return self._parts(kind, self._instance(_plain(kind)), get_args(kind)[0])

    def _parts(self, kind: Any, whole: Rule, argument: Any) -> Rule:
        rule = self.rule(argument)

        def check(value: Any, _: Any) -> None:
            _within(whole, kind, value, kind)
            if rule is not _pass:
                for place, part in enumerate(_members(value)):
                    _below(rule, part, argument, place)

        return check

    def _mapping(self, kind: Any) -> Rule:
        whole = self._instance(_plain(kind))
        key_kind, value_kind = get_args(kind)
        key_rule, value_rule = self.rule(key_kind), self.rule(value_kind)

        def check(value: Any, _: Any) -> None:
            _within(whole, kind, value, kind)
            for key, part in _pairs(value):
                _below(key_rule, key, key_kind, key)
                _below(value_rule, part, value_kind, key)

        return check


def named_by(node: Node) -> Global | None:
    """The class of which `node` is an instance, or the class or function that it calls."""
    named: Any = node.function if isinstance(node, Call) else type(node)
    return named if isinstance(named, Global) else None


def _pass(_value: Any, _annotation: Any) -> None:
    """Anything will do."""


def _none(value: Any, _annotation: Any) -> None:
    if value is not None:
        raise MismatchError(words(None), shown(value))


def _literal(kind: Any) -> Rule:
    allowed: set[Any] = {(type(one), one) for one in get_args(kind)}

    def check(value: Any, _: Any) -> None:
        # A member of an enumeration is a call of its class.
        if not isinstance(value, Node) and not _is_in(allowed, (type(value), value)):
            raise MismatchError(words(kind), shown(value))

    return check


def _is_in(allowed: set[Any], one: Any) -> bool:
    try:
        return one in allowed
    except TypeError:
        return False


def _plain(kind: Any) -> Any:
    """The class of which `kind`, such as ``list[str]``, is a form."""
    return get_origin(kind) or kind


def _is_alias_statement(kind: Any) -> bool:
    return type(kind).__name__ == "TypeAliasType"


def _is_collection(kind: Any) -> bool:
    """A class of one parameter, which is what its members are."""
    origin = _plain(kind)
    if len(get_args(kind)) != 1 or not isclass(origin) or isinstance(kind, ForwardRef):
        return False
    return origin in (
        list, set, frozenset, collections.deque, _ABC.Sequence, _ABC.MutableSequence,
        _ABC.Iterable, _ABC.Collection, _ABC.Container, _ABC.Set, _ABC.MutableSet,
    )  # fmt: skip


def _safely(test: Callable[[Any, Any], bool], subject: Any, wanted: Any) -> bool:
    try:
        return test(subject, wanted)
    except TypeError:
        # A protocol that is not for run time.
        return True


def _within(rule: Rule, annotation: Any, value: Any, kind: Any) -> None:
    try:
        rule(value, annotation)
    except MismatchError as mismatch:
        mismatch.expected = words(kind)
        raise


def _below(rule: Rule, part: Any, annotation: Any, key: Any) -> None:
    try:
        rule(part, annotation)
    except MismatchError as mismatch:
        mismatch.items = (Item(key), *mismatch.items)
        raise


def _members(value: Any) -> Iterable[Any]:
    kind = class_of(value)
    if isinstance(value, Node):
        return value.members or ()
    return cast("Iterable[Any]", value) if kind in _WITH_MEMBERS else ()


def _pairs(value: Any) -> Iterable[tuple[Any, Any]]:
    kind = class_of(value)
    if isinstance(value, Node):
        return value.pairs or ()
    return cast("dict[Any, Any]", value).items() if kind is dict else ()
