"""What cannot be made to pass a reverse proxy as something else than it is, in either direction."""

from collections.abc import Iterator

import pytest
from httptools import HttpResponseParser
from hypothesis import given, settings
from hypothesis import strategies as st

from perdure.app.web.proxy.answerhead import parse_answer
from perdure.app.web.proxy.gatewayerror import BadAnswerError
from perdure.app.web.proxy.proxyfields import passed_back
from perdure.app.web.proxy.reverseproxy import ReverseProxy
from perdure.app.web.proxy.upstream import UpstreamLimits
from perdure.app.web.request import Request
from perdure.app.web.resource import Resource

from .behind import Behind, is_cut
from .conftest import Serve

_OK = b"HTTP/1.1 200 OK\r\n"


@pytest.fixture(name="behind")
def behind_fixture() -> Iterator[Behind]:
    with Behind() as behind:
        yield behind


@pytest.mark.parametrize(
    "request_",
    [
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3, 3\r\n\r\nabc",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: +3\r\n\r\nabc",
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nX: y\r\n Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nX: y\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nX: y\rTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x y\r\n\r\n",
        b"GET /a b HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /\tHTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0x0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\nZ\r\n0\r\n\r\n",
    ],
)
def test_a_request_with_two_readings_is_refused_before_it_goes_anywhere(
    request_: bytes, behind: Behind, serve: Serve
) -> None:
    served = serve(ReverseProxy(behind.endpoint))
    with served.connect() as client:
        assert client.ask(request_).status in (400, 501)
        assert client.closed()
    assert not behind.called()


@pytest.mark.parametrize(
    "lines",
    [
        b"content_length: 5\r\n",
        b"Transfer_Encoding: chunked\r\n",
        b"Connection: content-length\r\n",
        b"Connection: x\r\nX: 1\r\nConnection: host, via, forwarded\r\n",
        b"Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\nConnection: Upgrade, HTTP2-Settings\r\n",
        b"Trailer: Content-Length\r\nTE: trailers, chunked\r\n",
        b"Keep-Alive: x\r\nProxy-Foo: y\r\nExpect: 100-continue\r\n",
    ],
)
@pytest.mark.parametrize("body", [False, True])
def test_nothing_that_frames_a_message_is_copied(
    lines: bytes, body: bool, behind: Behind, serve: Serve
) -> None:
    served = serve(ReverseProxy(behind.endpoint))
    framing, content = (
        (b"Transfer-Encoding: chunked\r\n", b"3\r\nabc\r\n0\r\n\r\n") if body else (b"", b"")
    )
    with served.connect() as client:
        client.send(b"POST / HTTP/1.1\r\nHost: x\r\n" + lines + framing + b"\r\n" + content)
        server = behind.accept()
        heard = server.request()
        named = {name for name in heard.names if not name.startswith("x-forwarded-")}
        expected = {"host", "forwarded", "via"}
        assert named == expected | {"content-length"}
        assert heard.get("content-length") == ("3" if body else "0")
        assert server.exactly(3 if body else 0) == (b"abc" if body else b"")
        server.answer()
        assert client.reply().status == 200


_BAD = [
    b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
    b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
    b"HTTP/1.1 200 OK\r\nContent-Length: 3, 3\r\n\r\nabc",
    b"HTTP/1.1 200 OK\r\nContent-Length: -3\r\n\r\nabc",
    b"HTTP/1.1 200 OK\r\nContent-Length: 0x3\r\n\r\nabc",
    b"HTTP/1.1 200 OK\r\nContent-Length: 9999999999999999999\r\n\r\nabc",
    b"HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\nabc",
    b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\nabc",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"HTTP/1.1 204 No Content\r\nContent-Length: 3\r\n\r\nabc",
    b"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nX: y\r\n folded\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nX: y\nSet-Cookie: z\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nX: y\rSet-Cookie: z\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nX: y\0z\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nX : y\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length : 3\r\n\r\nabc",
    b"HTTP/1.1 200 O\1K\r\n\r\n",
    b"HTTP/1.1 99 OK\r\n\r\n",
    b"HTTP/1.1 099 OK\r\n\r\n",
    b"HTTP/1.1 600 OK\r\n\r\n",
    b"HTTP/1.1 2000 OK\r\n\r\n",
    b"HTTP/2 200 OK\r\n\r\n",
    b"HTTP/2.0 200 OK\r\n\r\n",
    b"HTTP/1.2 200 OK\r\n\r\n",
    b"\r\nHTTP/1.1 200 OK\r\n\r\n",
    b"ICY 200 OK\r\n\r\n",
    b"<html>hello</html>",
    b"SSH-2.0-OpenSSH_9.2\r\n",
    b"\0",
    b"HTTP/1.1 100 Continue\r\n\r\n" * 17,
    b"HTTP/1.1 200 OK\r\nX: " + b"y" * 40_000,
]


@pytest.mark.parametrize("answer", _BAD, ids=lambda answer: repr(answer[:50]))
def test_an_answer_with_two_readings_is_a_502_and_the_last_on_its_connection(
    answer: bytes, behind: Behind, serve: Serve
) -> None:
    served = serve(ReverseProxy(behind.endpoint))
    with served.connect() as client:
        client.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        server = behind.accept()
        server.request()
        server.send(answer)
        reply = client.reply()
        assert reply.status == 502
        assert b"makes no sense" in reply.body
        assert not {"set-cookie", "x"} & {name for name, _ in reply.fields}
        assert server.closed()


