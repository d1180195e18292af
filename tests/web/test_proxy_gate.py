"""What another server says does not wait until what happens here is on the disk."""

from collections.abc import Iterator

import pytest

from perdure.app.web.proxy.reverseproxy import ReverseProxy
from perdure.app.web.request import Request
from perdure.app.web.resource import Resource

from ..paper import DiskError, Paper
from .behind import Behind
from .conftest import Serve, Served

_GET = b"GET /there HTTP/1.1\r\nHost: x\r\n\r\n"


class Counter:
    def __init__(self) -> None:
        self.value = 0


class Counted(Resource):
    def render_GET(self, request: Request) -> str:
        counter = request.registry.get_component(Counter, default=Counter)
        counter.value += 1
        return f"visitor {counter.value}"


@pytest.fixture(name="behind")
def behind_fixture() -> Iterator[Behind]:
    with Behind() as behind:
        yield behind


@pytest.fixture(name="served")
def served_fixture(behind: Behind, serve: Serve) -> Served:
    root = Resource()
    root.put_child("counted", Counted())
    root.put_child("there", ReverseProxy(behind.endpoint))
    return serve(root, journal=Paper())


def test_an_answer_does_not_wait_for_the_journal(behind: Behind, served: Served) -> None:
    with served.connect() as first, served.connect() as second:
        first.send(b"GET /counted HTTP/1.1\r\nHost: x\r\n\r\n")
        served.held(1)
        second.send(_GET)
        server = behind.accept()
        server.request()
        server.answer(b"whole")
        assert second.reply().body == b"whole"
        second.send(_GET)
        server.request()
        server.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nha")
        second.until(b"ha")
        server.send(b"lf")
        assert second.until(b"lf") == b"lf"
        assert first.silent()
        served.secure()
        assert first.reply().body == b"visitor 1"


def test_an_answer_leaves_while_the_disk_is_full(behind: Behind, served: Served) -> None:
    served.journal.refusal = DiskError()
    assert served.get("/counted").status == 503
    with served.connect() as client:
        client.send(_GET)
        server = behind.accept()
        server.request()
        server.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nha")
        client.until(b"ha")
        server.send(b"lf")
        assert client.until(b"lf") == b"lf"
