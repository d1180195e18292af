"""What a snapshot that nobody has signed can do: nothing but hold data."""

import importlib
import os
import pickle
import socket
import sys
from pathlib import Path

import attrs
import pytest

from perdure.app.application import Application
from perdure.app.endpoints import TCPEndpoint, TLSEndpoint, UNIXEndpoint
from perdure.app.restart import Restart
from perdure.app.web.limits import Limits
from perdure.app.web.resource import Resource
from perdure.app.web.script import ResourceScript, ScriptRoot
from perdure.app.web.service import WebService
from perdure.app.web.site import Site
from perdure.app.web.static import File, withhold
from perdure.persist import snapshot
from perdure.persist.capture import capture
from perdure.persist.persistent import persistent
from perdure.persist.restore import RestoreError, TrustError, restore
from perdure.persist.store import FolderStore
from perdure.persist.trust import Policy, Signer
from perdure.persist.values import DATA_CLASSES

from . import models
from .streams import called, named, number, stream, text

ONLY = Policy.only()
THIS = Policy.only([__name__])
SCRIPTS = "perdure.app.web.script"
calls: list[object] = []


class Kept:
    """A class that the operator trusts, with a field that has an unlucky name."""

    def __init__(self) -> None:
        self.append = "a text"


def leave(*arguments: object) -> None:
    """A function that the operator trusts."""
    calls.append(arguments)
    raise SystemExit(3)


@persistent
class Leaves:
    def after_restore(self) -> None:
        raise SystemExit(3)


def state(*pairs: bytes) -> bytes:
    """Give the object on the stack these fields: names and values by turns."""
    return pickle.EMPTY_DICT + pickle.MARK + b"".join(pairs) + pickle.SETITEMS + pickle.BUILD


def new(module: str, name: str, *arguments: bytes) -> bytes:
    return named(module, name) + pickle.MARK + b"".join(arguments) + pickle.TUPLE + pickle.NEWOBJ


def application(root: Resource) -> Application:
    made = Application("web")
    endpoints = [TCPEndpoint(80), TLSEndpoint(443), UNIXEndpoint("/tmp/web")]
    made.services.append(WebService(Site(root, headers=[("A", "b")]), endpoints, name="web"))
    return made


# What is made by being called.


def test_no_file_is_opened_for_a_stranger(tmp_path: Path) -> None:
    path = called(named("pathlib", "PosixPath"), text(str(tmp_path / "made")))
    for trick in (
        called(named("perdure.app.logfile", "LogFile"), path),
        new("perdure.app.logfile", "LogFile", path),
    ):
        with pytest.raises(TrustError, match=r"--trust perdure\.app\.logfile"):
            restore(stream(trick), ONLY)
    assert os.listdir(tmp_path) == []


def test_no_descriptor_is_adopted_for_a_stranger() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        numbers = (number(1), number(1), number(0), number(ours.fileno()))
        with pytest.raises(TrustError, match=r"--trust perdure\.app\.listening"):
            restore(stream(called(named("perdure.app.listening", "UNIXListener"), *numbers)), ONLY)
        ours.send(b"still open")
        assert theirs.recv(20) == b"still open"


@pytest.mark.parametrize(
    "name",
    [
        "perdure.tools.command:KindGroup",
        "perdure.app.web.accesslog:AccessLog",
        "perdure.app.timer:Timer",
        "perdure.app.web.script:ScriptRoot",
        "perdure.app.web.static:_Listing",
        "perdure.app.endpoints:Endpoint",
        "perdure.persist.store:FolderStore",
        "perdure.persist.openfile:OpenFile",
        "perdure.app.web.static:os",
    ],
)
def test_what_is_not_listed_of_perdure_is_refused(name: str) -> None:
    module, _, qualname = name.partition(":")
    with pytest.raises(TrustError) as caught:
        restore(stream(named(module, qualname)), ONLY)
    assert caught.value.names == (name,)


def test_a_strangers_site_without_scripts_is_no_more_than_data(tmp_path: Path) -> None:
    data = capture(application(File(tmp_path, processors={".rpy": withhold}))).stream
    assert isinstance(restore(data, ONLY), Application)
    with pytest.raises(RestoreError):
        restore(stream(called(named("perdure.app.web.static", "withhold"))), ONLY)


@pytest.mark.parametrize("name", DATA_CLASSES)
def test_a_listed_class_is_never_called_and_made_empty(name: str) -> None:
    module, _, qualname = name.partition(":")
    for trick in (
        called(named(module, qualname)),
        called(named(module, qualname), text("a")),
        new(module, qualname, text("a")),
    ):
        with pytest.raises(RestoreError, match=r"not to be called|not made from such arguments"):
            restore(stream(trick), ONLY)


# What is called because an instance has it as a field.

