"""``mkapp --append``, and a new blueprint over an old state, bring up what is there, or refuse."""

import os
from pathlib import Path

import pytest

from perdure.persist import snapshot

from .conftest import Workshop
from .releases import FIRST, HEAD, SECOND, Shop

BROUGHT_UP = "shop.Visits: 1 object brought up by the step to 2"
FAILING = SECOND.replace("pass", "1 / 0")
EARLIER = """
    @attrs.define
    class Visits:
        total: int = 0
        colour: str = "red"
"""
MOVED_PAGE = HEAD.replace("class Page", '@schema(version=2, was=("shop.Page",))\nclass Page') + (
    "\n@upgrades(Page, to=2)\ndef nothing(state):\n    return state\n"
)


@pytest.fixture
def shop(workshop: Workshop) -> Shop:
    """The first release, which has had two visits."""
    workshop.environment["PYTHONDONTWRITEBYTECODE"] = "1"
    made = Shop(workshop)
    made.release(FIRST)
    made.build()
    made.visited(2)
    return made


def move(shop: Shop, head: str, text: str) -> None:
    """Have the module called `front` from now on."""
    shop.release(text, head)
    os.rename(shop.folder / "shop.py", shop.folder / "front.py")


def test_a_new_blueprint_takes_the_state_of_an_earlier_release(shop: Shop) -> None:
    old = shop.state()["shop-shutdown.snap"]
    shop.release(SECOND)
    shop.build("--add-header", "X-Release: 2")
    server = shop.start()
    assert BROUGHT_UP in server.said
    assert server.get("") == "visit 3, red"
    assert server.stop().status == 0
    assert (shop.folder / "shop.generations" / "000001.snap").read_bytes() == old


def test_a_new_blueprint_takes_what_the_journal_has_of_an_earlier_release(shop: Shop) -> None:
    shop.visited(2, stopped=False)
    shop.release(SECOND)
    shop.build()
    server = shop.start()
    assert "brought up by the step to 2" in server.said
    assert server.get("") == "visit 5, red"
    assert server.stop().status == 0


def test_a_new_blueprint_of_other_modules_takes_the_state_that_names_the_old(shop: Shop) -> None:
    move(shop, HEAD + 'moved("shop", "front")\n', SECOND)
    shop.workshop.mkapp("web", "--class", "front.Page", "--port", "0", "--output", "shop.snap")
    server = shop.start()
    assert server.get("") == "visit 3, red"
    assert server.stop().status == 0


@pytest.mark.parametrize(
    ("release", "refusal"),
    [
        (FAILING, "its step to version 2 raised ZeroDivisionError"),
        (SECOND.replace("version=2", "version=3"), "no step leads to version 3"),
    ],
)
def test_a_new_blueprint_refuses_the_state_that_cannot_be_brought_up(
    shop: Shop, release: str, refusal: str
) -> None:
    shop.release(release)
    shop.build()
    before = shop.state()
    refused = shop.workshop.run("rundaemon", "-n", "-f", "shop.snap")
    assert refused.status == os.EX_DATAERR
    assert refusal in refused.err
    assert refused.err.count("\n") == 1
    after = shop.state()
    assert {name: after[name] for name in before} == before
    shop.release(SECOND)
    assert shop.start().get("") == "visit 3, red"


def test_a_state_of_newer_code_is_refused_under_an_older_blueprint(shop: Shop) -> None:
    shop.release(SECOND)
    shop.visited()
    shop.release(EARLIER)
    before = shop.state()
    refused = shop.workshop.run("rundaemon", "-n", "-f", "shop.snap")
    assert refused.status == os.EX_DATAERR
    assert "its state is of version 2, and the code here has version 1" in refused.err
    after = shop.state()
    assert {name: after[name] for name in before} == before
    shop.release(SECOND)
    assert shop.start().get("") == "visit 4, red"


@pytest.mark.parametrize("suffix", ["", ".xml", ".py"])
def test_a_service_is_added_to_a_state_that_is_brought_up(shop: Shop, suffix: str) -> None:
    target = f"shop-shutdown.snap{suffix}"
    if suffix:
        syntax = {".xml": "xml", ".py": "source"}[suffix]
        done = shop.workshop.run("appconvert", "--to", syntax, "shop-shutdown.snap")
        assert done.status == 0, done
    shop.release(SECOND)
    done = shop.workshop.mkapp("web", "--class", "shop.Page", "--port", "0", "--append", target)
    assert f"mkapp: {BROUGHT_UP}" in done.err.splitlines()
    found = snapshot.read(shop.folder / target).passport
    assert (found.holds, found.application) == ("state", "shop")
    assert found.classes["shop:Visits"].startswith("2; ")
    server = shop.workshop.start("-f", target)
    assert "brought up" not in server.said
    assert server.get("") == "visit 3, red"
    assert server.stop().status == 0


def test_a_service_is_added_to_a_blueprint_whose_classes_have_moved(shop: Shop) -> None:
    move(shop, MOVED_PAGE + 'moved("shop", "front")\n', FIRST)
    done = shop.workshop.mkapp(
        "web", "--class", "front.Page", "--port", "0", "--append", "shop.snap"
    )
    assert "mkapp: shop.Page is front.Page now" in done.err.splitlines()
    assert "mkapp: front.Page: 1 object brought up by the step to 2" in done.err.splitlines()
    server = shop.start()
    assert server.get("") == "visitor 3"
    assert server.stop().status == 0
    assert not any("shop" in name for name in names(shop.folder / "shop.snap"))


def names(path: Path) -> tuple[str, ...]:
    return tuple(name.partition(":")[0] for name in snapshot.read(path).passport.names)


@pytest.mark.parametrize(
    ("release", "refusal"),
    [
        (FAILING, "its step to version 2 raised ZeroDivisionError"),
        (SECOND.replace("version=2", "version=3"), "no step leads to version 3"),
        ("import nothing_of_the_kind", "needs a module nothing_of_the_kind"),
    ],
)
def test_nothing_is_written_where_what_is_added_to_cannot_be_brought_up(
    shop: Shop, release: str, refusal: str
) -> None:
    shop.release(release, HEAD if "class" in release else "")
    before = shop.files()
    for more in ((), ("--output", "other.snap")):
        done = shop.workshop.run(
            "mkapp", "web", "--path", ".", "--append", "shop-shutdown.snap", *more
        )
        assert done.status == os.EX_DATAERR
        assert refusal in done.err
        assert done.err.count("\n") == 1
        assert shop.files() == before


def test_a_state_that_was_added_to_is_still_the_newest(shop: Shop) -> None:
    before = snapshot.read(shop.folder / "shop-shutdown.snap").passport
    shop.workshop.mkapp(
        *("web", "--class", "shop.Page", "--port", "0", "--append", "shop-shutdown.snap")
    )
    after = snapshot.read(shop.folder / "shop-shutdown.snap").passport
    assert (after.holds, after.sequence) == ("state", before.sequence)
    assert after.written > before.written
    for name in ("shop-shutdown.snap", "shop.snap"):
        server = shop.workshop.start("-f", name)
        assert "left aside" not in server.said
        assert "not taken" not in server.said
        server.get("")
        assert server.stop().status == 0
    assert "value: 4" in shop.workshop.run("appconvert", "--show", "shop-shutdown.snap").out
