"""The forward proxy: it leads where it was allowed to, and nowhere else."""

import asyncio
import contextlib
import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import httpx2
import pytest

from perdure.app.web.proxy.destination import DestinationError, is_open, networks
from perdure.app.web.proxy.forwardproxy import ForwardProxy
from perdure.app.web.proxy.reverseproxy import ReverseProxy
from perdure.app.web.proxy.upstream import UpstreamLimits
from perdure.app.web.resource import Resource

from .behind import Behind
from .conftest import Serve, Served

HERE = ("127.0.0.0/8", "::1/128")


class Home(Resource):
    is_leaf = True

    def render_GET(self, request: object) -> str:
        return "at home"


@pytest.fixture(name="behind")
def behind_fixture() -> Iterator[Behind]:
    with Behind() as behind:
        yield behind


def connect(served: Served, place: str, *fields: str) -> int:
    """The status of the answer to CONNECT."""
    with served.connect() as client:
        lines = [f"CONNECT {place} HTTP/1.1", f"Host: {place}", *fields]
        return client.ask(("\r\n".join(lines) + "\r\n\r\n").encode(), head_only=True).status


def test_a_request_goes_where_its_address_says(behind: Behind, serve: Serve) -> None:
    place = f"127.0.0.1:{behind.port}"
    served = serve(ForwardProxy([place], private=HERE))
    with served.connect() as client:
        client.send(
            f"POST http://{place}/a/../b?c HTTP/1.1\r\nHost: other\r\nContent-Length: 3\r\n"
            "Proxy-Authorization: Basic eDp5\r\nProxy-Connection: keep-alive\r\n"
            "X-Forwarded-For: 1.2.3.4\r\nX: y\r\n\r\nabc".encode()
        )
        server = behind.accept()
        heard = server.request()
        assert heard.line == "POST /a/../b?c HTTP/1.1"
        assert heard.get("host") == place
        assert heard.get("connection") == "close"
        assert heard.names == {"host", "x", "via", "connection", "content-length"}
        assert server.exactly(3) == b"abc"
        server.answer(b"there", "X: z")
        reply = client.reply()
        assert (reply.status, reply.body, reply.get("x")) == (200, b"there", "z")
        assert (heard.get("via"), reply.get_all("via")) == ("1.1 perdure", ["1.1 perdure"])
        assert server.closed()


def test_each_message_tells_by_which_versions_it_came(behind: Behind, serve: Serve) -> None:
    place = f"127.0.0.1:{behind.port}"
    served = serve(ForwardProxy([place], private=HERE))
    with served.connect() as client:
        client.send(f"GET http://{place}/ HTTP/1.0\r\nVia: 1.1 other\r\n\r\n".encode())
        server = behind.accept()
        request = server.until(b"\r\n\r\n")
        assert request.index(b"Via: 1.1 other\r\n") < request.index(b"Via: 1.0 perdure\r\n")
        server.send(b"HTTP/1.0 200 OK\r\nVia: 1.1 another\r\nContent-Length: 0\r\n\r\n")
        assert client.reply().get_all("via") == ["1.1 another", "1.0 perdure"]


def test_a_client_that_would_see_what_we_tell_is_told_what_it_may_do(serve: Serve) -> None:
    reply = serve(ForwardProxy(["127.0.0.1:*"])).get("http://127.0.0.1:1/", method="TRACE")
    assert (reply.status, "CONNECT" in (reply.get("allow") or "")) == (405, True)


def test_a_tunnel_carries_whatever_both_sides_say(behind: Behind, serve: Serve) -> None:
    place = f"localhost:{behind.port}"
    served = serve(ForwardProxy([place], private=HERE))
    with served.connect() as client:
        client.send(f"CONNECT {place} HTTP/1.1\r\nHost: {place}\r\n\r\nearly".encode())
        server = behind.accept()
        reply = client.reply(head_only=True)
        assert reply.status == 200
        assert not {"content-length", "transfer-encoding"} & {name for name, _ in reply.fields}
        assert server.exactly(5) == b"early"
        server.send(b"\0\r\n\r\n\xff")
        assert client.exactly(6) == b"\0\r\n\r\n\xff"
        client.socket.close()
        assert server.closed()


