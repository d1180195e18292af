"""Clients and programs that mean harm, or act as if: nothing crosses, and others are served."""

import gzip
import os
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure.app.web.channel import HTTPChannel
from perdure.app.web.limits import Limits
from perdure.app.web.programs.cgi import CGIDirectory, CGIError, CGIScript
from perdure.app.web.programs.cgireply import parse_cgi_head, split_head
from perdure.app.web.resource import Resource
from perdure.app.web.response import Response

from .conftest import Serve, Served, opened
from .program import HEAD, gone, limited, perl, program

GET = b"GET /script HTTP/1.1\r\nHost: x\r\n\r\n"
ECHO = HEAD + "; exec cat"


class Page(Resource):
    def render_GET(self, request: object) -> str:
        return "fine"


def beside_a_page(serve: Serve, script: Resource, limits: Limits | None = None) -> Served:
    root = Resource()
    root.put_child("script", script)
    root.put_child("page", Page())
    return serve(root, limits=limits or Limits())


def channel(served: Served) -> HTTPChannel:
    """The only connection."""
    (only,) = served.server.connections
    assert isinstance(only, HTTPChannel)
    return only


def inside(script: CGIScript) -> int:
    places = vars(script).get("_places")
    return 0 if places is None else places.inside


def files(script: CGIScript) -> int:
    places = vars(script).get("_places")
    return 0 if places is None else places.files


def test_slow_forms_keep_no_program_running(serve: Serve, tmp_path: Path) -> None:
    """Fewer than 64 KB are taken before a program is started."""
    script = limited(program(tmp_path, ECHO), processes=1, waiting=1)
    served = beside_a_page(serve, script)
    slow = [served.connect() for _ in range(50)]
    try:
        for client in slow:
            client.send(b"POST /script HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\na")
        served.arrive(lambda: len(served.server.connections) == 50)
        assert served.call(lambda: inside(script)) == 0
        assert served.get("/script").status == 200
        assert served.get("/page").body == b"fine"
        served.later(31)
        assert [client.reply().status for client in slow] == [408] * 50
    finally:
        for client in slow:
            client.socket.close()


def test_slow_bodies_of_untold_length_take_no_place_of_others(serve: Serve, tmp_path: Path) -> None:
    script = limited(program(tmp_path, ECHO), processes=1, waiting=2, time=30)
    served = beside_a_page(serve, script)
    begun = (
        b"POST /script HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"11000\r\n" + b"x" * 0x11000 + b"\r\n"
    )
    slow = [served.connect() for _ in range(3)]
    try:
        for client in slow[:2]:
            client.send(begun)
        served.arrive(lambda: files(script) == 2)
        assert slow[2].ask(begun).status == 503
        assert served.get("/script").status == 200
        slow[0].send(b"0\r\n\r\n")
        assert slow[0].reply().body == b"x" * 0x11000
        served.later(31)
        assert slow[1].reply().status == 408
        served.arrive(lambda: files(script) == 0)
    finally:
        for client in slow:
            client.socket.close()


def test_a_body_that_stops_coming_ends_its_program(serve: Serve, tmp_path: Path) -> None:
    path = program(tmp_path, "echo $$ > pid; cat > /dev/null; " + HEAD)
    served = beside_a_page(serve, CGIScript(path))
    with served.connect() as client:
        client.send(
            b"POST /script HTTP/1.1\r\nHost: x\r\nContent-Length: 200000\r\n\r\n" + b"x" * 150_000
        )
        served.arrive(lambda: (tmp_path / "pid").exists() and bool((tmp_path / "pid").read_text()))
        served.arrive(lambda: channel(served).waits)
        served.later(31)
        assert client.reply().status == 408
    gone(int((tmp_path / "pid").read_text()))


def test_a_client_that_takes_nothing_holds_no_memory(serve: Serve, tmp_path: Path) -> None:
    """The program is held up instead: what it prints stays in its pipe."""
    path = perl(tmp_path, r'print "Status: 200\n\n$$\n"; print "x" x 65536 while 1;')
    served = beside_a_page(serve, CGIScript(path))
    with served.connect() as client:
        client.send(GET)
        client.until(b"\r\n\r\n")
        pid = int(client.until(b"xxx").split()[1])
        served.arrive(lambda: channel(served).blocked)
        held = served.call(lambda: channel(served).transport.get_write_buffer_size())
        assert held < 300_000
        assert served.get("/page").body == b"fine"
        served.later(1)
        served.later(120)
        gone(pid)


@pytest.mark.parametrize("endless", ["yes X-A: b", "yes | tr -d '\\n'", "yes ''", "cat /dev/zero"])
def test_an_endless_header_is_answered_502(serve: Serve, tmp_path: Path, endless: str) -> None:
    assert serve(CGIScript(program(tmp_path, endless))).get().status == 502


def test_endless_complaints_are_taken_and_dropped(serve: Serve, tmp_path: Path) -> None:
    text = "yes oh no >&2 & " + HEAD + "; sleep 0.1; echo fine"
    assert serve(CGIScript(program(tmp_path, text))).get().body == b"fine\n"


