"""So many clients at once, each on one connection, until the server is gone or they leave."""

import asyncio
import contextlib
import functools
import re
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final

import attrs

from .visitors import Claim, LostError

_COOKIE: Final = re.compile(rb"\r\nset-cookie: ([^;\r]+)", re.IGNORECASE)
_LENGTH: Final = re.compile(rb"\r\ncontent-length: (\d+)", re.IGNORECASE)
_PATIENCE: Final = 30.0
_PIPELINED: Final = 8


@attrs.define(eq=False)
class Crowd:
    """The clients of some claims. `statuses` counts the replies they got."""

    claims: Sequence[Claim]
    statuses: Counter[int] = attrs.field(factory=Counter[int], init=False)
    lost: LostError | None = attrs.field(default=None, init=False)
    _connected: list[asyncio.Transport] = attrs.field(factory=list[asyncio.Transport], init=False)
    _awaited: list[tuple[Callable[[], bool], asyncio.Event]] = attrs.field(
        factory=list[tuple[Callable[[], bool], asyncio.Event]], init=False
    )
    _left: int = attrs.field(default=0, init=False)

    async def arrive(self, port: int) -> None:
        """Have them all connect, and begin. Those who find nobody there go again."""
        loop = asyncio.get_running_loop()
        for claim in self.claims:
            for number in range(claim.clients):
                self._left += 1
                try:
                    await loop.create_connection(
                        functools.partial(_Client, self, claim, number),
                        "127.0.0.1",
                        port,
                    )
                except OSError:
                    self.goes()

    async def until(self, replies: int, status: int | None = None) -> None:
        """Return when there have been so many more replies, of this status, or the server is gone."""

        def count() -> int:
            return self.statuses.total() if status is None else self.statuses[status]

        enough = count() + replies
        await self._until(lambda: count() >= enough)

    async def gone(self) -> None:
        """Return when none is connected any more. Raises `LostError` if one was told nonsense."""
        await self._until(lambda: not self._left)
        if self.lost is not None:
            raise self.lost

    def leave(self) -> None:
        """Have them all go."""
        for transport in self._connected:
            transport.abort()

    async def _until(self, is_so: Callable[[], bool]) -> None:
        event = asyncio.Event()
        self._awaited.append((is_so, event))
        self.look()
        async with asyncio.timeout(_PATIENCE):
            await event.wait()

    def come(self, transport: asyncio.Transport) -> None:
        self._connected.append(transport)

    def goes(self) -> None:
        self._left -= 1
        self.look()

    def look(self) -> None:
        for is_so, event in self._awaited:
            if not self._left or is_so():
                event.set()


@attrs.frozen
class _Reply:
    status: int
    cookie: str
    text: str
    length: int
    """How many bytes it took; 0 if it is not all there."""

    @classmethod
    def read(cls, received: bytes) -> "_Reply | None":
        head, end, body = received.partition(b"\r\n\r\n")
        if not end:
            return None
        cookie = _COOKIE.search(head)
        if found := _LENGTH.search(head):
            size = int(found[1])
            text, used = body[:size], size if len(body) >= size else -1
        else:
            text, used = _unchunked(body)
        return cls(
            int(head.split(None, 2)[1]),
            cookie[1].decode() if cookie else "",
            text.decode(),
            0 if used < 0 else len(head) + len(end) + used,
        )


def _unchunked(body: bytes) -> tuple[bytes, int]:
    """The text so far, and how many bytes there were; -1 if more are to come."""
    text, start = b"", 0
    while (end := body.find(b"\r\n", start)) >= 0:
        size = int(body[start:end], 16)
        text += body[end + 2 : end + 2 + size]
        start = end + 2 + size + 2
        if not size:
            return text, start if start <= len(body) else -1
    return text, -1


class _Client(asyncio.Protocol):
    def __init__(self, crowd: Crowd, claim: Claim, number: int) -> None:
        self._crowd = crowd
        self._claim = claim
        self._number = number
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._crowd.come(transport)
        for _ in range(_PIPELINED if self._number < self._claim.pipelined else 1):
            self._ask()

    def data_received(self, data: bytes) -> None:
        self._received += data
        try:
            while (reply := _Reply.read(self._received)) is not None:
                if reply.status == 200:
                    self._claim.glimpsed(self._number, reply.text)
                if not reply.length:
                    break
                self._received = self._received[reply.length :]
                self._take(reply)
                if not self._transport.is_closing():
                    self._ask()
        except LostError as error:
            self._crowd.lost = error
            self._transport.abort()
        self._crowd.look()

    def connection_lost(self, exc: Exception | None) -> None:
        self._crowd.goes()

    def _take(self, reply: _Reply) -> None:
        self._crowd.statuses[reply.status] += 1
        if reply.cookie:
            self._claim.cookies[self._number] = reply.cookie
        if reply.status == 200:
            self._claim.told(self._number, reply.text)
        elif reply.status == 503:
            self._claim.refused(self._number)
        else:
            raise LostError(self._claim.page, "pages", f"status {reply.status}: {reply.text}")

    def _ask(self) -> None:
        path = self._claim.ask(self._number)
        self._claim.doubtful[self._number] += 1
        self._transport.write(_request(path, self._claim.cookies.get(self._number, "")))


async def get(port: int, path: str, cookie: str = "") -> str:
    """The page at `path`. Raises `LostError` if there is none."""
    reading, writing = await asyncio.open_connection("127.0.0.1", port)
    try:
        writing.write(_request(path, cookie, "Connection: close\r\n"))
        async with asyncio.timeout(_PATIENCE):
            reply = _Reply.read(await reading.read())
    finally:
        writing.close()
        with contextlib.suppress(OSError):
            await writing.wait_closed()
    if reply is None or reply.status != 200:
        raise LostError(path, "pages", f"the answer {reply}")
    return reply.text


def _request(path: str, cookie: str, more: str = "") -> bytes:
    cookies = f"Cookie: {cookie}\r\n" if cookie else ""
    return f"GET /{path} HTTP/1.1\r\nHost: lab\r\n{cookies}{more}\r\n".encode()
