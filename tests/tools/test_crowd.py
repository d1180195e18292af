"""A server among many clients that want nothing, or take for ever: it serves the others, in little memory."""

import contextlib
import re
import resource
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from .conftest import Running, Workshop

_CROWD = 5_000
_EACH = 30
_BIG = 20 << 20
_TIMEOUT = 20.0

_SITE = """\
from perdure.app.web.data import Data
from perdure.app.web.gateways.wsgi import WSGIApplication
from perdure.app.web.live.events import EventStream
from perdure.app.web.live.websocket import WebSocketResource
from perdure.app.web.programs.cgi import CGILimits, CGIScript, CGISettings
from perdure.app.web.proxy.reverseproxy import ReverseProxy
from perdure.app.web.resource import Resource
from perdure.app.web.static import File


class Echo(WebSocketResource):
    async def connected(self, socket, request):
        async for message in socket:
            await socket.send(message)


class Tides(EventStream):
    async def events(self, request):
        yield "high"
        await request.draining.wait()


class Form(Resource):
    async def render_POST(self, request):
        return f"{len((await request.form()).fields)} fields"


class Stream(Resource):
    is_leaf = True

    async def render_GET(self, request):
        for _ in range(64):
            yield bytes(65536)


resource = Resource()
settings = CGISettings(limits=CGILimits(processes=8))
for name, child in {
    "page": Data("a page", "text/plain"),
    "echo": Echo(),
    "tides": Tides(),
    "form": Form(),
    "stream": Stream(),
    "files": File("files"),
    "program": CGIScript("program.cgi", settings=settings),
    "application": WSGIApplication("application:application", threads=4),
    "behind": ReverseProxy("unix:behind.sock"),
}.items():
    resource.put_child(name, child)
"""

_PROGRAM = f"""\
#!/bin/sh
printf 'Content-Type: text/plain\\n\\n'
head -c {_BIG} /dev/zero
"""

_APPLICATION = f"""\
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return (bytes(65536) for _ in range({_BIG} // 65536))
"""


@pytest.fixture(autouse=True)
def files() -> Iterator[None]:
    """As many open files as the system lets us have."""
    former = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (former[1], former[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, former)


@pytest.fixture(name="server")
def server_fixture(workshop: Workshop) -> Running:
    """A site with one of each, as a process of its own."""
    folder = workshop.folder
    (folder / "root.rpy").write_text(_SITE)
    (folder / "application.py").write_text(_APPLICATION)
    (folder / "program.cgi").write_text(_PROGRAM)
    (folder / "program.cgi").chmod(0o755)
    (folder / "files").mkdir()
    (folder / "files" / "small.txt").write_text("a file")
    (folder / "files" / "big.bin").write_bytes(bytes(_BIG))
    workshop.mkapp("web", "--resource-script", "root.rpy", "--port", "0", "-o", "crowd.snap")
    return workshop.start("--file", "crowd.snap")


@pytest.fixture(name="behind")
def behind_fixture(workshop: Workshop) -> Iterator[socket.socket]:
    """A server behind that answers what is fine, and has no end of what is big."""
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(workshop.folder / "behind.sock"))
        listening.listen(1000)
        threads: list[threading.Thread] = []
        accepted: list[socket.socket] = []

        def answer(client: socket.socket) -> None:
            with contextlib.suppress(OSError):
                while said := client.recv(65536):
                    if said.startswith(b"GET /fine"):
                        client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfine")
                    elif said.startswith(b"GET /big"):
                        client.sendall(b"HTTP/1.1 200 OK\r\n\r\n" + bytes(_BIG))

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    accepted.append(listening.accept()[0])
                    threads.append(threading.Thread(target=answer, args=accepted[-1:]))
                    threads[-1].start()

        acceptor = threading.Thread(target=accept)
        acceptor.start()
        yield listening
        listening.shutdown(socket.SHUT_RDWR)
        acceptor.join(_TIMEOUT)
        for each in accepted:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        for thread in threads:
            thread.join(_TIMEOUT)
        for each in accepted:
            each.close()


class Visitor:
    """A connection from which not more is read than asked for."""

    def __init__(self, port: int, said: bytes, buffer: int) -> None:
        self.socket = socket.socket()
        if buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        self.socket.settimeout(_TIMEOUT)
        self.socket.connect(("127.0.0.1", port))
        self.socket.sendall(said)

    def heard(self, mark: bytes) -> bytes:
        """What comes, up to and with the piece that has `mark`."""
        said = b""
        while mark not in said:
            piece = self.socket.recv(65536)
            assert piece, said
            said += piece
        return said


class Crowd:
    """Those who visit a server, until they leave."""

    def __init__(self, server: Running) -> None:
        self.port = int(server.url.rstrip("/").rpartition(":")[2])
        self.visitors: list[Visitor] = []

    def visit(self, said: bytes = b"", *, buffer: int = 0) -> Visitor:
        """One more, who says so much; `buffer` is the room for what comes, in bytes."""
        visitor = Visitor(self.port, said, buffer)
        self.visitors.append(visitor)
        return visitor

    def leave(self) -> None:
        for visitor in self.visitors:
            visitor.socket.close()
        self.visitors.clear()


