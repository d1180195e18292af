"""The samples of a server behind, with a server behind that the test plays."""

import shutil
from pathlib import Path
from runpy import run_path

from perdure.app.web.service import WebService
from perdure.app.web.static import DEFAULT_PROCESSORS, File

from .behind import Behind
from .conftest import Serve

SAMPLES = Path(__file__).parents[2] / "samples"


def sample(name: str, folder: Path, behind: Behind) -> Path:
    """A copy of the sample whose server behind is at the port of `behind`."""
    shutil.copytree(SAMPLES / "site", folder / "site")
    path = folder / "proxy" / name
    path.parent.mkdir()
    text = (SAMPLES / "proxy" / name).read_text()
    changed = text.replace("tcp:81:interface=localhost", behind.endpoint)
    assert changed != text
    path.write_text(changed)
    for each in (folder, path.parent, path):
        each.chmod(each.stat().st_mode & ~0o022)
    return path


def test_a_script_may_be_another_server(serve: Serve, tmp_path: Path) -> None:
    with Behind() as behind:
        served = serve(
            File(sample("blog.rpy", tmp_path, behind).parent, processors=DEFAULT_PROCESSORS)
        )
        with served.connect() as client:
            client.send(b"GET /blog.rpy/2026/11?page=2 HTTP/1.1\r\nHost: x\r\n\r\n")
            server = behind.accept()
            assert server.request().line == "GET /2026/11?page=2 HTTP/1.1"
            server.answer(b"moved", "Location: /2026/11/", status="301 Moved Permanently")
            assert client.reply().get("location") == "/blog.rpy/2026/11/"


def test_a_part_of_a_site_may_be_another_server(serve: Serve, tmp_path: Path) -> None:
    with Behind() as behind:
        application = run_path(str(sample("split.py", tmp_path, behind)))["application"]
        (service,) = application.services
        assert isinstance(service, WebService)
        served = serve(service.site.resource)
        assert served.get("/about.html").status == 200
        with served.connect() as client:
            client.send(b"GET /foo/trunk HTTP/1.1\r\nHost: x\r\n\r\n")
            server = behind.accept()
            assert server.request().line == "GET /foo/trunk HTTP/1.1"
            server.answer(b"there")
            assert client.reply().body == b"there"
