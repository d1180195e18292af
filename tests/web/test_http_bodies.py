"""Bodies of requests: streamed, read, parsed, refused, ignored."""

import asyncio
import threading
from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure.app.web.body import BodyDroppedError, BodyTakenError, BodyTooLargeError, Chunks
from perdure.app.web.head import RequestError
from perdure.app.web.limits import Limits
from perdure.app.web.request import Request
from perdure.app.web.resource import Rendered, Resource

from .conftest import Serve

TIMEOUT = 20.0
SMALL = Limits(body=10_000, buffer=2000, drain=3000)


class Post(Resource):
    """Answers POST by a function, and GET with hello."""

    def __init__(self, function: Callable[[Request], Rendered]) -> None:
        self.function = function

    def render_POST(self, request: Request) -> Rendered:
        return self.function(request)

    def render_GET(self, request: Request) -> str:
        return "hello"


async def echo(request: Request) -> bytes:
    return await request.read()


def deaf(request: Request) -> str:
    return "deaf"


async def deaf_later(request: Request) -> str:
    await asyncio.sleep(0)
    return "deaf"


def post(*fields: str, body: bytes = b"") -> bytes:
    return "\r\n".join(["POST / HTTP/1.1", "Host: x", *fields, "", ""]).encode() + body


def sized(body: bytes) -> bytes:
    return post(f"Content-Length: {len(body)}", body=body)


def chunked(*pieces: bytes) -> bytes:
    body = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
    return post("Transfer-Encoding: chunked", body=body + b"0\r\n\r\n")


GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.mark.parametrize("data", [sized(b"abcde"), chunked(b"abc", b"de")])
def test_a_body_is_streamed_in_the_pieces_that_come(serve: Serve, data: bytes) -> None:
    async def page(request: Request) -> str:
        return repr(b"".join([piece async for piece in request.stream()]))

    with serve(Post(page)).connect() as client:
        assert client.ask(data).body == b"b'abcde'"
        assert client.ask(GET).body == b"hello"


def test_a_request_without_body_has_an_empty_one(serve: Serve) -> None:
    async def page(request: Request) -> str:
        pieces = [piece async for piece in request.stream()]
        return repr((await request.read(), pieces))

    with serve(Post(page)).connect() as client:
        assert client.ask(post()).body == b"(b'', [])"


def test_a_body_may_be_read_again_but_not_streamed_again(serve: Serve) -> None:
    async def page(request: Request) -> str:
        twice = await request.read() + await request.read()
        return repr((twice, [piece async for piece in request.stream()]))

    async def streams(request: Request) -> str:
        async for _ in request.stream():
            pass
        try:
            await request.read()
        except BodyTakenError:
            return "taken"
        return "given"

    with serve(Post(page)).connect() as client:
        assert client.ask(sized(b"ab")).body == b"(b'abab', [b'ab'])"
    with serve(Post(streams)).connect() as client:
        assert client.ask(sized(b"ab")).body == b"taken"


@pytest.mark.parametrize("data", [sized(b"x" * 101), chunked(b"x" * 50, b"x" * 51)])
def test_a_resource_may_set_a_lower_limit(serve: Serve, data: bytes) -> None:
    async def page(request: Request) -> bytes:
        return await request.read(100)

    with serve(Post(page)).connect() as client:
        assert client.ask(sized(b"x" * 100)).status == 200
        assert client.ask(data).status == 413


def test_the_error_of_a_lower_limit_may_be_caught(serve: Serve) -> None:
    async def page(request: Request) -> str:
        try:
            await request.read(1)
        except BodyTooLargeError as error:
            return f"over {error.limit}"
        return "within"

    with serve(Post(page)).connect() as client:
        assert client.ask(sized(b"ab")).body == b"over 1"
        assert client.ask(GET).body == b"hello"


@pytest.mark.parametrize("page", [echo, deaf, deaf_later])
@pytest.mark.parametrize(
    "data", [post("Content-Length: 10001"), chunked(*[b"x" * 1000] * 11), chunked(b"x" * 10001)]
)
def test_a_body_over_the_limit_is_refused_and_the_client_hears_of_it(
    serve: Serve, page: Callable[[Request], Rendered], data: bytes
) -> None:
    served = serve(Post(page), limits=SMALL)
    with served.connect() as client:
        reply = client.ask(data)
        assert reply.status in ((413,) if page is echo or b"Length" in data else (413, 200))
        # A client that is still sending is heard out, and not reset.
        client.send(b"x" * 100_000)
        assert reply.get("connection") == "close"
        assert client.closed()


