"""What is to be done to the states of one class, to make of them what the class has now."""

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import MemberDescriptorType
from typing import Any, Final, cast

import attrs

from . import leftovers
from .graph import Global, Node
from .persistent import secret_fields
from .place import Field, show
from .reduction import Fields, class_of, fields_of
from .restore import RestoreError, find_named
from .schema import Step, declaration_of
from .schemaerrors import FieldError, MissingStepError, NewerSchemaError, RetypedError, StepError
from .shapes import Shape, declared, field_types, lineage, name_of

_MOST_PROBLEMS: Final = 100
_Rule = Callable[[Any, Any], Any]
Spell = Callable[[Node], str]
"""The place of a node, for a message."""


@attrs.frozen
class _Step:
    name: str
    to: int
    step: Step


@attrs.frozen
class _Check:
    field: str
    rule: _Rule
    annotation: Any


@attrs.frozen(eq=False)
class ClassPlan:
    """For states of `kind`, recorded with `former` fields, None if those are unknown.

    `steps` are run, then what `fills` make is put into fields that are missing, and `required` are
    those that must then be there. `gone` are former fields that are none now; `is_lost` says that
    objects cannot keep them. `is_secret` says that something in the states is secret, or was.
    """

    kind: type[Any]
    steps: Sequence[_Step]
    fills: Mapping[str, Callable[[], Any]]
    required: Sequence[str]
    checks: Sequence[_Check]
    former: Sequence[str] | None
    gone: frozenset[str]
    is_lost: bool
    is_reordered: bool
    is_secret: bool

    @property
    def changes(self) -> bool:
        """Whether a state has to be looked at."""
        return bool(
            self.steps or self.fills or self.required or self.checks or self.is_reordered
        ) or (self.is_lost and bool(self.gone))

    @property
    def name(self) -> str:
        """The dotted name of the class."""
        return _dotted(self.kind)

    def keep_leftovers(self) -> None:
        """Have the objects keep fields that are gone, if they do not do that by themselves."""
        if self.gone and leftovers.needs_keeping(self.kind) and not self.is_lost:
            leftovers.keep(self.kind, self.gone)

    def run(self, met: Iterable[Node], spell: Spell) -> bool:
        """Bring up the states of the nodes `met`; whether any has a field that is gone.

        Raises `SchemaError`.
        """
        problems: list[str] = []
        shape = _shaper(self.kind)
        steps, fills, former, gone = self.steps, self.fills, self.former, self.gone
        required = frozenset(self.required)
        is_checked = bool(self.checks or self.is_lost)
        known = None if former is None else {*former, *(field_types(self.kind) or ())}
        has_leftovers = False
        # It runs for each of perhaps millions: most of it is in this one function for that.
        for node in met:
            fields: Any = node.state
            if class_of(fields) is not dict:
                fields = _fields(fields, former)
                if fields is None and node.state is not None:
                    # Its class has its own idea of a state.
                    self._run_bare(node, spell)
                    continue
                fields = fields or {}
            # An object may have more than fields, such as those of a former release.
            had = () if not steps or known is None else tuple(fields)
            for step in steps:
                try:
                    fields = step.step(fields)
                except (MemoryError, KeyboardInterrupt):
                    raise
                except BaseException as error:
                    raise self._failed(step, spell(node), error) from error
                if class_of(fields) is not dict:
                    what = f"gave {class_of(fields).__name__}, and not a dict of fields"
                    raise StepError.of(step.name, step.to, spell(node), what)
            if steps and known is not None and not fields.keys() <= known:
                new = ", ".join(map(str, sorted(fields.keys() - known.union(had), key=str)))
                if new:
                    what = f"gave {new}, of which the class knows nothing"
                    raise StepError.of(steps[-1].name, steps[-1].to, spell(node), what)
            for name, make in fills.items():
                if name not in fields:
                    fields[name] = make()
            if is_checked or not fields.keys() >= required:
                self._check(node, fields, spell, problems)
            if gone and not has_leftovers:
                has_leftovers = not gone.isdisjoint(fields)
            node.state = fields if shape is None else shape(fields)
        if problems:
            raise RetypedError.of(self.name, problems)
        return has_leftovers

    def _run_bare(self, node: Node, spell: Spell) -> None:
        for step in self.steps:
            try:
                node.state = step.step(node.state)
            except (MemoryError, KeyboardInterrupt):
                raise
            except BaseException as error:
                raise self._failed(step, spell(node), error) from error

    def _failed(self, step: _Step, place: str, error: BaseException) -> StepError:
        what = f"raised {type(error).__name__}"
        if self.is_secret:
            what += " with a message that may have a secret of the class in it (see --debug)"
        else:
            what += f": {error}"
        return StepError.of(step.name, step.to, place, what)

    def _check(self, node: Node, fields: Fields, spell: Spell, problems: list[str]) -> None:
        for name in self.required:
            if name not in fields:
                raise FieldError.missing(self.name, name, spell(node))
        if self.is_lost:
            for name in self.gone & fields.keys():
                raise FieldError.unkept(self.name, name, spell(node))
        if not self.checks:
            return
        from .expectation import MismatchError

        secret = secret_fields(self.kind)
        for check in self.checks:
            if check.field in fields and len(problems) < _MOST_PROBLEMS:
                try:
                    check.rule(fields[check.field], check.annotation)
                except MismatchError as mismatch:
                    if check.field in secret:
                        mismatch = mismatch.hidden()
                    steps = show([Field(check.field), *mismatch.items], spell(node))
                    problems.append(f"{steps}: expected {mismatch.expected}, got {mismatch.got}")


