"""The watch: what is known of an application's components, to find out what has become of them."""

import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

import attrs

from ..persist.components import (
    Record,
    Recorder,
    TooLargeError,
    difference,
    put_back_all,
    reference_to,
)
from ..persist.trust import Policy
from .mutations import has_mutations
from .references import ApplicationReferences

if TYPE_CHECKING:
    from .application import Application

LARGEST: Final = 1 << 16
"""Bytes of a component's record, beyond which it is not looked at after each turn."""

_LONGEST_CALL: Final = 1 << 26
_MANY: Final = 16
"""More components than this that roam are looked at in rotation only, not in every turn."""

_KEPT: Final = 64 << 20
"""Bytes of records that are kept in memory over a checkpoint."""

_log = logging.getLogger(__name__)

Entry = tuple[str, str, Any]
"""Key, kind and content: ("state", (made, state)), ("gone", None), ("command", see `ledger`).

In what is found by one look, "gone" is also what another component has replaced. States before that
mean the one that goes, those after it the one that is there now.
"""


@attrs.define
class Known:
    """A component as it was when it was last looked at. `record` is None if it could not be taken.

    It is not `looked_at` again if it has mutations or is too large.
    """

    component: object
    record: Record | None
    looked_at: bool = True


Before = dict[str, Known | None]
"""What components were, by their keys; None is nothing."""


@attrs.define
class Changes:
    """What was found by a look: the `entries` of a record, what they replace, and whom it `saw`."""

    entries: list[Entry] = attrs.field(factory=list[Entry])
    before: Before = attrs.field(factory=Before)
    saw: list[str] = attrs.field(factory=list[str])

    def add(self, later: "Changes") -> None:
        """What was found by the next look."""
        self.entries += later.entries
        self.before = {**later.before, **self.before}