@pytest.fixture(name="crowd")
def crowd_fixture(server: Running) -> Iterator[Crowd]:
    crowd = Crowd(server)
    yield crowd
    crowd.leave()


def asking(path: str, *fields: str, method: str = "GET") -> bytes:
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: x", *fields, "\r\n"]).encode()


_SOCKET = (
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
)


def memory(server: Running) -> int:
    """What the server has in memory, in bytes."""
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    found = re.search(r"VmRSS:\s+(\d+) kB", status)
    assert found is not None
    return int(found[1]) * 1024


def descriptors(server: Running) -> int:
    return len(list(Path(f"/proc/{server.process.pid}/fd").iterdir()))


def served(server: Running, crowd: Crowd) -> None:
    """Others are."""
    assert server.get("/page") == "a page"
    assert server.get("/files/small.txt") == "a file"
    talking = crowd.visit(asking("/echo", *_SOCKET))
    talking.heard(b"\r\n\r\n")
    talking.socket.sendall(b"\x81\x82\0\0\0\0hi")
    talking.heard(b"hi")


def test_five_thousand_who_want_nothing(server: Running, crowd: Crowd) -> None:
    """They have asked for a page, say nothing, watch, or keep a WebSocket."""
    if resource.getrlimit(resource.RLIMIT_NOFILE)[0] < _CROWD + 200:
        pytest.skip("this system lets no process have so many connections")
    kinds = (
        (asking("/page"), b"a page"),
        (asking("/page"), b"a page"),
        (b"", b""),
        (asking("/echo", *_SOCKET), b"\r\n\r\n"),
        (asking("/tides"), b"data: high"),
    )
    for said, mark in kinds:
        crowd.visit(said).heard(mark)
    before = memory(server)
    for _ in range(0, _CROWD, 100):
        some = [(crowd.visit(said), mark) for said, mark in kinds * 20]
        for visitor, mark in some:
            visitor.heard(mark)
    served(server, crowd)
    assert descriptors(server) > _CROWD
    assert (memory(server) - before) / _CROWD < 16 * 1024
    assert server.stop().status == 0


def test_those_who_take_for_ever_with_everything(
    server: Running, crowd: Crowd, behind: socket.socket
) -> None:
    """Heads and bodies that do not end, and replies that nobody takes, of each kind at a time."""
    body = ("Content-Length: 1000000", "Content-Type: multipart/form-data; boundary=x")
    part = b'--x\r\nContent-Disposition: form-data; name="a"; filename="b"\r\n\r\n' + bytes(50_000)
    served(server, crowd)
    assert server.get("/behind/fine") == "fine"
    before = memory(server)
    for _ in range(_EACH):
        crowd.visit(b"GET / HTTP/1.1\r\nHost: x\r\nX-Field: " + b"x" * 4_000)
        for path in ("/form", "/program", "/application", "/behind/taken", "/page"):
            crowd.visit(asking(path, *body, method="POST") + part)
        for path in ("/files/big.bin", "/stream", "/program", "/application", "/behind/big"):
            crowd.visit(asking(path), buffer=4096)
        crowd.visit(asking("/behind/hangs"))
    for _ in range(3):
        served(server, crowd)
        assert server.get("/behind/fine") == "fine"
        with httpx2.Client(base_url=server.url) as client:
            assert client.post("/form", data={"a": "b"}).text == "1 fields"
    assert (memory(server) - before) / len(crowd.visitors) < 256 * 1024
    crowd.leave()
    assert len(httpx2.get(server.url + "program").content) == _BIG
    assert len(httpx2.get(server.url + "application").content) == _BIG
    assert server.stop().status == 0


def test_more_than_the_system_lets_the_server_have(server: Running, crowd: Crowd) -> None:
    """Who is connected gets an answer, if only that it cannot be; who is not waits, or comes again."""
    paths = ("/files/", "/files/small.txt", "/program", "/behind/fine", "/page", "/form")
    kept = [crowd.visit(asking("/page")) for _ in paths]
    for each in kept:
        each.heard(b"a page")
    most = descriptors(server) + 20
    resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (most, most))
    for _ in range(100):
        crowd.visit()
    # All that can be accepted before the first of these requests has been, when its answer is there.
    kept[0].socket.sendall(asking("/page"))
    kept[0].heard(b"a page")
    for each, path in zip(kept, paths, strict=True):
        each.socket.sendall(asking(path))
        assert each.heard(b"\r\n\r\n").startswith(b"HTTP/1.1 ")
    assert descriptors(server) <= most
    crowd.leave()
    assert server.get("/page") == "a page"
    assert server.get("/files/small.txt") == "a file"
    result = server.stop()
    assert (result.status, result.err) == (0, "")
