"""The commands, when a part of the state cannot be loaded: real servers, in every syntax."""

import re
import shutil
import signal
from pathlib import Path

import attrs
import pytest

from .conftest import Running, Workshop

SHOP = """
from perdure.app.mutations import mutation

class Basket:
    def __init__(self):
        self.things = []

class Book:
    def __init__(self):
        self.lines = []

    @mutation
    def note(self, line):
        self.lines.append(line)
"""
INNER = """
class Thing:
    def __init__(self, number):
        self.number = number
"""
VISITS = """
class Counter:
    def __init__(self):
        self.value = 0
        self.basket = None
"""
PAGE = """
from perdure.app.web.resource import Resource
{imports}

class Page(Resource):
    is_leaf = True

    def render_GET(self, request):
        counter = registry.get_component(visits.Counter, default=visits.Counter)
{body}

resource = Page()
"""
BUY = PAGE.format(
    imports="import shop, inner, visits",
    body="""
        counter.basket = basket = registry.get_component(shop.Basket, default=shop.Basket)
        basket.things.append(inner.Thing(len(basket.things)))
        book = registry.get_component(shop.Book, default=shop.Book)
        book.note(inner.Thing(len(book.lines)))
        numbers = [thing.number for thing in basket.things]
        return f"{numbers} {[each.number for each in book.lines]}"
""",
)
COUNT = PAGE.format(
    imports="import visits",
    body="""
        counter.value += 1
        return f"{counter.value} {counter.basket!r}"
""",
)
LOOK = PAGE.format(
    imports="import shop, visits", body="        registry.get_component(shop.Basket)"
)


@attrs.define
class Town:
    """A site whose modules come and go."""

    workshop: Workshop
    file: str

    @property
    def library(self) -> Path:
        return self.workshop.folder / "library"

    def start(self) -> Running:
        return self.workshop.start("-f", self.file)

    def take_away(self, name: str) -> None:
        shutil.rmtree(self.library / "__pycache__", ignore_errors=True)
        (self.library / f"{name}.py").rename(self.workshop.folder.parent / f"{name}.kept")

    def bring_back(self, name: str) -> None:
        (self.workshop.folder.parent / f"{name}.kept").rename(self.library / f"{name}.py")


@pytest.fixture
def town(workshop: Workshop, request: pytest.FixtureRequest) -> Town:
    made = Town(workshop, getattr(request, "param", "web.snap"))
    made.library.mkdir()
    site = workshop.folder / "site"
    site.mkdir()
    for name, text in (("shop", SHOP), ("inner", INNER), ("visits", VISITS)):
        (made.library / f"{name}.py").write_text(text)
    for name, text in (("buy", BUY), ("count", COUNT), ("look", LOOK)):
        (site / f"{name}.rpy").write_text(text)
    workshop.mkapp(
        "-o", made.file, "--pythonpath", "library", "web", "--path", "site", "--port", "0"
    )
    return made


def state_of(town: Town) -> Path:
    (found,) = town.workshop.folder.glob("web-shutdown.snap*")
    return found


def parked_lines(said: str) -> list[str]:
    return re.findall(r"(\S+) is parked: inner\.Thing: there is no module inner", said)


SYNTAXES = pytest.mark.parametrize(
    "town", ["web.snap", "web.snap.xml", "web.snap.py"], indirect=True
)


@SYNTAXES
@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
def test_what_is_parked_comes_back(town: Town, end: int) -> None:
    server = town.start()
    for _ in range(3):
        server.get("buy.rpy")
    server.stop(end)
    town.take_away("inner")
    for number, stop in enumerate((signal.SIGKILL, signal.SIGTERM, signal.SIGKILL)):
        server = town.start()
        assert sorted(parked_lines(server.said)) == ["shop.Basket", "shop.Book"]
        assert server.get("count.rpy") == f"{number + 1} <parked: shop.Basket>"
        server.stop(stop)
    town.bring_back("inner")
    server = town.start()
    assert server.said.count(" is back: it was parked since ") == 2
    assert server.get("buy.rpy") == "[0, 1, 2, 3] [0, 1, 2, 3]"
    server.stop()
    server = town.start()
    assert " parked" not in server.said
    assert server.get("buy.rpy") == "[0, 1, 2, 3, 4] [0, 1, 2, 3, 4]"


