"""What two snapshots have different, by place.

    + application.registry[visits.Guests]: visits.Guests(greeting='hello')
    - application.paths[1]: '/srv/old'
    ~ application.registry[visits.Counter].value: 41 -> 42

Places are those of the new snapshot, of what is gone those of the old. Both are walked together, level
by level, so a shared object is compared once, where it is nearest to the root. Which object is the same as which is
compared as well. Values of fields declared secret are not shown.
"""

from collections.abc import Hashable, Iterable, Sequence
from typing import Any, Final, cast

import attrs

from ..persist.content import Snapshot
from ..persist.graph import SCALARS, Call, Global, Graph, Instance, Node, is_shared
from ..persist.hiding import merged
from ..persist.isomorphism import difference
from ..persist.place import Field, Item, Step, show
from ..persist.survey import Survey, survey
from .alignment import align
from .branches import (
    as_word,
    class_of,
    dotted,
    field_dicts,
    field_step,
    has_items,
    is_small,
    readable,
)
from .brief import Brief, small, title
from .resemblance import KEYS, alike, resembles, strong

_TOLD: Final = ("application", "holds", "paths")
_MOST_MOVED: Final = 5
_LONGEST_WAY: Final = 40


@attrs.frozen
class Difference:
    """One difference: `sign` is ``+`` for added, ``-`` for removed, ``~`` for changed."""

    sign: str
    place: str
    text: str

    def __str__(self) -> str:
        return f"{self.sign} {self.place}: {self.text}"


def compare(old: Graph, new: Graph, brief: Brief) -> list[Difference]:
    """The differences, in the order of the places. Empty if the graphs are isomorphic, and only then.

    Takes time in proportion to the size of the graphs.
    """
    found = _Comparison(old, new, brief).run()
    if not found:
        place = difference(old, new)
        if place is not None:
            found = [Difference("~", place, "differs in a way that has no other place")]
    return found


