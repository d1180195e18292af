"""WSGI applications in the tree of resources: what they are told, and what becomes of what they say."""

import os
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from perdure.app.web.limits import Limits
from perdure.app.web.resource import Resource

from ..paper import Paper
from .conftest import Serve, opened
from .wsgiapps import TYPE, WAIT, Body, Environ, Start, gateway, says, valid

# What it is told.


def told(serve: Serve, request: bytes, root: Resource | None = None) -> Environ:
    """The environ of a request."""
    environs: list[Environ] = []

    def app(environ: Environ, start: Start) -> Iterable[bytes]:
        environs.append({**environ, "read": environ["wsgi.input"].read(-1)})
        start("200 OK", [TYPE])
        return [b""]

    made = gateway(app)
    if root is not None:
        root.put_child("app", made)
    served = serve(root or made)
    with served.connect() as client:
        assert client.ask(request).status == 200
    return environs[0]


def test_the_environ_says_what_was_asked(serve: Serve) -> None:
    environ = told(
        serve,
        b"POST /a%20b/%e2%98%83?x=%20&y HTTP/1.1\r\nHost: example.org:8080\r\nContent-Length: 4\r\n"
        b"Content-Type: text/x\r\nCookie: a=1\r\nCookie: b=2\r\nX-A: 1\r\nX-A: 2\r\nX_A: 3\r\n"
        b"Proxy: evil\r\nTE: trailers\r\nKeep-Alive: 3\r\n\r\nbody",
    )
    assert {key: value for key, value in environ.items() if isinstance(value, str)} == {
        "REQUEST_METHOD": "POST",
        "SCRIPT_NAME": "",
        "PATH_INFO": "/a b/\xe2\x98\x83",
        "QUERY_STRING": "x=%20&y",
        "REQUEST_URI": "/a%20b/%e2%98%83?x=%20&y",
        "SERVER_NAME": "example.org",
        "SERVER_PORT": "8080",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "SERVER_SOFTWARE": "perdure",
        "REMOTE_ADDR": "127.0.0.1",
        "CONTENT_TYPE": "text/x",
        "CONTENT_LENGTH": "4",
        "HTTP_HOST": "example.org:8080",
        "HTTP_COOKIE": "a=1; b=2",
        "HTTP_X_A": "1,2",
        "wsgi.url_scheme": "http",
    }
    assert environ["read"] == b"body"
    assert (environ["wsgi.version"], environ["wsgi.multithread"]) == ((1, 0), True)
    assert not environ["wsgi.multiprocess"]
    assert not environ["wsgi.run_once"]
    assert environ["wsgi.input_terminated"]


