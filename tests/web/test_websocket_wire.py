"""What a server of WebSockets owes its clients: cases of the kinds that the Autobahn suite has.

(That suite itself runs on Python 2 alone. The numbers are those of its groups.)
"""

import contextlib
import select
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from perdure.app.web.live.websocket import SocketLimits, WebSocket, WebSocketResource
from perdure.app.web.request import Request

from .conftest import Serve, Served
from .frames import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    Frame,
    FrameClient,
    frame,
    goodbye,
)


class Echo(WebSocketResource):
    async def connected(self, socket: WebSocket, request: Request) -> None:
        async for message in socket:
            await socket.send(message)


@pytest.fixture(name="echo")
def echo_fixture(serve: Serve) -> Served:
    return serve(Echo())


@pytest.fixture(name="client")
def client_fixture(echo: Served) -> Iterator[FrameClient]:
    with FrameClient(echo) as client:
        yield client


KOSMOS = "κόσμε-µ@ßöäüàá-UTF-8!!".encode()

FINE: dict[str, tuple[list[bytes], list[Frame]]] = {
    **{
        f"1.1 text of {size} bytes": (
            [frame(TEXT, b"*" * size)],
            [Frame(TEXT, b"*" * size)],
        )
        for size in (0, 125, 126, 127, 128, 65535, 65536)
    },
    **{
        f"1.2 {size} bytes": ([frame(BINARY, b"\xfe" * size)], [Frame(BINARY, b"\xfe" * size)])
        for size in (0, 125, 126, 65535, 65536)
    },
    "2.1 a ping without payload": ([frame(PING)], [Frame(PONG, b"")]),
    "2.3 a ping with binary payload": ([frame(PING, b"\0\xff\xfe")], [Frame(PONG, b"\0\xff\xfe")]),
    "2.4 a ping of 125 bytes": ([frame(PING, b"\xfe" * 125)], [Frame(PONG, b"\xfe" * 125)]),
    "2.7 a pong that nobody asked for": (
        [frame(PONG, b"x"), frame(PING, b"y")],
        [Frame(PONG, b"y")],
    ),
    "2.10 ten pings": (
        [frame(PING, b"%d" % each) for each in range(10)],
        [Frame(PONG, b"%d" % each) for each in range(10)],
    ),
    "5.3 text in two fragments": (
        [frame(TEXT, b"one", fin=False), frame(CONTINUATION, b"two")],
        [Frame(TEXT, b"onetwo")],
    ),
    "5.6 a ping between fragments": (
        [frame(TEXT, b"one", fin=False), frame(PING, b"p"), frame(CONTINUATION, b"two")],
        [Frame(PONG, b"p"), Frame(TEXT, b"onetwo")],
    ),
    "5.19 pings between many fragments": (
        [
            frame(BINARY, b"1", fin=False),
            frame(CONTINUATION, b"2", fin=False),
            frame(PING, b"p"),
            frame(CONTINUATION, b"3", fin=False),
            frame(CONTINUATION, b"4", fin=False),
            frame(PING, b"q"),
            frame(CONTINUATION, b"5"),
        ],
        [Frame(PONG, b"p"), Frame(PONG, b"q"), Frame(BINARY, b"12345")],
    ),
    "6.1 empty fragments": (
        [frame(TEXT, fin=False), frame(CONTINUATION, fin=False), frame(CONTINUATION)],
        [Frame(TEXT, b"")],
    ),
    "6.2 UTF-8 cut within characters": (
        [
            frame(TEXT, KOSMOS[:1], fin=False),
            *(frame(CONTINUATION, KOSMOS[at : at + 1], fin=False) for at in range(1, len(KOSMOS))),
            frame(CONTINUATION),
        ],
        [Frame(TEXT, KOSMOS)],
    ),
    "6.6 the last of all characters": (
        [frame(TEXT, "\U0010ffff\0\ufffe".encode())],
        [Frame(TEXT, "\U0010ffff\0\ufffe".encode())],
    ),
    "7.1 a goodbye without a code": ([goodbye(None)], [Frame(CLOSE, b"")]),
    "7.3 a goodbye with a reason of 123 bytes": (
        [goodbye(1000, b"*" * 123)],
        [Frame(CLOSE, b"\x03\xe8" + b"*" * 123)],
    ),
    "7.1 nothing is answered after a goodbye": (
        [goodbye(), frame(PING), frame(TEXT, b"late")],
        [Frame(CLOSE, b"\x03\xe8")],
    ),
    **{
        f"7.7 code {code}": ([goodbye(code)], [Frame(CLOSE, code.to_bytes(2))])
        for code in (1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999)
    },
}