@pytest.mark.parametrize("page", [deaf, deaf_later])
@pytest.mark.parametrize("data", [sized(b"x" * 2900), chunked(*[b"x" * 290] * 10)])
def test_a_small_body_that_nobody_asked_for_is_skipped(
    serve: Serve, page: Callable[[Request], Rendered], data: bytes
) -> None:
    head, _, body = data.partition(b"\r\n\r\n")
    with serve(Post(page), limits=SMALL).connect() as client:
        for _ in range(3):
            assert client.ask(head + b"\r\n\r\n").body == b"deaf"
            assert client.ask(body + GET).body == b"hello"


@pytest.mark.parametrize("page", [deaf, deaf_later])
def test_a_large_body_that_nobody_asked_for_costs_the_connection(
    serve: Serve, page: Callable[[Request], Rendered]
) -> None:
    with serve(Post(page), limits=SMALL).connect() as client:
        assert client.ask(post("Content-Length: 3001")).get("connection") == "close"
        assert client.closed()
    with serve(Post(page), limits=SMALL).connect() as client:
        reply = client.ask(post("Transfer-Encoding: chunked", body=b"5dc\r\n"))
        assert reply.get("connection") is None
        client.send((b"x" * 1500 + b"\r\n5dc\r\n") * 3)
        assert client.closed()


def test_a_body_that_nobody_takes_stops_the_client(serve: Serve) -> None:
    taken = threading.Event()
    started = threading.Event()

    async def page(request: Request) -> str:
        started.set()
        while not taken.is_set():
            await asyncio.sleep(0.001)
        return str(len(await request.read()))

    size = 8_000_000
    served = serve(Post(page), limits=Limits(buffer=10_000))
    with served.connect() as client:
        client.socket.setblocking(False)
        data = memoryview(sized(b"x" * size))
        sent = 0
        quiet = 0
        while quiet < 20:
            try:
                sent += client.socket.send(data[sent : sent + 100_000])
                quiet = 0
            except BlockingIOError:
                served.call(lambda: None)
                quiet += 1
        assert sent < size
        (channel,) = served.channels()
        assert channel.buffered < 500_000
        taken.set()
        client.socket.settimeout(TIMEOUT)
        client.send(bytes(data[sent:]))
        assert client.reply().body == b"%d" % size


def test_continue_is_said_only_when_the_body_is_asked_for(serve: Serve) -> None:
    with serve(Post(echo)).connect() as client:
        client.send(post("Content-Length: 5", "Expect: 100-Continue"))
        assert client.until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        assert client.ask(b"abcde").body == b"abcde"
        assert client.ask(GET).body == b"hello"

        client.send(post("Content-Length: 5", "Expect: 100-continue", body=b"abcde"))
        assert client.until(b"\r\n").startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("page", [deaf, deaf_later])
