"""A folder of scripts, each at an address of its name."""

import os
from pathlib import Path

import pytest

from perdure.app.web.resource import Resource
from perdure.app.web.scripts.scriptfolder import ScriptFolder, ScriptFolderError
from perdure.app.web.site import Site

from .conftest import Serve, Served

SCRIPT = """\
from perdure.app.web.resource import Resource

class Page(Resource):
    runs = 0

    def get_child(self, segment, request):
        return Page()

    def render_GET(self, request):
        self.runs += 1
        return f"NAME {self.runs} {request.prepath}"

resource = Page()
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    scripts = tmp_path / "scripts"
    (scripts / "sub").mkdir(parents=True)
    for name in ("index", "page", ".hidden", "sub/deep"):
        (scripts / f"{name}.rpy").write_text(SCRIPT.replace("NAME", name))
    (scripts / "file.txt").write_text("a file")
    (scripts / "code.py").write_text("secret = 1")
    (tmp_path / "outside.rpy").write_text(SCRIPT.replace("NAME", "outside"))
    (scripts / "link.rpy").symlink_to(tmp_path / "outside.rpy")
    for path in tmp_path.rglob("*.rpy"):
        path.chmod(0o644)
    return scripts


@pytest.fixture
def served(serve: Serve, folder: Path) -> Served:
    root = Resource()
    root.put_child("s", ScriptFolder(folder))
    return serve(root)


def test_each_script_answers_at_its_name_and_below(served: Served) -> None:
    assert served.get("/s/page").body == b"page 1 ['s', 'page']"
    assert served.get("/s/page").body == b"page 2 ['s', 'page']"
    assert served.get("/s/page/a").body == b"page 1 ['s', 'page', 'a']"
    assert served.get("/s/").body.startswith(b"index 1")
    assert served.get("/s").get("location") == "/s/"


@pytest.mark.parametrize(
    "name",
    [
        "page.rpy", "file.txt", "file", "code", "code.py", "sub", "sub/deep", "sub%2fdeep",
        ".hidden", "%2ehidden", "link", "..%2foutside", "%2e%2e%2foutside", "..", "page%20",
        "%252e%252e%252foutside", "..%5coutside", "%2fetc%2fpasswd", "page%00", "%c0%ae", "",
    ],
)  # fmt: skip
def test_nothing_else_in_the_folder_or_around_it_answers(served: Served, name: str) -> None:
    reply = served.get(f"/s/{name}" if name else "/s//page")
    assert reply.status in (400, 404)


def test_a_script_that_is_put_there_or_changed_is_seen(served: Served, folder: Path) -> None:
    assert served.get("/s/new").status == 404
    for name in ("one", "two"):
        (folder / "new.rpy").write_text(SCRIPT.replace("NAME", name))
        (folder / "new.rpy").chmod(0o644)
        assert served.get("/s/new").body.decode().startswith(f"{name} 1")
    os.unlink(folder / "new.rpy")
    assert served.get("/s/new").status == 404


def test_a_folder_that_is_gone_is_missed_at_the_start(folder: Path) -> None:
    Site(ScriptFolder(folder)).check()
    with pytest.raises(ScriptFolderError, match="there is no such folder"):
        Site(ScriptFolder(folder / "none")).check()
