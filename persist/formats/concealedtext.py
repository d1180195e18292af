"""The values of secret fields as text of the source syntax, each by itself, and back."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import attrs

from ..assembly import Assembly
from ..graph import Names, is_shared
from ..survey import Survey, ordered
from .sourcebuilder import Builder
from .sourceline import FLAT_DEPTH
from .sourcereader import Reader
from .sourcewriter import Writer

Lent = tuple[int, str]
"""An object that several values lead to: its number, and the statement that defines it."""


class Lender:
    """Writes secret `values`, of a graph of which `looked` is the survey and `public` the rest by id.

    Numbers are given to public objects that the values lead to, and to objects that several lead to.
    """

    def __init__(self, values: Sequence[Any], looked: Survey, public: set[int]) -> None:
        self._looked = looked
        self._public = public
        met: Counter[int] = Counter()
        for value in values:
            met.update(self._region(value)[1].keys())
        wanted = [each for each, count in met.items() if count > 1 or each in public]
        self._numbers = {each: number for number, each in enumerate(wanted, 1)}

    def texts(self, value: Any) -> tuple[list[tuple[int, Any]], str, list[Lent]]:
        """The public objects with their numbers, the text of `value`, and those of what is lent."""
        objects, counts = self._region(value)
        numbered = [
            (self._numbers[id(each)], each) for each in objects if id(each) in self._numbers
        ]
        lent = [pair for pair in numbered if id(pair[1]) not in self._public]
        shared = frozenset(each for each, count in counts.items() if count > 1)
        survey = attrs.evolve(self._looked, shared=shared | self._numbers.keys())
        writer = _Writer(survey, self._numbers)
        text = "".join(writer.statements("application", [value, *(each for _, each in lent)]))
        return (
            [pair for pair in numbered if id(pair[1]) in self._public],
            text,
            [(number, writer.definition(number, each)) for number, each in lent],
        )

    def _region(self, value: Any) -> tuple[list[Any], dict[int, int]]:
        """The objects that `value` leads to without public ones between, and how often each is met."""
        objects: list[Any] = []
        counts: dict[int, int] = {}
        stack = [value]
        while stack:
            item = stack.pop()
            if not is_shared(item):
                continue
            if id(item) in counts:
                counts[id(item)] += 1
                continue
            counts[id(item)] = 1
            objects.append(item)
            if id(item) not in self._public:
                stack += reversed([*ordered(item, self._looked)])
        return objects, counts


class _Writer(Writer):
    """A writer to which some objects are known by their numbers already."""

    def __init__(self, survey: Survey, numbers: Mapping[int, int]) -> None:
        super().__init__(survey)
        self._numbers = dict(numbers)

    def definition(self, number: int, item: Any) -> str:
        flat = self._flat(item, FLAT_DEPTH)
        if flat is not None:
            return f"\nRef({number}, {flat})\n"
        group = self._group(item)
        return "".join(self._pieces(f"\nRef({number}, ", attrs.evolve(group, end=f"{group.end})")))


def value_of(
    text: str, lent: Iterable[str], known: Iterable[tuple[int, Any]], names: Names
) -> Iterator[Any]:
    """The value in `text`, and then what it was lent: those defined in `lent`, or `known` by number.

    Raises FormatError.
    """
    builder = Builder(Assembly(names))
    for number, item in known:
        builder.assembly.define(number, item, 0)
    _, graph = Reader("".join((text, *lent)).encode(), builder=builder).read()
    yield from graph.root