def test_a_page_that_needs_it_says_nothing_of_why_and_the_log_does_in_one_line(town: Town) -> None:
    server = town.start()
    server.get("buy.rpy")
    server.stop()
    town.take_away("inner")
    server = town.start()
    import httpx2

    reply = httpx2.get(server.url + "look.rpy")
    assert reply.status_code == 503
    assert "inner" not in reply.text
    (line,) = [line for line in server.stop().out.splitlines() if "look.rpy HTTP" in line]
    assert "shop.Basket is parked: inner.Thing: there is no module inner" in line


def test_a_checkpoint_carries_what_is_parked(town: Town) -> None:
    server = town.start()
    server.get("buy.rpy")
    server.stop(signal.SIGKILL)
    town.take_away("inner")
    server = town.start()
    server.get("count.rpy")
    server.process.send_signal(signal.SIGUSR1)
    assert server.process.stdout is not None
    assert any("checkpoint " in line for line in server.process.stdout)
    server.get("count.rpy")
    server.stop(signal.SIGKILL)
    town.bring_back("inner")
    server = town.start()
    assert server.get("buy.rpy") == "[0, 1] [0, 1]"


def test_it_is_carried_through_every_syntax(town: Town) -> None:
    server = town.start()
    server.get("buy.rpy")
    server.stop()
    town.take_away("inner")
    town.start().stop()
    run = town.workshop.run
    previous = state_of(town)
    for form, name in (
        ("xml", "one.snap.xml"),
        ("source", "two.snap.py"),
        ("pickle", "three.snap"),
    ):
        done = run("appconvert", "--to", form, "-o", name, previous)
        assert done.status == 0, done
        listed = run("appconvert", "--parked", name)
        assert re.findall(r"^(\S+): inner\.Thing: ", listed.out, re.MULTILINE) == [
            "shop.Basket",
            "shop.Book",
        ]
        previous = town.workshop.folder / name
    assert run("appconvert", "--diff", state_of(town), "three.snap").status == 0
    town.bring_back("inner")
    server = town.workshop.start("-f", "three.snap")
    assert server.get("buy.rpy") == "[0, 1] [0, 1]"


@pytest.fixture
def parked(town: Town) -> Path:
    """The file of a state with two components that are parked."""
    server = town.start()
    server.get("buy.rpy")
    server.stop()
    town.take_away("inner")
    town.start().stop()
    return state_of(town)


@SYNTAXES
def test_a_renamed_class_is_repaired(town: Town, parked: Path) -> None:
    done = town.workshop.run(
        "appconvert", "--parked", "--rename", "inner.Thing=outer.Item", "--force", parked
    )
    assert done.status == 0, done
    assert "inner.Thing is outer.Item in shop.Basket, shop.Book" in done.out
    (town.library / "outer.py").write_text(INNER.replace("Thing", "Item"))
    server = town.start()
    assert server.said.count(" is back: ") == 2
    assert re.match(r"1 <shop\.Basket object", server.get("count.rpy"))


def test_it_is_dropped_by_its_exact_name_only(town: Town, parked: Path) -> None:
    run = town.workshop.run
    for name in ("shop", "shop.basket", "shop.Basket:", "visits.Counter", ""):
        done = run("appconvert", "--parked", "--drop", name, "--force", parked)
        assert done.status in (64, 65, 2), done
    before = parked.read_bytes()
    assert run("appconvert", "--parked", "--drop", "shop.Basket", parked).status == 73
    assert parked.read_bytes() == before
    done = run("appconvert", "--parked", "--drop", "shop.Basket", "--force", parked)
    assert done.status == 0, done
    assert "shop.Basket is dropped\napplication.registry[visits.Counter]: basket: None" in done.out
    server = town.start()
    assert parked_lines(server.said) == ["shop.Book"]
    assert server.get("count.rpy") == "1 None"