WRONG: dict[str, tuple[list[bytes], int]] = {
    "2.5 a ping of 126 bytes": ([frame(PING, b"\xfe" * 126)], 1002),
    **{f"3 reserved bits {rsv:03b}": ([frame(TEXT, b"x", rsv=rsv)], 1002) for rsv in range(1, 8)},
    **{f"4 opcode {code:#x}": ([frame(code)], 1002) for code in (3, 4, 5, 6, 7, 11, 12, 15)},
    "5.1 a ping in fragments": ([frame(PING, b"a", fin=False)], 1002),
    "5.9 a continuation of nothing": ([frame(CONTINUATION, b"a")], 1002),
    "5.18 text within text": ([frame(TEXT, b"a", fin=False), frame(TEXT, b"b")], 1002),
    "6.3 no UTF-8": ([frame(TEXT, b"caf\xe9!")], 1007),
    "6.4 no UTF-8, told before the frame is whole": (
        [frame(TEXT, b"\xce\xba\xed\xa0\x80edited")[:-4]],
        1007,
    ),
    "6.4 no UTF-8, told before the message is whole": ([frame(TEXT, b"\xff", fin=False)], 1007),
    "6.12 a surrogate": ([frame(TEXT, b"\xed\xa0\x80")], 1007),
    "6.14 cut at the end": ([frame(TEXT, KOSMOS[:1])], 1007),
    "6.20 longer than it need be": ([frame(TEXT, b"\xc0\xaf")], 1007),
    "6.23 beyond all characters": ([frame(TEXT, b"\xf4\x90\x80\x80")], 1007),
    "7.3 a goodbye of one byte": ([frame(CLOSE, b"\x03")], 1002),
    "7.3 a goodbye with a reason of 124 bytes": ([goodbye(1000, b"*" * 124)], 1002),
    "7.5 a reason that is no UTF-8": ([goodbye(1000, b"\xff")], 1007),
    **{
        f"7.9 code {code}": ([goodbye(code)], 1002)
        for code in (0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999, 5000, 65535)
    },
    "no mask": ([frame(TEXT, b"x", mask=None)], 1002),
    "a length told in more bytes than it takes": (
        [frame(TEXT, b"abc", length=b"\x7e\x00\x03")],
        1002,
    ),
    "a length told in many more bytes than it takes": (
        [frame(TEXT, b"abc", length=b"\x7f" + (3).to_bytes(8))],
        1002,
    ),
    "a length with the highest bit": ([frame(TEXT, b"", length=b"\x7f" + b"\xff" * 8)], 1002),
    "9 a message over the limit": ([frame(BINARY, b"x" * ((1 << 20) + 1))], 1009),
    "9 a message over the limit in fragments": (
        [frame(BINARY, b"x" * (1 << 20), fin=False), frame(CONTINUATION, b"x")],
        1009,
    ),
}


@pytest.mark.parametrize("case", FINE)
def test_what_is_right_is_answered(client: FrameClient, case: str) -> None:
    said, answers = FINE[case]
    client.send(*said)
    assert [client.hear() for _ in answers] == answers
    if answers[-1].opcode == CLOSE:
        assert client.connection.closed()
    else:
        assert client.ask("still there") == "still there"


