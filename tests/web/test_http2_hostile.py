"""Clients of HTTP/2 that lie, flood, stall and smuggle: it costs them their stream or connection."""

import asyncio
import socket
from collections.abc import Callable, Iterator
from functools import partial

import hypothesis.strategies as st
import pytest
from h2.errors import ErrorCodes
from h2.settings import SettingCodes
from hyperframe.frame import (
    ContinuationFrame,
    DataFrame,
    ExtensionFrame,
    Frame,
    HeadersFrame,
    PingFrame,
    PriorityFrame,
    RstStreamFrame,
    SettingsFrame,
    WindowUpdateFrame,
)
from hypothesis import given, settings

from perdure.app.registry import Registry
from perdure.app.web.http import HTTPServer
from perdure.app.web.http2 import HTTP2Connection
from perdure.app.web.request import Request
from perdure.app.web.resource import Resource
from perdure.app.web.site import Site

from .conftest import Contexts, Serve, Served
from .http2client import GET, Client, Fields, request

LARGE = bytes(1_000_000)


class Pages(Resource):
    """Counts what it is asked."""

    is_leaf = True

    def __init__(self) -> None:
        self.asked = 0

    def render_GET(self, request: Request) -> bytes:
        self.asked += 1
        return LARGE if request.path == "/large" else b"hello"

    async def render_POST(self, request: Request) -> bytes:
        return await request.read()


@pytest.fixture(name="served")
def served_fixture(serve: Serve, tls2: Contexts) -> Served:
    return serve(Pages(), ssl_context=tls2[0])


@pytest.fixture(name="client")
def client_fixture(served: Served, tls2: Contexts) -> Iterator[Client]:
    with Client(served, tls2[1]) as client:
        yield client


def pages(served: Served) -> Pages:
    assert isinstance(served.site.resource, Pages)
    return served.site.resource


def connection(served: Served) -> HTTP2Connection:
    (each,) = served.server.connections
    assert isinstance(each, HTTP2Connection)
    return each


# Floods. Each is bounded by the patience of the server, whatever the frames are called.


def opening(client: Client, fields: Fields = GET) -> Frame:
    """The frame that opens the next stream."""
    number = client.h2.get_next_available_stream_id()
    client.h2.highest_outbound_stream_id = number
    block = client.h2.encoder.encode(fields)
    return HeadersFrame(number, block, flags=["END_HEADERS", "END_STREAM"])


def rapid_reset(client: Client) -> Iterator[Frame]:
    frame = opening(client)
    return iter([frame, RstStreamFrame(frame.stream_id, error_code=8)])


def malformed(client: Client) -> Iterator[Frame]:
    return iter([opening(client, GET[:2])])


def made_to_reset(client: Client) -> Iterator[Frame]:
    # What the server itself resets costs as much as what the client does (CVE-2025-8671).
    frame = opening(client)
    return iter([frame, WindowUpdateFrame(frame.stream_id, window_increment=2**31 - 1)])


def repeated(frame: Frame) -> Iterator[Frame]:
    return iter([frame])


UNKNOWN: Frame = ExtensionFrame(0xEE, 0, body=b"?")
FLOODS: dict[str, Callable[[Client], Iterator[Frame]]] = {
    "rapid reset": rapid_reset,
    "made to reset": made_to_reset,
    "malformed": malformed,
    "ping": lambda _client: repeated(PingFrame(0, b"12345678")),
    "settings": lambda _client: repeated(SettingsFrame(0, settings={1: 4096})),
    "window": lambda _client: repeated(WindowUpdateFrame(0, window_increment=1)),
    "priority": lambda _client: repeated(PriorityFrame(1, stream_weight=3)),
    "unknown": lambda _client: repeated(UNKNOWN),
    "empty data": lambda _client: repeated(DataFrame(1, b"")),
    "small data": lambda _client: repeated(DataFrame(1, b"x")),
}


@pytest.mark.parametrize("kind", FLOODS)
def test_a_flood_ends_the_connection_and_others_are_served(
    client: Client, served: Served, tls2: Contexts, kind: str
) -> None:
    client.ask(request("POST", "/"), ends=False)
    frames: list[Frame] = []
    for _ in range(4000):
        frames += FLOODS[kind](client)
    asked = pages(served).asked
    with Client(served, tls2[1]) as other:
        client.frames(frames)
        assert other.get().body == b"hello"
        client.until(lambda: client.closed)
        if client.goodbye is not None:
            assert client.goodbye.error_code in (
                ErrorCodes.ENHANCE_YOUR_CALM,
                ErrorCodes.STREAM_CLOSED,
                ErrorCodes.PROTOCOL_ERROR,
                ErrorCodes.FLOW_CONTROL_ERROR,
            )
        assert other.get().body == b"hello"
    assert pages(served).asked - asked < 300


def test_a_head_in_too_many_frames_ends_the_connection(client: Client) -> None:
    client.frames(
        [HeadersFrame(1, b""), *(ContinuationFrame(1, b"") for _ in range(200))],
    )
    client.until(lambda: client.closed)
    assert client.goodbye is None or client.goodbye.error_code


