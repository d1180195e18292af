"""The head of an answer that comes from another server, read strictly.

llhttp is the judge of grammar; what it leaves to the recipient is decided here: how long the body is
(RFC 9112, 6.3), and which statuses there are. An answer that two readers could take for two different
messages is no answer: it could be made to look, to the next client on the same connection, like one
to a request of theirs.
"""

import re
from typing import Final

import attrs
from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from ..response import BODILESS
from .gatewayerror import BadAnswerError

CHUNKED: Final = -1
"""As a body's length: unknown, the body is chunked."""

UNTIL_CLOSE: Final = -2
"""As a body's length: it ends where the connection does."""

_LINE = re.compile(rb"HTTP/1\.([01]) ([1-5][0-9][0-9])(?: [\t\x20-\x7e\x80-\xff]*)?\r\n")
_CONCERNING = re.compile(
    rb"\n(connection|content-length|transfer-encoding):[ \t]*([^\r]*)", re.IGNORECASE
)


@attrs.define
class AnswerHead:
    """The head of one answer: `raw` are its bytes, from the status line to the empty line.

    `length` says how the body is framed, `declared` is its Content-Length also where no body comes,
    as for HEAD. `lasts` tells whether the connection may be used again, and `options` are what the
    Connection fields named.
    """

    raw: bytes
    line: int
    status: int
    length: int
    declared: int | None
    lasts: bool
    options: frozenset[bytes]

    @property
    def version(self) -> str:
        """``1.1`` or ``1.0``."""
        return self.raw[5:8].decode("ascii")


_NONE: Final[frozenset[bytes]] = frozenset()


def parse_answer(raw: bytes, method: str) -> AnswerHead:
    """The head whose bytes are `raw`, of the answer to a request by `method`.

    Raises `BadAnswerError`.
    """
    try:
        HttpResponseParser(None).feed_data(raw)
    except HttpParserUpgrade:
        pass
    except HttpParserError as error:
        raise BadAnswerError(f"its answer breaks the grammar of HTTP: {error}") from None
    line = _LINE.match(raw)
    if line is None:
        raise BadAnswerError("its answer begins with no status line of HTTP/1")
    status = int(line[2])
    lasts = line[1] == b"1"
    length, declared, options = UNTIL_CLOSE, None, _NONE
    for name, value in _CONCERNING.findall(raw):
        # Only what may stand there is told apart: for everything else there is no right reading.
        kind = len(name)
        if kind == 14:
            if declared is not None or length == CHUNKED or not value.strip(b" \t").isdigit():
                raise BadAnswerError("its answer has lengths that contradict each other")
            if len(value) > 18:
                raise BadAnswerError("its answer is longer than any can be")
            length = declared = int(value)
        elif kind == 17:
            if line[1] == b"0" or length != UNTIL_CLOSE:
                raise BadAnswerError("its answer has lengths that contradict each other")
            if value.strip(b" \t").lower() != b"chunked":
                raise BadAnswerError("its answer has a transfer coding that nobody asked for")
            length = CHUNKED
        else:
            options |= {option.strip(b" \t") for option in value.lower().split(b",")}
    if options:
        lasts = b"close" not in options and (lasts or b"keep-alive" in options)
    if status < 200 or status in BODILESS:
        if length == CHUNKED or (status != 304 and length > 0):
            raise BadAnswerError(f"its answer has the status {status}, and a body")
        length = 0
    elif method == "HEAD":
        length = 0
    return AnswerHead(raw, line.end(), status, length, declared, lasts, options)