def test_an_expected_continue_that_is_not_said_ends_the_connection(
    serve: Serve, page: Callable[[Request], Rendered]
) -> None:
    with serve(Post(page)).connect() as client:
        client.send(post("Content-Length: 5", "Expect: 100-continue"))
        head = client.until(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200")
        assert b"\r\nConnection: close\r\n" in head


def test_http_1_0_is_never_told_to_continue(serve: Serve) -> None:
    with serve(Post(echo)).connect() as client:
        client.send(b"POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nabc")
        client.send(b"de")
        assert client.until(b"\r\n").startswith(b"HTTP/1.1 200")


def test_a_body_that_breaks_later_is_refused_when_it_is_read(serve: Serve) -> None:
    started = threading.Event()

    async def page(request: Request) -> bytes:
        started.set()
        return await request.read()

    with serve(Post(page)).connect() as client:
        client.send(post("Transfer-Encoding: chunked", body=b"3\r\nabc\r\n"))
        assert started.wait(TIMEOUT)
        reply = client.ask(b"nonsense\r\n" + GET)
        assert (reply.status, reply.get("connection")) == (400, "close")
        assert client.closed()


def test_a_client_that_goes_within_its_body_cancels_the_reader(serve: Serve) -> None:
    started, ended = threading.Event(), threading.Event()

    async def page(request: Request) -> bytes:
        try:
            async for _ in request.stream():
                started.set()
        finally:
            ended.set()
        return b"never"

    with serve(Post(page)).connect() as client:
        client.send(post("Content-Length: 5", body=b"abc"))
        assert started.wait(TIMEOUT)
    assert ended.wait(TIMEOUT)


def test_a_client_that_goes_within_its_body_is_an_error_to_others(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    """A task of the resource's own that reads the body learns that there will be no more."""
    started, ended = threading.Event(), threading.Event()
    failures: list[BaseException | None] = []

    async def read(request: Request) -> None:
        started.set()
        await request.read()

    async def page(request: Request) -> str:
        task = asyncio.create_task(read(request))
        try:
            await asyncio.shield(asyncio.wait([task]))
        finally:
            await asyncio.wait([task])
            failures.append(task.exception())
            ended.set()
        return "never"

    with serve(Post(page)).connect() as client:
        client.send(post("Content-Length: 5", body=b"abc"))
        assert started.wait(TIMEOUT)
    assert ended.wait(TIMEOUT)
    assert type(failures[0]).__name__ == "ClientGoneError"


@pytest.mark.parametrize("fields", [[], ["Connection: close"]])
def test_who_waits_for_a_body_is_told_when_the_reply_has_left(
    serve: Serve, fields: list[str]
) -> None:
    ended = threading.Event()
    failures: list[BaseException | None] = []

    async def read(request: Request) -> None:
        try:
            await request.read()
        except BodyDroppedError as error:
            failures.append(error)
        ended.set()

    tasks: list[asyncio.Task[None]] = []

    async def page(request: Request) -> str:
        tasks.append(asyncio.create_task(read(request)))
        await asyncio.sleep(0)
        return "enough"

    with serve(Post(page)).connect() as client:
        assert client.ask(post("Content-Length: 5", *fields, body=b"abc")).body == b"enough"
        assert ended.wait(TIMEOUT)
        assert len(failures) == 1
        if not fields:
            assert client.ask(b"de" + GET).body == b"hello"


URLENCODED = ["Content-Type: application/x-www-form-urlencoded"]
MULTIPART = ["Content-Type: multipart/form-data; boundary=B"]
PARTS = b"""\
--B\r
Content-Disposition: form-data; name="a"\r
\r
1\r
--B\r
Content-Disposition: form-data; name="f"; filename="n"\r
\r
content\r
--B--\r
"""


@pytest.mark.parametrize(
    ("fields", "body", "answer"),
    [
        (URLENCODED, b"a=1&a=2&b=%C3%9F+x", "{'a': ['1', '2'], 'b': ['\u00df x']} {}"),
        (MULTIPART, PARTS, "{'a': ['1']} {'f': ('n', b'content')}"),
        (["Content-Type: text/plain"], b"a=1", "{} {}"),
        (["X: y"], b"a=1", "{} {}"),
    ],
)
def test_forms_are_parsed(serve: Serve, fields: list[str], body: bytes, answer: str) -> None:
    async def page(request: Request) -> str:
        form = await request.form()
        files = {name: (file.filename, await file.read()) for name, file in form.files.items()}
        return f"{form.fields.to_dict(flat=False)} {files}"

    with serve(Post(page)).connect() as client:
        reply = client.ask(post(f"Content-Length: {len(body)}", *fields, body=body))
        assert reply.body.decode() == answer


@given(
    pieces=st.lists(st.binary(min_size=1, max_size=40), max_size=8),
    cuts=st.lists(st.integers(0, 400), max_size=12),
    extension=st.sampled_from([b"", b";a", b";a=b", b';a="b c"']),
    trailers=st.sampled_from([b"", b"A: b\r\n", b"A: b\r\nC: d\r\n"]),
    rest=st.binary(max_size=20),
)
def test_chunks_give_what_was_put_in_however_they_are_cut(
    pieces: list[bytes], cuts: list[int], extension: bytes, trailers: bytes, rest: bytes
) -> None:
    data = b"".join(b"%X%b\r\n%b\r\n" % (len(p), extension, p) for p in pieces)
    data += b"0\r\n" + trailers + b"\r\n"
    chunks = Chunks()
    heard: list[bytes] = []
    places = [0, *sorted({cut for cut in cuts if cut < len(data)}), len(data)]
    for begin, end in pairwise(places):
        assert not chunks.complete
        found, left = chunks.feed(data[begin:end] + (rest if end == len(data) else b""))
        heard += found
        assert left == (rest if end == len(data) else b"")

    assert chunks.complete
    assert b"".join(heard) == b"".join(pieces)


@given(st.binary(max_size=60))
def test_chunks_take_any_bytes_or_refuse_them(data: bytes) -> None:
    whole, split = Chunks(), Chunks()

    def fed(chunks: Chunks, pieces: list[bytes]) -> tuple[bytes, bool] | None:
        heard = b""
        try:
            for piece in pieces:
                if not chunks.complete:
                    heard += b"".join(chunks.feed(piece)[0])
        except RequestError:
            return None
        return heard, chunks.complete

    assert fed(whole, [data]) == fed(split, [bytes([byte]) for byte in data])
