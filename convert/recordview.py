"""What a journal's record says became of a component, in lines for a person; nothing is run.

    = application.registry[visits.Counter]: visits.Counter(value=1)
    ~ application.registry[visits.Counter].value: 1 -> 2
    - application.registry[visits.Counter]
    ! application.registry[board.Messages]: Messages.post('me', text='hello')

A component that was not met before is shown by its fields (``=``), and later by what differs. Much of it is
left out: one line is no longer than some fields take, and one record has so many lines.
"""

from collections import OrderedDict
from collections.abc import Collection, Iterator, Mapping
from itertools import islice
from typing import Any, Final, cast

import attrs

from ..persist import graphstream
from ..persist.graph import Call, Global, Graph, Names, Node, Pair, instance_of
from ..persist.graphstream import StreamError
from ..persist.hiding import merged
from ..persist.place import Field, Item, show
from .branches import branches, class_of, is_small
from .brief import Brief, in_words, small
from .diff import compare
from .tree import Tree

_MOST_LINES: Final = 40
_MOST_ARGUMENTS: Final = 20
_FEW: Final = 3
_LARGEST: Final = 4 << 20
_REMEMBERED: Final = 32 << 20
_REFERENCE: Final = "perdure.persist.references:referred"

_State = tuple[bytes, bytes]


@attrs.define(eq=False)
class RecordView:
    """Shows the entries of records, which are to be given in their order.

    `trusted` says that this user's own server wrote the streams; of others the keys are weighed first.
    `secret` is as in a passport; what is secret is hidden, but with `reveal`. What components were last is remembered as far as there is room.
    """

    trusted: bool
    secret: Mapping[str, Collection[str]]
    reveal: bool = False
    _last: OrderedDict[str, _State] = attrs.field(factory=OrderedDict[str, _State])
    _size: int = 0

    def __attrs_post_init__(self) -> None:
        self.secret = {} if self.reveal else merged(self.secret)

    def note(self, key: str, kind: str, content: Any) -> None:
        """Take notice of an entry that is not to be shown."""
        if kind == "state":
            self._remember(key, content)
        elif kind in ("gone", "command"):
            self._forget(key)
        elif kind == "secret" and not self.reveal:
            self.secret = merged(self.secret, dict(content))

    def forget(self) -> None:
        """What follows has nothing to do with what came before."""
        self._last.clear()
        self._size = 0

    def lines(self, key: str, kind: str, content: Any) -> Iterator[str]:
        """The lines for one entry. Whatever the bytes are, there are few lines, and no error."""
        before = self._last.get(key)
        self.note(key, kind, content)
        try:
            yield from self._lines(_place(key), key, kind, content, before)
        except (StreamError, RecursionError, MemoryError) as error:
            yield f"? {_place(key)}: cannot be shown: {error or type(error).__name__}"

    def _lines(
        self, place: str, key: str, kind: str, content: Any, before: _State | None
    ) -> Iterator[str]:
        if kind == "gone":
            yield f"- {place}"
        elif kind == "folders":
            if content:
                shown = ", ".join(map(small, content[:_MOST_ARGUMENTS]))
                yield f"  modules are looked for in {shown}"
        elif kind in ("shapes", "secret"):
            return  # For a recovery; what they are of follows.
        elif kind == "command":
            yield f"! {place}: {self._call(*content)}"
        elif sum(map(len, content)) > _LARGEST:
            yield f"= {place}: {in_words(sum(map(len, content)))}, too large to be shown"
        elif before is None:
            yield from _limited(self._whole(key, content))
        else:
            yield from _limited(self._differences(key, before, content))

    def _whole(self, key: str, content: _State) -> Iterator[str]:
        component = self._component(content)
        parts = [value for _, value in islice(branches(component), _FEW + 1)]
        if len(parts) <= _FEW and all(map(is_small, parts)):
            yield f"= {_place(key)}: {Brief(self.secret).of(component)}"
            return
        for number, line in enumerate(_tree(key, component, self.secret)):
            yield f"{'  ' if number else '= '}{line}"

    def _differences(self, key: str, before: _State, now: _State) -> Iterator[str]:
        old, new = (_within(key, self._component(each)) for each in (before, now))
        found = compare(old, new, Brief(self.secret))
        if not found:
            yield f"~ {_place(key)}: the same, written in another way"
        yield from map(str, found)

    def _component(self, content: _State) -> Any:
        """The inert component that a state record makes."""
        made, state = content
        given = self._read(state)
        shape = cast(object, type(given))
        if not made:
            return _with_references(given)
        kind = self._read(made)
        if type(kind) is not Global or shape is not tuple:
            raise StreamError("it is no state of a component")
        parts = (*cast("tuple[Any, ...]", given), None, None, None, None)[:4]
        component = instance_of(kind)
        component.state, members, pairs, component.setter = parts
        if not isinstance(members, list | None) or not _are_pairs(pairs):
            raise StreamError("it has members or items that are none")
        component.members = members
        component.pairs = pairs
        return _with_references(component)

    def _call(
        self, name: str, _time: float, seed: int | None, failure: str | None, stream: bytes
    ) -> str:
        said = "" if failure is None else f", which raised {small(failure)[1:-1]}"
        if seed is not None:
            said += " (with chance)"
        if len(stream) > _LARGEST:
            return f"{name}(...){said}; its arguments, {in_words(len(stream))}, are too large"
        given = self._read(stream)
        if type(given) is not tuple or [*map(type, cast("tuple[Any]", given))] != [tuple, dict]:
            raise StreamError("it is no call of a method")
        _with_references(given)
        arguments, keywords = cast("tuple[tuple[Any, ...], dict[Any, Any]]", given)
        brief = Brief(self.secret)
        shown = [brief.of(_named(each)) for each in arguments[:_MOST_ARGUMENTS]]
        shown += [
            f"{str(word)[:80]}={brief.of(_named(each))}"
            for word, each in islice(keywords.items(), _MOST_ARGUMENTS)
        ]
        if len(arguments) + len(keywords) > len(shown):
            shown.append("...")
        return f"{name[:200]}({', '.join(shown)}){said}"

    def _read(self, stream: bytes) -> Any:
        return graphstream.read(stream, trusted=self.trusted).root

    def _remember(self, key: str, content: _State) -> None:
        self._forget(key)
        size = sum(map(len, content))
        if size > _LARGEST:
            return
        self._last[key] = content
        self._size += size
        while self._size > _REMEMBERED:
            self._forget(next(iter(self._last)))

    def _forget(self, key: str) -> None:
        former = self._last.pop(key, None)
        if former is not None:
            self._size -= sum(map(len, former))


