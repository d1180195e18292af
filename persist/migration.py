"""States of earlier versions of classes, brought up to what the code has become.

All of it is done on inert nodes, before any object is built, or none of it. Whether there is anything
to be done is found by the recorded shapes of classes alone. If not, it costs nothing for any object.
"""

import datetime
import decimal
import fractions
import pathlib
import uuid
from collections.abc import Collection, Iterator, Mapping
from inspect import isclass
from typing import Any, ClassVar, Final, Self, cast

import attrs

from . import account, graphstream, moves, trail
from .classplan import ClassPlan, planned
from .collector import collector_off
from .graph import Global, Graph, Instance, Names, Node
from .opcodes import StreamError
from .persistent import keep_secret
from .place import ROOT
from .restore import RestoreError, find_named, judged
from .shapes import Shape, is_applications, name_of
from .trust import Policy, is_pythons_own

_FARTHEST: Final = 20
_Place = tuple[str, str]

# Values that a step sees as they are: leaves, which no class of an application can be part of.
_LEAVES: Final[dict[_Place, type[Any]]] = {
    (kind.__module__, kind.__qualname__): kind
    for kind in (
        complex, range, datetime.date, datetime.datetime, datetime.time, datetime.timedelta,
        datetime.timezone, decimal.Decimal, fractions.Fraction, uuid.UUID, pathlib.PosixPath,
        pathlib.PurePosixPath, pathlib.PureWindowsPath,
    )
}  # fmt: skip


@attrs.frozen(eq=False)
class Migration:
    """What there is to be done to streams of which the shapes of classes were recorded.

    Of a stream under any `policy` but everything all names are looked at before anything is done.

    `renamed` are the names that are others now; `plans` what is done to the states of the
    instances of classes, by the names of these in the stream. `secret` are the fields that classes of
    now had declared secret.
    """

    renamed: Mapping[_Place, _Place]
    plans: Mapping[_Place, ClassPlan]
    policy: Policy
    secret: Mapping[type[Any], tuple[str, ...]] = attrs.field(
        factory=dict[type[Any], tuple[str, ...]]
    )

    @classmethod
    def of(cls, shapes: Mapping[str, Shape], policy: Policy) -> Self:
        """Compare `shapes`, by ``module:qualname``, with those of now.

        What `policy` allows, and is not Python's own, is imported for that. What cannot be, is left
        to whoever restores it. Raises `SchemaError`.
        """
        found = Present(policy)
        renamed: dict[_Place, _Place] = {}
        plans: dict[_Place, ClassPlan] = {}
        secret: dict[type[Any], tuple[str, ...]] = {}
        for name, shape in shapes.items():
            place = place_of(name)
            if is_pythons_own(place[0]) or not policy.allows(*place):
                continue
            present, item = found.find(place)
            if present != place:
                renamed[place] = present
            if is_applications(item):
                kind = cast("type[Any]", item)
                plan = planned(kind, shape, found.versions(shape, shapes))
                if plan is not None:
                    plans[place] = plan
                if shape.secret:
                    secret[kind] = (*secret.get(kind, ()), *shape.secret)
        return cls(renamed, plans, policy, secret)

    @property
    def is_needed(self) -> bool:
        """Whether any stream has to be looked at."""
        return bool(self.renamed or any(plan.changes for plan in self.plans.values()))

    @property
    def changed(self) -> Iterator[str]:
        """The names of old of all classes whose states or names are not as they were."""
        for module, name in dict.fromkeys((*self.renamed, *self.plans)):
            yield f"{module}:{name}"

    @property
    def kept(self) -> Mapping[str, frozenset[str]]:
        """The fields that are gone, which objects keep, by the present names of their classes."""
        found: dict[str, frozenset[str]] = {}
        for plan in self.plans.values():
            name = name_of(plan.kind)
            found[name] = found.get(name, frozenset()) | plan.gone
        return found

    def graph(self, stream: bytes) -> Graph:
        """The graph of what `stream` makes; as `stream`, but no object is to be built of it."""
        with collector_off():
            reading = _Reading(self)
            root = reading.read(stream)
            reading.run(root)
            reading.forget()
            return reading.graph(root)

    def stream(self, stream: bytes) -> bytes:
        """`stream` as it would have been captured from the classes of now.

        Raises `SchemaError` and `TrustError`; nothing was then built.
        """
        if self.is_needed:
            with collector_off():
                reading = _Reading(self)
                root = reading.read(stream)
                reading.run(root)
                stream = reading.write(root)
                reading.clear()
            self._keep(reading.spared)
        else:
            self._keep()
        return stream

    def record(self, made: bytes, state: bytes) -> tuple[bytes, bytes]:
        """The two streams of a component's record (see `components`), as `stream`."""
        if not self.is_needed:
            self._keep()
            return made, state
        reading = _Reading(self)
        kind = reading.read(made) if made else None
        given = reading.read(state)
        if isinstance(kind, Global):
            whole = cast("type[Instance]", kind).__new__(cast("type[Instance]", kind))
            whole.state = given[0] if given else None
            reading.run(whole)
            given = (whole.state, *given[1:]) if given or whole.state is not None else given
            made = reading.write(kind)
        else:
            reading.run(given)
        state = reading.write(given)
        reading.clear()
        self._keep(reading.spared)
        return made, state

    def _keep(self, spared: Collection[type[Any]] = ()) -> None:
        # Only now: where a step fails nothing is changed, and that means the classes, too.
        account.note_all(self.renamed, self.plans.values())
        for plan in self.plans.values():
            if plan.kind not in spared:
                plan.keep_leftovers()
        for kind, fields in self.secret.items():
            keep_secret(kind, fields)


