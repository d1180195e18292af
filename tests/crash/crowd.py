"""Clients of the counter page that write down what they were told."""

import asyncio
import re
from collections.abc import Callable
from typing import Final

import attrs

_REQUEST: Final = b"GET /counter.rpy HTTP/1.1\r\nHost: lab\r\n\r\n"
_NUMBER: Final = re.compile(rb"visitor (\d+)")
_LENGTH: Final = re.compile(rb"content-length: (\d+)", re.IGNORECASE)


@attrs.define(eq=False)
class Crowd:
    """So many clients, each with one request at a time, until the server is gone or `leave`.

    `highest` is the greatest number that any client has seen, be it in half a reply; `refused`
    counts replies that were no page; `in_flight` are requests nobody knows the fate of.
    """

    highest: int = 0
    replies: int = 0
    refused: int = 0
    in_flight: int = 0
    statuses: set[bytes] = attrs.field(factory=set[bytes])
    _awaited: list[tuple[Callable[[], bool], asyncio.Event]] = attrs.field(
        factory=list[tuple[Callable[[], bool], asyncio.Event]]
    )
    _connected: list[asyncio.Transport] = attrs.field(factory=list[asyncio.Transport])
    _left: int = 0
    _gone: asyncio.Event = attrs.field(factory=asyncio.Event)

    async def arrive(self, url: str, clients: int = 64) -> None:
        """Have them all connect, and begin."""
        host, port = url.removeprefix("http://").rstrip("/").split(":")
        loop = asyncio.get_running_loop()
        self._left += clients
        for _ in range(clients):
            transport, _ = await loop.create_connection(lambda: _Client(self), host, int(port))
            self._connected.append(transport)

    async def until(self, replies: int) -> None:
        """Return when there have been so many more replies, or the server is gone."""
        count = self.replies + self.refused + replies
        await self._until(lambda: self.replies + self.refused >= count)

    async def until_refused(self, times: int = 1) -> None:
        """Return when so many more were refused."""
        count = self.refused + times
        await self._until(lambda: self.refused >= count)

    async def until_answered(self, times: int = 1) -> None:
        """Return when so many more got the page."""
        count = self.replies + times
        await self._until(lambda: self.replies >= count)

    async def gone(self) -> None:
        """Return when none is connected any more."""
        await asyncio.wait_for(self._gone.wait(), 60)

    def leave(self) -> None:
        """Have them all go."""
        for transport in self._connected:
            transport.abort()

    async def _until(self, is_so: Callable[[], bool]) -> None:
        event = asyncio.Event()
        self._awaited.append((is_so, event))
        await asyncio.wait_for(event.wait(), 60)

    def told(self, status: bytes) -> None:
        self.in_flight -= 1
        self.statuses.add(status)
        if status == b"200":
            self.replies += 1
        else:
            self.refused += 1
        self._look()

    def lost_one(self) -> None:
        self._left -= 1
        if not self._left:
            self._gone.set()
            self._look()

    def _look(self) -> None:
        for is_so, event in self._awaited:
            if self._gone.is_set() or is_so():
                event.set()


class _Client(asyncio.Protocol):
    def __init__(self, crowd: Crowd) -> None:
        self._crowd = crowd
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._ask()

    def data_received(self, data: bytes) -> None:
        self._received += data
        if found := _NUMBER.search(self._received):
            # The digits may go on in what has not come yet: fewer of them are a smaller number.
            self._crowd.highest = max(self._crowd.highest, int(found[1]))
        head, end, body = self._received.partition(b"\r\n\r\n")
        length = _LENGTH.search(head)
        if end and length and len(body) >= int(length[1]):
            self._received = b""
            self._crowd.told(head.split()[1])
            if not self._transport.is_closing():
                self._ask()

    def connection_lost(self, exc: Exception | None) -> None:
        self._crowd.lost_one()

    def _ask(self) -> None:
        self._crowd.in_flight += 1
        self._transport.write(_REQUEST)
