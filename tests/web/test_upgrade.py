"""Upgrades: a page hands its connection over to something that does not speak HTTP."""

import asyncio
import contextlib
import ssl
from pathlib import Path

import pytest

from perdure.app.web.limits import Limits
from perdure.app.web.request import Request
from perdure.app.web.resource import Rendered, Resource
from perdure.app.web.response import HeaderError
from perdure.app.web.upgrade import Tunnel, Upgrade

from ..paper import Paper
from .conftest import Serve, Served

GET = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: shout\r\n\r\n"


class Shouting(Tunnel):
    """Gives back in capitals what it is sent; what is said of it stands in `told`."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.transport: asyncio.Transport

    def opened(self, transport: asyncio.Transport) -> None:
        self.transport = transport
        self.told.append("opened")
        transport.write(b"HELLO ")

    def data_received(self, data: bytes) -> None:
        if data == b"fail":
            raise ZeroDivisionError("shouting failed")
        self.transport.write(data.upper())

    def eof_received(self) -> bool:
        self.transport.write(b"BYE")
        self.transport.close()
        return True

    def closed(self, error: Exception | None) -> None:
        self.told.append("closed")

    def pause_writing(self) -> None:
        self.told.append("paused")

    def resume_writing(self) -> None:
        self.told.append("resumed")

    def drain(self) -> None:
        self.transport.write(b"CLOSING")
        self.transport.close()


class Counter:
    def __init__(self) -> None:
        self.value = 0


class Door(Resource):
    def __init__(self, status: int = 101) -> None:
        self.status = status
        self.tunnel = Shouting()
        self.requests: list[Request] = []

    def render_GET(self, request: Request) -> Rendered:
        self.requests.append(request)
        request.registry.get_component(Counter, default=Counter).value += 1
        return Upgrade(self.tunnel, [("Upgrade", "shout")], self.status)

    async def render_POST(self, request: Request) -> Rendered:
        if "x-read" in request.headers:
            await request.read()
        return Upgrade(self.tunnel, [("Upgrade", "shout")])


def gone(served: Served) -> None:
    served.arrive(lambda: not served.server.connections)


@pytest.mark.parametrize("secure", [False, True])
def test_the_connection_belongs_to_the_tunnel_after_the_head(
    secure: bool, serve: Serve, tls: tuple[ssl.SSLContext, ssl.SSLContext]
) -> None:
    door = Door()
    served = serve(door, ssl_context=tls[0] if secure else None)
    with served.connect() as client:
        if secure:
            client.socket = tls[1].wrap_socket(client.socket, server_hostname="localhost")
        client.send(GET + b"at once ")
        head = client.until(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n")
        assert b"\r\nUpgrade: shout\r\n" in head
        assert b"Content-" not in head
        assert client.exactly(14) == b"HELLO AT ONCE "
        client.send(b"later")
        assert client.exactly(5) == b"LATER"
        assert not door.requests[0].closed.is_set()
    gone(served)
    assert door.tunnel.told == ["opened", "closed"]
    assert door.requests[0].closed.is_set()


def test_it_comes_after_the_replies_to_earlier_requests_on_the_connection(serve: Serve) -> None:
    root = Resource()
    root.put_child("door", Door())
    with serve(root).connect() as client:
        first = b"GET /none HTTP/1.1\r\nHost: x\r\n\r\n"
        client.send(first + GET.replace(b"/", b"/door", 1) + first)
        assert client.reply().status == 404
        assert client.until(b"\r\n\r\n").startswith(b"HTTP/1.1 101 ")
        assert client.exactly(6 + len(first)) == b"HELLO " + first.upper()


def test_a_connection_is_handed_over_with_200_without_a_length(serve: Serve) -> None:
    with serve(Door(200)).connect() as client:
        client.send(GET)
        head = client.until(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 OK\r\n")
        assert b"Content-" not in head
        assert b"Connection" not in head
        assert client.exactly(6) == b"HELLO "


def test_the_head_leaves_when_what_was_changed_is_durable(serve: Serve) -> None:
    journal = Paper()
    served = serve(Door(), journal=journal)
    with served.connect() as client:
        client.send(GET)
        served.held(1)
        assert client.silent()
        served.secure()
        assert client.until(b"\r\n\r\n").startswith(b"HTTP/1.1 101 ")


def test_a_client_that_leaves_before_is_told_to_the_tunnel(serve: Serve) -> None:
    door = Door()
    served = serve(door, journal=Paper())
    with served.connect() as client:
        client.send(GET)
        served.held(1)
    gone(served)
    served.secure()
    assert "opened" not in door.tunnel.told


def test_a_client_that_leaves_a_page_which_goes_on_is_told_to_the_tunnel(serve: Serve) -> None:
    class Stubborn(Door):
        async def render_GET(self, request: Request) -> Rendered:
            self.requests.append(request)
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.Event().wait()
            return Upgrade(self.tunnel, [("Upgrade", "shout")])

    door = Stubborn()
    served = serve(door)
    with served.connect() as client:
        client.send(GET)
        served.arrive(lambda: bool(door.requests))
    served.arrive(lambda: bool(door.tunnel.told))
    assert door.tunnel.told == ["closed"]


def test_a_body_is_read_first_or_it_is_an_error(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    door = Door()
    served = serve(door)
    post = b"POST / HTTP/1.1\r\nHost: x\r\nX-Read: %b\r\nContent-Length: 3\r\n\r\n"
    with served.connect() as client:
        client.send(post % b"1")
        client.send(b"abcdef")
        assert client.until(b"\r\n\r\n").startswith(b"HTTP/1.1 101 ")
        assert client.exactly(9) == b"HELLO DEF"
    gone(served)
    door.tunnel.told.clear()
    with served.connect() as client:
        client.send((post % b"1").replace(b"X-Read: 1\r\n", b""))
        assert client.reply().status == 500
    assert door.tunnel.told == ["closed"]
    assert "a request with a body cannot become something else" in caplog.text


def test_a_client_that_ends_its_side_is_told_to_the_tunnel(serve: Serve) -> None:
    with serve(Door()).connect() as client:
        client.send(GET)
        client.until(b"HELLO ")
        client.socket.shutdown(1)
        assert client.rest() == b"BYE"


def test_a_tunnel_that_fails_is_cut_and_logged(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    served = serve(Door())
    with served.connect() as client:
        client.send(GET)
        client.until(b"HELLO ")
        client.send(b"fail")
        assert client.closed()
    gone(served)
    assert "GET / HTTP/1.1 from 127.0.0.1 broke off: shouting failed" in caplog.text


def test_a_tunnel_is_told_when_its_client_is_slow(serve: Serve) -> None:
    door = Door()
    served = serve(door)
    with served.connect() as client:
        client.send(GET)
        client.until(b"HELLO ")
        much = 10_000_000
        served.call(lambda: door.tunnel.transport.write(b"x" * much))
        served.arrive(lambda: door.tunnel.told == ["opened", "paused"])
        assert client.exactly(much) == b"x" * much
        served.arrive(lambda: door.tunnel.told == ["opened", "paused", "resumed"])


def test_a_client_that_takes_nothing_is_cut(serve: Serve) -> None:
    door = Door()
    served = serve(door, limits=Limits(send_time=5))
    with served.connect() as client:
        client.send(GET)
        client.until(b"HELLO ")
        served.call(lambda: door.tunnel.transport.write(b"x" * 10_000_000))
        served.later(4)
        served.later(8)
        assert served.call(lambda: len(served.server.connections)) == 1
        served.later(14)
        gone(served)


def test_a_stopping_server_asks_tunnels_to_end(serve: Serve) -> None:
    served = serve(Door())
    with served.connect() as client:
        client.send(GET)
        client.until(b"HELLO ")
        asyncio.run_coroutine_threadsafe(served.server.drain(None), served.loop).result(20)
        assert client.rest() == b"CLOSING"


class Deaf(Tunnel):
    """Does not end when it is asked to."""

    def __init__(self) -> None:
        self.cancelled = asyncio.Event()

    def opened(self, transport: asyncio.Transport) -> None:
        self.task = asyncio.create_task(self._work())
        transport.write(b"HELLO ")

    async def _work(self) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            self.cancelled.set()


def test_one_that_does_not_end_is_cut_at_the_deadline_with_its_task(serve: Serve) -> None:
    door, deaf = Door(), Deaf()
    vars(door)["tunnel"] = deaf
    served = serve(door)
    with served.connect() as client:
        client.send(GET)
        client.until(b"HELLO ")
        asyncio.run_coroutine_threadsafe(served.server.drain(0), served.loop).result(20)
        assert client.closed()
        assert deaf.cancelled.is_set()


def test_upgrades_count_as_connections_and_are_logged(serve: Serve, tmp_path: Path) -> None:
    log = tmp_path / "access.log"
    served = serve(Door(), log=str(log), limits=Limits(connections=1))
    with served.connect() as client:
        client.send(GET)
        client.until(b"HELLO ")
        assert served.get().status == 503
    gone(served)
    assert served.server.log is not None
    served.call(served.server.log.flush)
    assert '"GET / HTTP/1.1" 101 0' in log.read_text()


@pytest.mark.parametrize("status", [100, 204, 404, "101"])
def test_only_101_and_200_hand_over(status: int) -> None:
    with pytest.raises(ValueError, match="handed over with 101 or 200"):
        Upgrade(Tunnel(), (), status)


def test_fields_are_checked_when_it_is_made() -> None:
    with pytest.raises(HeaderError):
        Upgrade(Tunnel(), [("Upgrade", "a\r\nb")])