def test_what_a_server_says_first_is_not_lost(behind: Behind, serve: Serve) -> None:
    place = f"127.0.0.1:{behind.port}"
    served = serve(ForwardProxy([place], private=HERE))
    with served.connect() as client:
        client.send(f"CONNECT {place} HTTP/1.1\r\nHost: {place}\r\n\r\n".encode())
        server = behind.accept()
        server.send(b"220 hello\r\n")
        server.socket.close()
        client.reply(head_only=True)
        assert client.rest() == b"220 hello\r\n"


@pytest.mark.parametrize(
    "place",
    ["example.org:443", "a.example.net:443", "example.net:80", "example.com:443", "127.0.0.1:443"],
)
def test_nothing_is_reached_that_is_not_on_the_list(place: str, serve: Serve) -> None:
    served = serve(ForwardProxy(["example.net:443", "*.example.org:443"]))
    assert connect(served, place) == 403
    assert served.get(f"http://{place}/").status == 403


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "localhost",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "10.0.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "[fe80::1]",
        "[64:ff9b::7f00:1]",
        "224.0.0.1",
        "255.255.255.255",
        "[2002:7f00:1::]",
        "[::]",
        "[fc00::1]",
    ],
)
def test_no_private_address_is_reached_by_any_spelling(
    host: str, behind: Behind, serve: Serve
) -> None:
    served = serve(ForwardProxy(["*:*"]))
    # 502: it may be no address at all for the system's library.
    assert connect(served, f"{host}:{behind.port}") in (403, 502)
    assert served.get(f"http://{host}:{behind.port}/").status in (403, 502)
    assert not behind.called()


@pytest.mark.parametrize(
    "address", ["::127.0.0.1", "::ffff:0:10.0.0.1", "64:ff9b:1::a00:1", "fec0::1", "5f00::1"]
)
def test_of_ipv6_only_what_the_internet_is_made_of_is_public(address: str) -> None:
    """What else there is may be translated to a private address by some router, or be none at all."""
    assert not is_open(ip_address(address), ())
    assert is_open(ip_address(address), networks((address,)))
    assert is_open(ip_address("2606:4700::1111"), ())


