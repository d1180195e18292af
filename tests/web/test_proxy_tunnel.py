"""Connections that pass a proxy unread: WebSocket, and through the hands of real clients."""

import asyncio
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import httpx2
import pytest
from websockets.sync.client import connect
from websockets.sync.server import ServerConnection
from websockets.sync.server import serve as serve_websocket

from perdure.app.web.proxy.reverseproxy import ReverseProxy
from perdure.app.web.proxy.upstream import UpstreamLimits
from perdure.app.web.request import Request
from perdure.app.web.resource import Resource
from perdure.app.web.response import Response

from .behind import Accepted, Behind, pool_of
from .conftest import Serve, Served, contexts

_UPGRADE = (
    b"GET /chat HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
_SWITCH = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
)


@pytest.fixture(name="behind")
def behind_fixture() -> Iterator[Behind]:
    with Behind() as behind:
        yield behind


@pytest.fixture(name="chat")
def chat_fixture() -> Iterator[int]:
    """The port of a WebSocket server that repeats what it hears."""

    def repeat(connection: ServerConnection) -> None:
        for message in connection:
            connection.send(message)

    with serve_websocket(repeat, "127.0.0.1", 0, subprotocols=None, max_size=None) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.socket.getsockname()[1]
        server.shutdown()
        thread.join()


class Size(Resource):
    """Says how much it was sent, or sends as much as it is asked for."""

    is_leaf = True

    async def render_POST(self, request: Request) -> str:
        size = 0
        async for piece in request.stream():
            size += len(piece)
        return f"{size} bytes"

    def render_GET(self, request: Request) -> Response:
        return Response(bytes(int(request.args["n"])), 200, [("Content-Type", "text/plain")])


def test_a_websocket_passes_with_large_messages_in_both_directions(chat: int, serve: Serve) -> None:
    proxy = ReverseProxy(f"tcp:{chat}:interface=127.0.0.1")
    served = serve(proxy)
    url = served.url("/chat").replace("http", "ws", 1)
    with connect(url, max_size=None, proxy=None) as client:
        for message in ("hello", "", b"\0\xff", "x" * 3_000_000):
            client.send(message)
            assert client.recv() == message
        assert served.call(lambda: len(pool_of(proxy).passages)) == 1
    served.arrive(lambda: not pool_of(proxy).passages)


def test_the_end_of_a_websocket_is_the_servers_to_tell(behind: Behind, serve: Serve) -> None:
    served = serve(ReverseProxy(behind.endpoint))
    with served.connect() as client:
        client.send(_UPGRADE + b"early")
        server = behind.accept()
        heard = server.request()
        assert heard.get("connection") == "Upgrade"
        assert heard.get("upgrade") == "websocket"
        assert heard.get("sec-websocket-key") == "dGhlIHNhbXBsZSBub25jZQ=="
        server.send(_SWITCH + b"welcome")
        reply = client.reply(head_only=True)
        assert reply.status == 101
        assert reply.get("upgrade") == "websocket"
        assert reply.get("connection") == "Upgrade"
        assert reply.get("sec-websocket-accept") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
        assert client.exactly(7) == b"welcome"
        assert server.exactly(5) == b"early"
        client.socket.shutdown(socket.SHUT_WR)
        assert server.rest() == b""
        server.send(b"still")
        assert client.exactly(5) == b"still"
        server.socket.close()
        assert client.closed()


def test_a_client_that_is_cut_cuts_the_other_side(behind: Behind, serve: Serve) -> None:
    proxy = ReverseProxy(behind.endpoint)
    served = serve(proxy)
    with served.connect() as client:
        client.send(_UPGRADE)
        server = behind.accept()
        server.request()
        server.send(_SWITCH)
        client.reply(head_only=True)
        server.reset()
        assert client.closed()
    served.arrive(lambda: not pool_of(proxy).passages)


def test_a_refused_upgrade_is_an_answer_like_any_other(behind: Behind, serve: Serve) -> None:
    served = serve(ReverseProxy(behind.endpoint))
    with served.connect() as client:
        client.send(_UPGRADE)
        server = behind.accept()
        server.request()
        server.answer(b"not you", status="403 Forbidden")
        reply = client.reply()
        assert (reply.status, reply.body) == (403, b"not you")
        client.send(b"GET /2 HTTP/1.1\r\nHost: x\r\n\r\n")
        assert server.request().line == "GET /2 HTTP/1.1"
        server.answer(b"2")
        assert client.reply().body == b"2"


