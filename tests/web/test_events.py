"""Pages that go on telling, and components that are watched."""

import asyncio
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure.app.application import Application
from perdure.app.watching import watching
from perdure.app.web.live.events import Event, EventError, EventStream, last_event_id
from perdure.app.web.request import Request
from perdure.app.web.resource import Resource

from ..paper import DiskError, Paper
from .conftest import Connection, Serve, Served, contexts
from .http2client import GET, Client


class Counter:
    def __init__(self) -> None:
        self.value = 0


class Counting(EventStream):
    async def events(self, request: Request) -> AsyncIterator[Event | str]:
        async for counter in watching(request.registry, Counter, default=Counter):
            yield Event(str(counter.value), id=str(counter.value))


class Up(Resource):
    def render_GET(self, request: Request) -> str:
        counter = request.registry.get_component(Counter, default=Counter)
        counter.value += 1
        return "up"


class Site(Counting):
    def __init__(self) -> None:
        self.put_child("up", Up())


def parse(stream: str) -> list[dict[str, str]]:
    """What a browser makes of a stream, as the standard has it; comments are left out."""
    events: list[dict[str, str]] = []
    fields: dict[str, str] = {}
    for line in stream.replace("\r\n", "\n").replace("\r", "\n").split("\n"):
        if not line:
            if "data" in fields:
                fields["data"] = fields["data"].removesuffix("\n")
                events.append(fields)
            fields = {}
            continue
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            fields["data"] = fields.get("data", "") + value + "\n"
        elif name:
            fields[name] = value
    return events


def open_stream(served: Served, *fields: str, path: str = "/") -> Connection:
    client = served.connect()
    lines = [f"GET {path} HTTP/1.1", "Host: x", *fields, "\r\n"]
    client.send("\r\n".join(lines).encode())
    return client


def hear(client: Connection) -> str:
    """The next piece that is not empty."""
    size = int(client.until(b"\r\n"), 16)
    piece = client.exactly(size).decode()
    assert client.exactly(2) == b"\r\n"
    return piece


def with_counter() -> Application:
    """An application whose counter is saved already."""
    application = Application("web")
    application.registry.set_component(Counter, Counter())
    return application


@given(st.text(), st.none() | st.text("abc \u2028:", max_size=5), st.none() | st.integers(0, 9))
def test_a_browser_hears_what_was_told_whatever_it_was(
    data: str, kind: str | None, retry: int | None
) -> None:
    event = Event(data, event=kind, id=kind, retry=retry)
    (heard,) = parse(event.encoded().decode())
    expected = data.encode(errors="replace").decode()
    assert heard["data"] == expected.replace("\r\n", "\n").replace("\r", "\n")
    for name, value in (("event", kind), ("id", kind), ("retry", retry)):
        assert heard.get(name) == (None if value is None else str(value))


@pytest.mark.parametrize(
    "fields",
    [
        {"event": "a\nb"},
        {"event": "a\rdata: x"},
        {"id": "1\n\ndata: x"},
        {"id": "1\0"},
        {"event": 1},
        {"retry": -1},
        {"retry": 1.5},
        {"retry": "1\n"},
    ],
)
def test_no_field_begins_another(fields: dict[str, Any]) -> None:
    with pytest.raises(EventError, match=next(iter(fields))):
        Event("x", **fields)


def test_a_stream_is_told_from_a_page_and_kept_by_nobody(serve: Serve) -> None:
    with open_stream(serve(Counting())) as client:
        head = client.until(b"\r\n\r\n").decode().lower()
        assert "content-type: text/event-stream; charset=utf-8\r\n" in head
        assert "cache-control: no-cache, no-transform\r\n" in head
        assert hear(client) == "id: 0\ndata: 0\n\n"


def test_who_watches_a_component_hears_of_each_change_once_it_is_durable(serve: Serve) -> None:
    served = serve(Site(), journal=Paper(), application=with_counter())
    with open_stream(served) as client:
        client.until(b"\r\n\r\n")
        assert hear(client) == "id: 0\ndata: 0\n\n"
        with open_stream(served, path="/up") as other:
            served.held(1)
            assert client.silent()
            assert other.silent()
            served.secure()
            assert hear(client) == "id: 1\ndata: 1\n\n"
            assert other.reply().body == b"up"