@pytest.mark.parametrize(
    ("target", "script", "path"),
    [
        ("/app", "/app", ""),
        ("/app/", "/app", "/"),
        ("/app/a/b/", "/app", "/a/b/"),
        ("/app//a", "/app", "//a"),
        ("/app/%2f..", "/app", "//.."),
    ],
)
def test_below_another_resource_it_knows_where_it_is(
    serve: Serve, target: str, script: str, path: str
) -> None:
    environ = told(serve, f"GET {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode(), Resource())
    assert (environ["SCRIPT_NAME"], environ["PATH_INFO"]) == (script, path)


@pytest.mark.parametrize(
    ("host", "name", "port"),
    [("x", "x", "80"), ("[::1]:81", "::1", "81"), ("[::1]", "::1", "80"), ("", "localhost", "80")],
)
def test_the_server_is_called_as_the_client_calls_it(
    serve: Serve, host: str, name: str, port: str
) -> None:
    environ = told(serve, f"GET / HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
    assert (environ["SERVER_NAME"], environ["SERVER_PORT"]) == (name, port)


def test_an_absolute_address_outranks_the_host(serve: Serve) -> None:
    environ = told(serve, b"GET http://real.example/a HTTP/1.1\r\nHost: other\r\n\r\n")
    assert (environ["HTTP_HOST"], environ["PATH_INFO"]) == ("real.example", "/a")


def test_the_length_of_a_chunked_body_is_known(serve: Serve) -> None:
    environ = told(
        serve,
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
    )
    assert (environ["CONTENT_LENGTH"], environ["read"]) == ("5", b"abcde")
    assert "HTTP_TRANSFER_ENCODING" not in environ


def test_a_secure_request_is_known_as_such(serve: Serve, tls: Any) -> None:
    import httpx2

    environs: list[Environ] = []

    def app(environ: Environ, start: Start) -> Iterable[bytes]:
        environs.append(environ)
        start("200 OK", [TYPE])
        return []

    served = serve(gateway(app), ssl_context=tls[0])
    url = served.url().replace("127.0.0.1", "localhost")
    assert httpx2.get(url, verify=tls[1]).status_code == 200
    assert (environs[0]["wsgi.url_scheme"], environs[0]["HTTPS"]) == ("https", "on")


def test_a_request_for_the_server_itself_is_none_of_its_business(serve: Serve) -> None:
    with serve(gateway(says(b"never"))).connect() as client:
        assert client.ask(b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n").status == 204


# The body of the request.


@pytest.mark.parametrize("size", [0, 10, 100_000])
def test_input_is_a_file_of_any_length(serve: Serve, size: int) -> None:
    sent = (b"0123456789\n" * (size // 11 + 1))[:size]

    def app(environ: Environ, start: Start) -> Iterable[bytes]:
        body = environ["wsgi.input"]
        got = [body.read(3), body.readline(), body.readline(5), *body.readlines(20)]
        got += [*body, body.read(5), body.read(), body.readline()]
        start("200 OK", [TYPE])
        return [b"".join(got)]

    served = serve(gateway(app))
    with served.connect() as client:
        head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % size
        assert client.ask(head + sent).body == sent


def test_of_an_input_that_was_kept_nothing_is_left(serve: Serve, temporary: Path) -> None:
    begun, going_on = threading.Semaphore(0), threading.Event()

    def app(environ: Environ, start: Start) -> Iterable[bytes]:
        begun.release()
        assert going_on.wait(WAIT)
        start("200 OK", [TYPE])
        return [b"%d" % len(environ["wsgi.input"].read())]

    data = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n" + bytes(100_000)
    served = serve(gateway(app, threads=1, waiting=0))
    with served.connect() as client, served.connect() as other, served.connect() as gone:
        client.send(data)
        assert begun.acquire(timeout=WAIT)
        assert len(opened(temporary)) == 1
        assert other.ask(data).status == 503
        served.arrive(lambda: len(opened(temporary)) == 1)
        gone.send(data[:-1])
        served.arrive(lambda: len(opened(temporary)) == 2)
        gone.socket.close()
        served.arrive(lambda: len(opened(temporary)) == 1)
        going_on.set()
        assert client.reply().body == b"100000"
        served.arrive(lambda: not opened(temporary))


def test_an_input_that_cannot_be_kept_is_answered_507(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_arguments: Any) -> int:
        raise OSError(28, "No space left on device")

    with serve(gateway(says(b"read"))).connect() as client:
        monkeypatch.setattr(os, "pwrite", full)
        head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n"
        assert client.ask(head + bytes(100_000)).status == 507


def test_a_valid_application_reads_its_input(serve: Serve) -> None:
    def app(environ: Environ, start: Start) -> Iterable[bytes]:
        body = environ["wsgi.input"]
        lines = [body.read(2), body.readline(), *body.readlines(), *body]
        start("200 OK", [TYPE])
        return Body([*lines])

    with serve(gateway(valid(app))).connect() as client:
        head = b"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 8\r\n\r\n"
        assert client.ask(head + b"1\n2\n3\n4\n").body == b"1\n2\n3\n4\n"


def test_slow_clients_keep_no_thread_busy(serve: Serve) -> None:
    served = serve(gateway(says(b"quick"), threads=1, waiting=0))
    head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n"
    with served.connect() as slow, served.connect() as slower:
        slow.send(head + b"ab")
        slower.send(head + b"a")
        assert served.get().body == b"quick"
        slow.send(b"cd")
        assert slow.reply().body == b"quick"


def test_a_body_that_is_too_large_does_not_reach_it(serve: Serve) -> None:
    served = serve(gateway(says(b"never")), limits=Limits(body=10))
    chunked = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    with served.connect() as client:
        assert client.ask(chunked + b"b\r\n01234567890\r\n").status == 413


# What it says.


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(
    ("pieces", "fields", "length"),
    [
        ((), (), "0"),
        ((b"",), (), "0"),
        ((b"whole",), (), "5"),
        ((b"whole",), (("Content-Length", "5"),), "5"),
        ((b"", b"a", b"", b"bc"), (), None),
        ((b"a", b"bc"), (("Content-Length", "3"),), "3"),
    ],
)
def test_a_body_is_sent_whole_or_in_pieces(
    serve: Serve, method: str, pieces: tuple[bytes, ...], fields: tuple[Any, ...], length: str
) -> None:
    bodies: list[Body] = []

    def app(environ: Environ, start: Start) -> Iterable[bytes]:
        start("200 OK", [TYPE, *fields])
        bodies.append(Body(pieces))
        return bodies[0]

    for each in (valid(app), says(*pieces, fields=(TYPE, *fields))):
        served = serve(gateway(each), journal=Paper())
        reply = served.get(method=method)
        assert reply.status == 200
        assert reply.body == (b"" if method == "HEAD" else b"".join(pieces))
        if method == "GET" and each is not app and reply.get("transfer-encoding") is None:
            assert reply.get("content-length") == length
    assert bodies[0].closed.acquire(timeout=WAIT)


def test_the_phrase_and_the_fields_leave_as_they_are(serve: Serve) -> None:
    fields = [("X-B", "2"), ("Set-Cookie", "a=1"), ("x-a", "\xe9\t "), ("Set-Cookie", "b=2")]
    app = says(b"", status="299 Nearly", fields=[*fields, ("Date", "now"), ("Server", "mine")])
    reply = serve(gateway(app)).get()
    assert reply.head.startswith(b"HTTP/1.1 299 Nearly\r\n")
    assert reply.fields[:4] == [(name.lower(), value) for name, value in fields]
    assert reply.get("server") == "perdure"
    assert reply.get("date") != "now"
    assert reply.get("content-type") is None


@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified"])
def test_some_replies_have_no_body_whatever_was_given(serve: Serve, status: str) -> None:
    for pieces in ((b"no",), (b"n", b"o"), ()):
        with serve(gateway(says(*pieces, status=status, fields=()))).connect() as client:
            for _ in range(2):
                reply = client.ask(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
                assert reply.status == int(status[:3])


def test_a_head_tells_the_length_that_the_application_knows(serve: Serve) -> None:
    app = says(b"", fields=[TYPE, ("Content-Length", "1234")])
    assert serve(gateway(app)).get(method="HEAD").get("content-length") == "1234"


def test_an_endless_body_does_not_keep_a_head_waiting(serve: Serve) -> None:
    body = Body(iter(lambda: b"more", b""))

    def app(environ: Environ, start: Start) -> Iterable[bytes]:
        start("200 OK", [TYPE])
        return body

    assert serve(gateway(app)).get(method="HEAD").status == 200
    assert body.closed.acquire(timeout=WAIT)


def test_the_head_waits_for_the_first_piece(serve: Serve) -> None:
    def app(environ: Environ, start: Start) -> Iterable[bytes]:
        start("500 Not yet", [TYPE])
        yield b""
        try:
            raise LookupError
        except LookupError as error:
            start("201 Sure", [TYPE], (LookupError, error, error.__traceback__))
        yield b"sure"

    reply = serve(gateway(app)).get()
    assert (reply.status, reply.body) == (201, b"sure")


def test_each_piece_leaves_before_the_next_is_made(serve: Serve) -> None:
    going_on = threading.Event()

    def app(environ: Environ, start: Start) -> Iterable[bytes]:
        write = start("200 OK", [TYPE])
        write(b"written")
        assert going_on.wait(WAIT)
        yield b"first"
        going_on.clear()
        assert going_on.wait(WAIT)
        yield b"second"

    def wrapper(environ: Environ, start: Start) -> Iterable[bytes]:
        return app(environ, start)

    with serve(gateway(wrapper)).connect() as client:
        client.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        for mark in (b"written\r\n", b"first\r\n", b"second\r\n"):
            assert client.until(mark).endswith(mark)
            going_on.set()
        assert client.until(b"0\r\n\r\n") == b"0\r\n\r\n"


def test_what_is_written_comes_before_what_is_returned(serve: Serve) -> None:
    def app(environ: Environ, start: Start) -> Iterable[bytes]:
        write = start("200 OK", [TYPE])
        write(b"written, ")
        write(b"")
        return Body([b"returned"])

    assert serve(gateway(valid(app))).get().body == b"written, returned"


def test_old_clients_get_a_body_up_to_the_end_of_the_connection(serve: Serve) -> None:
    with serve(gateway(says(b"a", b"b"))).connect() as client:
        client.send(b"GET / HTTP/1.0\r\n\r\n")
        assert client.rest().endswith(b"\r\n\r\nab")


def test_a_file_is_sent_from_where_it_is(serve: Serve, tmp_path: Path) -> None:
    path = tmp_path / "large"
    path.write_bytes(os.urandom(200_000))
    opened: list[Any] = []

    def app(environ: Environ, start: Start) -> Iterable[bytes]:
        file: Any = path.open("rb")
        file.seek(10)
        if environ["PATH_INFO"] == "/stream":
            file = Stream(file)
        opened.append(file)
        length = [("Content-Length", "100000")] if environ["PATH_INFO"] == "/part" else []
        start("200 OK", [TYPE, *length])
        wrapped: Iterable[bytes] = environ["wsgi.file_wrapper"](file, 1000)
        return wrapped

    served = serve(gateway(app))
    content = path.read_bytes()[10:]
    for target in ("/", "/stream"):
        reply = served.get(target)
        assert reply.body == content
        assert (reply.get("content-length") is None) == (target == "/stream")
    assert served.get(method="HEAD").status == 200
    assert served.get("/part").body == content[:100_000]
    assert serve(gateway(valid(app))).get().body == content
    served.arrive(lambda: all(file.closed for file in opened))


class Stream:
    """A file that is none on a disk."""

    def __init__(self, file: Any) -> None:
        self._file = file

    def read(self, size: int) -> bytes:
        data: bytes = self._file.read(size)
        return data

    def close(self) -> None:
        self._file.close()

    @property
    def closed(self) -> bool:
        return bool(self._file.closed)
