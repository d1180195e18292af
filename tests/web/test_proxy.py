"""The reverse proxy: what passes, in both directions."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from perdure.app.certificates import CertificateError
from perdure.app.endpoints import EndpointError
from perdure.app.web.proxy.reverseproxy import ProxyError, ReverseProxy
from perdure.app.web.resource import Resource

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
        assert heard.get("forwarded") == 'host="a.example";proto=http'
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
