"""An application is a name, services, a registry and process settings; all of it can be saved."""

from typing import Any

import pytest

from perdure.app.application import Application, ApplicationError, ProcessSettings
from perdure.app.collection import ServiceCollection
from perdure.app.service import Service
from perdure.persist.capture import capture
from perdure.persist.restore import restore
from perdure.persist.trust import Policy


def test_it_comes_back_as_it_was() -> None:
    application = Application(
        "web",
        services=ServiceCollection([Service(name="one")]),
        process=ProcessSettings(uid="nobody", gid=12, umask=0o27),
        paths=["/srv"],
    )
    twin = restore(capture(application).stream, Policy.everything())
    assert isinstance(twin, Application)
    assert (twin.name, twin.process, twin.paths) == ("web", application.process, ["/srv"])
    assert twin.services.get("one") is not None


def test_two_applications_share_nothing() -> None:
    one, two = Application("one"), Application("two")
    assert one.registry is not two.registry
    assert one.services is not two.services
    assert one.paths is not two.paths


@pytest.mark.parametrize("name", ["web", "web 2", "Bücher", "a.b", "x" * 100])
def test_a_name_may_be_anything_that_fits_a_file_name(name: str) -> None:
    assert Application(name).name == name


@pytest.mark.parametrize(
    "name", ["", ".", "..", ".web", "a/b", "a\0b", "a\nb", "x" * 101, "ü" * 51]
)
def test_a_name_that_no_file_could_have_is_refused(name: str) -> None:
    with pytest.raises(ApplicationError, match="application: name is"):
        Application(name)
    application = Application("fine")
    with pytest.raises(ApplicationError):
        application.name = name


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("uid", -1),
        ("uid", ""),
        ("uid", True),
        ("gid", -5),
        ("gid", 1.5),
        ("umask", -1),
        ("umask", 0o1000),
    ],
)
def test_settings_that_cannot_be_are_refused(setting: str, value: Any) -> None:
    with pytest.raises(ApplicationError, match=f"application: {setting} is") as caught:
        ProcessSettings(**{setting: value})
    assert caught.value.value == value