@pytest.mark.parametrize(
    "rest",
    [
        b"zz\r\n",
        b"3\r\nabcd\r\n",
        b"-1\r\n",
        b"3\nabc\r\n",
        b"f" * 17 + b"\r\n",
        b"1;" + b"x" * 9000,
    ],
)
def test_broken_chunks_cut_the_answer(rest: bytes, behind: Behind, serve: Serve) -> None:
    served = serve(ReverseProxy(behind.endpoint))
    with served.connect() as client:
        client.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        server = behind.accept()
        server.request()
        server.send(_OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n")
        client.until(b"ab\r\n")
        server.send(rest)
        assert is_cut(client)
        assert server.closed()


def test_an_answer_split_in_two_reaches_one_client_only(behind: Behind, serve: Serve) -> None:
    served = serve(ReverseProxy(behind.endpoint, limits=UpstreamLimits(connections=1)))
    with served.connect() as attacker, served.connect() as victim:
        attacker.send(b"GET /?x HTTP/1.1\r\nHost: x\r\n\r\n")
        server = behind.accept()
        server.request()
        victim.send(b"GET /mine HTTP/1.1\r\nHost: x\r\n\r\n")
        server.send(_OK + b"Content-Length: 1\r\n\r\na" + _OK + b"Content-Length: 4\r\n\r\nevil")
        assert attacker.reply().body == b"a"
        server = behind.accept()
        assert server.request().line == "GET /mine HTTP/1.1"
        server.answer(b"mine")
        assert victim.reply().body == b"mine"


_NAMES = ["Content-Length", "Transfer-Encoding", "Connection", "Host", "X", "Expect", "TE"]
_VALUES = [
    "5",
    "0",
    "chunked",
    "close",
    "keep-alive",
    "X, content-length",
    "100-continue",
    "",
    "\t",
]
_LAST = b"GET /last HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
_BODIES = [
    b"",
    b"abcde",
    b"5\r\nabcde\r\n0\r\n\r\n",
    b"0\r\n\r\n",
    b"0\r\n\r\nGET /hidden HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /open HTTP/1.1\r\nHost: x\r\n\r\n",
]


class Page(Resource):
    """Notes what it is asked, as the server behind does."""

    is_leaf = True

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, bytes]] = []

    async def render(self, request: Request) -> str:
        self.asked.append((request.method, request.target, await request.read()))
        return "noted"


def test_the_server_behind_sees_the_same_requests_as_a_page_would(
    behind: Behind, serve: Serve
) -> None:
    """Whatever a client writes, another parser behind the proxy finds the requests found before it."""
    page = Page()
    here, there = serve(page), serve(ReverseProxy(behind.endpoint))
    fields = st.tuples(st.sampled_from(_NAMES), st.sampled_from(_VALUES))

    with behind.answering() as asked:

        @settings(max_examples=80, deadline=None)
        @given(
            st.sampled_from(["GET", "POST", "PUT"]),
            st.lists(fields, max_size=4),
            st.sampled_from(_BODIES),
        )
        def holds(method: str, fields: list[tuple[str, str]], body: bytes) -> None:
            lines = [f"{method} /a HTTP/1.1", "Host: x", *(f"{n}: {v}" for n, v in fields)]
            raw = ("\r\n".join(lines) + "\r\n\r\n").encode() + body + _LAST
            asked.clear()
            page.asked.clear()
            replies: list[int] = []
            for served in (here, there):
                with served.connect() as client:
                    client.send(raw)
                    replies.append(client.rest().count(b"HTTP/1.1 200 OK"))
            assert asked == page.asked
            assert replies == [len(asked)] * 2

        holds()


_PIECES = st.sampled_from(
    (
        b"HTTP/1.1 200 OK\r\n",
        b"Content-Length: 3\r\n",
        b"Content-Length:",
        b"Transfer-Encoding: chunked\r\n",
        b"Connection: close\r\n",
        b"0\r\n\r\n",
        b"abc",
        b"\r\n",
        b"\n",
        b" ",
    )
)


class _Heard:
    """Takes the events of a client's parser."""

    def __init__(self) -> None:
        self.ends = 0

    def on_message_complete(self) -> None:
        self.ends += 1


def test_whatever_the_server_behind_says_the_client_gets_one_reply_or_is_cut(
    behind: Behind, serve: Serve
) -> None:
    served = serve(ReverseProxy(behind.endpoint))
    junk = st.binary(max_size=30)

    @settings(max_examples=120, deadline=None)
    @given(st.booleans(), st.lists(_PIECES | junk, max_size=8).map(b"".join))
    def holds(begins_well: bool, said: bytes) -> None:
        with served.connect() as client:
            client.send(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            server = behind.accept()
            server.request()
            server.send(_OK * begins_well + said)
            server.socket.close()
            heard = _Heard()
            parser = HttpResponseParser(heard)
            try:
                while data := client.socket.recv(65536):
                    parser.feed_data(data)
            except ConnectionResetError:
                assert heard.ends == 0
            else:
                assert heard.ends == 1
                assert parser.get_status_code() != 500

    holds()


@settings(max_examples=300, deadline=None)
@given(st.lists(_PIECES, max_size=8).map(lambda pieces: _OK + b"".join(pieces) + b"\r\n\r\n"))
def test_an_answer_is_taken_as_one_message_or_not_at_all(raw: bytes) -> None:
    """A head that is accepted has one framing, and what passes of it has none."""
    raw = raw[: raw.index(b"\r\n\r\n") + 4]
    try:
        head = parse_answer(raw, "GET")
    except BadAnswerError:
        return
    lowered = raw.lower()
    assert lowered.count(b"\ncontent-length:") + lowered.count(b"\ntransfer-encoding:") <= 1
    passed = b"\n" + passed_back(head)
    assert b"\ncontent-length:" not in passed.lower()
    assert all(b": " in line for line in passed.split(b"\r\n")[:-1])
