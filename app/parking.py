"""Loading an application of which parts cannot be loaded: these are parked, and the rest runs.

What can be parked is a component, and the arguments of an alarm: what they hold besides is theirs, and
what others hold, too, stays with these. Nothing else can: what a service needs is needed.

All is tried first, with whatever was parked earlier in its place again. Where that fails, those are
left out whose classes cannot be found; then those that fail, too, when each is restored by itself. A
state is never changed by that: one that stays parked is the same bytes as before.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final, cast

import attrs

from ..persist import graphstream
from ..persist.graph import Global, Graph, Node
from ..persist.migration import Migration
from ..persist.parked import Kept, Parked, ParkedError, StandIn, parked_at, standing_for
from ..persist.parkedgraph import STAND_IN, Fields, parked_in, reach
from ..persist.parting import Reason, park, put_back
from ..persist.references import References, resolving
from ..persist.restore import RestoreError, TrustError, find_named, restore
from ..persist.schemaerrors import SchemaError
from ..persist.shapes import UNKNOWN, Shape, parsed
from ..persist.snapshot import now
from ..persist.trail import find as place_of
from ..persist.trust import Policy
from . import alarms
from .bays import ALARM, PART, Nodes, bays_in, is_one

if TYPE_CHECKING:
    from ..persist.passport import Passport
    from .registry import Registry

Reasons = Mapping[str, str]
"""Why components cannot be loaded, by their keys."""

_REFERRED: Final = ("perdure.persist.references", "referred")


@attrs.frozen
class Returned:
    """A component that is back: `since` when it was parked, and what the journal has said of it since."""

    key: str
    since: str
    commands: tuple[Kept, ...] = attrs.field(repr=False)
    lost: tuple[str, ...] = ()
    """What it, or others that are back, refer to, and is not there any more: they have None for that."""

    def __str__(self) -> str:
        lost = f"; None is in the place of {', '.join(self.lost)}" if self.lost else ""
        return f"{self.key} is back: it was parked since {self.since}{lost}"


def has_parked(passport: "Passport") -> bool:
    """Whether a snapshot with this passport has parked parts."""
    return STAND_IN in passport.names


def all_parked(registry: "Registry") -> list[Parked]:
    """What is parked, in the order of the registry."""
    found: list[Parked] = []
    for component in registry.components.values():
        parked = parked_at(component)
        if parked is not None:
            found.append(parked)
        elif isinstance(component, alarms.Alarms):
            found += component.parked()
    return found


def told(parked: Parked) -> str:
    """What is parked, for a person."""
    calls = sum(kind == "command" for _, kind, _ in parked.commands)
    and_calls = f" and {calls:,} calls that came after" if calls else ""
    return (
        f"{parked.key} is parked: {parked.reason}; its state{and_calls} is kept, and tried again at"
        " each start"
    )


def load(
    stream: bytes, policy: Policy, passport: "Passport", reasons: Reasons
) -> tuple[Any, list[Returned]]:
    """What is in `stream`, and what of it was parked till now; parked are at least the `reasons`.

    Raises `SchemaError`, `TrustError`, and `RestoreError` if what cannot be loaded is needed.
    """
    return _Loading(stream, policy, passport, reasons).run()


def closure(texts: Mapping[str, str], names: Iterable[str]) -> dict[str, str]:
    """Those of the shapes in `texts` that the `names` and the bases of these have."""
    found: dict[str, str] = {}
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name in texts and name not in found:
            found[name] = texts[name]
            waiting += Shape.parse(texts[name]).bases
    return dict(sorted(found.items()))


class _Loading:
    def __init__(
        self, stream: bytes, policy: Policy, passport: "Passport", reasons: Reasons
    ) -> None:
        self._stream = stream
        self._policy = policy
        self._texts = passport.classes
        self._migration = Migration.of(passport.shapes, policy)
        self._migrations: dict[tuple[Any, ...], Migration] = {}
        self._since = now()
        self._found: dict[tuple[str, str], RestoreError | None] = {}
        # What is parked now, and what stays so.
        self._parking = dict(reasons)
        self._staying: dict[str, str] = {}

    def run(self) -> tuple[Any, list[Returned]]:
        graph = self._read(self._stream)
        former = {bay.key for bay in bays_in(graph) if parked_in(bay.item) is not None}
        self._park_unfound(graph)
        while True:
            graph = self._without_parked()
            returned = self._put_back(graph)
            try:
                root = restore(graphstream.write(graph), self._policy)
            except (SchemaError, TrustError):
                raise
            except RestoreError as error:
                failing = self._failing(graph, error)
                if failing.keys() <= {*self._parking, *self._staying}:
                    raise  # There is nothing more to park: it is not theirs, or a stand-in is damaged.
            else:
                failing = self._call(root, returned)
                if not failing:
                    return root, [each for each in returned if PART not in each.key]
            for key, reason in failing.items():
                (self._staying if key in former else self._parking)[key] = reason

    def _read(self, stream: bytes) -> Graph:
        return graphstream.read(stream, trusted=self._policy.modules is None)

    def _park_unfound(self, graph: Graph) -> None:
        """Have all parked that leads to what is not to be found."""
        missing = {name: why for name in graph.names if (why := self._missing(name)) is not None}
        if not missing:
            return
        bays = list(bays_in(graph))
        own = {id(bay.item) for bay in bays if is_one(bay)}
        clean: set[int] = set()
        for bay in bays:
            start = bay.item
            seen: list[int] = []

            def stop(item: Any, start: Any = start) -> bool:
                return id(item) in clean or (id(item) in own and item is not start)

            for item in reach([start], stop):
                if type(item) is Global:
                    if item in missing:
                        self._parking.setdefault(bay.key, reason_of(missing[item]))
                        break
                elif not stop(item):
                    seen.append(id(item))
            else:
                clean.update(seen)

    def _missing(self, name: Global) -> RestoreError | None:
        """Why what has this name in a stream cannot be found; None if it can."""
        place = name.module, name.name
        if place not in self._found:
            present = self._migration.renamed.get(place, place)
            self._found[place] = None
            # Who may not be loaded at all is refused, not parked.
            if self._policy.allows(*present):
                try:
                    find_named(*present)
                except RestoreError as error:
                    self._found[place] = error
        return self._found[place]

    def _without_parked(self) -> Graph:
        """All but what is parked, as of the present classes."""
        graph = self._read(self._stream)
        bays = [bay for bay in bays_in(graph) if bay.key in self._parking]
        if alarms.KEY in self._parking:
            bays = [bay for bay in bays if not bay.key.startswith(ALARM)]
        chosen = {bay: Reason(self._parking[bay.key], self._since) for bay in bays}
        park(graph, chosen, lambda names: closure(self._texts, names))
        for item in reach([graph.root]):
            # An instance tells where it is, its class does not.
            name = cast("Any", type(item)) if isinstance(item, Node) else item
            if type(name) is Global and (error := self._missing(name)) is not None:
                place = place_of(graph.root, item)
                reason = f"{place} needs it, which cannot be parked, and {error.reason}"
                raise attrs.evolve(error, reason=reason)
        return self._read(self._migration.stream(graphstream.write(graph)))

    def _put_back(self, graph: Graph) -> list[Returned]:
        """Put in its place again what was parked; what is back is given."""
        bays = [bay for bay in bays_in(graph) if bay.key not in self._parking]
        before = {bay.key: fields for bay in bays if (fields := parked_in(bay.item)) is not None}
        nodes = Nodes(graph.root)
        failures = put_back(
            graph,
            bays,
            self._staying,
            nodes.find,
            self._bring,
            self._vet,
            trusted=self._policy.modules is None,
        )
        for key, reason in failures.items():
            before[key]["reason"] = reason
        lost = tuple(dict.fromkeys(nodes.lost))
        return [
            Returned(key, fields["since"], fields["commands"], lost)
            for key, fields in before.items()
            if key not in failures
        ]

    def _bring(self, made: bytes, state: bytes, fields: Fields) -> tuple[bytes, bytes]:
        # To look for what is not there takes long, and many have the same classes.
        known = (tuple(fields["names"]), *fields["shapes"].items())
        migration = self._migrations.get(known)
        if migration is None:
            shapes = {**dict.fromkeys(fields["names"], UNKNOWN), **parsed(fields["shapes"])}
            migration = self._migrations[known] = Migration.of(shapes, self._policy)
        return migration.record(made, state)

    def _vet(self, names: Iterable[Global]) -> str | None:
        names = list(names)
        refused = {str(name) for name in names if not self._policy.allows(name.module, name.name)}
        if refused:
            raise TrustError(tuple(sorted(refused)))
        missing = (self._missing(name) for name in names)
        return next((reason_of(why) for why in missing if why is not None), None)

    def _call(self, root: Any, returned: Collection[Returned]) -> dict[str, str]:
        """Do what the journal has said of those that are back; where that fails, the reasons are given."""
        from .records import ReplayError
        from .replay import resume

        failing: dict[str, str] = {}
        for each in returned:
            if each.commands:
                try:
                    resume(root, each.key, each.commands, self._policy)
                except (SchemaError, TrustError):
                    raise
                except ReplayError as error:
                    failing[each.key] = str(error)
                except RestoreError as error:
                    failing[each.key] = reason_of(error)
        return failing

    def _failing(self, graph: Graph, error: RestoreError) -> dict[str, str]:
        """Those that cannot be restored by themselves, and why. Raises what the rest of all raises.

        If there are none, those that need others for it, and whose class the `error` is about.
        """
        bays = [bay for bay in bays_in(graph) if parked_in(bay.item) is None]
        own = {id(bay.item): (bay.key, bay.item) for bay in bays if isinstance(bay.item, Node)}
        rest = self._trial(graph.root, graph, own)
        if rest is not None and not _is_for_others(rest):
            raise rest
        own |= {id(item): (path, item) for path, item in Nodes(graph.root).parts.items()}
        failing: dict[str, str] = {}
        leaning: dict[str, str] = {}
        for bay in bays:
            found = self._trial(bay.item, graph, own)
            if found is None:
                continue
            if not _is_for_others(found):
                failing[bay.key] = reason_of(found)
            elif error.name.startswith(str(cast("Any", type(bay.item))).replace(":", ".")):
                leaning[bay.key] = reason_of(error)
        return failing or leaning

    def _trial(
        self, item: Any, graph: Graph, own: Mapping[int, tuple[str, Any]]
    ) -> RestoreError | None:
        """What is raised by restoring `item` without what else is in `own`; None for nothing."""
        others: dict[str, Any] = {}

        def stop(each: Any) -> bool:
            if each is item or id(each) not in own:
                return False
            key, others[key] = own[id(each)]
            return True

        names = [each for each in reach([item], stop) if type(each) is Global]
        stream = graphstream.write_part(item, names, graph.names.find(*_REFERRED), others)
        try:
            with resolving(_Probes()):
                restore(stream, self._policy)
        except TrustError:
            raise
        except RestoreError as error:
            return error
        return None


class _Probes(References):
    """Has for every key something of which no use can be made."""

    def find(self, key: str) -> StandIn:
        return standing_for(Parked(key, _NOT_YET, "", b"", b""), called=False)


_NOT_YET: Final = "it is not restored yet"


def reason_of(error: RestoreError) -> str:
    """What `error` says, but for the way out."""
    return f"{error.name}: {error.reason}" if error.name else error.reason


def _is_for_others(error: BaseException | None) -> bool:
    """Whether it was raised because others are not there."""
    while error is not None:
        if isinstance(error, ParkedError):
            return error.reason == _NOT_YET
        error = error.__cause__ or error.__context__
    return False
