"""How the server comes to its end: what has begun is finished, what has not is let go."""

import asyncio
import socket
import threading
from collections.abc import AsyncIterator
from concurrent.futures import Future

import pytest

from perdure.app.registry import Registry
from perdure.app.web.channel import HTTPChannel
from perdure.app.web.http import HTTPServer
from perdure.app.web.request import Request
from perdure.app.web.site import Site

from .conftest import Page, Serve, Served

TIMEOUT = 20.0
GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


def draining(served: Served, seconds: float | None) -> "Future[None]":
    """Begins to drain; the result comes when it is done."""
    future = asyncio.run_coroutine_threadsafe(served.server.drain(seconds), served.loop)
    served.arrive(lambda: served.server.draining)
    return future


def test_draining_closes_idle_connections_at_once(serve: Serve) -> None:
    served = serve(Page())
    with served.connect() as client, served.connect() as fresh:
        assert client.ask(GET).body == b"hello"
        served.arrive(lambda: len(served.server.connections) == 2)
        draining(served, None).result(TIMEOUT)
        assert client.closed()
        assert fresh.closed()


def test_draining_lets_requests_finish_and_closes_after_them(serve: Serve) -> None:
    go, started = threading.Event(), threading.Event()

    async def slow(request: Request) -> str:
        started.set()
        while not go.is_set():
            await asyncio.sleep(0.001)
        return "done"

    served = serve(Page(slow))
    with served.connect() as client, served.connect() as half:
        client.send(GET)
        half.send(GET[:20])
        assert started.wait(TIMEOUT)
        served.arrive(lambda: sum(c.buffered for c in served.channels()) == 20)
        end = draining(served, None)
        assert not end.done()
        go.set()
        half.send(GET[20:])
        for each in (client, half):
            reply = each.reply()
            assert (reply.body, reply.get("connection")) == (b"done", "close")
            assert each.closed()
        end.result(TIMEOUT)


def test_draining_cuts_what_is_not_done_in_time(serve: Serve) -> None:
    started, ended = threading.Event(), threading.Event()

    async def forever(request: Request) -> str:
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()
        return "never"

    served = serve(Page(forever))
    with served.connect() as client:
        client.send(GET)
        assert started.wait(TIMEOUT)
        draining(served, 0.01).result(TIMEOUT)
        assert ended.is_set()
        assert client.rest() == b""


def test_draining_twice_is_as_good_as_once(serve: Serve) -> None:
    served = serve(Page())
    for _ in range(2):
        draining(served, 0).result(TIMEOUT)


def test_connections_that_come_while_draining_wait_for_the_successor(serve: Serve) -> None:
    served = serve(Page())
    draining(served, 0).result(TIMEOUT)
    with served.connect() as client:
        client.send(GET)
        client.socket.settimeout(0.05)
        with pytest.raises(TimeoutError):
            client.socket.recv(1)
    assert not served.server.connections


def test_draining_closes_connections_whose_reply_had_begun(serve: Serve) -> None:
    go, started = threading.Event(), threading.Event()

    async def stream() -> AsyncIterator[str]:
        yield "begun "
        started.set()
        while not go.is_set():
            await asyncio.sleep(0.001)
        yield "done"

    served = serve(Page(lambda request: stream()))
    with served.connect() as client:
        client.send(GET)
        assert started.wait(TIMEOUT)
        end = draining(served, None)
        go.set()
        assert client.reply().body == b"begun done"
        assert client.closed()
        end.result(TIMEOUT)


def test_draining_closes_connections_that_rest(serve: Serve) -> None:
    served = serve(Page())
    with served.connect() as client:
        assert (
            client.ask(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nabc").status == 200
        )
        end = draining(served, None)
        client.send(b"de")
        assert client.closed()
        end.result(TIMEOUT)


def test_a_client_that_was_accepted_just_before_is_let_go_as_well() -> None:
    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        server = HTTPServer(Site(Page()), Registry())
        begun, late = socket.socketpair(), socket.socketpair()
        for each in (begun[1], late[1]):
            each.setblocking(False)
        await loop.connect_accepted_socket(lambda: HTTPChannel(server, False), begun[0])
        await loop.sock_sendall(begun[1], GET[:8])
        while not any(each.buffered for each in channels(server)):
            await asyncio.sleep(0)
        end = asyncio.create_task(server.drain(None))
        await asyncio.sleep(0)
        await loop.connect_accepted_socket(lambda: HTTPChannel(server, False), late[0])
        assert await loop.sock_recv(late[1], 1) == b""
        begun[1].close()
        async with asyncio.timeout(TIMEOUT):
            await end
        late[1].close()

    asyncio.run(scenario())


def channels(server: HTTPServer) -> list[HTTPChannel]:
    return [each for each in server.connections if isinstance(each, HTTPChannel)]
