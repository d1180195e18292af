"""The sample programs, served as their pages say, and asked by curl."""

import importlib
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from perdure.app.web.programs.cgi import CGIScript, PHPScript
from perdure.app.web.static import File

from .conftest import Serve, Served

SAMPLES = Path(__file__).parents[2] / "samples/cgi"


@pytest.fixture
def served(serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Served:
    folder = tmp_path / "cgi"
    shutil.copytree(SAMPLES, folder)
    for path in (folder, *folder.iterdir()):
        path.chmod(path.stat().st_mode & ~0o022)
    monkeypatch.setattr(sys, "path", [str(folder), *sys.path])
    monkeypatch.delitem(sys.modules, "perlscript", raising=False)
    perl = importlib.import_module("perlscript").PerlScript
    processors = {".cgi": CGIScript, ".php": PHPScript, ".pl": perl}
    return serve(File(folder, processors=processors))


def curl(served: Served, path: str, *options: str) -> str:
    command = ["curl", "-sS", "--fail-with-body", *options, served.url(path)]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def test_perl_tells_the_tides(served: Served) -> None:
    page = curl(served, "/tides.pl?days=1")
    assert page.startswith("High water at the lighthouse (UTC)\n\n2026-11-21 ")
    assert len(page.splitlines()) == 4
    assert len(curl(served, "/tides.pl?days=1%3Breboot").splitlines()) == 8


def test_a_shell_script_shows_the_flags(served: Served) -> None:
    assert curl(served, "/flags.cgi/north") == "The flag of north is up.\n"
    assert curl(served, "/flags.cgi/home") == "The flag of south is up.\n"
    assert curl(served, "/flags.cgi/-e") == "A mast has letters only.\n"
    assert curl(served, "/flags.cgi").startswith("Which mast?")
    assert curl(served, "/flags.cgi", "-L", "-d", "alpha") == "The flag of alpha is up.\n"
    sent = ("-d", "alpha", "-H", "Transfer-Encoding: chunked", "-w", "%{redirect_url}")
    assert curl(served, "/flags.cgi", *sent) == served.url("/flags.cgi/alpha")


def test_php_answers_a_form(served: Served) -> None:
    assert "<form" in curl(served, "/visitors.php")
    page = curl(served, "/visitors.php", "--data-urlencode", "name=<b>Ada</b>")
    assert "opens for <b>&lt;b&gt;Ada&lt;/b&gt;</b>" in page


def test_no_source_is_shown(served: Served) -> None:
    for name in ("perlscript.py", "tides.pl~", "flags.cgi.bak", "visitors.php.orig"):
        assert served.get("/" + name).status == 404
