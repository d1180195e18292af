"""The events of expat, as elements and texts that begin and end in a `Builder`.

Expat calls one method here for each element that begins. Those that end are only noted, by the
`append` of a list, and looked at when the next one begins: that halves the calls of Python, which are
what reading costs.
"""

from collections.abc import Callable
from pyexpat import ExpatError, ParserCreate
from typing import Any, Final

import attrs

from ..graph import Graph
from ..mandate import Signature
from .format import FormatError
from .xmlbuilder import Builder
from .xmlframes import FREE, KEYED, STRICT, WrongError
from .xmlheading import ATTRIBUTES, check_attributes, check_number, start_part, unknown
from .xmlplace import place_of
from .xmltext import ValueTextError, bytes_of, float_of, int_of, short_bytes_of, unescaped

_PIECE: Final = 1 << 18
LONGEST_TOKEN: Final = 1 << 24
INTERNED: Final = 100
_BLANK: Final = " \t\r\n"
_QUICK: Final = {"string": "value", "int": "value", "reference": "key"}
_TEXTS: Final = frozenset({"string", "bytes", "bytearray"})
_BARE: Final[dict[str, Callable[[], Any]]] = {
    "list": list,
    "dictionary": dict,
    "tuple": lambda: None,
}


@attrs.frozen(eq=False)
class Document:
    """What a file holds: the fields of its passport, on which line that begins, the signature or
    None, and the graph.
    """

    fields: dict[str, Any]
    line: int
    signature: Signature | None
    graph: Graph