class Watch:
    """Looks at the components of one application, and puts them back."""

    def __init__(self, application: "Application", policy: Policy) -> None:
        self.roaming: dict[str, None] = {}
        self.references = ApplicationReferences(application)
        self._registry = application.registry
        self._policy = policy
        self._small = Recorder(self.references, LARGEST)
        self._any = Recorder(self.references, _LONGEST_CALL)
        self._whole = Recorder(self.references)
        self._known: dict[str, Known] = {}
        # The keys of those whose record refers to a component, by its key.
        self._holders: dict[str, set[str]] = {}
        self._told: set[str] = set()
        self._mutates: dict[type, bool] = {}
        self._next: list[str] = []

    def is_of(self, registry: object) -> bool:
        """Whether these are the components of `registry`."""
        return self._registry is registry

    def meet(self, key: str) -> None:
        """Take the component of this key, and those it refers to, for what is saved already.

        To be called before anybody changes them.
        """
        known = self._known.get(key)
        if known is not None and (known.record is None or not known.record.met):
            return
        present = self._registry.components
        unknown = [key]
        while unknown:
            key = unknown.pop()
            known = self._known.get(key)
            if known is None and key in present:
                component = present[key]
                self.references.put(key, component)
                known = self._look(key, component)
                self._know(key, known)
            if known is not None and known.record is not None and known.record.met:
                unknown += [each for each in known.record.met if each not in self._known]

    def changes(self, keys: Iterable[str]) -> Changes:
        """Look at the components of `keys`, those that roam, and all that these refer to."""
        present, references = self._registry.components, self.references
        saw = list(keys)
        found = Changes(saw=saw)
        roaming = self.roaming
        if roaming and len(roaming) <= _MANY:
            saw += [key for key in roaming if key not in saw]
        asked = len(saw)
        former = references.objects
        other = [key for key in saw if present.get(key) is not former.get(key)]
        left = self._leave(other, found) if other else ()
        seen: set[str] = set()
        for number, key in enumerate(saw):
            component = present.get(key)
            if component is None:
                continue
            known = self._known.get(key)
            if known is None or known.component is not component:
                now = self._look(key, component, whole=True)
                record, was = now.record, None
            elif known.looked_at:
                now = self._look(key, component)
                record, was = now.record, known.record
            else:
                continue
            if record is not None:
                if record.met:
                    seen = seen or set(saw)
                    new = [each for each in record.met if each in present and each not in seen]
                    saw += new
                    seen.update(new)
                if was == record and not (left and left.intersection(record.met)):
                    continue
                found.entries.append((key, "state", (record.made, record.state)))
                if known is not None or number < asked:
                    found.before[key] = known
            self._know(key, now if now.looked_at else Known(component, None, False))
        return found

    def undo(self, before: Before) -> None:
        """Make components again what they were, in the same objects wherever that can be."""
        components = self._registry.components
        records: dict[str, Record] = {}
        for key in before:
            self.references.drop(key)
        for key, known in before.items():
            if known is None:
                components.pop(key, None)
                self._forget(key)
                continue
            components[key] = known.component
            self._know(key, known)
            self.references.put(key, known.component)
            if known.record is not None:
                records[key] = known.record
        for key, component in put_back_all(records, self.references, self._policy).items():
            if components[key] is not component:
                components[key] = component
                self._know(key, Known(component, records[key]))
                _log.warning(
                    "registry[%s] could not be undone in place and was replaced: get it from the"
                    " registry again",
                    key,
                )

    def key_of(self, component: object, touched: Iterable[str]) -> str | None:
        """The key of a component; None for what is none."""
        key = self.references.keys.get(id(component))
        if key is not None:
            return key
        present = self._registry.components
        return next((each for each in touched if present.get(each) is component), None)

    def name_of(self, item: object, touched: Iterable[str]) -> str | None:
        """As `key_of`; also of the other things that records refer to."""
        key = self.key_of(item, touched)
        if key is None and isinstance(item, self.references.kinds):
            key = self.references.name_of(item)
        return key

    def stream(self, arguments: object) -> bytes:
        """The arguments of a call. Raises what makes them fail to be saved, and `TooLargeError`."""
        return self._any.stream(arguments)

    def commanded(self) -> set[str]:
        """The keys of components that are not looked at; what they refer to is not known."""
        return {key for key, known in self._known.items() if not known.looked_at}

    def strayed(self, excepted: Iterable[str], count: int | None = None) -> Changes:
        """Look for what has changed and was in no turn, `excepted` are those of turns going on.

        At all that is known, or `count` of it, in rotation. What is found roams from now on.
        """
        if count is None or not self._next:
            self._next = list(self._known)
        count = len(self._next) if count is None else count
        keys, self._next = self._next[:count], self._next[count:]
        excluded = {*excepted, *self.roaming}
        known = {key: self._known[key] for key in keys if key in self._known}
        found = Changes()
        for key in known.keys() - excluded:
            if self._registry.components.get(key) is not None:
                self._note_strayed(key, known[key], found)
        return found

    def forget(self) -> None:
        """Begin anew with what is known: all of it is in a checkpoint. `meet` learns it again.

        Also that a component was too large: it may not be any more.
        """
        size = sum(
            len(known.record.state) for known in self._known.values() if known.record is not None
        )
        for key, known in tuple(self._known.items()):
            if size > _KEPT or known.record is None:
                self._forget(key)

    def _leave(self, keys: list[str], found: Changes) -> set[str]:
        """Let the `keys`, which have another component or none, stand for what is there.

        Gives those of them that had one before.
        """
        present, references, saw = self._registry.components, self.references, found.saw
        for key in keys:
            former, known = references.objects.get(key), self._known.get(key)
            if former is None or (known is not None and not known.looked_at):
                continue
            # What is never looked at may hold it still, as it was in the end.
            record = self._look(key, former).record
            if record is not None:
                saw += [each for each in record.met if each in present and each not in saw]
                if known is None or record != known.record:
                    found.entries.append((key, "state", (record.made, record.state)))
        left: set[str] = set()
        for key in keys:
            component = present.get(key)
            other = references.keys.get(id(component))
            if other not in left and other is not None and present.get(other) is not component:
                # It has moved, and stays one for what holds it.
                if key in references.objects:
                    left.add(key)
                    found.entries.append((key, "gone", None))
                record = reference_to(other)
                found.entries.append((key, "state", (record.made, record.state)))
        for key in keys:  # It grows meanwhile.
            component, former = present.get(key), references.objects.get(key)
            if component is former:
                continue
            if former is not None:
                # Whoever refers to what was there holds something that is no component any more.
                holders = self._holders.get(key, set()).difference(saw)
                saw += holders
                keys += holders
            if (former is not None or component is None) and key not in left:
                left.add(key)
                found.entries.append((key, "gone", None))
            known = self._known.get(key)
            if known is not None:
                found.before[key] = known
            if component is not None:
                references.put(key, component)
            else:
                references.drop(key)
                self._forget(key)
        for key in saw:
            component = present.get(key)
            if component is not None and id(component) not in references.keys:
                references.put(key, component)  # It was known by another key, which has left.
        return left

    def _note_strayed(self, key: str, known: Known, found: Changes) -> None:
        was = known.record
        if was is None or not known.looked_at:
            return
        now = self._look(key, known.component).record
        if now is None or now == was:
            return
        where = difference(was, now)
        if where is None:
            self._know(key, Known(known.component, now))  # The same, pickled in another way.
            return
        self.roaming[key] = None
        found.entries.append((key, "state", (now.made, now.state)))
        found.before[key] = known
        self._know(key, Known(known.component, now))
        _log.warning(
            "registry[%s]%s was changed by what did not get it from the registry; it is written"
            " now, and looked at in every turn from now on",
            key,
            where,
        )

    def _know(self, key: str, known: Known) -> None:
        if self._holders:
            self._forget(key)
        self._known[key] = known
        if known.record is not None:
            for each in known.record.met:
                self._holders.setdefault(each, set()).add(key)

    def _forget(self, key: str) -> Known | None:
        known = self._known.pop(key, None)
        if known is not None and known.record is not None:
            for each in known.record.met:
                holders = self._holders.get(each, set())
                holders.discard(key)
                if not holders:
                    self._holders.pop(each, None)
        return known

    def _look(self, key: str, component: object, *, whole: bool = False) -> Known:
        """The component as it is now. With `whole`, of any size, and with mutations, too."""
        other = self.references.keys.get(id(component))
        if other is not None and other != key:
            return Known(component, reference_to(other))  # It has two keys, and stays one.
        kind = type(component)
        mutates = self._mutates.get(kind)
        if mutates is None:
            mutates = self._mutates[kind] = has_mutations(kind)
        if mutates:
            record = self._whole_of(key, component) if whole else None
            return Known(component, record, looked_at=False)
        try:
            return Known(component, self._small.record(component))
        except TooLargeError:
            self._say(
                logging.WARNING,
                key,
                "is too large to be saved after each change; it is saved at checkpoints only,"
                " unless its methods that change it are @mutation",
            )
            record = self._whole_of(key, component) if whole else None
            return Known(component, record, looked_at=False)
        except Exception as error:  # noqa: BLE001 - its own methods raise anything
            self._say_why(key, error)
            return Known(component, None)

    def _whole_of(self, key: str, component: object) -> Record | None:
        try:
            return self._whole.record(component)
        except Exception as error:  # noqa: BLE001 - its own methods raise anything
            self._say_why(key, error)
            return None

    def _say_why(self, key: str, error: Exception) -> None:
        self._say(logging.ERROR, key, f"cannot be saved: {type(error).__name__}: {error}")

    def _say(self, level: int, key: str, sentence: str) -> None:
        if key not in self._told:
            self._told.add(key)
            _log.log(level, "registry[%s] %s", key, sentence)
