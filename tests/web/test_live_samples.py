"""The samples that go on talking, as visitors have them: programs and a browser."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xmlrpc.client import ServerProxy

import pytest
from websockets.sync.client import ClientConnection, connect

from perdure.app.application import Application
from perdure.app.ledger import Ledger
from perdure.app.web.static import DEFAULT_PROCESSORS, File
from perdure.persist.capture import capture
from perdure.persist.restore import restore
from perdure.persist.trust import Policy

from ..convert.browser import EXECUTABLE, Browser, browsing
from ..paper import Paper
from .conftest import Connection, Serve, Served

SITE = Path(__file__).parents[2] / "samples/live/site"


class Quick(Paper):
    """A journal that is durable soon, and says so."""

    ledger: Ledger

    def append(self, payload: bytes) -> int:
        sequence = super().append(payload)
        asyncio.get_running_loop().call_soon(self._secure)
        return sequence

    def _secure(self) -> None:
        self.secured = self.appended
        self.ledger.progressed()


def live(serve: Serve, application: Application) -> Served:
    journal = Quick()
    site = File(SITE, processors=DEFAULT_PROCESSORS)
    served = serve(site, application=application, journal=journal)
    journal.ledger = served.ledger
    return served


@pytest.fixture(name="served")
def served_fixture(serve: Serve) -> Served:
    return live(serve, Application("web"))


def socket_to(served: Served, path: str = "/chat.rpy/talk") -> ClientConnection:
    return connect(served.url(path).replace("http", "ws", 1), proxy=None, close_timeout=20)


def hear(client: ClientConnection) -> tuple[int, str]:
    message = json.loads(client.recv(20))
    return message["number"], message["text"]


def heard(client: Connection, expected: str) -> bool:
    """Returns when this was told; what was made just now may be told twice."""
    while client.until(b"\n\n\r\n").decode().partition("data: ")[2] != f"{expected}\n\n\r\n":
        pass
    return True


def harbour_of(served: Served) -> Any:
    """What programs call."""
    return ServerProxy(served.url("/rpc.rpy"))


def again(served: Served) -> Application:
    """The application as the next run has it."""
    stream = served.call(lambda: capture(served.application.registry).stream)
    application = Application("web")
    registry: Any = restore(stream, Policy.everything())
    application.registry.adopt(registry)
    return application


def post(served: Served, move: str) -> int:
    body = f"move={move}".encode()
    head = (
        "POST /boats.rpy HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    with served.connect() as client:
        return client.ask(head.encode() + body).status


def test_the_counter_is_told_as_it_changes(served: Served) -> None:
    assert b"EventSource" in served.get("/boats.rpy").body
    with served.connect() as client:
        client.send(b"GET /boats.rpy/events HTTP/1.1\r\nHost: x\r\n\r\n")
        assert heard(client, "0")
        assert post(served, "arrive") == 303
        assert heard(client, "1")
        with harbour_of(served) as harbour:
            assert harbour.arrive() == 2
        assert heard(client, "2")
        assert post(served, "leave") == 303
        assert heard(client, "1")


def test_everybody_hears_what_is_said_and_a_new_run_remembers_it(
    served: Served, serve: Serve
) -> None:
    with socket_to(served) as ada, socket_to(served) as grace:
        ada.send("Ahoy!")
        assert hear(ada) == hear(grace) == (1, "Ahoy!")
        grace.send("  Fog   ahead  ")
        assert hear(ada) == hear(grace) == (2, "Fog ahead")
    resumed = live(serve, again(served))
    with socket_to(resumed) as ada, socket_to(resumed, "/chat.rpy/talk?heard=2") as grace:
        assert [hear(ada), hear(ada)] == [(1, "Ahoy!"), (2, "Fog ahead")]
        ada.send("Still there?")
        assert hear(grace) == (3, "Still there?")


def test_the_log_is_a_template(served: Served) -> None:
    assert b"<li>Nobody has said anything.</li>" in served.get("/log.rpy").body
    with harbour_of(served) as harbour:
        assert harbour.say("<b>Fog</b>") is True
        assert "say" in harbour.system.listMethods()
    page = served.get("/log.rpy").body.decode()
    assert "<h1>The log of Halden Skerry</h1>" in page
    assert "&lt;b&gt;Fog&lt;/b&gt;" in page


@pytest.fixture(name="browser", scope="module")
def browser_fixture(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browsing(tmp_path_factory.mktemp("chromium") / "profile") as browser:
        yield browser


def visit(browser: Browser, address: str) -> None:
    browser.call("Page.navigate", url=address)
    browser.run(f"until(() => location.href === {address!r} && document.readyState === 'complete')")


with_browser = pytest.mark.skipif(EXECUTABLE is None, reason="chromium is not installed")


@with_browser
@pytest.mark.timeout(180)
def test_a_browser_shows_each_change_as_it_comes(served: Served, browser: Browser) -> None:
    visit(browser, served.url("/boats.rpy"))
    browser.run("until(() => $('output').value === '0')")
    with harbour_of(served) as harbour:
        harbour.arrive()
    browser.run("until(() => $('output').value === '1')")
    browser.run("$('button[value=arrive]').click()")
    browser.run("until(() => $('output').value === '2')")
    assert browser.complaints == []
    visit(browser, "about:blank")


@with_browser
@pytest.mark.timeout(180)
def test_a_browser_talks_and_hears_others(served: Served, browser: Browser) -> None:
    visit(browser, served.url("/chat.rpy"))
    browser.run("until(() => socket.readyState === 1)")
    with socket_to(served) as other:
        browser.run("(form.text.value = 'Ahoy <b>', form.requestSubmit())")
        assert hear(other) == (1, "Ahoy <b>")
        other.send("Fog ahead")
        said = "until(() => $$('li').length === 2 && texts('li'))"
        assert browser.run(said) == ["Ahoy <b>", "Fog ahead"]
    assert browser.complaints == []
    visit(browser, "about:blank")
