"""The gate: no byte leaves that tells of a change which could still be lost."""

import asyncio
import os
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from perdure.app.mutations import mutation
from perdure.app.registry import Registry
from perdure.app.web.errors import HTTPError
from perdure.app.web.filebody import FileBody, FileRange
from perdure.app.web.request import Request
from perdure.app.web.resource import Rendered, Resource
from perdure.app.web.response import Response
from perdure.app.web.script import ResourceScript
from perdure.app.web.static import File

from ..paper import DiskError, Paper
from .conftest import Connection, Serve, Served


class Counter:
    def __init__(self) -> None:
        self.value = 0


class Messages:
    """Journaled by its calls."""

    def __init__(self) -> None:
        self.count = 0

    @mutation
    def post(self) -> int:
        self.count += 1
        return self.count


def counted(request: Request) -> str:
    counter = request.registry.get_component(Counter, default=Counter)
    counter.value += 1
    return f"visitor {counter.value}"


class Pages(Resource):
    """Everything that a page can do, by the name of it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.opened: list[FileBody] = []
        self.going_on = asyncio.Event()

    def get_child(self, segment: str, request: Request) -> Resource:
        return Page(self, getattr(self, segment))

    def text(self, request: Request) -> Rendered:
        return counted(request)

    def response(self, request: Request) -> Rendered:
        return Response(counted(request), 201, [("X-Mine", "1")])

    def look(self, request: Request) -> Rendered:
        return f"{request.registry.get_component(Counter, default=Counter).value}"

    def hello(self, request: Request) -> Rendered:
        return "hello"

    def file(self, request: Request) -> Rendered:
        counted(request)
        return Response(self._open())

    def ranges(self, request: Request) -> Rendered:
        counted(request)
        handle = os.open(self.path, os.O_RDONLY)
        body = FileBody(handle, (b"<", FileRange(1, 2), b">"))
        self.opened.append(body)
        return Response(body, 206)

    def fails(self, request: Request) -> Rendered:
        counted(request)
        raise LookupError("after the change")

    def refuses(self, request: Request) -> Rendered:
        counted(request)
        raise HTTPError(403, "counted, but no")

    def nonsense(self, request: Request) -> Any:
        counted(request)
        return 5

    def says_no_reply(self, request: Request) -> Any:
        counted(request)
        return Response(5)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]

    def message(self, request: Request) -> Rendered:
        messages = request.registry.get_component(Messages, default=Messages)
        return f"message {messages.post()}"

    async def waits(self, request: Request) -> str:
        await asyncio.sleep(0)
        return counted(request)

    async def waits_for_file(self, request: Request) -> Response:
        counted(request)
        await asyncio.sleep(0)
        return Response(self._open())

    async def stream(self, request: Request) -> AsyncIterator[str]:
        for _ in range(2):
            yield counted(request)
        counted(request)

    async def stream_of_three(self, request: Request) -> Response:
        return Response(self.stream(request), 200, [("Content-Length", "18")])

    async def stream_that_ends_later(self, request: Request) -> AsyncIterator[str]:
        yield "begun"
        await self.going_on.wait()
        yield counted(request)

    async def gone(self, request: Request) -> str:
        counted(request)
        await request.closed.wait()
        counted(request)
        return "nobody"

    def _open(self) -> FileBody:
        body = FileBody.open(self.path)
        self.opened.append(body)
        return body


class Page(Resource):
    is_leaf = True

    def __init__(self, pages: Pages, render: Callable[[Request], Any]) -> None:
        self._pages = pages
        self._render = render

    def render_GET(self, request: Request) -> Rendered:
        rendered: Rendered = self._render(request)
        return rendered

    render_POST = render_GET


@pytest.fixture(name="pages")
def pages_fixture(tmp_path: Path) -> Pages:
    path = tmp_path / "file.bin"
    path.write_bytes(b"0123456789" * 20_000)
    return Pages(path)


@pytest.fixture(name="served")
def served_fixture(serve: Serve, pages: Pages) -> Served:
    return serve(pages, journal=Paper())


def ask(path: str, method: str = "GET", version: str = "1.1") -> bytes:
    return f"{method} /{path} HTTP/{version}\r\nHost: x\r\n\r\n".encode()


def nothing_comes(client: Connection, served: Served) -> bool:
    """Whether nothing has left, once the server has done all that it is going to do by itself."""
    for _ in range(3):
        served.call(lambda: None)
    return client.silent()


HELD = {
    "text": (200, b"visitor 1"),
    "response": (201, b"visitor 1"),
    "waits": (200, b"visitor 1"),
    "fails": (500, None),
    "refuses": (403, None),
    "nonsense": (500, None),
    "says_no_reply": (500, None),
    "ranges": (206, b"<12>"),
    "file": (200, b"0123456789" * 20_000),
    "waits_for_file": (200, b"0123456789" * 20_000),
    "message": (200, b"message 1"),
}


@pytest.mark.parametrize("name", HELD)
@pytest.mark.parametrize("method", ["GET", "POST", "HEAD"])
def test_a_reply_leaves_when_what_it_tells_is_durable(
    served: Served, pages: Pages, name: str, method: str
) -> None:
    status, body = HELD[name]
    with served.connect() as client:
        client.send(ask(name, method))
        served.held(1)
        assert nothing_comes(client, served)
        served.secure()
        reply = client.reply(head_only=method == "HEAD")
        assert reply.status == status
        if body is not None and method != "HEAD":
            assert reply.body == body
        # The connection goes on.
        assert client.ask(ask("hello")).body == b"hello"
    assert all(each.fd < 0 for each in pages.opened)


def test_who_only_looks_waits_for_what_it_has_seen(served: Served) -> None:
    with served.connect() as first, served.connect() as second:
        first.send(ask("text"))
        served.held(1)
        second.send(ask("look"))
        assert nothing_comes(second, served)
        served.secure()
        assert second.reply().body == b"1"
        assert first.reply().body == b"visitor 1"
        assert second.ask(ask("look")).body == b"1"


def test_a_page_that_got_nothing_waits_too_for_it_may_have_looked(served: Served) -> None:
    """It may hold what it tells of in ways that nobody can follow."""
    with served.connect() as first, served.connect() as second:
        first.send(ask("text"))
        served.held(1)
        second.send(ask("hello"))
        assert nothing_comes(second, served)
        served.secure()
        assert second.reply().body == b"hello"


def test_files_do_not_wait(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text("a page")
    (tmp_path / "large.bin").write_bytes(bytes(300_000))
    (tmp_path / "folder").mkdir()
    root = File(tmp_path)
    pages = Pages(tmp_path)
    root.put_child("pages", pages)
    served = serve(root, journal=Paper())
    with served.connect() as first, served.connect() as second:
        first.send(ask("pages/text"))
        served.held(1)
        assert second.ask(ask("page.html")).body == b"a page"
        assert len(second.ask(ask("large.bin")).body) == 300_000
        assert second.ask(ask("folder")).status == 301
        assert second.ask(ask("folder/")).status == 200


def test_what_is_said_of_files_does_not_hold_for_subclasses(serve: Serve, tmp_path: Path) -> None:
    class Counting(File):
        is_leaf = True

        def render(self, request: Request) -> Rendered:
            return "looked at state by a way of its own"

    pages = Pages(tmp_path)
    pages.put_child("files", Counting(tmp_path))
    served = serve(pages, journal=Paper())
    with served.connect() as first, served.connect() as second:
        first.send(ask("text"))
        served.held(1)
        second.send(ask("files"))
        assert nothing_comes(second, served)


def test_pipelined_replies_keep_their_order(served: Served) -> None:
    """Nothing overtakes a reply that is held, and what comes behind it is not begun."""
    with served.connect() as client:
        client.send(ask("hello") + ask("text") + ask("hello") + ask("text") + ask("look"))
        assert client.reply().body == b"hello"
        served.held(1)
        assert nothing_comes(client, served)
        served.secure()
        assert client.reply().body == b"visitor 1"
        assert client.reply().body == b"hello"
        served.held(2)
        assert nothing_comes(client, served)
        served.secure()
        assert client.reply().body == b"visitor 2"
        assert client.reply().body == b"2"


def test_what_comes_behind_a_held_reply_waits_for_it(served: Served) -> None:
    with served.connect() as client:
        client.send(ask("text"))
        served.held(1)
        client.send(ask("hello"))
        assert nothing_comes(client, served)
        served.secure()
        assert client.reply().body == b"visitor 1"
        assert client.reply().body == b"hello"


def test_each_piece_of_a_stream_waits_and_so_does_its_end(served: Served) -> None:
    with served.connect() as client:
        client.send(ask("stream"))
        for number in (1, 2):
            served.held(number)
            assert nothing_comes(client, served)
            served.secure()
            assert client.until(b"visitor %d\r\n" % number).endswith(b"visitor %d\r\n" % number)
        served.held(3)
        assert nothing_comes(client, served), "its end tells that all was done"
        served.secure()
        assert client.until(b"0\r\n\r\n") == b"0\r\n\r\n"
        assert client.ask(ask("hello")).body == b"hello"


def test_a_stream_of_a_declared_length_waits(served: Served) -> None:
    with served.connect() as client:
        client.send(ask("stream_of_three"))
        for number in (1, 2, 3):
            served.held(number)
            assert number == 2 or nothing_comes(client, served)
            served.secure()
            if number < 3:
                client.until(b"visitor %d" % number)
        assert client.ask(ask("hello")).body == b"hello"


def test_the_head_of_a_stream_waits(served: Served) -> None:
    with served.connect() as first, served.connect() as second:
        first.send(ask("text"))
        served.held(1)
        second.send(ask("stream", "HEAD"))
        assert nothing_comes(second, served)
        served.secure()
        assert second.reply(head_only=True).status == 200


def test_a_client_that_goes_loses_only_its_reply(served: Served, pages: Pages) -> None:
    for name, number in (("text", 1), ("file", 2), ("ranges", 3), ("waits_for_file", 4)):
        with served.connect() as client:
            client.send(ask(name))
            served.held(number)
        served.arrive(lambda: not served.server.connections)
        served.secure()
    assert all(body.fd < 0 for body in pages.opened)
    assert served.get("/look").body == b"4"


def test_what_a_page_does_after_its_client_has_gone_is_written(served: Served) -> None:
    with served.connect() as client:
        client.send(ask("gone"))
        served.arrive(lambda: len(served.server.connections) == 1)
        served.call(lambda: None)
    served.held(1)


def test_a_server_that_stops_waits_for_the_journal(served: Served) -> None:
    with served.connect() as client:
        client.send(ask("text"))
        served.held(1)
        drained = asyncio.run_coroutine_threadsafe(served.server.drain(None), served.loop)
        assert nothing_comes(client, served)
        assert not drained.done()
        served.secure()
        reply = client.reply()
        assert (reply.body, reply.get("connection")) == (b"visitor 1", "close")
        drained.result(20)
        assert client.closed()


def test_old_clients_and_those_that_ask_to_close_get_their_reply(served: Served) -> None:
    for number, head in enumerate((b"HTTP/1.0\r\n", b"HTTP/1.1\r\nConnection: close\r\n"), 1):
        with served.connect() as client:
            client.send(b"GET /text " + head + b"Host: x\r\n\r\n")
            served.held(number)
            assert nothing_comes(client, served)
            served.secure()
            assert client.reply().body == b"visitor %d" % number
            assert client.closed()


def test_the_gate_holds_over_tls(
    serve: Serve, pages: Pages, tls: tuple[ssl.SSLContext, ssl.SSLContext]
) -> None:
    of_server, of_client = tls
    served = serve(pages, journal=Paper(), ssl_context=of_server)
    with served.connect() as client:
        client.socket = of_client.wrap_socket(client.socket, server_hostname="localhost")
        for name in ("text", "file"):
            client.send(ask(name))
            served.arrive(lambda: served.journal.appended > served.journal.secured)
            assert nothing_comes(client, served)
            served.secure()
            assert client.reply().status == 200


# When the disk fails.


def fail(served: Served) -> None:
    served.call(lambda: served.ledger.failed(DiskError()))


def test_a_held_reply_is_refused_and_its_change_undone(served: Served, pages: Pages) -> None:
    with served.connect() as client, served.connect() as other:
        client.send(ask("text"))
        served.held(1)
        served.secure()
        assert client.reply().body == b"visitor 1"
        for name in ("text", "waits", "file", "waits_for_file", "stream", "fails"):
            appended = served.journal.appended
            client.send(ask(name) + ask("look"))
            served.held(appended + 1)
            fail(served)
            reply = client.reply()
            assert (reply.status, reply.get("retry-after")) == (503, "1"), name
            assert b"no space left" not in reply.body, "that is for the log"
            assert client.reply().body == b"1", "it is undone"
            # While it fails, what changes nothing is answered, and the rest refused at once.
            assert other.ask(ask("hello")).body == b"hello"
            assert other.ask(ask("look")).body == b"1"
            for method in ("GET", "HEAD", "POST"):
                for refused in ("text", "waits", "file", "fails", "message", "stream"):
                    reply = other.ask(ask(refused, method), head_only=method == "HEAD")
                    if (refused, method) != ("stream", "HEAD"):
                        assert reply.status == 503, (refused, method)
            assert other.ask(ask("look")).body == b"1"
            served.call(served.ledger.recovered)
    assert all(body.fd < 0 for body in pages.opened)
    with served.connect() as client:
        client.send(ask("text"))
        served.arrive(lambda: served.journal.appended > served.journal.secured)
        served.secure()
        assert client.reply().body == b"visitor 2"


def test_a_stream_that_has_begun_is_cut(served: Served, pages: Pages) -> None:
    with served.connect() as client:
        client.send(ask("stream_that_ends_later"))
        assert client.until(b"begun\r\n")
        served.call(pages.going_on.set)
        served.held(1)
        fail(served)
        assert client.closed()
    assert not served.registry.components


def test_a_message_that_could_not_be_written_is_told_once_it_is(served: Served) -> None:
    """Mutations are not undone: what nobody was told is written later."""
    with served.connect() as client:
        client.send(ask("message"))
        served.held(1)
        fail(served)
        assert client.reply().status == 503
        assert client.ask(ask("message")).status == 503, "it may not be seen"
        assert client.ask(ask("hello")).body == b"hello"
        served.secure()
        served.call(served.ledger.recovered)
        client.send(ask("message"))
        served.held(2)
        served.secure()
        assert client.reply().body == b"message 2"


# What belongs to a turn.


class Holder(Resource):
    """Made in a configuration file, with the component in its hands."""

    is_leaf = True

    def __init__(self, counter: Counter) -> None:
        self.counter = counter

    def render_GET(self, request: Request) -> str:
        self.counter.value += 1
        return f"visitor {self.counter.value}"


def test_a_component_that_the_resource_holds_is_looked_at(serve: Serve) -> None:
    counter = Counter()
    served = serve(Holder(counter), journal=Paper())
    served.call(lambda: served.ledger.roaming.clear())
    registry: Registry = served.registry
    served.call(lambda: registry.set_component(Counter, counter))
    served.call(lambda: served.ledger.settle())
    served.call(lambda: served.ledger.roaming.clear())
    served.secure()
    with served.connect() as client:
        client.send(ask(""))
        served.held(2)
        assert nothing_comes(client, served)
        served.secure()
        assert client.reply().body == b"visitor 1"


def test_a_component_that_a_script_got_is_looked_at_in_each_of_its_turns(
    serve: Serve, tmp_path: Path
) -> None:
    script = tmp_path / "count.rpy"
    script.write_text(
        "from perdure.app.web.resource import Resource\n"
        f"from {Counter.__module__} import Counter\n"
        "counter = registry.get_component(Counter, default=Counter)\n"
        "class Page(Resource):\n"
        "    is_leaf = True\n"
        "    def render_GET(self, request):\n"
        "        counter.value += 1\n"
        "        return f'visitor {counter.value}'\n"
        "resource = Page()\n"
    )
    root = File(tmp_path, processors={".rpy": ResourceScript})
    served = serve(root, journal=Paper())
    with served.connect() as client:
        for number in (1, 2, 3):
            client.send(ask("count.rpy"))
            served.held(number)
            assert nothing_comes(client, served)
            served.secure()
            assert client.reply().body == b"visitor %d" % number


def test_a_task_that_a_page_leaves_behind_is_followed(serve: Serve) -> None:
    going_on: list[asyncio.Event] = []
    tasks: list[Awaitable[None]] = []

    class Leaving(Resource):
        is_leaf = True

        def render_GET(self, request: Request) -> str:
            going_on.append(asyncio.Event())
            tasks.append(asyncio.ensure_future(self.later(request)))
            return "begun"

        async def later(self, request: Request) -> None:
            await going_on[0].wait()
            counted(request)

    served = serve(Leaving(), journal=Paper())
    assert served.get().body == b"begun"
    served.call(lambda: going_on[0].set())
    served.arrive(lambda: bool(served.ledger.roaming))
    served.call(served.ledger.survey)
    assert served.journal.appended == 1