@attrs.define(eq=False)
class _Comparison:
    old: Graph
    new: Graph
    brief: Brief
    _pairs: list[tuple[Any, Any]] = attrs.field(factory=list[tuple[Any, Any]])
    """Objects that stand for each other, by number; of each, where it was met first."""
    _above: list[int] = attrs.field(factory=list[int])
    _steps: list[Step] = attrs.field(factory=list[Step])
    _ranks: list[int] = attrs.field(factory=list[int])
    _first_old: dict[int, int] = attrs.field(factory=dict[int, int])
    _first_new: dict[int, int] = attrs.field(factory=dict[int, int])
    _found: list[tuple[tuple[int, ...], Difference]] = attrs.field(
        factory=list[tuple[tuple[int, ...], Difference]]
    )
    _at: int = -1
    """The number of the pair whose parts are being compared."""
    _rank: int = 0
    _surveys: tuple[Survey, Survey] | None = None

    def run(self) -> list[Difference]:
        self._pair(self.old.root, self.new.root, Item(""))
        for number, (old, new) in enumerate(self._pairs):  # grows meanwhile
            self._at, self._rank = number, 0
            self._parts(old, new)
        self._found.sort(key=lambda each: each[0])
        return [each for _, each in self._found]

    def _pair(self, old: object, new: object, step: Step) -> None:
        """Compare two values that stand in the same place, their parts later."""
        self._rank += 1
        kind = type(old)
        if kind in SCALARS or kind is Global:
            if not alike(old, new):
                self._tell("~", step, f"{self.brief.of(old)} -> {self.brief.of(new)}")
                return
            if kind not in (str, bytes) or not is_shared(old):
                return
        elif self._is_known_pair(old, new) or not self._comparable(old, new, step):
            return
        if not is_shared(old) or not is_shared(new):
            if old or new:  # () is one object, and nothing is told by that
                self._add(old, new, step)
            return
        first, second = self._first_old.get(id(old)), self._first_new.get(id(new))
        if first is None and second is None:
            self._first_old[id(old)] = self._first_new[id(new)] = len(self._pairs)
            self._add(old, new, step)
        elif first != second:
            self._tell(
                "~", step, f"{self._reference(old, first)} -> {self._reference(new, second)}"
            )
            self._first_old.setdefault(id(old), cast("int", second))
            self._first_new.setdefault(id(new), cast("int", first))

    def _is_known_pair(self, old: object, new: object) -> bool:
        first = self._first_old.get(id(old))
        return first is not None and first == self._first_new.get(id(new))

    def _add(self, old: object, new: object, step: Step) -> None:
        self._pairs.append((old, new))
        self._above.append(self._at)
        self._steps.append(step)
        self._ranks.append(self._rank)

    def _comparable(self, old: object, new: object, step: Step) -> bool:
        one, other = as_word(old), as_word(new)
        if one is not None or other is not None:
            if one is None or other is None or one.name != other.name:
                self._tell("~", step, f"{title(old)} -> {title(new)}")
                return False
            if one.value != other.value:
                self._tell("~", step, f"{title(old)} -> {title(new)}")
            return True
        if isinstance(old, Node) and isinstance(new, Node):
            classes = class_of(old), class_of(new)
            if not alike(*classes) or isinstance(old, Call) != isinstance(new, Call):
                names = ["a call" if each is None else dotted(each) for each in classes]
                self._tell("~", step, f"class {names[0]} -> {names[1]}")
            return True
        if type(old) is type(new):
            return True
        self._tell("~", step, f"{self.brief.of(old)} -> {self.brief.of(new)}")
        return False

    def _reference(self, item: object, first: int | None) -> str:
        if first is None:
            return f"{self.brief.of(item)} of its own"
        return f"the same as {self._place(self._way(first))}"

    def _parts(self, old: object, new: object) -> None:
        kind = type(old)
        if isinstance(old, Node):
            self._nodes(old, cast("Node", new))
        elif kind is dict:
            self._pairs_of(
                [*cast("dict[Any, Any]", old).items()], [*cast("dict[Any, Any]", new).items()]
            )
        elif kind in (list, tuple):
            self._lists(cast("Sequence[Any]", old), cast("Sequence[Any]", new))
        elif kind in (set, frozenset):
            self._sets(cast("set[Any]", old), cast("set[Any]", new))
        elif kind is bytearray and old != new:
            self._tell("~", None, f"{old!r:.60} -> {new!r:.60}")

    def _nodes(self, old: Node, new: Node) -> None:
        words = as_word(old), as_word(new)
        if words[0] and words[1]:
            self._pair(words[0].of, words[1].of, Field("of"))
            return
        if isinstance(old, Call) and isinstance(new, Call) and isinstance(old.function, Node):
            self._pair(old.function, new.function, Field("function"))
        step = Field("arguments")
        if has_items(old) or has_items(new) or self._is_hidden(old, new, step):
            self._whole(old, new, (old.arguments, new.arguments), step)
        else:
            self._lists(old.arguments, new.arguments)
        if isinstance(old, Instance) and isinstance(new, Instance):
            self._fields(old, new, [old.keywords or {}], [new.keywords or {}])
        states = field_dicts(old), field_dicts(new)
        if states[0] is None or states[1] is None:
            self._whole(old, new, (old.state, new.state), Field("state"))
        else:
            self._fields(old, new, states[0], states[1])
        self._lists(old.members or (), new.members or ())
        self._pairs_of(old.pairs or [], new.pairs or [])
        self._pair(old.setter, new.setter, Field("setter"))

    def _whole(self, old: Node, new: Node, values: tuple[Any, Any], step: Step) -> None:
        """What `step` leads to from `old` and from `new`, unless it is secret."""
        if not self._is_hidden(old, new, step):
            self._pair(*values, step)
        elif self._is_other(*values):
            self._tell("~", step, "hidden, differs")

    def _is_hidden(self, old: Node, new: Node, step: Step) -> bool:
        return self.brief.hides(old, step) or self.brief.hides(new, step)

    def _is_other(self, old: Any, new: Any) -> bool:
        return difference(Graph(old, self.old.names), Graph(new, self.new.names)) is not None

    def _fields(
        self, old: Node, new: Node, states: list[dict[Any, Any]], others: list[dict[Any, Any]]
    ) -> None:
        before = [pair for state in states for pair in state.items()]
        after = [pair for state in others for pair in state.items()]
        if self.brief.secret:
            hidden = [self._hidden(old, before), self._hidden(new, after)]
            for name in hidden[0] | hidden[1]:
                self._secret_field(name, before, after)
            before, after = (
                [pair for pair in pairs if pair[0] not in hidden[0] | hidden[1]]
                for pairs in (before, after)
            )
        self._pairs_of(before, after, are_fields=True)

    def _hidden(self, node: Node, pairs: Iterable[tuple[Any, Any]]) -> dict[Any, None]:
        return {name: None for name, _ in pairs if self.brief.hides(node, field_step(name))}

    def _secret_field(self, name: Any, before: list[Any], after: list[Any]) -> None:
        values = [[value for key, value in pairs if key == name] for pairs in (before, after)]
        if not values[0] or not values[1]:
            self._tell("+" if values[1] else "-", field_step(name), "hidden")
            return
        if self._is_other(values[0][0], values[1][0]):
            self._tell("~", field_step(name), "hidden, differs")

    def _pairs_of(
        self,
        old: Sequence[tuple[Any, Any]],
        new: Sequence[tuple[Any, Any]],
        *,
        are_fields: bool = False,
    ) -> None:
        keys = [key for key, _ in old]
        if all(type(key) is str for key in keys) and keys == [key for key, _ in new]:
            for (key, before), (_, after) in zip(old, new, strict=True):
                self._pair(before, after, field_step(key) if are_fields else Item(key))
            return
        left = {_key(key): (key, value) for key, value in old}
        order: list[Hashable] = []
        for key, value in new:
            step = field_step(key) if are_fields else Item(readable(key))
            known = _key(key)
            if known in left:
                other, before = left.pop(known)
                if type(key) not in SCALARS:
                    self._pair(
                        other, key, Item(f"key {small(key) if is_small(key) else title(key)}")
                    )
                self._pair(before, value, step)
                order.append(known)
            else:
                self._rank += 1
                self._tell("+", step, self.brief.of(value))
        for key, value in left.values():
            self._rank += 1
            step = field_step(key) if are_fields else Item(readable(key))
            self._tell("-", step, self.brief.of(value))
        if [known for known in (_key(key) for key, _ in old) if known not in left] != order:
            self._tell(
                "~", None, f"its {'fields' if are_fields else 'keys'} stand in another order"
            )

    def _lists(self, old: Sequence[Any], new: Sequence[Any]) -> None:
        if len(old) == len(new) and all(map(resembles, old, new)):
            for place, (before, after) in enumerate(zip(old, new, strict=True)):
                self._pair(before, after, Item(place))
            return
        pairing = align(old, new, KEYS)
        gone: dict[Hashable, list[int]] = {}
        for i, j in pairing:
            if i is not None and j is None:
                gone.setdefault(strong(old[i]), []).append(i)
        moved: dict[int, int] = {}
        for i, j in pairing:
            if i is None and j is not None and gone.get(strong(new[j])):
                moved[j] = gone[strong(new[j])].pop(0)
        left = set(moved.values())
        for i, j in pairing:
            if j in moved:
                assert j is not None
                if len(moved) <= _MOST_MOVED:
                    self._rank += 1
                    self._tell("~", Item(j), f"moved here from [{moved[j]}]")
                self._pair(old[moved[j]], new[j], Item(j))
            elif i is None and j is not None:
                self._rank += 1
                self._tell("+", Item(j), self.brief.of(new[j]))
            elif i is not None and j is None and i not in left:
                self._rank += 1
                self._tell("-", Item(i), self.brief.of(old[i]))
            elif i is not None and j is not None:
                self._pair(old[i], new[j], Item(j))
        if len(moved) > _MOST_MOVED:
            self._tell("~", None, f"{len(moved):,} of {len(new):,} items stand in another order")

    def _sets(self, old: set[Any], new: set[Any]) -> None:
        if self._surveys is None:
            self._surveys = survey(self.old.root), survey(self.new.root)
        before, after = (
            each.members(it) for each, it in zip(self._surveys, (old, new), strict=True)
        )
        gone = {strong(each): each for each in before if type(each) in SCALARS}
        for each in after:
            if type(each) in SCALARS and gone.pop(strong(each), gone) is gone:
                self._rank += 1
                self._tell("+", None, f"the member {small(each)}")
        for each in gone.values():
            self._rank += 1
            self._tell("-", None, f"the member {small(each)}")
        before, after = (
            [each for each in it if type(each) not in SCALARS] for it in (before, after)
        )
        for i, j in align(before, after, KEYS):
            if i is not None and j is not None:
                self._pair(before[i], after[j], Item(f"member {j}"))
            else:
                self._rank += 1
                it = after[j] if j is not None else before[cast("int", i)]
                self._tell("-" if j is None else "+", None, f"the member {self.brief.of(it)}")

    def _tell(self, sign: str, step: Step | None, text: str) -> None:
        way = self._way(self._at)
        rank = (*(self._ranks[number] for number in way), 0 if step is None else self._rank)
        place = self._place(way, step)
        self._found.append((rank, Difference(sign, place, text)))

    def _way(self, number: int) -> list[int]:
        way: list[int] = []
        while number >= 0:
            way.append(number)
            number = self._above[number]
        return way[::-1]

    def _place(self, way: Sequence[int], step: Step | None = None) -> str:
        steps = [self._steps[number] for number in way][1:]
        if way and step is not None:
            steps.append(step)
        if len(steps) <= _LONGEST_WAY:
            return show(steps)
        half = _LONGEST_WAY // 2
        between = len(steps) - 2 * half
        return f"{show(steps[:half])} ({between:,} steps) {show(steps[-half:], '')}"


def _key(key: Any) -> Hashable:
    return key if type(key) is str else strong(key)


def compare_snapshots(old: Snapshot, new: Snapshot, *, reveal: bool = False) -> list[Difference]:
    """The differences of what two snapshots hold, and of what they say of it.

    When, by whom and in which syntax they were written is no difference. What either declares
    secret is not shown, but with `reveal`. Raises `FormatError`.
    """
    if old.digest == new.digest:
        return []
    found: list[Difference] = []
    for name in _TOLD:
        before, after = getattr(old.passport, name), getattr(new.passport, name)
        if before != after:
            found.append(Difference("~", f"passport {name}", f"{_said(before)} -> {_said(after)}"))
    secret = Brief() if reveal else Brief(merged(old.passport.secret, new.passport.secret))
    return found + compare(old.content.graph, new.content.graph, secret)


def _said(value: str | tuple[str, ...]) -> str:
    return value if isinstance(value, str) else ", ".join(value) or "none"
