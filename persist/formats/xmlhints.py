"""What somebody probably did where expat says no more than that this is no well-formed XML.

The text is looked at once more, around the place where expat stopped.
"""

import contextlib
import re
from pyexpat import ExpatError, ParserCreate
from typing import Final

import attrs

from .format import FormatError

_MALFORMED: Final = "this is no well-formed XML: "
_INVALID: Final = f"{_MALFORMED}not well-formed (invalid token)"
_MISMATCHED: Final = "this is the end of another element than the one that is open"
_LATE: Final = f"{_MALFORMED}XML or text declaration not at start of entity"
_TWICE: Final = f"{_MALFORMED}duplicate attribute"
_NUMBER: Final = f"{_MALFORMED}reference to invalid character number"
_NEAR: Final = 1000
_NAME: Final = re.compile(rb"</?([^\s<>/]{1,80})")
_ENTITY: Final = re.compile(rb"&(?!#?\w+;)")
_BARE_VALUE: Final = re.compile(rb"=\s*[^\s\"'][^<>]*$")
_CONTROL: Final = re.compile(rb"[\0-\x08\x0b\x0c\x0e-\x1f]")
_TYPOGRAPHIC: Final = re.compile("[\u2018\u2019\u201c\u201d\u201e\u00ab\u00bb]")


def hinted(data: bytes, error: FormatError) -> FormatError:
    """`error`, which reading `data` has raised, with a better reason where there is one."""
    reason = None
    if b"\0" in data[:4]:
        return error  # in UTF-16 the bytes tell nothing here
    if error.reason == _INVALID and error.line is not None:
        reason = _invalid(data, error.line)
    elif error.reason == _MISMATCHED:
        reason = _mismatched(data)
    elif error.reason == _LATE:
        reason = "<?xml ...?> must be the first of the file; take out what stands before it"
    elif error.reason == _TWICE:
        reason = "an attribute is there twice"
    elif error.reason == _NUMBER:
        reason = (
            'XML has no such character; write it in a <string encoding="escaped">, with a backslash'
        )
    return error if reason is None else attrs.evolve(error, reason=reason)


def _invalid(data: bytes, number: int) -> str | None:
    """What is wrong in line `number`, or with what began in a line before."""
    place = _stopped(data)
    line = data.rfind(b"\n", 0, place) + 1
    end = data.find(b"\n", place)
    rest = data[place : end if end >= 0 else len(data)][:_NEAR]
    before = data[max(line, place - _NEAR) : place]
    if (wrong := _wrong_byte(data, place)) is not None:
        return wrong
    if before.endswith(b"&") or _ENTITY.match(rest):
        return "a & by itself is written &amp;"
    if control := _CONTROL.match(rest):
        return (
            f"XML has no character \\x{control[0][0]:02x}; write it in"
            ' a <string encoding="escaped">, with a backslash'
        )
    if _TYPOGRAPHIC.match(rest.decode("utf-8", "replace")):
        return 'the value of an attribute stands in straight quotes: "..."'
    tag = data.rfind(b"<", 0, place)
    inside = data[tag:place][-_NEAR:]
    is_quote_open = inside.count(b'"') % 2 == 1
    begun = number - inside.count(b"\n")
    if rest.startswith(b"<") and is_quote_open:
        return (
            f'a quote is missing in the tag that begins in line {begun}: name="value"'
            " (or, if the value has a <, write &lt;)"
        )
    if is_quote_open or (inside.count(b"=") and _BARE_VALUE.search(inside + rest[:1])):
        return 'the value of an attribute stands in quotes: name="value"'
    if inside.endswith((b'"', b"'")):
        return "a blank is missing between two attributes, or there is a quote too many"
    if inside in (b"<", b"</"):
        return "a < that begins no tag is written &lt;; after it follows the name at once"
    if rest.startswith(b"<"):
        return f"a > is missing at the end of the tag that begins in line {begun}"
    if inside.startswith(b"<!--"):
        return "a comment has no -- inside"
    return 'in a tag stand its name and attributes: name="value"' if tag >= 0 else None


def _wrong_byte(data: bytes, place: int) -> str | None:
    if b"encoding" in data[:100] and not re.search(
        rb"encoding\s*=\s*.utf-?8", data[:100], re.IGNORECASE
    ):
        return None
    begin = max(0, place - 4)
    try:
        data[begin : place + 4].decode("utf-8")
    except UnicodeDecodeError as error:
        if begin + error.start == place:
            return (
                f"the byte {data[place]:#04x} is no UTF-8; save the file as UTF-8, or name its"
                ' encoding at the top: <?xml version="1.0" encoding="..."?>'
            )
    return None


def _stopped(data: bytes) -> int:
    parser = ParserCreate()
    with contextlib.suppress(ExpatError, LookupError, ValueError):
        parser.Parse(data, True)
    return max(0, min(parser.ErrorByteIndex, len(data)))


def _mismatched(data: bytes) -> str | None:
    """Both names, and where the element begins that is open."""
    opened: list[tuple[str, int]] = []
    parser = ParserCreate()
    parser.StartElementHandler = lambda name, _: opened.append((name, parser.CurrentLineNumber))
    parser.EndElementHandler = lambda _: opened.pop()
    try:
        parser.Parse(data, True)
    except (ExpatError, LookupError, ValueError):
        found = _NAME.search(data, max(0, data.rfind(b"<", 0, parser.ErrorByteIndex + 1)))
        if found is not None and opened:
            name, line = opened[-1]
            got = found[1].decode("utf-8", "replace")
            return f"expected </{name}>, for what begins in line {line}; got </{got}>"
    return None