@pytest.mark.parametrize(
    "switch",
    [
        _SWITCH.replace(b"Upgrade: websocket", b"Upgrade: h2c"),
        _SWITCH.replace(b"Connection: Upgrade\r\n", b""),
        _SWITCH.replace(b"\r\n\r\n", b"\r\nContent-Length: 3\r\n\r\n"),
    ],
)
def test_a_change_to_something_else_is_a_502(switch: bytes, behind: Behind, serve: Serve) -> None:
    served = serve(ReverseProxy(behind.endpoint))
    with served.connect() as client:
        client.send(_UPGRADE)
        server = behind.accept()
        server.request()
        server.send(switch)
        assert client.reply().status == 502
        assert server.closed()


def test_there_are_no_more_tunnels_than_may_be_however_many_are_asked_for_at_once(
    behind: Behind, serve: Serve
) -> None:
    served = serve(ReverseProxy(behind.endpoint, limits=UpstreamLimits(tunnels=1)))
    with served.connect() as client, served.connect() as other, served.connect() as late:
        servers: list[Accepted] = []
        for each in (client, other):
            each.send(_UPGRADE)
            servers.append(behind.accept())
            servers[-1].request()
        for server in servers:
            server.send(_SWITCH)
        answers = [each.reply(head_only=True).status for each in (client, other)]
        assert sorted(answers) == [101, 503]
        late.send(_UPGRADE)
        assert late.reply().status == 503


def test_silence_ends_a_tunnel(behind: Behind, serve: Serve) -> None:
    proxy = ReverseProxy(behind.endpoint, limits=UpstreamLimits(tunnels=1, tunnel_time=0.05))
    served = serve(proxy)
    with served.connect() as client:
        client.send(_UPGRADE)
        server = behind.accept()
        server.request()
        server.send(_SWITCH)
        assert client.reply(head_only=True).status == 101
        assert client.closed()
        assert server.closed()
    served.arrive(lambda: not pool_of(proxy).passages)


def test_a_tunnel_holds_little_for_who_reads_slowly(behind: Behind, serve: Serve) -> None:
    proxy = ReverseProxy(behind.endpoint)
    served = serve(proxy)
    size = 30_000_000
    with served.connect() as client:
        client.send(_UPGRADE)
        server = behind.accept()
        server.request()
        server.send(_SWITCH)
        client.reply(head_only=True)
        (passage,) = served.call(lambda: list(pool_of(proxy).passages))
        near, far = passage.near, passage.far
        assert near is not None
        for sender, taker, source, sink in (
            (server, client, far, near),
            (client, server, near, far),
        ):
            thread = threading.Thread(target=sender.send, args=(bytes(size),))
            thread.start()
            served.arrive(partial(_is_paused, source))
            assert served.call(sink.get_write_buffer_size) < 1_000_000
            assert len(taker.exactly(size)) == size
            thread.join()


@pytest.mark.parametrize("size", [0, 30_000_000])
def test_a_server_that_stops_ends_what_is_silent_and_not_what_is_slow(
    behind: Behind, serve: Serve, size: int
) -> None:
    served = serve(ReverseProxy(behind.endpoint))
    with served.connect() as client:
        client.send(_UPGRADE)
        server = behind.accept()
        server.request()
        server.send(_SWITCH)
        client.reply(head_only=True)
        thread = threading.Thread(target=server.send, args=(bytes(size),))
        thread.start()
        stopping = asyncio.run_coroutine_threadsafe(served.server.drain(None), served.loop)
        served.arrive(lambda: served.server.draining)
        assert len(client.exactly(size)) == size
        thread.join()
        stopping.result(10)
        assert client.closed()
        assert server.closed()


def test_a_server_behind_that_speaks_tls_has_to_prove_who_it_is(
    serve: Serve, tls: tuple[ssl.SSLContext, ssl.SSLContext], tmp_path: Path
) -> None:
    context, client_context = tls
    inner = serve(Size(), ssl_context=context)
    (authority,) = client_context.get_ca_certs(binary_form=True)
    path = tmp_path / "authority.pem"
    path.write_text(ssl.DER_cert_to_PEM_cert(authority))
    port = int(inner.url().rpartition(":")[2].strip("/"))
    trusting = serve(ReverseProxy(f"tls:{port}:interface=localhost", authorities=str(path)))
    assert trusting.get("/?n=300000").body == bytes(300_000)
    assert serve(ReverseProxy(f"tls:{port}:interface=localhost")).get("/?n=3").status == 502
    wrong_name = ReverseProxy(f"tls:{port}:interface=127.0.0.2", authorities=str(path))
    assert serve(wrong_name).get("/?n=3").status == 502