class Reader(Builder):
    """Reads one file, once."""

    def __init__(self, lines: dict[int, int] | None = None) -> None:
        parser = ParserCreate()
        super().__init__(parser, lines)
        self._bare = {} if lines is not None else _BARE
        self._ends: list[str] = []
        self._ended = 0  # how many of these have been seen to, or will belong to a value begun
        self._strings: dict[str, str] = {}
        self._runs: set[str] = set()
        self._text: list[str] = []
        self._text_of: tuple[str, dict[str, str], str | None, int] = ("", {}, None, 0)
        self._in_text = False
        # Where the element begins that raised an error: expat goes on to its end.
        self._stopped: tuple[int, int] | None = None
        parser.ordered_attributes = True
        parser.buffer_text = True
        parser.StartDoctypeDeclHandler = self._refuse_doctype
        self._handle_elements()

    def document(self, data: bytes) -> Document:
        """Read all of `data`. Raises also what `Builder` and expat do."""
        self.elements(data)
        (snapshot,) = self.frame.parts
        extra, parts = snapshot.extra, snapshot.parts
        if not parts:
            missing = "the application, one object" if "passport" in extra else "<passport>"
            raise WrongError(f"expected {missing}; got the end of <snapshot>", snapshot.where)
        graph = Graph(self.assembly.finish(parts[0]), self.assembly.names)
        fields = {"format": extra["format"], **extra["passport"]}
        return Document(fields, extra["line"], extra.get("signature"), graph)

    def elements(self, data: bytes) -> None:
        """Read all elements, and leave what comes of them in the innermost frame."""
        parser = self.parser
        view = memoryview(data)
        for start in range(0, len(data), _PIECE):
            self._parse(view[start : start + _PIECE], False)
            self._check_runs(data)
            self._forget_ends()
            if start - parser.CurrentByteIndex > LONGEST_TOKEN:
                raise WrongError(
                    "a tag or comment of more than 16 million bytes; a long text stands between"
                    " <string> and </string>"
                )
        self._parse(b"", True)
        self._check_runs(data)
        self._end_elements("")

    def _parse(self, piece: bytes | memoryview, is_last: bool) -> None:
        try:
            self.parser.Parse(piece, is_last)
        except ExpatError:
            if len(self._ends) > self._ended:
                self._end_elements("")
            raise

    def error(self, reason: str) -> FormatError:
        """An error where the reader is, or was when it stopped."""
        line, column = self._stopped or self._position()
        return FormatError(reason, line, column, place=place_of([*self.stack, self.frame]))

    def _position(self) -> tuple[int, int]:
        return self.parser.CurrentLineNumber, self.parser.CurrentColumnNumber + 1

    def malformed(self, error: ExpatError) -> FormatError:
        """The error that expat found, in our words."""
        reason, _, _ = str(error).partition(": line ")
        if reason in ("no element found", "unclosed token", "unclosed CDATA section"):
            name = self._text_of[0] if self._in_text else self.frame.shown
            reason = "the text ends too early" + (f", before </{name}>" if name else "")
        elif reason == "mismatched tag":
            reason = "this is the end of another element than the one that is open"
        elif reason == "undefined entity":
            reason = "there are no entities but &amp; &lt; &gt; &quot; &apos;"
        else:
            reason = f"this is no well-formed XML: {reason}"
        found = self.error(reason)
        found.line, found.column = error.lineno, error.offset + 1
        return found

    # Text

    def _handle_elements(self) -> None:
        parser = self.parser
        parser.StartElementHandler = self.start
        parser.EndElementHandler = self._ends.append
        parser.CharacterDataHandler = self._runs.add

    def _begin_text(self, name: str, given: dict[str, str], number: str | None) -> None:
        self._text_of = name, given, number, self.parser.CurrentByteIndex
        self._in_text = True
        parser = self.parser
        parser.StartElementHandler = self._refuse_element
        parser.EndElementHandler = self._end_text
        parser.CharacterDataHandler = self._text.append

    def _end_text(self, _name: str) -> None:
        name, given, number, where = self._text_of
        text = "".join(self._text)
        self._text.clear()
        self._in_text = False
        self._handle_elements()
        try:
            if name == "string":
                self.put(self._string(text, given), number, where)
            else:
                content = bytes_of(text)
                self.put(content if name == "bytes" else bytearray(content), number, where)
        except Exception:
            self._stopped = self._position()
            raise

    def _string(self, text: str, given: dict[str, str]) -> str:
        encoding = given.get("encoding")
        if encoding is not None:
            if encoding != "escaped":
                raise ValueTextError(
                    f'an encoding is "escaped" or is not there, got {encoding!r:.80}'
                )
            text = unescaped(text)
        return self._strings.setdefault(text, text) if len(text) <= INTERNED else text

    def _check_runs(self, data: bytes) -> None:
        if any(run.strip(_BLANK) for run in self._runs):
            finder = _TextFinder()
            try:
                finder.document(data)
            except WrongError as error:
                if error.where is None:
                    raise finder.error(error.reason) from error
                raise
        self._runs.clear()

    def _refuse_doctype(self, *_declaration: object) -> None:
        self._stopped = self._position()
        raise WrongError("a snapshot has no DOCTYPE and no entities; take <!DOCTYPE ...> out")

    def _refuse_element(self, name: str, _attributes: list[str]) -> None:
        self._stopped = self._position()
        raise WrongError(
            f"only text may stand in <{self._text_of[0]}>, got <{name}>; write &lt; for <"
        )

    # Elements

    def start(self, name: str, attributes: list[str]) -> None:
        """Begin an element; the commonest values are taken here at once."""
        try:
            if len(self._ends) != self._ended:
                self._end_elements(name)
            frame = self.frame
            mode = frame.mode
            parts = frame.parts
            count = len(attributes)
            if count == 2:
                is_key = False
                attribute, value = attributes
            elif count == 4 and attributes[0] == "role" and attributes[1] == "key":
                is_key = True
                _, _, attribute, value = attributes
            elif (
                count == 0
                and (make := self._bare.get(name)) is not None
                and (
                    len(parts) & 1
                    if mode == KEYED
                    else mode == FREE or (frame.name == "instance" and not parts)
                )
            ):
                self.push(name, make(), KEYED if name == "dictionary" else FREE)
                return
            else:
                self._start_other(name, attributes)
                return
            if _QUICK.get(name) != attribute:
                self._start_other(name, attributes)
                return
            if is_key is not (mode == KEYED and not len(parts) & 1):
                frame.check_role(name, is_key)
            if mode == STRICT:
                frame.check(name, None)
            self._ended += 1
            if name == "string":
                if len(value) <= INTERNED:
                    value = self._strings.setdefault(value, value)
                parts.append(value)
            elif name == "int":
                if len(value) < 19 and value.isdigit() and value.isascii():
                    parts.append(int(value))
                else:
                    parts.append(int_of(value))
                    frame.waiting = frame.waiting or is_key
            else:
                found = self.known.get(value)
                if found is None:
                    found = self.refer(value)
                parts.append(found)
                if is_key or frame.name == "tuple":
                    frame.waiting = True
        except Exception:
            self._stopped = self._position()
            raise

    def _forget_ends(self) -> None:
        seen = min(self._ended, len(self._ends))
        del self._ends[:seen]
        self._ended -= seen

    def _end_elements(self, name: str) -> None:
        count = len(self._ends) - self._ended
        if count < 0:
            self._ended -= 1
            raise WrongError(
                f"<{name}> stands in an element that has no inside; is a / missing before its >?"
            )
        self._ended += count
        self.close(count)

    def _start_other(self, name: str, attributes: list[str]) -> None:
        frame = self.frame
        if frame.mode == STRICT and start_part(self, name, attributes):
            return
        allowed = ATTRIBUTES.get(name)
        if allowed is None:
            raise WrongError(unknown(name))
        given = dict(zip(attributes[::2], attributes[1::2], strict=True))
        role, number = given.pop("role", None), given.pop("reference", None)
        is_key = role is not None
        if is_key and role != "key":
            raise WrongError(f'a role is "key" or is not there, got {role!r:.80}')
        if is_key is not (frame.mode == KEYED and not len(frame.parts) & 1):
            frame.check_role(name, is_key)
        if frame.mode == STRICT:
            frame.check(name, number)
        if is_key:
            frame.waiting = True
        if tuple(given) != allowed:
            check_attributes(name, given, allowed)
        if number is not None:
            check_number(number)
        make = _LEAVES.get(name)
        if make is None:
            self.open(name, given, number, is_key)
        elif name in _TEXTS and "value" not in given:
            self._begin_text(name, given, number)
        else:
            self._ended += 1
            self.put(make(self, given), number, self.parser.CurrentByteIndex)

    def _refer(self, given: dict[str, str]) -> Any:
        check_number(given["key"])
        return self.refer(given["key"])

    def _global(self, given: dict[str, str]) -> Any:
        return self.global_of(given["name"])

    def _short_string(self, given: dict[str, str]) -> str:
        return self._string(given["value"], given)

    LEAVES: Final[dict[str, Callable[["Reader", dict[str, str]], Any]]] = {
        "none": lambda _reader, _given: None,
        "bool": lambda _reader, given: bool_of(given["value"]),
        "int": lambda _reader, given: int_of(given["value"]),
        "float": lambda _reader, given: float_of(given["value"]),
        "string": _short_string,
        "bytes": lambda _reader, given: short_bytes_of(given["value"]),
        "bytearray": lambda _reader, given: bytearray(short_bytes_of(given["value"])),
        "class": _global,
        "function": _global,
        "reference": _refer,
    }


