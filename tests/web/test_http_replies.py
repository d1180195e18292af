"""What a render may return, and what the client gets for it."""

import asyncio
import logging
import socket
import threading
from collections.abc import AsyncIterator, Callable

import attrs
import pytest
import uvloop

from perdure.app.web.errors import HTTPError, error_page
from perdure.app.web.request import Request
from perdure.app.web.resource import ErrorPage, Rendered, Resource
from perdure.app.web.response import HeaderError, PreparedResponse, Response
from perdure.app.web.site import Site
from perdure.persist.capture import capture
from perdure.persist.restore import restore
from perdure.persist.trust import Policy

from .conftest import Serve, Served

TIMEOUT = 20.0


class Page(Resource):
    """Answers GET and POST by a function."""

    def __init__(self, function: Callable[[Request], Rendered]) -> None:
        self.function = function

    def render_GET(self, request: Request) -> Rendered:
        return self.function(request)

    def render_POST(self, request: Request) -> Rendered:
        return self.function(request)


async def pieces(*parts: str | bytes) -> AsyncIterator[str | bytes]:
    for part in parts:
        await asyncio.sleep(0)
        yield part


async def later(rendered: Rendered) -> Rendered:
    await asyncio.sleep(0)
    return rendered


def request(path: str = "/", *fields: str, method: str = "GET", version: str = "1.1") -> bytes:
    return "\r\n".join([f"{method} {path} HTTP/{version}", "Host: x", *fields, "", ""]).encode()


class Text(str):
    """Text of a class of its own."""


KINDS: dict[str, Callable[[], Rendered]] = {
    "str": lambda: "gr\u00fc\u00df",
    "subclass of str": lambda: Text("gr\u00fc\u00df"),
    "bytes": lambda: "gr\u00fc\u00df".encode(),
    "response of str": lambda: Response("gr\u00fc\u00df"),
    "response of bytes": lambda: Response("gr\u00fc\u00df".encode()),
    "prepared response": lambda: PreparedResponse.of(Response("gr\u00fc\u00df")),
    "awaitable of str": lambda: later("gr\u00fc\u00df"),
    "awaitable of bytes": lambda: later("gr\u00fc\u00df".encode()),
    "awaitable of response": lambda: later(Response("gr\u00fc\u00df")),
    "awaitable of awaitable": lambda: later(later("gr\u00fc\u00df")),
    "stream": lambda: pieces("gr", b"", "\u00fc\u00df"),
    "awaitable of stream": lambda: later(pieces("gr", "\u00fc\u00df")),
    "response of stream": lambda: Response(pieces("gr", "\u00fc\u00df")),
    "awaitable of response of stream": lambda: later(Response(pieces("gr", "\u00fc\u00df"))),
}


@pytest.mark.parametrize("version", ["1.1", "1.0"])
@pytest.mark.parametrize("make", KINDS.values(), ids=KINDS)
def test_every_kind_of_render_reaches_the_client(
    serve: Serve, make: Callable[[], Rendered], version: str
) -> None:
    served = serve(Page(lambda request: make()))
    with served.connect() as client:
        reply = client.ask(request(version=version))

    assert reply.status == 200
    assert reply.body.decode() == "gr\u00fc\u00df"
    assert (reply.get("content-type") or "").startswith("text/html")
    assert reply.get("date")
    assert reply.get("server") == "perdure"


@pytest.mark.parametrize("make", KINDS.values(), ids=KINDS)
def test_head_gives_the_fields_of_get_without_a_body(
    serve: Serve, make: Callable[[], Rendered]
) -> None:
    served = serve(Page(lambda request: make()))
    with served.connect() as client:
        got = client.ask(request())
        head = client.ask(request(method="HEAD"), head_only=True)
        client.send(request())

        assert client.until(b" ") == b"HTTP/1.1 "

    assert [f for f in head.fields if f[0] != "date"] == [f for f in got.fields if f[0] != "date"]


