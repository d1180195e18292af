"""All that is wrong with a snapshot in XML: what the reader finds first, and what the schema finds.

The reader stops at the first mistake and says where it is and what was expected. The schema, RELAX NG by
lxml, goes on to the others; each of them is given to the reader again, alone, for its words.

A large document is never in memory whole: a container of some size is checked when it ends, and
emptied. What is left is the longest list there is, at about half a kilobyte a member.
"""

import contextlib
import functools
import re
from collections.abc import Iterator
from importlib import resources
from io import BytesIO
from itertools import islice
from pyexpat import ExpatError, ParserCreate
from typing import Any, Final

from lxml import etree

from . import xmlreader
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
_START: Final = re.compile(r"<start>.*?</start>", re.DOTALL)
_ANY_VALUE: Final = '<start><choice><ref name="value"/><ref name="key"/></choice></start>'


def check(data: bytes) -> list[FormatError]:
    """What is wrong with `data`, the first hundred mistakes at most; nothing if it is valid.

    Nothing is fetched, and no entity is expanded.
    """
    found: list[FormatError] = []
    try:
        xmlreader.read(data)
    except FormatError as error:
        found.append(error)
    if not _has_doctype(data):
        told = {each for error in found for each in (error.line, error.reason)}
        others = (error for error in _breaches(data) if (error.line or error.reason) not in told)
        found += islice(others, _MOST - len(found))
    return found


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


def _breaches(data: bytes) -> Iterator[FormatError]:
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


def _breaches_of_document(root: Any) -> Iterator[FormatError]:
    whole, _ = schemas()
    if whole.validate(root):
        return
    for child in root:
        if child.tag in ATTRIBUTES:
            yield from _breaches_in(child)
    if not whole.validate(root):
        last = whole.error_log[0]
        yield FormatError(f"the schema does not allow this: {last.message}", last.line)


def _breaches_in(element: Any) -> Iterator[FormatError]:
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
                yield FormatError(_explained(top), _line(top))
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
