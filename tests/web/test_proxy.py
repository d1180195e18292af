"""The reverse proxy: what passes, in both directions."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from perdure.app.certificates import CertificateError
from perdure.app.endpoints import EndpointError
from perdure.app.web.limits import Limits
from perdure.app.web.request import Request
from perdure.app.web.resource import Resource, Wrapper
from perdure.app.web.response import Response
from perdure.app.web.reverseproxy import ProxyError, ReverseProxy

from .behind import Accepted, Behind
from .conftest import Connection, Serve


@pytest.fixture(name="behind")
def behind_fixture() -> Iterator[Behind]:
    with Behind() as behind:
        yield behind


def below(segment: str, child: Resource) -> Resource:
    root = Resource()
    root.put_child(segment, child)
    return root


def asked(
    client: Connection, behind: Behind, path: str, *fields: str, host: str = "a.example"
) -> Accepted:
    """Sends a GET, and gives the connection on which the proxy asks for it."""
    lines = [f"GET {path} HTTP/1.1", f"Host: {host}", *fields]
    client.send(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))
    return behind.accept()


def test_a_request_is_passed_on_and_its_answer_back(behind: Behind, serve: Serve) -> None:
    served = serve(ReverseProxy(behind.endpoint))
    with served.connect() as client:
        server = asked(client, behind, "/a%20b/c?d=e%26", "X-Mine: 1", "Cookie: a=b")
        heard = server.request()
        server.answer(b"hello", "Content-Type: text/plain", "Set-Cookie: a=1", "Set-Cookie: b=2")
        reply = client.reply()
    assert heard.line == "GET /a%20b/c?d=e%26 HTTP/1.1"
    assert heard.get("x-mine") == "1"
    assert heard.get("cookie") == "a=b"
    assert heard.get("host") == "a.example"
    assert heard.get("via") == "1.1 perdure"
    assert (reply.status, reply.body) == (200, b"hello")
    assert reply.get("content-type") == "text/plain"
    assert [value for name, value in reply.fields if name == "set-cookie"] == ["a=1", "b=2"]


def test_where_a_request_came_from_is_told_by_the_proxy_alone(behind: Behind, serve: Serve) -> None:
    served = serve(ReverseProxy(behind.endpoint))
    lies = [
        "X-Forwarded-For: 10.0.0.1",
        "x_forwarded_for: 10.0.0.1",
        "X-Forwarded-Host: evil.example",
        "X-Forwarded-Proto: https",
        "X-Forwarded-Prefix: /admin",
        "Forwarded: for=10.0.0.1",
        "X-Real-IP: 10.0.0.1",
    ]
    with served.connect() as client:
        server = asked(client, behind, "/", *lies, host="a.example:8080")
        heard = server.request()
        server.answer()
        client.reply()
    assert heard.get("x-forwarded-for") == "127.0.0.1"
    assert heard.get("x-forwarded-host") == "a.example:8080"
    assert heard.get("x-forwarded-proto") == "http"
    assert heard.get("forwarded") == 'for=127.0.0.1;host="a.example:8080";proto=http'
    assert not heard.names & {"x_forwarded_for", "x-forwarded-prefix", "x-real-ip"}


def test_what_concerns_a_connection_ends_there(behind: Behind, serve: Serve) -> None:
    served = serve(ReverseProxy(behind.endpoint))
    with served.connect() as client:
        server = asked(
            client,
            behind,
            "/",
            "Connection: keep-alive, X-Hop,TE",
            "X-Hop: 1",
            "x-HOP: 2",
            "TE: trailers",
            "Keep-Alive: timeout=5",
            "Proxy-Connection: keep-alive",
            "Proxy-Authorization: Basic Zm9vOmJhcg==",
            "Proxy: http://evil.example/",
            "X-Hopper: 1",
        )
        heard = server.request()
        server.answer(
            b"x",
            "Connection: X-Own",
            "X-Own: 1",
            "Keep-Alive: timeout=5",
            "Trailer: X-Late",
            "Server: hidden/1",
            "Date: Mon, 01 Jan 2001 00:00:00 GMT",
            "X-Empty:",
            "X-Tight:y",
        )
        reply = client.reply()
    expected = {"host", "forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto"}
    assert heard.names == expected | {"x-hopper", "via"}
    names = {name for name, _ in reply.fields}
    assert names == {"x-empty", "x-tight", "content-length", "server", "date"}
    assert reply.get("server") == "perdure"
    assert reply.get("x-tight") == "y"


def test_the_host_can_be_set(behind: Behind, serve: Serve) -> None:
    served = serve(ReverseProxy(behind.endpoint, host="inner.example:81"))
    with served.connect() as client:
        server = asked(client, behind, "/")
        heard = server.request()
        server.answer()
        client.reply()
    assert heard.get("host") == "inner.example:81"
    assert heard.get("x-forwarded-host") == "a.example"


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("/app", "/base"),
        ("/app/", "/base/"),
        ("/app/x/y", "/base/x/y"),
        ("/app//x", "/base//x"),
        ("/app/a%2Fb", "/base/a%2Fb"),
        ("/app/a%2fb%3F%23/", "/base/a%2fb%3F%23/"),
        ("/app/%0d%0aX:%20y", "/base/%0d%0aX:%20y"),
        ("/app/...?x=../..", "/base/...?x=../.."),
        ("/app/%252e%252e/x", "/base/%252e%252e/x"),
        ("/%61pp/x?", "/base/x"),
        ("http://a.example/app/x?y", "/base/x?y"),
    ],
)
def test_what_is_left_of_the_path_is_asked_for_below_the_prefix(
    path: str, target: str, behind: Behind, serve: Serve
) -> None:
    served = serve(below("app", ReverseProxy(behind.endpoint, "/base")))
    with served.connect() as client:
        server = asked(client, behind, path)
        heard = server.request()
        server.answer()
        client.reply()
    assert heard.line == f"GET {target} HTTP/1.1"


@pytest.mark.parametrize(
    "rest",
    ["..", ".", "../x", "a/../../x", "%2e%2E/x", "..%2fx", "a%2f..", "..%5cx", "..\\x", "..;/x"],
)
def test_no_path_climbs_out_of_the_prefix(rest: str, behind: Behind, serve: Serve) -> None:
    served = serve(below("app", ReverseProxy(behind.endpoint, "/base")))
    assert served.get(f"/app/{rest}").status == 400
    assert not behind.called()


@pytest.mark.parametrize(
    ("said", "seen"),
    [
        ("/base/x?y", "/app/x?y"),
        ("/base", "/app"),
        ("/basement", "/basement"),
        ("/other", "/other"),
        ("x/y", "x/y"),
        ("//a.example/base/x", "//a.example/base/x"),
        ("http://127.0.0.1:{port}/base/x", "/app/x"),
        ("http://127.0.0.1:{port}/elsewhere", "/elsewhere"),
        ("http://127.0.0.1:{port}//evil.example/", "http://127.0.0.1:{port}//evil.example/"),
        ("https://a.example/base/x", "https://a.example/app/x"),
        ("http://other.example/base/x", "http://other.example/base/x"),
    ],
)
def test_addresses_of_the_server_behind_become_addresses_here(
    said: str, seen: str, behind: Behind, serve: Serve
) -> None:
    served = serve(below("app", ReverseProxy(behind.endpoint, "/base/")))
    with served.connect() as client:
        server = asked(client, behind, "/app/")
        server.request()
        place = said.format(port=behind.port)
        server.answer(b"", f"LOCATION: {place}", "X-Then: 1", status="302 Found")
        reply = client.reply()
    assert reply.get("location") == seen.format(port=behind.port)
    assert reply.get("x-then") == "1"


def test_connections_are_kept(behind: Behind, serve: Serve) -> None:
    served = serve(ReverseProxy(behind.endpoint))
    with served.connect() as client, served.connect() as other:
        server = asked(client, behind, "/1")
        server.request()
        server.answer(b"1")
        assert client.reply().body == b"1"
        other.send(b"GET /2 HTTP/1.1\r\nHost: x\r\n\r\n")
        assert server.request().line == "GET /2 HTTP/1.1"
        server.answer(b"2")
        assert other.reply().body == b"2"
    assert not behind.called()


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx",
        b"HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nxy",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nxHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\ny",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\nHTTP/1.1 200 O",
    ],
)
def test_a_connection_is_not_kept_after_such_an_answer(
    head: bytes, behind: Behind, serve: Serve
) -> None:
    served = serve(ReverseProxy(behind.endpoint))
    with served.connect() as client:
        server = asked(client, behind, "/")
        server.request()
        server.send(head)
        assert client.reply().body == b"x"
        assert server.closed()
        server = asked(client, behind, "/again")
        assert server.request().line == "GET /again HTTP/1.1"
        server.answer(b"fresh")
        assert client.reply().body == b"fresh"


def test_what_comes_unasked_ends_the_connection(behind: Behind, serve: Serve) -> None:
    served = serve(ReverseProxy(behind.endpoint))
    with served.connect() as client:
        server = asked(client, behind, "/")
        server.request()
        server.answer(b"x")
        client.reply()
        server.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
        assert server.closed()
        server = asked(client, behind, "/again")
        server.request()
        server.answer(b"good")
        assert client.reply().body == b"good"


@pytest.mark.parametrize("length", [True, False])
def test_an_answer_is_passed_on_as_it_comes(length: bool, behind: Behind, serve: Serve) -> None:
    served = serve(ReverseProxy(behind.endpoint))
    with served.connect() as client:
        server = asked(client, behind, "/")
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
        server = asked(client, behind, "/")
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
        server = asked(client, behind, "/")
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
        server = asked(client, behind, "/")
        server.request()
    assert server.closed()


def test_trace_is_not_passed_on(behind: Behind, serve: Serve) -> None:
    assert serve(ReverseProxy(behind.endpoint)).get(method="TRACE").status == 405
    assert not behind.called()


def test_options_of_the_server_itself_are_passed_on(behind: Behind, serve: Serve) -> None:
    served = serve(ReverseProxy(behind.endpoint, "/base"))
    with served.connect() as client:
        client.send(b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n")
        server = behind.accept()
        assert server.request().line == "OPTIONS * HTTP/1.1"
        server.answer(b"", "Allow: GET")
        assert client.reply().get("allow") == "GET"


def test_the_server_may_be_at_a_socket_in_the_file_system(tmp_path: Path, serve: Serve) -> None:
    with Behind(tmp_path / "app.sock") as behind:
        served = serve(ReverseProxy(behind.endpoint), unix=tmp_path / "web.sock")
        with served.connect() as client:
            server = asked(client, behind, "/")
            heard = server.request()
            server.answer(b"here")
            assert client.reply().body == b"here"
        assert heard.get("forwarded") == 'for=unknown;host="a.example";proto=http'
        assert "x-forwarded-for" not in heard.names


def test_authorities_that_cannot_be_read_are_found_at_the_start(tmp_path: Path) -> None:
    proxy = ReverseProxy("tls:443:interface=a.example", authorities=str(tmp_path / "none.pem"))
    with pytest.raises(CertificateError, match=r"none\.pem"):
        proxy.check()
    (tmp_path / "none.pem").write_text("nothing")
    with pytest.raises(CertificateError, match="PEM"):
        proxy.check()


def test_mistakes_in_a_proxy_are_found_when_it_is_made() -> None:
    with pytest.raises(EndpointError):
        ReverseProxy("http://localhost:81/")
    with pytest.raises(ProxyError, match="prefix"):
        ReverseProxy("tcp:81", "base")
    with pytest.raises(ProxyError, match="prefix"):
        ReverseProxy("tcp:81", "/a b")
    with pytest.raises(ProxyError, match="host"):
        ReverseProxy("tcp:81", host="a\r\nX: y")
