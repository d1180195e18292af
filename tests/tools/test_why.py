"""``appconvert --why``: whether a snapshot will load here, and why, before anybody tries."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import Workshop

FIRST = """
import attrs
from perdure.app.service import Service
from perdure.persist.schema import schema

class Counter:
    def __init__(self, value):
        self.value = value

@attrs.define
class Page:
    title: str
    visits: int
    old: int = 0

class Ticker(Service):
    pass

def make():
    return 1
"""
MAKE = """
import sys
from pathlib import Path
from perdure.app.application import Application
from perdure.persist import snapshot
from perdure.persist.trust import Signer
sys.path.insert(0, ".")
import visits
application = Application("web", paths=[str(Path.cwd())])
application.registry.set_component(visits.Counter, visits.Counter(41))
application.registry.set_component(visits.Page, visits.Page("home", 7, 1))
ticker = visits.Ticker()
ticker.name = "ticker"
if "ticker" in sys.argv:
    application.services.append(ticker)
snapshot.write(
    Path("web.snap"), application, application="web", holds="state", paths=application.paths,
    signer=None if "unsigned" in sys.argv else Signer.of_user(), origin="ab" * 32,
    syntax="xml" if "xml" in sys.argv else "pickle",
)
"""


@pytest.fixture
def site(workshop: Workshop) -> Workshop:
    write(workshop)
    return workshop


def write(workshop: Workshop, *arguments: str) -> None:
    workshop.folder.joinpath("visits.py").write_text(FIRST)
    subprocess.run(
        [sys.executable, "-c", MAKE, *arguments],
        cwd=workshop.folder,
        env={**workshop.environment, "PYTHONDONTWRITEBYTECODE": "1"},
        check=True,
    )


def code(workshop: Workshop, *changes: tuple[str, str]) -> None:
    """What the module is now."""
    text = FIRST
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    workshop.folder.joinpath("visits.py").write_text(text)


def why(workshop: Workshop, status: int, *arguments: str | Path) -> str:
    result = workshop.run("appconvert", "--why", *arguments, "web.snap")
    assert result.status == status, result
    assert result.err == ""
    return result.out


def test_what_is_as_it_was_will_load(site: Workshop) -> None:
    said = why(site, 0)
    assert said.startswith(
        "web.snap will load here\n- it is the state of the application web, written "
    )
    assert "- it comes from the snapshot abababababababab..., which is not beside it\n" in said
    assert "- it is signed by you, and may load all that it names\n" in said
    assert "- 2 classes and functions of the application are here as recorded\n" in said


def test_the_snapshot_that_it_comes_from_is_named_if_it_is_there(workshop: Workshop) -> None:
    workshop.folder.joinpath("site").mkdir()
    workshop.mkapp("web", "--path", "site")
    workshop.mkapp("web", "--path", "site", "--append", "web.snap", "-o", "more.snap")
    said = workshop.run("appconvert", "--why", "more.snap").out
    assert "- it comes from the snapshot " in said
    assert "..., which is web.snap\n" in said


def test_steps_new_gone_and_retyped_fields_are_told(site: Workshop) -> None:
    code(
        site,
        ("class Counter:", "@schema(version=3)\nclass Counter:"),
        ("    old: int = 0", "    rank: int = 5"),
        ("    visits: int", "    visits: float"),
    )
    module = site.folder / "visits.py"
    module.write_text(
        module.read_text() + "from perdure.persist.schema import upgrades\n"
        "@upgrades(Counter, to=2)\ndef two(state): raise SystemExit('not to be run')\n"
        "@upgrades(Counter, to=3)\ndef three(state): raise SystemExit('not to be run')\n"
    )
    said = why(site, 0)
    assert "- visits.Counter: the steps to version 2 and 3 will bring its states up\n" in said
    assert "- visits.Page: new, with a default: rank\n" in said
    assert "- visits.Page: gone: old; values are kept\n" in said
    assert "- visits.Page: the type of visits was int, and is float; values are checked\n" in said


def test_a_step_that_is_missing_stops_it(site: Workshop) -> None:
    code(site, ("class Counter:", "@schema(version=2)\nclass Counter:"))
    said = why(site, os.EX_DATAERR)
    assert said.startswith(
        "web.snap will not load here:\n! visits.Counter: its state is of version 1"
    )
    assert "no step leads to version 2; write one with @upgrades(Counter, to=2)" in said


def test_a_value_that_does_not_fit_stops_it(site: Workshop) -> None:
    code(site, ("    visits: int", "    visits: str"))
    said = why(site, os.EX_DATAERR)
    assert (
        "! visits.Page: its fields have other types now: application.registry[visits.Page].visits"
        in said
    )


def test_a_class_that_moved_is_told(site: Workshop) -> None:
    code(site, ("class Counter:", '@schema(was=("visits.Counter",))\nclass Tally:'))
    assert "- visits.Counter: it is visits.Tally now\n" in why(site, 0)


def test_what_only_components_need_may_be_missing(site: Workshop) -> None:
    code(site, ("class Counter:", "class Other:"))
    said = why(site, 0)
    assert "- visits.Counter: there is no Counter in the module visits" in said
    assert "until then the components that need it are parked, and the rest runs" in said


def test_what_a_service_needs_may_not_be_missing(workshop: Workshop) -> None:
    write(workshop, "ticker")
    code(workshop, ("class Ticker(Service):", "class Other(Service):"))
    said = why(workshop, os.EX_DATAERR)
    assert "! visits.Ticker: there is no Ticker in the module visits" in said


@pytest.mark.parametrize("syntax", ["pickle", "xml"])
def test_of_a_stranger_s_nothing_is_imported(workshop: Workshop, syntax: str) -> None:
    write(workshop, "unsigned", syntax)
    workshop.folder.joinpath("visits.py").write_text("open('touched', 'w').close()\n")
    said = why(workshop, os.EX_DATAERR)
    assert (
        "! this user has not signed the snapshot, and it names visits.Counter, visits.Page" in said
    )
    assert "if you trust who wrote it: --trust visits" in said
    assert "- of classes that may not be imported nothing more can be said\n" in said
    assert not workshop.folder.joinpath("touched").exists()


def test_a_stranger_s_is_looked_at_as_far_as_it_is_trusted(workshop: Workshop) -> None:
    write(workshop, "unsigned")
    said = why(workshop, 0, "--trust", "visits", "--pythonpath", workshop.folder)
    assert "and classes of Perdure that hold data; and the modules visits\n" in said
    assert "- 2 classes and functions of the application are here as recorded\n" in said


def test_the_blueprint_of_a_state_is_named(workshop: Workshop) -> None:
    workshop.folder.joinpath("site").mkdir()
    workshop.mkapp("web", "--path", "site", "--port", "0")
    workshop.start("-f", "web.snap").stop()
    said = workshop.run("appconvert", "--why", "web-shutdown.snap").out
    assert "- it ran from the blueprint " in said
    assert "..., which is web.snap\n" in said
    workshop.start("-f", "web.snap").stop()
    said = workshop.run("appconvert", "--why", "web-shutdown.snap").out
    assert "- it comes from the snapshot " in said
    assert "..., which is web.generations/000001.snap\n" in said
