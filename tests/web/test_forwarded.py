"""What proxies tell of the client, and who is believed."""

import re
import ssl
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure.app.web.forwarded import Origin, TrustedProxies, TrustedProxyError
from perdure.app.web.head import Headers, RequestError
from perdure.app.web.request import Request
from perdure.app.web.resource import Resource
from perdure.app.web.site import Site

from .conftest import Serve, Served

PROXIES = TrustedProxies.parse(["127.0.0.1", "10.0.0.0/8", "2001:db8::/32", "unix"])


def origin(*fields: str, peer: str = "127.0.0.1") -> Origin | None:
    raw = "\r\n".join(["GET / HTTP/1.1", "Host: x", *fields, "", ""])
    return PROXIES.origin(Headers(raw.encode("latin-1")), peer)


def client(*fields: str) -> str:
    found = origin(*fields)
    assert found is not None
    return found.client


@pytest.mark.parametrize(
    ("address", "trusted"),
    [
        ("127.0.0.1", True),
        ("::ffff:127.0.0.1", True),
        ("127.0.0.2", False),
        ("10.255.0.1", True),
        ("2001:db8::5", True),
        ("2001:db9::5", False),
        ("fe80::1%eth0", False),
        ("unix", True),
        ("unknown", False),
        ("_hidden", False),
    ],
)
def test_proxies_are_trusted_by_address_and_network(address: str, trusted: bool) -> None:
    assert PROXIES.trusts(address) is trusted


@pytest.mark.parametrize("text", ["", "proxy.example", "10.0.0.1/8", "10.0.0.0/33", "UNIX", "*"])
def test_what_is_no_address_cannot_be_trusted(text: str) -> None:
    with pytest.raises(TrustedProxyError, match=re.escape(repr(text))):
        Site(Resource(), trusted_proxies=("127.0.0.1", text))


def test_nothing_told_is_nothing_found() -> None:
    assert origin("X-Forwarded: x", "Via: 1.1 x") is None


FORWARDED = [
    ("for=192.0.2.60", Origin("192.0.2.60")),
    ("For=192.0.2.60;Proto=HTTPS;by=203.0.113.43", Origin("192.0.2.60", True)),
    ('for="192.0.2.60:4711";proto=http', Origin("192.0.2.60", False)),
    ('for="[2001:DB9:CAFE::17]:4711"', Origin("2001:db9:cafe::17")),
    ('for="[::ffff:192.0.2.1]"', Origin("192.0.2.1")),
    ("for=unknown", Origin("unknown")),
    ("for=_SEVKISEK", Origin("_SEVKISEK")),
    ('for="_gazonk:_port"', Origin("_gazonk")),
    ('for=192.0.2.1;host="example.org:8080"', Origin("192.0.2.1", None, "example.org:8080")),
    ("for=192.0.2.43, for=198.51.100.17", Origin("198.51.100.17")),
    ("for=192.0.2.43;proto=https, for=10.0.0.1;proto=http", Origin("192.0.2.43", True)),
    (
        "for=6.6.6.6;proto=http, for=192.0.2.43;proto=https, for=10.0.0.1",
        Origin("192.0.2.43", True),
    ),
    ("for=10.0.0.2;proto=https, for=10.0.0.1", Origin("10.0.0.2", True)),
    ("for=6.6.6.6, for=unknown, for=10.0.0.1", Origin("unknown")),
    ("proto=https;host=example.org", Origin("127.0.0.1", True, "example.org")),
    (" , for=192.0.2.1 ,, ", Origin("192.0.2.1")),
    ("", Origin("127.0.0.1")),
    (r'for="192.0.2\.1"', Origin("192.0.2.1")),
]


@pytest.mark.parametrize(("value", "found"), FORWARDED)
def test_forwarded_is_read_as_its_standard_says(value: str, found: Origin) -> None:
    assert origin(f"Forwarded: {value}") == found


