"""Nothing outside of a folder is reached, by any spelling of a path or any link."""

import contextlib
import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from perdure.app.web.errors import HTTPError
from perdure.app.web.files.folder import Folder
from perdure.app.web.static import DEFAULT_PROCESSORS, File

from .conftest import Served

Serve = Callable[..., Served]
SECRET = b"the secret"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A site with secrets around it and in its dark corners."""
    site = tmp_path / "site"
    (site / "sub" / ".git").mkdir(parents=True)
    (site / "sub" / "page.html").write_text("open")
    for secret in (
        tmp_path / "secret.txt",
        tmp_path / "site-other.txt",
        site / ".htpasswd",
        site / "sub" / ".git" / "config",
    ):
        secret.write_bytes(SECRET)
    (tmp_path / "site2").mkdir()
    (tmp_path / "site2" / "secret.txt").write_bytes(SECRET)
    return site


_STEPS = (
    "..",
    "%2e%2e",
    "%2E.",
    ".%2e",
    "%252e%252e",
    "..%2f",
    "..%2f..",
    "..%5c",
    "..\\",
    "%c0%ae%c0%ae",
    "%e0%80%ae%e0%80%ae",
    "...",
    "....",
    ".. ",
    "..;",
    "..%00",
    ".",
    "",
    "%2f",
    "%2fetc",
    "~",
    "sub",
    "SUB",
    "sub.",
    "site",
    "site2",
    "secret.txt",
    "secret.txt%00.html",
    "site-other.txt",
    ".htpasswd",
    ".htpasswd.",
    "%2ehtpasswd",
    ".git",
    "config",
    "page.html",
)


@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(path=st.lists(st.sampled_from(_STEPS), max_size=7), base=st.sampled_from(["/", "//", ""]))
def test_no_spelling_reaches_a_secret(shared: Served, path: list[str], base: str) -> None:
    reply = shared.get(base + "/".join(path) or "/")
    assert reply.status in (200, 301, 400, 404)
    assert SECRET not in reply.body


@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(path=st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=30))
def test_no_text_of_a_path_breaks_the_server(shared: Served, path: str) -> None:
    reply = shared.get("/" + path)
    assert reply.status in (200, 301, 400, 404)
    assert SECRET not in reply.body


@pytest.fixture
def shared(serve: Serve, folder: Path) -> Served:
    return serve(File(folder))


@given(segments=st.lists(st.sampled_from(["..", ".", "", "/", "/etc", "a/../..", "\\", "\0"])))
def test_segments_that_are_no_names_are_no_way_out(segments: list[str]) -> None:
    """Whatever a resource further up made of the path."""
    rules = Folder("/usr/share", dot_files=True)
    with contextlib.suppress(HTTPError):
        assert rules.find(segments).real == os.path.realpath("/usr/share")


def test_the_ways_out_are_404_one_by_one(shared: Served) -> None:
    for path in (
        "/../secret.txt",
        "/%2e%2e/secret.txt",
        "/..%2fsecret.txt",
        "/sub/../../secret.txt",
        "/..%5csecret.txt",
        "/%252e%252e/secret.txt",
        "/sub/..%2f..%2fsecret.txt",
        "//secret.txt",
        "/%2f/etc/passwd",
        "/.htpasswd",
        "/%2ehtpasswd",
        "/sub/.git/config",
        "/sub/.git/",
        "/sub/.git",
    ):
        assert shared.get(path).status == 404, path


def test_dot_files_are_served_where_that_is_asked_for(serve: Serve, folder: Path) -> None:
    served = serve(File(folder, dot_files=True))
    assert served.get("/.htpasswd").body == SECRET
    assert served.get("/sub/.git/config").body == SECRET
    assert served.get("/../secret.txt").status == 404
    assert served.get("/sub/../.htpasswd").status == 404


def test_links_that_lead_out_are_404(shared: Served, folder: Path) -> None:
    (folder / "file.txt").symlink_to(folder.parent / "secret.txt")
    (folder / "way").symlink_to("../site2")
    (folder / "sibling").symlink_to("../site-other.txt")
    (folder / "chain").symlink_to("way")
    (folder / "loop").symlink_to("loop")
    (folder / "dangling").symlink_to("nowhere")
    for path in (
        "/file.txt",
        "/way/secret.txt",
        "/way/",
        "/way",
        "/sibling",
        "/chain/secret.txt",
        "/loop",
        "/dangling",
    ):
        assert shared.get(path).status == 404, path


def test_links_that_stay_inside_are_followed(shared: Served, folder: Path) -> None:
    (folder / "same.html").symlink_to("sub/page.html")
    (folder / "other").symlink_to(folder / "sub")
    assert shared.get("/same.html").body == b"open"
    assert shared.get("/other/page.html").body == b"open"


def test_links_do_not_open_what_is_hidden_inside(shared: Served, folder: Path) -> None:
    (folder / "config.txt").symlink_to("sub/.git/config")
    (folder / "history").symlink_to("sub/.git")
    assert shared.get("/config.txt").status == 404
    assert shared.get("/history/config").status == 404


def test_links_out_are_followed_where_that_is_asked_for(serve: Serve, folder: Path) -> None:
    (folder / "file.txt").symlink_to(folder.parent / "secret.txt")
    (folder / "way").symlink_to("../site2")
    served = serve(File(folder, follow_links_out=True))
    assert served.get("/file.txt").body == SECRET
    assert served.get("/way/secret.txt").body == SECRET
    assert served.get("/../secret.txt").status == 404


def test_a_link_turned_outwards_is_noticed_although_its_file_was_cached(
    shared: Served, folder: Path
) -> None:
    link, new = folder / "link.html", folder / "new"
    link.symlink_to("sub/page.html")
    assert [shared.get("/link.html").status for _ in range(3)] == [200] * 3
    new.symlink_to(folder.parent / "secret.txt")
    new.rename(link)
    assert shared.get("/link.html").status == 404


def test_the_folder_itself_may_be_a_link_that_is_turned(serve: Serve, folder: Path) -> None:
    """As deployments do that switch from one release to the next."""
    current = folder.parent / "current"
    current.symlink_to(folder)
    served = serve(File(current))
    assert served.get("/sub/page.html").body == b"open"
    (folder.parent / "site2" / "sub").mkdir()
    (folder.parent / "site2" / "sub" / "page.html").write_text("next")
    (folder.parent / "new").symlink_to("site2")
    (folder.parent / "new").rename(current)
    assert served.get("/sub/page.html").body == b"next"


def test_a_backslash_is_no_part_of_a_name(serve: Serve, folder: Path) -> None:
    """Where it parts names, one name would be two."""
    (folder / "a\\b.html").write_bytes(SECRET)
    served = serve(File(folder))
    assert served.get("/a%5Cb.html").status == 404
    assert b"b.html" not in served.get("/").body


def test_what_is_no_regular_file_is_never_opened(shared: Served, folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    (folder / "null").symlink_to("/dev/null")
    here = os.getcwd()
    with socket.socket(socket.AF_UNIX) as listening:
        os.chdir(folder)  # a socket's address is short
        try:
            listening.bind("socket")
        finally:
            os.chdir(here)
        for path in ("/pipe", "/null", "/socket"):
            assert shared.get(path).status == 404, path


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_what_may_not_be_read_is_403(shared: Served, folder: Path) -> None:
    (folder / "sub" / "page.html").chmod(0)
    assert shared.get("/sub/page.html").status == 403


# Code.


@pytest.fixture
def code(folder: Path) -> Path:
    """Scripts, modules and their copies."""
    (folder / "__pycache__").mkdir()
    for name in (
        "page.rpy",
        "page.rpy.bak",
        "page.rpy~",
        "page.RPY.orig",
        "visits.py",
        "visits.PY",
        "visits.py~",
        "visits.pyc",
        "__pycache__/visits.cpython-311.pyc",
        "__pycache__/notes.txt",
    ):
        (folder / name).write_bytes(b"raise Exception  # " + SECRET)
    (folder / "happy.txt").write_text("no code")
    (folder / "a.pyramid").write_text("no code")
    return folder


def test_code_beside_scripts_is_private(serve: Serve, code: Path) -> None:
    (code / "text.txt").symlink_to("page.rpy")
    (code / "other.rpy").symlink_to("happy.txt")
    (code / "module.txt").symlink_to("visits.py")
    served = serve(File(code, processors=DEFAULT_PROCESSORS, ignored_extensions=["*"]))
    for path in (
        "/page.rpy.bak",
        "/page.rpy~",
        "/page.RPY.orig",
        "/visits.py",
        "/visits.PY",
        "/visits.py~",
        "/visits.pyc",
        "/visits",
        "/__pycache__/visits.cpython-311.pyc",
        "/__pycache__/notes.txt",
        "/__pycache__/",
        "/text.txt",
        "/module.txt",
        "/other.rpy",
    ):
        reply = served.get(path)
        assert (reply.status, SECRET in reply.body) == (404, False), path
    assert served.get("/page.rpy").status == 500
    assert served.get("/happy.txt").status == 200
    assert served.get("/a.pyramid").status == 200
    assert SECRET not in served.get("/page").body


def test_without_scripts_code_is_text(serve: Serve, code: Path) -> None:
    served = serve(File(code))
    for path in ("/page.rpy", "/visits.py", "/__pycache__/notes.txt"):
        assert SECRET in served.get(path).body, path


def test_without_scripts_the_source_of_one_is_no_index(serve: Serve, code: Path) -> None:
    (code / "index.rpy").write_bytes(SECRET)
    reply = serve(File(code)).get("/")
    assert b"Index of /" in reply.body
    assert SECRET not in reply.body


@pytest.mark.parametrize("name", ["page.rpy", "page.RPY", "page.Rpy"])
def test_a_script_is_run_however_its_extension_is_written(
    serve: Serve, folder: Path, name: str
) -> None:
    (folder / name).write_text(
        "from perdure.app.web.resource import Resource\n"
        "class Page(Resource):\n"
        "    def render_GET(self, request): return 'was run'\n"
        "resource = Page()\n"
    )
    assert serve(File(folder, processors=DEFAULT_PROCESSORS)).get("/" + name).body == b"was run"