SPACE = called(named("types", "SimpleNamespace"))
SITE = new("perdure.app.web.site", "Site")
FILE = new("perdure.app.web.static", "File")
ARRAY = named("builtins", "bytearray")
HUGE = number(2**31 - 1)
APPENDED = pickle.MARK + HUGE + pickle.APPENDS
ADDED = pickle.MARK + HUGE + pickle.ADDITEMS
ITEM = text("a") + HUGE + pickle.SETITEM
KEPT = new(__name__, "Kept")
LEAVE = named(__name__, "leave")
TRICKS: dict[str, bytes] = {
    "append": SPACE + state(text("append"), ARRAY) + HUGE + pickle.APPEND,
    "append of what is called": SPACE + state(text("append"), SPACE) + HUGE + pickle.APPEND,
    "extend": SPACE + state(text("extend"), ARRAY) + APPENDED,
    "add": SPACE + state(text("add"), ARRAY) + ADDED,
    "a state that is called": SPACE + state(text("__setstate__"), ARRAY) + HUGE + pickle.BUILD,
    "another class": SPACE + state(text("__class__"), named("uuid", "UUID")),
    "a class for its attributes": SPACE + state(text("_live"), named("pathlib", "PosixPath")),
    "a field that is no text": SPACE + state(number(1), number(1)),
    "slots": SPACE
    + (pickle.NONE + pickle.EMPTY_DICT + text("append") + ARRAY + pickle.SETITEM)
    + (pickle.TUPLE2 + pickle.BUILD),
    "a method": SITE + state(text("check"), SPACE),
    "a method of a base": FILE + state(text("render"), SPACE),
    "a field of the running object": FILE + state(text("_cache"), SPACE),
    "members of a site": SITE + HUGE + pickle.APPEND,
    "members of a namespace": SPACE + APPENDED,
    "items of a namespace": SPACE + ITEM,
    "items of a deque": called(named("collections", "deque")) + ITEM,
    "a state of a deque": called(named("collections", "deque")) + state(text("append"), ARRAY),
    "additions to a deque": called(named("collections", "deque")) + ADDED,
    "members of an alias": called(named("types", "GenericAlias"), SPACE, pickle.EMPTY_TUPLE)
    + APPENDED,
    "append of a trusted class": KEPT + state(text("append"), LEAVE) + HUGE + pickle.APPEND,
    "a state of a trusted class": KEPT + state(text("__setstate__"), LEAVE) + HUGE + pickle.BUILD,
}


@pytest.mark.parametrize("trick", TRICKS.values(), ids=TRICKS)
def test_no_field_is_called_and_no_method_replaced(trick: bytes) -> None:
    with pytest.raises(RestoreError, match="the content is not a stream of objects"):
        restore(stream(trick), THIS)
    assert calls == []


def test_a_trusted_class_may_have_fields_of_any_name() -> None:
    restored = restore(capture(Kept()).stream, THIS)
    assert isinstance(restored, Kept)
    assert restored.append == "a text"


def test_a_snapshot_does_not_end_its_reader(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(RestoreError, match="it cannot be built again: SystemExit: 3"):
        restore(stream(called(LEAVE)), THIS)
    calls.clear()
    with pytest.raises(RestoreError, match=r"its after_restore\(\) raised SystemExit: 3"):
        restore(capture(Leaves()).stream, THIS)
    (tmp_path / "leaving.py").write_text("raise SystemExit(3)\n")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    with pytest.raises(RestoreError, match="its module fails on import: SystemExit: 3"):
        restore(stream(named("leaving", "A")), Policy.only(["leaving"]))


# What a stranger's snapshot is good for.


def test_a_strangers_static_site_loads(tmp_path: Path) -> None:
    root = File(tmp_path, index_names=["start"], listing=False)
    root.put_child("plain", Resource())
    made = application(root)
    made.services.restart = Restart(attempts=1)
    (serving,) = made.services
    assert isinstance(serving, WebService)
    serving.site.limits = Limits(body=5)
    restored = restore(capture(made).stream, ONLY)
    assert isinstance(restored, Application)
    (service,) = restored.services
    assert isinstance(service, WebService)
    assert service.parent is restored.services
    assert service.site.limits == Limits(body=5)
    assert [str(each) for each in service.endpoints] == ["tcp:80", "tls:443", "unix:/tmp/web"]
    assert isinstance(service.site.resource, File)
    assert vars(service.site.resource).keys() >= {"path", "index_names", "listing", "children"}


@pytest.mark.parametrize("scripts", [True, False])
def test_a_strangers_scripts_are_refused_by_name_until_trusted(
    scripts: bool, tmp_path: Path
) -> None:
    root = File(tmp_path, processors={".rpy": ResourceScript}) if scripts else ScriptRoot("a.rpy")
    data = capture(application(root)).stream
    with pytest.raises(TrustError) as caught:
        restore(data, ONLY)
    assert caught.value.names == (f"{SCRIPTS}:{'ResourceScript' if scripts else 'ScriptRoot'}",)
    assert f"if you trust who wrote it: --trust {SCRIPTS}" in str(caught.value)
    assert isinstance(restore(data, Policy.only([SCRIPTS])), Application)


@pytest.mark.parametrize("name", DATA_CLASSES)
def test_the_listed_fields_are_those_of_the_class_and_none_is_a_method(name: str) -> None:
    module, _, qualname = name.partition(":")
    cls = getattr(importlib.import_module(module), qualname)
    for field in DATA_CLASSES[name]:
        assert not callable(getattr(cls, field, None))
    if attrs.has(cls):
        declared = getattr(cls, "__persistent__", None)
        transient = declared.transient if declared else ()
        kept = {each.name for each in attrs.fields(cls)}.difference(transient)
        assert kept <= DATA_CLASSES[name]


def test_an_unsigned_snapshot_is_a_strangers_to_everybody(folder: Path, signer: Signer) -> None:
    path = folder / "web.snap"
    snapshot.write(path, [1], application="web", holds="blueprint", signer=None)
    stored = FolderStore(folder, "web").save([1], signer=None)
    for each in (path, stored):
        assert each.read_bytes()[-96:] == bytes(96)
        found = snapshot.read(each)
        assert found.signer_key is None
        assert found.policy(signer, [models.__name__]) == Policy.only([models.__name__])
        assert restore(found.stream, found.policy(signer)) == [1]
