"""ASGI applications in the tree of resources: what they are told, and what becomes of what they say."""

import asyncio
from typing import Any

import pytest

from perdure.app.web.limits import Limits
from perdure.app.web.request import Request
from perdure.app.web.resource import Resource, Wrapper

from ..paper import Paper
from .asgiapps import App, Message, Receive, Send, begin, gateway, give, says
from .conftest import Serve

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
CHUNKED = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"


# What it is told.


def told(serve: Serve, request: bytes, root: Resource | None = None) -> Message:
    """The scope of a request."""
    scopes: list[Message] = []

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        scopes.append(scope)
        await says(b"")(scope, receive, send)

    made = gateway(app)
    if root is not None:
        root.put_child("app", made)
    with serve(root or made).connect() as client:
        assert client.ask(request).status == 200
    return scopes[0]


def test_the_scope_says_what_was_asked(serve: Serve) -> None:
    scope = told(
        serve,
        b"DELETE /a%20b/%e2%98%83?x=%20 HTTP/1.1\r\nHost: example.org:8080\r\n"
        b"X-B: 1\r\nx-a:  \xe9 \r\nX-B: 2\r\n\r\n",
    )
    del scope["perdure.registry"], scope["state"]
    assert scope == {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": "DELETE",
        "scheme": "http",
        "path": "/a b/\u2603",
        "raw_path": b"/a%20b/%e2%98%83",
        "query_string": b"x=%20",
        "root_path": "",
        "headers": [
            (b"host", b"example.org:8080"),
            (b"x-b", b"1"),
            (b"x-a", b"\xe9"),
            (b"x-b", b"2"),
        ],
        "client": ("127.0.0.1", 0),
        "server": ("example.org", 8080),
        "extensions": {},
        "perdure.user": None,
    }