def test_nobody_hears_of_a_change_that_was_undone(serve: Serve) -> None:
    served = serve(Site(), journal=Paper(), application=with_counter())
    with open_stream(served) as client:
        client.until(b"\r\n\r\n")
        assert hear(client) == "id: 0\ndata: 0\n\n"
        with open_stream(served, path="/up") as other:
            served.held(1)
            served.call(lambda: served.ledger.failed(DiskError()))
            assert other.reply().status == 503
        assert client.silent()


def test_where_nothing_is_journaled_changes_are_heard_as_well(serve: Serve) -> None:
    served = serve(Site(), application=with_counter())
    with open_stream(served) as client:
        client.until(b"\r\n\r\n")
        assert hear(client) == "id: 0\ndata: 0\n\n"
        served.get("/up")
        assert hear(client) == "id: 1\ndata: 1\n\n"


def test_a_silent_stream_beats(serve: Serve) -> None:
    class Silent(EventStream):
        heartbeat = 0.02

        async def events(self, request: Request) -> AsyncIterator[Event | str]:
            await asyncio.Event().wait()
            yield ""

    with open_stream(serve(Silent())) as client:
        client.until(b"\r\n\r\n")
        assert hear(client) == hear(client) == ":\n\n"


def test_a_browser_that_comes_back_says_what_it_heard_last(serve: Serve) -> None:
    class Again(EventStream):
        async def events(self, request: Request) -> AsyncIterator[Event | str]:
            yield last_event_id(request)

    served = serve(Again())
    assert parse(served.get().body.decode()) == [{"data": ""}]
    with open_stream(served, "Last-Event-ID: κ7") as client:
        client.until(b"\r\n\r\n")
        assert hear(client) == "data: κ7\n\n"


def test_a_stream_is_closed_when_its_client_has_gone(serve: Serve) -> None:
    ends: list[str] = []

    class Endless(EventStream):
        async def events(self, request: Request) -> AsyncIterator[Event | str]:
            try:
                while True:
                    yield "more"
                    await asyncio.Event().wait()
            finally:
                ends.append("closed")

    served = serve(Endless())
    with open_stream(served) as client:
        client.until(b"\r\n\r\n")
        assert hear(client) == "data: more\n\n"
    served.arrive(lambda: ends == ["closed"])


def test_a_stopping_server_is_not_held_up(serve: Serve) -> None:
    served = serve(Counting())
    with open_stream(served) as client:
        client.until(b"\r\n\r\n")
        assert hear(client) == "id: 0\ndata: 0\n\n"
        stopping = asyncio.run_coroutine_threadsafe(served.server.drain(None), served.loop)
        stopping.result(20)
        assert client.rest() == b"0\r\n\r\n"


def test_a_stopping_server_is_not_held_up_by_streams_of_http_2(
    serve: Serve, tmp_path: Path
) -> None:
    ours, theirs = contexts(tmp_path)
    served = serve(Counting(), ssl_context=ours)
    with Client(served, theirs) as client:
        number = client.ask(GET)
        client.until(lambda: b"data: 0" in client.answers[number].body)
        stopping = asyncio.run_coroutine_threadsafe(served.server.drain(None), served.loop)
        assert client.answer(number).ended
    stopping.result(20)


def test_a_stream_that_fails_is_cut_and_the_log_says_why(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    class Failing(EventStream):
        async def events(self, request: Request) -> AsyncIterator[Event | str]:
            yield "one"
            raise LookupError("two")

    with caplog.at_level(logging.ERROR), open_stream(serve(Failing())) as client:
        client.until(b"\r\n\r\n")
        assert hear(client) == "data: one\n\n"
        assert client.closed()
    assert "LookupError: two" in caplog.text


def test_head_is_answered_without_a_stream(serve: Serve) -> None:
    reply = serve(Counting()).get(method="HEAD")
    assert reply.status == 200
    assert reply.get("content-type") == "text/event-stream; charset=utf-8"