def mistakes(path: Path) -> list[tuple[list[str | Path], str]]:
    return [
        ([path, "--drop", "nothing"], "--drop nothing: it is not parked; parked here: shop.Basket"),
        ([path, "--rename", "a.B=c.D"], "nothing that is parked names a.B; named are: inner.Thing"),
        ([path, "--rename", "inner"], "expected OLD=NEW"),
        ([path, "--rename", "inner=9"], "expected OLD=NEW"),
        ([path, "--rename", "shop.Basket=visits.Counter"], "another component visits.Counter"),
        ([path, path], "expected --parked FILE"),
        ([], "expected --parked FILE"),
        (["none.snap"], "there is no such file"),
        (["library/shop.py"], "it is not a snapshot"),
        ([path, "--check"], "say what to do, one of: "),
    ]


def test_mistakes_are_told_in_one_line_and_change_nothing(town: Town, parked: Path) -> None:
    before = parked.read_bytes()
    for arguments, words in mistakes(parked):
        force = ["--force"] if "--rename" in arguments or "--drop" in arguments else []
        done = town.workshop.run("appconvert", "--parked", *arguments, *force)
        assert done.status != 0, arguments
        assert words in done.err, (arguments, done)
        assert done.err.count("\n") <= 3
        assert "Traceback" not in done.err
    assert parked.read_bytes() == before


def test_where_nothing_is_parked_that_is_said(town: Town) -> None:
    done = town.workshop.run("appconvert", "--parked", town.file)
    assert (done.status, done.out) == (0, f"{town.file}: nothing is parked\n")
    done = town.workshop.run("appconvert", "--parked", town.file, "--rename", "a=b", "--force")
    assert "nothing is parked in it" in done.err


def test_what_a_service_needs_refuses_the_start(town: Town) -> None:
    special = town.workshop.folder / "special.py"
    special.write_text(
        "from perdure.app.service import Service\nclass Special(Service):\n    pass\n"
    )
    config = town.workshop.folder / "config.py"
    config.write_text(
        "from perdure.app.application import Application\n"
        "from special import Special\n"
        "application = Application('own')\napplication.services.append(Special(name='it'))\n"
    )
    run = town.workshop.run
    server = town.workshop.start("-y", "config.py")
    server.stop()
    special.unlink()
    done = run("rundaemon", "-n", "-f", "own-shutdown.snap")
    assert done.status == 65
    assert "special.Special: application.services[0] needs it, which cannot be parked" in done.err


def test_what_is_concealed_from_somebody_is_listed_and_dropped_and_not_renamed(
    town: Town, parked: Path
) -> None:
    run = town.workshop.run
    assert run("appconvert", "--to", "source", parked, "-o", "gift.snap.py").status == 0
    town.workshop.environment["PERDURE_HOME"] = str(town.workshop.folder / "another")
    listed = run("appconvert", "--parked", "gift.snap.py")
    assert listed.status == 0, listed
    assert re.search(
        r"^shop\.Basket: inner\.Thing: .*; since \S+, concealed$", listed.out, re.MULTILINE
    )
    renamed = run(
        *("appconvert", "--parked", "--rename", "inner.Thing=outer.Item", "gift.snap.py"),
        *("-o", "renamed.snap.py"),
    )
    assert renamed.status == 65
    assert "is concealed with a key that this user has not" in renamed.err
    assert not (town.workshop.folder / "renamed.snap.py").exists()
    dropped = run(
        *("appconvert", "--parked", "--drop", "shop.Basket", "--drop", "shop.Book"),
        *("gift.snap.py", "-o", "dropped.snap.py"),
    )
    assert dropped.status == 0, dropped


@pytest.mark.parametrize(
    ("pattern", "instead"),
    [(r"commands=\(\)", "commands=5"), (r"since='[^']*',", ""), (r"names=\(", "names=0 or (")],
    ids=["another", "missing", "none"],
)
def test_what_an_edit_has_spoilt_is_told_by_its_place(
    town: Town, parked: Path, pattern: str, instead: str
) -> None:
    run = town.workshop.run
    text = town.workshop.folder / "edited.snap.py"
    assert run("appconvert", "--to", "source", "--reveal", parked, "-o", text).status == 0
    edited, count = re.subn(pattern, instead, text.read_text())
    assert count
    text.write_text(edited)
    for options in ([], ["--drop", "nothing", "-o", "no.snap"]):
        done = run("appconvert", "--parked", text, *options)
        assert done.status == 65, done
        assert done.err.count("\n") == 1