class Resolving(asyncio.SelectorEventLoop):
    """A loop in which every name means this machine the first time, and something else later."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []

    async def getaddrinfo(self, host: Any, port: Any, **options: Any) -> Any:
        self.asked.append(host)
        address = "127.0.0.1" if len(self.asked) == 1 else "127.0.0.99"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]


def test_a_name_is_looked_up_once_and_what_was_judged_is_connected_to(
    behind: Behind, serve: Serve
) -> None:
    loop = Resolving()
    proxy = ForwardProxy([f"rebound.example:{behind.port}"], private=["127.0.0.1/32"])
    served = serve(proxy, loop_factory=lambda: loop)
    with served.connect() as client:
        place = f"rebound.example:{behind.port}"
        client.send(f"GET http://{place}/ HTTP/1.1\r\nHost: {place}\r\n\r\n".encode())
        server = behind.accept()
        server.request()
        server.answer(b"judged")
        assert client.reply().body == b"judged"
    assert loop.asked == ["rebound.example"]
    assert connect(served, place) == 403


def test_strangers_may_not_use_it(behind: Behind, serve: Serve) -> None:
    place = f"127.0.0.1:{behind.port}"
    served = serve(ForwardProxy([place], private=HERE, clients=["10.0.0.0/8"]))
    assert connect(served, place) == 403
    assert served.get(f"http://{place}/").status == 403
    assert not behind.called()


def test_a_proxy_for_this_machine_serves_who_comes_by_a_socket_file(
    behind: Behind, serve: Serve, tmp_path: Path
) -> None:
    place = f"127.0.0.1:{behind.port}"
    served = serve(ForwardProxy([place], private=HERE), unix=tmp_path / "proxy.sock")
    assert connect(served, place) == 200


def test_requests_for_the_site_itself_go_to_the_site(serve: Serve) -> None:
    served = serve(ForwardProxy([], Home()))
    assert served.get("/").body == b"at home"
    assert serve(ForwardProxy([])).get("/").status == 404


@pytest.mark.parametrize(
    "resource", [Home(), ReverseProxy("tcp:1:interface=127.0.0.1"), Resource()]
)
def test_nothing_else_is_a_proxy(resource: Resource, serve: Serve) -> None:
    served = serve(resource)
    with served.connect() as client:
        reply = client.ask(b"CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\n\r\n")
        assert reply.status == 501
        assert client.closed()


@pytest.mark.parametrize(
    "target",
    [
        "a.example",
        "a.example:",
        ":443",
        "a.example:443/x",
        "http://a.example:443",
        "/",
        "*",
        "a@b:443",
        "a.example:123456",
        "[::1:443",
        "a b:443",
    ],
)
def test_connect_names_a_host_and_a_port(target: str, serve: Serve) -> None:
    served = serve(ForwardProxy(["*:*"]))
    with served.connect() as client:
        reply = client.ask(f"CONNECT {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        assert reply.status == 400


@pytest.mark.parametrize("place", ["a.example:0", "a.example:99999", "-:443", "..:443"])
def test_what_is_no_host_or_port_is_refused(place: str, serve: Serve) -> None:
    assert connect(serve(ForwardProxy(["*:*"])), place) in (400, 502)


def test_connect_has_no_body(serve: Serve) -> None:
    served = serve(ForwardProxy(["*:*"]))
    assert connect(served, "a.example:1", "Content-Length: 3") == 400
    assert connect(served, "a.example:1", "Transfer-Encoding: chunked") == 400


def test_https_is_asked_for_by_connect(serve: Serve) -> None:
    served = serve(ForwardProxy(["*:*"]))
    assert served.get("https://a.example/").status == 400
    assert served.get("http://user@a.example/").status == 400


def test_a_place_where_nobody_listens_is_a_502(serve: Serve) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
    served = serve(ForwardProxy(["127.0.0.1:*"], private=HERE))
    assert connect(served, f"127.0.0.1:{port}") == 502
    assert served.get(f"http://127.0.0.1:{port}/").status == 502


def test_no_more_go_out_than_may(behind: Behind, serve: Serve) -> None:
    place = f"127.0.0.1:{behind.port}"
    limits = UpstreamLimits(connections=1, tunnels=1)
    served = serve(ForwardProxy([place], private=HERE, limits=limits))
    with served.connect() as client, served.connect() as other:
        client.send(f"GET http://{place}/ HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        server = behind.accept()
        server.request()
        assert served.get(f"http://{place}/").status == 503
        other.send(f"CONNECT {place} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        assert other.reply(head_only=True).status == 200
        assert connect(served, place) == 503
        server.answer(b"first")
        assert client.reply().body == b"first"


def test_no_more_tunnels_are_open_than_may_however_many_are_asked_for_at_once(
    behind: Behind, serve: Serve
) -> None:
    place = f"127.0.0.1:{behind.port}"
    served = serve(ForwardProxy([place], private=HERE, limits=UpstreamLimits(tunnels=2)))
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(served.connect()) for _ in range(30)]
        for client in clients:
            client.send(f"CONNECT {place} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        answers = [client.reply(head_only=True).status for client in clients]
    assert sorted(answers) == [200] * 2 + [503] * 28


@pytest.mark.parametrize(
    "text",
    ["", "example.org", "example.org:", ":80", "a b:80", "x:0", "x:65536", "*x:80", "http://x:80"],
)
def test_a_place_that_is_none_is_found_when_the_proxy_is_made(text: str) -> None:
    with pytest.raises(DestinationError):
        ForwardProxy([text])


def test_a_network_that_is_none_is_found_when_the_proxy_is_made() -> None:
    with pytest.raises(DestinationError):
        ForwardProxy([], clients=["10.0.0.1/8"])
    with pytest.raises(DestinationError):
        ForwardProxy([], private=["home"])


def test_curl_and_an_http_library_go_through_it(
    serve: Serve, tls: tuple[ssl.SSLContext, ssl.SSLContext], tmp_path: Path
) -> None:
    context, trusting = tls
    plain, secure = serve(Home()), serve(Home(), ssl_context=context)
    proxy = serve(ForwardProxy(["localhost:*", "127.0.0.1:*"], private=HERE))
    url = secure.url("/").replace("127.0.0.1", "localhost")
    with httpx2.Client(proxy=proxy.url(), verify=trusting, trust_env=False) as client:
        assert client.get(plain.url("/")).text == "at home"
        assert client.get(url).text == "at home"
    curl = shutil.which("curl")
    if curl is None:
        pytest.skip("no curl")
    (authority,) = trusting.get_ca_certs(binary_form=True)
    path = tmp_path / "authority.pem"
    path.write_text(ssl.DER_cert_to_PEM_cert(authority))
    for each in (plain.url("/"), url):
        command = [curl, "-sS", "--noproxy", "", "-x", proxy.url(), "--cacert", str(path), each]
        assert subprocess.check_output(command, timeout=20) == b"at home"