@pytest.mark.parametrize(
    ("target", "path"), [("/app", "/app"), ("/app/", "/app/"), ("/app/a%2Fb", "/app/a/b")]
)
def test_below_another_resource_it_knows_where_it_is(serve: Serve, target: str, path: str) -> None:
    scope = told(serve, f"GET {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode(), Resource())
    assert (scope["root_path"], scope["path"]) == ("/app", path)
    assert scope["raw_path"] == target.encode()


def test_it_knows_who_has_logged_in_and_what_was_rewritten(serve: Serve) -> None:
    scopes: list[Message] = []

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        scopes.append(scope)
        await says(b"")(scope, receive, send)

    serve(Known(gateway(app))).get("/old/a")
    assert scopes[0]["perdure.user"] == "ada"
    assert (scopes[0]["path"], scopes[0]["raw_path"]) == ("/new/a", b"/old/a")


class Known(Wrapper):
    """Knows everybody as Ada, and one place by another name."""

    def __init__(self, wrapped: Resource) -> None:
        self.wrapped = wrapped

    def enter(self, request: Request) -> Resource:
        request.user = "ada"
        request.postpath[0] = "new"
        return self.wrapped


def test_an_absolute_address_outranks_the_host(serve: Serve) -> None:
    scope = told(serve, b"GET http://real.example/a HTTP/1.1\r\nHost: other\r\n\r\n")
    assert (scope["headers"], scope["path"]) == ([(b"host", b"real.example")], "/a")


def test_a_request_for_the_server_itself_is_none_of_its_business(serve: Serve) -> None:
    with serve(gateway(says(b"never"))).connect() as client:
        assert client.ask(b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n").status == 204


async def echo(scope: Message, receive: Receive, send: Send) -> None:
    pieces: list[bytes] = []
    while True:
        message = await receive()
        assert message["type"] == "http.request"
        pieces.append(message["body"])
        if not message["more_body"]:
            break
    await says(b"|".join(pieces))(scope, receive, send)
    assert await receive() == {"type": "http.disconnect"}
    assert await receive() == {"type": "http.disconnect"}


def test_a_body_comes_in_the_pieces_in_which_it_came(serve: Serve) -> None:
    with serve(gateway(echo)).connect() as client:
        assert client.ask(GET).body == b""
        head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\n\r\n"
        assert client.ask(head + b"abcdef").body == b"abcdef"
        client.send(CHUNKED + b"1\r\na\r\n")
        client.send(b"2\r\nbc\r\n")
        client.send(b"0\r\n\r\n")
        assert client.reply().body.replace(b"|", b"") == b"abc"


def test_a_body_that_nobody_reads_is_no_trouble(serve: Serve) -> None:
    with serve(gateway(says(b"ok"))).connect() as client:
        for _ in range(2):
            head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\n\r\n"
            assert client.ask(head + b"abcdef").body == b"ok"


async def reads_and_hides(scope: Message, receive: Receive, send: Send) -> None:
    """As frameworks do with what goes wrong while they read."""
    while (message := await receive())["type"] == "http.request" and message["more_body"]:
        pass
    await says(b"hidden", status=500)(scope, receive, send)


@pytest.mark.parametrize(
    ("limits", "rest", "status"),
    [(Limits(body=3), b"4\r\nabcd\r\n", 413), (Limits(), b"nonsense\r\n", 400)],
)
def test_the_client_hears_what_is_wrong_with_its_body(
    serve: Serve, limits: Limits, rest: bytes, status: int
) -> None:
    with serve(gateway(reads_and_hides), limits=limits).connect() as client:
        client.send(CHUNKED + b"1\r\na\r\n")
        client.send(rest)
        assert client.reply().status == status


# What it says.


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(
    ("pieces", "fields", "length"),
    [
        ((b"",), [], "0"),
        ((b"whole",), [], "5"),
        ((b"whole",), [(b"content-length", b"5")], "5"),
        ((bytearray(b"whole"),), [], "5"),
        ((b"", b"a", b"bc", b""), [], None),
        ((b"a", b"bc"), [(b"Content-Length", b"3")], "3"),
    ],
)
def test_a_body_is_sent_whole_or_in_pieces(
    serve: Serve, method: str, pieces: tuple[bytes, ...], fields: Any, length: str | None
) -> None:
    served = serve(gateway(says(*pieces, fields=fields)), journal=Paper())
    reply = served.get(method=method)
    assert reply.status == 200
    assert reply.body == (b"" if method == "HEAD" else b"".join(pieces))
    if method == "GET" or fields:
        assert reply.get("content-length") == length


def test_each_piece_leaves_before_the_next_is_made(serve: Serve) -> None:
    going_on = asyncio.Event()

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await begin(send)
        for piece in (b"first", b"second"):
            await give(send, piece, more=True)
            await going_on.wait()
            going_on.clear()
        await send({"type": "http.response.body"})

    served = serve(gateway(app))
    with served.connect() as client:
        client.send(GET)
        for mark in (b"first\r\n", b"second\r\n"):
            assert client.until(mark).endswith(mark)
            served.call(going_on.set)
        assert client.until(b"0\r\n\r\n") == b"0\r\n\r\n"


def test_the_fields_leave_as_they_are_but_for_the_servers_own(serve: Serve) -> None:
    fields = [(b"X-B", b"2"), (b"set-cookie", b"a=1"), (b"x-a", b"\xe9"), (b"set-cookie", b"b=2")]
    own = [(b"date", b"now"), (b"server", b"mine"), (b"transfer-encoding", b"chunked")]
    reply = serve(gateway(says(b"", status=299, fields=[*fields, *own]))).get()
    expected = [(name.decode().lower(), value.decode("latin-1")) for name, value in fields]
    assert (reply.status, reply.fields[:4]) == (299, expected)
    assert reply.get("server") == "perdure"
    assert reply.get("date") != "now"
    assert reply.get("transfer-encoding") is None
    assert reply.get("content-type") is None


def test_an_application_may_have_the_connection_closed(serve: Serve) -> None:
    for pieces in ((b"bye",), (b"b", b"ye")):
        app = says(*pieces, fields=[[b"connection", b"close"]])
        with serve(gateway(app)).connect() as client:
            reply = client.ask(GET)
            assert (reply.get("connection"), reply.body) == ("close", b"bye")
            assert client.closed()


@pytest.mark.parametrize("status", [204, 304])
def test_some_replies_have_no_body_whatever_was_given(serve: Serve, status: int) -> None:
    for pieces in ((b"no",), (b"n", b"o"), (b"",)):
        with serve(gateway(says(*pieces, status=status))).connect() as client:
            for _ in range(2):
                assert client.ask(GET).status == status


def test_a_head_tells_the_length_that_the_application_knows(serve: Serve) -> None:
    app = says(b"", fields=[(b"content-length", b"1234")])
    assert serve(gateway(app)).get(method="HEAD").get("content-length") == "1234"


# Errors.


def gives(*messages: Message) -> App:
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        for message in messages:
            await send(message)

    return app


async def raises(scope: Message, receive: Receive, send: Send) -> None:
    raise LookupError("the application's own")


async def raises_later(scope: Message, receive: Receive, send: Send) -> None:
    await begin(send)
    raise SystemExit("the application's own")


async def cancels(scope: Message, receive: Receive, send: Send) -> None:
    raise asyncio.CancelledError("the application's own")


START = {"type": "http.response.start", "status": 200}


@pytest.mark.parametrize(
    ("app", "said"),
    [
        (raises, "the application's own"),
        (raises_later, "the application's own"),
        (cancels, "the application's own"),
        (gives(), "returned before its reply was complete"),
        (gives(START), "returned before its reply was complete"),
        (gives(START, START), "began its reply twice"),
        (gives({"type": "http.response.body"}), "sent a body where none is due"),
        (gives({"type": "http.response.push"}), "a message of an unknown type"),
        (says("text"), "not made of bytes: 'text'"),
        (says(None), "not made of bytes: None"),
        (says(b"", status=101), "a status is a number from 200"),
        (says(b"", status="200"), "a status is a number from 200"),
        (says(b"", fields=[("x", "y")]), "not made of bytes"),
        (says(b"", fields=[(b"x", b"a\r\nb: c")]), "cannot be sent"),
        (says(b"", fields=[(b"x y", b"a")]), "whose name cannot be sent"),
        (says(b"", fields=[(b"", b"a")]), "whose name cannot be sent"),
        (says(b"", fields=[(b"content-length", b"x")]), "a Content-Length that is no number"),
        (says(b"x", fields=[(b"content-length", b"2")]), "announced 2 bytes and gave 1"),
    ],
)
def test_what_goes_wrong_before_the_head_is_answered_500(
    serve: Serve, app: App, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    served = serve(gateway(app), journal=Paper())
    with served.connect() as client:
        for _ in range(2):
            reply = client.ask(GET)
            assert reply.status == 500
            assert b"failed to make this page" in reply.body
    assert said in caplog.text


@pytest.mark.parametrize(
    ("pieces", "fields", "said"),
    [
        ((b"a", "text"), (), "not made of bytes"),
        ((b"a", b"b"), [(b"content-length", b"5")], "declared 5 bytes gave more or less"),
        ((b"abc", b"def"), [(b"content-length", b"5")], "declared 5 bytes gave more or less"),
    ],
)
def test_what_goes_wrong_behind_the_head_cuts_the_connection(
    serve: Serve, pieces: Any, fields: Any, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    with serve(gateway(says(*pieces, fields=fields))).connect() as client:
        client.send(GET)
        assert not client.rest().endswith(b"0\r\n\r\n")
    assert said in caplog.text


def test_one_that_returns_in_the_middle_of_its_reply_cuts_it(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await begin(send)
        await give(send, b"begun", more=True)

    with serve(gateway(app)).connect() as client:
        client.send(GET)
        assert b"begun" in client.rest()
    assert "returned before its reply was complete" in caplog.text


def test_an_error_behind_the_reply_is_logged(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await says(b"fine")(scope, receive, send)
        raise LookupError("in the background")

    with serve(gateway(app)).connect() as client:
        assert client.ask(GET).body == b"fine"
        assert client.ask(GET).body == b"fine"
    assert "went wrong after its reply: in the background" in caplog.text
