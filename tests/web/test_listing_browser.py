"""A listing as a browser shows it: without scripts, on a phone and on a desk, by day and by night."""

import os
from pathlib import Path

import pytest

from perdure.app.web.static import File

from ..convert.browser import EXECUTABLE, Browser, browsing
from .conftest import Serve

NAMES = "$$('tbody .name a').map((each) => each.textContent.trim())"


def go(tab: Browser, url: str) -> None:
    """Open the page at `url`."""
    tab.call("Page.navigate", url=url)
    tab.run(f"until(() => location.href === {url!r} && document.readyState === 'complete')")


@pytest.mark.skipif(EXECUTABLE is None, reason="no Chromium here")
def test_a_listing_is_sorted_by_links_and_fits_every_screen(serve: Serve, tmp_path: Path) -> None:
    folder = tmp_path / "site"
    (folder / "box").mkdir(parents=True)
    long = "a name " * 30 + "end"
    for name, size in (("b.txt", 10), ("c.png", 3000), (long, 20), ("w" * 120, 1)):
        (folder / name).write_bytes(b"x" * size)
    served = serve(File(folder))
    pictures = Path(os.environ.get("PERDURE_TEST_PICTURES", tmp_path))
    with browsing(tmp_path / "profile") as tab:
        for width, scheme in ((1200, "dark"), (390, "light")):
            tab.resize(width, 800, scheme)
            go(tab, served.url("/"))
            assert tab.run(NAMES) == ["box/", long, "b.txt", "c.png", "w" * 120]
            assert tab.run("document.scripts.length") == 0
            assert tab.run("document.documentElement.scrollWidth <= innerWidth")
            assert tab.run("$$('th a, tbody a').every((each) => each.getClientRects().length)")
            tab.picture(pictures / f"listing-{width}.png")
            go(tab, tab.run("$('th.size a').href"))
            assert tab.run(NAMES)[:3] == ["box/", "c.png", long]
            assert tab.run("$('th.size').ariaSort") == "descending"
        go(tab, tab.run("$('tbody .name a').href"))
        assert tab.run("texts('td')")[-1] == "This folder is empty."
        assert tab.complaints == []
