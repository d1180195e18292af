"""A page that clients keep talking to."""

import asyncio
import itertools
import logging
import select
import ssl
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from perdure.app.web.live.websocket import (
    SocketClosedError,
    SocketLimits,
    WebSocket,
    WebSocketResource,
)
from perdure.app.web.request import Request

from .conftest import Serve, Served
from .frames import CLOSE, PING, PONG, TEXT, Frame, FrameClient, frame, goodbye, handshake


class Echo(WebSocketResource):
    protocols = ("chat.v2", "chat.v1")
    origins = ("https://friend.example",)

    async def connected(self, socket: WebSocket, request: Request) -> None:
        async for message in socket:
            await socket.send(message)


class Noted(WebSocketResource):
    """Does what the test says, and notes how it ended."""

    def __init__(self, talk: Callable[[WebSocket, Request], Awaitable[None]]) -> None:
        self.talk = talk
        self.ends: list[str] = []

    async def connected(self, socket: WebSocket, request: Request) -> None:
        try:
            await self.talk(socket, request)
        except BaseException as error:
            self.ends.append(type(error).__name__)
            raise
        else:
            self.ends.append("returned")


def opened(served: Served, *protocols: str) -> ClientConnection:
    """A client that is not ours."""
    return connect(
        served.url().replace("http", "ws", 1),
        subprotocols=[Subprotocol(each) for each in protocols],
        proxy=None,
        close_timeout=20,
    )


def test_a_client_that_is_not_ours_talks_and_leaves(serve: Serve) -> None:
    served = serve(Echo())
    with opened(served, "chat.v1", "chat.v2") as client:
        assert client.subprotocol == "chat.v2"
        for message in ("", "hello", "κόσμε", b"\0\xff", "x" * 300_000):
            client.send(message)
            assert client.recv() == message
        client.ping().wait(20)
    assert client.close_code == 1000
    served.arrive(lambda: not served.server.connections)


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        (("Upgrade: ",), 400),
        (("Upgrade: h2c",), 400),
        (("Connection: keep-alive",), 400),
        (("Sec-WebSocket-Key: c2hvcnQ=",), 400),
        (("Sec-WebSocket-Key: not base64 at all!!!!!!!",), 400),
        (("Sec-WebSocket-Version: 8",), 400),
        (("Origin: https://evil.example",), 403),
        (("Origin: null",), 403),
        (("Origin: http://site.example.evil.example",), 403),
        (("Origin: http://site.example:8080",), 403),
        (("Origin: http://[",), 403),
        (("Origin: http://site.example",), 101),
        (("Origin: https://SITE.example",), 101),
        (("Origin: https://site.example:443",), 101),
        (("Host: site.example:8080", "Origin: http://site.example:8080"), 101),
        (("Origin: https://friend.example",), 101),
        (("Upgrade: WebSocket, h2c",), 101),
    ],
)
def test_who_asks_for_what_is_answered_so(
    serve: Serve, fields: tuple[str, ...], status: int
) -> None:
    with serve(Echo()).connect() as client:
        reply = client.ask(handshake(*fields), head_only=True)
    assert reply.status == status
    if "Version: 8" in fields[0]:
        assert reply.get("sec-websocket-version") == "13"


@pytest.mark.parametrize(("scheme", "status"), [("http", 403), ("https", 101)])
def test_a_page_without_tls_does_not_talk_to_one_with_it(
    serve: Serve, scheme: str, status: int
) -> None:
    """Whoever is on the way could have written it, and would talk with the cookies of the other."""
    served = serve(Echo(), trusted_proxies=["127.0.0.1"])
    told = ("X-Forwarded-For: 1.2.3.4", "X-Forwarded-Proto: https")
    with served.connect() as client:
        fields = handshake(*told, f"Origin: {scheme}://site.example")
        assert client.ask(fields, head_only=True).status == status


def test_the_key_is_answered_as_the_standard_has_it(serve: Serve) -> None:
    with serve(Echo()).connect() as client:
        reply = client.ask(handshake(key="dGhlIHNhbXBsZSBub25jZQ=="), head_only=True)
    assert reply.get("sec-websocket-accept") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
    assert reply.get("connection") == "Upgrade"


def test_a_protocol_that_nobody_offered_is_not_spoken(serve: Serve) -> None:
    with FrameClient(serve(Echo()), "Sec-WebSocket-Protocol: mail") as client:
        assert client.reply.get("sec-websocket-protocol") is None


