"""What brackets of the source syntax make of what stands in them (which ones, `sourceforms` says)."""

import binascii
from collections.abc import Callable
from typing import Any, Final, cast

import attrs

from ..assembly import Assembly, node_parts
from ..graph import Call, Global, GraphError, Instance, Node, instance_of
from ..words import Word, WordError, call_of
from .sourcenames import WORDS, is_field
from .spelling import special_float, split


@attrs.define
class SourceError(Exception):
    """What is wrong, and where: a place in bytes. The reader makes a FormatError of it."""

    reason: str
    place: int


@attrs.frozen(eq=False)
class Inner:
    """What belongs to the object around it, and is none itself; `keyed` if keys and values in turn."""

    form: str
    parts: list[Any]
    keyed: bool = False


@attrs.frozen(eq=False)
class Record:
    """What a head statement says: the fields of ``Passport(...)``, or of ``Signature(...)``.

    `start` is the byte where that begins.
    """

    form: str
    fields: dict[str, Any]
    start: int


class Frame:
    """An open bracket. `item` is what was made when it began, or the number of a reference.

    `fields` are the names of the last of the `parts`. `late` says whether any of these, or of what
    is in an `Inner` among them, is yet to come; `comma`, whether the last part has a comma after it; `is_defined`, for a reference,
    whether its object was there when it began.
    """

    __slots__ = ("comma", "fields", "form", "is_defined", "item", "late", "parts", "start")

    def __init__(self, form: "Form", parts: list[Any], item: Any, start: int) -> None:
        self.form = form
        self.parts = parts
        self.fields: list[Any] = []
        self.item = item
        self.start = start
        self.late = False
        self.comma = False
        self.is_defined = False


@attrs.frozen(eq=False)
class Form:
    """One kind of bracket: how it ends, and what it makes."""

    name: str
    make: "Callable[[Builder, Frame], Any]"
    closer: bytes = b")"
    named: bool = False
    """Whether there may be fields in it."""
    keyed: bool = False
    """Whether there are keys and values in it."""
    within: tuple[str, ...] = ()
    """The forms that it must stand in, if it may not stand everywhere."""
    after: bytes = b","
    """What separates its parts."""


