"""The quick way to read what the writer wrote, where nobody has laid it out anew.

The writer puts one tag on a line, and most lines are there many times, or look all the same but for
their last attribute. So a line is looked up whole, or up to that attribute, which takes a fraction
of what expat takes for an element. The first line that the writer would not have written, or that is
wrong, ends it: then expat reads the file from its beginning, and all errors come from there.
"""

import re
from collections.abc import Callable, Iterator
from functools import partial
from itertools import chain
from typing import Any, Final

import attrs

from ..graph import instance_of
from .xmlevents import INTERNED, LONGEST_TOKEN, Document, Reader, bool_of
from .xmlframes import FREE, KEYED, STRICT, Frame, WrongError
from .xmlheading import check_number
from .xmltext import float_of, is_plain

_DECLARATION: Final = '<?xml version="1.0" encoding="UTF-8"?>'
_PASSPORT_LINE: Final = 3
_PIECE: Final = 1 << 18
_MOST_KNOWN: Final = 1 << 13
_DEEP: Final = 100
_ATTRIBUTES: Final = '((?: [a-z]+="[^"]*")*)'
_TEXT: Final = re.compile(f" *<(string|bytes|bytearray){_ATTRIBUTES}>")
_BARE: Final = re.compile(" *<(/?)([a-z_]+)(/?>)")
_HEAD: Final = re.compile(f" *<([a-z]+){_ATTRIBUTES} ([a-z]+)")
_ENTITY: Final = re.compile("&([^;]*);?")
_ENTITIES: Final = {
    "amp": "&", "lt": "<", "gt": ">", "quot": '"', "#9": "\t", "#10": "\n", "#13": "\r"
}  # fmt: skip

# How an element begins that may have others inside: what it is then, and the mode of its frame.
_Begin = tuple[Callable[[], Any], int]
_BEGINS: Final[dict[str, _Begin]] = {
    "dictionary": (dict, KEYED),
    "list": (list, FREE),
    "tuple": (lambda: None, FREE),
}
# What a line is: a text as a key, in place of its name; an end; one with a reference number last.
_TEXT_KEY, _END, _NUMBERED, _OTHER = range(4)
# Or, by all that stands before its value, one of the commonest.
_VALUE, _KEY, _REFERENCE = range(4, 7)
_COMMON: Final = {
    "<string value": _VALUE, "<int value": _VALUE, "<bool value": _VALUE, "<float value": _VALUE,
    '<string role="key" value': _KEY, '<int role="key" value': _KEY,
    "<reference key": _REFERENCE,
}  # fmt: skip
_READ: Final[dict[str, Callable[[str], Any]]] = {"bool": bool_of, "float": float_of}


class StrangeError(ValueError):
    """The writer would not have written this."""


def read(data: bytes) -> Document | None:
    """Read a whole file; None if expat has to."""
    try:
        document = _LineReader().document(data)
    except (WrongError, ValueError, LookupError, MemoryError, RecursionError):
        return None
    return attrs.evolve(document, line=_PASSPORT_LINE)


