r"""How texts, bytes, numbers and names are written in the XML form, and read again.

XML 1.0 holds neither NUL and other controls nor lone surrogates: a text that has some is written
with ``encoding="escaped"``, in which a backslash begins one of ``\\``, ``\x07``, ``\ud800`` and ``\U0010ffff``.
Deletes and the controls from U+0080 on would be allowed, and are escaped all the same: nobody sees them.
"""

import binascii
import math
import re
from collections.abc import Iterator
from typing import Final

from ..graph import Global
from . import spelling
from .format import FormatError
from .spelling import LEAST_HEXADECIMAL

SHORT: Final = 80
"""Up to this many characters, and one line, a text stands in an attribute."""
_PIECE: Final = 1 << 16
_LINE: Final = 57  # bytes in a line of base64 of 76 characters
_LARGEST: Final = 1 << 25

_UNWRITABLE: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
_TO_ESCAPE: Final = re.compile(rf"\\|{_UNWRITABLE.pattern}")
_ESCAPE: Final = re.compile(r"\\(\\|x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8})?")
_MARKUP: Final = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#13;"}
_CONTENT: Final = str.maketrans(_MARKUP)
_ATTRIBUTE: Final = str.maketrans({**_MARKUP, '"': "&quot;", "\t": "&#9;", "\n": "&#10;"})
_DECIMAL: Final = re.compile(r"[+-]?[0-9]+", re.ASCII)
_HEXADECIMAL: Final = re.compile(r"-?0x[0-9a-f]+", re.IGNORECASE)
_FLOAT: Final = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?", re.IGNORECASE)


class ValueTextError(ValueError):
    """A value is not written as one of its kind; the message says what was expected."""


def is_plain(text: str) -> bool:
    """Whether XML can hold `text` without escapes."""
    return _UNWRITABLE.search(text) is None


def in_attribute(text: str) -> str:
    """What stands between quotes for `text`, which must be plain."""
    return text.translate(_ATTRIBUTE)


def string_element(text: str, role: str = "", mark: str = "") -> str:
    """The element of a text that is not too long; `role` and `mark` are attributes, blank first."""
    if not is_plain(text):
        text, role = escaped(text), f'{role} encoding="escaped"'
    if len(text) <= SHORT and "\n" not in text and "\r" not in text:
        return f'<string{role} value="{text.translate(_ATTRIBUTE)}"{mark}/>'
    return f"<string{role}{mark}>{text.translate(_CONTENT)}</string>"


def string_pieces(text: str, role: str, mark: str) -> Iterator[str]:
    """The same for a text of any length, in pieces."""
    plain = is_plain(text)
    yield f"<string{role}{mark}>" if plain else f'<string{role} encoding="escaped"{mark}>'
    for start in range(0, len(text), _PIECE):
        piece = text[start : start + _PIECE]
        yield (piece if plain else escaped(piece)).translate(_CONTENT)
    yield "</string>"


def bytes_pieces(item: bytes | bytearray, role: str, mark: str) -> Iterator[str]:
    """The element of bytes of any length, in pieces."""
    name = type(item).__name__
    if len(item) <= SHORT and item.isascii() and (text := item.decode("ascii")).isprintable():
        yield f'<{name}{role} value="{text.translate(_ATTRIBUTE)}"{mark}/>'
        return
    yield f"<{name}{role}{mark}>\n"
    for start in range(0, len(item), _LINE * 1024):
        piece = item[start : start + _LINE * 1024]
        yield "".join([
            binascii.b2a_base64(piece[begin : begin + _LINE]).decode("ascii")
            for begin in range(0, len(piece), _LINE)
        ])  # fmt: skip
    yield f"</{name}>"


def escaped(text: str) -> str:
    """`text` with escapes for what XML cannot hold."""
    return _TO_ESCAPE.sub(_escape, text)


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    return "\\\\" if code == 0x5C else f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def unescaped(text: str) -> str:
    r"""Undo `escaped`. Raises `ValueTextError` for a backslash that begins no escape."""
    return _ESCAPE.sub(_unescape, text)


def _unescape(match: re.Match[str]) -> str:
    code = match[1]
    if code == "\\":
        return code
    if code is None or (number := int(code[1:], 16)) > 0x10FFFF:
        begun = match.string[match.start() : match.start() + 10]
        raise ValueTextError(
            rf"a backslash begins one of \\ \x07 \ud800 \U0010ffff, not {begun!r}; write \\ for one"
        )
    return chr(number)


def bytes_of(base64: str) -> bytes:
    """The bytes of base64 in any lines. Raises `ValueTextError`."""
    try:
        return binascii.a2b_base64("".join(base64.split()), strict_mode=True)
    except ValueError as error:
        raise ValueTextError(f"expected base64: {error}") from error


def short_bytes_of(value: str) -> bytes:
    """The bytes of an attribute. Raises `ValueTextError`."""
    if not (value.isascii() and value.isprintable()):
        raise ValueTextError("expected ASCII that can be printed; write all else as base64 content")
    return value.encode("ascii")


def int_text(number: int) -> str:
    """`number` as `spelling` has it. Raises FormatError for one that no attribute should hold."""
    # At once: most are small, and this is called for every int.
    if -LEAST_HEXADECIMAL < number < LEAST_HEXADECIMAL:
        return str(number)
    if number.bit_length() > _LARGEST:
        raise FormatError(f"an int of {number.bit_length():,} bits is too large for XML")
    return spelling.int_text(number)


def int_of(value: str) -> int:
    """Read what `int_text` wrote. Raises `ValueTextError`."""
    if _DECIMAL.fullmatch(value):
        if len(value) <= spelling.MOST_DIGITS:
            return int(value)
        raise ValueTextError(
            f"an int of {len(value):,} digits is too long for decimal; write it in hexadecimal: 0x..."
        )
    if _HEXADECIMAL.fullmatch(value):
        return int(value, 16)
    raise ValueTextError(f"expected a whole number such as 5, got {value!r:.80}")


def float_of(value: str) -> float:
    """Read what `spelling.float_text` wrote. Raises `ValueTextError`."""
    if _FLOAT.fullmatch(value):
        number = float(value)
        if math.isinf(number):
            raise ValueTextError(f"{value:.80} is too large for a float; write inf if it is meant")
        return number
    # The schema has small letters only.
    special = spelling.special_float(value) if value == value.lower() else None
    if special is None:
        raise ValueTextError(f"expected a number such as 1.5, or inf, -inf, nan; got {value!r:.80}")
    return special


def name_text(name: Global) -> str:
    """The name of a class or function, dotted or with a colon. Raises FormatError if it has none
    that could be read back.
    """
    try:
        text = spelling.dotted(name.module, name.name)
    except ValueError:
        text = ""
    if not is_plain(text) or spelling.split(text) != (name.module, name.name):
        raise FormatError(f"XML cannot hold the name {name.name!r:.80} of {name.module!r:.80}")
    return in_attribute(text)


def split_name(text: str) -> tuple[str, str]:
    """The module and the name in it. Raises `ValueTextError`."""
    found = spelling.split(text)
    if found is None:
        raise ValueTextError(
            f"expected a module and a name in it, as visits.Counter; got {text!r:.80}"
        )
    return found
