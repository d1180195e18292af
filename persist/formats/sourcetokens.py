r"""The tokens of the source syntax: one regular expression, and what literals stand for.

A token is as much as one look can take: what separates it from the one before, the name of the field
that it is the value of, and the value, or how that begins. All is done on the bytes of the file,
which is never held a second time as text.

Every position has a token, if only ``OTHER``, so that ``finditer`` passes nothing over; and no part
of the expression gives back what it took, so that its time is linear.
"""

import math
import re
from typing import Final

from .spelling import MOST_DIGITS

_GAP: Final = rb"(?>[ \t\r\n\f]++|#[^\r\n]*+|\\\r?\n)*+"
_PLAIN: Final = rb"""'(?!'')[^'\\\r\n]*+'|"(?!"")[^"\\\r\n]*+\""""
_LITERAL: Final = (
    rb"(?:[bB][rR]?|[rR][bB]?|[uU])?+(?>"
    rb"'''[^'\\]*+(?:(?:\\[\s\S]|'(?!''))[^'\\]*+)*+'''"
    rb'|"""[^"\\]*+(?:(?:\\[\s\S]|"(?!""))[^"\\]*+)*+"""'
    rb"|'(?!'')[^'\\\r\n]*+(?:\\(?:\r\n|[\s\S])[^'\\\r\n]*+)*+'"
    rb'|"(?!"")[^"\\\r\n]*+(?:\\(?:\r\n|[\s\S])[^"\\\r\n]*+)*+")'
)
_NAME: Final = rb"[A-Za-z_\x80-\xff][\w\x80-\xff]*+"
_END: Final = rb"(?![\w.\x80-\xff])"

_BEFORE: Final = (
    _GAP + rb"(?:([,:])" + _GAP + rb")?+(?:(" + _NAME + rb")" + _GAP + rb"=(?!=)" + _GAP + rb")?+"
)
# The likely first: they are tried in turn.
_VALUES: Final = (
    rb"(" + _PLAIN + rb")",
    rb"([-+]?+(?:0|[1-9][0-9]*+)" + _END + rb")",
    rb"([\])}])",
    rb"Deref\(([0-9]{1,18})\)",
    rb"(None|True|False)" + _END,
    rb"Ref\(" + _GAP + rb"([0-9]{1,18})" + _GAP + rb",",
    rb"((?:Instance|Copyreg)[ \t]*+\(" + _GAP + rb"(?>" + _PLAIN + rb"|" + _LITERAL + rb"))",
    rb"([\[({])",
    rb"([A-Za-z_]\w*+)[ \t]*+\(",
    rb"([-+]?+\.?[0-9](?:[eE][-+]|[\w.])*+)",
    rb"(" + _LITERAL + rb")",
    rb"(" + _NAME + rb")",
    rb"(\Z)",
    rb"([\s\S])",
)  # fmt: skip
TOKEN: Final = re.compile(_BEFORE + rb"(?:" + rb"|".join(_VALUES) + rb")")
"""Group 1 is a comma or colon before the value, 2 the name of a field, and then one of these."""
PLAIN, INT, CLOSE, DEREF, CONSTANT, REF, NODE, OPEN, WORD, NUMBER, STRING, NAME, END, OTHER = range(
    3, 3 + len(_VALUES)
)

LITERAL: Final = re.compile(_GAP + rb"(" + _LITERAL + rb")")

_BASED: Final = re.compile(rb"[-+]?0(?:[xX](?:_?[0-9a-fA-F])+|[oO](?:_?[0-7])+|[bB](?:_?[01])+)")
_DECIMAL: Final = re.compile(rb"[-+]?(?:0(?:_?0)*+|[1-9](?:_?[0-9])*+)")
_LEADING_ZEROS: Final = re.compile(rb"[-+]?0[0-9_]+")
_DIGITS: Final = rb"[0-9](?:_?[0-9])*+"
_FLOAT: Final = re.compile(
    rb"[-+]?(?:(?:DIGITS\.(?:DIGITS)?+|\.DIGITS)(?:[eE][-+]?DIGITS)?+|DIGITS[eE][-+]?DIGITS)".replace(
        b"DIGITS", _DIGITS
    )
)
_TEXT_ESCAPES: Final = re.compile(
    rb"(?:[^\\]++|\\(?:[\\'\"abfnrtv\n]|[0-3][0-7]{0,2}+|[4-7][0-7]?+(?![0-7])|x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}"
    rb"|U000[0-9a-fA-F]{5}|U0010[0-9a-fA-F]{4}))*+"
)
_BYTES_ESCAPES: Final = re.compile(
    rb"(?:[^\\]++|\\(?:[\\'\"abfnrtv\n]|[0-3][0-7]{0,2}+|[4-7][0-7]?+(?![0-7])|x[0-9a-fA-F]{2}))*+"
)


class TokenError(ValueError):
    """A literal that has no value; the message says why."""


def number(token: bytes) -> int | float:
    """The value of a number in any of Python's ways. Raises TokenError."""
    if _BASED.fullmatch(token):
        return int(token, 0)
    if _DECIMAL.fullmatch(token):
        if len(token) > MOST_DIGITS:
            raise TokenError(
                f"a number of more than {MOST_DIGITS:,} digits; write it in hexadecimal: 0x..."
            )
        return int(token)
    if _LEADING_ZEROS.fullmatch(token):
        raise TokenError(f"a number has no zeros before it, got {shown(token)}")
    if not _FLOAT.fullmatch(token) or len(token) > MOST_DIGITS:
        raise TokenError(f"expected a number, got {shown(token)}")
    value = float(token)
    if math.isinf(value):
        raise TokenError(f"{shown(token)} is greater than any float; infinity is float('inf')")
    return value


def string(token: bytes) -> str | bytes:
    """The value of one literal of text or bytes. Raises TokenError."""
    start = min(place for place in (token.find(b"'"), token.find(b'"')) if place >= 0)
    prefix = token[:start].lower()
    width = 3 if token[start : start + 3] in (b"'''", b'"""') and len(token) >= start + 6 else 1
    body = token[start + width : -width]
    if b"\r" in body:
        # As Python has it: whoever made the line ends, it is one newline.
        body = body.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    is_bytes = b"b" in prefix
    if is_bytes and not body.isascii():
        raise TokenError("bytes have only ASCII in them; write other bytes as \\x..")
    if b"r" in prefix or b"\\" not in body:
        return body if is_bytes else body.decode()
    if not (_BYTES_ESCAPES if is_bytes else _TEXT_ESCAPES).fullmatch(body):
        raise TokenError(
            f"{shown(token)} has a backslash with something that it does not go with;"
            " a backslash itself is written \\\\"
        )
    if not body.isascii():
        body = body.decode().encode("ascii", "backslashreplace")
    text = body.decode("unicode_escape")
    return text.encode("latin-1") if is_bytes else text


def shown(token: bytes) -> str:
    """A token for a message."""
    text = token[:80].decode("utf-8", "replace")
    return repr(text if len(token) <= 40 else f"{text[:37]}...")
