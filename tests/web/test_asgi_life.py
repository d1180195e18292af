"""ASGI applications are told when the server starts and when it stops."""

import asyncio
import contextlib

import pytest

from perdure.app.application import Application
from perdure.app.web.gateways.gateway import current_registry
from perdure.app.web.gateways.lifespan import StartupError

from ..paper import Paper
from .asgiapps import App, Counter, Message, Receive, Send, count, says, with_lifespan
from .conftest import Serve

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


class Life:
    """Notes what it is told."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.stop: str | None = "lifespan.shutdown.complete"

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            self.notes.append((await receive())["type"])
            scope["state"]["shared"] = self.notes
            scope["state"]["own"] = 0
            count()
            await send({"type": "lifespan.startup.complete"})
            self.notes.append((await receive())["type"])
            if self.stop is None:
                raise LookupError("in the end")
            await send({"type": self.stop, "message": "in the end"})
        else:
            scope["state"]["own"] += 1
            scope["state"]["shared"].append("asked")
            await says(b"%d" % scope["state"]["own"])(scope, receive, send)


def lived(app: App, journal: Paper | None = None) -> None:
    """Starts and stops `app`."""

    async def scenario() -> None:
        made = with_lifespan(app)
        application = Application("web")
        try:
            await made.open(application)
        finally:
            await made.close()

    asyncio.run(scenario())


def test_each_request_has_its_own_copy_of_the_state(serve: Serve) -> None:
    life = Life()
    served = serve(with_lifespan(life))
    assert [served.get().body for _ in range(2)] == [b"1", b"1"]
    assert life.notes == ["lifespan.startup", "asked", "asked"]


def test_what_the_start_changes_is_written(serve: Serve) -> None:
    served = serve(with_lifespan(Life()), journal=Paper())
    served.held(1)
    assert served.journal.kinds == [[("Counter", "state")]]


def test_what_the_start_keeps_for_requests_is_looked_at_with_them(serve: Serve) -> None:
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await receive()
            registry = current_registry()
            scope["state"]["counter"] = registry.get_component(Counter, default=Counter)
            await send({"type": "lifespan.startup.complete"})
            await receive()
        else:
            scope["state"]["counter"].value += 1
            await says(b"counted")(scope, receive, send)

    served = serve(with_lifespan(app), journal=Paper())
    with served.connect() as client:
        served.held(1)
        served.secure()
        client.send(GET)
        served.held(2)
        assert client.silent()
        served.secure()
        assert client.reply().body == b"counted"


@pytest.mark.parametrize("stop", ["lifespan.shutdown.complete", "lifespan.shutdown.failed", None])
def test_the_stop_is_told_and_whatever_it_brings_is_the_end(
    stop: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    life = Life()
    life.stop = stop
    lived(life)
    assert life.notes == ["lifespan.startup", "lifespan.shutdown"]
    assert ("in the end" in caplog.text) == (stop != "lifespan.shutdown.complete")


def test_one_that_is_published_at_two_places_starts_and_stops_once() -> None:
    async def scenario() -> None:
        life = Life()
        made = with_lifespan(life)
        application = Application("web")
        await made.open(application)
        await made.open(application)
        await made.close()
        assert life.notes == ["lifespan.startup"]
        await made.close()
        assert life.notes == ["lifespan.startup", "lifespan.shutdown"]

    asyncio.run(scenario())


async def knows_nothing(scope: Message, receive: Receive, send: Send) -> None:
    assert scope["type"] == "http"


async def answers_anything(scope: Message, receive: Receive, send: Send) -> None:
    await says(b"x")(scope, receive, send)


async def returns(scope: Message, receive: Receive, send: Send) -> None:
    return


@pytest.mark.parametrize("app", [knows_nothing, answers_anything, returns])
def test_one_that_knows_nothing_of_start_and_stop_goes_on(app: App) -> None:
    lived(app)


async def fails_to_start(scope: Message, receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "lifespan.startup.failed", "message": "Traceback:\n  KeyError: 'DB'\n"})


async def raises_at_start(scope: Message, receive: Receive, send: Send) -> None:
    await receive()
    raise LookupError("no\ndatabase")


@pytest.mark.parametrize(
    ("app", "reason"),
    [(fails_to_start, "KeyError: 'DB'"), (raises_at_start, "LookupError: no database")],
)
def test_one_that_fails_to_start_says_why(app: App, reason: str) -> None:
    with pytest.raises(StartupError) as caught:
        lived(app)
    assert str(caught.value) == f"ASGIApplication('of.a:test') did not start: {reason}"


def test_a_start_may_be_given_up() -> None:
    ended: list[str] = []

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        try:
            await receive()
            await asyncio.Event().wait()
        finally:
            ended.append("ended")

    async def scenario() -> None:
        made = with_lifespan(app)
        opening = asyncio.ensure_future(made.open(Application("web")))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        opening.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await opening
        await made.close()

    asyncio.run(scenario())
    assert ended == ["ended"]