@pytest.mark.parametrize(
    "case", [case for case, (said, _) in FINE.items() if len(b"".join(said)) < 1000]
)
def test_what_comes_byte_by_byte_is_answered_the_same(echo: Served, case: str) -> None:
    said, answers = FINE[case]
    whole = b"".join(said)
    with FrameClient(echo) as client, contextlib.suppress(ConnectionError):
        for number in range(len(whole)):
            client.send(whole[number : number + 1])
        assert [client.hear() for _ in answers] == answers


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_told_and_ends_the_connection(client: FrameClient, case: str) -> None:
    said, code = WRONG[case]
    client.send(*said)
    assert client.hear().code == code
    client.send(goodbye(code))
    assert client.connection.closed()


@pytest.mark.parametrize("wrong", [frame(CONTINUATION, b"a"), frame(TEXT, b"x", rsv=2)])
def test_what_came_before_what_is_wrong_is_still_answered(
    client: FrameClient, wrong: bytes
) -> None:
    client.send(frame(TEXT, b"one"), frame(TEXT, b"two"), wrong, frame(TEXT, b"late"))
    assert [client.hear(), client.hear()] == [Frame(TEXT, b"one"), Frame(TEXT, b"two")]
    assert client.hear().code == 1002
    assert client.connection.closed()


def test_a_page_that_is_long_at_what_came_before_does_not_keep_a_wrong_client(
    serve: Serve,
) -> None:
    class Slow(WebSocketResource):
        limits = SocketLimits(close_time=0.05)

        async def connected(self, socket: WebSocket, request: Request) -> None:
            await socket.receive()
            await request.closed.wait()

    with FrameClient(serve(Slow())) as client:
        client.send(frame(TEXT, b"one"), frame(CONTINUATION, b"a"))
        assert client.hear().code == 1002
        assert client.connection.closed()


def test_frames_that_came_with_the_request_are_heard(echo: Served) -> None:
    with FrameClient(echo, more=frame(TEXT, b"eager")) as client:
        assert client.hear() == Frame(TEXT, b"eager")


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(message=st.text(max_size=300) | st.binary(max_size=300), data=st.data())
def test_any_message_in_any_fragments_comes_back_whole(
    echo: Served, message: str | bytes, data: st.DataObject
) -> None:
    payload = message.encode() if isinstance(message, str) else message
    cuts = sorted(data.draw(st.lists(st.integers(0, len(payload)), max_size=5)))
    ends = [*cuts, len(payload)]
    pieces = [payload[a:b] for a, b in zip([0, *cuts], ends, strict=True)]
    opcode = TEXT if isinstance(message, str) else BINARY
    frames = [
        frame(CONTINUATION if number else opcode, piece, fin=number == len(pieces) - 1)
        for number, piece in enumerate(pieces)
    ]
    with FrameClient(echo) as client:
        client.send(*frames)
        assert client.hear() == Frame(opcode, payload)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(noise=st.binary(min_size=1, max_size=200))
def test_noise_harms_nobody_else(echo: Served, noise: bytes) -> None:
    with FrameClient(echo) as other:
        with FrameClient(echo) as client:
            client.send(noise)
        assert other.ask("well?") == "well?"


def test_no_extension_is_agreed_on(echo: Served) -> None:
    asked = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits"
    with FrameClient(echo, asked) as client:
        assert client.reply.get("sec-websocket-extensions") is None


def test_a_client_is_not_read_from_while_nobody_takes_what_it_sends(serve: Serve) -> None:
    class Deaf(WebSocketResource):
        limits = SocketLimits(queue=4, message=1000)

        async def connected(self, socket: WebSocket, request: Request) -> None:
            await request.closed.wait()

    with FrameClient(serve(Deaf())) as client:
        client.connection.socket.setblocking(False)
        sent = 0
        while select.select([], [client.connection.socket], [], 0.3)[1]:
            sent += client.connection.socket.send(frame(TEXT, b"x" * 900) * 100)
            assert sent < 1 << 25


def test_tiny_frames_without_end_keep_nobody_else_waiting(echo: Served) -> None:
    with FrameClient(echo) as flood, FrameClient(echo) as other:
        flood.send(frame(PONG) * 20_000)
        for number in range(10):
            assert other.ask(str(number)) == str(number)
