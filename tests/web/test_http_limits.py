"""Slow, idle, stubborn and numerous clients; and how the server comes to its end."""

import asyncio
import contextlib
import socket
import ssl
import threading
import time
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path

import pytest

from perdure.app.web.filebody import FileBody
from perdure.app.web.limits import Limits
from perdure.app.web.request import Request
from perdure.app.web.resource import Rendered
from perdure.app.web.response import Response

from .conftest import Connection, Page, Serve, Served

TIMEOUT = 20.0
GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


async def echo(request: Request) -> bytes:
    return await request.read()


def settled(served: Served) -> None:
    """Returns when the server has taken what was sent to it."""
    for _ in range(3):
        served.call(lambda: None)
        time.sleep(0)


def buffers(served: Served, size: int) -> bool:
    return sum(channel.buffered for channel in served.channels()) == size


def connected(served: Served, client: Connection) -> None:
    """Returns when the server knows of the connection and has taken what was sent."""
    served.arrive(lambda: len(served.server.connections) > 0)
    settled(served)


def test_a_silent_client_is_closed_without_a_word(serve: Serve) -> None:
    served = serve(Page())
    with served.connect() as client:
        connected(served, client)
        served.later(70)
        served.later(76)
        assert client.rest() == b""


def test_a_kept_connection_is_closed_when_it_has_been_idle(serve: Serve) -> None:
    served = serve(Page())
    with served.connect() as client:
        assert client.ask(GET).body == b"hello"
        served.later(74)
        assert client.ask(GET).body == b"hello"
        served.later(160)
        assert client.rest() == b""


def test_a_slow_head_is_answered_408(serve: Serve) -> None:
    served = serve(Page())
    with served.connect() as client:
        for n, byte in enumerate(GET[:20]):
            client.send(bytes([byte]))
            served.arrive(partial(buffers, served, n + 1))
            served.later(n)
        served.later(21)
        reply = client.reply()
        assert (reply.status, reply.get("connection")) == (408, "close")
        assert client.closed()


def test_a_stalled_body_is_answered_408(serve: Serve) -> None:
    served = serve(Page(echo))
    with served.connect() as client:
        client.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nabc")
        served.arrive(lambda: any(c.waits for c in served.channels()))
        served.later(29)
        served.later(31)
        reply = client.reply()
        assert (reply.status, reply.get("connection")) == (408, "close")
        assert client.closed()