def test_what_comes_by_http2_goes_on_as_http1(behind: Behind, serve: Serve, tmp_path: Path) -> None:
    """Also where it could not be said in HTTP/1.1: no field of a connection, one Host, no upgrade."""
    context, trusting = contexts(tmp_path)
    served = serve(ReverseProxy(behind.endpoint), ssl_context=context)
    url = served.url("/x?y").replace("127.0.0.1", "localhost")
    answers: list[httpx2.Response] = []
    begun = threading.Event()

    def body() -> Iterator[bytes]:
        yield b"abc"
        begun.wait(20)
        yield b"def"

    def ask() -> None:
        with httpx2.Client(http2=True, verify=trusting, trust_env=False) as client:
            headers = {"Cookie": "a=b", "X-Forwarded-For": "1.2.3.4", "TE": "trailers"}
            answers.append(client.post(url, content=body(), headers=headers))

    thread = threading.Thread(target=ask)
    thread.start()
    server = behind.accept()
    heard = server.request()
    begun.set()
    assert heard.line == "POST /x?y HTTP/1.1"
    assert heard.get("transfer-encoding") == "chunked"
    assert heard.get("x-forwarded-for") == "127.0.0.1"
    assert heard.get("x-forwarded-proto") == "https"
    assert heard.get("cookie") == "a=b"
    assert not heard.names & {"te", "connection", "upgrade"}
    assert server.until(b"0\r\n\r\n").replace(b"3\r\n", b"").startswith(b"abc")
    server.send(b"HTTP/1.1 200 OK\r\nKeep-Alive: x\r\nTransfer-Encoding: chunked\r\n\r\n")
    server.send(b"2\r\nok\r\n0\r\n\r\n")
    thread.join()
    (answer,) = answers
    assert (answer.http_version, answer.status_code, answer.text) == ("HTTP/2", 200, "ok")


def test_curl_gets_and_sends_large_bodies_through_two_proxies(serve: Serve, tmp_path: Path) -> None:
    curl = shutil.which("curl")
    if curl is None:
        pytest.skip("no curl")
    inner = serve(Size())
    middle = serve(ReverseProxy(_endpoint(inner)))
    outer = serve(ReverseProxy(_endpoint(middle)))
    big = tmp_path / "big"
    big.write_bytes(bytes(10_000_000))
    for framing in ("Content-Length: 10000000", "Transfer-Encoding: chunked"):
        command = [curl, "-sS", "-H", framing, "-T", str(big), "-X", "POST", outer.url("/")]
        assert subprocess.check_output(command, timeout=60) == b"10000000 bytes"
    got = subprocess.check_output([curl, "-sS", outer.url("/?n=10000000")], timeout=60)
    assert len(got) == 10_000_000


def test_an_http_library_keeps_its_connection(serve: Serve) -> None:
    served = serve(ReverseProxy(_endpoint(serve(Size()))))
    with httpx2.Client(trust_env=False) as client:
        for n in (0, 1, 70_000, 1_000_000):
            reply = client.get(served.url("/"), params={"n": n})
            assert (reply.status_code, len(reply.content)) == (200, n)
        assert (
            client.post(served.url("/"), content=iter([b"a", b"b" * 100_000])).text
            == "100001 bytes"
        )


def _is_paused(transport: asyncio.Transport) -> bool:
    return not transport.is_reading()


def _endpoint(served: Served) -> str:
    assert not isinstance(served.address, str)
    return f"tcp:{served.address[1]}:interface=127.0.0.1"


class Origin(Resource):
    is_leaf = True

    def render_GET(self, request: Request) -> str:
        return f"{request.client} {request.secure} {request.host}"


@pytest.mark.parametrize("path", [None, "web.sock"])
def test_where_a_request_came_from_is_believed_by_our_own_behind(
    path: str | None, serve: Serve, tmp_path: Path
) -> None:
    inner = serve(Origin(), trusted_proxies=["127.0.0.1"])
    unix = tmp_path / path if path is not None else None
    with serve(ReverseProxy(_endpoint(inner)), unix=unix).connect() as client:
        reply = client.ask(b"GET / HTTP/1.1\r\nHost: a.example:8000\r\n\r\n")
    assert reply.status == 200
    assert reply.body.endswith(b" False a.example:8000")
