"""What migrations have done: told to who asks for it, and costing nothing where nobody does."""

import contextlib
import copy
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextvars import ContextVar
from typing import Any

import attrs

from .classplan import ClassPlan
from .graph import Node
from .reduction import fields_of


@attrs.define
class ClassAccount:
    """Of one class: how many `objects` ran which `steps`, and what became of their fields.

    `defaults` counts the objects that got the default of a new field, `kept` those that keep what
    they have in one that is gone; None: those were not looked at. The values of `retyped` fields fit
    their new types.
    """

    objects: int = 0
    steps: dict[str, None] = attrs.field(factory=dict[str, None])
    defaults: Counter[str] = attrs.field(factory=Counter[str])
    kept: dict[str, int | None] = attrs.field(factory=dict[str, "int | None"])
    retyped: dict[str, None] = attrs.field(factory=dict[str, None])


@attrs.define
class Account:
    """All that was brought up: by the dotted names of the classes of now, and those that moved."""

    classes: dict[str, ClassAccount] = attrs.field(factory=dict[str, ClassAccount])
    moves: dict[str, str] = attrs.field(factory=dict[str, str])

    def lines(self) -> Iterator[str]:
        """For a person, one thing a line."""
        for former, present in self.moves.items():
            yield f"{former} is {present} now"
        for name, found in self.classes.items():
            if found.steps:
                steps = ", ".join(found.steps)
                word = "step" if len(found.steps) == 1 else "steps"
                yield f"{name}: {_objects(found.objects)} brought up by the {word} to {steps}"
            for field, count in found.defaults.items():
                yield f"{name}: the field {field} is new, and {_objects(count)} got its default"
            for field, kept in found.kept.items():
                holders = "its objects" if kept is None else _objects(kept)
                yield f"{name}: the field {field} is gone; what {holders} had in it is kept aside"
            for field in found.retyped:
                yield f"{name}: the field {field} has another type now; all its values fit"

    def of(self, plan: ClassPlan) -> ClassAccount:
        """That of the class of `plan`."""
        return self.classes.setdefault(plan.name, ClassAccount())


_ACCOUNT: ContextVar[Account | None] = ContextVar("account", default=None)


@contextlib.contextmanager
def accounted(account: Account) -> Generator[None]:
    """Have all that migrations do within the block told to `account`; also if one fails."""
    token = _ACCOUNT.set(account)
    try:
        yield
    finally:
        _ACCOUNT.reset(token)


def marked() -> Callable[[], None]:
    """What takes all back that was told from now on: it is done again in another way."""
    account = _ACCOUNT.get()
    if account is None:
        return _nothing
    classes, moves = copy.deepcopy(account.classes), dict(account.moves)

    def take_back() -> None:
        account.classes, account.moves = copy.deepcopy(classes), dict(moves)

    return take_back


def _nothing() -> None:
    """Nobody had asked."""


def counting(plan: ClassPlan) -> ClassPlan:
    """`plan`, to be run in place of it: it counts what it puts into new fields, if that is asked for."""
    account = _ACCOUNT.get()
    if account is None or not plan.fills:
        return plan
    found = account.of(plan)
    fills = {name: _counted(found.defaults, name, make) for name, make in plan.fills.items()}
    return attrs.evolve(plan, fills=fills)


def note(plan: ClassPlan, met: Iterable[Node]) -> None:
    """That `plan` was run on the nodes `met`."""
    account = _ACCOUNT.get()
    if account is None:
        return
    found, count = account.of(plan), 0
    for node in met:
        count += 1
        for field in plan.gone:
            if any(field in part for part in fields_of(node.state) or ()):
                found.kept[field] = (found.kept.get(field) or 0) + 1
    if count:
        found.objects += count
        found.steps |= dict.fromkeys(_spelled(plan))
        found.retyped |= dict.fromkeys(check.field for check in plan.checks)


def note_all(
    renamed: Mapping[tuple[str, str], tuple[str, str]], plans: Iterable[ClassPlan]
) -> None:
    """That these names have moved, and that this holds of all there is, looked at or not."""
    account = _ACCOUNT.get()
    if account is None:
        return
    for former, present in renamed.items():
        account.moves[".".join(former)] = ".".join(present)
    for plan in plans:
        if plan.gone and not plan.changes:
            found = account.of(plan)
            for field in sorted(plan.gone):
                found.kept.setdefault(field, None)


def _counted(counter: Counter[str], name: str, make: Callable[[], Any]) -> Callable[[], Any]:
    def made() -> Any:
        counter[name] += 1
        return make()

    return made


def _spelled(plan: ClassPlan) -> Iterator[str]:
    """The steps in their order, those of base classes by name."""
    for step in plan.steps:
        yield f"{step.to}" if step.name == plan.name else f"{step.to} of {step.name}"


def _objects(count: int) -> str:
    return f"{count:,} object{'' if count == 1 else 's'}"
