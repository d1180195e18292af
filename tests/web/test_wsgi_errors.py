"""What becomes of WSGI applications that do wrong."""

import threading
from collections.abc import Iterable
from typing import Any

import pytest

from ..paper import Paper
from .conftest import Serve
from .wsgiapps import TYPE, WAIT, App, Body, Environ, Start, gateway, says, valid


def raises(environ: Environ, start: Start) -> Iterable[bytes]:
    raise LookupError("the application's own")


def raises_later(environ: Environ, start: Start) -> Iterable[bytes]:
    start("200 OK", [TYPE])
    yield b""
    raise LookupError("the application's own")


def exits(environ: Environ, start: Start) -> Iterable[bytes]:
    raise SystemExit("the application's own")


def stops(environ: Environ, start: Start) -> Iterable[bytes]:
    raise StopIteration("the application's own")


def starts_twice(environ: Environ, start: Start) -> Iterable[bytes]:
    start("200 OK", [TYPE])
    start("200 OK", [TYPE])
    return []


def gives(result: Any) -> App:
    """What is returned by one that has not said how its reply begins."""

    def app(environ: Environ, start: Start) -> Iterable[bytes]:
        returned: Iterable[bytes] = result
        return returned

    return app


@pytest.mark.parametrize(
    ("app", "said"),
    [
        (raises, "the application's own"),
        (raises_later, "the application's own"),
        (exits, "the application's own"),
        (stops, "the application's own"),
        (starts_twice, "called start_response twice"),
        (gives([b"x"]), "before it had called start_response"),
        (gives([]), "before it had called start_response"),
        (gives(None), "not iterable"),
        (gives(5), "not iterable"),
        (says("text"), "not bytes: 'text'"),
        (says(b"", "text"), "not bytes: 'text'"),
        (says(None), "not bytes: None"),
        (says(b"x", status="abc"), "not like '200 OK'"),
        (says(b"x", status="2000 OK"), "not like '200 OK'"),
        (says(b"x", status="200 O\r\nK"), "a status that cannot be sent"),
        (says(b"x", status="100 Continue"), "a status is a number from 200"),
        (says(b"x", fields=[("X", "a\r\nb: c")]), "cannot be sent"),
        (says(b"x", fields=[("X y", "a")]), "whose name cannot be sent"),
        (says(b"x", fields=[("X", "\u2603")]), "not a pair of str in Latin-1"),
        (says(b"x", fields=[("X", 5)]), "not a pair of str in Latin-1"),
        (says(b"x", fields=["X"]), "not a pair of str in Latin-1"),
        (says(b"x", fields=[("Connection", "close")]), "the server's to send"),
        (says(b"x", fields=[("Transfer-Encoding", "chunked")]), "the server's to send"),
        (says(b"x", fields=[("Upgrade", "h2c")]), "the server's to send"),
        (says(b"x", fields=[("Content-Length", "-1")]), "a Content-Length that is no number"),
        (says(b"x", fields=[("Content-Length", "9" * 40)]), "a Content-Length that is no number"),
        (says(b"x", fields=[("Content-Length", "0"), ("Content-Length", "1")]), "two"),
        (says(b"x", fields=[("Content-Length", "2")]), "announced 2 bytes and gave 1"),
        (says(b"xyz", fields=[("Content-Length", "2")]), "announced 2 bytes and gave 3"),
    ],
)
def test_what_goes_wrong_before_the_head_is_answered_500(
    serve: Serve, app: App, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    served = serve(gateway(app), journal=Paper())
    for method in ("GET", "POST"):
        reply = served.get(method=method)
        assert reply.status == 500
        assert b"failed to make this page" in reply.body
    assert said in caplog.text


def test_a_traceback_is_shown_where_that_is_wanted(serve: Serve) -> None:
    reply = serve(gateway(raises), display_tracebacks=True).get()
    assert b"the application&#x27;s own" in reply.body


@pytest.mark.parametrize(
    ("pieces", "length", "said"),
    [
        ((b"a", "text"), None, "not bytes"),
        ((b"a", b"b"), "5", "declared 5 bytes gave more or less"),
        ((b"abc", b"def"), "5", "declared 5 bytes gave more or less"),
    ],
)
def test_what_goes_wrong_behind_the_head_cuts_the_connection(
    serve: Serve,
    pieces: tuple[Any, ...],
    length: str | None,
    said: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    fields = [TYPE] if length is None else [TYPE, ("Content-Length", length)]
    with serve(gateway(says(*pieces, fields=fields))).connect() as client:
        client.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert not client.rest().endswith(b"0\r\n\r\n")
    assert said in caplog.text


def test_an_error_behind_the_head_is_raised_again_to_who_wants_to_tell_it(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    def app(environ: Environ, start: Start) -> Iterable[bytes]:
        start("200 OK", [TYPE])
        yield b"begun"
        try:
            raise LookupError("too late")
        except LookupError as error:
            start("500 Sorry", [TYPE], (LookupError, error, error.__traceback__))
            yield b"never"

    with serve(gateway(app)).connect() as client:
        client.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"never" not in client.rest()
    assert "LookupError: too late" in caplog.text


def test_an_error_behind_the_reply_is_logged(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    done = threading.Event()

    class Closing(Body):
        def close(self) -> None:
            done.set()
            raise LookupError("in close")

    def app(environ: Environ, start: Start) -> Iterable[bytes]:
        start("200 OK", [TYPE, ("Content-Length", "1")])
        return Closing([b"x"])

    served = serve(gateway(app))
    assert served.get().body == b"x"
    assert done.wait(WAIT)
    served.arrive(lambda: "went wrong after its reply: in close" in caplog.text)


def test_more_than_was_announced_is_logged(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    def app(environ: Environ, start: Start) -> Iterable[bytes]:
        start("200 OK", [TYPE, ("Content-Length", "1")])
        return Body([b"x", b"", b"y"])

    served = serve(gateway(app))
    assert served.get().body == b"x"
    served.arrive(lambda: "gave more than it had announced" in caplog.text)


def test_what_it_says_of_errors_is_logged_by_lines(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    def app(environ: Environ, start: Start) -> Iterable[bytes]:
        errors = environ["wsgi.errors"]
        errors.write("one\ntw")
        errors.writelines(["o\n", "three"])
        errors.flush()
        start("200 OK", [TYPE])
        return Body([b"x"])

    assert serve(gateway(valid(app))).get().body == b"x"
    assert [record.message for record in caplog.records] == ["one", "two", "three"]