class Builder:
    """Makes the objects of one graph."""

    def __init__(self, assembly: Assembly | None = None) -> None:
        self.assembly: Final = assembly or Assembly()
        self.names: Final = self.assembly.names
        self._fields: dict[bytes, str] = {}
        self._called: list[tuple[Any, int]] = []

    def field(self, token: bytes, place: int) -> str:
        """The name of a field."""
        name = self._fields.get(token)
        if name is None:
            name = token.decode()
            if not is_field(name):
                raise SourceError(
                    f"{name!r:.80} cannot be the name of a field here;"
                    f" write the state as a dict: {{{name!r:.80}: ...}}",
                    place,
                )
            self._fields[token] = name
        return name

    def found(self, text: Any, place: int) -> Global:
        """What is called `text`, such as ``visits.Counter``."""
        if type(text) is not str:
            raise SourceError("expected a name in quotes, such as 'visits.Counter'", place)
        module_and_name = split(text)
        if module_and_name is None:
            raise SourceError(f"expected a name such as 'visits.Counter', got {text!r:.80}", place)
        try:
            return self.names.find(*module_and_name)
        except GraphError as error:
            raise SourceError(str(error), place) from error

    def node(self, named: Global, form: str) -> Node:
        """An object of the class, or a call of the function, that is `named`; without its parts."""
        return instance_of(named) if form == "Instance" else Call(named, ())

    def finish(self, root: Any) -> Any:
        """`root` with everything in its place."""
        root = self.assembly.finish(root)
        for node, place in self._called:
            for called in (node.function if isinstance(node, Call) else None, node.setter):
                if (
                    called is not None
                    and type(called) is not Global
                    and not isinstance(called, Node)
                ):
                    raise SourceError(
                        f"expected a class, a function or an object to call, got {called!r:.80}",
                        place,
                    )
        return root

    # What the forms make.

    def sequence(self, frame: Frame) -> Any:
        if frame.late:
            self.assembly.fill(frame.item, frame.parts.copy(), frame.start)
        return frame.item

    def parenthesised(self, frame: Frame) -> Any:
        if len(frame.parts) == 1 and not frame.comma:
            return frame.parts[0]
        return self.assembly.immutable(tuple, frame.parts, frame.start)

    def mapping(self, frame: Frame) -> Any:
        self.assembly.fill(frame.item, frame.parts, frame.start)
        return frame.item

    def braces(self, frame: Frame) -> Any:
        made: Any = set[Any]() if frame.parts else dict[Any, Any]()
        self.assembly.fill(made, frame.parts, frame.start)
        return made

    def inner(self, frame: Frame) -> Any:
        return Inner(frame.form.name, frame.parts, frame.form.keyed)

    def call_arguments(self, frame: Frame) -> Any:
        if len(frame.parts) == 1 and not frame.comma:
            raise SourceError("a tuple of one needs a comma: (x,)", frame.start)
        return self.inner(frame)

    def pairs(self, frame: Frame) -> Any:
        only = frame.parts[0] if len(frame.parts) == 1 else None
        if type(only) is not Inner or (only.parts and not only.keyed):
            raise SourceError("expected Items({key: value, ...})", frame.start)
        return Inner(frame.form.name, only.parts, True)

    def keywords(self, frame: Frame) -> Any:
        if frame.fields and len(frame.fields) == len(frame.parts):
            found = [part for pair in zip(frame.fields, frame.parts, strict=True) for part in pair]
            return Inner(frame.form.name, found, True)
        inner = self.pairs(frame)
        if not all(type(key) is str for key in inner.parts[::2]):
            raise SourceError("expected the names of keywords as texts", frame.start)
        return inner

    def setter(self, frame: Frame) -> Any:
        self._only(frame, "a class or a function")
        return self.inner(frame)

    def reference(self, frame: Frame) -> Any:
        if len(frame.parts) != 1:
            raise SourceError("expected Ref(number, object)", frame.start)
        if not frame.is_defined:
            self.assembly.define(frame.item, frame.parts[0], frame.start)
        return frame.parts[0]

    def wrong_reference(self, frame: Frame) -> Any:
        raise SourceError("expected Ref(number, object), such as Ref(1, [])", frame.start)

    def dereference(self, frame: Frame) -> Any:
        number = self._only(frame, "a number")
        if type(number) is not int or number < 0:
            raise SourceError("expected a number: Deref(1)", frame.start)
        return self.assembly.refer(number, frame.start)

    def empty_set(self, frame: Frame) -> Any:
        if frame.parts:
            raise SourceError("expected set(), or members in braces: {1, 2}", frame.start)
        return set[Any]()

    def frozen(self, frame: Frame) -> Any:
        if not frame.parts:
            return frozenset[Any]()
        only = frame.parts[0]
        if len(frame.parts) > 1 or type(only) is not Inner or only.keyed:
            raise SourceError("expected frozenset({...}) or frozenset()", frame.start)
        return self.assembly.immutable(frozenset, only.parts, frame.start)

    def byte_array(self, frame: Frame) -> Any:
        content = self._only(frame, "bytes") if frame.parts else b""
        if type(content) is not bytes:
            raise SourceError("expected bytes: bytearray(b'...')", frame.start)
        return bytearray(content)

    def special_float(self, frame: Frame) -> Any:
        text = self._only(frame, "a text")
        value = special_float(text) if type(text) is str else None
        if value is None:
            raise SourceError(
                "expected 'nan', 'inf', '-inf' or 'nan:' and 16 hexadecimal digits,"
                f" got {text!r:.80}",
                frame.start,
            )
        return value

    def packed(self, frame: Frame) -> Any:
        text = self._only(frame, "a text")
        if type(text) is not str:
            raise SourceError("expected a text: Base64('...')", frame.start)
        try:
            return binascii.a2b_base64(text, strict_mode=True)
        except ValueError as error:
            raise SourceError(f"this is not base 64: {error}", frame.start) from error

    def named(self, frame: Frame) -> Any:
        return self.found(self._only(frame, "a name in quotes"), frame.start)

    def word(self, frame: Frame) -> Any:
        name = _WORD_NAMES[frame.form.name]
        parts = frame.parts
        if not parts or type(parts[0]) is not str or len(parts) > 2:
            raise SourceError(f"{frame.form.name} takes a text and at most one object", frame.start)
        try:
            call = call_of(Word(name, *parts), self.names)
        except WordError as error:
            raise SourceError(str(error), frame.start) from error
        if frame.late:
            self.assembly.fill(call, node_parts(call), frame.start)
        return call

    def node_closed(self, frame: Frame) -> Any:
        node, parts, fields = frame.item, frame.parts, frame.fields
        positional = len(parts) - len(fields)
        if node is None:
            node = Call(self._function(frame), ())
            self._called.append((node, frame.start))
        if positional > 1:
            self._take(frame, node, parts[1:positional])
        elif type(node) is Call:
            raise SourceError(f"expected {_COPYREG}", frame.start)
        if fields:
            if node.state is not None:
                raise SourceError("fields, and a state besides", frame.start)
            node.state = self._state(frame, fields, parts[positional:])
        if frame.late:
            self.assembly.fill(node, node_parts(node), frame.start)
        return node

    def record(self, frame: Frame) -> Any:
        if len(frame.fields) != len(frame.parts):
            raise SourceError(f"expected {frame.form.name}(field=value, ...)", frame.start)
        return Record(frame.form.name, self._state(frame, frame.fields, frame.parts), frame.start)

    # Their parts.

    def _only(self, frame: Frame, expected: str) -> Any:
        if len(frame.parts) != 1:
            raise SourceError(
                f"{frame.form.name} takes {expected}, got {len(frame.parts)} values", frame.start
            )
        return frame.parts[0]

    def _function(self, frame: Frame) -> Any:
        if not frame.parts or len(frame.parts) == len(frame.fields):
            raise SourceError(f"expected {_COPYREG}", frame.start)
        return frame.parts[0]

    def _state(self, frame: Frame, fields: list[str], values: list[Any]) -> dict[str, Any]:
        state = dict(zip(fields, values, strict=True))
        if len(state) != len(fields):
            raise SourceError(f"the field {_twice(fields)!r:.80} is there twice", frame.start)
        if frame.late and self.assembly.is_waiting(values):
            interleaved = [part for pair in state.items() for part in pair]
            state = {}
            self.assembly.fill(state, interleaved, frame.start)
        return state

    def _take(self, frame: Frame, node: Node, parts: list[Any]) -> None:
        given: set[str] = set()
        for number, part in enumerate(parts):
            name = part.form if type(part) is Inner else "State"
            if part is None:
                raise SourceError("a state cannot be None; leave it out", frame.start)
            if name in given:
                raise SourceError(
                    f"{'a state' if name == 'State' else name} is there twice", frame.start
                )
            given.add(name)
            if type(node) is Call and (name == "(") != (number == 0):
                raise SourceError(f"expected {_COPYREG}", frame.start)
            _give(node, name, part)
            if name == "Setter":
                self._called.append((node, frame.start))


def _give(node: Node, name: str, part: Any) -> None:
    if name == "State":
        node.state = part
    elif name in ("Arguments", "("):
        node.arguments = tuple(part.parts)
    elif name == "Members":
        node.members = part.parts
    elif name == "Items":
        node.pairs = list(zip(part.parts[::2], part.parts[1::2], strict=True))
    elif name == "Setter":
        node.setter = part.parts[0]
    else:
        cast("Instance", node).keywords = (
            dict(zip(part.parts[::2], part.parts[1::2], strict=True)) or None
        )


def _twice(fields: list[str]) -> str:
    met: set[str] = set()
    return next(field for field in fields if field in met or met.add(field))  # type: ignore[func-returns-value]


_COPYREG: Final = "Copyreg('module.function', (argument, ...), ...)"
_WORD_NAMES: Final = {word: name for name, word in WORDS.items()}
