"""The door of a TLS port: handshakes that come late, in masses, or not at all."""

import asyncio
import contextlib
import os
import socket
import ssl
import subprocess
from pathlib import Path

import pytest
import uvloop

from perdure.app.web.limits import Limits
from perdure.app.web.request import Request
from perdure.app.web.resource import Resource

from .conftest import Contexts, Serve, Served, contexts
from .http2client import TIMEOUT, Client


class Page(Resource):
    is_leaf = True

    def render_GET(self, request: Request) -> str:
        return f"hello in {request.version}"


@pytest.fixture(name="folder", scope="module")
def folder_fixture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tls")


@pytest.fixture(name="tls2", scope="module")
def tls2_fixture(folder: Path) -> Contexts:
    return contexts(folder)


@pytest.fixture(name="served", params=[asyncio.new_event_loop, uvloop.new_event_loop])
def served_fixture(
    serve: Serve, tls2: Contexts, request: pytest.FixtureRequest, tmp_path: Path
) -> Served:
    limits = Limits(handshakes=5)
    log = str(tmp_path / "log")
    return serve(Page(), ssl_context=tls2[0], limits=limits, log=log, loop_factory=request.param)


def plain(served: Served) -> socket.socket:
    assert isinstance(served.address, tuple)
    return socket.create_connection(served.address, timeout=TIMEOUT)


def rest(sock: socket.socket) -> bytes:
    """All that comes until the server closes."""
    pieces: list[bytes] = []
    with contextlib.suppress(ConnectionResetError):
        while data := sock.recv(65536):
            pieces.append(data)
    return b"".join(pieces)


def asked(served: Served, context: ssl.SSLContext) -> bytes:
    """The reply to one request in HTTP/1.1."""
    with (
        plain(served) as raw,
        context.wrap_socket(raw, server_hostname="localhost") as sock,
    ):
        sock.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        return rest(sock)


def s_client(served: Served, *options: str) -> str:
    assert isinstance(served.address, tuple)
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{served.address[1]}", *options]
    return subprocess.run(
        command, check=False, input=b"", capture_output=True, timeout=TIMEOUT
    ).stdout.decode()


def test_what_is_spoken_is_agreed_upon(served: Served, tls2: Contexts, folder: Path) -> None:
    assert "ALPN protocol: h2" in s_client(served, "-alpn", "h2,http/1.1")
    assert "ALPN protocol: http/1.1" in s_client(served, "-alpn", "http/1.1")
    assert "No ALPN negotiated" in s_client(served)
    with Client(served, tls2[1]) as client:
        assert client.get().body == b"hello in 2"
    old = ssl.create_default_context(cafile=folder / "both.pem")
    assert asked(served, old).endswith(b"hello in 1.1")


def test_http_without_tls_is_told_so_and_the_log_is_quiet(
    served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    with plain(served) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        said = rest(client)
    assert said.startswith(b"HTTP/1.1 400 ")
    assert b"https://" in said
    assert not caplog.records


@pytest.mark.parametrize("said", [b"", b"\x00\x01\x02", b"\x16", b"\x16\x03\x01\x00\x05hello"])
def test_noise_is_cut_off_and_the_log_is_quiet(
    served: Served, tls2: Contexts, said: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    with plain(served) as client:
        client.sendall(said)
        with contextlib.suppress(OSError):  # it may be cut off by now
            client.shutdown(socket.SHUT_WR)
        assert not rest(client).startswith(b"HTTP")
    with Client(served, tls2[1]) as client:
        assert client.get().status == 200
    assert not caplog.records


@pytest.mark.parametrize("said", [b"", b"\x16", b"\x16\x03\x01\x02\x00\x01"])
def test_a_handshake_that_takes_too_long_is_cut_off(
    serve: Serve, tls2: Contexts, said: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    served = serve(Page(), ssl_context=tls2[0], limits=Limits(handshake_time=0.1))
    with plain(served) as client:
        client.sendall(said)
        assert rest(client) == b""
    assert not caplog.records


def test_of_too_many_handshakes_the_oldest_is_given_up(served: Served, tls2: Contexts) -> None:
    with contextlib.ExitStack() as stack:
        waiting = [stack.enter_context(plain(served)) for _ in range(20)]
        for client in waiting[:15]:
            assert rest(client) == b""
        with Client(served, tls2[1]) as other:
            assert other.get().status == 200
            assert other.get().status == 200
        assert rest(waiting[15]) == b""


def test_handshakes_that_failed_leave_nothing_behind(served: Served, tls2: Contexts) -> None:
    with Client(served, tls2[1]) as client:
        assert client.get().status == 200
    served.arrive(lambda: not served.server.connections)
    before = len(os.listdir("/proc/self/fd"))
    for said in (b"", b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x00\x05hello"):
        for _ in range(10):
            with plain(served) as noisy:
                noisy.sendall(said)
                with contextlib.suppress(OSError):
                    noisy.shutdown(socket.SHUT_WR)
                rest(noisy)
    for _ in range(10):
        with plain(served) as raw, pytest.raises(ssl.SSLError):
            ssl.create_default_context().wrap_socket(raw, server_hostname="localhost")
    served.arrive(lambda: len(os.listdir("/proc/self/fd")) <= before)


def test_a_server_that_stops_gives_up_the_handshakes_there_are(served: Served) -> None:
    with plain(served) as silent, plain(served) as begun:
        begun.sendall(b"\x16\x03\x01")
        with plain(served) as loud:
            loud.sendall(b"GET / HTTP/1.1\r\n\r\n")
            rest(loud)  # so those before are in
        asyncio.run_coroutine_threadsafe(served.server.drain(None), served.loop).result(TIMEOUT)
        assert rest(silent) == b""
        assert rest(begun) == b""
