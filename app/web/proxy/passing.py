"""One request passed on to another server, and its answer passed back."""

import asyncio
from typing import Final

from ..request import Request
from ..resource import Rendered
from ..response import BODILESS, PreparedResponse, Response, status_line
from .answerhead import AnswerHead
from .exchange import Exchange
from .gatewayerror import StaleConnectionError
from .passage import Passage
from .proxyfields import as_pairs
from .upstream import Pool
from .upstreamconnection import UpstreamConnection

# RFC 9110, 9.2.2, and those of WebDAV (RFC 4918) and QUERY that only read.
_IDEMPOTENT: Final = frozenset(
    ("GET", "HEAD", "OPTIONS", "PUT", "DELETE", "PROPFIND", "REPORT", "SEARCH", "QUERY")
)
_WITH_BODY: Final = frozenset(("POST", "PUT", "PATCH"))
_NO_BODY: Final = b"Content-Length: 0\r\n\r\n"
_DECLARED: Final = b"Content-Length: %d\r\n\r\n%b"


async def asked(request: Request, pool: Pool, head: bytes) -> tuple[Exchange, AnswerHead]:
    """Ask with `head`, which lacks framing and the empty line, and the body of `request`.

    Returns when the head of the answer is there. The body follows as it comes, framed anew. Once more
    it is asked only what nobody has begun to answer, and may be asked twice: over a new connection,
    when a kept one turns out to be closed. Raises `GatewayError`.
    """
    body = request.body
    whole = body is None or body.complete
    if body is None:
        # Without it there are servers that wait, or ask for it (RFC 9110, 8.6).
        data = head + (_NO_BODY if request.method in _WITH_BODY else b"\r\n")
    elif whole:
        content = await body.read()
        data = head + _DECLARED % (len(content), content)
    elif request.head.length >= 0:
        data = head + _DECLARED % (request.head.length, b"")
    else:
        data = head + b"Transfer-Encoding: chunked\r\n\r\n"
    connection = pool.take() or await pool.connection()
    while True:
        again = connection.used and whole and request.method in _IDEMPOTENT
        exchange = connection.begin(request.method, data, whole)
        if not whole:
            exchange.upload = asyncio.create_task(_upload(request, connection, exchange))
        try:
            return exchange, await exchange.answered()
        except StaleConnectionError:
            if not again:
                raise
        except BaseException:
            exchange.abandon()
            raise
        connection = await pool.connection(fresh=True)


async def _upload(request: Request, connection: UpstreamConnection, exchange: Exchange) -> None:
    """The task that sends a body while the answer may be coming already."""
    chunked = request.head.length < 0
    try:
        async for piece in request.stream():
            if exchange.complete or exchange.error is not None:
                return
            await connection.send(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)
        if chunked:
            await connection.send(b"0\r\n\r\n")
        connection.all_sent(exchange)
    except Exception as error:  # noqa: BLE001 - whoever waits for the answer gets it
        # Half a request must not be taken for a whole one: the connection ends with it.
        exchange.fail(error)
        connection.abort()


def passed_answer(exchange: Exchange, answer: AnswerHead, fields: bytes) -> Rendered:
    """What the client gets: at once if it has come as a whole, else as it comes.

    `fields` are those of the answer that are for the client.
    """
    status = answer.status
    # A whole reply to HEAD would be taken for an empty one by who changes replies.
    if exchange.complete and exchange.method != "HEAD":
        # What is still being sent was not waited for.
        exchange.abandon()
        body = exchange.taken()
        head = status_line(status) + fields
        if status not in BODILESS:
            head += b"Content-Length: %d\r\n" % len(body)
        return PreparedResponse(head, body, status)
    pairs = as_pairs(fields)
    if answer.declared is not None:
        pairs.append(("Content-Length", str(answer.declared)))
    return Response(exchange, status, pairs, untyped=True)


def passage(pool: Pool, exchange: Exchange) -> Passage:
    """The tunnel through the connection of `exchange`, to be used at once."""
    connection, idle = exchange.connection, pool.limits.tunnel_time
    return Passage(connection.transport, connection.handed_over(), idle, pool.passages)