_LEAVES: Final = Reader.LEAVES


def bool_of(value: str) -> bool:
    """Read true or false. Raises `ValueTextError`."""
    if value not in ("true", "false"):
        raise ValueTextError(f"expected true or false, got {value!r:.80}")
    return value == "true"


class FoundError(Exception):
    """The place that was looked for is here."""


class Finder(Reader):
    """Reads as far as the element that begins at the byte `where`."""

    def __init__(self, where: int) -> None:
        super().__init__()
        self._where = where

    def start(self, name: str, attributes: list[str]) -> None:
        if self.parser.CurrentByteIndex >= self._where:
            self._stopped = self._position()
            if len(self._ends) > self._ended:
                self._end_elements(name)
            raise FoundError
        super().start(name, attributes)


class _TextFinder(Reader):
    """Reads as far as the first text that stands where none belongs, and complains there."""

    def __init__(self) -> None:
        super().__init__()
        self.parser.buffer_text = False

    def _handle_elements(self) -> None:
        super()._handle_elements()
        self.parser.CharacterDataHandler = self._check

    def _check(self, text: str) -> None:
        if text.strip(_BLANK):
            if len(self._ends) > self._ended:
                self._end_elements("")
            self._stopped = self._position()
            raise WrongError(f"no text may stand here, got {text.strip(_BLANK)!r:.80}")
