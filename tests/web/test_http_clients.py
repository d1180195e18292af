"""Real clients: curl, and an HTTP library."""

import asyncio
import ssl
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx2
import pytest

from perdure.app.web.filebody import FileBody
from perdure.app.web.request import Request
from perdure.app.web.resource import Rendered, Resource
from perdure.app.web.response import Response

from .conftest import Serve, Served

BIG = bytes(range(256)) * 4096


class Everything(Resource):
    """One of each."""

    is_leaf = True

    def __init__(self, path: Path) -> None:
        self.path = path

    def render_GET(self, request: Request) -> Rendered:
        match request.postpath[0]:
            case "stream":
                return self.stream()
            case "file":
                return Response(FileBody.open(self.path))
            case name:
                return f"hello {name}"

    async def render_POST(self, request: Request) -> bytes:
        return await request.read()

    async def render_PUT(self, request: Request) -> Rendered:
        return Response(request.stream())

    async def stream(self) -> AsyncIterator[str]:
        for n in range(3):
            await asyncio.sleep(0)
            yield str(n)


@pytest.fixture(name="served")
def served_fixture(serve: Serve, tmp_path: Path) -> Served:
    path = tmp_path / "file"
    path.write_bytes(BIG)
    return serve(Everything(path))


def curl(*options: str, stdin: bytes = b"") -> bytes:
    command = ["curl", "--silent", "--show-error", "--fail", "--max-time", "20", *options]
    return subprocess.run(command, input=stdin, capture_output=True, check=True).stdout


def test_curl_gets_pages_streams_and_files_over_one_connection(served: Served) -> None:
    urls = [served.url(path) for path in ("/a", "/stream", "/file", "/a")]

    assert curl(*urls) == b"hello a012" + BIG + b"hello a"
    assert curl(*urls[:3], "--write-out", "%{num_connects}\n").count(b"0\n") == 2


def test_curl_heads_options_and_old_versions(served: Served) -> None:
    assert b"Content-Length: %d\r\n" % len(BIG) in curl("--head", served.url("/file"))
    assert b"Allow: GET, HEAD, OPTIONS, POST, PUT\r\n" in curl(
        "--request", "OPTIONS", "--include", served.url("/")
    )
    assert curl("--http1.0", served.url("/stream")) == b"012"
    assert curl("--http2", served.url("/a")) == b"hello a"
    assert curl("--http2", "--data-binary", "@-", served.url("/a"), stdin=b"abc") == b"abc"


def test_curl_uploads_with_expect_and_chunked(served: Served) -> None:
    upload = ("--upload-file", "-", served.url("/up"))

    assert curl("--header", "Expect: 100-continue", *upload, stdin=BIG) == BIG
    assert curl("--data-binary", "@-", served.url("/up"), stdin=BIG) == BIG


def test_curl_over_tls(
    serve: Serve, tls: tuple[ssl.SSLContext, ssl.SSLContext], tmp_path: Path
) -> None:
    (tmp_path / "file").write_bytes(BIG)
    served = serve(Everything(tmp_path / "file"), ssl_context=tls[0])
    urls = [served.url(path) for path in ("/a", "/stream", "/file")]

    assert curl("--insecure", *urls) == b"hello a012" + BIG


def test_a_library_gets_posts_and_streams(served: Served) -> None:
    def body() -> Iterator[bytes]:
        for n in range(0, len(BIG), 10_000):
            yield BIG[n : n + 10_000]

    with httpx2.Client(base_url=served.url("")) as client:
        assert client.get("/a").text == "hello a"
        assert client.get("/stream").text == "012"
        assert client.get("/file").content == BIG
        assert client.head("/file").headers["content-length"] == str(len(BIG))
        assert client.post("/", content=BIG).content == BIG
        assert client.post("/", content=body()).content == BIG
        assert client.put("/", content=body()).content == BIG
        assert client.delete("/a").status_code == 405


def test_many_clients_at_once(served: Served) -> None:
    async def scenario() -> None:
        limits = httpx2.Limits(max_connections=50)
        async with httpx2.AsyncClient(base_url=served.url(""), limits=limits) as client:
            replies = await asyncio.gather(*(client.get(f"/{n}") for n in range(300)))
            assert [reply.text for reply in replies] == [f"hello {n}" for n in range(300)]

    asyncio.run(scenario())
