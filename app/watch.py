"""The watch: what is known of an application's components, to find out what has become of them."""

import logging
from collections.abc import Iterable, Iterator
from time import perf_counter
from typing import TYPE_CHECKING, Final

from ..persist.components import (
    Record,
    Recorder,
    TooLargeError,
    difference,
    put_back_all,
    reference_to,
)
from ..persist.parked import StandIn
from ..persist.trust import Policy
from .changes import Before, Changes, Known, Memory
from .complaints import Complaints
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
"""Bytes of records that stay in memory over a checkpoint."""

_PARKED: Final = Record(b"", b"")

_log = logging.getLogger(__name__)


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
        self._known = Memory()
        self._complaints = Complaints()
        self._mutates: dict[type, bool] = {}
        self._round: Iterator[str] = iter(())
        self._anew = False

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
        present, objects = self._registry.components, self.references.objects
        unknown = [key]
        while unknown:
            key = unknown.pop()
            known = self._known.get(key)
            component = present.get(key)
            # What has been made since, and is in no record yet, is none of what is saved.
            if known is None and component is not None and objects.get(key) is component:
                known = self._look(key, component)
                self._known.know(key, known)
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
        other = [
            key for key in saw if present.get(key) is not former.get(key) or references.expects(key)
        ]
        # Whoever refers to these is written again: it means something else.
        renewed = self._leave(other, found) if other else set[str]()
        seen: set[str] = set()
        for number, key in enumerate(saw):
            component = present.get(key)
            if component is None or type(component) is StandIn:
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
                is_same = was == record
                met = record.met
                if was is not None and not is_same:
                    # What it has let go of may have been changed before that.
                    found.let_go.update(was.met)
                    met = tuple(dict.fromkeys((*met, *was.met)))
                if met:
                    seen = seen or set(saw)
                    new = [each for each in met if each in present and each not in seen]
                    saw += new
                    seen.update(new)
                if is_same and not (renewed and renewed.intersection(record.met)):
                    continue
                if was is None and known is not None:
                    # It could not be saved before: records that refer to it lead to nothing.
                    renewed.add(key)
                    saw += self._known.holders.get(key, ())
                found.entries.append((key, "state", (record.made, record.state)))
                # What was reached only, and is not known, is not new, but for what is in no record
                # yet; what it was cannot be said.
                is_new = number < asked or references.expects(key)
                before = known or (None if is_new else Known(component, None))
                found.before.setdefault(key, before)
            self._known.know(key, now if now.looked_at else Known(component, None, False))
        return found

    def undo(self, before: Before, *, for_good: bool = True) -> None:
        """Make components again what they were, in the same objects wherever that can be.

        If not `for_good` it is only to be saved: what they do ``after_restore`` is not called.
        """
        components = self._registry.components
        records: dict[str, Record] = {}
        for key in before:
            self.references.drop(key)
        for key, known in before.items():
            if known is None:
                components.pop(key, None)
                self._known.forget(key)
                continue
            components[key] = known.component
            self._known.know(key, known)
            self.references.put(key, known.component)
            if known.record is not None:
                records[key] = known.record
        made = put_back_all(records, self.references, self._policy, calls=for_good)
        for key, component in made.items():
            if components[key] is not component:
                components[key] = component
                self._known.know(key, Known(component, records[key]))
                if for_good:
                    _log.warning(
                        "registry[%s] could not be undone in place and was replaced: get it from"
                        " the registry again",
                        key,
                    )

    def before(self, changes: Changes) -> Before:
        """What all that a look saw was before it, also what has not changed.

        Of two that are equal only one is the component, and who has the other has not changed.
        """
        known = {key: self._known.get(key) for key in changes.saw}
        whole = {
            key: each
            for key, each in known.items()
            if each is not None and each.record is not None and each.record is not _PARKED
        }
        return {**whole, **changes.before}

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

    def begin_round(self, *, anew: bool = False) -> None:
        """Begin to look at all components; with `anew`, as in the beginning.

        Then what was too large may be small. And where records take much memory, those are forgotten
        that were just found to be true: `meet` learns them again.
        """
        self._round = self._all_keys()
        self._anew = anew

    def look(self, busy: Iterable[str], until: float) -> tuple[Changes, bool]:
        """Go on with the round until that time (see `perf_counter`), and whether it is over.

        What has changed and was in no turn is found, and roams from now on. Not looked at is what
        the `busy` lead to, those of turns that go on.
        """
        excepted = set(self._reached(busy))
        found = self.changes(()) if len(self.roaming) <= _MANY else Changes()
        for key in self._round:
            if self._anew:
                self._look_anew(key)
            if key in excepted:
                continue
            if key not in self.roaming:
                self._look_for_stray(key, found)
            elif len(self.roaming) > _MANY:
                found.add(self.changes((key,)))
            if perf_counter() >= until:
                return found, False
        return found, True

    def is_past_help(self, keys: Iterable[str]) -> bool:
        """Whether `keys` lead to a component that is not looked at, so that it cannot be undone."""
        known = (self._known.get(key) for key in self._reached(keys))
        return any(each is not None and each.record is None for each in known)

    def is_changed(self, keys: Iterable[str]) -> bool:
        """Whether any of the components that `keys` lead to is not as it was when last looked at."""
        present = self._registry.components
        for key in self._reached(keys):
            component, known = present.get(key), self._known.get(key)
            if component is not (None if known is None else known.component):
                return True
            was = None if known is None else known.record
            if was is not None and self._look(key, component).record != was:
                return True
        return False

    def _reached(self, keys: Iterable[str]) -> Iterator[str]:
        reached = dict.fromkeys(keys)
        waiting = list(reached)
        while waiting:
            key = waiting.pop()
            yield key
            known = self._known.get(key)
            for each in () if known is None or known.record is None else known.record.met:
                if each not in reached:
                    reached[each] = None
                    waiting.append(each)

    def _all_keys(self) -> Iterator[str]:
        # Of both there may come more meanwhile.
        yield from list(self.roaming)
        yield from list(self._known)

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
                if former is None:
                    references.drop(key)  # It was made, and has gone again.
                continue
            if former is not None:
                # Whoever refers to what was there holds something that is no component any more.
                holders = self._known.holders.get(key, set()).difference(saw)
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
                self._known.forget(key)
        for key in saw:
            component = present.get(key)
            if component is not None and id(component) not in references.keys:
                references.put(key, component)  # It was known by another key, which has left.
        return left

    def _look_anew(self, key: str) -> None:
        known = self._known.get(key)
        if known is None or known.looked_at or has_mutations(type(known.component)):
            return
        self._known.know(key, Known(known.component, None))

    def _look_for_stray(self, key: str, found: Changes) -> None:
        known = self._known.get(key)
        if known is None or self._registry.components.get(key) is None:
            return
        was = known.record
        if was is None or not known.looked_at:
            return
        now = self._look(key, known.component).record
        if now is None:
            return
        if now == was:
            holders = self._known.holders.get(key, ())
            if (
                self._anew
                and self._known.size > _KEPT
                and not any(map(self.roaming.__contains__, holders))
            ):
                self._known.forget(key)
            return
        where = difference(was, now)
        if where is None:
            self._known.know(key, Known(known.component, now))  # The same, pickled in another way.
            return
        self.roaming[key] = None
        found.entries.append((key, "state", (now.made, now.state)))
        found.before[key] = known
        self._known.know(key, Known(known.component, now))
        _log.warning(
            "registry[%s]%s was changed by what did not get it from the registry; it is written"
            " now, and looked at in every turn from now on",
            key,
            where,
        )

    def _look(self, key: str, component: object, *, whole: bool = False) -> Known:
        """The component as it is now. With `whole`, of any size, and with mutations, too."""
        other = self.references.keys.get(id(component))
        if other is not None and other != key:
            return Known(component, reference_to(other))  # It has two keys, and stays one.
        kind = type(component)
        if kind is StandIn:
            return Known(component, _PARKED)  # What it stands for never changes.
        mutates = self._mutates.get(kind)
        if mutates is None:
            mutates = self._mutates[kind] = has_mutations(kind)
        if mutates:
            record = self._whole_of(key, component) if whole else None
            return Known(component, record, looked_at=False)
        try:
            return Known(component, self._small.record(component))
        except TooLargeError:
            self._complaints.too_large(key, component)
            record = self._whole_of(key, component) if whole else None
            return Known(component, record, looked_at=False)
        except Exception as error:  # noqa: BLE001 - its own methods raise anything
            self._complaints.unsavable(key, component, error)
            return Known(component, None)

    def _whole_of(self, key: str, component: object) -> Record | None:
        try:
            return self._whole.record(component)
        except Exception as error:  # noqa: BLE001 - its own methods raise anything
            self._complaints.unsavable(key, component, error)
            return None
