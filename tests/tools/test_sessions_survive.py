"""The commands, killed while visitors are there: none of them is forgotten."""

import signal
import threading
from pathlib import Path

import attrs
import httpx2
import pytest

from .conftest import Running, Workshop

MODULE = """
class Basket:
    def __init__(self):
        self.count = 0


class Counter:
    def __init__(self):
        self.left = 0

    def add(self, basket):
        self.left += basket.count
"""
SCRIPT = """
from baskets import Basket, Counter
from perdure.app.web.resource import Resource


class Page(Resource):
    is_leaf = True

    def render_GET(self, request):
        basket = request.session.get_component(Basket, default=Basket)
        basket.count += 1
        return str(basket.count)

    def render_PUT(self, request):
        counter = registry.get_component(Counter, default=Counter)
        request.session.rotate()
        request.session.notify_on_expire(counter.add, request.session.get_component(Basket))
        return "logged in"

    def render_DELETE(self, request):
        request.session.expire()
        return str(registry.get_component(Counter).left)


resource = Page()
"""


@pytest.fixture(name="shop")
def shop_fixture(workshop: Workshop) -> Workshop:
    site = workshop.folder / "shop"
    site.mkdir()
    (site / "baskets.py").write_text(MODULE)
    (site / "basket.rpy").write_text(SCRIPT)
    workshop.mkapp("web", "--path", site, "--port", "0")
    return workshop


@attrs.define
class Visitor:
    """Somebody with a browser."""

    cookies: httpx2.Cookies = attrs.field(factory=httpx2.Cookies)
    heard: int = 0

    def visit(self, server: Running, method: str = "GET") -> str:
        """The page."""
        with httpx2.Client(base_url=server.url, cookies=self.cookies) as browser:
            reply = browser.request(method, "basket.rpy")
            assert reply.status_code == 200, reply.text
            self.cookies = browser.cookies
        return reply.text

    def stay(self, server: Running, ready: threading.Barrier) -> None:
        """Visit again and again, until there is no server any more."""
        with httpx2.Client(base_url=server.url) as browser:
            try:
                while True:
                    self.heard = int(browser.get("basket.rpy").text)
                    self.cookies = browser.cookies
                    if self.heard == 3:
                        ready.wait()
            except httpx2.TransportError:
                return


def test_visitors_are_known_after_a_kill_and_a_stop(shop: Workshop) -> None:
    visitor = Visitor()
    server = shop.start("-f", "web.snap")
    assert [visitor.visit(server) for _ in range(2)] == ["1", "2"]
    server.stop(signal.SIGKILL)
    server = shop.start("-f", "web.snap")
    assert visitor.visit(server) == "3"
    before = Visitor(httpx2.Cookies(visitor.cookies))
    assert visitor.visit(server, "PUT") == "logged in"
    server.stop(signal.SIGKILL)
    server = shop.start("-f", "web.snap")
    assert before.visit(server) == "1", "the cookie from before the login is for nothing"
    assert visitor.visit(server) == "4"
    assert server.stop().status == 0
    server = shop.start("-f", "web.snap")
    assert visitor.visit(server) == "5"
    assert visitor.visit(server, "DELETE") == "5"
    server.stop(signal.SIGKILL)
    assert visitor.visit(shop.start("-f", "web.snap")) == "1"


def test_whoever_was_answered_is_not_forgotten(shop: Workshop) -> None:
    server = shop.start("-f", "web.snap")
    visitors = [Visitor() for _ in range(8)]
    ready = threading.Barrier(len(visitors) + 1)
    threads = [threading.Thread(target=each.stay, args=(server, ready)) for each in visitors]
    for thread in threads:
        thread.start()
    ready.wait()
    server.stop(signal.SIGKILL)
    for thread in threads:
        thread.join()
    server = shop.start("-f", "web.snap")
    for visitor in visitors:
        assert visitor.heard + 1 <= int(visitor.visit(server)) <= visitor.heard + 2


def test_a_snapshot_with_sessions_is_text_as_well(shop: Workshop) -> None:
    visitor = Visitor()
    server = shop.start("-f", "web.snap")
    visitor.visit(server)
    visitor.visit(server, "PUT")
    server.stop()
    for syntax in ("xml", "source"):
        name = Path("web-shutdown.snap" if syntax == "xml" else "web-shutdown.snap.xml")
        shown = shop.run("appconvert", "--to", syntax, name)
        assert shown.status == 0, shown
    (cookie,) = visitor.cookies.jar
    assert cookie.value is not None
    for path in shop.folder.glob("web-shutdown*"):
        assert cookie.value.encode() not in path.read_bytes()
    server = shop.start("-f", "web-shutdown.snap.xml")
    assert visitor.visit(server) == "2"
