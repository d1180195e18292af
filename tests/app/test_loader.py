"""What a run takes from a snapshot, and what it refuses before anything is opened."""

import math
import os
import pickle
from pathlib import Path
from typing import Any

import attrs
import pytest

from perdure.app.application import Application, ProcessSettings
from perdure.app.collection import ServiceCollection
from perdure.app.endpoints import TCPEndpoint, UNIXEndpoint
from perdure.app.loader import ContentError, FieldsError, Loader
from perdure.app.restart import Restart
from perdure.app.service import Service
from perdure.app.timer import Timer
from perdure.app.web.limits import Limits
from perdure.app.web.resource import Resource
from perdure.app.web.service import WebService
from perdure.app.web.site import Site
from perdure.persist import snapshot
from perdure.persist.content import Content
from perdure.persist.errors import PerdureError
from perdure.persist.formats import pickled
from perdure.persist.trust import Signer


@pytest.fixture
def loader(tmp_path: Path) -> Loader:
    return Loader(Signer.of_user(tmp_path / "key"))


def forced(item: Any, **fields: object) -> Any:
    """`item` with `fields` that its class would not take."""
    for name, value in fields.items():
        object.__setattr__(item, name, value)
    return item


def tick() -> None:
    """What a timer calls."""


def unnamed(name: str) -> Service:
    service = Service()
    vars(service)["name"] = name
    return service


def saved(
    path: Path, application: Application, signer: Signer | None, *, name: str | None = None
) -> Path:
    name = application.name if name is None else name
    snapshot.write(path, application, application=name, holds="blueprint", signer=signer)
    return path


def holding(*services: Service) -> Application:
    return Application("web", services=ServiceCollection(services))


def serving(*endpoints: Any, limits: Limits | None = None) -> Application:
    site = Site(Resource(), limits=limits or Limits())
    service = WebService(site, endpoints, name="pages")
    return holding(service)


@pytest.mark.parametrize("name", ["../../../pwn", "/tmp/pwn", "a\nb", "", 7, None])
@pytest.mark.parametrize("own", [True, False])
def test_a_name_that_leads_out_of_the_folder_is_refused(
    name: Any, own: bool, tmp_path: Path, loader: Loader
) -> None:
    application = forced(Application("web"), name=name)
    path = saved(tmp_path / "web.snap", application, loader.signer if own else None, name="web")
    with pytest.raises(FieldsError, match=r"web\.snap: application\.name: ") as caught:
        loader.load(path)
    assert caught.value.exit_status == os.EX_DATAERR


def test_another_name_than_that_in_the_head_is_refused(tmp_path: Path, loader: Loader) -> None:
    path = saved(tmp_path / "web.snap", Application("web"), None, name="shop")
    with pytest.raises(ContentError, match="an application called 'web', expected was 'shop'"):
        loader.load(path)


@pytest.mark.parametrize(
    ("application", "place"),
    [
        (serving(TCPEndpoint(1), forced(TCPEndpoint(2), port=99999)), r"\[0\].endpoints\[1\].port"),
        (serving(forced(UNIXEndpoint("web"), address=7)), r"\[0\].endpoints\[0\].address"),
        (serving(limits=forced(Limits(), head_time=math.nan)), r"\[0\].site.limits.head_time"),
        (serving(limits=forced(Limits(), body="all")), r"\[0\].site.limits.body"),
        (holding(forced(Timer(1, tick), interval=0)), r"\[0\].interval"),
        (holding(forced(Timer(1, tick), restart=forced(Restart(), factor=0))), r"\[0\].restart.factor"),
        (holding(unnamed("a/b")), r"\[0\].name"),
    ],
)  # fmt: skip
def test_values_of_services_that_cannot_be_are_told_with_their_place(
    application: Application, place: str, tmp_path: Path, loader: Loader
) -> None:
    path = saved(tmp_path / "web.snap", application, loader.signer)
    with pytest.raises(FieldsError, match=rf"web\.snap: application\.services{place}: "):
        loader.load(path)


@pytest.mark.parametrize("fields", [{"uid": -1}, {"gid": []}, {"umask": 0o7777}, {"umask": "077"}])
def test_process_settings_are_checked_before_they_are_used(
    fields: dict[str, object], tmp_path: Path, loader: Loader
) -> None:
    application = Application("web", process=forced(ProcessSettings(), **fields))
    with pytest.raises(FieldsError, match=r"application\.process\.[ug]"):
        loader.load(saved(tmp_path / "web.snap", application, None))


@pytest.mark.parametrize("field", ["services", "registry", "process"])
def test_a_strangers_application_with_parts_of_other_kinds_is_refused(
    field: str, tmp_path: Path, loader: Loader
) -> None:
    application = forced(Application("web"), **{field: 7})
    with pytest.raises(FieldsError, match=rf"application\.{field}: expected .*, got 7"):
        loader.load(saved(tmp_path / "web.snap", application, None))


def test_a_tree_of_services_that_leads_back_to_itself_is_looked_at_once(
    tmp_path: Path, loader: Loader
) -> None:
    application = serving(TCPEndpoint(1))
    loaded = loader.load(saved(tmp_path / "web.snap", application, None))
    assert attrs.asdict(loaded.application.process) == {"uid": None, "gid": None, "umask": None}
    assert not loaded.own


@pytest.mark.parametrize(
    ("wrong", "place"),
    [
        (forced(Resource(), prot=1), r"application\.services\[0\]\.site\.resource\.prot: expected one of"),
        (forced(Resource(), is_leef=1), r"application\.services\[0\]\.site\.resource\.is_leef: "),
    ],
)  # fmt: skip
def test_a_mistake_in_a_strangers_text_is_told_with_its_line(
    wrong: Resource, place: str, tmp_path: Path, loader: Loader
) -> None:
    application = holding(WebService(Site(wrong), []))
    for syntax, line in (("pickle", " "), ("xml", r"\d+: "), ("source", r"\d+: ")):
        path = tmp_path / "web"
        snapshot.write(
            path, application, application="web", holds="state", signer=None, syntax=syntax
        )
        with pytest.raises(FieldsError, match=rf"web:{line}{place}"):
            loader.load(path)


@pytest.mark.parametrize("own", [True, False])
def test_a_stream_that_cannot_be_read_is_told(own: bool, tmp_path: Path, loader: Loader) -> None:
    path = saved(tmp_path / "web.snap", Application("web"), None)
    found = snapshot.read(path)
    signer = loader.signer if own else None
    broken = Content.of_stream(found.stream[:-9] + pickle.POP * 8 + pickle.STOP)
    path.write_bytes(b"".join(pickled.FORMAT.encode(found.passport, broken, signer)))
    with pytest.raises(PerdureError) as caught:
        loader.load(path)
    assert caught.value.exit_status == os.EX_DATAERR
