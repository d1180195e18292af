"""Replay: what the journal's records say is done to an application again."""

from collections.abc import Iterable, Mapping, Sequence
from random import Random
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Self

import attrs

from ..persist import modules
from ..persist.collector import collector_off
from ..persist.components import Record, put_back_all, read
from ..persist.migration import Migration
from ..persist.parked import Kept
from ..persist.references import ReferenceLostError
from ..persist.restore import RestoreError, TrustError
from ..persist.schemaerrors import SchemaError
from ..persist.shapes import Shape, parsed
from ..persist.trust import Policy
from . import alarms
from .divergence import Divergence, Loss, Uncalled
from .mutations import Conditions, body_of, under
from .records import ReplayError, is_call, read_turn
from .references import ApplicationReferences
from .registry import present_key
from .shelf import Shelf

if TYPE_CHECKING:
    from .application import Application

NOTHING: Final[Mapping[str, str]] = MappingProxyType({})


@attrs.frozen
class Replayed:
    """How many records were done again, since when, and what did not come out as it was.

    `since` is the time of the first, in seconds since 1970; 0 where there was none. If any are
    `failing`, for the reasons given by their keys, the application is not to be used.
    """

    records: int
    since: float
    divergences: tuple[Divergence | Loss | Uncalled, ...]
    failing: Mapping[str, str] = NOTHING

    def checked(self) -> Self:
        """This. Raises `RestoreError` if any component is failing."""
        for key, reason in self.failing.items():
            remedy = "put back what it needs, or say with --pythonpath in which folder that is"
            raise RestoreError(key, reason, remedy)
        return self


def replay(
    application: "Application",
    records: Iterable[tuple[int, bytes]],
    policy: Policy,
    reasons: Mapping[str, str] = NOTHING,
) -> Replayed:
    """Do to the components of `application` what `records` say, each with its number, in order.

    Components keep their identity wherever they can be given a state. Where a component refers to
    what cannot be had, it has None instead. Of those that are parked, or that there are `reasons` to
    park, what the records say is kept. Raises `ReplayError`, `SchemaError` and `TrustError`.
    """
    return _Replay(application, policy, reasons).run(records)


def resume(application: Any, key: str, kept: Iterable[Kept], policy: Policy) -> None:
    """Do to the component of this key, which was parked, what was `kept` of the records.

    Raises as `replay` does, and `RestoreError`.
    """
    _Replay(application, policy, NOTHING).resume(key, kept)


class _References(ApplicationReferences):
    """Keeps account of what cannot be had."""

    def __init__(self, application: "Application") -> None:
        super().__init__(application)
        # The present keys by those in the records, and the other way where these differ.
        self.present: dict[str, str] = {}
        self._former: dict[str, str] = {}
        # By their classes: what is wrong with one session's is wrong with all of them.
        self.losses: dict[tuple[str, str], Loss] = {}

    def named(self, key: str) -> object | None:
        """As above; a component may be known by another key since."""
        present = self.present_key(key)
        if present == key:
            return super().named(key)
        return self.objects.get(present) or super().named(present)

    def present_key(self, former: str) -> str:
        """The key of the component that records know as `former`.

        Where several would have the same one in one run, the first has it (see
        `Registry.follow_moves`). Those of several runs are one that has moved in between.
        """
        found = self.present.get(former)
        if found is None:
            found = present_key(former)
            if found != former and (
                former in self.objects or self._former.setdefault(found, former) != former
            ):
                found = former
            self.present[former] = found
        return found

    def begin_run(self) -> None:
        """What follows is of another run, in which classes may have been elsewhere."""
        self._former.clear()

    def give_up(self, key: str, holder: str) -> bool:
        self.note(key, f"registry[{holder}]")
        return True

    def note(self, key: str, holder: str) -> None:
        self.lost.add(key)
        loss = self.losses.setdefault(
            (key.partition(":")[0], holder.partition(":")[0]), Loss(key, holder, -1)
        )
        loss.others += 1


