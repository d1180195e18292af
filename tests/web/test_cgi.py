"""CGI programs, asked over a connection."""

import asyncio
import logging
import os
from collections.abc import Callable
from pathlib import Path

import pytest
import uvloop

from perdure.app.web.errors import error_page
from perdure.app.web.programs.cgi import CGIError, CGIScript, FilteredScript, PHPScript
from perdure.app.web.request import Request
from perdure.app.web.resource import ErrorPage, Rendered, Resource, Wrapper
from perdure.app.web.scripts.scriptmodule import UnsafeScriptError
from perdure.app.web.static import File

from .conftest import Serve, Served
from .program import HEAD, gone, perl, program


def post(path: str, body: bytes, *fields: str) -> bytes:
    lines = [f"POST {path} HTTP/1.1", "Host: x", f"Content-Length: {len(body)}", *fields, "", ""]
    return "\r\n".join(lines).encode() + body


def chunked(path: str, *pieces: bytes) -> bytes:
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    return head + b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in (*pieces, b""))


COUNT = r"""
binmode STDIN;
my ($sum, $size, $data) = (0, 0);
while (my $read = sysread STDIN, $data, 65536) { $size += $read; $sum += unpack "%32C*", $data; }
print "Content-Type: text/plain\n\n", $ENV{CONTENT_LENGTH} // "none", " $size $sum";
"""


def counted(body: bytes) -> bytes:
    return b"%d %d %d" % (len(body), len(body), sum(body))