class _LineReader(Reader):
    """Reads one file, once, without its parser."""

    def __init__(self) -> None:
        super().__init__()
        self._opened: list[str] = []
        # What the line is, its name, attributes and end, and how it begins.
        self._wholes: dict[str, tuple[int, str, list[str], str, _Begin | None]] = {}
        # The same, up to the value of the last attribute.
        self._heads: dict[str, tuple[int, str, list[str], _Begin | None]] = {}

    def elements(self, data: bytes) -> None:
        """Read all elements, and leave what comes of them in the innermost frame."""
        if b"\r" in data:
            raise StrangeError
        lines = chain.from_iterable(_pieces(data))
        if next(lines, None) != _DECLARATION:
            raise StrangeError
        wholes, heads, opened, stack = self._wholes, self._heads, self._opened, self.stack
        numbered, intern = self.known, self._strings.setdefault
        frame = self.frame
        for line in lines:
            whole = wholes.get(line)
            if whole is not None:
                what, name, given, end, begin = whole
                if what == _TEXT_KEY:
                    if frame.mode != KEYED or len(frame.parts) & 1:
                        raise StrangeError
                    frame.parts.append(name)
                    continue
                if what == _END:
                    if opened.pop() != name:
                        raise StrangeError
                    self.close(1)
                    frame = self.frame
                    continue
                value = ""
            else:
                head, _, rest = line.rpartition('="')
                known = heads.get(head)
                if known is None and '"' not in rest and '="' in head:
                    # The value itself ends with an equals sign, as what is in base64 may.
                    head, _, value = head.rpartition('="')
                    rest = f'{value}="{rest}'
                    known = heads.get(head)
                if known is None:
                    if self._take(line, lines):
                        frame = self.frame
                        continue
                    known = self._learn(head)
                what, name, names, begin = known
                value, _, end = rest.partition('"')
                if not value.isprintable() or "&" in value or "<" in value:
                    value = _read(value)
                parts = frame.parts
                if (
                    what >= _VALUE
                    and end == "/>"
                    and frame.mode != STRICT
                    and (what == _KEY) is (frame.mode == KEYED and not len(parts) & 1)
                ):
                    if what == _REFERENCE:
                        item = numbered.get(value)
                        if item is not None and frame.name != "tuple":
                            parts.append(item)
                            continue
                    elif name == "string":
                        if len(value) <= INTERNED:
                            value = intern(value, value)
                        parts.append(value)
                        if what == _KEY:
                            wholes[line] = _TEXT_KEY, value, [], end, None
                        continue
                    elif name != "int":
                        parts.append(_READ[name](value))
                        continue
                    elif len(value) < 19 and value.isdigit() and value.isascii():
                        parts.append(int(value))
                        continue
                given = [*names, value]
            if (
                begin is None
                or len(stack) > _DEEP
                or (frame.mode == KEYED and not len(frame.parts) & 1)
                or (frame.mode == STRICT and (frame.name != "instance" or frame.parts))
            ):
                self._begin(name, given, end)
                frame = self.frame
                continue
            make, mode = begin
            item = make()
            inside = Frame(name, item, mode, 0)
            if what == _NUMBERED:
                check_number(value)
                inside.number = value
                if item is not None:
                    self._define(value, item, 0)
            if end == ">":
                opened.append(name)
                stack.append(frame)
                frame = self.frame = inside
            elif end == "/>" and item is not None:
                frame.parts.append(item)
            else:
                raise StrangeError
        if self.stack:
            raise StrangeError

    def _take(self, line: str, lines: Iterator[str]) -> bool:
        """Take an element without attributes, or with text inside; return whether it is one."""
        if len(self._wholes) + len(self._heads) > _MOST_KNOWN:
            self._wholes.clear()
            self._heads.clear()
        text = _TEXT.match(line)
        if text is not None:
            name, given = text.groups()
            self._take_text(name, _attributes(given), line[text.end() :], lines)
            return True
        bare = _BARE.fullmatch(line)
        if bare is None:
            return False
        slash, name, end = bare.groups()
        if not slash:
            begin = None if name == "tuple" and end == "/>" else _BEGINS.get(name)
            self._wholes[line] = _OTHER, name, [], end, begin
            self._begin(name, [], end)
        elif end == ">" and self._opened.pop() == name:
            self._wholes[line] = _END, name, [], end, None
            self.close(1)
        else:
            raise StrangeError
        return True

    def _take_text(
        self, name: str, attributes: list[str], first: str, lines: Iterator[str]
    ) -> None:
        self.start(name, attributes)
        if not self._in_text:
            raise StrangeError
        end = f"</{name}>"
        found = [first]
        while not found[-1].endswith(end):
            line = next(lines, None)
            if line is None:
                raise StrangeError
            found.append(line)
        found[-1] = found[-1].removesuffix(end)
        if name == "string":
            text = _read("\n".join(found), is_content=True)
        else:
            text = "".join(found)
            if not text.isascii() or not text.isprintable():
                raise StrangeError
        self._text.append(text)
        self._end_text(name)

    def _learn(self, head: str) -> tuple[int, str, list[str], _Begin | None]:
        """What the line is that begins with `head`."""
        match = _HEAD.fullmatch(head)
        if match is None:
            raise StrangeError
        name, given, last = match.groups()
        names = [*_attributes(given), last]
        if len(set(names[::2])) * 2 <= len(names):
            raise StrangeError
        what = _COMMON.get(head.lstrip(" "), _OTHER)
        begin: _Begin | None = None
        if name in _BEGINS and names == ["reference"]:
            what, begin = _NUMBERED, _BEGINS[name]
        elif name == "instance" and names[::2] == ["class", "reference"]:
            what, begin = _NUMBERED, (partial(instance_of, self.global_of(names[1])), STRICT)
        known = self._heads[head] = what, name, names, begin
        return known

    def _begin(self, name: str, attributes: list[str], end: str) -> None:
        """Begin an element that is seldom, or has to be looked at."""
        if end == ">":
            self._opened.append(name)
        elif end != "/>":
            raise StrangeError
        self.start(name, attributes)
        if self._in_text:
            raise StrangeError
        if self._ended:
            # It is a value with nothing inside, of which no end will come.
            self._ended = 0
            if end == ">":
                raise StrangeError
        elif end == "/>":
            self.close(1)


def _pieces(data: bytes) -> Iterator[list[str]]:
    """The lines of `data`, many at a time."""
    start = 0
    while start < len(data):
        end = data.find(b"\n", start + _PIECE)
        if end < 0:
            end = len(data) - 1
            if data[end:] != b"\n":
                raise StrangeError
        if end - start > LONGEST_TOKEN:
            raise StrangeError
        yield data[start:end].decode().split("\n")
        start = end + 1


def _attributes(given: str) -> list[str]:
    """Names and values in turn; each attribute has a blank before it."""
    pieces = given.split('"')
    found: list[str] = []
    for name, value in zip(pieces[:-1:2], pieces[1::2], strict=True):
        found += name[1:-1], _read(value)
    return found


def _read(text: str, *, is_content: bool = False) -> str:
    """What `text`, an attribute's value or an element's content, stands for."""
    if "<" in text or not is_plain(text) or (">" in text if is_content else "\t" in text):
        raise StrangeError
    return _ENTITY.sub(lambda entity: _ENTITIES[entity[1]], text) if "&" in text else text