@pytest.mark.parametrize("make", KINDS.values(), ids=KINDS)
def test_pipelined_replies_of_all_kinds_stay_in_order(
    serve: Serve, make: Callable[[], Rendered]
) -> None:
    root = Resource()
    root.put_child("sync", Page(lambda request: request.query))
    root.put_child("kind", Page(lambda request: make()))
    with serve(root).connect() as client:
        client.send(request("/sync?1") + request("/kind") + request("/sync?2") + request("/sync?3"))
        heard = [client.reply().body.decode() for _ in range(4)]

    assert heard == ["1", "gr\u00fc\u00df", "2", "3"]


def test_hundreds_of_pipelined_requests_are_all_answered(serve: Serve) -> None:
    root = Resource()
    root.put_child("sync", Page(lambda request: request.query))
    root.put_child("async", Page(lambda request: later(request.query)))
    kinds = ["sync", "sync", "sync", "async", "sync"]
    with serve(root).connect() as client:
        client.send(b"".join(request(f"/{kinds[n % 5]}?{n}") for n in range(1000)))
        heard = [client.reply().body.decode() for _ in range(1000)]

    assert heard == [str(n) for n in range(1000)]


@pytest.mark.parametrize(
    ("version", "field", "keeps"),
    [
        ("1.1", "Connection: close", False),
        ("1.1", "Connection: Keep-Alive, Close", False),
        ("1.1", "Connection: keep-alive", True),
        ("1.1", "Connection: foo", True),
        ("1.1", "X: y", True),
        ("1.0", "X: y", False),
        ("1.0", "Connection: close", False),
        ("1.0", "Connection: Keep-Alive", True),
    ],
)
@pytest.mark.parametrize("path", ["/sync", "/async"])
def test_the_connection_stays_open_exactly_when_the_client_wants(
    serve: Serve, path: str, version: str, field: str, keeps: bool
) -> None:
    root = Resource()
    root.put_child("sync", Page(lambda request: "page"))
    root.put_child("async", Page(lambda request: later("page")))
    with serve(root).connect() as client:
        reply = client.ask(request(path, field, version=version))
        if keeps:
            assert reply.get("connection") == ("keep-alive" if version == "1.0" else None)
            assert client.ask(request(path, field, version=version)).body == b"page"
        else:
            assert reply.get("connection") == "close"
            assert client.closed()


def test_a_response_may_close_the_connection(serve: Serve) -> None:
    page = Page(lambda request: Response("bye", headers=[("Connection", "close")]))
    with serve(page).connect() as client:
        assert client.ask(request()).get("connection") == "close"
        assert client.closed()


def test_a_stream_of_http_1_0_ends_with_the_connection(serve: Serve) -> None:
    page = Page(lambda request: pieces("a", "b"))
    with serve(page).connect() as client:
        reply = client.ask(request("/", "Connection: keep-alive", version="1.0"))

    assert reply.get("transfer-encoding") is None
    assert reply.get("connection") == "close"
    assert reply.body == b"ab"


def test_a_stream_that_declares_its_length_is_not_chunked(serve: Serve) -> None:
    page = Page(lambda request: Response(pieces("a", "b"), headers=[("Content-Length", "2")]))
    with serve(page).connect() as client:
        for _ in range(2):
            reply = client.ask(request())
            assert reply.get("content-length") == "2"
            assert reply.body == b"ab"


@pytest.mark.parametrize("status", [204, 304])
@pytest.mark.parametrize("body", ["text", ""])
def test_replies_that_have_no_body_get_none(serve: Serve, status: int, body: str) -> None:
    root = Resource()
    root.put_child("whole", Page(lambda request: Response(body, status)))
    root.put_child("stream", Page(lambda request: Response(pieces(body), status)))
    with serve(root).connect() as client:
        for path in ("/whole", "/stream", "/whole"):
            reply = client.ask(request(path))
            assert (reply.status, reply.body) == (status, b"")
            assert reply.get("content-length") is None
            assert reply.get("transfer-encoding") is None


def test_response_fields_are_sent_as_given_and_types_are_not_doubled(serve: Serve) -> None:
    fields = [("Content-Type", "text/plain"), ("X-A", "1"), ("X-A", "2")]
    served = serve(Page(lambda request: Response("page", 201, fields)))
    reply = served.get()

    assert reply.status == 201
    assert reply.get("content-type") == "text/plain"
    assert [value for name, value in reply.fields if name == "x-a"] == ["1", "2"]


