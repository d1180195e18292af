"""HTTP/2: the same pages for clients that ask for many things at a time."""

import asyncio
import subprocess
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx2
import pytest
from h2.errors import ErrorCodes
from h2.settings import SettingCodes
from hyperframe.frame import DataFrame, GoAwayFrame

from perdure.app.web.filebody import FileBody
from perdure.app.web.http2 import HTTP2Connection
from perdure.app.web.limits import Limits
from perdure.app.web.request import Request
from perdure.app.web.resource import Rendered, Resource
from perdure.app.web.response import Response
from perdure.app.web.upgrade import Tunnel, Upgrade

from ..paper import Paper
from .conftest import Contexts, Serve, Served
from .http2client import GET, Client, request

BIG = bytes(range(256)) * 4_000


class Visits:
    number = 0


class Pages(Resource):
    """What the tests ask for; `paused` and `broken` are streams."""

    is_leaf = True

    def __init__(self, file: Path | None = None) -> None:
        self.file = file
        self.begun = threading.Event()
        self.ended = threading.Event()

    def render_GET(self, request: Request) -> Rendered:
        match request.path:
            case "/big":
                return BIG
            case "/file":
                assert self.file is not None
                return Response(FileBody.open(self.file))
            case "/none":
                return Response(b"", 204, [("Connection", "close")])
            case "/stream":
                return Response(self.pieces())
            case "/broken":
                return Response(self.broken())
            case "/ever":
                return Response(self.ever(request))
            case "/wait":
                return self.wait(request)
            case "/upgrade":
                return Upgrade(Tunnel(), [("Upgrade", "websocket")])
            case _:
                fields = ("x", "cookie", "host")
                said = ",".join(request.headers.get(name, "-") for name in fields)
                return f"{request.version} {request.secure} {request.host} {said}"

    async def render_POST(self, request: Request) -> Rendered:
        match request.path:
            case "/length":
                return str(len(await request.read()))
            case "/nothing":
                return "no, thank you"
            case _:
                return Response(request.stream())

    async def pieces(self) -> AsyncIterator[str]:
        for n in range(3):
            yield str(n)
            await asyncio.sleep(0)

    async def ever(self, request: Request) -> AsyncIterator[bytes]:
        yield b"on and on"
        await request.draining.wait()
        yield b", and out"

    async def broken(self) -> AsyncIterator[bytes]:
        yield b"some"
        raise OSError("the source ran dry")

    async def wait(self, request: Request) -> str:
        self.begun.set()
        try:
            await request.closed.wait()
        finally:
            self.ended.set()
        return "too late"


@pytest.fixture(name="served")
def served_fixture(serve: Serve, tls2: Contexts, tmp_path: Path) -> Served:
    (tmp_path / "file").write_bytes(BIG)
    log = str(tmp_path / "log")
    return serve(Pages(tmp_path / "file"), ssl_context=tls2[0], log=log)


@pytest.fixture(name="client")
def client_fixture(served: Served, tls2: Contexts) -> Iterator[Client]:
    with Client(served, tls2[1]) as client:
        yield client


def pages(served: Served) -> Pages:
    assert isinstance(served.site.resource, Pages)
    return served.site.resource


def connection(served: Served) -> HTTP2Connection:
    (each,) = served.server.connections
    assert isinstance(each, HTTP2Connection)
    return each


def test_a_page_is_the_same_and_its_fields_are_lower_case(client: Client) -> None:
    answer = client.get([*GET, (b"x", b"\xe4 y"), (b"cookie", b"a=1"), (b"cookie", b"b=2")])

    assert answer.body == "2 True localhost ä y,a=1; b=2,localhost".encode()
    assert [name for name, _ in answer.fields] == [
        b":status",
        b"content-type",
        b"content-length",
        b"server",
        b"date",
    ]


def test_what_concerns_one_connection_of_http_1_does_not_leave(client: Client) -> None:
    answer = client.get(request("GET", "/none"))
    assert (answer.status, answer.body, answer.ended) == (204, b"", True)
    assert b"connection" not in dict(answer.fields)
    # And it does not end this one.
    assert client.get().status == 200


