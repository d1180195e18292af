"""A snapshot as a tree of lines for the terminal: what there is, of which class, and how large.

It unfolds level by level as long as there is room, so that a small snapshot is shown whole, and of a
large one what is near the root; what stays folded is told by its size, and shown by its place. An
object that stands in several places is unfolded in the one nearest to the root, and a reference elsewhere.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, Final, cast

import attrs

from ..persist.graph import Call, Node
from ..persist.place import Field, Item, Step, show
from ..persist.survey import Survey, survey
from .branches import branches, is_secret, is_small, readable
from .brief import in_words, small, title
from .outline import Outline
from .sizes import Sizes, sizes

_ROOM: Final = 200
_WIDTH: Final = 10
_MOST_FIELDS: Final = 50
_DEEPEST: Final = 30
_LONGEST_WAY: Final = 20


@attrs.frozen
class Line:
    """One line: the guides of the tree, what it is called, what it is, and how large."""

    guides: str
    name: str
    text: str
    note: str = ""

    def __str__(self) -> str:
        name = f"{self.name}: " if self.name and self.text else self.name
        note = f"  ({self.note})" if self.note else ""
        return f"{self.guides}{name}{self.text}{note}"


@attrs.frozen
class _Branch:
    name: str
    step: Step | None
    value: Any
    hidden: bool = False


@attrs.define(eq=False)
class Tree:
    """The view of what `root` leads to; `steps` is its own place, `secret` as in a passport."""

    root: Any
    steps: Sequence[Step]
    secret: Mapping[str, Collection[str]]
    _looked: Survey = attrs.field(init=False)
    _outline: Outline = attrs.field(init=False)
    _sizes: Sizes = attrs.field(init=False)
    _counts: list[int] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._looked = survey(self.root)
        self._outline = Outline(self._looked, self.secret)
        self._sizes = sizes(self.root, self._outline)
        self._counts = [1] * len(self._sizes.objects)
        for number in range(len(self._counts) - 1, 0, -1):
            self._counts[self._sizes.holders[number]] += self._counts[number]

    def lines(self) -> Iterator[Line]:
        """The tree from the top."""
        unfolded = self._unfold()
        yield Line("", show(self.steps), title(self.root), self._note(self.root))
        # Of each line to come: its guides, those below it, its holder, and what it shows.
        stack = self._below("", self.root, unfolded)
        while stack:
            guides, below, holder, branch = stack.pop()
            if branch is None:
                yield Line(guides, "", f"… {holder} more")
            elif branch.hidden:
                yield Line(guides, branch.name, "hidden")
            elif (text := self._leaf(branch.value)) is not None:
                yield Line(guides, branch.name, text)
            elif not self._sizes.is_first(holder, branch.value):
                yield Line(guides, branch.name, f"→ {self._place(branch.value)}")
            else:
                folded = id(branch.value) not in unfolded and self._has_parts(branch.value)
                yield Line(
                    guides,
                    branch.name,
                    f"{title(branch.value)}{' …' if folded else ''}",
                    self._note(branch.value),
                )
                stack += self._below(below, branch.value, unfolded)

    def _unfold(self) -> dict[int, tuple[list[_Branch], int]]:
        """By the id of an object that is shown unfolded: what of it is shown, and how much more."""
        unfolded: dict[int, tuple[list[_Branch], int]] = {}
        room = _ROOM
        queue: list[tuple[Any, int]] = [(self.root, 0)]
        for item, depth in queue:  # grows meanwhile
            parts, more = self._parts(item)
            if depth == _DEEPEST or (len(parts) > room and depth):
                continue
            room -= len(parts)
            unfolded[id(item)] = parts, more
            queue += [
                (part.value, depth + 1)
                for part in parts
                if not part.hidden
                and self._leaf(part.value) is None
                and id(part.value) not in unfolded
                and self._sizes.is_first(item, part.value)
            ]
        return unfolded

    def _below(
        self, guides: str, item: Any, unfolded: Mapping[int, tuple[list[_Branch], int]]
    ) -> list[tuple[str, str, Any, _Branch | None]]:
        """The lines below that of `item`, last first."""
        parts, more = unfolded.get(id(item), ([], 0))
        rows: list[tuple[str, str, Any, _Branch | None]] = [
            (f"{guides}├─ ", f"{guides}│  ", item, part) for part in parts
        ]
        if more:
            rows.append((f"{guides}├─ ", "", f"{more:,}", None))
        if rows:
            _, _, holder, last = rows[-1]
            rows[-1] = f"{guides}└─ ", f"{guides}   ", holder, last
        return rows[::-1]

    def _parts(self, item: Any) -> tuple[list[_Branch], int]:
        """What of `item` is shown when it is unfolded, and how much more it has."""
        parts: list[_Branch] = []
        more = 0
        most = _MOST_FIELDS if isinstance(item, Node) else _WIDTH
        for part in self._branches(item):
            if len(parts) < most:
                parts.append(part)
            else:
                more += 1
        return parts, more

    def _branches(self, item: object) -> Iterator[_Branch]:
        if isinstance(item, set | frozenset):
            members = self._looked.members(cast("set[Any]", item))
            yield from (_Branch("", None, member) for member in members)
            return
        for step, value in branches(item):
            name = step.name if isinstance(step, Field) else show([_readable(step)], "")
            yield _Branch(name, step, value, is_secret(self.secret, item, step))

    def _leaf(self, item: object) -> str | None:
        """`item` in a line, if that is all of it."""
        if is_small(item):
            return small(item)
        # A time in a plain zone is a line to a person, though it has a part.
        opened = self._outline.open(item) if isinstance(item, Call) else None
        if opened is None or opened.text is None or opened.fields:
            return None
        return f"{opened.title} {opened.text}"

    def _has_parts(self, item: Any) -> bool:
        return next(self._branches(item), None) is not None

    def _note(self, item: Any) -> str:
        number = self._sizes.numbers.get(id(item))
        if number is None or is_small(item):
            return ""
        count = self._counts[number]
        size = in_words(self._sizes.whole[number])
        return f"{count:,} objects, {size}" if count > 1 else size

    def _place(self, item: Any) -> str:
        """Where `item` is unfolded, or would be."""
        way: list[Any] = []
        number = self._sizes.numbers[id(item)]
        while number >= 0:
            way.append(self._sizes.objects[number])
            number = self._sizes.holders[number]
        way.reverse()
        if len(way) > _LONGEST_WAY:
            return f"an object {len(way) - 1:,} steps away"
        steps = [_step(holder, part) for holder, part in pairwise(way)]
        return show([*self.steps, *steps])


def _step(holder: object, part: object) -> Step:
    found = (_readable(step) for step, value in branches(holder) if value is part)
    return next(found, Item("member"))


def _readable(step: Step) -> Step:
    return Item(readable(step.key)) if isinstance(step, Item) else step
