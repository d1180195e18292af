"""The page that lists a folder."""

import os
import re
from collections.abc import Callable
from html import unescape
from pathlib import Path
from urllib.parse import unquote

import pytest

from perdure.app.web.files.listing import Order, row, size_text
from perdure.app.web.static import DEFAULT_PROCESSORS, File, withhold

from .conftest import Reply, Served

Serve = Callable[..., Served]


def links(reply: Reply) -> list[str]:
    """What the rows of the page lead to, in their order."""
    rows = reply.body.decode().partition("<tbody>")[2]
    return [unescape(link) for link in re.findall(r'<a href="([^"]*)"', rows)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    site = tmp_path / "site"
    (site / "box" / "inner").mkdir(parents=True)
    (site / "b.txt").write_bytes(b"x" * 1536)
    (site / "A.png").touch()
    (site / ".hidden").touch()
    return site


def test_folders_come_first_and_names_in_the_order_of_letters(serve: Serve, folder: Path) -> None:
    served = serve(File(folder))
    reply = served.get("/")
    assert (reply.status, reply.get("content-type")) == (200, "text/html; charset=utf-8")
    assert links(reply) == ["./box/", "./A.png", "./b.txt"]
    assert "1.5 KB" in reply.body.decode()
    assert links(served.get("/box/")) == ["../", "./inner/"]
    assert b"This folder is empty" in served.get("/box/inner/").body


def test_every_name_is_escaped_and_every_link_works(serve: Serve, folder: Path) -> None:
    names = ["<script>alert(1)</script>"[:-10], 'a"b&c', "100%", "a b#c?d", "javascript:x", "ü"]
    for name in names:
        (folder / name.replace("/", "")).write_text(name)
    served = serve(File(folder))
    page = served.get("/")
    assert b"<script>" not in page.body
    for link in links(page):
        assert link.startswith("./")
        if (name := unquote(link[2:])) in names:
            assert served.get("/" + link[2:]).body.decode() == name
    assert {unquote(link[2:]) for link in links(page)} >= set(names)


def test_what_would_not_be_served_is_not_listed(serve: Serve, folder: Path) -> None:
    for name in ("visits.py", "page.rpy", "page.rpy~"):
        (folder / name).touch()
    (folder / "__pycache__").mkdir()
    (folder / "out").symlink_to("/etc")
    (folder / "dangling").symlink_to("nowhere")
    (folder / "inside").symlink_to("b.txt")
    os.mkfifo(folder / "pipe")
    served = serve(File(folder, processors=DEFAULT_PROCESSORS))
    assert links(served.get("/")) == ["./box/", "./A.png", "./b.txt", "./inside", "./page.rpy"]


def test_a_folder_may_not_be_listed_where_that_is_switched_off(serve: Serve, folder: Path) -> None:
    assert serve(File(folder, listing=False)).get("/").status == 403


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (1023, "1.0 KB"),
        (10_240, "10 KB"),
        (5 * 1024**3, "5.0 GB"),
        (3000 * 1024**4, "3000 TB"),
    ],
)
def test_sizes_are_written_for_people(size: int, text: str) -> None:
    assert size_text(size) == text


def test_a_name_that_no_address_leads_to_is_not_listed(serve: Serve, folder: Path) -> None:
    Path(os.fsdecode(os.fsencode(folder) + b"/\xff.bin")).touch()
    (folder / "gr\u00fc\u00df.txt").touch()
    page = serve(File(folder)).get("/").body
    assert b".bin" not in page
    assert b"gr%C3%BC%C3%9F.txt" in page


# The order.


@pytest.fixture
def sizes(folder: Path) -> Path:
    for number, (name, size) in enumerate([("c", 10), ("B", 2000), ("d", 10), ("a", 300)]):
        (folder / "box" / name).write_bytes(b"x" * size)
        os.utime(folder / "box" / name, (1000 * number, 1000 * number))
    (folder / "box" / "zoo").mkdir()
    os.utime(folder / "box" / "zoo", (5000, 5000))
    return folder


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("", "inner/ zoo/ a B c d"),
        ("?sort=name", "inner/ zoo/ a B c d"),
        ("?sort=name&order=desc", "zoo/ inner/ d c B a"),
        ("?sort=size", "inner/ zoo/ B a c d"),
        ("?sort=size&order=asc", "inner/ zoo/ c d a B"),
        ("?sort=date&order=desc", "inner/ zoo/ a d B c"),
        ("?sort=date&order=asc", "zoo/ inner/ c B d a"),
        ("?sort=nonsense&order=nonsense", "inner/ zoo/ a B c d"),
        ("?sort=%22%3E%3Cscript%3E&order=asc&sort=size", "inner/ zoo/ a B c d"),
    ],
)
def test_a_listing_comes_in_the_order_that_is_asked_for(
    serve: Serve, sizes: Path, query: str, names: str
) -> None:
    reply = serve(File(sizes)).get(f"/box/{query}")
    assert [unquote(link[2:]) for link in links(reply)[1:]] == names.split()
    assert b"<script" not in reply.body


def test_the_heads_of_the_columns_sort_and_turn_the_order(serve: Serve, sizes: Path) -> None:
    served = serve(File(sizes))

    def heads(query: str) -> dict[str, tuple[str, str]]:
        """By column, what is told of the order, and the address that sorts by it."""
        page = served.get(f"/box/{query}").body.decode()
        found = re.findall(r'<th class="(\w+)"(?: aria-sort="(\w+)")?><a href="([^"]+)"', page)
        return {column: (order, unescape(link)) for column, order, link in found}

    assert heads("") == {
        "name": ("ascending", "?sort=name&order=desc"),
        "size": ("", "?sort=size&order=desc"),
        "date": ("", "?sort=date&order=desc"),
    }
    for column in ("name", "size", "date"):
        first = heads("?sort=name&order=desc")[column][1]
        again = heads(first)[column]
        assert again[0]
        assert again[1] != first
        assert heads(again[1])[column] == (
            {"ascending": "descending", "descending": "ascending"}[again[0]],
            first,
        )


def test_a_time_that_no_calendar_has_is_left_out(tmp_path: Path) -> None:
    status = os.stat(tmp_path)
    far = os.stat_result((*status[:8], 10**15, status[9]))
    assert row("far", far, "").modified == ""
    assert Order("date").sorted([row("far", far, ""), row("near", status, "")])[0].name == "near/"


def test_what_is_neither_run_nor_shown_is_not_listed(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "folder.rpy").mkdir()
    for name in ("page.rpy", "OTHER.RPY", "page.txt"):
        (tmp_path / name).touch()
    served = serve(File(tmp_path, processors={".rpy": withhold}))
    assert links(served.get("/")) == ["./folder.rpy/", "./page.txt"]
