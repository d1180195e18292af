"""Each mistake with ``appconvert`` gets one line and a proper status, and costs no file."""

import os
import subprocess
from pathlib import Path

import pytest

from .conftest import COMMANDS, Result, Workshop


def one_line(result: Result, status: int, *words: str) -> None:
    """It ended with `status`, and said all of `words` in one line and nothing else."""
    assert result.status == status, result
    assert result.err.count("\n") == 1, result.err
    assert "Traceback" not in result.err
    assert result.out == ""
    for word in words:
        assert word in result.err, result.err


@pytest.fixture
def web(workshop: Workshop) -> Workshop:
    """With ``web.snap``, and files of other kinds."""
    workshop.folder.joinpath("site").mkdir()
    workshop.mkapp("web", "--path", "site")
    snapshot = workshop.folder.joinpath("web.snap").read_bytes()
    workshop.folder.joinpath("cut.snap").write_bytes(snapshot[: len(snapshot) // 2])
    workshop.folder.joinpath("page.html").write_text("<html></html>")
    workshop.folder.joinpath("program.py").write_text("import os\nos.remove('web.snap')\n")
    workshop.folder.joinpath("empty").write_text("")
    workshop.folder.joinpath("link").symlink_to("web.snap")
    workshop.folder.joinpath("nowhere").symlink_to("gone")
    return workshop


USAGE = os.EX_USAGE
DATA = os.EX_DATAERR


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        ([], USAGE, ["say what to do", "--to SYNTAX FILE"]),
        (["web.snap"], USAGE, ["say what to do"]),
        (["--check", "--show", "web.snap"], USAGE, ["say what to do"]),
        (["--to", "xml"], USAGE, ["expected --to SYNTAX FILE..., got no files"]),
        (["--to", "yaml", "web.snap"], USAGE, ["'yaml'", "'xml', 'source', 'pickle', 'html'"]),
        (["--to"], USAGE, ["--to"]),
        (["--to", "xml", "web.snap", "cut.snap", "-o", "x"], USAGE, ["-o is for one file, got 2"]),
        (["--to", "xml", "--with-code", "web.snap"], USAGE, ["--with-code does not go with --to"]),
        (["--check", "--trust", "x", "web.snap"], USAGE, ["go with --check --with-code"]),
        (["--check", "--force", "web.snap"], USAGE, ["--force does not go with --check"]),
        (["--show", "a", "b", "web.snap"], USAGE, ["--show [PLACE] FILE, got 3 files"]),
        (["--diff", "web.snap"], 2, ["--diff OLD NEW, got 1 file"]),
        (["--diff", "a", "b", "c"], 2, ["--diff OLD NEW, got 3 files"]),
        (["--diff", "web.snap", "gone.snap"], 2, ["gone.snap", "no such file"]),
        (["--diff", "cut.snap", "web.snap"], 2, ["cut.snap", "damaged"]),
        (["--to", "xml", "gone.snap"], os.EX_NOINPUT, ["gone.snap", "there is no such file"]),
        (["--to", "xml", "site"], os.EX_NOINPUT, ["site", "it is not a file"]),
        (["--to", "xml", "cut.snap"], DATA, ["cut.snap", "damaged"]),
        (["--to", "xml", "page.html"], DATA, ["page.html", "a document with markup"]),
        (["--to", "xml", "program.py"], DATA, ["program.py", "Python source"]),
        (["--to", "xml", "empty"], DATA, ["an empty file"]),
        (["--check", "gone.snap"], os.EX_NOINPUT, ["gone.snap"]),
        (["--check", "cut.snap"], DATA, ["cut.snap", "damaged"]),
        (["--check", "page.html"], DATA, ["page.html"]),
        (["--show", "page.html"], DATA, ["page.html"]),
        (["--show", "registry[", "web.snap"], USAGE, ["expected .field or [key]"]),
        (["--show", "registry.x", "web.snap"], DATA, ["there is no .x"]),
        (["--to", "pickle", "web.snap"], os.EX_CANTCREAT, ["the file that is read"]),
        (["--to", "pickle", "web.snap", "--force"], os.EX_CANTCREAT, ["the file that is read"]),
        (["--to", "xml", "web.snap", "-o", "link"], os.EX_CANTCREAT, ["the file that is read"]),
        (["--to", "xml", "web.snap", "-o", "empty"], os.EX_CANTCREAT, ["there already", "--force"]),
        (["--to", "xml", "web.snap", "-o", "nowhere"], os.EX_CANTCREAT, ["there already"]),
        (["--to", "xml", "web.snap", "-o", "no/x.xml"], os.EX_CANTCREAT, ["make the folder first"]),
        (["--to", "xml", "web.snap", "-o", "site", "--force"], os.EX_CANTCREAT, ["site"]),
        (["--set", "paths[0]", "web.snap", "--force"], USAGE, ["expected PLACE=VALUE"]),
        (["--set", "=3", "web.snap", "--force"], USAGE, ["expected a place before '='"]),
        (["--set", "a..b=3", "web.snap", "--force"], USAGE, ["expected .field or [key]"]),
        (["--set", "name=x"], USAGE, ["--set PLACE=VALUE", "got no files"]),
        (["--set", "name=x", "a", "b"], USAGE, ["got 2 files"]),
        (["--set", "name=x", "web.snap"], os.EX_CANTCREAT, ["--force", "-o"]),
        (["--set", "nam=x", "web.snap", "--force"], DATA, ["there is no .nam", ".name"]),
        (["--set", "registry=x", "web.snap", "--force"], DATA, ["no value can replace"]),
        (["--set", "process.uid=x", "--set", "services[0].endpoints[0].port=x", "web.snap",
          "--force"], DATA, ["endpoints[0].port: expected a whole number, got 'x'"]),
    ],
)  # fmt: skip
def test_a_mistake(web: Workshop, arguments: list[str], status: int, words: list[str]) -> None:
    before = contents(web.folder)
    one_line(web.run("appconvert", *arguments), status, *words)
    assert contents(web.folder) == before