CUSTOMARY = [
    (["For: 192.0.2.60"], Origin("192.0.2.60")),
    (["For: 6.6.6.6, 192.0.2.60"], Origin("192.0.2.60")),
    (["For: 6.6.6.6, 192.0.2.60, 10.0.0.1"], Origin("192.0.2.60")),
    (["For: 10.0.0.2, 10.0.0.1"], Origin("10.0.0.2")),
    (["For: 6.6.6.6", "For: 192.0.2.60"], Origin("192.0.2.60")),
    (["For: 192.0.2.60:4711"], Origin("192.0.2.60")),
    (["For: 2001:db9::1"], Origin("2001:db9::1")),
    (["For: [2001:db9::1]:80"], Origin("2001:db9::1")),
    (["For: fe80::1%<b>"], Origin("fe80::1")),
    (["For: unknown"], Origin("unknown")),
    (["For: <garbage>, 192.0.2.60"], Origin("192.0.2.60")),
    (["For: 192.0.2.60", "Proto: https", "Host: a.org"], Origin("192.0.2.60", True, "a.org")),
    (["Proto: wss"], Origin("127.0.0.1", True)),
    (["For: 192.0.2.60, 10.0.0.1", "Proto: https, http"], Origin("192.0.2.60", True)),
    (["For: 192.0.2.60, 10.0.0.1", "Proto: https"], Origin("192.0.2.60", True)),
    (["For: 6.6.6.6, 192.0.2.60", "Proto: http, https"], Origin("192.0.2.60", True)),
    (["Host: evil.org, a.org"], Origin("127.0.0.1", None, "a.org")),
]


@pytest.mark.parametrize(("fields", "found"), CUSTOMARY)
def test_x_forwarded_is_read_from_its_end(fields: list[str], found: Origin) -> None:
    assert origin(*(f"X-Forwarded-{field}" for field in fields)) == found


@pytest.mark.parametrize(
    "field",
    [
        "Forwarded: for",
        "Forwarded: for=",
        "Forwarded: for=192.0.2.1:80",
        "Forwarded: for=192.0.2.999",
        'Forwarded: for="[2001:db8::1"',
        'Forwarded: for="192.0.2.1',
        "Forwarded: for=192.0.2.1;for=192.0.2.2",
        'Forwarded: for=6.6.6.6;a="b, for=192.0.2.1',
        'Forwarded: for=6.6.6.6;a="b, for="192.0.2.1"',
        'Forwarded: for="<script>"',
        "Forwarded: for=192.0.2.1;proto=ftp",
        'Forwarded: for=192.0.2.1;host="a b"',
        'Forwarded: for=192.0.2.1;host="a/../b"',
        "X-Forwarded-For: ",
        "X-Forwarded-For: 192.0.2.1,",
        "X-Forwarded-For: <script>",
        "X-Forwarded-For: unix",
        "X-Forwarded-For: localhost",
        "X-Forwarded-Proto: gopher",
        "X-Forwarded-Host: a b",
        "X-Forwarded-Host: user@a",
    ],
)
def test_what_breaks_the_grammar_is_refused(field: str) -> None:
    with pytest.raises(RequestError) as refused:
        origin(field)
    assert refused.value.status == 400


def test_two_kinds_of_field_have_to_agree() -> None:
    agreeing = ("Forwarded: for=192.0.2.1;proto=https", "X-Forwarded-For: 192.0.2.1")
    assert origin(*agreeing, "X-Forwarded-Proto: https") == Origin("192.0.2.1", True)
    for added in ("Forwarded: for=6.6.6.6", "Forwarded: host=evil.org"):
        with pytest.raises(RequestError, match="disagree"):
            origin(added, "X-Forwarded-For: 192.0.2.1")


@given(st.text(st.characters(codec="latin-1", exclude_categories=["Cc"]), max_size=60))
def test_nothing_a_client_sends_changes_what_the_proxy_adds(sent: str) -> None:
    for standard in (True, False):
        name, added = (
            ("Forwarded", 'for="192.0.2.1:80"') if standard else ("X-Forwarded-For", "192.0.2.1")
        )
        for fields in ([f"{name}: {sent}, {added}"], [f"{name}: {sent}", f"{name}: {added}"]):
            try:
                assert client(*fields) == "192.0.2.1"
            except RequestError:
                continue


