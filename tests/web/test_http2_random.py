"""Random talk in HTTP/2, mostly lawful: the books balance, and nothing is left behind."""

import asyncio
import os
from collections.abc import AsyncIterator
from random import Random
from typing import Any

from hpack import Encoder
from hyperframe.frame import (
    DataFrame,
    Frame,
    GoAwayFrame,
    HeadersFrame,
    PingFrame,
    PriorityFrame,
    RstStreamFrame,
    SettingsFrame,
    WindowUpdateFrame,
)

from perdure.app.registry import Registry
from perdure.app.web.http import HTTPServer
from perdure.app.web.http2 import HTTP2Connection
from perdure.app.web.request import Request
from perdure.app.web.resource import Rendered, Resource
from perdure.app.web.response import Response
from perdure.app.web.site import Site

TALKS = int(os.environ.get("PERDURE_TEST_HTTP2_TALKS", "100"))


class Pages(Resource):
    """Answers at once, later, at length, or without having listened."""

    is_leaf = True

    def __init__(self, random: Random) -> None:
        self.random = random

    def render_GET(self, request: Request) -> Rendered:
        replies: list[Rendered] = [bytes(100_000), "hello", Response(self.pieces())]
        return self.random.choice(replies)

    async def render_POST(self, request: Request) -> bytes:
        return b"quick" if self.random.random() < 0.5 else await request.read()

    async def pieces(self) -> AsyncIterator[bytes]:
        for _ in range(5):
            yield bytes(self.random.randrange(50_000))
            await asyncio.sleep(0)


class Wire(asyncio.Transport):
    """Takes everything, and nothing after its end."""

    ended = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        assert not self.ended

    def close(self) -> None:
        self.ended = True

    def abort(self) -> None:
        self.ended = True

    def get_write_buffer_size(self) -> int:
        return 0


class Talker:
    """Makes frames."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.encoder = Encoder()
        self.last = -1

    def frame(self) -> Frame:
        random = self.random
        number = max(self.last - 2 * random.randrange(3), 1)
        kind = random.randrange(11)
        if self.last < 0 or kind < 4:
            return self.head()
        if kind == 4:
            flags = ["END_STREAM"] if random.random() < 0.3 else []
            return DataFrame(number, bytes(random.choice([0, 1, 10, 16384])), flags=flags)
        if kind == 5:
            increment = random.choice([1, 1000, 65535])
            return WindowUpdateFrame(random.choice([0, number]), window_increment=increment)
        if kind == 6:
            return RstStreamFrame(number, error_code=8)
        if kind == 7:
            settings = {random.choice([1, 3, 4, 6, 99]): random.choice([0, 1, 16384, 65535])}
            return SettingsFrame(0, settings=settings)
        if kind == 8:
            return PriorityFrame(number, depends_on=0, stream_weight=3)
        if kind == 9 and random.random() < 0.05:
            return GoAwayFrame(0, last_stream_id=0, error_code=random.choice([0, 1]))
        return PingFrame(0, b"12345678")

    def head(self) -> Frame:
        random = self.random
        self.last += 2
        fields = [
            (b":method", random.choice([b"GET", b"POST", b"HEAD"])),
            (b":scheme", b"https"),
            (b":authority", b"localhost"),
            (b":path", b"/"),
        ]
        if random.random() < 0.1:
            fields.append((b"content-length", b"5"))
        if random.random() < 0.1:
            fields.append((b"expect", b"100-continue"))
        if random.random() < 0.1:
            fields.append((b"Malformed", b""))
        flags = ["END_HEADERS", *(["END_STREAM"] if random.random() < 0.5 else [])]
        return HeadersFrame(self.last, self.encoder.encode(fields), flags=flags)


async def talk(seed: int) -> None:
    random = Random(seed)
    loop = asyncio.get_running_loop()
    server = HTTPServer(Site(Pages(random)), Registry())
    connection, wire, talker = HTTP2Connection(server), Wire(), Talker(random)
    connection.connection_made(wire)
    connection.data_received(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + SettingsFrame(0).serialize())
    for _ in range(random.randrange(3, 40)):
        if wire.ended:
            break
        data = b"".join(talker.frame().serialize() for _ in range(random.randrange(1, 6)))
        connection.data_received(data)
        for _ in range(random.randrange(4)):
            await asyncio.sleep(0)
        if random.random() < 0.1:
            connection.check(loop.time() + random.choice([1, 31, 61]))
        if random.random() < 0.03:
            connection.drain()
        if random.random() < 0.05:
            connection.pause_writing()
        else:
            connection.resume_writing()
        assert connection.unsent == sum(stream.unsent for stream in connection.streams.values())
    connection.connection_lost(None)
    assert connection.unsent == 0
    await server.drain(0)
    while len(asyncio.all_tasks()) > 1:  # what was made for nobody comes to its end
        await asyncio.sleep(0)


def test_random_talk_leaves_nothing_behind() -> None:
    async def scenario() -> None:
        problems: list[dict[str, Any]] = []
        asyncio.get_running_loop().set_exception_handler(
            lambda _loop, context: problems.append(context)
        )
        for seed in range(TALKS):
            await talk(seed)
            assert not problems, seed

    asyncio.run(scenario())
