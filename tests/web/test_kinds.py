"""Every kind of resource is saved, restored, and served again, in each syntax.

A kind joins by a case in one of the modules of ``tests/web/kinds``.
"""

import importlib
import inspect
import pkgutil
from pathlib import Path
from types import ModuleType

import pytest

import perdure.app.web
from perdure.app.application import Application
from perdure.app.collection import ServiceCollection
from perdure.app.loader import Loader
from perdure.app.web.resource import Resource, Wrapper
from perdure.app.web.service import WebService
from perdure.app.web.site import Site
from perdure.persist import snapshot
from perdure.persist.formats import table
from perdure.persist.trust import Signer

from .conftest import Serve, Served
from .kinds.case import KindCase

FOLDER = Path(__file__).parent / "kinds"


def modules() -> list[ModuleType]:
    names = sorted(each.stem for each in FOLDER.glob("*.py") if each.stem != "case")
    return [importlib.import_module(f"{__package__}.kinds.{name}") for name in names]


CASES: list[KindCase] = [case for module in modules() for case in module.CASES]


def published() -> set[type[Resource]]:
    """The public resource classes of the web part that are meant to be put into a tree."""
    found: set[type[Resource]] = set()
    for each in pkgutil.walk_packages(perdure.app.web.__path__, f"{perdure.app.web.__name__}."):
        module = importlib.import_module(each.name)
        for name, item in vars(module).items():
            if inspect.isclass(item) and issubclass(item, Resource) and not name.startswith("_"):
                found.add(item)
    return found


def ask(served: Served, case: KindCase) -> tuple[int, str]:
    line, *fields = case.ask
    with served.connect() as client:
        lines = [line, "Host: x", "Connection: close", *fields]
        reply = client.ask(("\r\n".join(lines) + "\r\n\r\n").encode())
    return reply.status, reply.body.decode(errors="replace")


@pytest.mark.parametrize("syntax", table.SUFFIXES)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.kind.__name__)
def test_a_resource_of_every_kind_is_saved_and_restored_and_served_again(
    case: KindCase, syntax: str, tmp_path: Path, serve: Serve
) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    application = Application("web")
    case.prepare(application.registry)
    site = Site(case.make(folder))
    application.services = ServiceCollection([WebService(site, [], name="pages")])
    signer = Signer.of_user(tmp_path / "key")
    for name in ("first", "second"):
        path = tmp_path / f"{name}{table.EXTENSION}{table.SUFFIXES[syntax]}"
        snapshot.write(path, application, application="web", holds="state", signer=signer)
        # What it was asked the first time must not keep it from being saved the second.
        application = Loader(signer).load(path).application
        (service,) = application.services
        assert isinstance(service, WebService)
        service.site.check()
        status, body = ask(serve(service.site.resource, application=application), case)
        assert status == case.status
        assert case.says in body


def test_every_kind_of_resource_has_a_case() -> None:
    with_case = {case.kind for case in CASES}.union(*(case.also for case in CASES))
    assert {each.__qualname__ for each in published() - with_case - {Wrapper}} == set()