def test_heads_errors_and_unknown_methods_are_answered(client: Client) -> None:
    head = client.get(request("HEAD", "/big"))
    assert (head.body, head.get("content-length")) == (b"", str(len(BIG)))
    assert client.get(request("DELETE", "/")).status == 405
    assert client.get(request("BREW", "/")).status == 400
    assert client.get([(b":method", b"CONNECT"), (b":authority", b"a:1")]).status == 501
    assert client.get(request("GET", "/%00")).status == 400
    assert client.get(request("GET", "/", ("expect", "tea"))).status == 417


def test_streams_and_large_replies_come_whole(client: Client) -> None:
    numbers = {path: client.ask(request("GET", path)) for path in ("/big", "/file", "/stream", "/")}
    assert client.answer(numbers["/stream"]).body == b"012"
    assert client.answer(numbers["/big"]).body == BIG
    assert client.answer(numbers["/file"]).body == BIG
    assert client.answer(numbers["/"]).status == 200


def test_what_is_sent_is_taken_and_sent_back(client: Client) -> None:
    number = client.ask(request("POST", "/echo", ("content-length", str(len(BIG)))), ends=False)
    client.upload(number, BIG)
    assert client.answer(number).body == BIG
    number = client.ask(request("POST", "/length"), ends=False)
    client.upload(number, BIG, ends=False)
    # The trailers of a body are dropped, as those of HTTP/1.1 are.
    client.h2.send_headers(number, [(b"checksum", b"1")], end_stream=True)
    client.flush()
    assert client.answer(number).body == str(len(BIG)).encode()
    assert client.get(request("POST", "/length")).body == b"0"


def test_a_body_that_nobody_wants_is_read_as_far_as_that_costs_little(client: Client) -> None:
    number = client.ask(request("POST", "/nothing"), ends=False)
    client.upload(number, b"x" * 100_000)
    answer = client.answer(number)
    assert (answer.body, answer.ended) == (b"no, thank you", True)

    number = client.ask(request("POST", "/nothing"), ends=False)
    answer = client.answers[number]
    for _ in range(100):
        if client.h2.local_flow_control_window(number) < 16384:
            client.hear()
        if answer.code is not None:
            break
        client.upload(number, bytes(16384), ends=False)
    assert (answer.body, answer.code) == (b"no, thank you", ErrorCodes.NO_ERROR)
    # What was thrown away takes no room from others.
    number = client.ask(request("POST", "/length"), ends=False)
    client.upload(number, BIG)
    assert client.answer(number).body == str(len(BIG)).encode()


def test_what_is_thrown_away_of_a_body_needs_no_word_from_us(client: Client) -> None:
    """There are clients that listen no more once they have the reply, and still have to send."""
    body = bytes(Limits().drain)
    number = client.ask(request("POST", "/nothing", ("content-length", str(len(body)))), ends=False)
    answer = client.answer(number)
    assert (answer.body, answer.ended) == (b"no, thank you", True)
    room = SettingCodes.INITIAL_WINDOW_SIZE
    assert client.h2.remote_settings[room] >= len(body) <= client.h2.outbound_flow_control_window
    frames = [DataFrame(number, body[at : at + 16384]) for at in range(0, len(body), 16384)]
    frames[-1].flags.add("END_STREAM")
    client.frames(frames)
    # Neither the stream nor the connection is cut off for it.
    assert client.get().status == 200
    assert (answer.code, client.goodbye) == (None, None)


def test_a_client_that_asks_first_is_told_to_continue(client: Client) -> None:
    number = client.ask(request("POST", "/length", ("expect", "100-continue")), ends=False)
    client.until(lambda: client.answers[number].continues == 1)
    client.upload(number, b"abc")
    assert client.answer(number).body == b"3"


def test_a_stream_that_fails_is_cut_off_alone(client: Client) -> None:
    number = client.ask(request("GET", "/broken"))
    answer = client.answer(number)
    assert (answer.body, answer.code) == (b"some", ErrorCodes.INTERNAL_ERROR)
    assert client.get().status == 200


def test_who_takes_a_request_back_ends_what_was_made_for_it(
    client: Client, served: Served, tmp_path: Path
) -> None:
    number = client.ask(request("GET", "/wait"))
    assert pages(served).begun.wait(20)
    client.h2.reset_stream(number, ErrorCodes.CANCEL)
    client.flush()
    assert pages(served).ended.wait(20)
    assert client.get().status == 200
    assert served.server.log is not None
    served.call(served.server.log.flush)
    lines = (tmp_path / "log").read_text().splitlines()
    assert '"GET /wait HTTP/2.0" 499 0' in lines[0]
    assert '"GET / HTTP/2.0" 200 ' in lines[1]


