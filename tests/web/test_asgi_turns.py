"""ASGI applications and time: what waits, and what goes on behind a reply."""

import asyncio
from typing import Any

import anyio.to_thread
import pytest

from perdure.app.web.gateways import asgi, asgiexchange
from perdure.app.web.gateways.gateway import current_registry

from ..paper import DiskError, Paper
from .asgiapps import (
    WAIT,
    App,
    Message,
    Messages,
    Receive,
    Send,
    begin,
    count,
    gateway,
    give,
    says,
)
from .conftest import Serve

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


async def counts(scope: Message, receive: Receive, send: Send) -> None:
    assert scope["perdure.registry"] is current_registry()
    await says(b"%d" % count())(scope, receive, send)


async def counts_in_thread(scope: Message, receive: Receive, send: Send) -> None:
    number = await anyio.to_thread.run_sync(count)
    await says(b"%d" % number)(scope, receive, send)


def post() -> int:
    return current_registry().get_component(Messages, default=Messages).post()


async def posts(scope: Message, receive: Receive, send: Send) -> None:
    await says(b"%d" % post())(scope, receive, send)


async def posts_in_thread(scope: Message, receive: Receive, send: Send) -> None:
    number = await anyio.to_thread.run_sync(post)
    await says(b"%d" % number)(scope, receive, send)


async def handles(scope: Message, receive: Receive, send: Send) -> None:
    """As frameworks do with whatever a view raises."""
    try:
        await posts(scope, receive, send)
    except Exception:
        await says(b"sorry", status=500)(scope, receive, send)
        raise


async def wraps(scope: Message, receive: Receive, send: Send) -> None:
    """As some do with whatever a library raises."""
    try:
        await posts(scope, receive, send)
    except Exception as error:
        raise LookupError("of the application's own") from error


async def streams(scope: Message, receive: Receive, send: Send) -> None:
    await begin(send)
    await give(send, b"one %d" % count(), more=True)
    await give(send, b"two %d" % count(), more=True)
    count()
    await give(send, b"")


@pytest.mark.parametrize("app", [counts, counts_in_thread, posts, posts_in_thread])
def test_a_reply_waits_until_what_it_tells_of_is_saved(serve: Serve, app: App) -> None:
    served = serve(gateway(app), journal=Paper())
    with served.connect() as client:
        for number in (1, 2):
            client.send(GET)
            served.arrive(lambda: served.journal.appended > served.journal.secured)
            assert client.silent()
            served.secure()
            assert client.reply().body == b"%d" % number
    # They were looked at in their own turns, and need not be in all.
    assert not served.ledger.roaming


def test_each_piece_and_the_end_wait_until_what_they_tell_of_is_saved(serve: Serve) -> None:
    served = serve(gateway(streams), journal=Paper())
    with served.connect() as client:
        client.send(GET)
        for number, mark in enumerate((b"one 1\r\n", b"two 2\r\n", b"0\r\n\r\n"), 1):
            served.held(number)
            assert client.silent()
            served.secure()
            assert client.until(mark).endswith(mark)


@pytest.mark.parametrize("app", [counts, posts, posts_in_thread, handles, wraps, streams])
def test_where_nothing_can_be_saved_the_answer_is_503(serve: Serve, app: App) -> None:
    served = serve(gateway(app), journal=Paper(refusal=DiskError()))
    served.call(lambda: served.ledger.failed(DiskError()))
    with served.connect() as client:
        for _ in range(2):
            reply = client.ask(GET)
            assert (reply.status, reply.get("retry-after")) == (503, "1")


def test_what_is_done_behind_the_reply_is_saved(serve: Serve) -> None:
    going_on = asyncio.Event()

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await says(b"soon", fields=[(b"connection", b"close")])(scope, receive, send)
        await going_on.wait()
        count()

    served = serve(gateway(app), journal=Paper())
    with served.connect() as client:
        assert client.ask(GET).body == b"soon"
        assert client.closed()
    served.call(going_on.set)
    served.held(1)
    assert served.journal.kinds == [[("Counter", "state")]]


@pytest.mark.parametrize("counts_before", [True, False])
def test_what_a_task_does_that_was_left_behind_is_told_to_nobody_before_it_is_saved(
    serve: Serve, counts_before: bool
) -> None:
    going_on = asyncio.Event()
    tasks: set[asyncio.Task[None]] = set()

    async def later() -> None:
        await going_on.wait()
        count()

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        if scope["path"] == "/leave":
            if counts_before:
                count()
            tasks.add(asyncio.create_task(later()))
        await says(b"fine")(scope, receive, send)

    served = serve(gateway(app), journal=Paper())
    with served.connect() as client:
        client.send(b"GET /leave HTTP/1.1\r\nHost: x\r\n\r\n")
        served.held(int(counts_before))
        served.secure()
        assert client.reply().body == b"fine"
        served.call(going_on.set)
        served.arrive(lambda: all(task.done() for task in tasks))
        client.send(GET)
        served.held(int(counts_before) + 1)
        assert client.silent()
        served.secure()
        assert client.reply().body == b"fine"
        served.call(lambda: tasks.clear())


def test_the_next_request_need_not_wait_for_what_goes_on_behind_a_reply(serve: Serve) -> None:
    going_on = asyncio.Event()

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await says(b"soon")(scope, receive, send)
        await going_on.wait()

    served = serve(gateway(app))
    with served.connect() as client:
        assert client.ask(GET).body == b"soon"
        assert client.ask(GET).body == b"soon"
        served.call(going_on.set)