@given(st.text(st.characters(codec="latin-1", exclude_categories=["Cc"]), max_size=60))
def test_a_client_is_always_something_that_can_stand_in_a_log(sent: str) -> None:
    for name in ("Forwarded: for=", "X-Forwarded-For: "):
        try:
            assert re.fullmatch(r"[0-9a-f:.]+|unknown|_[\w.-]+", client(name + sent), re.IGNORECASE)
        except RequestError:
            continue


class Visit:
    """Something to remember."""


class Told(Resource):
    is_leaf = True

    def render_GET(self, request: Request) -> str:
        request.session.set_component(Visit, Visit())
        return f"{request.client} {request.secure} {request.host}"


FIELDS = ("X-Forwarded-For: 192.0.2.7", "X-Forwarded-Proto: https", "X-Forwarded-Host: a.org")


def test_a_trusted_proxy_is_believed_in_page_session_and_log(serve: Serve, tmp_path: Path) -> None:
    log = tmp_path / "log"
    served = serve(Told(), trusted_proxies=("127.0.0.1",), log=str(log))
    reply = served.get("/", *FIELDS)
    assert reply.body == b"192.0.2.7 True a.org"
    assert "; Secure" in (reply.get("set-cookie") or "")
    assert served.get("/").body == b"127.0.0.1 False x"
    assert served.get("/", "Forwarded: for").status == 400
    written = served.server.log
    assert written is not None
    served.call(written.flush)
    clients = [line.split(" ")[0] for line in log.read_text().splitlines()]
    assert clients == ["192.0.2.7", "127.0.0.1", "127.0.0.1"]


@pytest.mark.parametrize("proxies", [(), ("10.0.0.0/8", "unix")])
def test_nobody_else_is_believed(serve: Serve, proxies: tuple[str, ...]) -> None:
    served = serve(Told(), trusted_proxies=proxies)
    reply = served.get("/", *FIELDS, "Forwarded: <garbage>")
    assert reply.body == b"127.0.0.1 False x"
    assert "; Secure" not in (reply.get("set-cookie") or "")


TOLD = "Forwarded: for=192.0.2.7;proto=https;host=a.org"


def test_a_proxy_on_a_unix_socket_is_believed(serve: Serve, tmp_path: Path) -> None:
    path = tmp_path / "socket"
    served = serve(Told(), trusted_proxies=("unix",), unix=path)
    told = subprocess.run(
        ["curl", "-sS", "--unix-socket", path, "-H", TOLD, "http://inner/"],
        timeout=20,
        capture_output=True,
        check=True,
    )
    assert told.stdout == b"192.0.2.7 True a.org"
    assert served.get("/").body == b"unix False x"


def test_requests_on_one_connection_have_each_their_client(serve: Serve) -> None:
    served: Served = serve(Told(), trusted_proxies=("127.0.0.1",))
    with served.connect() as proxy:
        for number in (1, 2, 1):
            reply = proxy.ask(
                f"GET / HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 192.0.2.{number}\r\n\r\n".encode()
            )
            assert reply.body == f"192.0.2.{number} False x".encode()


def test_a_proxy_may_tell_that_the_client_came_without_tls(
    serve: Serve, tls: tuple[ssl.SSLContext, ssl.SSLContext]
) -> None:
    served = serve(Told(), trusted_proxies=("127.0.0.1",), ssl_context=tls[0])
    with served.connect() as plain:
        plain.socket = tls[1].wrap_socket(plain.socket, server_hostname="localhost")
        reply = plain.ask(b"GET / HTTP/1.1\r\nHost: x\r\nX-Forwarded-Proto: http\r\n\r\n")
    assert reply.body == b"127.0.0.1 False x"