def contents(folder: Path) -> dict[str, bytes]:
    """All the files in a folder."""
    return {each.name: each.read_bytes() for each in folder.iterdir() if each.is_file()}


def test_of_several_files_to_check_each_has_its_line(web: Workshop) -> None:
    result = web.run("appconvert", "--check", "cut.snap", "web.snap", "gone.snap", "page.html")
    assert result.status == os.EX_NOINPUT
    assert [line.split(":")[1].strip() for line in result.err.splitlines()] == [
        "cut.snap", "gone.snap", "page.html",
    ]  # fmt: skip
    assert result.out.startswith("web.snap: valid pickle: blueprint of the application web, ")


def test_force_replaces_a_file(web: Workshop) -> None:
    assert web.run("appconvert", "--to", "xml", "web.snap", "-o", "empty", "--force").status == 0
    assert web.folder.joinpath("empty").read_bytes().startswith(b"<?xml")


def test_debug_shows_the_traceback(web: Workshop) -> None:
    result = web.run("appconvert", "--to", "xml", "cut.snap", "--debug")
    assert result.err.startswith("Traceback")


@pytest.mark.parametrize("mode", ["--show", "--check", "-o - --to xml"])
def test_a_closed_standard_output_is_one_line(web: Workshop, mode: str) -> None:
    command = f"'{COMMANDS / 'appconvert'}' {mode} web.snap >&-"
    done = subprocess.run(
        ["sh", "-c", command],
        cwd=web.folder,
        env=web.environment,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr.count("\n")) == (os.EX_IOERR, 1)
    assert "standard output is closed" in done.stderr


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_a_terminal_without_the_letters_gets_escapes(web: Workshop, encoding: str) -> None:
    web.environment["PYTHONIOENCODING"] = encoding
    result = web.run("appconvert", "--show", "web.snap")
    assert (result.status, result.err) == (0, "")
    assert "name: 'web'" in result.out
    done = web.mkapp("web", "--path", web.folder, "--port", "0", "--output", "☃.snap")
    assert "a web application; run it with: rundaemon -f" in done.out


def test_a_full_standard_output_is_one_line(web: Workshop) -> None:
    with open("/dev/full", "w") as full:
        for mode in (["--show"], ["--to", "xml", "-o", "-"]):
            done = subprocess.run(
                [COMMANDS / "appconvert", *mode, "web.snap"],
                cwd=web.folder,
                env=web.environment,
                stdout=full,
                stderr=subprocess.PIPE,
                text=True,
                check=False,
            )
            assert done.stderr.count("\n") == 1, done.stderr
            assert "No space left" in done.stderr
            assert done.returncode == os.EX_OSERR


def test_what_a_file_holds_does_not_speak_to_the_terminal(workshop: Workshop) -> None:
    for number in "12":
        workshop.folder.joinpath(f"{number}.snap.py").write_text(
            "# Perdure snapshot, source, format 1. This is parsed, never executed.\n"
            "passport = Passport(format=1, application='a\\x1b[2J', holds='state', written='\\x1b[m',"
            f" writer='', python='', paths=['\\x9b{number}m'])\n"
            f"application = Instance('e\\x1b[31m.C\\x9bm', {{'k\\x1bc': Class('m.\\x1bX{number}'),"
            f" 'list': ['\\u202e{number}', '\\udc80'], 'sur\\udc80': {number}}})\n"
        )
    said = [
        workshop.run("appconvert", *arguments)
        for arguments in (
            ["--show", "1.snap.py"],
            ["--diff", "1.snap.py", "2.snap.py"],
            ["--check", "1.snap.py"],
            ["--check", "--with-code", "1.snap.py"],
            ["--to", "xml", "1.snap.py"],
            ["--set", "list[0]=\x1b[31m", "--force", "1.snap.py"],
            ["--show", "nothing", "1.snap.py"],
        )
    ]
    said.append(workshop.run("rundaemon", "-n", "-f", "1.snap.py"))
    for result in said:
        assert "Traceback" not in result.err
        shown = (result.out + result.err).replace("\n", "")
        assert shown.isprintable(), result
