"""Page scripts: they write a page, anew for every request."""

import logging
from pathlib import Path
from urllib.parse import urlencode

import pytest

from perdure.app.web.static import DEFAULT_PROCESSORS, File

from ..paper import Paper
from .conftest import Serve, Served

COUNTER = """\
from collections import Counter

visits = registry.get_component(Counter, default=Counter)
visits[request.path] += 1
write(f"visit {visits[request.path]}")
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    site = tmp_path / "site"
    site.mkdir(mode=0o755)
    return site


@pytest.fixture
def served(serve: Serve, folder: Path) -> Served:
    return serve(File(folder, processors=DEFAULT_PROCESSORS))


def page(folder: Path, text: str, name: str = "page.epy") -> None:
    (folder / name).write_text(text)
    (folder / name).chmod(0o644)


def test_what_is_written_is_the_page(served: Served, folder: Path) -> None:
    page(folder, "write('<p>')\nwrite(b'bytes ')\nwrite('grüße ' + request.args['a'])\n")
    reply = served.get("/page.epy?a=b")
    assert (reply.status, reply.body.decode()) == (200, "<p>bytes grüße b")
    assert reply.get("content-type") == "text/html; charset=utf-8"
    assert served.get("/page.epy?a=b", method="HEAD").body == b""
    assert served.get("/page.epy", method="POST").status == 400
    assert served.get("/page.epy", method="PUT").get("allow") == "GET, HEAD, OPTIONS, POST"


def test_status_and_headers_are_the_scripts_to_change(served: Served, folder: Path) -> None:
    page(
        folder,
        "status = 418\n"
        "headers.append(('Content-Type', 'text/plain'))\n"
        "headers += [('X-Place', __file__)]\n"
        "write('|'.join(request.postpath))",
    )
    reply = served.get("/page.epy/a/b")
    assert (reply.status, reply.body) == (418, b"a|b")
    assert reply.get("content-type") == "text/plain"
    assert reply.get("x-place") == str(folder / "page.epy")


def test_every_request_runs_it_anew(served: Served, folder: Path) -> None:
    page(
        folder,
        "assert 'seen' not in globals()\nseen = 1\n"
        "def tell():\n    return f'seen {seen}'\nwrite(tell())",
    )
    for _ in range(3):
        assert served.get("/page.epy").body == b"seen 1"


def test_it_is_the_index_of_its_folder(served: Served, folder: Path) -> None:
    page(folder, "write('index')", "index.epy")
    assert served.get("/").body == b"index"


def test_a_changed_script_runs_as_it_is_now(served: Served, folder: Path) -> None:
    for number in range(5):
        page(folder, f"write('{number}')")
        assert served.get("/page.epy").body == b"%d" % number


def test_it_may_wait_for_a_form(served: Served, folder: Path) -> None:
    page(
        folder,
        "form = await request.form()\nwrite(f\"{request.method} {form.fields.get('name')}\")",
    )
    body = urlencode({"name": "Ada"})
    with served.connect() as client:
        reply = client.ask(
            f"POST /page.epy HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n"
            f"Content-Type: application/x-www-form-urlencoded\r\n\r\n{body}".encode()
        )
    assert reply.body == b"POST Ada"


@pytest.mark.parametrize("awaiting", ["", "import asyncio\nawait asyncio.sleep(0)\n"])
def test_the_page_leaves_when_what_it_changed_is_durable(
    serve: Serve, folder: Path, awaiting: str
) -> None:
    page(folder, COUNTER + awaiting)
    served = serve(File(folder, processors=DEFAULT_PROCESSORS), journal=Paper())
    with served.connect() as client:
        client.send(b"GET /page.epy HTTP/1.1\r\nHost: x\r\n\r\n")
        served.held(1)
        assert client.silent()
        served.secure()
        assert client.reply().body == b"visit 1"


def test_modules_beside_it_can_be_imported_and_its_classes_used(
    served: Served, folder: Path
) -> None:
    page(folder, "def greet(name):\n    return f'hej {name}'\n", "pagehelp.py")
    page(
        folder,
        "from dataclasses import dataclass\nimport attrs\nfrom pagehelp import greet\n"
        "@dataclass\nclass A:\n    name: 'str'\n@attrs.define\nclass B:\n    a: 'A'\n"
        "write(greet(B(A('du')).a.name))",
    )
    assert served.get("/page.epy").body == b"hej du"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("write('a')\n1/0", 'page.epy", line 2, in <module>'),
        ("write(", "page.epy:1: SyntaxError"),
        ("await nothing", "name 'nothing' is not defined"),
        ("import asyncio\nawait asyncio.sleep(0)\n1/0", 'page.epy", line 3, in <module>'),
        ("write(1)", "write() takes text or bytes, not int: 1"),
        ("raise SystemExit", "SystemExit"),
        ("status = 1000", "a status is a number from 200 to 599"),
        ("headers = [('X', 'a\\r\\nb: c')]", "no control characters"),
        ("headers = 5", "'int' object is not iterable"),
    ],
)
def test_a_script_that_fails_is_500_and_the_log_says_where(
    served: Served, folder: Path, text: str, told: str, caplog: pytest.LogCaptureFixture
) -> None:
    page(folder, text)
    with caplog.at_level(logging.ERROR, "perdure.web"):
        for _ in range(2):
            reply = served.get("/page.epy")
            assert reply.status == 500
            assert b"epy" not in reply.body
    assert told in caplog.text


@pytest.mark.parametrize("await_first", ["", "import asyncio\nawait asyncio.sleep(0)\n"])
def test_it_may_answer_with_an_error_page(served: Served, folder: Path, await_first: str) -> None:
    raising = "from perdure.app.web.errors import HTTPError\nraise HTTPError(451, 'not <here>')"
    page(folder, await_first + raising)
    reply = served.get("/page.epy")
    assert reply.status == 451
    assert b"not &lt;here&gt;" in reply.body


def test_what_others_may_write_is_not_run(
    served: Served, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    page(folder, "write('run')")
    (folder / "page.epy").chmod(0o666)
    with caplog.at_level(logging.ERROR, "perdure.web"):
        assert served.get("/page.epy").status == 500
    assert "page.epy is not run: others may write to it" in caplog.text
    (folder / "page.epy").chmod(0o644)
    assert served.get("/page.epy").body == b"run"


def test_its_source_is_never_shown(serve: Serve, folder: Path) -> None:
    page(folder, "write('secret'[:0])")
    page(folder, "write('secret'[:0])", "page.epy~")
    served = serve(File(folder, processors=DEFAULT_PROCESSORS, ignored_extensions=["*"]))
    for path in ("/page.epy", "/page", "/page.epy~", "/page.EPY", "/page.epy%00", "/page.epy."):
        assert b"secret" not in served.get(path).body