def _place(key: str) -> str:
    return show([Field("registry"), Item(key)])


def _limited(lines: Iterator[str]) -> Iterator[str]:
    yield from islice(lines, _MOST_LINES)
    more = sum(1 for _ in lines)
    if more:
        yield f"  … {more:,} more lines"


def _tree(key: str, component: Any, secret: Mapping[str, Collection[str]]) -> Iterator[Any]:
    return Tree(component, [Field("registry"), Item(key)], secret).lines()


def _within(key: str, component: Any) -> Graph:
    """A graph in which `component` stands where it stands in an application."""
    names = Names()
    registry = instance_of(names.find("perdure.app.registry", "Registry"))
    registry.state = {"_components": {key: component}}
    application = instance_of(names.find("perdure.app.application", "Application"))
    application.state = {"registry": registry}
    return Graph(application, names)


def _are_pairs(pairs: Any) -> bool:
    if pairs is None:
        return True
    if not isinstance(pairs, list):
        return False
    return all(type(each) is tuple and len(each) == 2 for each in cast("list[Pair]", pairs))


def _named(item: Any) -> Any:
    """A name in the place of a reference to another component."""
    if not isinstance(item, Call) or str(class_of(item)) != _REFERENCE:
        return item
    key = item.arguments[0] if len(item.arguments) == 1 else None
    if type(key) is not str:
        return item
    return Names().find("builtins", f"→ {key if key.startswith('/') else f'registry[{key}]'}")


def _with_references(root: Any) -> Any:
    """`root`, in which names stand for references. Those inside tuples stay as they are written."""
    seen: set[int] = set()
    stack: list[Any] = [root]
    while stack:
        item = stack.pop()
        if id(item) in seen:
            continue
        seen.add(id(item))
        kind = cast(object, type(item))
        if isinstance(item, Node):
            for name in ("arguments", "members", "pairs", "state", "setter"):
                stack.append(getattr(item, name))
        elif kind is dict:
            values = cast("dict[Any, Any]", item)
            values.update({key: _named(value) for key, value in values.items()})
            stack += values.values()
        elif kind is list:
            members = cast("list[Any]", item)
            members[:] = map(_named, members)
            stack += members
        elif kind is tuple:
            stack += cast("tuple[Any, ...]", item)
    return _named(root)
