"""Replay: what the journal's records say is done to an application again."""

import io
import os
import pickle
from collections.abc import Iterable, Mapping, Sequence
from random import Random
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn, TypeGuard, cast

import attrs

from ..persist import modules, opcodes
from ..persist.collector import collector_off
from ..persist.components import Record, put_back_all, read
from ..persist.errors import PerdureError
from ..persist.migration import Migration
from ..persist.references import ReferenceLostError
from ..persist.shapes import Shape, parsed
from ..persist.trust import Policy
from .mutations import Conditions, body_of, under
from .references import ApplicationReferences
from .registry import present_key

if TYPE_CHECKING:
    from .application import Application


@attrs.define
class ReplayError(PerdureError):
    """The record number `sequence` cannot be done again. `reason` says why.

    Those before it have been done; the application is not to be used.
    """

    exit_status: ClassVar[int] = os.EX_DATAERR
    sequence: int
    reason: str

    def __str__(self) -> str:
        return f"record {self.sequence} of the journal cannot be replayed: {self.reason}"


@attrs.frozen
class Turn:
    """A record: when it was written, in seconds since 1970, and what became of components."""

    time: float
    entries: tuple[tuple[str, str, Any], ...]


def read_turn(sequence: int, payload: bytes) -> Turn:
    """The record in `payload`: scalars and bytes, which nothing has to be trusted for.

    Raises `ReplayError` if it is none.
    """
    try:
        opcodes.check(payload)
        when, entries = _Reader(io.BytesIO(payload)).load()
        turn = Turn(float(when), tuple(entries))
        if all(_is_entry(*entry) for entry in turn.entries):
            return turn
    except Exception as error:
        raise ReplayError(sequence, f"it is damaged: {error or type(error).__name__}") from error
    raise ReplayError(sequence, "it is damaged: it has an entry of no known kind")


@attrs.frozen
class Divergence:
    """A mutation ended otherwise than when it was called first, `then` and `now` say how.

    Then it depends on something that is not recorded, and what it made may differ, too.
    """

    sequence: int
    key: str
    name: str
    then: str
    now: str

    def __str__(self) -> str:
        return (
            f"record {self.sequence}: {self.name} of registry[{self.key}] {self.now}, and"
            f" {self.then} when it was called first; it depends on more than is recorded"
        )


@attrs.define
class Loss:
    """What the record of `holder` needs, `key`, cannot be had; so it is in `others` of their classes.

    A component that could never be saved is in no record, but the records of others refer to it.
    """

    key: str
    holder: str
    others: int = 0

    def __str__(self) -> str:
        more = f", and so in {self.others:,} others of their classes" if self.others else ""
        if self.key.startswith("/"):
            return (
                f"{self.holder} refers to the service {self.key}, which is not there: None is in its"
                f" place{more}; add the service to the blueprint, and give it to what needs it"
            )
        return (
            f"{self.holder} refers to registry[{self.key}], which could not be saved and is not"
            f" there: None is in its place{more}; set it anew, and have its class name the fields"
            " that cannot be saved: @persistent(transient=...)"
        )


@attrs.frozen
class Uncalled:
    """There is no component of this key, so that `calls` of its mutations were left out.

    The first was that of `name`, in the record number `sequence`.
    """

    sequence: int
    key: str
    name: str
    calls: int

    def __str__(self) -> str:
        return (
            f"record {self.sequence}: there is no registry[{self.key}] to call {self.name} of, since"
            f" it could not be saved; {self.calls:,} of its calls are left out: set it anew, and"
            " have its class name the fields that cannot be saved: @persistent(transient=...)"
        )


@attrs.frozen
class Replayed:
    """How many records were done again, since when, and what did not come out as it was.

    `since` is the time of the first, in seconds since 1970; 0 where there was none.
    """

    records: int
    since: float
    divergences: tuple[Divergence | Loss | Uncalled, ...]


def replay(
    application: "Application", records: Iterable[tuple[int, bytes]], policy: Policy
) -> Replayed:
    """Do to the components of `application` what `records` say, each with its number, in order.

    Components keep their identity wherever they can be given a state. Where a component refers to
    what cannot be had, it has None instead. Raises `ReplayError`, and what restoring objects raises:
    `RestoreError`, `TrustError`.
    """
    return _Replay(application, policy).run(records)


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
    def __init__(self, application: "Application", policy: Policy) -> None:
        self._application = application
        self._components = application.registry.components
        self._references = _References(application)
        self._policy = policy
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
                    self._call(sequence, key, *content)
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
        return Replayed(count, since, (*self._divergences, *losses, *self._uncalled.values()))

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
        with collector_off():
            for key in states:
                self._learn(key)
            migrated = self._migration.record
            records = {key: Record(*migrated(*state)) for key, state in states.items()}
            self._components.update(put_back_all(records, self._references, self._policy))

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

    def _call(
        self,
        sequence: int,
        key: str,
        name: str,
        time: float,
        seed: int | None,
        failure: str | None,
        stream: bytes,
    ) -> None:
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
        if not _is_call(given):
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


class _Reader(pickle.Unpickler):
    def find_class(self, module_name: str, global_name: str, /) -> NoReturn:
        raise pickle.UnpicklingError(f"it names {module_name}.{global_name}")


def _is_call(given: object) -> TypeGuard[tuple[tuple[Any, ...], dict[str, Any]]]:
    # Of exactly these types: a range would go on for ever.
    shape = [*map(type, cast("tuple[object, ...]", given))] if type(given) is tuple else []
    return shape == [tuple, dict]


def _is_entry(key: object, kind: object, content: object) -> bool:
    if type(key) is not str or type(kind) is not str:
        return False
    if content is None:
        return kind == "gone"
    if not isinstance(content, tuple):
        return False
    shape = tuple(map(type, cast("tuple[object, ...]", content)))
    if kind == "folders":
        return set(shape) <= {str}
    if kind == "secret":
        return key == "" and all(
            isinstance(name, str) and all(isinstance(field, str) for field in fields)
            for name, fields in content
        )
    if kind == "shapes":
        return all(_is_pair(pair) for pair in cast("tuple[object, ...]", content))
    if kind == "state":
        return shape == (bytes, bytes)
    return kind == "command" and shape in _CALLS


def _is_pair(pair: object) -> bool:
    return type(pair) is tuple and tuple(map(type, cast("tuple[object, ...]", pair))) == (str, str)


_NONE = type(None)
_CALLS = {(str, float, seed, failure, bytes) for seed in (int, _NONE) for failure in (str, _NONE)}


def _end(failure: str | None, seed: int | None) -> str:
    ended = "returned" if failure is None else f"raised {failure}"
    return ended if seed is None else f"{ended} with chance"
