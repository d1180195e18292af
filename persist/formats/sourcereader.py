"""The source syntax (see `source`) back to a graph, in one pass and without recursion.

The reader goes from token to token and keeps a `Frame` for each bracket that is open. Objects are
made when their brackets open, where they can be, so that most references find them; `Assembly` puts
the others in their places when the text has ended.
"""

import re
from array import array
from bisect import bisect_right
from contextlib import suppress
from typing import Any, Final

from ..assembly import AssemblyError, Later
from ..graph import Graph, GraphError, is_shared
from . import sourcehints
from . import sourcetokens as tokens
from .format import FormatError
from .sourcebuilder import Builder, Form, Frame, Inner, Record, SourceError
from .sourceforms import (
    ARGUMENTS,
    BRACES,
    DICT,
    HOLDERS,
    INNER_BRACES,
    INNER_DICT,
    LIST,
    PAREN,
    REF,
    TOP,
    WORD_FORMS,
)
from .sourceplace import place_of
from .sourcetokens import CLOSE, CONSTANT, DEREF, END, INT, NODE, NUMBER, OPEN, PLAIN, STRING, WORD

_DEEPEST: Final = 1000
_LONG: Final = 100
_INTERNED: Final = 100_000
_CONSTANTS: Final = {b"None": None, b"True": True, b"False": False}
_HEADS: Final = {b"passport": b"Passport", b"signature": b"Signature"}
_LATES: Final = (Later, Inner)
_UNMARKED: Final = (Later, Inner, Record)
_MARK: Final = b"\xef\xbb\xbf"
_EXAMPLES: Final = "a value such as 1, 'text', [1, 2] or Instance('visits.Counter', value=1)"
_ENDED: Final = -1


