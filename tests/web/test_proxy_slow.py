"""The reverse proxy between the fast and the slow: little is held, and nobody else waits."""

import contextlib
import threading
from collections.abc import Iterator

import pytest

from perdure.app.web.channel import HTTPChannel
from perdure.app.web.proxy.reverseproxy import ReverseProxy
from perdure.app.web.proxy.upstream import UpstreamLimits
from perdure.app.web.proxy.upstreamconnection import UpstreamConnection
from perdure.app.web.resource import Resource

from .behind import Accepted, Behind, pool_of
from .conftest import Serve

_GET = b"GET /%d HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture(name="behind")
def behind_fixture() -> Iterator[Behind]:
    with Behind() as behind:
        yield behind


def test_a_fast_server_waits_for_a_slow_client(behind: Behind, serve: Serve) -> None:
    proxy = ReverseProxy(behind.endpoint)
    served = serve(proxy)
    size = 30_000_000
    with served.connect() as client:
        client.send(_GET % 1)
        server = behind.accept()
        server.request()
        server.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        thread = threading.Thread(target=server.send, args=(bytes(size),))
        thread.start()
        served.arrive(lambda: any(each.paused for each in pool_of(proxy).connections))
        # What the proxy has is what it read last, beyond its bound, and what the client's side holds.
        assert served.call(lambda: sum(map(_held, pool_of(proxy).connections))) < 1_000_000
        reply = client.reply()
        thread.join()
    assert len(reply.body) == size


def test_other_clients_are_served_while_a_server_behind_hangs(behind: Behind, serve: Serve) -> None:
    root = Resource()
    root.put_child("slow", ReverseProxy(behind.endpoint, limits=UpstreamLimits(connections=4)))
    served = serve(root)
    clients = [served.connect() for _ in range(50)]
    for client in clients:
        client.send(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
    for _ in range(4):
        behind.accept()
    assert served.get("/other").status == 404
    for client in clients:
        client.socket.close()
    served.arrive(lambda: not served.server.connections)


def test_a_crowd_that_takes_nothing_holds_little_and_keeps_nobody_else_waiting(
    behind: Behind, serve: Serve
) -> None:
    proxy = ReverseProxy(behind.endpoint)
    served = serve(proxy)
    crowd = 40
    senders: list[threading.Thread] = []
    with contextlib.ExitStack() as exits:
        for number in range(crowd):
            client = exits.enter_context(served.connect())
            client.send(_GET % number)
            server = behind.accept()
            server.request()
            size = 20_000_000
            server.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
            senders.append(threading.Thread(target=_push, args=(server, bytes(size))))
            senders[-1].start()
        served.arrive(lambda: all(each.paused for each in pool_of(proxy).connections))
        held = served.call(lambda: sum(map(_held, pool_of(proxy).connections)))
        held += served.call(
            lambda: sum(
                each.transport.get_write_buffer_size()
                for each in served.server.connections
                if isinstance(each, HTTPChannel)
            )
        )
        assert held < crowd * 1_000_000
        with served.connect() as client:
            client.send(_GET % crowd)
            server = behind.accept()
            server.request()
            server.answer(b"served")
            assert client.reply().body == b"served"
    for sender in senders:
        sender.join()
    served.arrive(lambda: not served.server.connections)


def _held(connection: UpstreamConnection) -> int:
    return connection.exchange.buffered if connection.exchange is not None else 0


def _push(server: Accepted, data: bytes) -> None:
    with contextlib.suppress(OSError):
        server.send(data)
