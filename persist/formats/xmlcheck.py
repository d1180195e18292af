"""All that is wrong with a snapshot in XML: what the reader finds first, and what the schema finds.

The reader stops at the first mistake and says where it is and what was expected. The schema, RELAX NG by
lxml, goes on to the others; each of them is given to the reader again, alone, for its words.

A large document is never in memory whole: a container of some size is checked when it ends, and
emptied. What is left is the longest list there is, at about half a kilobyte a member.
"""

import contextlib
import functools
import re
import sys
from collections.abc import Iterator, Sequence
from importlib import resources
from io import BytesIO
from itertools import islice
from pyexpat import ExpatError, ParserCreate
from typing import Any, Final

from lxml import etree

from . import xmlreader, xmltree
from .format import FormatError
from .xmlframes import SECTIONS
from .xmlheading import ATTRIBUTES

SCHEMA: Final = "snapshot.rng"
_MOST: Final = 100
_LARGE: Final = 8
_CONTAINERS: Final = frozenset({"list", "tuple", "set", "frozenset", "dictionary"})
_EXPLAINED: Final = 1 << 16
# libxml2 counts no lines of elements after this, but those of the text between them.
_LAST_LINE: Final = 65_535
_UNEXPLAINED: Final = "the schema does not allow this: "
_START: Final = re.compile(r"<start>.*?</start>", re.DOTALL)
_ANY_VALUE: Final = '<start><choice><ref name="value"/><ref name="key"/></choice></start>'


def check(data: bytes) -> list[FormatError]:
    """What is wrong with `data`, the first hundred mistakes at most; nothing if it is valid.

    Nothing is fetched, and no entity is expanded.
    """
    found: list[FormatError] = []
    try:
        xmltree.decode(data)
    except FormatError as error:
        found.append(error)
    if not _has_doctype(data):
        lines = _Lines(data)
        others = islice((lines.located(*breach) for breach in _breaches(data)), _MOST)
        found += _beyond(found, list(others))
    return sorted(found, key=_position)


def _beyond(found: Sequence[FormatError], others: list[FormatError]) -> list[FormatError]:
    """`others`, the breaches of the schema, without those that the reader has told in `found`."""
    for error in found:
        twins = [each for each in others if each.line == error.line] or [
            # Of a text that does not belong, the reader knows the line.
            *islice((each for each in others if each.reason == error.reason), 1)
        ]
        others = [each for each in others if each not in twins and _UNEXPLAINED not in each.reason]
    return others[: _MOST - len(found)]


def _position(error: FormatError) -> tuple[int, int]:
    # Of what comes after the last line that has a number, no line is known.
    return error.line or sys.maxsize, error.column or 0


