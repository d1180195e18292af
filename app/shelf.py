"""What a replay keeps instead of doing it: the records of components that cannot be restored.

What is found to fail while records are replayed makes all of that worthless: others may hold what has
failed already. So it is noted, and the rest is gone through for more of the kind. Then all is begun
anew, with these parked from the start, and what the records say of them is kept with them, in order.
"""

import contextlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, cast

import attrs

from ..persist import graphstream
from ..persist.components import Record, Recorder, put_back_all
from ..persist.graph import Call, Graph
from ..persist.parked import Parked, StandIn, parked_at, repark, standing_for
from ..persist.parting import Bay, Reason, park
from ..persist.references import References
from ..persist.restore import RestoreError
from ..persist.shapes import Shape, texts_of
from ..persist.snapshot import now
from ..persist.trust import Policy
from .bays import ALARM
from .parking import Reasons, closure, reason_of
from .references import ApplicationReferences

if TYPE_CHECKING:
    from .application import Application

_REFERRED: Final = "perdure.persist.references:referred"
_ARGUMENTS: Final = 3
"""Where those of an alarm are among those of the call that sets it."""

Shapes = Mapping[str, Shape]


class Shelf:
    """Of one replay. Parked are the components there are `reasons` for, and those that are already."""

    def __init__(
        self,
        components: dict[str, object],
        references: References,
        policy: Policy,
        reasons: Reasons,
    ) -> None:
        self.failing: dict[str, str] = {}
        """Why those cannot be restored that there was no reason for yet, by their keys."""
        self._components = components
        self._references = references
        self._trusted = policy.modules is None
        self._reasons = reasons

    def takes(self, key: str) -> bool:
        """Whether what is said of this component is to be kept."""
        return key in self._reasons or type(self._components.get(key)) is StandIn

    def fail(self, key: str, error: RestoreError) -> None:
        """This component cannot be restored."""
        self.failing[key] = reason_of(error)
        self._stand_in(key, Parked(key, self.failing[key], now(), b"", b""), called=False)

    def keep_state(self, key: str, made: bytes, state: bytes, shapes: Shapes) -> None:
        """Keep this state of a component, in place of any earlier one and of what came after that."""
        graphs = [self._read(stream) for stream in (made, state) if stream]
        called = not made and isinstance(graphs[-1].root, Call)
        self._put(key, made, state, _texts(shapes), called=called)

    def keep_call(self, sequence: int, key: str, content: tuple[Any, ...], shapes: Shapes) -> None:
        """Keep this call of a mutation of the component."""
        component = self._components.get(key)
        if type(component) is not StandIn:
            # No record has told of a state: this is how it was made.
            record = Recorder(self._references).record(component)
            texts = texts_of(self._references.checked)
            self._put(key, record.made, record.state, texts, called=not record.made)
            component = self._components[key]
        texts = closure(_texts(shapes), _names(self._read(content[-1])))
        commands = [(sequence, "shapes", tuple(texts.items()))] if texts else []
        commands.append((sequence, "command", content))
        parked = cast("Parked", parked_at(component))
        repark(component, attrs.evolve(parked, commands=(*parked.commands, *commands)))

    def park_arguments(
        self, stream: bytes, alarm: int, shapes: Shapes, error: RestoreError
    ) -> bytes:
        """The arguments of a call that sets an `alarm`, of which those of the alarm are parked."""
        graph = self._read(stream)
        given, keywords = cast("tuple[Any, Any]", graph.root)
        positional = list(given)
        changed = Graph((positional, keywords), graph.names)
        bay = Bay(f"{ALARM}{alarm}", positional, _ARGUMENTS)
        texts = _texts(shapes)
        park(changed, {bay: Reason(reason_of(error), now())}, lambda names: closure(texts, names))
        return graphstream.write(Graph((tuple(positional), keywords), graph.names))

    def _put(
        self, key: str, made: bytes, state: bytes, texts: Mapping[str, str], *, called: bool
    ) -> None:
        names = {name for stream in (made, state) if stream for name in _names(self._read(stream))}
        there = self._components.get(key)
        was = parked_at(there)
        parked = Parked(
            key,
            self._reasons[key] if was is None else was.reason,
            now() if was is None else was.since,
            made,
            state,
            closure(texts, names),
            tuple(sorted(names)),
        )
        if was is None:
            self._stand_in(key, parked, called=called)
        else:
            repark(there, parked, called=called)

    def _stand_in(self, key: str, parked: Parked, *, called: bool) -> None:
        self._components[key] = made = standing_for(parked, called=called)
        self._references.put(key, made)

    def _read(self, stream: bytes) -> Graph:
        return graphstream.read(stream, trusted=self._trusted)


class Original:
    """The components that an application has before anything is replayed, to begin with them again."""

    def __init__(self, application: "Application") -> None:
        self._components = dict(application.registry.components)
        recorder = Recorder(ApplicationReferences(application))
        self._records: dict[str, Record] = {}
        for key, component in self._components.items():
            # What cannot be saved was not changed by any record.
            with contextlib.suppress(Exception):
                self._records[key] = recorder.record(component)

    def restore(self, application: "Application") -> None:
        """Give `application` these again, and no others."""
        components = application.registry.components
        components.clear()
        components.update(self._components)
        references = ApplicationReferences(application)
        components.update(put_back_all(self._records, references, Policy.everything()))


def _names(graph: Graph) -> list[str]:
    return [name for name in map(str, graph.names) if name != _REFERRED]


def _texts(shapes: Shapes) -> dict[str, str]:
    return {name: str(shape) for name, shape in shapes.items()}
