"""Hostile and odd requests: each is answered as it should be or cut off, and others go on."""

import random
import re
import socket
from collections import Counter

import pytest

from perdure.app.web.request import Request
from perdure.app.web.resource import Resource

from .conftest import Serve, Served

HOST = b"Host: x\r\n"
GOOD = b"GET / HTTP/1.1\r\n" + HOST + b"\r\n"
CHUNKED = b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n"


def get(*fields: bytes, target: bytes = b"/", method: bytes = b"GET", end: bytes = b"") -> bytes:
    lines = [method + b" " + target + b" HTTP/1.1", b"Host: x", *fields, b"", end]
    return b"\r\n".join(lines)


def post(*fields: bytes, body: bytes = b"") -> bytes:
    return get(*fields, method=b"POST", end=body)


class Echo(Resource):
    """Says hello, and says back what is posted."""

    is_leaf = True

    def render_GET(self, request: Request) -> str:
        return "hello"

    async def render_POST(self, request: Request) -> bytes:
        return b"heard " + await request.read()


class Deaf(Resource):
    """Answers without a look at the body."""

    is_leaf = True

    def render_GET(self, request: Request) -> str:
        return "hello"

    def render_POST(self, request: Request) -> str:
        return "deaf"


REFUSED = {
    "CL + TE: chunked": (
        400,
        post(b"Content-Length: 3", b"Transfer-Encoding: chunked", body=b"0\r\n\r\n"),
    ),
    "TE: chunked + CL": (
        400,
        post(b"Transfer-Encoding: chunked", b"Content-Length: 3", body=b"0\r\n\r\n"),
    ),
    "two different CL": (400, post(b"Content-Length: 3", b"Content-Length: 5", body=b"abcde")),
    "two equal CL": (400, post(b"Content-Length: 3", b"Content-Length: 3", body=b"abc")),
    'CL "3, 5"': (400, post(b"Content-Length: 3, 5", body=b"abcde")),
    'CL "3, 3"': (400, post(b"Content-Length: 3, 3", body=b"abc")),
    'CL "+3"': (400, post(b"Content-Length: +3", body=b"abc")),
    'CL "-1"': (400, post(b"Content-Length: -1", body=b"abc")),
    'CL "0x3"': (400, post(b"Content-Length: 0x3", body=b"abc")),
    'CL ""': (400, post(b"Content-Length: ", body=b"abc")),
    "CL of 2**64": (400, post(b"Content-Length: 18446744073709551616", body=b"abc")),
    "CL of 2**63": (413, post(b"Content-Length: 9223372036854775807", body=b"abc")),
    "TE with space before colon": (400, post(b"Transfer-Encoding : chunked", body=b"0\r\n\r\n")),
    'TE "xchunked"': (400, post(b"Transfer-Encoding: xchunked", body=b"0\r\n\r\n")),
    'TE "chunked, identity"': (
        400,
        post(b"Transfer-Encoding: chunked, identity", body=b"0\r\n\r\n"),
    ),
    'TE "gzip, chunked"': (501, post(b"Transfer-Encoding: gzip, chunked", body=b"0\r\n\r\n")),
    "two TE headers chunked+identity": (
        400,
        post(b"Transfer-Encoding: chunked", b"Transfer-Encoding: identity", body=b"0\r\n\r\n"),
    ),
    "two TE headers identity+chunked": (
        501,
        post(b"Transfer-Encoding: identity", b"Transfer-Encoding: chunked", body=b"0\r\n\r\n"),
    ),
    "TE \\x0bchunked": (400, post(b"Transfer-Encoding: \x0bchunked", body=b"0\r\n\r\n")),
    "TE chunked in HTTP/1.0": (
        400,
        b"POST / HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ),
    "obs-fold header": (400, get(b"X-A: b\r\n c")),
    "obs-fold in the first header": (400, b"GET / HTTP/1.1\r\n X: y\r\nHost: x\r\n\r\n"),
    "bare LF line ends": (400, b"GET / HTTP/1.1\nHost: x\n\n"),
    "bare CR in value": (400, get(b"X-A: b\rc")),
    "NUL in value": (400, get(b"X-A: b\0c")),
    "bad char in header name": (400, get(b"X(A: b")),
    "empty header name": (400, get(b": b")),
    "no colon": (400, get(b"nonsense")),
    "no Host (1.1)": (400, b"GET / HTTP/1.1\r\n\r\n"),
    "no Host but another field": (400, b"GET / HTTP/1.1\r\nAccept: */*\r\n\r\n"),
    "Host with a space": (400, b"GET / HTTP/1.1\r\nHost: x y\r\n\r\n"),
    "Host with brackets of HTML": (400, b"GET / HTTP/1.1\r\nhost: <x>\r\nAccept: */*\r\n\r\n"),
    "two Hosts": (400, get(b"Host: y")),
    "two Hosts in HTTP/1.0": (400, b"GET / HTTP/1.0\r\nHost: x\r\nhost: y\r\n\r\n"),
    "chunk size 0x5": (400, CHUNKED + b"0x5\r\nhello\r\n0\r\n\r\n"),
    "chunk size overflow": (400, CHUNKED + b"FFFFFFFFFFFFFFFFF\r\nhello\r\n0\r\n\r\n"),
    "chunk size of 2**60": (413, CHUNKED + b"1000000000000000\r\n" + b"x" * 70_000),
    "chunk data not CRLF-ended": (400, CHUNKED + b"5\r\nhelloX\r\n0\r\n\r\n"),
    "LF in chunk extension": (400, CHUNKED + b"5;a\nb\r\nhello\r\n0\r\n\r\n"),
    "chunk size ended by LF": (400, CHUNKED + b"5\nhello\r\n0\r\n\r\n"),
    "chunk with -5": (400, CHUNKED + b"-5\r\nhello\r\n0\r\n\r\n"),
    "chunk without size": (400, CHUNKED + b"\r\nhello\r\n0\r\n\r\n"),
    "chunk extension of 20 KB": (400, CHUNKED + b"5;" + b"a" * 20_000 + b"\r\nhello\r\n"),
    "trailers of 20 KB": (400, CHUNKED + b"0\r\nA: " + b"a" * 20_000 + b"\r\n\r\n"),
    "1000 trailers": (400, CHUNKED + b"0\r\n" + b"A: b\r\n" * 1000 + b"\r\n"),
    "HTTP/1.2": (400, b"GET / HTTP/1.2\r\nHost: x\r\n\r\n"),
    "HTTP/9.9": (400, b"GET / HTTP/9.9\r\nHost: x\r\n\r\n"),
    "HTTP/2.0": (400, b"GET / HTTP/2.0\r\nHost: x\r\n\r\n"),
    "HTTP/2 preface": (400, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    "HTTP/0.9": (400, b"GET /\r\n\r\n"),
    "TLS": (400, bytes.fromhex("1603010200010001fc0303")),
    "space in target": (400, get(target=b"/a b")),
    "two spaces before target": (400, get(target=b" /")),
    "target with NUL": (400, get(target=b"/a\0b")),
    "target of raw bytes": (400, get(target=b"/\xc3\xa9")),
    'target "*" with GET': (400, get(target=b"*")),
    "target without /": (400, get(target=b"index.html")),
    "target of another scheme": (400, get(target=b"ftp://x/")),
    "target with a fragment": (400, get(target=b"/a#b")),
    "CONNECT": (501, b"CONNECT x:443 HTTP/1.1\r\nHost: x:443\r\n\r\n"),
    "lowercase method": (400, get(method=b"get")),
    "unknown method PURGEX": (400, get(method=b"PURGEX")),
    "a method of RTSP": (400, get(method=b"DESCRIBE")),
    "URL of 20 KB": (414, get(target=b"/" + b"a" * 20_000)),
    "URL of 1 MB": (414, get(target=b"/" + b"a" * 1_000_000)),
    "one header of 20 KB": (431, get(b"X-A: " + b"a" * 20_000)),
    "one header of 1 MB": (431, get(b"X-A: " + b"a" * 1_000_000)),
    "200 headers": (431, get(*[b"X-%d: a" % n for n in range(200)])),
    "20000 headers": (431, get(*[b"X-%d: a" % n for n in range(20_000)])),
    "16 MB of headers": (431, get(*[b"X-A: " + b"a" * 8000] * 2000)),
    "unknown expectation": (417, post(b"Expect: miracles", b"Content-Length: 3", body=b"abc")),
    "body over the limit": (413, post(b"Content-Length: 20000000")),
}


def answers(served: Served, data: bytes) -> list[int]:
    """The statuses of all replies to `data`, after which the client says no more."""
    with served.connect() as client:
        try:
            client.send(data)
            client.socket.shutdown(socket.SHUT_WR)
        except (BrokenPipeError, ConnectionResetError):
            pass  # the server has said what it had to
        return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d+) ", client.rest())]


@pytest.fixture(name="echo")
def echo_fixture(serve: Serve) -> Served:
    return serve(Echo())


@pytest.mark.parametrize(("status", "data"), REFUSED.values(), ids=REFUSED)
def test_what_is_no_request_is_refused_and_the_connection_closed(
    echo: Served, status: int, data: bytes
) -> None:
    with echo.connect() as client:
        try:
            client.send(data + GOOD)
        except (BrokenPipeError, ConnectionResetError):
            pytest.fail("the server did not hear the client out")
        replies = re.findall(rb"HTTP/1\.1 (\d+) ", client.rest())

    assert [b"%d" % status] == replies
    assert echo.get().body == b"hello"


@pytest.mark.parametrize("target", [b"/a%00b", b"/%ff", b"/%C3", b"/%ED%A0%80"])
def test_an_address_that_is_no_text_is_refused(echo: Served, target: bytes) -> None:
    with echo.connect() as client:
        assert client.ask(get(target=target)).status == 400
        assert client.ask(GOOD).body == b"hello"


@pytest.mark.parametrize(("status", "data"), REFUSED.values(), ids=REFUSED)
def test_a_resource_that_ignores_bodies_does_not_let_bad_ones_through(
    serve: Serve, status: int, data: bytes
) -> None:
    assert [status] == answers(serve(Deaf()), data + GOOD)


ANSWERED = {
    "plain GET": get(),
    "absolute URI": get(target=b"http://elsewhere/a?b"),
    "absolute URI without path": get(target=b"http://elsewhere"),
    "HTTP/1.0": b"GET / HTTP/1.0\r\nHost: x\r\n\r\n",
    "HTTP/1.0 without Host": b"GET / HTTP/1.0\r\n\r\n",
    "100 headers": get(*[b"X-%d: a" % n for n in range(99)]),
    "high bytes in a value": get(b"X-A: \xe9\xff"),
    "empty lines first": b"\r\n\r\n" + get(),
    "two slashes": get(target=b"//a"),
    "Upgrade to HTTP/2": get(b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c"),
    "Upgrade with a body": post(
        b"Connection: Upgrade", b"Upgrade: h2c", b"Content-Length: 3", body=b"abc"
    ),
    "CL of 0": post(b"Content-Length: 0"),
    "CL 003": post(b"Content-Length: 003", body=b"abc"),
    "TE Chunked": post(b"Transfer-Encoding: Chunked", body=b"0\r\n\r\n"),
    "chunk with an extension": CHUNKED + b'3;a=b;c="d"\r\nabc\r\n0\r\n\r\n',
    "chunks with trailers": CHUNKED + b"3\r\nabc\r\n0\r\nA: b\r\nC: d\r\n\r\n",
    "chunk sizes with zeros": CHUNKED + b"003\r\nabc\r\n000\r\n\r\n",
    "body of 8 MB": post(b"Content-Length: 8000000", body=b"x" * 8_000_000),
}


@pytest.mark.parametrize("data", ANSWERED.values(), ids=ANSWERED)
def test_odd_but_correct_requests_are_answered(echo: Served, data: bytes) -> None:
    with echo.connect() as client:
        assert client.ask(data).status == 200


def test_three_pipelined_requests_are_answered_in_order(echo: Served) -> None:
    bodies = [b"one", b"two", b"three"]
    with echo.connect() as client:
        for body in bodies:
            client.send(post(b"Content-Length: %d" % len(body), body=body))

        assert [b"heard " + body for body in bodies] == [client.reply().body for _ in bodies]


SPLIT = {
    "GET": (get(b"X-A: b"), b"hello"),
    "POST": (post(b"Content-Length: 5", body=b"abcde"), b"heard abcde"),
    "chunked": (CHUNKED + b"3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nT: u\r\n\r\n", b"heard abcde"),
    "CRLF first": (b"\r\n" + get(), b"hello"),
}


@pytest.mark.parametrize(("data", "body"), SPLIT.values(), ids=SPLIT)
def test_requests_may_come_split_at_any_byte(echo: Served, data: bytes, body: bytes) -> None:
    with echo.connect() as client:
        for cut in range(1, len(data)):
            # The second part waits for a word of the server, so that both arrive apart.
            client.send(GOOD + data[:cut])
            assert client.reply().body == b"hello"
            assert body == client.ask(data[cut:]).body


@pytest.mark.parametrize(("data", "body"), SPLIT.values(), ids=SPLIT)
def test_requests_may_come_byte_by_byte(echo: Served, data: bytes, body: bytes) -> None:
    with echo.connect() as client:
        for byte in data:
            client.send(bytes([byte]))

        assert body == client.reply().body


@pytest.mark.parametrize(
    "data",
    [
        post(b"Content-Length: 5", b"Content-Length : 40", body=b"abcde" + GOOD),
        post(b"Content-Length: 5\r\n\tTransfer-Encoding: chunked", body=b"abcde" + GOOD),
        post(b"Transfer-Encoding:\x00chunked", b"Content-Length: 5", body=b"abcde" + GOOD),
        post(b"X: y\rTransfer-Encoding: chunked", b"Content-Length: 5", body=b"abcde" + GOOD),
        post(b"X: y\nTransfer-Encoding: chunked", b"Content-Length: 5", body=b"abcde" + GOOD),
        get(b"Content-Length: 5", b"Connection: content-length", b"TE: x\x7f", end=GOOD),
        CHUNKED + b"5 \r\nabcde\r\n0\r\n\r\n" + GOOD,
        CHUNKED + b"5\r\r\nabcde\r\n0\r\n\r\n" + GOOD,
        CHUNKED + b"0_5\r\nabcde\r\n0\r\n\r\n" + GOOD,
        CHUNKED + b"0\n\r\n" + GOOD,
        CHUNKED + b"0\r\nX: y\nGET /a HTTP/1.1\r\n\r\n" + GOOD,
        CHUNKED + b"0\r\nContent-Length : 5\r\n\r\n" + GOOD,
    ],
)
def test_what_two_readers_could_read_differently_is_refused(echo: Served, data: bytes) -> None:
    assert answers(echo, data) == [400]


def test_the_body_of_a_get_is_not_taken_for_a_request(echo: Served) -> None:
    data = get(b"Content-Length: %d" % len(GOOD), end=GOOD)

    assert answers(echo, data) == [200]


def mutated(random: random.Random) -> bytes:
    """A good request with some bytes changed, removed, doubled or moved."""
    data = bytearray(random.choice([*ANSWERED.values()][:-1]))
    pieces = [b"\r\n", b"\n", b"\0", b" ", b":", b"\xff", b"Host: x\r\n", b"0\r\n\r\n", b"chunked"]
    for _ in range(random.randint(1, 2)):
        place = random.randrange(len(data) + 1)
        length = random.randint(0, 4)
        match random.randrange(5):
            case 0:
                data[place : place + 1] = bytes([random.randrange(256)])
            case 1:
                del data[place : place + length]
            case 2:
                data[place:place] = data[place : place + length]
            case 3:
                data[place:place] = random.choice(pieces)
            case _:
                del data[place:]
    return bytes(data)


@pytest.mark.parametrize("resource", [Echo(), Deaf()], ids=["echo", "deaf"])
def test_ten_thousand_mutations_of_good_requests_harm_nobody(
    serve: Serve, resource: Resource
) -> None:
    served = serve(resource)
    chance = random.Random(20261121)
    heard: Counter[int] = Counter()
    for number in range(10_000):
        data = mutated(chance)
        statuses = answers(served, data)
        heard.update(statuses or [0])
        assert {200, 400, 405, 413, 417, 431, 501}.issuperset(statuses), data
        if number % 100 == 0:
            assert served.get().body == b"hello", data
    assert served.get().body == b"hello"
    assert min(heard[200], heard[400]) > 1000, heard


@pytest.mark.parametrize("host", [b"", b"[::1]:8080", b"xn--grn-hoa.example:80", b" a_b.c "])
def test_a_host_that_may_be_one_is_served(echo: Served, host: bytes) -> None:
    with echo.connect() as client:
        assert client.ask(b"GET / HTTP/1.1\r\nHost: " + host + b"\r\n\r\n").status == 200
