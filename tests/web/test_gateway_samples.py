"""The samples of other frameworks: they run in the container, and their state is kept."""

import importlib
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from websockets.sync.client import connect

from perdure.app.web.gateways.asgi import ASGIApplication
from perdure.app.web.gateways.wsgi import WSGIApplication
from perdure.app.web.resource import Resource
from perdure.persist.capture import capture
from perdure.persist.restore import restore
from perdure.persist.trust import Policy

from ..paper import Paper
from .conftest import Serve, Served

SAMPLES = Path(__file__).parents[2] / "samples"
Fetch = Callable[[str, str], Any]


@pytest.fixture
def sample(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], Any]:
    """``sample(folder, module)``: the module of a sample."""

    def sample(folder: str, module: str) -> Any:
        monkeypatch.setattr(sys, "path", [str(SAMPLES / folder), *sys.path])
        return importlib.import_module(module)

    return sample


class Saved(Paper):
    """A journal that is durable at once."""

    def append(self, payload: bytes) -> int:
        self.secured = super().append(payload)
        return self.secured


@pytest.fixture
def client() -> Iterator[httpx2.Client]:
    with httpx2.Client() as client:
        yield client


def kept(served: Served, cls: type[Any]) -> Any:
    """A component of the next run."""
    stream = served.call(lambda: capture(served.registry).stream)
    registry: Any = restore(stream, Policy.everything())
    return registry.get_component(cls)


def below(segment: str, resource: Resource) -> Resource:
    root = Resource()
    root.put_child(segment, resource)
    return root


def test_a_board_in_flask(sample: Fetch, serve: Serve, client: httpx2.Client) -> None:
    module = sample("flask_site", "board")
    gateway = WSGIApplication("board:app", threads=2)
    gateway.check()
    journal = Saved()
    served = serve(below("board", gateway), journal=journal)
    post = {"author": "Ada", "text": "<i>Fine</i> view"}
    reply = client.post(served.url("/board/"), data=post, follow_redirects=True)
    assert reply.url.path == "/board/"
    assert "<b>Ada</b>: &lt;i&gt;Fine&lt;/i&gt; view" in reply.text
    assert client.post(served.url("/board/"), data={"author": " ", "text": ""}).status_code == 400
    assert kept(served, module.Board).posts == [module.Post(**post)]
    assert journal.appended >= 1


@pytest.mark.parametrize("protocol", ["wsgi", "asgi"])
def test_a_poll_in_django(
    sample: Fetch, serve: Serve, client: httpx2.Client, protocol: str
) -> None:
    module = sample("django_site", "poll")
    gateway: Resource = WSGIApplication("poll.application")
    if protocol == "asgi":
        gateway = ASGIApplication("poll:asgi")
    gateway.check()
    served = serve(below("poll", gateway), journal=Saved())
    page = client.get(served.url("/poll/"))
    found = re.search("name='csrfmiddlewaretoken' value='(.*)'", page.text)
    assert found
    form = {"csrfmiddlewaretoken": found[1], "choice": "tea"}
    reply = client.post(served.url("/poll/vote"), data=form, follow_redirects=True)
    assert "value='tea'>tea</button> 1" in reply.text
    assert client.post(served.url("/poll/vote"), data={"choice": "tea"}).status_code == 403
    assert kept(served, module.Votes).counts == {"tea": 1}


def test_a_stock_in_fastapi(sample: Fetch, serve: Serve, client: httpx2.Client) -> None:
    module = sample("fastapi_site", "stock")
    gateway = ASGIApplication("stock:app")
    gateway.check()
    served = serve(below("api", gateway), journal=Saved())
    url = served.url("/api/items")
    assert client.get(url).json() == [{"name": "lamp oil", "count": 12}]
    wick = {"name": "wick", "count": 3}
    assert client.put(f"{url}/wick", json=wick).json() == wick
    assert client.post(f"{url}/wick/take", params={"count": 2}).json()["count"] == 1
    assert client.post(f"{url}/wick/take", params={"count": 2}).status_code == 409
    assert client.put(f"{url}/wick", json={"name": "wick", "count": -1}).status_code == 422
    assert client.get(served.url("/api/openapi.json")).json()["servers"] == [{"url": "/api"}]
    assert kept(served, module.Stock).counts == {"lamp oil": 12, "wick": 1}


def test_a_chat_in_starlette(sample: Fetch, serve: Serve, client: httpx2.Client) -> None:
    module = sample("starlette_site", "chat")
    gateway = ASGIApplication("chat:app")
    gateway.check()
    served = serve(below("chat", gateway), journal=Saved())
    assert "<title>Chat</title>" in client.get(served.url("/chat/")).text
    url = served.url("/chat/talk").replace("http", "ws")
    with connect(url) as ada, connect(url) as grace:
        ada.send("hello")
        assert ada.recv() == grace.recv() == "hello"
    with connect(url) as late:
        assert late.recv() == "hello"
    assert kept(served, module.History).lines == ["hello"]
