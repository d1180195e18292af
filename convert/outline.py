"""Each object of a graph in the three sections that a view shows it in: fields, members, pairs.

The parts are those of `branches`, under the same steps, and besides them what has no place of its
own but is shown and takes space: the members of sets, and keys.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Final, cast

import attrs

from ..persist.graph import Call, Global, Instance, Node, Pair
from ..persist.place import Field
from ..persist.survey import Survey
from ..persist.words import Word
from .branches import as_word, branches, class_of, field_dicts, has_items


class Hidden:
    """What is shown in the place of a field that its class declares secret."""

    def __repr__(self) -> str:
        return "hidden"


HIDDEN: Final = Hidden()


@attrs.define(eq=False)
class Sections:
    """An object: what it is called, what it says in a line, and what it consists of."""

    title: str
    """Of Python's own: ``list``, ``str``; else ``module:qualname``, or a word such as ``datetime``."""
    text: str | None = None
    """What a word means, such as a date."""
    fields: Sequence[tuple[str, Any]] = ()
    members: Sequence[Any] = ()
    pairs: Sequence[Pair] = ()

    def parts(self) -> Iterator[object]:
        """All of its parts, and keys before their values."""
        for _name, value in self.fields:
            yield value
        yield from self.members
        for key, value in self.pairs:
            yield key
            yield value


class Outline:
    """The view of one graph. `secret` names fields of classes, these as ``module:qualname``.

    A secret field shows as `HIDDEN` in every object of that class. An object that hangs under it is
    not shown there; if the application holds the same object elsewhere too, it shows there.
    """

    def __init__(self, looked: Survey, secret: Mapping[str, Collection[str]]) -> None:
        self._looked = looked
        self._secret = secret

    def open(self, item: object) -> Sections:
        """What `item`, any object of the graph, consists of."""
        kind = type(item)
        if kind in (list, tuple):
            return Sections(kind.__name__, members=cast("Sequence[Any]", item))
        if kind is dict:
            return Sections("dict", pairs=list(cast("dict[Any, Any]", item).items()))
        if kind in (set, frozenset):
            return Sections(kind.__name__, members=self._looked.members(cast("set[Any]", item)))
        if kind is Global:
            return Sections("name", str(item))
        if isinstance(item, Node):
            return self._node(item)
        return Sections(kind.__name__)

    def _node(self, node: Node) -> Sections:
        word = as_word(node)
        if word is not None:
            return _of_word(word, node)
        fields: list[tuple[str, Any]] = []
        pairs: list[Pair] = []
        found = class_of(node)
        if isinstance(node, Call) and found is None:
            fields.append(("function", node.function))
        if has_items(node) and node.arguments:
            fields.append(("arguments", node.arguments))
        if isinstance(node, Instance) and node.keywords:
            fields += node.keywords.items()
        secret = self._secret.get(str(found), ())
        state = field_dicts(node)
        if state is None:
            # Which part of such a state is the secret one, only the class knows.
            fields.append(("state", HIDDEN if secret else node.state))
        else:
            for part in state:
                for name, value in part.items():
                    if type(name) is str:
                        fields.append((name, value))
                    else:
                        pairs.append((name, value))
        if node.setter is not None:
            fields.append(("setter", node.setter))
        if secret:
            fields = [(name, HIDDEN if name in secret else value) for name, value in fields]
        members: Sequence[Any] = node.members or () if has_items(node) else node.arguments
        if secret and isinstance(node, Call):
            # As with such a state.
            fields = [(name, HIDDEN if name == "arguments" else value) for name, value in fields]
            members = members if has_items(node) else [HIDDEN] * len(members)
        return Sections(
            "call" if found is None else str(found),
            None,
            fields,
            members,
            pairs + (node.pairs or []),
        )


def _of_word(word: Word, node: Node) -> Sections:
    zone = _offset(word.of)
    if zone is not None:
        return Sections(word.name, word.value + zone)
    return Sections(
        word.name,
        word.value,
        [(step.name, of) for step, of in branches(node) if isinstance(step, Field)],
    )


def _offset(zone: Any) -> str | None:
    """The end of a time in a zone that is a whole number of minutes and no more: ``+01:00``."""
    if str(class_of(zone)) != "datetime:timezone" or len(zone.arguments) != 1:
        return None
    delta = zone.arguments[0]
    if str(class_of(delta)) != "datetime:timedelta" or len(delta.arguments) != 3:
        return None
    if any(type(number) is not int for number in delta.arguments):
        return None
    days, seconds, rest = delta.arguments
    minutes, left = divmod(days * 86400 + seconds, 60)
    if left or rest or abs(minutes) >= 24 * 60:
        return None
    return f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"