class _Lines:
    """Where tags begin in a text. Of a tag libxml2 tells the line where it ends, and no column."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._is_ascii_like = b"\0" not in data[:4]
        self._line, self._begin = 1, 0

    def located(self, reason: str, tag: str, line: int | None) -> FormatError:
        """The error of a tag that ends in `line`; its column, if but one such tag begins there."""
        if line is None or not self._is_ascii_like:
            return FormatError(reason, line)
        begin = self._begin_of(line)
        end = self._data.find(b"\n", begin)
        tags = re.compile(rb"<%b(?=[\s/>])" % re.escape(tag.encode()))
        found = [*tags.finditer(self._data, begin, end if end >= 0 else len(self._data))]
        if len(found) > 1:
            return FormatError(reason, line)
        place = found[0].start() if found else self._data.rfind(b"<", 0, begin)
        if not found:
            if not tags.match(self._data, place):
                return FormatError(reason, line)
            line -= self._data.count(b"\n", place, begin)
        column = place - self._data.rfind(b"\n", 0, place)
        before = self._data[place - column + 1 : place]
        return FormatError(reason, line, len(before.decode("utf-8", "replace")) + 1)

    def _begin_of(self, line: int) -> int:
        if line < self._line:
            self._line, self._begin = 1, 0
        while self._line < line:
            self._begin = self._data.find(b"\n", self._begin) + 1
            self._line += 1
        return self._begin


def _has_doctype(data: bytes) -> bool:
    """Whether there is a DOCTYPE; also if it cannot be told."""

    class _FoundError(Exception):
        pass

    def find(*_event: object) -> None:
        raise _FoundError

    def pass_over(*_event: object) -> None:
        raise ExpatError

    parser = ParserCreate()
    parser.StartDoctypeDeclHandler = find
    parser.StartElementHandler = pass_over
    try:
        parser.Parse(data, True)
    except _FoundError:
        return True
    except (ExpatError, LookupError, ValueError):
        pass
    return False


@functools.cache
def _text() -> str:
    return resources.files(__package__ or "").joinpath(SCHEMA).read_text("utf-8")


@functools.cache
def schemas() -> tuple[etree.RelaxNG, etree.RelaxNG]:
    """The schema of a whole document, and that of a value alone."""
    value, count = _START.subn(_ANY_VALUE, _text())
    assert count == 1
    whole, value_alone = (etree.fromstring(text.encode()) for text in (_text(), value))
    return etree.RelaxNG(whole), etree.RelaxNG(value_alone)


# What is wrong, with which tag, and in which line that ends.
_Breach = tuple[str, str, int | None]


def _breaches(data: bytes) -> Iterator[_Breach]:
    events = etree.iterparse(
        BytesIO(data),
        events=("end",),
        huge_tree=True,
        load_dtd=False,
        no_network=True,
        resolve_entities=False,
        remove_comments=True,
        remove_pis=True,
    )
    with contextlib.suppress(etree.XMLSyntaxError):
        root: Any = None
        for _, element in events:
            root = element
            if len(element) >= _LARGE and element.tag in _CONTAINERS:
                yield from _breaches_in(element)
                del element[:]
                element.text = None
        if root is not None:
            yield from _breaches_of_document(root)


def _breaches_of_document(root: Any) -> Iterator[_Breach]:
    whole, _ = schemas()
    if whole.validate(root):
        return
    for child in root:
        if child.tag in ATTRIBUTES:
            yield from _breaches_in(child)
    for child in root:
        if child.tag == "passport" and (reason := _complaint_of_passport(child)):
            yield reason, child.tag, _line(child)
            return
    if not whole.validate(root):
        last = whole.error_log[0]
        yield f"{_UNEXPLAINED}{last.message}", root.tag, last.line


def _complaint_of_passport(passport: Any) -> str | None:
    text: bytes = etree.tostring(passport, with_tail=False)
    try:
        xmltree.decode(b"".join((b'<snapshot format="1">', text, b"<none/></snapshot>")))
    except FormatError as error:
        return error.reason
    return None


def _breaches_in(element: Any) -> Iterator[_Breach]:
    """The innermost elements that are wrong, each of which is then replaced by one that is right."""
    _, alone = schemas()
    stack = [(element, False)]
    mended: set[Any] = set()
    while stack:
        top, is_known = stack.pop()
        is_value = top.tag in ATTRIBUTES
        if is_value and alone.validate(top):
            continue
        if not is_known:
            stack.append((top, True))
            stack += [(child, False) for child in reversed(top)]
        elif is_value or top.tag not in SECTIONS:
            # What has a mistake inside is not looked at for another: it is not what it was.
            if mended.isdisjoint(top.iterdescendants()):
                yield _explained(top), top.tag, _line(top)
            _mend(top)
            mended.add(top)


def _line(element: Any) -> int | None:
    line: int = element.sourceline
    if line < _LAST_LINE:
        return line
    # It is that of the end of the next text.
    text: str | None = element.text if len(element) else element.tail
    return line - text.count("\n") if text and line > _LAST_LINE else None


def _explained(element: Any) -> str:
    text: bytes = etree.tostring(element, with_tail=False)
    reason = None
    if len(text) <= _EXPLAINED:
        if element.get("role") is not None:
            text = b"".join((b"<dictionary>", text, b"<none/></dictionary>"))
        reason = xmlreader.complaint(
            b"".join((b'<snapshot format="1"><passport/>', text, b"</snapshot>"))
        )
    return reason or f"the schema does not allow this <{element.tag}>"


def _mend(element: Any) -> None:
    role = element.get("role")
    tail = element.tail
    element.clear()
    element.tag = "none"
    element.tail = tail
    if role is not None:
        element.set("role", "key")
