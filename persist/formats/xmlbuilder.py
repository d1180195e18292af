"""What the elements of the XML form stand for: they begin and end here, and a graph comes out."""

from collections.abc import Callable
from pyexpat import XMLParserType
from typing import Any, Final

from ..assembly import Assembly, Later, node_parts
from ..graph import Call, Global, GraphError, Node, instance_of
from ..words import NAMES as WORDS
from ..words import Word, WordError, call_of
from .xmlframes import FREE, KEYED, SECTIONS, STRICT, Frame, WrongError
from .xmltext import ValueTextError, split_name

_DEEPEST: Final = 1000


class Builder:
    """A graph in the making. `parser` says where the text is at; `lines`, if not None, takes where
    objects begin. Raises `WrongError` for what is wrong in the text, or what the parts of it raise.
    """

    def __init__(self, parser: XMLParserType, lines: dict[int, int] | None) -> None:
        self.parser: Final = parser
        self.assembly: Final = Assembly()
        self.frame = Frame("", None, STRICT, 0)
        """The innermost element that is open, under those of `stack`."""
        self.stack: Final[list[Frame]] = []
        self.known: Final[dict[str, Any]] = {}
        """What the reference numbers stand for that have been met."""
        self._lines = lines
        self._globals: dict[str, Global] = {}

    def push(self, name: str, item: Any, mode: int) -> Frame:
        """Begin an element."""
        if len(self.stack) >= _DEEPEST:
            raise WrongError(f"elements nest deeper than {_DEEPEST:,} levels")
        self.stack.append(self.frame)
        self.frame = frame = Frame(name, item, mode, self.parser.CurrentByteIndex)
        return frame

    def open(self, name: str, given: dict[str, str], number: str | None, is_key: bool) -> None:
        """Begin a value that has others inside."""
        item, mode = _OPENERS[name](self, given)
        frame = self.push(name, item, mode)
        frame.number = number
        frame.is_key = is_key
        if self._lines is not None:
            frame.line = self.parser.CurrentLineNumber
        if name in WORDS:
            frame.extra = given
        elif item is not None:
            if number is not None:
                self._define(number, item, frame.where)
            if self._lines is not None:
                self._lines[id(item)] = frame.line

    def put(self, item: Any, number: str | None, where: int) -> None:
        """Take a value that has none inside, and began at the byte `where`."""
        if number is not None:
            self._define(number, item, where)
        self.frame.parts.append(item)

    def refer(self, number: str) -> Any:
        """The object of that number, or what stands for it."""
        found = self.assembly.refer(number, self.parser.CurrentByteIndex)
        if type(found) is Later:
            self.frame.waiting = True
        return found

    def close(self, count: int) -> None:
        """End the last `count` elements."""
        stack = self.stack
        for _ in range(count):
            done = self.frame
            frame = self.frame = stack.pop()
            name = done.name
            item = done.item
            parts = done.parts
            if name == "dictionary":
                if done.waiting or len(parts) & 1:
                    self._fill_keyed(done)
                else:
                    each = iter(parts)
                    item.update(zip(each, each, strict=True))
                    if len(item) * 2 != len(parts):
                        self.assembly.fill({}, parts, done.where)
            elif name == "instance":
                if parts:
                    item.state = parts[0]
                if done.extra is not None:
                    _give(item, done.extra)
                if done.waiting:
                    self.assembly.fill(item, node_parts(item), done.where)
            elif name == "list":
                if done.waiting:
                    self.assembly.fill(item, parts, done.where)
                else:
                    item += parts
            else:
                try:
                    item = _CLOSERS[name](self, done, frame)
                except (ValueTextError, WordError, GraphError) as error:
                    raise WrongError(str(error), done.where) from error
                if item is _NO_VALUE:
                    continue
            frame.parts.append(item)

    def global_of(self, name: str) -> Global:
        """The class or function of that name."""
        found = self._globals.get(name)
        if found is None:
            found = self._globals[name] = self.assembly.names.find(*split_name(name))
        return found

    def _define(self, number: str, item: Any, where: int) -> None:
        self.assembly.define(number, item, where)
        if type(item) is not Later:
            self.known[number] = item

    def _end(self, done: Frame, item: Any) -> Any:
        """`item`, which could be made only now that its element ends."""
        if done.number is not None:
            self._define(done.number, item, done.where)
        if type(item) is Later or self.frame.name == "tuple":
            self.frame.waiting = True
        if type(item) is not Later and self._lines is not None:
            self._lines[id(item)] = done.line
        return item

    def _fill_keyed(self, done: Frame) -> None:
        if len(done.parts) & 1:
            raise WrongError(f"the last key in this <{done.name}> has no value", done.where)
        if done.item is not None:
            self.assembly.fill(done.item, done.parts, done.where)

    def close_tuple(self, done: Frame, _above: Frame) -> Any:
        """End a tuple."""
        if not done.waiting:
            return self._end(done, tuple(done.parts))
        return self._end(done, self.assembly.immutable(tuple, done.parts, done.where))

    def close_frozenset(self, done: Frame, _above: Frame) -> Any:
        """End a frozenset."""
        return self._end(done, self.assembly.immutable(frozenset, done.parts, done.where))

    def close_set(self, done: Frame, _above: Frame) -> Any:
        """End a set."""
        self.assembly.fill(done.item, done.parts, done.where)
        return done.item

    def close_copyreg(self, done: Frame, _above: Frame) -> Any:
        """End a call."""
        call: Call = done.item
        extra = done.extra or {}
        if "arguments" not in extra:
            raise WrongError("expected <tuple>, the arguments of this <copyreg>", done.where)
        if done.parts:
            call.state = done.parts[0]
        _give(call, extra)
        if done.waiting:
            self.assembly.fill(call, node_parts(call), done.where)
        return call

    def close_word(self, done: Frame, _above: Frame) -> Any:
        """End a word for a call."""
        given = done.extra or {}
        value = given["name"] if "name" in given else given["value"]
        word = Word(done.name, value, done.parts[0] if done.parts else None)
        call = call_of(word, self.assembly.names)
        if done.waiting:
            self.assembly.fill(call, node_parts(call), done.where)
        return self._end(done, call)

    def close_section(self, done: Frame, above: Frame) -> Any:
        """Give the node `above` its arguments, or the like."""
        name, parts = done.name, done.parts
        value: Any = parts
        if done.mode == STRICT:
            if not parts:
                raise WrongError(f"expected a value in <{name}>", done.where)
            (value,) = parts
        elif name == "arguments":
            value = tuple(parts)
        elif done.mode == KEYED:
            self._fill_keyed(done)
            each = iter(parts)
            value = list(zip(each, each, strict=True))
            if name == "keywords":
                value = _keywords(value, done.where)
        if above.extra is None:
            above.extra = {}
        above.extra[name] = value
        above.waiting = above.waiting or done.waiting
        return _NO_VALUE

    def close_field(self, done: Frame, above: Frame) -> Any:
        """Give the passport a field that is no attribute."""
        if not done.parts:
            raise WrongError(f"expected a value in <{done.item}>", done.where)
        above.item[done.item] = done.parts[0]
        return _NO_VALUE


