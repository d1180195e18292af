"""What a page says to clients, and what cannot be lost any more."""

import asyncio

from perdure.app.application import Application
from perdure.app.watching import watching
from perdure.app.web.live.websocket import WebSocket, WebSocketResource
from perdure.app.web.request import Request

from ..paper import DiskError, Paper
from .conftest import Serve
from .frames import CLOSE, TEXT, Frame, FrameClient, frame, goodbye


class Counter:
    def __init__(self) -> None:
        self.value = 0


class Counting(WebSocketResource):
    """Counts messages in a component that it got when the client came."""

    async def connected(self, socket: WebSocket, request: Request) -> None:
        counter = request.registry.get_component(Counter, default=Counter)
        async for message in socket:
            counter.value += 1
            if message == "tell":
                await socket.send(str(counter.value))


def with_counter() -> Application:
    """An application whose counter is saved already."""
    application = Application("web")
    application.registry.set_component(Counter, Counter())
    return application


def test_what_is_sent_waits_until_what_it_tells_is_durable(serve: Serve) -> None:
    served = serve(Counting(), journal=Paper(), application=with_counter())
    with FrameClient(served) as client:
        client.send(frame(TEXT, b"tell"))
        served.held(1)
        assert client.connection.silent()
        served.secure()
        assert client.hear() == Frame(TEXT, b"1")


def test_the_next_message_is_given_when_what_the_last_did_is_durable(serve: Serve) -> None:
    served = serve(Counting(), journal=Paper(), application=with_counter())
    with FrameClient(served) as client:
        client.send(frame(TEXT, b"count"), frame(TEXT, b"count"), frame(TEXT, b"tell"))
        for number in (1, 2, 3):
            served.held(number)
            served.secure()
        assert client.hear() == Frame(TEXT, b"3")


class Parting(WebSocketResource):
    """Counts once, and says so as it leaves."""

    async def connected(self, socket: WebSocket, request: Request) -> None:
        counter = request.registry.get_component(Counter, default=Counter)
        await socket.receive()
        counter.value += 1
        socket.close(1000, f"counted {counter.value}")


def test_a_goodbye_waits_until_what_it_tells_is_durable(serve: Serve) -> None:
    served = serve(Parting(), journal=Paper(), application=with_counter())
    with FrameClient(served) as client:
        client.send(frame(TEXT, b"count"))
        served.held(1)
        assert client.connection.silent()
        served.secure()
        assert client.hear() == Frame(CLOSE, (1000).to_bytes(2) + b"counted 1")


def test_a_goodbye_that_tells_what_cannot_be_saved_is_another(serve: Serve) -> None:
    served = serve(Parting(), journal=Paper(), application=with_counter())
    with FrameClient(served) as client:
        client.send(frame(TEXT, b"count"))
        served.held(1)
        served.call(lambda: served.ledger.failed(DiskError()))
        assert client.hear().payload[:2] == (1013).to_bytes(2)


def test_a_goodbye_of_what_could_not_even_be_written_is_another_too(serve: Serve) -> None:
    served = serve(Parting(), journal=Paper(), application=with_counter())
    with FrameClient(served) as client:
        served.call(lambda: served.ledger.failed(DiskError()))
        client.send(frame(TEXT, b"count"))
        assert client.hear().payload[:2] == (1013).to_bytes(2)


def test_a_client_that_says_goodbye_first_is_not_told_a_second_one(serve: Serve) -> None:
    served = serve(Parting(), journal=Paper(), application=with_counter())
    with FrameClient(served) as client:
        client.send(frame(TEXT, b"count"))
        served.held(1)
        client.send(goodbye())
        assert client.hear().payload == (1000).to_bytes(2)
        served.secure()
        assert client.connection.closed()


def test_where_nothing_can_be_saved_the_client_hears_it_and_nothing_has_happened(
    serve: Serve,
) -> None:
    served = serve(Counting(), journal=Paper(), application=with_counter())
    counter = served.call(lambda: served.registry.get_component(Counter, default=Counter))
    with FrameClient(served) as client:
        client.send(frame(TEXT, b"tell"))
        served.held(1)
        served.call(lambda: served.ledger.failed(DiskError()))
        assert client.hear().code == 1013
    served.call(served.ledger.recovered)
    assert served.call(lambda: counter.value) == 0
    with FrameClient(served) as client:
        client.send(frame(TEXT, b"tell"))
        served.arrive(lambda: served.journal.appended > served.journal.secured)
        served.secure()
        assert client.hear() == Frame(TEXT, b"1")


def test_a_failure_while_a_client_is_silent_is_none_of_its_business(serve: Serve) -> None:
    served = serve(Counting(), journal=Paper(), application=with_counter())
    with FrameClient(served) as client, FrameClient(served) as other:
        client.send(frame(TEXT, b"tell"))
        served.held(1)
        served.secure()
        assert client.hear() == Frame(TEXT, b"1")
        other.send(frame(TEXT, b"tell"))
        served.held(2)
        served.call(lambda: served.ledger.failed(DiskError()))
        assert other.hear().code == 1013
        served.call(served.ledger.recovered)
        client.send(frame(TEXT, b"tell"))
        served.arrive(lambda: served.journal.appended > served.journal.secured)
        served.secure()
        assert client.hear() == Frame(TEXT, b"2")


def test_a_page_watches_a_component_and_tells_of_what_is_durable(serve: Serve) -> None:
    class Watching(WebSocketResource):
        async def connected(self, socket: WebSocket, request: Request) -> None:
            async for counter in watching(request.registry, Counter, default=Counter):
                await socket.send(str(counter.value))

    root = Watching()
    root.put_child("count", Counting())
    served = serve(root, journal=Paper(), application=with_counter())
    with FrameClient(served) as watcher, FrameClient(served, path="/count") as client:
        assert watcher.hear() == Frame(TEXT, b"0")
        client.send(frame(TEXT, b"count"))
        served.held(1)
        assert watcher.connection.silent()
        served.secure()
        assert watcher.hear() == Frame(TEXT, b"1")


def test_a_page_in_a_registry_that_is_not_journaled_works_as_well(serve: Serve) -> None:
    served = serve(Counting())
    with FrameClient(served) as client:
        assert client.ask("tell") == "1"
        assert client.ask("tell") == "2"


def test_a_turn_ends_also_where_the_server_cuts_the_connection_of_a_page_that_tidies_up(
    serve: Serve,
) -> None:
    class Tidying(WebSocketResource):
        async def connected(self, socket: WebSocket, request: Request) -> None:
            counter = request.registry.get_component(Counter, default=Counter)

            async def besides() -> None:
                try:
                    await asyncio.Event().wait()
                finally:
                    # Some rounds of the loop, in which the connection is lost as well.
                    for _ in range(5):
                        await asyncio.sleep(0)

            socket.beside(besides())
            try:
                async for _ in socket:
                    pass
            finally:
                counter.value = 7

    served = serve(Tidying(), journal=Paper(), application=with_counter())
    with FrameClient(served) as client:
        client.send(frame(TEXT, b"hello"))
        served.held(0)
        asyncio.run_coroutine_threadsafe(served.server.drain(0), served.loop).result(20)
        served.held(1)