def test_a_wrong_length_breaks_no_framing(serve: Serve, tmp_path: Path) -> None:
    root = Resource()
    for length in ("3", "5"):
        text = rf"printf 'Status: 200\nContent-Length: {length}\n\nfour'"
        root.put_child(length, CGIScript(program(tmp_path, text, length)))
    served = serve(root)
    assert served.get("/3").status == 500
    with served.connect() as client:
        client.send(b"GET /5 HTTP/1.1\r\nHost: x\r\n\r\n" * 2)
        assert client.rest().count(b"HTTP/1.1") == 1


def test_a_body_is_never_unpacked(serve: Serve, tmp_path: Path) -> None:
    """What would be 50 MB goes through as the 50 KB it is, and what to do is the program's to say."""
    bomb = gzip.compress(b"\0" * 50_000_000)
    head = (
        f"POST /script HTTP/1.1\r\nHost: x\r\nContent-Encoding: gzip\r\nContent-Length: {len(bomb)}"
    )
    with beside_a_page(serve, CGIScript(program(tmp_path, ECHO))).connect() as client:
        assert client.ask(head.encode() + b"\r\n\r\n" + bomb).body == bomb


def test_a_body_of_untold_length_is_bounded(serve: Serve, tmp_path: Path) -> None:
    script = limited(program(tmp_path, ECHO), spool=100_000)
    served = beside_a_page(serve, script)
    head = b"POST /script HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    for size, status in ((100_000, 200), (100_001, 413)):
        with served.connect() as client:
            client.send(head + b"%x\r\n%b\r\n0\r\n\r\n" % (size, b"x" * size))
            assert client.reply().status == status
    served.arrive(lambda: files(script) == 0)


def test_of_a_body_that_was_kept_nothing_is_left(
    serve: Serve, tmp_path: Path, temporary: Path
) -> None:
    head = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n186a0\r\n"
    served = serve(CGIScript(program(tmp_path, ECHO)))
    with served.connect() as client:
        assert client.ask(head + bytes(100_000) + b"\r\n0\r\n\r\n").body == bytes(100_000)
        served.arrive(lambda: not opened(temporary))
        client.send(head + bytes(100_000))
        served.arrive(lambda: bool(opened(temporary)))
    served.arrive(lambda: not opened(temporary))


def test_a_body_that_cannot_be_kept_is_answered_507(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_arguments: object) -> int:
        raise OSError(28, "No space left on device")

    with serve(CGIScript(program(tmp_path, ECHO))).connect() as client:
        monkeypatch.setattr(os, "pwrite", full)
        head = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        assert client.ask(head + b"186a0\r\n" + bytes(100_000)).status == 507


def test_nothing_of_a_request_is_ever_a_word_of_a_command(serve: Serve, tmp_path: Path) -> None:
    """RFC 3875, 4.4, would have the words of a query without = on the command line."""
    program(tmp_path, HEAD + '; printf "%s," "$#" "$@" "$QUERY_STRING" "$PATH_INFO"')
    served = serve(CGIDirectory(tmp_path))
    assert served.get("/page.cgi/$(id);`id`?-s+;id").body == b"0,-s+;id,/$(id);`id`,"


def test_others_are_served_while_many_programs_run(serve: Serve, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "gate")
    script = limited(program(tmp_path, "echo $$ >> pids; " + HEAD + "; cat < gate"), processes=20)
    served = beside_a_page(serve, script)
    clients = [served.connect() for _ in range(20)]
    try:
        for client in clients:
            client.send(GET)
        for client in clients:
            client.until(b"\r\n\r\n")
        assert all(served.get("/page").body == b"fine" for _ in range(20))
    finally:
        for client in clients:
            client.socket.close()
    gone(*map(int, (tmp_path / "pids").read_text().split()))


LINES = st.lists(
    st.sampled_from(
        [
            b"Content-Type: text/plain",
            b"Status: 200 OK",
            b"Location: /there",
            b"Transfer-Encoding: chunked",
            b"Content-Length: 5",
            b"Connection: keep-alive",
            b"Set-Cookie: a=b",
            b"HTTP/1.1 200 OK",
            b" folded",
            b"X: \xff\r",
        ]
    )
    | st.binary(max_size=12)
)
FIELD = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+: [\t\x20-\x7e\x80-\xff]*")


async def nothing() -> AsyncIterator[bytes]:
    return
    yield b""


@given(LINES, st.sampled_from([b"\n", b"\r\n", b"\r"]))
def test_whatever_is_printed_one_reply_with_proper_fields_comes_of_it(
    lines: list[bytes], end: bytes
) -> None:
    parts = split_head(end.join([*lines, b"", b"body"]))
    if parts is None:
        return
    try:
        head = parse_cgi_head("/script", parts[0])
    except CGIError:
        return
    if head.local is not None:
        assert head.local.startswith("/")
        return

    made = Response(nothing(), head.status, head.headers).head(None)
    first, *fields, rest = made.split(b"\r\n")
    assert first.startswith(b"HTTP/1.1 %d " % head.status)
    assert rest == b""
    assert all(FIELD.fullmatch(field) for field in fields)
    names = [field.partition(b":")[0].lower() for field in fields]
    assert not {b"transfer-encoding", b"connection", b"date", b"server"} & set(names)