@pytest.mark.parametrize("factory", [uvloop.new_event_loop, asyncio.new_event_loop])
def test_a_program_answers_on_both_event_loops(
    serve: Serve, tmp_path: Path, factory: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    served = serve(CGIScript(perl(tmp_path, COUNT)), loop_factory=factory)
    with served.connect() as client:
        for body in (b"", b"sea", os.urandom(300_000)):
            reply = client.ask(post("/", body))
            assert (reply.status, reply.get("content-type")) == (200, "text/plain")
            assert reply.body == (counted(body) if body else b"none 0 0")


@pytest.mark.parametrize("pieces", [(), (b"sea",), (b"x" * 50_000,) * 6, (b"ab",) * 40_000])
def test_a_body_of_untold_length_is_measured_first(
    serve: Serve, tmp_path: Path, pieces: tuple[bytes, ...]
) -> None:
    with serve(CGIScript(perl(tmp_path, COUNT))).connect() as client:
        assert client.ask(chunked("/", *pieces)).body == counted(b"".join(pieces))
        assert client.ask(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").body == b"none 0 0"


def test_output_leaves_as_it_comes(serve: Serve, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "more")
    path = program(tmp_path, HEAD + "; echo first; read line < more; echo $line")
    with serve(CGIScript(path)).connect() as client:
        client.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert client.until(b"first\n").endswith(b"first\n")
        (tmp_path / "more").write_text("second\n")
        assert client.until(b"0\r\n\r\n").endswith(b"second\n\r\n0\r\n\r\n")


def test_a_body_goes_in_as_it_comes(serve: Serve, tmp_path: Path) -> None:
    path = perl(
        tmp_path,
        r"""
        print "Content-Type: text/plain\n\n";
        my ($size, $data) = 0;
        while (my $read = sysread STDIN, $data, 65536) {
            $size += $read;
            print "half\n" if $size == 100_000;
        }
        print "whole\n";
        """,
    )
    with serve(CGIScript(path)).connect() as client:
        client.send(post("/", b"x" * 200_000)[:-100_000])
        assert client.until(b"half\n")
        client.send(b"x" * 100_000)
        assert client.until(b"whole\n")


def test_a_body_that_is_not_read_is_no_reason_to_wait(serve: Serve, tmp_path: Path) -> None:
    served = serve(CGIScript(program(tmp_path, HEAD + "; echo deaf")))
    with served.connect() as client:
        client.send(post("/", b"x" * 500_000))
        assert client.reply().body == b"deaf\n"


def test_head_has_the_header_alone(serve: Serve, tmp_path: Path) -> None:
    served = serve(CGIScript(program(tmp_path, HEAD + "; echo body; echo done > done")))
    reply = served.get(method="HEAD")
    assert (tmp_path / "done").exists()
    assert (reply.status, reply.get("content-type"), reply.body) == (200, "text/plain", b"")


@pytest.mark.parametrize(
    ("printed", "status", "fields"),
    [
        (r"Status: 404 Not Found\nContent-Type: text/plain\n\n", 404, {}),
        (r"Content-Type: text/plain\r\nStatus: 299\r\n\r\n", 299, {}),
        (r"Status: 204\n\n", 204, {}),
        (r"Location: https://example.org/\n\n", 302, {"location": "https://example.org/"}),
        (r"Location: next\n\n", 302, {"location": "next"}),
        (r"Location: /next#there\n\n", 302, {"location": "/next#there"}),
        (r"Status: 303\nLocation: /next\n\n", 303, {"location": "/next"}),
        (r"Content-Type: text/plain\nServer: us\nDate: now\n\n", 200, {"server": "perdure"}),
        (r"Content-Type: text/plain\nConnection: x\nUpgrade: y\n\n", 200, {}),
        (r"CONTENT-TYPE:text/plain\n\n", 200, {"content-type": "text/plain"}),
        (r"Content-Type: text/plain\nContent-Length: 0\n\n", 200, {"content-length": "0"}),
    ],
)
def test_its_header_decides_status_and_fields(
    serve: Serve, tmp_path: Path, printed: str, status: int, fields: dict[str, str]
) -> None:
    served = serve(CGIScript(program(tmp_path, f"printf '{printed}'")))
    with served.connect() as client:
        for _ in range(2):
            reply = client.ask(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert reply.status == status
            assert {name: reply.get(name) for name in fields} == fields
            assert not {"connection", "upgrade"} & dict(reply.fields).keys()


def test_a_field_may_be_there_several_times(serve: Serve, tmp_path: Path) -> None:
    path = program(tmp_path, r"printf 'Content-Type: a/b\nSet-Cookie: a=1\nSet-Cookie: b=2\n\n'")
    fields = serve(CGIScript(path)).get().fields
    assert [value for name, value in fields if name == "set-cookie"] == ["a=1", "b=2"]


@pytest.mark.parametrize(
    ("printed", "reason"),
    [
        ("", "ended before its header"),
        ("Content-Type: text/plain", "ended before its header"),
        (r"\n", "neither Content-Type nor Location nor Status"),
        (r"hello\n\n", "no field"),
        (r"Content-Type: a/b\n folded\n\n", "no field"),
        (r"Content-Type: a/b\nX-A: b\rSet-Cookie: c\n\n", "control characters"),
        (r"Content-Type: a/b\nX-A: b\001\n\n", "control characters"),
        (r"Content-Type: a/b\nX A: b\n\n", "a name is made of"),
        (r"Content-Type: a/b\n: b\n\n", "a name is made of"),
        (r"Content-Type: a/b\nContent-type: c/d\n\n", "twice"),
        (r"Status: 200\nContent-Length: 1\nContent-Length: 1\n\n", "twice"),
        (r"Status: 200\nContent-Length: -1\n\n", "no decimal number"),
        (r"Status: 100 Continue\n\n", "none of a final answer"),
        (r"Status: OK\n\n", "none of a final answer"),
        (r"HTTP/1.1 200 OK\nContent-Type: a/b\n\n", "NPH"),
        (r"Location:\n\n", "Location is empty"),
    ],
)
def test_what_is_no_header_is_answered_502(
    serve: Serve, tmp_path: Path, caplog: pytest.LogCaptureFixture, printed: str, reason: str
) -> None:
    served = serve(CGIScript(program(tmp_path, f"printf '{printed}'")))
    reply = served.get()
    assert reply.status == 502
    assert str(tmp_path).encode() not in reply.body
    (record,) = caplog.records
    assert reason in record.getMessage()
    assert str(tmp_path / "page.cgi") in record.getMessage()


class Teapot(Wrapper):
    def __init__(self, wrapped: Resource) -> None:
        self.wrapped = wrapped

    def enter(self, request: Request) -> Resource:
        return self.wrapped if "tea" in request.headers else ErrorPage(418)


class Told(Resource):
    is_leaf = True

    async def render(self, request: Request) -> Rendered:
        body = await request.read()
        path = [*request.prepath, *request.postpath]
        return repr((request.method, path, request.args.to_dict(), body, request.target))


@pytest.fixture
def local(serve: Serve, tmp_path: Path) -> Served:
    root = Resource()
    text = r"""printf 'Location: %s\n\n' "$QUERY_STRING" """
    root.put_child("go", CGIScript(program(tmp_path, text)))
    root.put_child("told", Told())
    root.put_child("guarded", Teapot(Told()))
    (tmp_path / "note.txt").write_text("noted")
    root.put_child("files", File(tmp_path))
    return serve(root)


def test_a_local_place_is_asked_in_its_stead(local: Served) -> None:
    """RFC 3875, 6.2.2: by a GET without body, of the path and query it says."""
    told = repr(("GET", ["told", "é"], {"b": "1"}, b"", "/told/%C3%A9?b=1")).encode()
    with local.connect() as client:
        assert client.ask(post("/go?/told/%C3%A9?b=1", b"body")).body == told
        assert client.ask(b"GET /go?/files/note.txt HTTP/1.1\r\nHost: x\r\n\r\n").body == b"noted"
        assert client.ask(b"GET /go?/nowhere HTTP/1.1\r\nHost: x\r\n\r\n").status == 404
        head = client.ask(b"HEAD /go?/files/note.txt HTTP/1.1\r\nHost: x\r\n\r\n", head_only=True)
        assert head.get("content-length") == "5"
        assert client.ask(b"GET /told HTTP/1.1\r\nHost: x\r\n\r\n").status == 200


def test_what_guards_a_place_guards_it_from_programs_too(local: Served) -> None:
    assert local.get("/go?/guarded").status == 418
    assert local.get("/go?/guarded", "Tea: Assam").status == 200


def test_local_places_do_not_lead_in_circles(
    serve: Serve, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    served = serve(CGIScript(program(tmp_path, r"printf 'Location: /again\n\n'; echo x >> runs")))
    assert served.get().status == 502
    assert len((tmp_path / "runs").read_text().split()) == 11
    assert "after 10 local redirects" in caplog.text


def test_local_places_of_one_request_are_not_counted_for_the_next(local: Served) -> None:
    with local.connect() as client:
        client.send(b"GET /go?/told HTTP/1.1\r\nHost: x\r\n\r\n" * 15)
        assert [client.reply().status for _ in range(15)] == [200] * 15


def test_its_error_output_is_logged_and_bounded(
    serve: Serve, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    text = r"print STDERR qq(bad \e[31m thing\nforged: entry\n); print STDERR qq(line $_\n) for 1..999;"
    text += r"print STDERR 'x' x 500_000; print qq(Content-Type: a/b\n\nfine);"
    assert serve(CGIScript(perl(tmp_path, text))).get().body == b"fine"
    lines = [record.getMessage() for record in caplog.records]
    assert lines[0] == rf"{tmp_path}/page.cgi: bad \x1b[31m thing"
    assert lines[1] == f"{tmp_path}/page.cgi: forged: entry"
    assert len(lines) == 101
    assert lines[-1].endswith("left out")


def test_an_unhappy_end_is_logged(
    serve: Serve, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert serve(CGIScript(program(tmp_path, HEAD + "; exit 3"))).get().status == 200
    assert caplog.messages == [f"{tmp_path}/page.cgi: it ended with status 3"]


def _none(path: Path) -> CGIScript:
    return CGIScript(path.parent / "none")


def _folder(path: Path) -> CGIScript:
    return CGIScript(path.parent)


def _unnamed(path: Path) -> CGIScript:
    return FilteredScript(path)


def _unknown(path: Path) -> CGIScript:
    return FilteredScript(path, interpreter="no-such")


def _not_executable(path: Path) -> CGIScript:
    path.chmod(0o644)
    return CGIScript(path)


def _writable(path: Path) -> CGIScript:
    path.chmod(0o777)
    return CGIScript(path)


def _in_writable_folder(path: Path) -> CGIScript:
    path.parent.chmod(0o777)
    return CGIScript(path)


def _without_line(path: Path) -> CGIScript:
    path.write_text("echo")
    return CGIScript(path)


def _broken_line(path: Path) -> CGIScript:
    path.write_text("#!/bin/no-such-shell\n")
    return CGIScript(path)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (_none, "No such file"),
        (_folder, "no regular file"),
        (_not_executable, "chmod +x"),
        (_writable, "others may write to it"),
        (_in_writable_folder, "others may put files beside it"),
        (_unnamed, "names no interpreter"),
        (_unknown, "there is no no-such"),
    ],
)
def test_what_cannot_be_run_is_found_at_the_start_and_answered_500(
    serve: Serve,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    make: Callable[[Path], CGIScript],
    reason: str,
) -> None:
    (tmp_path / "cgi").mkdir(mode=0o755)
    script = make(program(tmp_path / "cgi", HEAD))
    with pytest.raises((CGIError, UnsafeScriptError), match=reason.replace("+", r"\+")):
        script.check()
    assert serve(script).get().status == 500
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert reason in record.getMessage()


@pytest.mark.parametrize("make", [_without_line, _broken_line])
def test_what_the_system_refuses_to_run_is_answered_500(
    serve: Serve,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    make: Callable[[Path], CGIScript],
) -> None:
    served = serve(make(program(tmp_path, HEAD)))
    assert served.get().status == 500
    assert "cannot be run" in caplog.text
    # It is a fault of the script, which may be mended while the server runs.
    program(tmp_path, HEAD)
    assert served.get().status == 200


def test_php_is_found_where_its_settings_say(serve: Serve, tmp_path: Path) -> None:
    path = tmp_path / "page.php"
    path.write_text("<?php header('X-Made: here', true, 202); echo $_GET['a'], PHP_SAPI;")
    path.chmod(0o644)
    served = serve(PHPScript(path))
    reply = served.get("/rest?a=%3F&-s")
    assert (reply.status, reply.get("x-made"), reply.body) == (202, "here", b"?cgi-fcgi")
    # Words of a query that are taken for options showed the source once (CVE-2012-1823).
    assert b"<?php" not in served.get("/?-s").body


def test_a_reply_may_be_replaced_before_it_leaves(serve: Serve, tmp_path: Path) -> None:
    """The process of a script whose output nobody reads is ended all the same."""

    class Shortened(Wrapper):
        def __init__(self) -> None:
            self.wrapped = CGIScript(
                program(tmp_path, "echo $$ > pid; " + HEAD + "; exec sleep 999")
            )

        def enter(self, request: Request) -> Resource:
            request.transform(lambda request, response: error_page(503))
            return self.wrapped

    assert serve(Shortened()).get().status == 503
    gone(int((tmp_path / "pid").read_text()))


@pytest.mark.parametrize(
    ("text", "hint"),
    [("#!/nowhere/sh\n", "its first line"), ("echo fine\n", "#!/bin/sh")],
)
def test_the_log_says_what_is_wrong_with_a_first_line(
    serve: Serve, tmp_path: Path, caplog: pytest.LogCaptureFixture, text: str, hint: str
) -> None:
    path = tmp_path / "page.cgi"
    path.write_text(text)
    path.chmod(0o755)
    assert serve(CGIScript(path)).get().status == 500
    assert hint in caplog.text
