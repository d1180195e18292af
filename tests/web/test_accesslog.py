"""The access log."""

import asyncio
import os
import re
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from perdure.app.logfile import rotate_all
from perdure.app.web.accesslog import AccessLog, AccessLogError, escaped
from perdure.app.web.request import Request
from perdure.app.web.resource import Resource

from .conftest import Serve, Served

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
LINE = re.compile(
    r'127\.0\.0\.1 - - \[\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\] "(.*)" (\d+) (\d+) '
    r'"(.*)" "(.*)"'
)


class Page(Resource):
    def render_GET(self, request: Request) -> str:
        return "hello"


class Stream(Resource):
    async def render_GET(self, request: Request) -> AsyncIterator[str]:
        async def pieces() -> AsyncIterator[str]:
            yield "abc"
            yield "de"

        return pieces()


class Waiting(Resource):
    def __init__(self) -> None:
        self.started = threading.Event()

    async def render_GET(self, request: Request) -> str:
        self.started.set()
        await asyncio.Event().wait()
        return "never"


@pytest.fixture(name="path")
def path_fixture(tmp_path: Path) -> Path:
    return tmp_path / "access.log"


def flushed(served: Served, path: Path) -> list[tuple[str, ...]]:
    log = served.server.log
    assert log is not None
    served.call(log.flush)
    lines = path.read_text("ascii").splitlines()
    matches = [LINE.fullmatch(line) for line in lines]
    return [
        match.groups() if match else (line,) for match, line in zip(matches, lines, strict=True)
    ]


def test_every_reply_has_its_line(serve: Serve, path: Path) -> None:
    root = Page()
    root.put_child("stream", Stream())
    served = serve(root, log=str(path))
    served.get("/?a=b", "User-Agent: me/1.0", "REFERER: http://x/y")
    served.get("/", method="HEAD")
    served.get("/nothing")
    served.get("/stream")
    served.get("/ /")
    size = len(served.get("/nothing").body)

    assert flushed(served, path) == [
        ("GET /?a=b HTTP/1.1", "200", "5", "http://x/y", "me/1.0"),
        ("HEAD / HTTP/1.1", "200", "0", "-", "-"),
        ("GET /nothing HTTP/1.1", "404", str(size), "-", "-"),
        ("GET /stream HTTP/1.1", "200", "5", "-", "-"),
        ("GET / / HTTP/1.1", "400", "0", "-", "-"),
        ("GET /nothing HTTP/1.1", "404", str(size), "-", "-"),
    ]


def test_a_client_that_goes_before_its_reply_is_noted_as_499(serve: Serve, path: Path) -> None:
    page = Waiting()
    served = serve(page, log=str(path))
    with served.connect() as client:
        client.send(GET)
        assert page.started.wait(20)
    served.arrive(lambda: not served.server.connections)

    assert flushed(served, path) == [("GET / HTTP/1.1", "499", "0", "-", "-")]


def test_what_clients_say_cannot_forge_lines(serve: Serve, path: Path) -> None:
    served = serve(Page(), log=str(path))
    served.get('/"\\', 'User-Agent: a"b\\c\t\xe9')
    with served.connect() as client:
        client.send(b'GET / HTTP/1.1\n127.0.0.1 - - "x"\x1b[2J\r\n\r\n')
        assert client.reply().status == 400

    first, second = path_lines = flushed(served, path)
    assert first == ("GET /\\x22\\x5c HTTP/1.1", "404", first[2], "-", "a\\x22b\\x5cc\\x09\\xe9")
    assert second[0] == "GET / HTTP/1.1\\x0a127.0.0.1 - - \\x22x\\x22\\x1b[2J"
    assert len(path_lines) == 2


def test_nothing_is_an_empty_dash() -> None:
    assert escaped("") == "-"
    assert escaped("\u20ac\n") == "\\x20ac\\x0a"


def test_lines_are_written_soon_without_being_asked(serve: Serve, path: Path) -> None:
    served = serve(Page(), log=str(path))
    served.get()
    os.stat(path)
    watcher = threading.Event()

    def watch() -> None:
        if path.stat().st_size:
            watcher.set()
        else:
            served.loop.call_later(0.02, watch)

    served.call(watch)
    assert watcher.wait(20)


def test_many_lines_are_written_at_once(path: Path) -> None:
    async def scenario() -> None:
        log = AccessLog(str(path), asyncio.get_running_loop())
        for _ in range(511):
            log.add_line("line\n")
        assert path.stat().st_size == 0
        log.add_line("line\n")
        log.add_line("line\n")
        assert path.stat().st_size == 512 * 5
        log.close()
        assert path.stat().st_size == 513 * 5

    asyncio.run(scenario())


def test_rotation_goes_on_in_a_new_file(serve: Serve, path: Path) -> None:
    served = serve(Page(), log=str(path))
    served.get("/?1")
    old = path.rename(path.with_suffix(".1"))
    served.get("/?2")
    served.call(rotate_all)
    served.get("/?3")

    assert [line[0] for line in flushed(served, path)] == ["GET /?3 HTTP/1.1"]
    assert old.read_text().count("\n") == 2


def test_lines_that_wait_go_to_the_file_they_belong_to(serve: Serve, path: Path) -> None:
    served = serve(Page(), log=str(path))
    served.get("/?1")
    served.call(rotate_all)
    served.get("/?2")

    assert [line[0] for line in flushed(served, path)] == ["GET /?2 HTTP/1.1"]
    assert path.with_suffix(".log.1").read_text().count("GET /?1") == 1


def test_a_log_that_cannot_be_written_harms_no_reply(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    served = serve(Page(), log="/dev/full")
    log = served.server.log
    assert log is not None
    for _ in range(3):
        assert served.get().body == b"hello"
        served.call(log.flush)

    assert [record.getMessage() for record in caplog.records] == [
        "access log /dev/full: [Errno 28] No space left on device; 1 lines lost"
    ]


def test_a_log_that_cannot_be_opened_is_an_error_with_its_path(tmp_path: Path) -> None:
    async def scenario() -> None:
        with pytest.raises(AccessLogError) as caught:
            AccessLog(str(tmp_path), asyncio.get_running_loop())
        assert caught.value.path == str(tmp_path)
        assert str(caught.value).startswith(f"access log {tmp_path}: Is a directory; ")

    asyncio.run(scenario())
