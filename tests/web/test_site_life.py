"""Resources that get ready before the ports answer, and let go after them."""

import asyncio
from collections.abc import Callable

import pytest

from perdure.app.application import Application
from perdure.app.collection import ServiceCollection
from perdure.app.endpoints import parse_endpoint
from perdure.app.service import ServiceError
from perdure.app.web.resource import Resource
from perdure.app.web.service import WebService
from perdure.app.web.site import Site


class Noted(Resource):
    """Notes what it is told; fails where it is told to."""

    def __init__(self, name: str, notes: list[str], fails: str = "") -> None:
        self.name = name
        self.notes = notes
        self.fails = fails

    def note(self, what: str) -> None:
        self.notes.append(f"{what} {self.name}")
        if what == self.fails:
            raise LookupError(f"{self.name} cannot {what}")

    def check(self) -> None:
        self.note("check")

    async def open(self, application: Application) -> None:
        assert application.name == "web"
        self.note("open")

    async def quiesce(self) -> None:
        self.note("quiesce")

    async def close(self) -> None:
        self.note("close")


def run(
    build: Callable[[list[str]], Resource], meanwhile: Callable[[Resource], object] = str
) -> list[str]:
    """What the resources are told in a run; `meanwhile` is done to the root."""
    notes: list[str] = []

    async def scenario() -> None:
        root = build(notes)
        service = WebService(Site(root), [parse_endpoint("tcp:0:interface=127.0.0.1")])
        application = Application("web", services=ServiceCollection([service]))
        application.services.belong_to(application)
        try:
            await application.services.bring_up()
            notes.append("running")
            meanwhile(root)
            await application.services.quiesce()
        except ServiceError as error:
            notes.append(str(error))
        finally:
            await application.services.bring_down()

    asyncio.run(scenario())
    return notes


def tree(notes: list[str], fails: str = "") -> Resource:
    root = Noted("root", notes)
    leaf = Noted("leaf", notes, fails)
    root.put_child("leaf", leaf)
    leaf.put_child("again", root)
    return root


def test_each_is_told_once_and_let_go_in_reverse() -> None:
    assert run(tree) == [
        *("check root", "check leaf", "open root", "open leaf", "running"),
        *("quiesce root", "quiesce leaf", "close leaf", "close root"),
    ]


def test_one_that_does_not_get_ready_ends_the_start() -> None:
    assert run(lambda notes: tree(notes, "open")) == [
        *("check root", "check leaf", "open root", "open leaf", "close leaf", "close root"),
        "WebService: cannot start: LookupError: leaf cannot open",
    ]


def test_one_that_does_not_let_go_keeps_none_from_it(caplog: pytest.LogCaptureFixture) -> None:
    assert run(lambda notes: tree(notes, "close"))[-2:] == ["close leaf", "close root"]
    assert "Noted could not be closed: leaf cannot close" in caplog.text


def test_what_comes_and_goes_meanwhile_is_let_go_as_often_as_it_got_ready() -> None:
    late: list[str] = []
    told = run(tree, lambda root: root.put_child("leaf", Noted("late", late)))
    assert told[-2:] == ["close leaf", "close root"]
    assert late == ["quiesce late"]