def test_a_page_that_takes_over_the_connection_asks_for_http_1(client: Client) -> None:
    # RFC 8441 is not offered: browsers open a connection of their own for a WebSocket.
    assert client.get(request("GET", "/upgrade")).code == ErrorCodes.HTTP_1_1_REQUIRED
    assert not client.h2.remote_settings.get(SettingCodes.ENABLE_CONNECT_PROTOCOL)


def test_a_client_that_says_goodbye_gets_what_it_still_waits_for(client: Client) -> None:
    numbers = [client.ask(request("GET", path)) for path in ("/big", "/file")]
    client.frames([GoAwayFrame(0, last_stream_id=0, error_code=0)])
    assert [client.answer(number).body for number in numbers] == [BIG, BIG]
    client.until(lambda: client.closed)


def test_a_server_that_stops_says_so_and_finishes(client: Client, served: Served) -> None:
    endless = client.ask(request("GET", "/ever"))
    client.until(lambda: client.answers[endless].body == b"on and on")
    number = client.ask(request("POST", "/length"), ends=False)
    client.upload(number, b"abc", ends=False)
    served.arrive(lambda: len(connection(served).streams) == 2)
    stopping = asyncio.run_coroutine_threadsafe(served.server.drain(None), served.loop)
    client.until(lambda: client.goodbye is not None)
    assert client.goodbye is not None
    assert (client.goodbye.error_code, client.goodbye.last_stream_id) == (0, number)
    client.upload(number, b"def")
    assert client.answer(number).body == b"6"
    assert client.answer(endless).body == b"on and on, and out"
    client.until(lambda: client.closed)
    client.socket.close()
    stopping.result(20)


def test_a_connection_too_many_is_refused(serve: Serve, tls2: Contexts) -> None:
    served = serve(Pages(), ssl_context=tls2[0], limits=Limits(connections=1))
    with Client(served, tls2[1]) as first, Client(served, tls2[1]) as second:
        assert second.last_words() == ErrorCodes.ENHANCE_YOUR_CALM
        assert first.get().status == 200


def test_a_reply_waits_until_what_it_tells_of_is_durable(serve: Serve, tls2: Contexts) -> None:
    class Counter(Resource):
        is_leaf = True

        def render_GET(self, request: Request) -> str:
            visits = request.registry.get_component(Visits, default=Visits)
            visits.number += 1
            return str(visits.number)

    served = serve(Counter(), ssl_context=tls2[0], journal=Paper())
    with Client(served, tls2[1]) as client:
        number = client.ask(GET)
        served.held(1)
        assert not client.answers[number].done
        served.secure()
        assert client.answer(number).body == b"1"


def test_a_thousand_streams_of_one_connection(served: Served, tls2: Contexts) -> None:
    async def scenario() -> None:
        limits = httpx2.Limits(max_connections=1)
        async with httpx2.AsyncClient(
            base_url=served.url(""), http2=True, verify=tls2[1], limits=limits, timeout=60
        ) as client:
            replies = await asyncio.gather(
                *(client.get("/", headers={"x": str(n)}) for n in range(1000))
            )
            assert {reply.http_version for reply in replies} == {"HTTP/2"}
            said = [reply.text.split(" ", 3)[3].split(",")[0] for reply in replies]
            assert said == [str(n) for n in range(1000)]

    asyncio.run(scenario())


def test_curl_speaks_it(served: Served) -> None:
    command = ["curl", "-sS", "--fail", "--max-time", "20", "--insecure", "--http2"]
    fetched = subprocess.run(
        [*command, served.url("/big"), served.url("/file"), served.url("/stream")],
        check=True,
        capture_output=True,
    )
    assert fetched.stdout == BIG + BIG + b"012"
    sent = subprocess.run(
        [*command, "--data-binary", "@-", "--write-out", "%{http_version}", served.url("/echo")],
        input=BIG,
        check=True,
        capture_output=True,
    )
    assert sent.stdout == BIG + b"2"