def planned(kind: type[Any], was: Shape, bases: Mapping[type[Any], int]) -> ClassPlan | None:
    """The plan for states of `kind` that were recorded as `was`; None if they are as they should be.

    `bases` are the recorded versions of its base classes. Raises `SchemaError`.
    """
    steps = tuple(_steps(kind, {**bases, kind: was.version}))
    fields = field_types(kind)
    known: Mapping[str, str] = {} if was.fields is None else was.fields
    former = None if was.fields is None else tuple(was.fields)
    # What a step has taken out of a field that was there has to come from somewhere, too.
    new = () if fields is None else [name for name in fields if steps or name not in known]
    gone = frozenset[str]()
    if fields is not None:
        gone = frozenset((*known, *was.kept)).difference(fields)
    fills: dict[str, Callable[[], Any]] = {}
    required: list[str] = []
    for name in new:
        default = _default(declared(kind)[name])
        if default is not None:
            fills[name] = default
        elif declared(kind)[name].init:
            required.append(name)
    checks = () if fields is None else tuple(_checks(kind, known, fields))
    is_listed = _is_listed(kind)
    plan = ClassPlan(
        kind=kind,
        steps=steps,
        fills=fills,
        required=required,
        checks=checks,
        former=former,
        gone=gone,
        is_lost=is_listed or not leftovers.can_keep(kind),
        is_reordered=is_listed and former is not None and former != tuple(fields or ()),
        is_secret=bool(was.secret or secret_fields(kind)),
    )
    return plan if plan.changes or plan.gone else None


def _steps(kind: type[Any], recorded: Mapping[type[Any], int]) -> Iterator[_Step]:
    """Those of base classes come first; of a base that is new to the class there are none."""
    for each in lineage(kind):
        version, present = recorded.get(each), declaration_of(each)
        if version is None or version == present.version:
            continue
        if version > present.version:
            raise NewerSchemaError.of(_dotted(each), version, present.version)
        for to in range(version + 1, present.version + 1):
            step = present.steps.get(to)
            if step is None:
                raise MissingStepError.of(_dotted(each), version, present.version, to)
            yield _Step(_dotted(each), to, step)


def _checks(
    kind: type[Any], former: Mapping[str, str], fields: Mapping[str, str]
) -> Iterator[_Check]:
    retyped = [
        name for name, text in fields.items() if name in former and text and former[name] != text
    ]
    if not retyped:
        return
    # Imported here: what it needs takes long to import, and types do not often change.
    from .expectation import UNKNOWN, Expectations
    from .fieldtypes import resolved

    def look_up(named: Global) -> Any:
        try:
            return find_named(named.module, named.name)
        except RestoreError:
            return UNKNOWN

    expectations = Expectations(look_up)
    reopened: frozenset[str] = getattr(getattr(kind, "__persistent__", None), "reopen", frozenset())
    for name in retyped:
        if name in reopened:
            continue
        try:
            annotation = resolved(kind, name, declared(kind)[name].type)
        except Exception:  # noqa: BLE001, S112 - it is looked up in users' code
            continue
        yield _Check(name, expectations.rule(annotation), annotation)


def _default(field: Any) -> Callable[[], Any] | None:
    """What makes the default of `field`, of attrs or dataclasses; None if it has none for itself."""
    default = field.default
    if isinstance(field, dataclasses.Field):
        factory: Any = cast("Any", field).default_factory
        if factory is not dataclasses.MISSING:
            return cast("Callable[[], Any]", factory)
        return None if default is dataclasses.MISSING else lambda: default
    if isinstance(default, _FACTORY):
        return None if default.takes_self else default.factory
    return None if default is attrs.NOTHING else lambda: default


# attrs types its Factory as a function; it is a class.
_FACTORY: Any = attrs.Factory


def _fields(state: Any, former: Sequence[str] | None) -> Fields | None:
    """All fields in `state`; None if it is of a shape of its own."""
    if type(state) is dict:
        return cast("Fields", state)
    parts = fields_of(state)
    if parts is not None:
        return parts[0] if len(parts) == 1 else {**parts[0], **parts[1]}
    if class_of(state) is list and former is not None and len(state) == len(former):
        # Dataclasses that are frozen and have slots save their values alone.
        return dict(zip(former, state, strict=True))
    return None


def _shaper(kind: type[Any]) -> Callable[[Fields], Any] | None:
    """What makes of fields a state as `kind` takes it; None if it takes them as they are."""
    if _is_listed(kind):
        order = tuple(declared(kind))
        return lambda fields: [fields[name] for name in order]
    setter = getattr(kind, "__setstate__", None)
    slots = frozenset(_slots(kind)) if setter is None else ()
    if not slots:
        return None

    def pair(fields: Fields) -> Any:
        held = {name: value for name, value in fields.items() if name in slots}
        rest = {name: value for name, value in fields.items() if name not in slots}
        return (rest or None, held)

    return pair


def _slots(kind: type[Any]) -> Iterator[str]:
    for base in kind.__mro__:
        for name, member in vars(base).items() if "__slots__" in vars(base) else ():
            if isinstance(member, MemberDescriptorType):
                yield name


def _is_listed(kind: type[Any]) -> bool:
    """Whether the state of `kind` is a list of values without names."""
    setter = getattr(kind, "__setstate__", None)
    return getattr(setter, "__module__", None) == "dataclasses"


def _dotted(kind: type[Any]) -> str:
    return name_of(kind).replace(":", ".")