def test_a_stalled_body_that_nobody_wants_closes_the_connection(serve: Serve) -> None:
    served = serve(Page())
    with served.connect() as client:
        reply = client.ask(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nabc")
        assert reply.body == b"hello"
        served.later(29)
        served.later(31)
        assert client.closed()


def test_a_slow_render_is_given_its_time(serve: Serve) -> None:
    go = threading.Event()
    started = threading.Event()

    async def slow(request: Request) -> str:
        started.set()
        while not go.is_set():
            await asyncio.sleep(0.001)
        return "done"

    served = serve(Page(slow))
    with served.connect() as client:
        client.send(GET)
        assert started.wait(TIMEOUT)
        served.later(1000)
        served.later(2000)
        go.set()
        assert client.reply().body == b"done"


def endless(request: Request) -> AsyncIterator[bytes]:
    async def pieces() -> AsyncIterator[bytes]:
        while True:
            yield b"x" * 100_000

    return pieces()


def many(request: Request) -> str:
    return "x" * 100_000


@pytest.mark.parametrize("function", [endless, many])
def test_a_client_that_does_not_read_is_cut_off(
    serve: Serve, function: Callable[[Request], Rendered]
) -> None:
    served = serve(Page(function))
    with served.connect() as client:
        client.send(GET * 1000)
        served.arrive(lambda: any(c.blocked for c in served.channels()))
        served.later(59)
        settled(served)
        served.later(200)
        served.later(300)
        served.arrive(lambda: not served.server.connections)


def test_a_client_that_does_not_read_is_not_read_from(serve: Serve) -> None:
    served = serve(Page(many))
    with served.connect() as client:
        client.socket.setblocking(False)
        sent = 0
        quiet = 0
        while quiet < 50:
            try:
                sent += client.socket.send(GET * 1000)
                quiet = 0
            except BlockingIOError:
                served.call(lambda: None)
                quiet += 1
            assert sent < 50_000_000
        (channel,) = served.channels()
        assert channel.blocked
        assert channel.buffered < 1_000_000


def test_a_client_that_does_not_hear_of_its_error_is_cut_off(serve: Serve) -> None:
    served = serve(Page())
    with served.connect() as client:
        assert client.ask(b"nonsense\r\n\r\n").status == 400
        served.later(4)
        assert served.server.connections
        served.later(6)
        served.arrive(lambda: not served.server.connections)


def test_connections_over_the_limit_are_told_so(serve: Serve) -> None:
    served = serve(Page(), limits=Limits(connections=2))
    with served.connect() as first, served.connect() as second:
        assert first.ask(GET).body == b"hello"
        assert second.ask(GET).body == b"hello"
        with served.connect() as third:
            third.send(GET)
            reply = third.reply()
            assert (reply.status, reply.get("connection")) == (503, "close")
            assert reply.get("retry-after") == "1"
            assert third.closed()
        assert second.ask(GET).body == b"hello"
    served.arrive(lambda: not served.server.connections)
    assert served.get().body == b"hello"


def test_heads_that_were_seen_before_do_not_add_up(serve: Serve) -> None:
    served = serve(Page(lambda request: request.query))
    with served.connect() as client:
        for n in range(2000):
            assert client.ask(b"GET /?%d HTTP/1.1\r\nHost: x\r\n\r\n" % n).body == b"%d" % n
    remembered = served.server._heads  # pyright: ignore[reportPrivateUsage]
    assert len(remembered) <= 512


# The end.


@pytest.mark.parametrize("size", [100, 5_000_000])
def test_a_client_that_is_still_sending_hears_the_refusal(serve: Serve, size: int) -> None:
    served = serve(Page(), limits=Limits(body=1000))
    with served.connect() as client:
        client.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % (size + 1000))
        client.send(b"x" * (size + 1000))
        assert client.reply().status == 413
        assert client.closed()


def test_a_client_that_half_closes_gets_what_was_ready(serve: Serve) -> None:
    served = serve(Page())
    with served.connect() as client:
        client.send(GET * 3)
        client.socket.shutdown(socket.SHUT_WR)
        for _ in range(3):
            assert client.reply().body == b"hello"
        assert client.closed()


def test_a_client_that_half_closes_gets_the_file_it_asked_for(serve: Serve, tmp_path: Path) -> None:
    path = f"{tmp_path}/file"
    with open(path, "wb") as file:
        file.truncate(20_000_000)
    served = serve(Page(lambda request: Response(FileBody.open(path))))
    with served.connect() as client:
        client.send(GET)
        client.socket.shutdown(socket.SHUT_WR)
        assert len(client.reply().body) == 20_000_000
        assert client.closed()


def test_a_client_that_half_closes_gets_all_that_it_pipelined(serve: Serve) -> None:
    served = serve(Page())
    with served.connect() as client:
        client.send(GET * 500)
        client.socket.shutdown(socket.SHUT_WR)
        for _ in range(500):
            assert client.reply().body == b"hello"
        assert client.closed()


def test_a_refused_client_hears_of_it_over_tls(
    serve: Serve, tls: tuple[ssl.SSLContext, ssl.SSLContext]
) -> None:
    served = serve(Page(), ssl_context=tls[0], limits=Limits(body=1000))
    with served.connect() as client:
        client.socket = tls[1].wrap_socket(client.socket, server_hostname="localhost")
        client.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 500000\r\n\r\n")
        client.send(b"x" * 500_000)
        assert client.reply().status == 413
        served.later(6)
        served.arrive(lambda: not served.server.connections)


def test_a_render_that_outlives_its_client_is_noted_once(serve: Serve, tmp_path: Path) -> None:
    started, ended = threading.Event(), threading.Event()

    async def stubborn(request: Request) -> str:
        started.set()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        ended.set()
        return "too late"

    served = serve(Page(stubborn), log=str(tmp_path / "log"))
    with served.connect() as client:
        client.send(GET)
        assert started.wait(TIMEOUT)
    assert ended.wait(TIMEOUT)
    served.arrive(lambda: not served.server.connections)
    log = served.server.log
    assert log is not None
    served.call(log.flush)
    assert (tmp_path / "log").read_text().count("\n") == 1
