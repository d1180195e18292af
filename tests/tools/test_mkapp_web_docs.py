"""The page of the options, and the commands that take them."""

import os
import re
from pathlib import Path

import httpx2

from perdure.tools.kinds.weboptions import OPTIONS

from .conftest import Workshop

PAGE = Path(__file__).parents[2] / "docs" / "web-options.md"


def test_the_page_has_each_option_in_its_section() -> None:
    sections: dict[str, set[str]] = {}
    for option in OPTIONS:
        sections.setdefault(option.section, set()).update(option.opts)
    shown: dict[str, set[str]] = {}
    for part in PAGE.read_text().split("\n## ")[1:]:
        cells = re.findall(r"^\| (`-.*?) \|", part, re.MULTILINE)
        names = re.findall(r"`(-[a-z-]+)", " ".join(cells))
        shown[part.partition("\n")[0]] = set(names)
    assert shown == sections


def test_the_help_lists_options_by_section(workshop: Workshop) -> None:
    text = workshop.mkapp("web", "--help").out
    sections = re.findall(r"^(\w[\w ]*):$", text, re.MULTILINE)
    assert sections == [*dict.fromkeys(option.section for option in OPTIONS), "Options"]
    for option in OPTIONS:
        assert all(re.search(rf"(^|\s){name}\b", text, re.MULTILINE) for name in option.opts)


def test_a_site_of_many_options_is_the_same_in_every_syntax(workshop: Workshop, site: Path) -> None:
    (workshop.folder / "hosts" / "b.org").mkdir(parents=True)
    (workshop.folder / "hosts" / "b.org" / "index.html").write_text("b")
    (workshop.folder / "lost.html").write_text("lost {{ path }}")
    options = (
        *("--path", site, "--vhost", f"a.org={site}", "--host-folder", "hosts", "--users"),
        *("--redirect", "/old=/new", "--alias", "/us=/about.html", "--rewrite", "/(x+)", r"/\1y"),
        *("--proxy", "/api=tcp:1:interface=127.0.0.1", "--not-found", "lost.html"),
        *(
            "--compress",
            "--csp",
            "default-src 'self'",
            "--cors",
            "*",
            "--cache-control",
            "no-cache",
        ),
        *("--trusted-proxy", "127.0.0.1", "--port", "0", "--cgi", "--spa", "index.html"),
    )
    for name in ("site.snap", "site.snap.xml", "site.snap.py"):
        workshop.mkapp("web", *options, "-o", name)
    server = workshop.start("-f", "site.snap.py")
    with httpx2.Client(base_url=server.url) as client:
        assert client.get("/us").headers["cache-control"] == "no-cache"
        assert client.get("/", headers={"Host": "b.org"}).text == "b"
        assert client.get("/old").headers["location"] == "/new"
        assert client.get("/api/").status_code == 502
        assert client.get("/~nobody-here/").text == "lost /~nobody-here/"
    assert server.stop().status == 0
    diff = workshop.run("appconvert", "--diff", "site.snap", "site.snap.xml")
    assert (diff.status, diff.err) == (0, "")


def test_a_mistake_costs_one_line(workshop: Workshop, site: Path) -> None:
    result = workshop.run("mkapp", "web", "--path", site, "--vhost", "a b=.")
    assert result.status == os.EX_USAGE
    assert result.err.count("\n") == 1
    assert "--vhost a b=.: host 'a b'" in result.err
    assert "web.snap" not in workshop.files()
