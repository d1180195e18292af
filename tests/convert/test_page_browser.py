"""The page in a browser, as a person has it."""

import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from perdure.persist.place import Field, Item, show

from .browser import EXECUTABLE, Browser, browsing
from .pages import HOSTILE, Maker

pytestmark = [
    pytest.mark.skipif(EXECUTABLE is None, reason="chromium is not installed"),
    pytest.mark.timeout(180),
]


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browsing(tmp_path_factory.mktemp("chromium") / "profile") as browser:
        yield browser


@pytest.fixture
def browser(chromium: Browser) -> Iterator[Browser]:
    chromium.resize(1280, 800)
    yield chromium
    assert chromium.complaints == []
    # The one request is for the page itself.
    assert len(chromium.requests) == 1


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An application with a counter, a guest book, a user with a secret, and what they share."""
    maker = Maker()
    tags = ["lighthouse", "sea"]
    entries = [
        maker.make("visits:Entry", author=f"guest {number}", message=f"message {number}", tags=tags)
        for number in range(450)
    ]
    components = {
        "visits.Counter": maker.make("visits:Counter", value=41),
        "visits.GuestBook": maker.make("visits:GuestBook", entries=entries, room=500),
        "users.User": maker.make("users:User", login="ada", password="correct-horse"),
    }
    root = maker.make(
        "perdure.app.application:Application",
        services=["tcp:8080", "x" * 3000],
        registry=maker.make("perdure.app.registry:Registry", _components=components),
        newest=entries[-1],
    )
    path = tmp_path_factory.mktemp("site") / "web.snap.html"
    return maker.page(path, root, {"users:User": ("password",)})


def test_it_says_whose_snapshot_it_is(browser: Browser, site: Path) -> None:
    browser.open(site)
    assert browser.run("document.title") == "web: state"
    assert browser.run("$('h1').textContent") == "web"
    summary = browser.run("$('#summary').textContent")
    assert "2026-11-21T05:47:19Z" in summary
    assert "signed by 00010203" in summary
    browser.run("$('#passport summary').click()")
    assert "/srv/<b>web</b>" in browser.run("$('#passport').textContent")


def test_a_row_unfolds_and_folds_again(browser: Browser, site: Path) -> None:
    browser.open(site)
    browser.run("row('visits.Counter').querySelector('.twist').click()")
    unfolded = browser.run("row('visits.Counter').getAttribute('aria-expanded')")
    browser.run("row('visits.Counter').click()")
    assert {unfolded, browser.run("row('visits.Counter').getAttribute('aria-expanded')")} == {
        "true",
        "false",
    }
    browser.run("row('registry').click()")
    assert browser.run("row('_components') === undefined")
    browser.run("row('registry').click()")
    assert browser.run("row('_components') !== undefined")


def test_many_items_unfold_in_ranges(browser: Browser, site: Path) -> None:
    browser.open(site)
    browser.run("unfold('visits.GuestBook')")
    browser.run("unfold('entries')")
    assert browser.run("texts('.row .label').filter((each) => each.includes('…'))") == [
        "0 … 199",
        "200 … 399",
        "400 … 449",
    ]
    browser.run("unfold('400')")
    assert browser.run("row('449:').textContent").startswith("449:visits.Entry")


def test_search_finds_classes_fields_keys_and_values(browser: Browser, site: Path) -> None:
    browser.open(site)
    for query, place in [
        ("visits:counter", "application.registry[visits.Counter]"),
        ("visits.counter", "application.registry[visits.Counter]"),
        ("VALUE", "application.registry[visits.Counter].value"),
        ("41", "application.registry[visits.Counter].value"),
        ("tcp:80", "application.services[0]"),
        ("guest 123", "application.registry[visits.GuestBook].entries[123].author"),
        ("xxxx", "application.services[1]"),
    ]:
        assert place in browser.run(f"search({query!r}).then(() => texts('#found .place'))"), query
    browser.run("search('correct-horse')")
    assert browser.run("texts('#found .place')") == []


def test_what_is_found_is_opened_one_after_the_other(browser: Browser, site: Path) -> None:
    browser.open(site)
    browser.run("search('message 43')")
    assert browser.run("$('#count').textContent") == "11"
    browser.run("$('#next').click()")
    assert browser.run("$('#count').textContent") == "1 of 11"
    selected = "$('.row[aria-selected=true]')"
    assert "'message 43'" in browser.run(f"{selected}.textContent")
    browser.run("$('#next').click()")
    assert "'message 430'" in browser.run(f"{selected}.textContent")
    browser.run("$('#previous').click()")
    browser.run("$('#previous').click()")
    assert browser.run("$('#count').textContent") == "11 of 11"
    browser.run("$$('#found button')[3].click()")
    assert "'message 432'" in browser.run(f"{selected}.textContent")
    inside = f"{selected}.getBoundingClientRect()"
    assert 150 < browser.run(f"{inside}.top") < 800, "it has been scrolled to"


def test_many_results_come_in_pages(browser: Browser, site: Path) -> None:
    browser.open(site)
    browser.run("search('author')")
    assert browser.run("$('#count').textContent") == "450"
    assert browser.run("$$('#found li').length") == 100
    browser.run("$('#more').click()")
    assert browser.run("$$('#found li').length") == 200


def test_references_lead_to_each_other(browser: Browser, site: Path) -> None:
    browser.open(site)
    place = "application.newest.tags"
    browser.run("search('visits.entry')")
    browser.run("$$('#found button')[1].click()")
    browser.run("$('.row[aria-selected=true]').click()")
    browser.run(f"$$('.row .link').find((each) => each.textContent === 'same as {place}').click()")
    assert browser.run("$('#selected .place').textContent") == place
    browser.run("$('.row[aria-selected=true] .back').click()")
    assert browser.run("$('#selected h2').textContent") == "Referred to by 450 places"
    browser.run("$$('#selected .places .link')[9].click()")
    there = "application.registry[visits.GuestBook].entries[9].tags"
    assert browser.run("$('#selected > .place').textContent") == there


def test_the_nearest_place_is_where_an_object_unfolds(browser: Browser, site: Path) -> None:
    browser.open(site)
    browser.run("search('guest 449')")
    assert browser.run("texts('#found .place')") == ["application.newest.author"]


def test_the_treemap_leads_down_and_up_again(browser: Browser, site: Path) -> None:
    browser.open(site)
    assert browser.run("texts('.tile b')[0]") == "registry"
    assert browser.run("$('.tile').textContent").count(" kB") == 1
    browser.run("$('.tile').focus()")
    assert "application.registry: perdure.app.registry.Registry" in browser.run(
        "$('#told').textContent"
    )
    browser.run("$('.tile').click()")
    crumbs = browser.run("$('#crumbs').textContent")
    # What is nearly all of what holds it is passed through.
    steps = re.findall(r"[\w.\[\]]+", crumbs.removesuffix("show in the tree"))
    assert steps == [
        "application",
        "registry",
        "_components",
        "[visits.GuestBook]",
        "entries",
        "449",
        "Entry",
    ]
    browser.run("$('.tile').click()")
    browser.run("$$('#crumbs .link')[0].click()")
    assert browser.run("texts('.tile b')[0]") == "registry"
    browser.run("$$('#crumbs .link').at(-1).click()")
    assert browser.run("$('#selected > .place').textContent") == "application"


def test_the_tiles_fill_the_map_and_do_not_overlap(browser: Browser, site: Path) -> None:
    browser.open(site)
    for _ in range(3):
        boxes: list[dict[str, float]] = browser.run(
            "$$('#map > .tile').map((each) => each.getBoundingClientRect().toJSON())"
        )
        whole: dict[str, float] = browser.run("$('#map').getBoundingClientRect().toJSON()")
        covered = sum((box["width"] + 2) * (box["height"] + 2) for box in boxes)
        assert covered == pytest.approx(whole["width"] * whole["height"], rel=0.03)
        for index, one in enumerate(boxes):
            for other in boxes[:index]:
                apart = one["left"] >= other["right"] or other["left"] >= one["right"]
                assert apart or one["top"] >= other["bottom"] or other["top"] >= one["bottom"]
        browser.run("$('.tile').click()")


def test_a_secret_shows_as_hidden(browser: Browser, site: Path) -> None:
    assert b"correct-horse" not in site.read_bytes()
    browser.open(site)
    browser.run("search('password')")
    browser.run("$('#next').click()")
    assert (
        browser.run("$('.row[aria-selected=true]').textContent") == "password:hiddendeclared secret"
    )
    assert browser.run("$('#selected pre').textContent") == "hidden"


def test_hostile_texts_are_only_texts(browser: Browser, tmp_path: Path) -> None:
    maker = Maker()
    fields: dict[str, Any] = dict.fromkeys(HOSTILE, "x")
    items: list[Any] = [
        {text: text for text in HOSTILE},
        maker.make("<img src=y>:<b>Name</b>", **fields),
        maker.names.find("<i>", "</script><svg onload=alert(6)>"),
        [text * 50 for text in HOSTILE],
        {(text, 1): [text] for text in HOSTILE},
        set(HOSTILE),
        maker.make("os:system", *HOSTILE),
    ]
    browser.open(maker.page(tmp_path / "hostile.html", items))
    elements = "$$('body *:not(script)').map((each) => each.localName)"
    browser.run("$('#passport summary').click()")
    browser.run("$$('.row[aria-expanded=false]').forEach((each) => each.click())")
    browser.run("search('a')")
    for _ in range(12):
        browser.run("$('#next').click()")
    browser.run("$$('.tile').forEach((each) => each.focus())")
    browser.run("$('.tile')?.click()")
    assert not {"img", "svg", "b", "i"} & (
        set(browser.run(elements))
        - set(browser.run("$$('#map b, #map i, .bar').map((e) => e.localName)"))
    )
    assert "<img src=x onerror=alert(1)>" in browser.run("document.body.innerText")
    assert "\u202e" not in browser.run("$('#tree').textContent")
    assert "\\u202e" in browser.run("$('#tree').textContent")


def test_the_policy_forbids_what_a_script_might_try(browser: Browser, site: Path) -> None:
    browser.open(site)
    tried = browser.run("fetch('data:text/plain,x').then(() => 'went', () => 'forbidden')")
    assert tried == "forbidden"
    browser.run(
        "document.body.append(Object.assign(document.createElement('script'), {text: 'window.ran = 1'}))"
    )
    browser.run(
        "document.body.insertAdjacentHTML('beforeend', '<img src=x.png onerror=\"window.ran = 2\">')"
    )
    assert browser.run("window.ran") is None
    # Those three are what the browser complains of; and of nothing else.
    assert len(browser.complaints) >= 3
    assert all("Content Security Policy" in each for each in browser.complaints)
    browser.complaints.clear()


def test_the_keyboard_is_enough(browser: Browser, site: Path) -> None:
    browser.open(site)
    browser.press("/")
    assert browser.run("document.activeElement.id") == "query"
    browser.call("Input.insertText", text="visits.counter")
    browser.run("until(() => $('#found').getAttribute('aria-busy') === 'false')")
    browser.press("Enter")
    selected = "$('.row[aria-selected=true] .label').textContent"
    assert browser.run("document.activeElement === $('.row[aria-selected=true]')")
    assert browser.run(selected) == "visits.Counter"
    browser.press("ArrowRight", "ArrowRight")
    assert browser.run(selected) == "value"
    browser.press("ArrowLeft")
    assert browser.run(selected) == "visits.Counter"
    browser.press("ArrowLeft", "ArrowLeft")
    assert browser.run(selected) == "_components"
    browser.press("ArrowDown", "ArrowUp", "Home")
    assert browser.run(selected) == "application"
    browser.press("ArrowLeft")
    assert browser.run("$$('.row').length") == 1
    browser.press("Enter", "End")
    assert browser.run(selected) == "newest"
    assert browser.run("$$('[role=treeitem]').filter((each) => each.tabIndex === 0).length") == 1


def test_it_says_to_assistive_programs_what_it_is(browser: Browser, site: Path) -> None:
    browser.open(site)
    nodes = _accessible(browser)
    roles = [node["role"]["value"] for node in nodes if "role" in node]
    assert roles.count("tree") == 1
    assert roles.count("treeitem") == browser.run("$$('.row').length")
    assert roles.count("tab") == 3
    assert "searchbox" in roles
    assert _nameless(nodes) == []


def _accessible(browser: Browser) -> list[Any]:
    """The nodes as assistive programs have them, once the browser has named them all, or will not."""
    nodes: list[Any] = []
    for _ in range(200):
        nodes = browser.call("Accessibility.getFullAXTree")["nodes"]
        if not _nameless(nodes):
            break
        # Names are found after the layout, and that after the next frame.
        browser.run("new Promise((done) => requestAnimationFrame(() => done(true)))")
    return nodes


def _nameless(nodes: list[Any]) -> list[Any]:
    return [
        node
        for node in nodes
        if node.get("role", {}).get("value") in ("button", "treeitem", "searchbox", "tab")
        and not node.get("name", {}).get("value")
        and not node["ignored"]
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_it_fits_a_phone_and_a_desk_by_day_and_by_night(
    browser: Browser, site: Path, width: int, scheme: str
) -> None:
    browser.resize(width, 740, scheme)
    browser.open(site)
    paper = browser.run("getComputedStyle(document.body).backgroundColor")
    assert paper == ("rgb(251, 250, 247)" if scheme == "light" else "rgb(23, 24, 26)")
    for tab in browser.run(
        "$$('[role=tab]').filter((each) => each.offsetParent).map((each) => each.id)"
    ):
        browser.run(f"$('#{tab}').click()")
        assert browser.run("document.documentElement.scrollWidth") == width
        assert browser.run("document.documentElement.scrollHeight") == 740
    if width < 600:
        browser.run("search('visits.counter')")
        browser.run("$('#found button').click()")
        assert browser.run("$('#tab-tree').getAttribute('aria-selected')") == "true"


def test_a_place_of_any_depth_is_shown(browser: Browser, tmp_path: Path) -> None:
    root: dict[str, Any] = {"bottom": "here"}
    for _ in range(20_000):
        root = {"down": root}
    browser.open(Maker().page(tmp_path / "deep.html", root))
    browser.run("search('here')")
    browser.run("$('#next').click()")
    assert browser.run("$('.row[aria-selected=true]').textContent") == "bottom:'here'str"
    assert browser.run("$$('.row').length") < 100
    browser.run("$('#top').click()")
    assert browser.run("$('.row').textContent").startswith("application")


def test_fifty_thousand_objects_open_in_a_moment(browser: Browser, tmp_path: Path) -> None:
    maker = Maker()
    messages = [
        maker.make(
            "talk:Message", author=f"user-{number % 500}", tags=[number], text=f"text {number}"
        )
        for number in range(25_000)
    ]
    page = maker.page(tmp_path / "many.html", {"messages": messages})
    assert page.stat().st_size < 5_000_000
    begun = time.monotonic()
    browser.open(page)
    # A fifth of a second on an idle machine.
    assert time.monotonic() - begun < 10
    browser.run("search('text 24999')")
    browser.run("$('#next').click()")
    assert browser.run("$('#selected > .place').textContent") == "application[messages][24999].text"
    browser.run("$('#tab-space').click()")
    browser.run("$('.tile').click()")
    browser.run("$('.tile').click()")
    assert browser.run("$$('#map > .tile').length") > 20


def test_places_read_as_everywhere_in_perdure(browser: Browser, tmp_path: Path) -> None:
    keys: list[Any] = ["plain", "visits.Counter", "of two", "it's", 'say "so"', "a[b]", "", "9x"]
    keys += [
        "ünï",
        "tab\t",
        "back\\slash",
        7,
        -5,
        1.5,
        None,
        True,
        b"\0x",
        (1, "a b"),
        ("one", (2,)),
    ]
    keys += ["word" * 30, "two words " * 30, tuple(range(12))]
    maker = Maker()
    private = maker.make("m:Private", _items={"x": 1}, _field=2, **{"no name": 3})
    expected = [show([Item(key)]) for key in keys]
    expected += [
        show([Item("last"), Field("_items"), Item("x")]),
        show([Item("last"), Field("_field")]),
        show([Item("last"), Field("no name")]),
    ]
    root = {**dict.fromkeys(keys, 0), "last": private}
    browser.open(maker.page(tmp_path / "places.html", root))
    browser.run("['last', '_items'].forEach(unfold)")
    places: list[str] = browser.run(
        "$$('.row:not([aria-expanded])').map((each) => (each.click(), $('#selected > .place').textContent))"
    )
    assert [each for each in expected if each not in places] == []
