"""What would mean one thing in HTTP/2 and another behind it: refused before it is written."""

from collections.abc import Iterator

import hypothesis.strategies as st
import pytest
from h2.errors import ErrorCodes
from hyperframe.frame import DataFrame
from hypothesis import given, settings

from perdure.app.web.head import RequestError
from perdure.app.web.http2head import MalformedError, reply_fields, request_head
from perdure.app.web.limits import Limits
from perdure.app.web.request import Request
from perdure.app.web.resource import Resource

from .conftest import Contexts, Serve, Served
from .http2client import GET, Client, Fields, request


class Pages(Resource):
    """Counts what it is asked."""

    is_leaf = True

    def __init__(self) -> None:
        self.asked = 0

    def render_GET(self, request: Request) -> str:
        self.asked += 1
        return "hello"

    async def render_POST(self, request: Request) -> bytes:
        self.asked += 1
        return await request.read()


@pytest.fixture(name="served")
def served_fixture(serve: Serve, tls2: Contexts) -> Served:
    return serve(Pages(), ssl_context=tls2[0])


@pytest.fixture(name="client")
def client_fixture(served: Served, tls2: Contexts) -> Iterator[Client]:
    with Client(served, tls2[1]) as client:
        yield client


def pages(served: Served) -> Pages:
    assert isinstance(served.site.resource, Pages)
    return served.site.resource


MALFORMED: list[Fields] = [
    [*GET, (b"x", b"a\r\nx-injected: 1")],
    [*GET, (b"x", b"a\nb")],
    [*GET, (b"x", b"a\0b")],
    [*GET, (b"x", b" a")],
    [*GET, (b"x", b"a\t")],
    [*GET, (b"x\r\nhost", b"evil")],
    [*GET, (b"x:y", b"a")],
    [*GET, (b"x y", b"a")],
    [*GET, (b"", b"a")],
    [*GET, (b"X-Upper", b"a")],
    [*GET, (b"transfer-encoding", b"chunked")],
    [*GET, (b"connection", b"close")],
    [*GET, (b"connection", b"x")],
    [*GET, (b"keep-alive", b"1")],
    [*GET, (b"proxy-connection", b"close")],
    [*GET, (b"upgrade", b"websocket")],
    [*GET, (b"te", b"gzip")],
    [*GET, (b"host", b"evil.example")],
    [*GET, (b"host", b"localhost"), (b"host", b"evil.example")],
    [*GET, (b":path", b"/other")],
    [*GET, (b"x", b"y"), (b":path", b"/late")],
    [*GET, (b":protocol", b"websocket")],
    [*GET, (b":status", b"200")],
    [*GET[:3], (b":path", b"/a HTTP/1.1\r\nHost: evil\r\n\r\nGET /b")],
    [*GET[:3], (b":path", b"/a b")],
    [*GET[:3], (b":path", b"")],
    [*GET[:3], (b":path", b"relative")],
    [*GET[:3], (b":path", b"http://evil.example/")],
    GET[:3],
    GET[1:],
    [(b":method", b"GET /x HTTP/1.1\r\nA:"), *GET[1:]],
    [(b":method", b""), *GET[1:]],
    [GET[0], (b":scheme", b"ftp"), *GET[2:]],
    [GET[0], *GET[2:]],
    [*GET[:2], GET[3]],
    [*GET[:2], (b":authority", b"user@localhost"), GET[3]],
    [*GET[:2], (b":authority", b"a\r\nb"), GET[3]],
    [*GET[:2], (b":authority", b"a b"), GET[3]],
    [*GET[:2], (b":authority", b""), GET[3]],
    [*GET, (b"content-length", b"5")],
]


@pytest.mark.parametrize("fields", MALFORMED)
def test_a_malformed_request_costs_its_stream_and_no_other(fields: Fields) -> None:
    with pytest.raises(MalformedError):
        request_head(fields, True, Limits())


def test_every_malformed_request_is_reset_and_nothing_of_it_reaches_a_page(
    client: Client, served: Served
) -> None:
    for fields in MALFORMED[:-1]:
        assert client.get(fields).code == ErrorCodes.PROTOCOL_ERROR, fields
    assert pages(served).asked == 0
    assert client.get().body == b"hello"