def test_fields_of_the_site_are_on_every_reply(serve: Serve) -> None:
    root = Resource()
    root.put_child("page", Page(lambda request: "page"))
    served = serve(root, headers=[("X-Site", "yes"), ("server", "ours")])

    for reply in (served.get("/page"), served.get("/nothing"), served.get("/ /")):
        assert reply.get("x-site") == "yes"
        assert reply.get("server") == "ours"


# Errors.


class Broken(Resource):
    """Fails in as many ways as there are."""

    is_leaf = True

    def render_GET(self, request: Request) -> Rendered:
        match request.postpath[0]:
            case "none":
                return None  # type: ignore[return-value]  # pyright: ignore[reportReturnType]
            case "number":
                return 42  # type: ignore[return-value]  # pyright: ignore[reportReturnType]
            case "async-none":
                return later(None)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
            case "async":
                return self.fail()
            case "stream":
                return self.stream()
            case "cancelled":
                return self.cancelled()
            case "surrogate":
                return "\udc80"
            case "async-surrogate":
                return later("\udc80")
            case "response-of-none":
                return Response(None)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
            case "status":
                raise HTTPError(200)
            case "header":
                raise HTTPError(400, headers=[("X", "a\r\nb")])
            case _:
                raise ValueError("a <secret>")

    async def fail(self) -> Rendered:
        await asyncio.sleep(0)
        raise ValueError("a <secret>")

    async def cancelled(self) -> Rendered:
        await asyncio.sleep(0)
        raise asyncio.CancelledError

    async def stream(self) -> AsyncIterator[str]:
        await asyncio.sleep(0)
        if self.is_leaf:
            raise ValueError("a <secret>")
        yield ""


WAYS = [
    "none",
    "number",
    "async-none",
    "async",
    "stream",
    "cancelled",
    "surrogate",
    "async-surrogate",
    "response-of-none",
    "status",
    "header",
    "raise",
]


@pytest.mark.parametrize("way", WAYS)
def test_a_failing_resource_costs_its_page_alone(
    serve: Serve, way: str, caplog: pytest.LogCaptureFixture
) -> None:
    with serve(Broken()).connect() as client:
        for _ in range(2):
            reply = client.ask(request(f"/{way}"))
            assert reply.status == 500
            assert b"secret" not in reply.body
            assert b"Broken" not in reply.body
    assert [record.levelno for record in caplog.records] == [logging.ERROR] * 2
    assert f"GET /{way} HTTP/1.1 from 127.0.0.1" in caplog.text


@pytest.mark.parametrize("way", ["none", "number", "async-none"])
def test_a_wrong_return_is_reported_with_the_resource(
    serve: Serve, way: str, caplog: pytest.LogCaptureFixture
) -> None:
    serve(Broken()).get(f"/{way}")

    value = "42" if way == "number" else "None"
    assert f"Broken: rendering GET returned {value}" in caplog.text


@pytest.mark.parametrize("way", ["async", "stream", "raise"])
def test_tracebacks_are_shown_escaped_when_asked_for(serve: Serve, way: str) -> None:
    reply = serve(Broken(), display_tracebacks=True).get(f"/{way}")

    assert b"Traceback" in reply.body
    assert b"ValueError: a &lt;secret&gt;" in reply.body