def test_too_many_streams_end_the_connection(client: Client, served: Served) -> None:
    numbers = [client.ask(request("POST", "/"), ends=False) for _ in range(100)]
    assert client.h2.remote_settings.max_concurrent_streams in (100, 2**32 + 1)
    for number in numbers:
        client.upload(number, b"x")
        assert client.answer(number).body == b"x"
    client.h2.remote_settings.update({SettingCodes.MAX_CONCURRENT_STREAMS: 1000})
    client.h2.remote_settings.acknowledge()
    for _ in range(101):
        client.ask(request("POST", "/"), ends=False)
    client.until(lambda: client.closed)
    assert client.goodbye is not None


@pytest.mark.parametrize(
    "said",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(100),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\xff\xff\xff" + bytes(100),
    ],
)
def test_who_does_not_speak_http_2_is_cut_off(served: Served, tls2: Contexts, said: bytes) -> None:
    assert isinstance(served.address, tuple)
    with (
        socket.create_connection(served.address, timeout=20) as plain,
        tls2[1].wrap_socket(plain, server_hostname="localhost") as secure,
    ):
        secure.sendall(said)
        while secure.recv(65536):
            pass


@settings(max_examples=30, deadline=None)
@given(data=st.binary(min_size=1, max_size=300), kind=st.integers(0, 10), number=st.integers(0, 5))
def test_no_bytes_upset_the_server(data: bytes, kind: int, number: int) -> None:
    class Paper(asyncio.Transport):
        def write(self, data: bytes | bytearray | memoryview) -> None:
            pass

        def close(self) -> None:
            pass

        def get_write_buffer_size(self) -> int:
            return 0

    async def scenario() -> None:
        server = HTTPServer(Site(Pages()), Registry())
        protocol = HTTP2Connection(server)
        protocol.connection_made(Paper())
        protocol.data_received(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        protocol.data_received(SettingsFrame(0).serialize())
        head = len(data).to_bytes(3, "big") + bytes([kind, 5]) + number.to_bytes(4, "big")
        protocol.data_received(head + data)
        protocol.data_received(data)
        protocol.connection_lost(None)
        await server.drain(0)

    asyncio.run(scenario())


# Slowness.


def test_a_reply_that_is_not_taken_is_taken_back(
    serve: Serve, tls2: Contexts, served: Served
) -> None:
    with Client(served, tls2[1], taking=False) as client:
        number = client.ask(request("GET", "/large"))
        client.until(lambda: len(client.answers[number].body) == 65535)
        assert client.answers[number].status == 200
        served.later(59)
        served.later(61)
        assert client.answer(number).code == ErrorCodes.CANCEL


def test_what_waits_to_be_sent_is_bounded(served: Served, tls2: Contexts) -> None:
    with Client(served, tls2[1], taking=False) as client:
        for _ in range(50):
            client.ask(request("GET", "/large"))
        # Those that are not answered yet are so when there is room again.
        client.until(lambda: sum(len(a.body) for a in client.answers.values()) == 65535)
        asked = pages(served).asked
        assert asked < 25
        client.taking = True
        client.h2.increment_flow_control_window(65535 * 50)
        for number in client.answers:
            client.h2.increment_flow_control_window(65535, number)
        client.flush()
        for number in client.answers:
            assert len(client.answer(number).body) == len(LARGE)
        assert pages(served).asked == 50


def has(client: Client, size: int) -> bool:
    return sum(len(answer.body) for answer in client.answers.values()) >= size


def test_streams_take_turns_whatever_the_window_of_the_connection(
    served: Served, tls2: Contexts
) -> None:
    with Client(served, tls2[1], taking=False) as client:
        numbers = [client.ask(request("GET", "/large")) for _ in range(10)]
        for number in numbers:
            client.h2.increment_flow_control_window(len(LARGE), number)
        client.flush()
        for turn in range(1, 21):
            client.h2.increment_flow_control_window(32768)
            client.flush()
            client.until(partial(has, client, turn * 32768))
        assert min(len(answer.body) for answer in client.answers.values()) >= 32768


def test_a_window_that_opens_by_a_byte_costs_patience(served: Served, tls2: Contexts) -> None:
    with Client(served, tls2[1], taking=False) as client:
        client.frames([SettingsFrame(0, settings={SettingCodes.INITIAL_WINDOW_SIZE: 1})])
        number = client.ask(request("GET", "/large"))
        opening = WindowUpdateFrame(number, window_increment=1)
        for _ in range(20):
            client.frames([opening] * 100)
        assert client.last_words() == ErrorCodes.ENHANCE_YOUR_CALM


def test_a_body_that_does_not_come_is_answered_408(client: Client, served: Served) -> None:
    number = client.ask(request("POST", "/"), ends=False)
    served.arrive(lambda: connection(served).waits)
    served.later(29)
    served.later(31)
    assert client.answer(number).status == 408


def test_an_idle_connection_is_closed_with_a_goodbye(client: Client, served: Served) -> None:
    assert client.get().body == b"hello"
    served.later(74)
    assert client.get().body == b"hello"
    client.frames([PingFrame(0, b"12345678")])
    served.later(150)
    assert client.last_words() == ErrorCodes.NO_ERROR


def test_patience_comes_back(client: Client, served: Served) -> None:
    for n in range(1, 5):
        client.frames([PingFrame(0, b"12345678")] * 1500)
        assert client.get().body == b"hello"
        served.call(partial(connection(served).check, served.loop.time() + 5.0 * n))
    assert not client.closed