class Present:
    """What the names of old mean now, each looked for once."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._found: dict[_Place, tuple[_Place, object]] = {}

    def find(self, place: _Place) -> tuple[_Place, object]:
        """The present place, and what is there; None if that is not to be had."""
        if place not in self._found:
            self._found[place] = self._find(place)
        return self._found[place]

    def versions(self, shape: Shape, shapes: Mapping[str, Shape]) -> dict[type[Any], int]:
        """The recorded versions of the bases in `shape`, by what these are now."""
        return {
            cast("type[Any]", kind): shapes.get(name, Shape()).version
            for name in shape.bases
            if self._policy.allows(*place_of(name))
            if isclass(kind := self.find(place_of(name))[1])
        }

    def _find(self, place: _Place) -> tuple[_Place, object]:
        present = place
        for _ in range(_FARTHEST):
            try:
                item = find_named(*present)
            except RestoreError:
                further = moves.present_name(*present)
                if further is None or not self._policy.allows(*further):
                    break
                present = further
            else:
                own = moves.own_place(item) if is_applications(item) else None
                return own if own and self._policy.allows(*own) else present, item
        return place, None


def place_of(name: str) -> _Place:
    """The module and the name in ``module:qualname``."""
    module, _, qualname = name.partition(":")
    return module, qualname


class _MetGlobal(Global):
    """A class whose instances are brought up: it has a list of those that were met."""

    met: list[Node]

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        made = super().__call__(*arguments, **keywords)
        self.met.append(made)
        return made


class _Met(Instance):
    """An instance of such a class."""

    __slots__ = ()
    met: ClassVar[list[Node]]

    def __new__(cls, /, *arguments: Any, **keywords: Any) -> Self:
        # As in `Instance`, which is a call more for each of many.
        made = object.__new__(cls)
        made.arguments = arguments
        made.keywords = keywords or None
        made.state = made.members = made.pairs = made.setter = None
        cls.met.append(made)
        return made


class _MigratedNames(Names):
    """The names of a stream as they are now, those of leaves as what they name."""

    def __init__(self, migration: Migration) -> None:
        super().__init__()
        self._migration = migration
        self.planned: list[tuple[ClassPlan, list[Node]]] = []

    def find(self, module: str, name: str) -> Any:
        place = module, name
        if place in _LEAVES:
            return _LEAVES[place]
        plan = self._migration.plans.get(place)
        present = self._migration.renamed.get(place, place)
        if plan is None or not plan.changes:
            return super().find(*present)
        found = self._found.get(place)
        if found is None:
            met: list[Node] = []
            content = {"__slots__": (), "module": present[0], "name": present[1], "met": met}
            found = self._found[place] = _MetGlobal("Global", (_Met,), content)
            self.planned.append((account.counting(plan), met))
        return found


class _Reading:
    """Streams that are read, brought up and written together.

    `spared` are classes whose instances have nothing left of fields that are gone: as a rule, where
    a step has used it up. To keep it would cost something for each of them.
    """

    def __init__(self, migration: Migration) -> None:
        self._names = _MigratedNames(migration)
        self._policy = migration.policy
        self.spared: set[type[Any]] = set()

    def read(self, stream: bytes) -> Any:
        try:
            judged(stream, self._policy)
            return graphstream.read(stream, trusted=True, names=self._names).root
        except StreamError as error:
            raise RestoreError(
                "", f"the content is not a stream of objects: {error}", "take an earlier snapshot"
            ) from error

    def run(self, root: Any) -> None:
        """Raises `SchemaError`."""
        for plan, met in self._names.planned:
            if not plan.run(met, lambda node: _spelled(root, node)):
                self.spared.add(plan.kind)
            account.note(plan, met)

    def graph(self, root: Any) -> Graph:
        return Graph(root, self._names)

    def clear(self) -> None:
        """Let go of what was read: of nodes that hold each other, which only the collector would find.

        That would take as long as to read them.
        """
        for _, met in self._names.planned:
            for node in met:
                node.state = None
        self.forget()

    def forget(self) -> None:
        """Have no list any more of the nodes that were brought up."""
        for _, met in self._names.planned:
            met.clear()

    def write(self, root: Any) -> bytes:
        return graphstream.write(self.graph(root))


def _spelled(root: Any, node: Node) -> str:
    try:
        return trail.find(root, node)
    except IndexError:
        # Nothing leads to it any more: a step has taken it out.
        return ROOT