def test_a_page_that_fails_says_so_to_the_client_and_the_log(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail(socket: WebSocket, request: Request) -> None:
        async for _ in socket:
            raise LookupError("secret")

    with caplog.at_level(logging.ERROR), FrameClient(serve(Noted(fail))) as client:
        client.send(frame(TEXT, b"x"))
        assert client.hear() == Frame(CLOSE, (1011).to_bytes(2) + b"the server failed")
    assert "LookupError: secret" in caplog.text


def test_what_a_page_does_besides_fails_with_it_and_ends_with_it(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    ends: list[str] = []

    async def wait() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ends.append("ended")

    async def fail() -> None:
        raise LookupError("beside")

    async def talk(socket: WebSocket, request: Request) -> None:
        socket.beside(wait())
        async for _ in socket:
            socket.beside(fail())

    served = serve(Noted(talk))
    with FrameClient(served) as client:
        client.send(frame(TEXT, b"x"))
        assert client.hear().code == 1011
        served.arrive(lambda: ends == ["ended"])
    assert "LookupError: beside" in caplog.text


def test_a_page_that_returns_says_goodbye(serve: Serve) -> None:
    async def talk(socket: WebSocket, request: Request) -> None:
        await socket.send("only this")

    with FrameClient(serve(Noted(talk))) as client:
        assert client.hear() == Frame(TEXT, b"only this")
        assert client.hear().code == 1000
        client.send(goodbye())
        assert client.connection.closed()


def test_a_page_may_close_with_a_code_and_a_reason_of_its_own(serve: Serve) -> None:
    async def talk(socket: WebSocket, request: Request) -> None:
        for code in (999, 1005, 1006, 1015, 2000, 5000):
            with pytest.raises(ValueError, match=str(code)):
                socket.close(code)
        socket.close(4001, "ä" * 200)
        with pytest.raises(SocketClosedError, match="4001"):
            await socket.send("late")

    page = Noted(talk)
    with FrameClient(serve(page)) as client:
        assert client.hear() == Frame(CLOSE, (4001).to_bytes(2) + "ä".encode() * 61)
    assert page.ends == ["returned"]


def test_only_text_and_bytes_can_be_sent(serve: Serve) -> None:
    async def talk(socket: WebSocket, request: Request) -> None:
        with pytest.raises(TypeError, match="int"):
            await socket.send(1)  # type: ignore[arg-type]

    page = Noted(talk)
    with FrameClient(serve(page)) as client:
        assert client.hear().code == 1000
    assert page.ends == ["returned"]


@pytest.mark.parametrize("politely", [True, False])
def test_when_a_client_has_gone_its_messages_end(serve: Serve, politely: bool) -> None:
    heard: list[object] = []

    async def talk(socket: WebSocket, request: Request) -> None:
        async for message in socket:
            heard.append(message)

    page = Noted(talk)
    served = serve(page)
    with FrameClient(served) as client:
        client.send(frame(TEXT, b"last"), goodbye() if politely else b"")
        if politely:
            assert client.hear().code == 1000
    served.arrive(lambda: page.ends == ["returned"])
    assert heard == ["last"]
    served.arrive(lambda: not served.server.connections)


def test_a_page_that_only_tells_is_cancelled_when_its_client_has_gone(serve: Serve) -> None:
    async def talk(socket: WebSocket, request: Request) -> None:
        await asyncio.Event().wait()

    page = Noted(talk)
    served = serve(page)
    with FrameClient(served):
        pass
    served.arrive(lambda: page.ends == ["CancelledError"])


def test_a_stopping_server_says_goodbye_and_waits_for_the_page(serve: Serve) -> None:
    order: list[str] = []

    async def talk(socket: WebSocket, request: Request) -> None:
        async for _ in socket:
            pass
        await asyncio.sleep(0)
        order.append("page")

    served = serve(Noted(talk))
    with FrameClient(served) as client:
        client.send(frame(PING))
        assert client.hear().opcode == PONG

        async def drain() -> None:
            await served.server.drain(None)
            order.append("drained")

        stopping = asyncio.run_coroutine_threadsafe(drain(), served.loop)
        assert client.hear().code == 1001
        client.send(goodbye(1001))
        assert client.connection.closed()
        stopping.result(20)
    assert order == ["page", "drained"]


def test_a_stopping_server_is_not_held_up_by_a_page_that_only_tells(serve: Serve) -> None:
    async def talk(socket: WebSocket, request: Request) -> None:
        await asyncio.Event().wait()

    page = Noted(talk)
    served = serve(page)
    with FrameClient(served) as client:
        stopping = asyncio.run_coroutine_threadsafe(served.server.drain(None), served.loop)
        assert client.hear().code == 1001
        client.send(goodbye(1001))
        assert client.connection.closed()
        stopping.result(20)
    assert page.ends == ["CancelledError"]


class Brisk(Echo):
    limits = SocketLimits(keep_alive=0.05, close_time=0.05)


def test_a_client_that_does_not_answer_a_ping_is_cut(serve: Serve) -> None:
    with FrameClient(serve(Brisk())) as client:
        assert client.hear() == Frame(PING, b"")
        assert client.connection.closed()


def test_a_client_that_answers_pings_stays(serve: Serve) -> None:
    with FrameClient(serve(Brisk())) as client:
        for _ in range(3):
            assert client.hear() == Frame(PING, b"")
            client.send(frame(PONG))
        client.send(frame(TEXT, b"here"))
        assert Frame(TEXT, b"here") in (client.hear(), client.hear())


def test_a_client_that_does_not_say_goodbye_is_cut(serve: Serve) -> None:
    class Ending(Brisk):
        async def connected(self, socket: WebSocket, request: Request) -> None:
            return

    with FrameClient(serve(Ending())) as client:
        assert client.hear().code == 1000
        assert client.connection.closed()


def test_sending_waits_for_a_client_that_does_not_take_it(serve: Serve) -> None:
    sent: list[int] = []

    async def talk(socket: WebSocket, request: Request) -> None:
        for number in range(1000):
            await socket.send(b"x" * 100_000)
            sent.append(number)

    served = serve(Noted(talk))
    with FrameClient(served) as client:
        size = served.call(lambda: max(_unsent(each) for each in served.server.connections))
        assert size < 1 << 20
        for _ in range(1000):
            assert len(client.hear().payload) == 100_000
        assert client.hear().code == 1000


def test_a_client_that_takes_nothing_is_cut(serve: Serve) -> None:
    async def talk(socket: WebSocket, request: Request) -> None:
        while True:
            await socket.send(b"x" * 100_000)

    page = Noted(talk)
    served = serve(page)
    with FrameClient(served):
        served.arrive(lambda: any(map(_unsent, served.server.connections)))
        now = served.call(served.loop.time)
        seconds = itertools.count(100, 100)

        def is_cut() -> bool:
            served.server.sweep(now + next(seconds))
            return not served.server.connections

        served.arrive(is_cut)
        served.arrive(lambda: bool(page.ends))


def test_pings_that_nobody_takes_the_answers_of_fill_no_memory(serve: Serve) -> None:
    served = serve(Echo())
    with FrameClient(served) as client:
        client.connection.socket.setblocking(False)
        sent = 0
        while select.select([], [client.connection.socket], [], 0.3)[1]:
            sent += client.connection.socket.send(frame(PING, b"x" * 125) * 100)
            assert sent < 1 << 26
        assert served.call(lambda: max(map(_unsent, served.server.connections))) < 1 << 20


def test_it_works_behind_tls(serve: Serve, tls: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    served = serve(Echo(), ssl_context=tls[0])
    assert isinstance(served.address, tuple)
    address = f"wss://localhost:{served.address[1]}/"
    with connect(address, ssl=tls[1], proxy=None) as client:
        for message in ("hello", b"x" * 300_000):
            client.send(message)
            assert client.recv() == message


def _unsent(connection: Any) -> int:
    transport: asyncio.Transport = connection.transport
    return transport.get_write_buffer_size()


def test_limits_are_numbers_that_make_sense() -> None:
    for name in ("message", "queue", "keep_alive", "close_time"):
        with pytest.raises(ValueError, match=name):
            SocketLimits(**{name: 0})


def test_a_client_that_is_not_ours_is_told_why_it_ends(serve: Serve) -> None:
    async def talk(socket: WebSocket, request: Request) -> None:
        socket.close(4000, "enough")

    with opened(serve(Noted(talk))) as client, pytest.raises(ConnectionClosed) as raised:
        client.recv()
    assert raised.value.rcvd is not None
    assert (raised.value.rcvd.code, raised.value.rcvd.reason) == (4000, "enough")