@pytest.mark.parametrize("reads", [True, False])
def test_one_whose_client_leaves_is_told_and_goes_on(serve: Serve, reads: bool) -> None:
    notes: list[Any] = []
    begun, going_on = asyncio.Event(), asyncio.Event()

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        begun.set()
        if reads:
            await receive()
            notes.append(await receive())
        else:
            await going_on.wait()
        count()
        await says(b"nobody hears")(scope, receive, send)
        notes.append("ended")

    served = serve(gateway(app), journal=Paper())
    with served.connect() as client:
        client.send(GET)
        served.arrive(begun.is_set)
    served.arrive(lambda: not served.server.connections)
    served.call(going_on.set)
    served.held(1)
    assert notes == ([{"type": "http.disconnect"}] if reads else []) + ["ended"]


def test_who_streams_to_a_client_that_has_gone_is_told(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    notes: list[str] = []

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await begin(send)
        try:
            while True:
                await give(send, bytes(1 << 18), more=True)
        except OSError as error:
            notes.append(str(error))
            raise

    served = serve(gateway(app))
    with served.connect() as client:
        client.send(GET)
        client.until(b"\r\n\r\n")
        served.arrive(lambda: any(each.blocked for each in served.server.connections))  # type: ignore[attr-defined] # pyright: ignore
    served.arrive(lambda: bool(notes))
    assert notes == ["the client is gone"]
    assert "client is gone" not in caplog.text


def test_who_begins_to_stream_when_the_client_has_gone_is_told(serve: Serve) -> None:
    notes: list[str] = []
    begun, going_on = asyncio.Event(), asyncio.Event()

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        begun.set()
        await going_on.wait()
        await begin(send)
        try:
            await give(send, b"piece", more=True)
        except OSError as error:
            notes.append(str(error))
            raise

    served = serve(gateway(app), journal=Paper())
    with served.connect() as client:
        client.send(GET)
        served.arrive(begun.is_set)
    served.arrive(lambda: not served.server.connections)
    served.call(going_on.set)
    served.arrive(lambda: bool(notes))
    assert notes == ["the client is gone"]


def test_the_end_of_a_reply_is_told_to_who_waits_for_the_client_to_leave(serve: Serve) -> None:
    notes: list[Any] = []

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await receive()
        waiting = asyncio.ensure_future(receive())
        await asyncio.sleep(0)
        await says(b"fine")(scope, receive, send)
        notes.append(await waiting)

    served = serve(gateway(app))
    with served.connect() as client:
        assert client.ask(GET).body == b"fine"
        served.arrive(lambda: notes == [{"type": "http.disconnect"}])


def test_who_reads_on_behind_the_reply_is_told_that_nothing_comes(serve: Serve) -> None:
    notes: list[Any] = []

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        waiting = asyncio.ensure_future(receive())
        await asyncio.sleep(0)
        await says(b"fine")(scope, receive, send)
        notes.append(await waiting)

    served = serve(gateway(app))
    with served.connect() as client:
        client.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n")
        assert client.reply().body == b"fine"
        served.arrive(lambda: notes == [{"type": "http.disconnect"}])


@pytest.mark.parametrize("patience", [0.0, WAIT])
def test_an_endless_body_for_a_head_ends_and_holds_nobody_up(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, patience: float
) -> None:
    monkeypatch.setattr(asgiexchange, "_PATIENCE", patience)
    notes: list[Any] = []

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        if scope["method"] == "HEAD":
            await begin(send)
            try:
                while not notes:
                    await give(send, b"more", more=True)
            except OSError as error:
                notes.append(str(error))
                raise
        await says(b"others")(scope, receive, send)

    served = serve(gateway(app))
    assert served.get(method="HEAD").status == 200
    if patience:
        assert served.get().body == b"others"
        served.call(lambda: notes.append("enough"))
    else:
        served.arrive(lambda: notes == ["the client is gone"])


def test_who_asked_by_head_is_gone_when_the_head_has_left(serve: Serve) -> None:
    notes: list[Any] = []

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await receive()
        waiting = asyncio.ensure_future(receive())
        await asyncio.sleep(0)
        await begin(send)
        await give(send, b"a piece", more=True)
        notes.append(await waiting)
        notes.append(await receive())
        await give(send, b"and another")

    served = serve(gateway(app))
    with served.connect() as client:
        client.ask(GET.replace(b"GET", b"HEAD"), head_only=True)
        served.arrive(lambda: notes == [{"type": "http.disconnect"}] * 2)


def test_a_stop_waits_for_what_goes_on_behind_replies(serve: Serve) -> None:
    going_on = asyncio.Event()
    done: list[str] = []

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await says(b"soon")(scope, receive, send)
        await going_on.wait()
        done.append("done")

    served = serve(gateway(app))
    assert served.get().body == b"soon"
    rest = asyncio.run_coroutine_threadsafe(served.site.quiesce(), served.loop)
    served.call(going_on.set)
    rest.result(WAIT)
    assert done == ["done"]


def test_what_goes_on_for_ever_behind_a_reply_is_ended_by_a_stop(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asgi, "_REST", 0.01)
    notes: list[str] = []

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await says(b"soon")(scope, receive, send)
        try:
            await asyncio.Event().wait()
        finally:
            notes.append("ended")

    made = gateway(app)
    served = serve(made)
    assert served.get().body == b"soon"
    asyncio.run_coroutine_threadsafe(made.close(), served.loop).result(WAIT)
    assert notes == ["ended"]
