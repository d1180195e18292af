"""A folder of programs: each is run by its name, and nothing else is to be seen."""

from pathlib import Path

import pytest

from perdure.app.web.programs.cgi import CGIDirectory, CGIError, CGILimits, CGISettings
from perdure.app.web.resource import Resource

from .conftest import Serve
from .program import HEAD, program


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of programs, and what shall not be seen of it and around it."""
    root = tmp_path / "cgi-bin"
    for each in (root, root / "more", root / ".git"):
        each.mkdir(mode=0o755)
    text = HEAD + """; echo "$SCRIPT_NAME,$PATH_INFO" """
    for name in ("page", "more/page", ".hidden", ".git/hook", "../outside-of-all-this"):
        program(root, text, name)
    (root / "readme").write_text("not executable")
    (root / "way-out").symlink_to(tmp_path / "outside-of-all-this")
    (root / "way-up").symlink_to(tmp_path)
    (root / "alias").symlink_to(root / "page")
    (root / "mask").symlink_to(root / ".hidden")
    return root


def test_a_folder_runs_its_programs_by_name(serve: Serve, folder: Path) -> None:
    root = Resource()
    root.put_child("cgi-bin", CGIDirectory(folder))
    served = serve(root)
    assert served.get("/cgi-bin/page").body == b"/cgi-bin/page,\n"
    assert served.get("/cgi-bin/page/a//b/").body == b"/cgi-bin/page,/a//b/\n"
    assert served.get("/cgi-bin/more/page/x").body == b"/cgi-bin/more/page,/x\n"
    assert served.get("/cgi-bin/alias").body == b"/cgi-bin/alias,\n"
    with pytest.raises(CGIError, match="no such folder"):
        CGIDirectory(folder / "page").check()


def test_a_snapshot_of_it_leaves_the_defaults_to_whoever_reads_it(folder: Path) -> None:
    assert vars(CGIDirectory(folder)) == {"path": str(folder)}
    careful = CGISettings(limits=CGILimits(processes=1))
    assert vars(CGIDirectory(folder, settings=careful))["settings"] is careful


@pytest.mark.parametrize(
    "path",
    [
        "/cgi-bin",
        "/cgi-bin/",
        "/cgi-bin/more",
        "/cgi-bin/more/",
        "/cgi-bin/readme",
        "/cgi-bin/none",
        "/cgi-bin/.hidden",
        "/cgi-bin/.git/hook",
        "/cgi-bin/way-out",
        "/cgi-bin/way-up/outside-of-all-this",
        "/cgi-bin/mask",
        "/cgi-bin/../outside-of-all-this",
        "/cgi-bin/%2e%2e/outside-of-all-this",
        "/cgi-bin/..%2foutside-of-all-this",
        "/cgi-bin/more%2fpage",
        "/cgi-bin/more/../page",
        "/cgi-bin/..%5coutside-of-all-this",
        "/cgi-bin//page",
        "/cgi-bin/./page",
        "/cgi-bin/page%20",
        "/cgi-bin/PAGE",
        "/cgi-bin/page/../page",
        "/cgi-bin/page/a%2Fb",
        "/cgi-bin/page/%2e",
    ],
)
def test_a_folder_shows_nothing_else(serve: Serve, folder: Path, path: str) -> None:
    root = Resource()
    root.put_child("cgi-bin", CGIDirectory(folder))
    assert serve(root).get(path).status == 404