def _give(node: Node, extra: dict[str, Any]) -> None:
    for section, value in extra.items():
        setattr(node, _SLOTS[section], value)


def _keywords(pairs: list[tuple[Any, Any]], where: int) -> dict[str, Any] | None:
    for key, _ in pairs:
        if type(key) is not str:
            raise WrongError("the name of a keyword is a <string>", where)
    keywords = dict(pairs)
    if len(keywords) != len(pairs):
        raise WrongError("a keyword is there twice", where)
    return keywords or None


def _leave(_builder: Builder, _done: Frame, _above: Frame) -> Any:
    return _NO_VALUE


def _keep(_builder: Builder, done: Frame, _above: Frame) -> Any:
    return done


# What an element is as it begins, and what it has inside.
_Opened = tuple[Any, int]


def _open_instance(builder: Builder, given: dict[str, str]) -> _Opened:
    return instance_of(builder.global_of(given["class"])), STRICT


def _open_copyreg(builder: Builder, given: dict[str, str]) -> _Opened:
    function = builder.global_of(given["loadfunc"]) if given else None
    return Call(function, ()), STRICT


def _open_word(_builder: Builder, _given: dict[str, str]) -> _Opened:
    return None, STRICT


_OPENERS: Final[dict[str, Callable[[Builder, dict[str, str]], _Opened]]] = {
    "list": lambda _builder, _given: ([], FREE),
    "tuple": lambda _builder, _given: (None, FREE),
    "set": lambda _builder, _given: (set[Any](), FREE),
    "frozenset": lambda _builder, _given: (None, FREE),
    "dictionary": lambda _builder, _given: ({}, KEYED),
    "instance": _open_instance,
    "copyreg": _open_copyreg,
    **dict.fromkeys(WORDS, _open_word),
}

_NO_VALUE: Final = object()
_SLOTS: Final = {
    "loadfunc": "function", "arguments": "arguments", "keywords": "keywords",
    "members": "members", "items": "pairs", "setter": "setter",
}  # fmt: skip
_CLOSERS: Final[dict[str, Callable[[Builder, Frame, Frame], Any]]] = {
    "tuple": Builder.close_tuple,
    "frozenset": Builder.close_frozenset,
    "set": Builder.close_set,
    "copyreg": Builder.close_copyreg,
    "passport": _leave,
    "signature": _leave,
    "field": Builder.close_field,
    "snapshot": _keep,
    **dict.fromkeys(WORDS, Builder.close_word),
    **dict.fromkeys(SECTIONS, Builder.close_section),
}