def test_a_get_child_that_finds_nothing_is_reported(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    class Lost(Resource):
        def get_child(self, segment: str, request: Request) -> Resource:
            return None  # type: ignore[return-value]  # pyright: ignore[reportReturnType]

    assert serve(Lost()).get("/a").status == 500
    assert "Lost: get_child('a') returned None, not a Resource" in caplog.text


def test_a_resource_may_raise_its_answer(serve: Serve) -> None:
    def refuse(request: Request) -> Rendered:
        raise HTTPError(403, "Not <you>.", headers=[("X-Why", "because")])

    async def refuse_later(request: Request) -> Rendered:
        return refuse(request)

    root = Resource()
    root.put_child("sync", Page(refuse))
    root.put_child("async", Page(refuse_later))
    served = serve(root)

    for path in ("/sync", "/async"):
        reply = served.get(path)
        assert reply.status == 403
        assert reply.get("x-why") == "because"
        assert b"Not &lt;you&gt;." in reply.body


def test_a_resource_that_leaves_the_program_is_answered_500(serve: Serve) -> None:
    def leave(request: Request) -> str:
        raise SystemExit(3)

    async def leave_later(request: Request) -> Rendered:
        raise SystemExit(3)

    assert serve(Page(leave)).get().status == 500
    assert serve(Page(leave_later)).get().status == 500


def test_a_field_that_the_client_left_out_is_the_clients_mistake(serve: Serve) -> None:
    reply = serve(Page(lambda request: request.args["name"])).get("/?other=1")
    assert reply.status == 400
    assert b"name" in reply.body


@pytest.mark.parametrize(
    "name", ["Content-Length", "transfer-encoding", "Connection", "Date", "Upgrade"]
)
def test_fields_that_belong_to_one_reply_are_refused_for_all(name: str) -> None:
    with pytest.raises(HeaderError, match="the server's to send"):
        Site(Resource(), headers=[(name, "5")])


def test_an_error_page_escapes_what_it_is_told() -> None:
    page = error_page(404, "<b>", trace="<i>")

    assert isinstance(page.body, str)
    assert "&lt;b&gt;" in page.body
    assert "&lt;i&gt;" in page.body
    assert "<b>" not in page.body


def test_an_error_page_resource_answers_all_methods_and_paths(serve: Serve) -> None:
    served = serve(ErrorPage(410, "Gone for good."))

    assert served.get("/a/b").status == 410
    assert served.get("/", method="PUT").status == 410
    assert served.get("/", method="HEAD").status == 410


@pytest.mark.parametrize("version", ["1.1", "1.0"])
@pytest.mark.parametrize("declared", [True, False])
def test_a_stream_that_fails_in_the_middle_is_cut_not_ended(
    serve: Serve, version: str, declared: bool, caplog: pytest.LogCaptureFixture
) -> None:
    async def failing() -> AsyncIterator[str]:
        yield "beginning"
        await asyncio.sleep(0)
        raise ValueError("in the middle")

    fields = [("Content-Length", "100")] if declared else []
    served = serve(Page(lambda request: Response(failing(), headers=fields)))
    with served.connect() as client:
        client.send(request(version=version))
        assert b"beginning" in client.until(b"beginning")
        heard = b""
        with pytest.raises(ConnectionResetError):  # noqa: PT012
            while data := client.socket.recv(1000):
                heard += data
    assert b"0\r\n\r\n" not in heard
    assert "in the middle" in caplog.text


@pytest.mark.parametrize("parts", [["a"], ["a", "b", "c"]])
def test_a_stream_that_breaks_its_word_about_its_length_is_cut(
    serve: Serve, parts: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    page = Page(lambda request: Response(pieces(*parts), headers=[("Content-Length", "2")]))
    with serve(page).connect() as client:
        client.send(request())
        with pytest.raises(ConnectionResetError):  # noqa: PT012
            while client.socket.recv(1000):
                pass
    assert "declared 2 bytes" in caplog.text


# Clients that go.


def test_the_task_of_a_client_that_goes_is_cancelled(serve: Serve) -> None:
    started, ended = threading.Event(), threading.Event()
    closed: list[bool] = []

    async def wait(request: Request) -> str:
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            closed.append(request.closed.is_set())
            ended.set()
        return "never"

    served = serve(Page(wait))
    with served.connect() as client:
        client.send(request())
        assert started.wait(TIMEOUT)
    assert ended.wait(TIMEOUT)
    assert closed == [True]


@pytest.mark.parametrize("loop_factory", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_a_stream_to_a_client_that_goes_is_closed(
    serve: Serve, loop_factory: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    ended = threading.Event()

    async def endless() -> AsyncIterator[bytes]:
        try:
            while True:
                yield b"x" * 10_000
        finally:
            ended.set()

    served = serve(Page(lambda request: endless()), loop_factory=loop_factory)
    with served.connect() as client:
        client.send(request())
        assert client.until(b"xxx")
    assert ended.wait(TIMEOUT)


def test_a_stream_that_never_waits_does_not_hold_up_others(serve: Serve) -> None:
    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b"x" * 1000

    root = Resource()
    root.put_child("endless", Page(lambda request: endless()))
    root.put_child("short", Page(lambda request: "short"))
    served = serve(root)
    with served.connect() as client:
        client.send(request("/endless"))
        reader = threading.Thread(target=client.rest)
        reader.start()
        for _ in range(20):
            assert served.get("/short").body == b"short"
        for channel in served.channels():
            served.call(channel.abort)
        reader.join(TIMEOUT)


def test_a_slow_client_slows_the_stream(serve: Serve) -> None:
    size = 0
    stalled = threading.Event()

    async def endless() -> AsyncIterator[bytes]:
        nonlocal size
        while size < 12_000_000:
            size += 100_000
            yield b"x" * 100_000

    served = serve(Page(lambda request: endless()))
    with served.connect() as client:
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 20_000)
        client.send(request())

        def watch(before: int) -> None:
            if size and size == before:
                stalled.set()
            else:
                served.loop.call_later(0.05, watch, size)

        served.call(lambda: watch(-1))
        assert stalled.wait(TIMEOUT)
        assert size < 8_000_000
        assert len(client.reply().body) == 12_000_000


def test_closed_is_told_to_whoever_waits(serve: Serve) -> None:
    heard = threading.Event()
    kept: list[asyncio.Task[None]] = []

    async def tell(request: Request) -> None:
        await request.closed.wait()
        heard.set()

    async def page(request: Request) -> str:
        kept.append(asyncio.create_task(tell(request)))
        await asyncio.sleep(0)
        await asyncio.Event().wait()
        return "never"

    served = serve(Page(page))
    with served.connect() as client:
        client.send(request())
        served.arrive(lambda: bool(kept))
    assert heard.wait(TIMEOUT)


# Methods and the walk.


class Greeting(Resource):
    def render_GET(self, request: Request) -> str:
        return "hello"

    def render_PUT(self, request: Request) -> str:
        return "put"


def test_a_method_that_is_not_there_is_refused_with_those_that_are(serve: Serve) -> None:
    reply = serve(Greeting()).get("/", method="DELETE")

    assert reply.status == 405
    assert reply.get("allow") == "GET, HEAD, OPTIONS, PUT"


@pytest.mark.parametrize("target", ["/", "*"])
def test_options_are_answered_from_the_methods(serve: Serve, target: str) -> None:
    reply = serve(Greeting()).get(target, method="OPTIONS")

    assert reply.status == 204
    assert reply.get("allow") == "GET, HEAD, OPTIONS, PUT"


class Walk(Resource):
    """Answers with the way that led to it."""

    def __init__(self, name: str) -> None:
        self.name = name

    def get_child(self, segment: str, request: Request) -> Resource:
        return Walk(f"{self.name}>{segment}")

    def render_GET(self, request: Request) -> str:
        return f"{self.name} {request.prepath} {request.postpath}"


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        ("/", "root> [''] []"),
        ("/a", "root>a ['a'] []"),
        ("/a/", "root>a> ['a', ''] []"),
        ("/a//b", "root>a>>b ['a', '', 'b'] []"),
        ("/a%2Fb/c", "root>a/b>c ['a/b', 'c'] []"),
        ("/gr%C3%BC%C3%9F", "root>gr\u00fc\u00df ['gr\u00fc\u00df'] []"),
        ("/a%20b+c", "root>a b+c ['a b+c'] []"),
        ("/%", "root>% ['%'] []"),
        ("/../..", "root>..>.. ['..', '..'] []"),
        ("/put", "put ['put'] []"),
        ("/put/a", "put>a ['put', 'a'] []"),
        ("/leaf/a/b/", "leaf ['leaf'] ['a', 'b', '']"),
        ("/a?b/c", "root>a ['a'] []"),
        ("http://other/a", "root>a ['a'] []"),
        ("http://other", "root> [''] []"),
    ],
)
def test_the_walk_takes_children_put_by_hand_first_and_stops_at_leaves(
    serve: Serve, path: str, answer: str
) -> None:
    root = Walk("root")
    root.put_child("put", Walk("put"))
    leaf = Walk("leaf")
    leaf.is_leaf = True
    root.put_child("leaf", leaf)

    assert serve(root).get(path).body.decode() == answer


def test_a_resource_answers_with_and_without_a_trailing_slash(serve: Serve) -> None:
    root = Resource()
    root.put_child("page", Greeting())
    served = serve(root)

    assert served.get("/page").status == 200
    assert served.get("/page/").status == 200
    assert served.get("/page//").status == 404
    assert served.get("/page/x").status == 404
    assert served.get("/other").status == 404


def test_children_of_one_resource_are_not_those_of_another() -> None:
    first, second = Greeting(), Greeting()
    first.put_child("a", second)

    assert dict(first.children) == {"a": second}
    assert not second.children


def test_a_site_can_be_saved_and_restored_whole() -> None:
    root = Greeting()
    root.put_child("a", ErrorPage(404))
    site = Site(root, log="web.log", headers=[("X", "y")], display_tracebacks=True)
    restored = restore(capture(site).stream, Policy.everything())

    assert isinstance(restored, Site)
    assert isinstance(restored.resource, Greeting)
    assert list(restored.resource.children) == ["a"]
    assert attrs.evolve(restored, resource=root) == site


def test_a_site_checks_each_resource_once_even_in_circles() -> None:
    class Checked(Resource):
        checks = 0

        def check(self) -> None:
            self.checks += 1

    root, child = Checked(), Checked()
    root.put_child("", root)
    root.put_child("a", child)
    root.put_child("b", child)
    child.put_child("up", root)
    Site(root).check()

    assert (root.checks, child.checks) == (1, 1)


# What a request says.


def told(request: Request) -> str:
    return repr(
        (
            request.method,
            request.target,
            request.path,
            request.query,
            request.version,
            request.host,
            request.client,
            request.secure,
        )
    )


def test_a_request_says_what_came(serve: Serve) -> None:
    reply = serve(Page(told)).get("/?a=b")

    expected = ("GET", "/?a=b", "/", "a=b", "1.1", "x", "127.0.0.1", False)
    assert reply.body.decode() == repr(expected)


def test_an_absolute_address_outranks_the_host(serve: Serve) -> None:
    assert serve(Page(lambda request: request.host)).get("http://a:81/").body == b"a:81"


def test_fields_arguments_and_cookies_are_read_when_asked_for(serve: Serve) -> None:
    def read(request: Request) -> str:
        headers = request.headers
        return repr(
            [
                headers.get("x-a"),
                headers.get("X-B"),
                headers.get("X-C"),
                headers.get("X-C", ""),
                headers.get_all("x-b"),
                "X-A" in headers,
                "X-C" in headers,
                request.args.to_dict(flat=False),
                request.cookies.to_dict(flat=False),
            ]
        )

    served = serve(Page(read))
    reply = served.get(
        "/?a=1&a=2&b=%C3%9F&c", "x-A: one \t", "X-b: 1", "x-B: 2", "Cookie: d=e; f=g"
    )

    assert reply.body.decode() == repr(
        [
            "one",
            "1, 2",
            None,
            "",
            ["1", "2"],
            True,
            False,
            {"a": ["1", "2"], "b": ["\u00df"], "c": [""]},
            {"d": ["e"], "f": ["g"]},
        ]
    )


def test_a_unix_socket_serves_as_well(serve: Serve, tmp_path: object) -> None:
    served: Served = serve(Page(lambda request: request.client), unix=f"{tmp_path}/socket")

    assert served.get().body == b"unix"


def test_the_loop_of_the_standard_library_serves_as_well(serve: Serve) -> None:
    served = serve(Greeting(), loop_factory=asyncio.new_event_loop)

    assert served.get().body == b"hello"
