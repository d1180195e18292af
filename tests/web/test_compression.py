"""Replies that are compressed as they leave, for clients that take it."""

import asyncio
import gzip
from collections.abc import AsyncIterator
from importlib import import_module
from pathlib import Path
from typing import Any
from weakref import WeakSet

import httpx2
import pytest
import zstandard

from perdure.app.web.filebody import FileBody
from perdure.app.web.replies import compression
from perdure.app.web.replies.compression import CODINGS, Compressed, CompressionError
from perdure.app.web.request import Request
from perdure.app.web.resource import Rendered, Resource
from perdure.app.web.response import Response
from perdure.app.web.static import File

from .conftest import Reply, Serve

TEXT = "All that is long enough is compressed. " * 40
LARGE = 3_000_000


def unpacked(reply: Reply) -> bytes:
    brotli: Any = import_module("brotli")
    match reply.get("content-encoding"):
        case "gzip":
            return gzip.decompress(reply.body)
        case "br":
            return bytes(brotli.decompress(reply.body))
        case "zstd":
            return zstandard.ZstdDecompressor().decompressobj().decompress(reply.body)
        case _:
            return reply.body


class Pages(Resource):
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.closed = False
        self.bodies: list[FileBody] = []

    def get_child(self, segment: str, request: Request) -> Resource:
        page = Resource()
        vars(page)["render_GET"] = getattr(self, segment)
        return page

    def text(self, request: Request) -> Rendered:
        return TEXT

    def bytes(self, request: Request) -> Rendered:
        return TEXT.encode()

    def large(self, request: Request) -> Rendered:
        return TEXT * (LARGE // len(TEXT))

    def file(self, request: Request) -> Rendered:
        path = self.folder / "large.txt"
        path.write_text(TEXT * (LARGE // len(TEXT)))
        self.bodies.append(FileBody.open(path))
        return Response(self.bodies[-1], headers=[("Content-Type", "text/plain")])

    async def stream(self, request: Request) -> AsyncIterator[str]:
        try:
            for start in range(0, len(TEXT), 100):
                yield TEXT[start : start + 100]
        finally:
            self.closed = True

    def large_stream(self, request: Request) -> Rendered:
        async def pieces() -> AsyncIterator[bytes]:
            yield b""
            yield TEXT.encode() * 1000
            yield b"the end"

        return Response(pieces(), headers=[("Content-Type", "text/css")])

    async def endless(self, request: Request) -> AsyncIterator[str]:
        try:
            while True:
                yield TEXT
                await asyncio.sleep(0)
        finally:
            self.closed = True

    def short(self, request: Request) -> Rendered:
        return "too short"

    def picture(self, request: Request) -> Rendered:
        return Response(TEXT, headers=[("Content-Type", "image/png")])

    def events(self, request: Request) -> Rendered:
        return Response(TEXT, headers=[("Content-Type", "text/event-stream")])

    def packed(self, request: Request) -> Rendered:
        fields = [("Content-Encoding", "gzip"), ("Content-Type", "text/plain")]
        return Response(gzip.compress(TEXT.encode()), headers=fields)

    def secret(self, request: Request) -> Rendered:
        return Response(TEXT, headers=[("Cache-Control", "private, No-Transform")])

    def tagged(self, request: Request) -> Rendered:
        fields = [("ETag", '"x"'), ("Accept-Ranges", "bytes"), ("Vary", "Cookie")]
        fields += [("Content-Digest", "sha-256=:x:"), ("Repr-Digest", "sha-256=:x:")]
        return Response(TEXT, headers=fields)

    def untrue(self, request: Request) -> Rendered:
        async def pieces() -> AsyncIterator[bytes]:
            yield TEXT.encode()

        return Response(pieces(), headers=[("Content-Length", "100000")])

    def number(self, request: Request) -> Rendered:
        async def pieces() -> AsyncIterator[Any]:
            yield TEXT
            yield 7

        return Response(pieces())


@pytest.mark.parametrize("coding", CODINGS)
@pytest.mark.parametrize("page", ["text", "bytes", "large", "file", "stream", "large_stream"])
def test_what_comes_out_is_what_went_in(
    page: str, coding: str, tmp_path: Path, serve: Serve
) -> None:
    plain = serve(Pages(tmp_path)).get(f"/{page}")
    pages = Pages(tmp_path)
    served = serve(Compressed(pages))
    reply = served.get(f"/{page}", f"Accept-Encoding: {coding}")
    assert reply.get("content-encoding") == coding
    assert len(reply.body) < len(plain.body) // 2
    assert unpacked(reply) == plain.body
    assert reply.get("content-type") == plain.get("content-type")
    assert reply.get("vary") == "Accept-Encoding"
    head = served.get(f"/{page}", f"Accept-Encoding: {coding}", method="HEAD")
    for name in ("content-encoding", "vary", "content-type"):
        assert head.get(name) == reply.get(name)
    assert all(body.fd == -1 for body in pages.bodies)


@pytest.mark.parametrize(
    ("wanted", "coding"),
    [
        ("gzip, deflate, br, zstd", "zstd"),
        ("gzip, br", "br"),
        ("br;q=0.5, gzip", "gzip"),
        ("gzip;q=0, identity", None),
        ("deflate", None),
        ("", None),
        ("*", "zstd"),
    ],
)
def test_the_client_chooses(wanted: str, coding: str | None, tmp_path: Path, serve: Serve) -> None:
    reply = serve(Compressed(Pages(tmp_path))).get("/text", f"Accept-Encoding: {wanted}")
    assert reply.get("content-encoding") == coding
    assert reply.get("vary") == "Accept-Encoding"


@pytest.mark.parametrize("page", ["short", "picture", "events", "packed", "secret"])
def test_what_would_gain_nothing_or_says_so_is_left_as_it_is(
    page: str, tmp_path: Path, serve: Serve
) -> None:
    plain = serve(Pages(tmp_path)).get(f"/{page}")
    reply = serve(Compressed(Pages(tmp_path))).get(f"/{page}", "Accept-Encoding: gzip")
    assert reply.body == plain.body
    assert reply.get("content-encoding") == plain.get("content-encoding")
    assert reply.get("content-length") == plain.get("content-length")


def test_the_tag_becomes_weak_and_no_parts_are_offered(tmp_path: Path, serve: Serve) -> None:
    served = serve(Compressed(Pages(tmp_path)))
    reply = served.get("/tagged", "Accept-Encoding: gzip")
    assert (reply.get("etag"), reply.get("accept-ranges")) == ('W/"x"', None)
    assert (reply.get("content-digest"), reply.get("repr-digest")) == (None, None)
    assert reply.get_all("vary") == ["Cookie", "Accept-Encoding"]
    assert served.get("/tagged").get("etag") == '"x"'


def test_a_file_is_revalidated_by_the_weak_tag_and_its_parts_stay_plain(
    tmp_path: Path, serve: Serve
) -> None:
    (tmp_path / "style.css").write_text(TEXT)
    served = serve(Compressed(File(tmp_path)))
    reply = served.get("/style.css", "Accept-Encoding: br")
    tag = reply.get("etag")
    assert tag is not None
    assert tag.startswith("W/")
    again = served.get("/style.css", "Accept-Encoding: br", f"If-None-Match: {tag}")
    assert (again.status, again.body) == (304, b"")
    assert (again.get("etag"), again.get("vary")) == (tag, "Accept-Encoding")
    part = served.get("/style.css", "Accept-Encoding: br", "Range: bytes=4-8")
    assert (part.status, part.body, part.get("content-encoding")) == (206, b"that ", None)
    assert part.get("vary") == "Accept-Encoding"


def test_each_piece_of_a_stream_leaves_when_it_is_there(serve: Serve) -> None:
    class Waiting(Resource):
        def __init__(self) -> None:
            self.go_on = asyncio.Event()

        async def render_GET(self, request: Request) -> AsyncIterator[str]:
            yield "first"
            await self.go_on.wait()
            yield "second"

    page = Waiting()
    served = serve(Compressed(page))
    with served.connect() as client:
        client.send(b"GET / HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip\r\n\r\n")
        client.until(b"\r\n\r\n")
        unpacker = __import__("zlib").decompressobj(31)
        size = int(client.until(b"\r\n"), 16)
        assert unpacker.decompress(client.exactly(size)) == b"first"
        served.call(page.go_on.set)
        rest = client.until(b"0\r\n\r\n")
        assert rest.endswith(b"0\r\n\r\n")


def test_a_stream_whose_client_leaves_is_closed(tmp_path: Path, serve: Serve) -> None:
    pages = Pages(tmp_path)
    served = serve(Compressed(pages))
    with served.connect() as client:
        client.send(b"GET /endless HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip\r\n\r\n")
        client.exactly(2000)
    served.arrive(lambda: pages.closed)


@pytest.mark.parametrize("page", ["untrue", "number"])
def test_a_stream_that_is_wrong_is_cut_as_it_would_be_without(
    page: str, tmp_path: Path, serve: Serve
) -> None:
    served = serve(Compressed(Pages(tmp_path)))
    with served.connect() as client:
        request = f"GET /{page} HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip\r\n\r\n"
        client.send(request.encode())
        assert not client.rest().endswith(b"0\r\n\r\n")


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"codings": ("lzma",)}, "coding 'lzma': there are zstd, br, gzip"),
        ({"codings": ()}, "one or more is expected"),
        ({"types": "text/*"}, "a list is expected"),
        ({"minimum": -1}, "a number of bytes"),
    ],
)
def test_a_setting_that_makes_no_sense_is_told(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(CompressionError, match=said.replace("*", r"\*")):
        Compressed(Resource(), **settings)


def test_a_client_that_is_not_ours_reads_what_it_knows(tmp_path: Path, serve: Serve) -> None:
    served = serve(Compressed(Pages(tmp_path)))
    with httpx2.Client() as client:
        for coding in ("gzip", "br"):
            reply = client.get(served.url("/large"), headers={"Accept-Encoding": coding})
            assert reply.headers["content-encoding"] == coding
            assert reply.text == TEXT * (LARGE // len(TEXT))


class Endless(Resource):
    """Says something, and waits for the end."""

    is_leaf = True

    def render_GET(self, request: Request) -> Rendered:
        return Response(self.pieces(request), headers=[("Content-Type", "text/plain")])

    async def pieces(self, request: Request) -> AsyncIterator[str]:
        yield TEXT
        await request.draining.wait()


@pytest.mark.parametrize("coding", CODINGS)
def test_no_more_is_compressed_at_a_time_than_there_is_memory_for(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, coding: str
) -> None:
    """Each costs a megabyte or more as long as its client takes its time."""
    monkeypatch.setattr("perdure.app.web.replies.compression._MOST", 2)
    # Of earlier tests, some may not be gone yet.
    monkeypatch.setattr("perdure.app.web.replies.compression._under_way", WeakSet[Any]())
    served = serve(Compressed(Endless()))
    asking = f"GET / HTTP/1.1\r\nHost: x\r\nAccept-Encoding: {coding}\r\n\r\n".encode()
    with served.connect() as first, served.connect() as second, served.connect() as third:
        replies = [each.ask(asking, head_only=True) for each in (first, second, third)]
        found = [each.get("content-encoding") for each in replies]
        assert found == [coding, coding, None]
        assert [each.get("vary") for each in replies] == ["Accept-Encoding"] * 3
        second.socket.close()
        served.arrive(lambda: len(vars(compression)["_under_way"]) < 2)
        with served.connect() as fourth:
            assert fourth.ask(asking, head_only=True).get("content-encoding") == coding
