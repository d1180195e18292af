"""The reverse proxy when the server behind it is down, slow, closed, or asked too much."""

import asyncio
import logging
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from perdure.app.endpoints import parse_endpoint
from perdure.app.web.channel import HTTPChannel
from perdure.app.web.proxy.reverseproxy import ReverseProxy
from perdure.app.web.proxy.upstream import Pool, UpstreamLimits
from perdure.app.web.proxy.upstreamconnection import UpstreamConnection

from .behind import Accepted, Behind, is_cut, pool_of
from .conftest import Connection, Serve, Served

_GET = b"GET /%d HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture(name="behind")
def behind_fixture() -> Iterator[Behind]:
    with Behind() as behind:
        yield behind


def later(served: Served, proxy: ReverseProxy, seconds: float) -> None:
    """Lets the proxy believe that `seconds` have gone."""

    def check() -> None:
        pool = pool_of(proxy)
        pool.sweep(pool.loop.time() + seconds)

    served.call(check)


def used(served: Served, behind: Behind, client: Connection) -> Accepted:
    """The kept connection on which a first request was answered."""
    client.send(_GET % 0)
    server = behind.accept()
    server.request()
    server.answer(b"first")
    assert client.reply().body == b"first"
    return server


@pytest.mark.parametrize("where", ["unix:{folder}/none.sock", "tcp:{port}:interface=127.0.0.1"])
def test_a_server_that_is_not_there_is_a_502_and_a_line_in_the_log(
    where: str, tmp_path: Path, serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
    endpoint = where.format(folder=tmp_path, port=port)
    reply = serve(ReverseProxy(endpoint)).get("/page")
    assert reply.status == 502
    assert b"cannot be reached" in reply.body
    # Where it is meant to be is nobody's business.
    assert endpoint.encode() not in reply.body
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert endpoint in record.getMessage()
    assert record.exc_info is None


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"])
def test_a_request_is_asked_again_when_the_kept_connection_was_closed(
    method: str, behind: Behind, serve: Serve
) -> None:
    served = serve(ReverseProxy(behind.endpoint))
    with served.connect() as client:
        server = used(served, behind, client)
        client.send(f"{method} / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc".encode())
        server.request()
        server.reset()
        server = behind.accept()
        assert server.request().line == f"{method} / HTTP/1.1"
        assert server.exactly(3) == b"abc"
        server.answer()
        assert client.reply(head_only=True).status == 200


def test_a_request_is_asked_again_once_only(behind: Behind, serve: Serve) -> None:
    served = serve(ReverseProxy(behind.endpoint))
    with served.connect() as client:
        server = used(served, behind, client)
        client.send(_GET % 1)
        server.request()
        server.reset()
        server = behind.accept()
        server.request()
        server.reset()
        assert client.reply().status == 502
    assert not behind.called()


def test_what_may_have_had_an_effect_is_not_asked_again(behind: Behind, serve: Serve) -> None:
    served = serve(ReverseProxy(behind.endpoint))
    with served.connect() as client:
        server = used(served, behind, client)
        client.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc")
        server.request()
        server.reset()
        assert client.reply().status == 502
    assert not behind.called()


@pytest.mark.parametrize("begun", [b"H", b"HTTP/1.1 100 Continue\r\n\r\n"])
def test_what_was_begun_to_be_answered_is_not_asked_again(
    begun: bytes, behind: Behind, serve: Serve
) -> None:
    served = serve(ReverseProxy(behind.endpoint))
    with served.connect() as client:
        server = used(served, behind, client)
        client.send(_GET % 1)
        server.request()
        server.send(begun)
        server.socket.close()
        assert client.reply().status == 502
    assert not behind.called()


def test_a_connection_that_the_server_closes_while_nothing_is_asked_is_forgotten(
    behind: Behind, serve: Serve
) -> None:
    proxy = ReverseProxy(behind.endpoint)
    served = serve(proxy)
    with served.connect() as client:
        server = used(served, behind, client)
        server.socket.close()
        served.arrive(lambda: pool_of(proxy).open == 0)
        client.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
        server = behind.accept()
        server.request()
        server.answer(b"x")
        assert client.reply().body == b"x"


@pytest.mark.parametrize(
    "head", [b"Content-Length: 9\r\n\r\nabc", b"Transfer-Encoding: chunked\r\n\r\n9\r\nabc"]
)
@pytest.mark.parametrize("version", ["1.1", "1.0"])
def test_an_answer_that_breaks_off_is_never_taken_for_a_whole_one(
    head: bytes, version: str, behind: Behind, serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    served = serve(ReverseProxy(behind.endpoint))
    with served.connect() as client:
        client.send(f"GET / HTTP/{version}\r\nHost: x\r\n\r\n".encode())
        server = behind.accept()
        server.request()
        server.send(b"HTTP/1.1 200 OK\r\n" + head)
        client.until(b"abc")
        server.socket.close()
        assert is_cut(client)
    (record,) = caplog.records
    assert "closed the connection within its answer" in record.getMessage()
    assert record.exc_info is None


def test_a_server_that_does_not_answer_is_a_504(behind: Behind, serve: Serve) -> None:
    proxy = ReverseProxy(behind.endpoint)
    served = serve(proxy)
    with served.connect() as client:
        client.send(_GET % 1)
        server = behind.accept()
        server.request()
        server.send(b"HTTP/1.1 200 ")
        served.arrive(lambda: pool_of(proxy).open == 1)
        later(served, proxy, 40)
        # Byte by byte is no answer either.
        (connection,) = served.call(lambda: list(pool_of(proxy).connections))
        server.send(b"O")
        served.arrive(lambda: connection.head_size == 14)
        later(served, proxy, 61)
        assert client.reply().status == 504
        assert server.closed()


def test_a_server_that_stops_in_the_middle_is_cut(behind: Behind, serve: Serve) -> None:
    proxy = ReverseProxy(behind.endpoint)
    served = serve(proxy)
    with served.connect() as client:
        client.send(_GET % 1)
        server = behind.accept()
        server.request()
        server.send(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc")
        client.until(b"abc")
        later(served, proxy, 61)
        assert is_cut(client)
        assert server.closed()


def test_a_server_that_takes_no_request_is_a_504(behind: Behind, serve: Serve) -> None:
    proxy = ReverseProxy(behind.endpoint)
    served = serve(proxy)
    with served.connect() as client:
        client.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 16000000\r\n\r\n")
        behind.accept()
        served.arrive(lambda: pool_of(proxy).open == 1)
        ended = threading.Event()

        def flood() -> None:
            try:
                for _ in range(1000):
                    client.send(bytes(16_000))
            except OSError:
                ended.set()

        thread = threading.Thread(target=flood)
        thread.start()
        served.arrive(lambda: any(each.blocked for each in pool_of(proxy).connections))
        (there,) = served.call(lambda: list(pool_of(proxy).connections))
        (here,) = served.server.connections
        assert isinstance(here, HTTPChannel)
        held = served.call(lambda: there.transport.get_write_buffer_size() + here.buffered)
        assert held < 1_000_000
        later(served, proxy, 61)
        assert client.until(b"\r\n").startswith(b"HTTP/1.1 504 ")
        client.socket.shutdown(socket.SHUT_RDWR)
        thread.join()
        assert ended.is_set()


def test_unused_connections_are_closed_in_time(behind: Behind, serve: Serve) -> None:
    proxy = ReverseProxy(behind.endpoint)
    served = serve(proxy)
    with served.connect() as client:
        server = used(served, behind, client)
        later(served, proxy, 19)
        assert pool_of(proxy).open == 1
        later(served, proxy, 21)
        assert server.closed()


def test_a_pause_is_not_held_against_the_next_request(behind: Behind, serve: Serve) -> None:
    proxy = ReverseProxy(behind.endpoint)
    served = serve(proxy)
    with served.connect() as client:
        server = used(served, behind, client)
        server.socket.close()
        served.arrive(lambda: pool_of(proxy).open == 0)
        pool = pool_of(proxy)
        served.call(lambda: setattr(pool, "now", pool.now - 1000))
        client.send(_GET % 1)
        server = behind.accept()
        server.request()
        served.call(lambda: pool.sweep(pool.loop.time()))
        server.answer(b"in time")
        assert client.reply().body == b"in time"


def test_requests_wait_for_a_connection_in_the_order_they_came(
    behind: Behind, serve: Serve
) -> None:
    proxy = ReverseProxy(behind.endpoint, limits=UpstreamLimits(connections=1, waiting=2))
    served = serve(proxy)
    with (
        served.connect() as first,
        served.connect() as second,
        served.connect() as third,
        served.connect() as fourth,
    ):
        first.send(_GET % 1)
        server = behind.accept()
        assert server.request().line == "GET /1 HTTP/1.1"
        second.send(_GET % 2)
        served.arrive(lambda: pool_of(proxy).waiting == 1)
        third.send(_GET % 3)
        served.arrive(lambda: pool_of(proxy).waiting == 2)
        refused = fourth.ask(_GET % 4)
        assert refused.status == 503
        assert refused.get("retry-after") == "1"
        server.answer(b"1")
        assert server.request().line == "GET /2 HTTP/1.1"
        server.answer(b"2", "Connection: close")
        assert second.reply().body == b"2"
        server = behind.accept()
        assert server.request().line == "GET /3 HTTP/1.1"
        server.answer(b"3")
        assert third.reply().body == b"3"
    assert not behind.called()


def test_who_waits_too_long_is_told(behind: Behind, serve: Serve) -> None:
    limits = UpstreamLimits(connections=1, wait_time=0.01)
    proxy = ReverseProxy(behind.endpoint, limits=limits)
    served = serve(proxy)
    with served.connect() as first, served.connect() as second:
        first.send(_GET % 1)
        server = behind.accept()
        server.request()
        assert second.ask(_GET % 2).status == 503
        server.answer(b"1")
        assert first.reply().body == b"1"


def test_who_leaves_while_waiting_takes_no_connection_along(behind: Behind, serve: Serve) -> None:
    proxy = ReverseProxy(behind.endpoint, limits=UpstreamLimits(connections=1))
    served = serve(proxy)
    with served.connect() as first, served.connect() as third:
        first.send(_GET % 1)
        server = behind.accept()
        server.request()
        with served.connect() as second:
            second.send(_GET % 2)
            served.arrive(lambda: pool_of(proxy).waiting == 1)
            third.send(_GET % 3)
            served.arrive(lambda: pool_of(proxy).waiting == 2)
        served.arrive(lambda: pool_of(proxy).waiting == 1)
        server.answer(b"1")
        assert server.request().line == "GET /3 HTTP/1.1"
        server.answer(b"3")
        assert third.reply().body == b"3"


def test_what_is_sent_to_a_server_that_has_gone_while_it_took_nothing_waits_for_nobody() -> None:
    class Gone(asyncio.Transport):
        def is_closing(self) -> bool:
            return True

    async def scenario() -> None:
        pool = Pool(parse_endpoint("tcp:1"), UpstreamLimits())
        connection = UpstreamConnection(pool)
        connection.transport = Gone()
        connection.pause_writing()
        connection.connection_lost(None)
        async with asyncio.timeout(20):
            await connection.send(b"0\r\n\r\n")

    asyncio.run(scenario())