@pytest.mark.parametrize(
    ("declared", "sent"),
    [("3", b"abcdef"), ("6", b"abc"), ("-1", b"a"), ("+1", b"a"), ("1_0", b"a"), ("1, 1", b"a")],
)
def test_a_length_that_is_not_true_is_no_request(
    client: Client, served: Served, declared: str, sent: bytes
) -> None:
    number = client.ask(request("POST", "/", ("content-length", declared)), ends=False)
    client.frames([DataFrame(number, sent, flags=["END_STREAM"])])
    answer = client.answers[number]
    client.until(lambda: answer.done)
    assert not answer.fields
    assert client.goodbye is not None or answer.code == ErrorCodes.PROTOCOL_ERROR


def test_a_length_is_held_against_a_body_that_ends_with_trailers(client: Client) -> None:
    number = client.ask(request("POST", "/", ("content-length", "6")), ends=False)
    client.h2.send_data(number, b"abc")
    client.h2.send_headers(number, [(b"content-length", b"3")], end_stream=True)
    client.flush()
    assert client.answer(number).status == 400


def test_two_lengths_are_one_too_many(client: Client) -> None:
    more = (("content-length", "1"), ("content-length", "1"))
    number = client.ask(request("POST", "/", *more), ends=False)
    assert client.answer(number).code == ErrorCodes.PROTOCOL_ERROR


names = st.text("abc-:\r\n \0ABC", max_size=6).map(str.encode)
values = st.text("ab \t\r\n\0:é", max_size=8).map(lambda text: text.encode("latin-1"))
odd = st.lists(
    st.tuples(st.sampled_from([b":method", b":path", b"host", b"te", b"cookie"]) | names, values),
    max_size=4,
)


@settings(max_examples=300)
@given(odd, st.booleans())
def test_what_gets_through_is_one_request_and_says_what_the_client_said(
    more: list[tuple[bytes, bytes]], ended: bool
) -> None:
    try:
        head = request_head([*GET, *more], ended, Limits())
    except (MalformedError, RequestError):
        return
    assert head.raw.count(b"\r\n\r\n") == 1
    assert head.raw.endswith(b"\r\n\r\n")
    lines = head.raw[:-4].split(b"\r\n")
    assert lines[:2] == [b"GET / HTTP/1.1", b"host: localhost"]
    said = [field for field in more if field[0] not in (b"host", b"te", b"cookie")]
    assert [tuple(line.split(b": ", 1)) for line in lines[2:] if b"cookie: " not in line] == said
    assert not any(character in line for line in lines for character in b"\r\n\0")


def test_a_reply_loses_only_what_is_of_one_connection() -> None:
    head = b"HTTP/1.1 404 Not Found\r\nX: a:b\r\nConnection: close\r\nSet-Cookie: s=1\r\n\r\n"
    fields = reply_fields(head)
    assert fields == [(b":status", b"404"), (b"x", b"a:b"), (b"set-cookie", b"s=1")]
    assert [field.indexable for field in fields] == [True, True, False]


def test_heads_that_are_too_large_are_answered_or_end_the_connection(
    serve: Serve, tls2: Contexts
) -> None:
    served = serve(Pages(), ssl_context=tls2[0], limits=Limits(head=1000, fields=10))
    with Client(served, tls2[1]) as client:
        assert client.get([*GET, (b"x", b"y" * 1000)]).status == 431
        many = [(b"x%d" % n, b"y") for n in range(11)]
        assert client.get([*GET, *many]).status == 431
        assert client.get([*GET[:3], (b":path", b"/" + b"p" * 990)]).status == 431
        assert client.get().body == b"hello"
        client.ask([*GET, (b"x", b"y" * 5000)])
        assert client.last_words() == ErrorCodes.ENHANCE_YOUR_CALM


def test_a_body_that_is_too_large_is_refused(serve: Serve, tls2: Contexts) -> None:
    served = serve(Pages(), ssl_context=tls2[0], limits=Limits(body=1000))
    with Client(served, tls2[1]) as client:
        number = client.ask(request("POST", "/", ("content-length", "1001")), ends=False)
        assert client.answer(number).status == 413
        number = client.ask(request("POST", "/"), ends=False)
        client.upload(number, bytes(1001))
        assert client.answer(number).status == 413
        assert client.get().body == b"hello"