class _Replay:
    def __init__(
        self, application: "Application", policy: Policy, reasons: Mapping[str, str]
    ) -> None:
        self._application = application
        self._components = application.registry.components
        self._references = _References(application)
        self._policy = policy
        self._shelf = Shelf(self._components, self._references, policy, reasons)
        self._shapes: Mapping[str, Shape] = {}
        self._migration = Migration.of(self._shapes, policy)
        # Of each component the last state only, as long as nothing is called that could see it.
        self._states: dict[str, tuple[bytes, bytes]] = {}
        self._divergences: list[Divergence] = []
        self._uncalled: dict[str, Uncalled] = {}

    def run(self, records: Iterable[tuple[int, bytes]]) -> Replayed:
        count, since = 0, 0.0
        for sequence, payload in records:
            turn = read_turn(sequence, payload)
            count, since = count + 1, since or turn.time
            for number, (former, kind, content) in enumerate(turn.entries, 1):
                key = self._references.present_key(former)
                if kind == "command":
                    self._apply()
                    self._call_or_keep(sequence, key, content)
                elif kind == "folders":
                    self._find_modules_in(content)
                elif kind == "shapes":
                    self._take_shapes(sequence, dict(content))
                elif kind == "secret":
                    continue  # For those who look at the journal only.
                elif kind == "gone":
                    # States before this one mean the component that goes, those after it do not.
                    self._foresee(turn.entries[number:])
                    self._apply()
                    self._let_go(key)
                else:
                    self._states[key] = content
        self._apply()
        self._application.registry.follow_moves()
        losses = self._references.losses.values()
        told: list[Divergence | Loss | Uncalled] = [*self._divergences]
        told += losses
        told += self._uncalled.values()
        return Replayed(count, since, tuple(told), self._shelf.failing)

    def resume(self, key: str, kept: Iterable[Kept]) -> None:
        for sequence, kind, content in kept:
            if kind == "shapes":
                self._take_shapes(sequence, dict(content))
            else:
                self._call(sequence, key, content)

    def _foresee(self, entries: Sequence[tuple[str, str, Any]]) -> None:
        """Have what is new in the rest of a record: what comes before may refer to it already."""
        for former, kind, content in entries if self._states else ():
            key = self._references.present_key(former)
            if kind == "command":
                break
            if kind == "state" and key not in self._references.objects:
                self._states.setdefault(key, content)

    def _find_modules_in(self, folders: Sequence[str]) -> None:
        # A run begins with them.
        self._references.begin_run()
        # Of a stranger's records a folder is no more believed than a snapshot's of theirs.
        if self._policy.modules is None:
            modules.add_folders(folders)
            self._application.paths = modules.merged(self._application.paths, folders)

    def _take_shapes(self, sequence: int, texts: Mapping[str, str]) -> None:
        """From here on the classes are as `texts` say, until the records have them otherwise."""
        try:
            shapes = {**self._shapes, **parsed(texts)}
        except ValueError as error:
            raise ReplayError(sequence, f"it is damaged: {error}") from error
        if shapes != self._shapes:
            # States before this were recorded of the classes as they were till now.
            self._apply()
            self._shapes = shapes
            self._migration = Migration.of(shapes, self._policy)
            # What that has imported may have declared where classes are now.
            self._references.present.clear()

    def _apply(self) -> None:
        states, self._states = self._states, {}
        if not states:
            return
        for key in [key for key in states if self._shelf.takes(key)]:
            self._shelf.keep_state(key, *states.pop(key), self._shapes)
        with collector_off():
            for key in states:
                self._learn(key)
            migrated = self._migration.record
            records = {key: Record(*migrated(*state)) for key, state in states.items()}
            try:
                self._put_back(records)
            except (SchemaError, TrustError):
                raise
            except RestoreError:
                self._find_failing(records)

    def _put_back(self, records: Mapping[str, Record]) -> None:
        self._components.update(put_back_all(records, self._references, self._policy))

    def _find_failing(self, records: Mapping[str, Record]) -> None:
        known = len(self._shelf.failing)
        for key, record in records.items():
            try:
                self._put_back({key: record})
            except (SchemaError, TrustError):
                raise
            except RestoreError as error:
                self._shelf.fail(key, error)
        if len(self._shelf.failing) == known:
            self._put_back(records)  # It is all of them together; that raises.

    def _let_go(self, key: str) -> None:
        """Forget the component that others have known by `key`, not one that a call has put there."""
        known = self._references.objects.get(key)
        self._references.drop(key)
        if self._components.get(key) is known:
            self._components.pop(key, None)

    def _learn(self, key: str) -> None:
        """A call may have made the component of this key, as it did then."""
        component = self._components.get(key)
        if component is not None and self._references.objects.get(key) is not component:
            self._references.put(key, component)

    def _call_or_keep(self, sequence: int, key: str, content: tuple[Any, ...]) -> None:
        if self._shelf.takes(key):
            self._shelf.keep_call(sequence, key, content, self._shapes)
            return
        try:
            self._call(sequence, key, content)
        except (SchemaError, TrustError):
            raise
        except RestoreError as error:
            component = self._components[key]
            if not isinstance(component, alarms.Alarms):
                self._shelf.fail(key, error)
                return
            number = component.last + 1
            stream = self._shelf.park_arguments(content[-1], number, self._shapes, error)
            self._call(sequence, key, (*content[:-1], stream))

    def _call(self, sequence: int, key: str, content: tuple[Any, ...]) -> None:
        name, time, seed, failure, stream = content
        component = self._components.get(key)
        if component is None:
            first = self._uncalled.get(key, Uncalled(sequence, key, name, 0))
            self._uncalled[key] = attrs.evolve(first, calls=first.calls + 1)
            return
        body = body_of(type(component), name)
        if body is None:
            raise ReplayError(
                sequence,
                f"{type(component).__qualname__} has no mutation {name} any more; put it back,"
                " as long as records name it",
            )
        given = self._read(stream, f"record {sequence}: a call of {name}")
        if not is_call(given):
            raise ReplayError(
                sequence, f"it is damaged: it does not say what {name} is called with"
            )
        arguments, keywords = given
        conditions = Conditions(time, seed, None if seed is None else Random(seed))
        raised: str | None = None
        with under(conditions):
            try:
                body(component, *arguments, **keywords)
            except (MemoryError, KeyboardInterrupt):
                raise
            except BaseException as error:  # noqa: BLE001 - it is expected to raise what it did
                raised = type(error).__name__
        if raised != failure or conditions.seed != seed:
            then, now = _end(failure, seed), _end(raised, conditions.seed)
            self._divergences.append(Divergence(sequence, key, name, then, now))

    def _read(self, stream: bytes, holder: str) -> object:
        stream = self._migration.stream(stream)
        while True:
            try:
                return read(stream, self._references, self._policy)
            except ReferenceLostError as error:
                self._references.note(error.key, holder)


def _end(failure: str | None, seed: int | None) -> str:
    ended = "returned" if failure is None else f"raised {failure}"
    return ended if seed is None else f"{ended} with chance"