class Reader:
    """Reads one file, once: `data` is all of it, in UTF-8."""

    def __init__(
        self,
        data: bytes,
        lines: dict[int, int] | None = None,
        builder: Builder | None = None,
    ) -> None:
        self._data = data
        self._lines = lines
        self._newlines: array[int] | None = None
        self._builder = builder or Builder()
        self._stack: list[Frame] = []
        self._frame = Frame(TOP, [], None, 0)
        self._texts: dict[bytes, str] = {}
        self._nodes: dict[bytes, tuple[Form, Any]] = {}

    def read(self) -> tuple[dict[str, Record], Graph]:
        """The records of the head by their names, and the graph. Raises FormatError.

        In the dict of lines that the reader was given is then, by the id of each object that has
        brackets of its own, the number of the line where it begins.
        """
        try:
            return self._read()
        except SourceError as problem:
            raise self._error(problem.reason, problem.place) from problem
        except AssemblyError as error:
            raise self._error(error.reason, error.where) from error
        except GraphError as error:
            raise FormatError(str(error)) from error

    def _read(self) -> tuple[dict[str, Record], Graph]:
        place = len(_MARK) if self._data.startswith(_MARK) else 0
        while place >= 0:
            place = self._run(place)
        top = self._frame
        found = dict(zip(top.fields, top.parts, strict=True))
        found.pop(None, None)
        if "application" not in found:
            raise SourceError("expected a statement application = ...", len(self._data))
        root = self._builder.finish(found.pop("application"))
        return found, Graph(root, self._builder.names)

    def _run(self, begin: int) -> int:
        """Read from `begin` to the end, which is -1, or to where literals that belong together end."""
        stack, builder, texts = self._stack, self._builder, self._texts
        refer, field, lines = builder.assembly.refer, builder.field, self._lines
        frame = self._frame
        form, parts, fields = frame.form, frame.parts, frame.fields
        keyed = form.keyed
        wanted: bytes | None = b":" if keyed and len(parts) & 1 else form.after
        value: Any
        for match in tokens.TOKEN.finditer(self._data, begin):
            kind: int = match.lastindex  # type: ignore[assignment]
            before, name, token = match.group(1, 2, kind)
            if kind == CLOSE:
                if before is not None or name is not None or token != form.closer or keyed:
                    self._check_closing(match)
                value = form.make(builder, frame)
                if lines is not None and form.name != "Deref" and type(value) not in _UNMARKED:
                    self._mark(value, frame.start)
                late = frame.late
                frame = self._frame = stack.pop()
                form, parts, fields = frame.form, frame.parts, frame.fields
                keyed = form.keyed
                if late and type(value) in _LATES:
                    frame.late = True
                parts.append(value)
                wanted = b":" if keyed and len(parts) & 1 else form.after
                continue
            if before != wanted:
                place = self._separated(match)
                if place is not None:
                    return place
                form = frame.form
                keyed = form.keyed
            if form is not TOP:
                if name is not None:
                    if not form.named:
                        raise SourceError(f"{form.name} has no fields", match.start(2))
                    fields.append(field(name, match.start(2)))
                elif fields:
                    raise SourceError("expected field=value after a field", match.start(kind))
            if kind == PLAIN:
                value = texts.get(token)
                if value is None:
                    value = token[1:-1].decode()
                    if len(value) <= _LONG and len(texts) < _INTERNED:
                        texts[token] = value
            elif kind == INT:
                value = int(token) if len(token) < _LONG else self._literal(match)
            elif kind == DEREF:
                value = refer(int(token), match.start(kind))
                if type(value) is Later:
                    frame.late = True
            elif kind == CONSTANT:
                value = _CONSTANTS[token]
            elif kind in (NUMBER, STRING):
                value = self._literal(match)
            else:
                frame = self._opened(match)
                form, parts, fields = frame.form, frame.parts, frame.fields
                keyed = False
                wanted = form.after if kind == NODE else None
                continue
            parts.append(value)
            wanted = b":" if keyed and len(parts) & 1 else form.after
        raise SourceError("the file ends too early", len(self._data))

    def _separated(self, match: re.Match[bytes]) -> int | None:
        """See to what is not separated as it should be; None if that was right all the same."""
        frame, kind, before = self._frame, match.lastindex, match[1]
        if frame.form is TOP:
            return self._statement(match)
        if before == b":" and len(frame.parts) == 1 and frame.form in (BRACES, INNER_BRACES):
            frame.form = DICT if frame.form is BRACES else INNER_DICT
            frame.item = dict[Any, Any]()
            if frame.form is DICT:
                self._define(self._stack[-1], frame.item, frame.start)
            return None
        if kind == END:
            if match[2] is not None and frame.form.named:
                frame.fields.append(match[2].decode())
            raise self._truncated()
        if (
            before is None
            and match[2] is None
            and kind in (PLAIN, STRING)
            and frame.parts
            and type(frame.parts[-1]) in (str, bytes)
            and self._data[match.start() - 1] in b"'\""
        ):
            return self._joined(match.start())
        got = self._shown(match, 1 if before is not None else 2 if match[2] is not None else kind)
        place = match.start(1) if before is not None else match.start(2 if match[2] else kind or 0)
        if before is not None and not frame.parts:
            raise SourceError(f"expected {_EXAMPLES}, got {got}", place)
        colon = frame.form.keyed and len(frame.parts) & 1
        closer = "" if colon else f" or {frame.form.closer.decode()!r}"
        raise SourceError(f"expected {':' if colon else ','!r}{closer}, got {got}", place)

    def _statement(self, match: re.Match[bytes]) -> int | None:
        """Begin a statement: ``name = ...`` or ``Ref(...)``, on a line of its own."""
        frame, kind, name = self._frame, match.lastindex, match[2]
        place = match.start(2 if name is not None else kind or 0)
        if match[1] is not None:
            raise SourceError(f"expected a statement, got {match[1].decode()!r}", match.start(1))
        if kind == END:
            if name is not None:
                frame.fields.append(name.decode())
                raise self._truncated()
            return _ENDED
        begun = self._data[match.start() : place]
        if frame.parts and b"\n" not in begun and b"\r" not in begun:
            raise SourceError(f"expected the end of the line, got {self._shown(match)}", place)
        if name is None:
            if kind != tokens.REF:
                raise SourceError(
                    "expected one of application = ..., passport = ..., signature = ... and"
                    f" Ref(number, object), got {self._shown(match)}",
                    place,
                )
            frame.fields.append(None)
            return None
        text = name.decode()
        word = match[WORD] if kind == WORD else None
        if name in _HEADS and word != _HEADS[name]:
            raise SourceError(
                f"expected {text} = {_HEADS[name].decode()}(...)", match.start(kind or 0)
            )
        if name not in _HEADS and (name != b"application" or word in _HEADS.values()):
            raise SourceError(f"expected application = ..., got {text!r:.80}", place)
        if text in frame.fields:
            raise SourceError(f"{text} is there twice", place)
        frame.fields.append(text)
        return None

    def _joined(self, place: int) -> int:
        """Join to the last part the literals that follow from `place`; where they end."""
        parts = self._frame.parts
        pieces = [parts[-1]]
        while match := tokens.LITERAL.match(self._data, place):
            piece = self._string(match[1], match.start(1))
            if type(piece) is not type(pieces[0]):
                raise SourceError("text and bytes cannot be joined", match.start(1))
            pieces.append(piece)
            place = match.end()
        parts[-1] = type(pieces[0])().join(pieces)
        return place

    def _literal(self, match: re.Match[bytes]) -> Any:
        kind = match.lastindex or 0
        if kind == STRING:
            return self._string(match[kind], match.start(kind))
        try:
            return tokens.number(match[kind])
        except ValueError as error:
            raise SourceError(str(error), match.start(kind)) from error

    def _string(self, token: bytes, place: int) -> str | bytes:
        try:
            return tokens.string(token)
        except tokens.TokenError as error:
            raise SourceError(str(error), place) from error

    def _opened(self, match: re.Match[bytes]) -> Frame:
        """The frame of the bracket that opens in `match`."""
        kind, parent = match.lastindex or 0, self._frame
        token, place = match[kind], match.start(kind)
        if len(self._stack) >= _DEEPEST:
            raise SourceError(
                f"brackets are nested more than {_DEEPEST:,} deep; put what is inside on the top"
                " level, as Ref(number, object), and Deref(number) here",
                place,
            )
        if kind == NODE:
            form, named = self._nodes.get(token) or self._node(token, place)
            item: Any = self._builder.node(named, form.name)
            self._define(parent, item, place)
            frame = Frame(form, [named], item, place)
        elif kind == OPEN and token == b"[":
            item = []
            self._define(parent, item, place)
            frame = Frame(LIST, item, item, place)
        elif kind == OPEN and token == b"{":
            is_inner = parent.form.name in HOLDERS and not parent.fields
            frame = Frame(INNER_BRACES if is_inner else BRACES, [], None, place)
        elif kind == OPEN:
            is_inner = (
                parent.form.name == "Copyreg" and len(parent.parts) == 1 and not parent.fields
            )
            frame = Frame(ARGUMENTS if is_inner else PAREN, [], None, place)
        elif kind == tokens.REF:
            frame = Frame(REF, [], int(token), place)
        else:
            frame = Frame(self._word(match), [], None, place)
        self._stack.append(parent)
        self._frame = frame
        return frame

    def _node(self, token: bytes, place: int) -> tuple[Form, Any]:
        bracket = token.index(b"(")
        literal = tokens.LITERAL.match(token, bracket + 1)
        assert literal is not None
        named = self._builder.found(self._string(literal[1], place), place)
        found = WORD_FORMS[token[:bracket].strip().decode()], named
        self._nodes[token] = found
        return found

    def _word(self, match: re.Match[bytes]) -> Form:
        kind = match.lastindex or 0
        place = match.start(kind)
        if kind == END:
            raise self._truncated()
        if kind != WORD:
            what = self._shown(match)
            if match[kind] in (b"'", b'"'):
                what = "a text that does not end on its line"
            elif kind == tokens.NAME:
                word = match[kind].decode()
                raise SourceError(
                    sourcehints.bare(word, self._data[match.end() : match.end() + 1]), place
                )
            raise SourceError(f"expected {_EXAMPLES}, got {what}", place)
        form = WORD_FORMS.get(match[kind].decode())
        if form is None:
            raise SourceError(sourcehints.unknown(match[kind].decode(), WORD_FORMS), place)
        if form.name == "Instance":
            raise SourceError(
                "expected the name of a class in quotes first: Instance('...')", place
            )
        parent = self._frame
        is_field = parent.form is not TOP and bool(parent.fields)
        if form.within and (is_field or parent.form.name not in form.within):
            raise SourceError(f"{form.name} belongs inside of {' or '.join(form.within)}", place)
        return form

    def _define(self, parent: Frame, item: Any, place: int) -> None:
        if parent.form is REF and not parent.parts:
            self._builder.assembly.define(parent.item, item, place)
            parent.is_defined = True

    def _check_closing(self, match: re.Match[bytes]) -> None:
        frame, before = self._frame, match[1]
        place = match.start(CLOSE)
        if frame.form is TOP:
            raise SourceError(f"{match[CLOSE].decode()!r} closes no bracket", place)
        if match[CLOSE] != frame.form.closer:
            line = self._data.count(b"\n", 0, frame.start) + 1
            raise SourceError(
                f"expected {frame.form.closer.decode()!r} for what begins in line {line},"
                f" got {match[CLOSE].decode()!r}",
                place,
            )
        if match[2] is not None or before == b":" or (before is not None and not frame.parts):
            raise SourceError(f"expected {_EXAMPLES}, got {match[CLOSE].decode()!r}", place)
        if frame.form.keyed and len(frame.parts) & 1:
            raise SourceError(
                "expected ':' and a value for this key", match.start(1) if before else place
            )
        frame.comma = before is not None

    # For messages.

    def _truncated(self) -> SourceError:
        line = self._data.count(b"\n", 0, self._frame.start) + 1
        closer = self._frame.form.closer.decode()
        ends = f"; {closer!r} is missing for what begins in line {line}" if closer else ""
        return SourceError(f"the file ends too early{ends}", len(self._data))

    def _shown(self, match: re.Match[bytes], group: int | None = None) -> str:
        group = group or match.lastindex or 0
        return tokens.shown(match[group]) if group != END else "the end of the file"

    def _mark(self, value: Any, start: int) -> None:
        if self._lines is not None and is_shared(value):
            if self._newlines is None:
                self._newlines = array(
                    "Q", (each.start() for each in re.finditer(b"\n", self._data))
                )
            self._lines[id(value)] = bisect_right(self._newlines, start) + 1

    def _error(self, reason: str, place: int) -> FormatError:
        line = self._data.count(b"\n", 0, place) + 1
        begin = self._data.rfind(b"\n", 0, place) + 1
        column = len(self._data[begin:place].decode("utf-8-sig", "replace")) + 1
        # What is before the place is read again, up to the brackets that are open there.
        before = Reader(self._data[:place])
        with suppress(SourceError, AssemblyError, GraphError):
            before._read()
        return FormatError(reason, line, column, None, place_of([*before._stack, before._frame]))
