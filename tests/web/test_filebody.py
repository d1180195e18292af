"""Files and parts of files as bodies."""

import os
import random
import socket
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest

from perdure.app.web.filebody import FileBody, FileRange
from perdure.app.web.request import Request
from perdure.app.web.resource import Rendered, Resource
from perdure.app.web.response import PreparedResponse, Response

from .conftest import Connection, Serve

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
SIZES = [0, 1, 32 * 1024, 32 * 1024 + 1, 100_000, 5_000_000]


class Files(Resource):
    """Answers with what a function makes, and keeps the bodies made."""

    is_leaf = True

    def __init__(self, make: Callable[[], FileBody]) -> None:
        self.make = make
        self.made: list[FileBody] = []

    def render_GET(self, request: Request) -> Rendered:
        self.made.append(self.make())
        return Response(self.made[-1], headers=[("Content-Type", "a/b")])

    @property
    def all_closed(self) -> bool:
        return bool(self.made) and all(body.fd == -1 for body in self.made)


def written(path: Path, size: int) -> bytes:
    content = random.Random(size).randbytes(size)
    path.write_bytes(content)
    return content


@pytest.fixture(name="path")
def path_fixture(tmp_path: Path) -> Path:
    return tmp_path / "file"


@pytest.mark.parametrize("size", SIZES)
def test_a_file_is_sent_whole_and_closed(serve: Serve, path: Path, size: int) -> None:
    content = written(path, size)
    files = Files(lambda: FileBody.open(path))
    served = serve(files)
    with served.connect() as client:
        for _ in range(3):
            reply = client.ask(GET)
            assert reply.body == content
            assert reply.get("content-type") == "a/b"
        assert client.ask(b"HEAD" + GET[3:], head_only=True).get("content-length") == str(size)
        assert client.ask(GET).body == content
    served.arrive(lambda: files.all_closed)


@pytest.mark.parametrize("size", SIZES)
def test_a_file_is_sent_over_tls(
    serve: Serve, path: Path, size: int, tls: tuple[ssl.SSLContext, ssl.SSLContext]
) -> None:
    content = written(path, size)
    files = Files(lambda: FileBody.open(path))
    served = serve(files, ssl_context=tls[0])
    with served.connect() as client:
        client.socket = tls[1].wrap_socket(client.socket, server_hostname="localhost")
        for _ in range(2):
            assert client.ask(GET).body == content
    served.arrive(lambda: files.all_closed)


def test_a_file_is_sent_over_a_unix_socket(serve: Serve, path: Path, tmp_path: Path) -> None:
    content = written(path, 5_000_000)
    files = Files(lambda: FileBody.open(path))
    served = serve(files, unix=tmp_path / "socket")
    with served.connect() as client:
        assert client.ask(GET).body == content


@pytest.mark.parametrize("size", [10, 1_000_000])
def test_parts_are_sent_in_order_with_bytes_between(serve: Serve, path: Path, size: int) -> None:
    content = written(path, size)
    half = size // 2

    def make() -> FileBody:
        parts = (b"<", FileRange(half, size - half), b"|", FileRange(0, half), b"", FileRange(3, 0))
        return FileBody(os.open(path, os.O_RDONLY), (*parts, b">" * half))

    files = Files(make)
    served = serve(files)
    with served.connect() as client:
        for _ in range(2):
            expected = b"<" + content[half:] + b"|" + content[:half] + b">" * half
            assert client.ask(GET).body == expected
    served.arrive(lambda: files.all_closed)


def test_pipelined_files_come_in_order(serve: Serve, tmp_path: Path) -> None:
    contents = [written(tmp_path / str(n), size) for n, size in enumerate(SIZES)]

    class Folder(Resource):
        is_leaf = True

        def render_GET(self, request: Request) -> Rendered:
            return Response(FileBody.open(tmp_path / request.postpath[0]))

    with serve(Folder()).connect() as client:
        client.send(b"".join(b"GET /%d HTTP/1.1\r\nHost: x\r\n\r\n" % n for n in range(6)) * 3)
        for content in contents * 3:
            assert client.reply().body == content


def test_slow_clients_get_all_of_it_and_do_not_hold_up_others(serve: Serve, path: Path) -> None:
    content = written(path, 20_000_000)
    files = Files(lambda: FileBody.open(path))
    served = serve(files)
    with served.connect() as slow, served.connect() as other:
        slow.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        slow.send(GET)
        assert slow.until(b"\r\n\r\n")
        assert other.ask(GET).body == content
        assert not files.all_closed
        assert slow.exactly(len(content)) == content
    served.arrive(lambda: files.all_closed)


def test_a_client_that_goes_leaves_no_file_open(serve: Serve, path: Path) -> None:
    written(path, 20_000_000)
    files = Files(lambda: FileBody.open(path))
    served = serve(files)
    with served.connect() as client:
        client.send(GET)
        client.until(b"\r\n\r\n")
    served.arrive(lambda: files.all_closed)


@pytest.mark.parametrize("size", [1000, 100_000, 20_000_000])
def test_a_file_that_is_shorter_than_promised_is_never_taken_for_whole(
    serve: Serve, path: Path, size: int, caplog: pytest.LogCaptureFixture
) -> None:
    written(path, size // 2)

    def make() -> FileBody:
        return FileBody(os.open(path, os.O_RDONLY), [FileRange(0, size)])

    files = Files(make)
    served = serve(files)
    with served.connect() as client:
        client.send(GET)
        if size <= 32 * 1024:
            assert client.reply().status == 500
        else:
            assert len(client.rest()) < size
    served.arrive(lambda: files.all_closed)
    assert "became shorter" in caplog.text


def test_a_closed_body_stays_closed(path: Path) -> None:
    written(path, 10)
    body = FileBody.open(path)
    assert body.length == 10
    body.close()
    body.close()
    with pytest.raises(OSError, match="No such file"):
        FileBody.open(path.with_name("nothing"))


def test_a_prepared_response_is_sent_again_and_again(serve: Serve) -> None:
    class Prepared(Resource):
        is_leaf = True
        response = PreparedResponse(
            b"HTTP/1.1 203 X\r\nContent-Type: a/b\r\nContent-Length: 5\r\n", b"12345", 203
        )

        def render_GET(self, request: Request) -> Rendered:
            return self.response

    def ask(client: Connection, method: bytes = b"GET") -> bytes:
        reply = client.ask(method + GET[3:], head_only=method == b"HEAD")
        assert (reply.status, reply.get("content-length")) == (203, "5")
        assert reply.get("date")
        return reply.body

    with serve(Prepared()).connect() as client:
        assert ask(client) == b"12345"
        assert ask(client, b"HEAD") == b""
        assert ask(client) == b"12345"


def test_only_what_is_in_memory_can_be_prepared(path: Path) -> None:
    written(path, 10)
    with pytest.raises(TypeError, match="only text or bytes"):
        PreparedResponse.of(Response(FileBody.open(path)))
