"""The reverse proxy: bodies, in both directions, as they come."""

import asyncio
from collections.abc import Iterator

import pytest

from perdure.app.web.limits import Limits
from perdure.app.web.proxy.reverseproxy import ReverseProxy
from perdure.app.web.request import Request
from perdure.app.web.resource import Resource, Wrapper
from perdure.app.web.response import Response

from .behind import Accepted, Behind
from .conftest import Connection, Serve


@pytest.fixture(name="behind")
def behind_fixture() -> Iterator[Behind]:
    with Behind() as behind:
        yield behind


def asked(client: Connection, behind: Behind) -> Accepted:
    """Sends a GET, and gives the connection on which the proxy asks for it."""
    client.send(b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n")
    return behind.accept()


@pytest.mark.parametrize("length", [True, False])
def test_an_answer_is_passed_on_as_it_comes(length: bool, behind: Behind, serve: Serve) -> None:
    served = serve(ReverseProxy(behind.endpoint))
    with served.connect() as client:
        server = asked(client, behind)
        server.request()
        if length:
            server.send(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nabc")
            head = client.until(b"abc")
            assert b"Content-Length: 6\r\n" in head
            server.send(b"def")
            assert client.until(b"def") == b"def"
        else:
            server.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n")
            head = client.until(b"abc\r\n")
            assert b"Transfer-Encoding: chunked\r\n" in head
            assert b"x=y" not in head
            server.send(b"3\r\ndef\r\n0\r\nX-Late: 1\r\n\r\n")
            assert client.until(b"0\r\n\r\n") == b"3\r\ndef\r\n0\r\n\r\n"
        # Both connections are still good.
        client.send(b"GET /2 HTTP/1.1\r\nHost: x\r\n\r\n")
        server.request()
        server.answer(b"2")
        assert client.reply().body == b"2"
        assert b"Content-Type" not in head


def test_an_answer_that_ends_with_the_connection_is_framed(behind: Behind, serve: Serve) -> None:
    served = serve(ReverseProxy(behind.endpoint))
    with served.connect() as client:
        server = asked(client, behind)
        server.request()
        server.send(b"HTTP/1.0 200 OK\r\n\r\nall there is")
        client.until(b"all there is\r\n")
        server.socket.close()
        assert client.until(b"0\r\n\r\n") == b"0\r\n\r\n"


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
        b"HTTP/1.1 204 No Content\r\n\r\n",
        b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\nETag: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
    ],
)
def test_an_answer_to_head_has_no_body(answer: bytes, behind: Behind, serve: Serve) -> None:
    served = serve(ReverseProxy(behind.endpoint))
    with served.connect() as client:
        client.send(b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n")
        server = behind.accept()
        server.request()
        server.send(answer)
        reply = client.reply(head_only=True)
        assert reply.status == int(answer[9:12])
        is_told = answer.startswith(b"HTTP/1.1 200 OK\r\nC")
        assert reply.get("content-length") == ("5" if is_told else None)
        client.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        server.request()
        server.answer(b"next")
        assert client.reply().body == b"next"


class Marked(Wrapper):
    """Changes replies."""

    def __init__(self, wrapped: Resource) -> None:
        self.wrapped = wrapped

    def enter(self, request: Request) -> Resource:
        request.transform(_marked)
        return self.wrapped


def _marked(_request: Request, response: Response) -> Response:
    return response.replaced(headers=[*response.headers, ("X-Mark", "1")])


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("whole", [True, False])
def test_an_answer_can_be_changed_on_its_way(
    method: str, whole: bool, behind: Behind, serve: Serve
) -> None:
    served = serve(Marked(ReverseProxy(behind.endpoint)))
    with served.connect() as client:
        client.send(f"{method} / HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        server = behind.accept()
        server.request()
        server.send(b"HTTP/1.1 200 OK\r\nX-Tight:y\r\nX-Odd: a: b\r\nContent-Length: 5\r\n\r\n")
        if method == "GET":
            server.send(b"hello" if whole else b"hel")
        if method == "GET" and not whole:
            client.until(b"hel")
            server.send(b"lo")
            assert client.until(b"lo") == b"lo"
            return
        reply = client.reply(head_only=method == "HEAD")
        assert reply.get("x-mark") == "1"
        assert reply.get("x-tight") == "y"
        assert reply.get("x-odd") == "a: b"
        assert reply.get("content-length") == "5"


def test_interim_answers_are_not_passed_on(behind: Behind, serve: Serve) -> None:
    served = serve(ReverseProxy(behind.endpoint))
    with served.connect() as client:
        server = asked(client, behind)
        server.request()
        server.send(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n")
        server.answer(b"x")
        assert client.until(b"\r\n").startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("framing", ["Content-Length: 6", "Transfer-Encoding: chunked"])
def test_a_body_is_passed_on_as_it_comes(framing: str, behind: Behind, serve: Serve) -> None:
    served = serve(ReverseProxy(behind.endpoint))
    chunked = framing.startswith("T")
    with served.connect() as client:
        client.send(f"POST / HTTP/1.1\r\nHost: x\r\n{framing}\r\n\r\n".encode())
        client.send(b"3\r\nabc\r\n" if chunked else b"abc")
        server = behind.accept()
        heard = server.request()
        assert heard.names & {"content-length", "transfer-encoding"} == {
            framing.split(":")[0].lower()
        }
        assert server.exactly(8 if chunked else 3) == (b"3\r\nabc\r\n" if chunked else b"abc")
        client.send(b"3;e\r\ndef\r\n0\r\nX-T: 1\r\n\r\n" if chunked else b"def")
        rest = b"3\r\ndef\r\n0\r\n\r\n" if chunked else b"def"
        assert server.exactly(len(rest)) == rest
        server.answer(b"thanks")
        assert client.reply().body == b"thanks"
        client.send(b"GET /2 HTTP/1.1\r\nHost: x\r\n\r\n")
        assert server.request().line == "GET /2 HTTP/1.1"
        server.answer()
        client.reply()


def test_a_client_that_waits_is_told_to_go_on_once_the_server_is_there(
    behind: Behind, serve: Serve
) -> None:
    served = serve(ReverseProxy(behind.endpoint))
    with served.connect() as client:
        client.send(
            b"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n"
        )
        server = behind.accept()
        assert "expect" not in server.request().names
        assert client.until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.send(b"abc")
        assert server.exactly(3) == b"abc"
        server.answer(b"x")
        assert client.reply().body == b"x"


def test_an_answer_may_come_before_the_body_is_there(behind: Behind, serve: Serve) -> None:
    served = serve(ReverseProxy(behind.endpoint))
    with served.connect() as client:
        client.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc")
        server = behind.accept()
        server.request()
        server.exactly(3)
        server.answer(b"too much", status="413 Content Too Large")
        reply = client.reply()
        assert (reply.status, reply.body) == (413, b"too much")
        # What was begun there is not a request, and nothing else may follow it.
        assert server.closed()
        served.arrive(lambda: not any("_upload" in repr(each) for each in asyncio.all_tasks()))


def test_a_body_that_breaks_off_is_no_request(behind: Behind, serve: Serve) -> None:
    served = serve(ReverseProxy(behind.endpoint))
    with served.connect() as client:
        client.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc")
        server = behind.accept()
        server.request()
        server.exactly(3)
    assert server.closed()


def test_a_broken_body_is_refused_and_ends_both_connections(behind: Behind, serve: Serve) -> None:
    served = serve(ReverseProxy(behind.endpoint))
    with served.connect() as client:
        client.send(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
        server = behind.accept()
        server.request()
        server.exactly(8)
        client.send(b"zz\r\n")
        assert client.reply().status == 400
        assert server.closed()


def test_a_body_larger_than_the_site_allows_goes_nowhere(behind: Behind, serve: Serve) -> None:
    served = serve(ReverseProxy(behind.endpoint), limits=Limits(body=10))
    assert served.get("/", "Content-Length: 11", method="POST").status == 413
    assert not behind.called()


def test_a_client_that_leaves_ends_its_request(behind: Behind, serve: Serve) -> None:
    served = serve(ReverseProxy(behind.endpoint))
    with served.connect() as client:
        server = asked(client, behind)
        server.request()
    assert server.closed()


@pytest.mark.parametrize("at_once", [True, False])
def test_a_compressed_body_is_the_affair_of_the_server_behind(
    at_once: bool, behind: Behind, serve: Serve
) -> None:
    served = serve(ReverseProxy(behind.endpoint))
    head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Encoding: gzip\r\nContent-Length: 6\r\n\r\n"
    with served.connect() as client:
        client.send(head + b"packed" if at_once else head)
        server = behind.accept()
        assert server.request().get("content-encoding") == "gzip"
        if not at_once:
            client.send(b"packed")
        assert server.exactly(6) == b"packed"
        server.answer(b"taken")
        assert client.reply().body == b"taken"
