"""WebSockets that ASGI applications speak: each message a turn, nothing told that could be lost."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from perdure.app.web.gateways.asgi import ASGIApplication
from perdure.app.web.gateways.gateway import current_registry

from ..paper import DiskError, Paper
from .conftest import Serve, Served

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

NOTES: list[Any] = []


class Counter:
    def __init__(self) -> None:
        self.value = 0


async def talks(scope: Message, receive: Receive, send: Send) -> None:
    """Does what the path says."""
    assert scope["type"] == "websocket"
    name = scope["path"].removeprefix("/")
    assert (await receive()) == {"type": "websocket.connect"}
    if name == "refuses":
        await send({"type": "websocket.close"})
        assert (await receive())["type"] == "websocket.disconnect"
        return
    if name == "denies":
        start = {"type": "websocket.http.response.start", "status": 418}
        await send({**start, "headers": [(b"x-why", b"tea")]})
        await send({"type": "websocket.http.response.body", "body": b"te", "more_body": True})
        await send({"type": "websocket.http.response.body", "body": b"a"})
        return
    if name == "silent":
        return
    if name == "fails":
        raise LookupError("before it was accepted")
    accept = {"type": "websocket.accept", "headers": [(b"x-mine", b"1"), (b"upgrade", b"x")]}
    await send({**accept, "subprotocol": (scope["subprotocols"] or [None])[0]})
    if name == "leaves":
        return
    if name == "breaks":
        raise LookupError("after it was accepted")
    if name == "closes":
        await send({"type": "websocket.close", "code": 4001, "reason": "enough"})
        return
    if name == "notes":
        await receive()
        current_registry().get_component(Counter, default=Counter).value += 1
        return
    NOTES.append(scope)
    while (message := await receive())["type"] == "websocket.receive":
        if name == "counts":
            counter = current_registry().get_component(Counter, default=Counter)
            counter.value += 1
            await send({"type": "websocket.send", "text": str(counter.value)})
        else:
            content = message.get("text") or message["bytes"]
            key = "text" if isinstance(content, str) else "bytes"
            await send({"type": "websocket.send", key: content})
    NOTES.append(message)
    with pytest.raises(OSError, match="gone"):
        await send({"type": "websocket.send", "text": "to nobody"})
    NOTES.append("ended")


def talk(
    served: Served, path: str, subprotocols: list[Subprotocol] | None = None
) -> ClientConnection:
    return connect(served.url(path).replace("http", "ws"), subprotocols=subprotocols)


def test_messages_go_both_ways_as_text_and_as_bytes(serve: Serve) -> None:
    NOTES.clear()
    served = serve(ASGIApplication(talks), journal=Paper())
    with talk(served, "/echo", subprotocols=[Subprotocol("b"), Subprotocol("a")]) as client:
        assert client.response is not None
        assert client.response.headers["x-mine"] == "1"
        assert client.subprotocol == "b"
        for message in ("text \u2603", b"\0\xff"):
            client.send(message)
            assert client.recv() == message
        client.close(4002, "bye")
    served.arrive(lambda: NOTES[-1] == "ended")
    scope, message, _ = NOTES
    assert message == {"type": "websocket.disconnect", "code": 4002, "reason": "bye"}
    assert scope["scheme"] == "ws"
    assert scope["subprotocols"] == ["b", "a"]
    assert "method" not in scope


@pytest.mark.parametrize(
    ("path", "status"), [("/refuses", 403), ("/denies", 418), ("/silent", 500), ("/fails", 500)]
)
def test_one_that_is_not_accepted_is_answered_like_any_request(
    serve: Serve, path: str, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    served = serve(ASGIApplication(talks), journal=Paper())
    with pytest.raises(InvalidStatus) as caught:
        talk(served, path)
    response = caught.value.response
    assert response.status_code == status
    if status == 418:
        assert (response.body, response.headers["x-why"]) == (b"tea", "tea")
    assert ("failed" in caplog.text) == (status == 500)


@pytest.mark.parametrize(
    ("path", "code"), [("/leaves", 1000), ("/breaks", 1011), ("/closes", 4001)]
)
def test_the_application_ends_the_conversation_as_it_says(
    serve: Serve, path: str, code: int, caplog: pytest.LogCaptureFixture
) -> None:
    served = serve(ASGIApplication(talks), journal=Paper())
    with talk(served, path) as client, pytest.raises(ConnectionClosed):
        client.recv()
    assert client.close_code == code
    assert client.close_reason == {4001: "enough", 1011: "the server failed"}.get(code, "")
    assert ("after it was accepted" in caplog.text) == (code == 1011)


def test_a_message_waits_until_what_it_tells_of_is_saved(serve: Serve) -> None:
    served = serve(ASGIApplication(talks), journal=Paper())
    with talk(served, "/counts") as client:
        for number in (1, 2):
            client.send("count")
            served.held(number)
            with pytest.raises(TimeoutError):
                client.recv(timeout=0)
            served.secure()
            assert client.recv() == str(number)


def test_the_goodbye_waits_until_what_was_done_before_is_saved(serve: Serve) -> None:
    served = serve(ASGIApplication(talks), journal=Paper())
    with talk(served, "/notes") as client:
        client.send("note")
        served.held(1)
        with pytest.raises(TimeoutError):
            client.recv(timeout=0)
        served.secure()
        with pytest.raises(ConnectionClosed):
            client.recv()
        assert client.close_code == 1000


def test_a_client_is_told_when_nothing_can_be_saved(serve: Serve) -> None:
    served = serve(ASGIApplication(talks), journal=Paper(refusal=DiskError()))
    with talk(served, "/counts") as client:
        client.send("count")
        with pytest.raises(ConnectionClosed):
            client.recv()
        assert client.close_code == 1013
    assert served.registry.get_component(Counter) is None


def test_a_request_for_another_version_of_the_protocol_is_told_so(serve: Serve) -> None:
    served = serve(ASGIApplication(talks))
    fields = ("Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 12")
    reply = served.get("/echo", *fields)
    assert (reply.status, reply.get("sec-websocket-version")) == (400, "13")


def test_a_stop_says_goodbye(serve: Serve) -> None:
    NOTES.clear()
    served = serve(ASGIApplication(talks))
    with talk(served, "/echo") as client:
        client.send("hello")
        assert client.recv() == "hello"
        drained = asyncio.run_coroutine_threadsafe(served.server.drain(10), served.loop)
        with pytest.raises(ConnectionClosed):
            client.recv()
        assert client.close_code == 1001
    drained.result(10)
    served.arrive(lambda: NOTES[-1] == "ended")
