"""``appconvert`` as a process: every mode, on every syntax, and nothing of the user's is run."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from .conftest import COMMANDS, Workshop

COUNTER = """
class Counter:
    def __init__(self, value):
        self.value = value
        self.password = "hunter2"
        self.log = [self, ("a", 1.5)]
"""
TRAP = "open('touched', 'w').close(); raise SystemExit('imported')\n"
MAKE = """
import sys
from pathlib import Path
from perdure.app.application import Application
from perdure.app.registry import Registry
from perdure.persist import snapshot
from perdure.persist.trust import Signer
sys.path.insert(0, ".")
import visits
application = Application("web", paths=["."])
application.registry.set_component(visits.Counter, visits.Counter(41))
snapshot.write(
    Path("web.snap"), application, application="web", holds="state", paths=["."],
    signer=Signer.of_user() if "signed" in sys.argv else None,
)
"""
SYNTAXES = ["pickle", "xml", "source"]


def write_snapshot(workshop: Workshop, *arguments: str) -> None:
    """Write ``web.snap``, with a counter of the module ``visits``."""
    workshop.folder.joinpath("visits.py").write_text(COUNTER)
    subprocess.run(
        [sys.executable, "-c", MAKE, *arguments],
        cwd=workshop.folder,
        env={**workshop.environment, "PYTHONDONTWRITEBYTECODE": "1"},
        check=True,
    )


@pytest.fixture(params=["gone", "trap"])
def counted(workshop: Workshop, request: pytest.FixtureRequest) -> Iterator[Workshop]:
    """With ``web.snap`` of a class that is not there any more, or must not be imported."""
    write_snapshot(workshop, "signed")
    module = workshop.folder / "visits.py"
    if request.param == "gone":
        module.unlink()
    else:
        module.write_text(TRAP)
    # So that an import would find the module, if there were one.
    workshop.environment["PYTHONPATH"] = str(workshop.folder)
    yield workshop
    assert not workshop.folder.joinpath("touched").exists()


@pytest.fixture
def web(workshop: Workshop) -> Workshop:
    """With ``web.snap`` as mkapp writes it."""
    workshop.folder.joinpath("site").mkdir()
    workshop.mkapp("web", "--path", "site")
    return workshop


def convert(workshop: Workshop, *arguments: str | Path) -> str:
    """Run ``appconvert``, which must succeed without a complaint."""
    result = workshop.run("appconvert", *arguments)
    assert (result.status, result.err) == (0, "")
    return result.out


def test_every_syntax_becomes_every_other_and_stays_the_same(counted: Workshop) -> None:
    assert convert(counted, "--to", "xml", "web.snap") == "web.snap.xml: web.snap as xml\n"
    assert convert(counted, "--to", "source", "web.snap") == "web.snap.py: web.snap as source\n"
    made: dict[tuple[str, str], bytes] = {}
    for origin in ("web.snap", "web.snap.xml", "web.snap.py"):
        for syntax in SYNTAXES:
            convert(counted, "--to", syntax, origin, "-o", "again", "--force")
            assert convert(counted, "--diff", "again", "web.snap") == ""
            made[origin, syntax] = counted.folder.joinpath("again").read_bytes()
    # Text is the same to the byte, with its signature. The first stream is the capture's own.
    assert len({made[origin, "xml"] for origin, _ in made}) == 1
    assert len({made[origin, "source"] for origin, _ in made}) == 1
    assert made["web.snap.xml", "pickle"] == made["web.snap.py", "pickle"]


def test_the_default_name_leads_back(web: Workshop) -> None:
    convert(web, "--to", "xml", "web.snap")
    web.folder.joinpath("web.snap").rename(web.folder / "before")
    assert convert(web, "--to", "pickle", "web.snap.xml") == "web.snap: web.snap.xml as pickle\n"
    assert convert(web, "--diff", "before", "web.snap") == ""


def test_several_files_are_converted_at_once(web: Workshop) -> None:
    web.folder.joinpath("b.snap").write_bytes(web.folder.joinpath("web.snap").read_bytes())
    convert(web, "--to", "source", "web.snap", "b.snap")
    assert {"b.snap.py", "web.snap.py"} <= set(web.files())


def test_a_dash_is_standard_output(counted: Workshop) -> None:
    convert(counted, "--to", "source", "web.snap")
    text = counted.folder.joinpath("web.snap.py").read_text()
    assert convert(counted, "--to", "source", "web.snap", "-o", "-") == text


def test_what_is_written_is_for_its_owner_alone(web: Workshop) -> None:
    convert(web, "--to", "xml", "web.snap")
    assert web.folder.joinpath("web.snap.xml").stat().st_mode & 0o777 == 0o600


def test_a_page_is_written(counted: Workshop) -> None:
    assert convert(counted, "--to", "html", "web.snap") == "web.snap.html: web.snap as html\n"
    page = counted.folder.joinpath("web.snap.html").read_text()
    assert "visits:Counter" in page


def test_a_converted_application_runs(workshop: Workshop, site: Path) -> None:
    workshop.mkapp("web", "--path", site, "--port", "0")
    site.joinpath("hello.txt").write_text("hello")
    for syntax, name in [("xml", "web.snap.xml"), ("source", "web.snap.py")]:
        convert(workshop, "--to", syntax, "web.snap")
        running = workshop.start("-f", name)
        assert running.get("hello.txt") == "hello"
        assert running.stop().status == 0


def test_an_edited_port_is_the_port(web: Workshop) -> None:
    said = convert(
        web, "--set", "services[0].endpoints[0].port=0",
        "--set", "services[0].endpoints[0].interface='127.0.0.2'", "--to", "xml", "web.snap",
        "-o", "other.snap.xml",
    )  # fmt: skip
    assert said.splitlines() == [
        "application.services[0].endpoints[0].port: 8080 -> 0",
        "application.services[0].endpoints[0].interface: '127.0.0.1' -> '127.0.0.2'",
        "other.snap.xml: web.snap as xml, with 2 values set",
    ]
    running = web.start("-f", "other.snap.xml")
    assert "127.0.0.2" in running.url
    assert running.stop().status == 0


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_a_value_is_set_in_its_file(counted: Workshop, syntax: str) -> None:
    convert(counted, "--to", syntax, "web.snap", "-o", "state")
    convert(counted, "--set", "registry[visits.Counter].value=42", "state", "--force")
    result = counted.run("appconvert", "--diff", "web.snap", "state")
    assert result.status == 1
    assert result.out == "~ application.registry[visits.Counter].value: 41 -> 42\n"
    assert f"valid {syntax}" in convert(counted, "--check", "state")
    assert "signed by you" in convert(counted, "--check", "state")


def test_a_value_set_in_another_syntax_is_in_a_file_of_its_own(counted: Workshop) -> None:
    before = counted.folder.joinpath("web.snap").read_bytes()
    edit = ("--set", "registry[visits.Counter].value=42", "--to", "xml", "web.snap")
    said = convert(counted, *edit)
    assert said.endswith("web.snap.xml: web.snap as xml, with 1 value set\n")
    refused = counted.run("appconvert", *edit)
    assert refused.status == 73
    assert "web.snap.xml: it is there already" in refused.err
    convert(counted, *edit, "--force")
    assert counted.folder.joinpath("web.snap").read_bytes() == before
    assert "valid xml" in convert(counted, "--check", "web.snap.xml")


def test_a_value_is_set_in_the_syntax_that_the_name_of_the_file_promises(web: Workshop) -> None:
    edit = ("--set", "services[0].endpoints[0].port=0")
    for name, syntax in [("a.snap.xml", "xml"), ("b.snap.py", "source"), ("c.snap", "pickle")]:
        assert f"as {syntax}, with" in convert(web, *edit, "web.snap", "-o", name)
    assert "as xml, with" in convert(web, *edit, "a.snap.xml", "-o", "d")


def test_an_application_gets_another_name_in_its_passport_too(web: Workshop) -> None:
    before = web.folder.joinpath("web.snap").read_bytes()
    refused = web.run("appconvert", "--set", "name=../x", "--force", "web.snap")
    assert refused.status == 65
    assert "application.name: expected printable text without /" in refused.err
    assert web.folder.joinpath("web.snap").read_bytes() == before
    edit = ("--set", "services[0].endpoints[0].port=0", "--set", "name=other")
    convert(web, *edit, "web.snap", "-o", "other.snap")
    said = convert(web, "--check", "other.snap")
    assert "blueprint of the application other," in said
    assert "signed by you" in said
    for _ in range(2):
        assert web.start("-f", "other.snap").stop().status == 0
    assert "other-shutdown.snap" in web.files()


def test_a_value_is_set_in_what_a_link_leads_to(web: Workshop) -> None:
    link = web.folder / "link.snap"
    link.symlink_to("web.snap")
    convert(web, "--set", "services[0].endpoints[0].port=81", "--force", "link.snap")
    assert link.is_symlink()
    assert "port: 81" in convert(web, "--show", "web.snap")


def test_who_sets_a_value_in_a_text_hears_that_comments_are_gone(web: Workshop) -> None:
    convert(web, "--to", "xml", "web.snap")
    edit = ("--set", "services[0].endpoints[0].port=0", "web.snap.xml")
    assert convert(web, *edit, "--force").endswith("; comments and layout of your own are gone\n")
    assert convert(web, *edit, "-o", "b.snap").endswith("with 1 value set\n")


def test_several_files_are_written_though_one_cannot_be(web: Workshop) -> None:
    web.folder.joinpath("bad.snap").write_bytes(b"nothing")
    result = web.run("appconvert", "--to", "xml", "gone.snap", "bad.snap", "web.snap")
    assert result.status == 66
    assert result.out == "web.snap.xml: web.snap as xml\n"
    assert [line.split(":")[1] for line in result.err.splitlines()] == [" gone.snap", " bad.snap"]


def test_several_values_are_set_all_or_none(counted: Workshop) -> None:
    before = counted.folder.joinpath("web.snap").read_bytes()
    result = counted.run(
        "appconvert", "--force", "web.snap", "--set", "registry[visits.Counter].value=42",
        "--set", "registry[visits.Counter].valve=43",
    )  # fmt: skip
    assert result.status == 65
    assert result.err.startswith(
        "appconvert: application.registry[visits.Counter]: there is no .valve;"
        " a visits.Counter is there, and has .value"
    )
    assert counted.folder.joinpath("web.snap").read_bytes() == before


def test_what_is_a_strangers_stays_a_strangers(workshop: Workshop) -> None:
    write_snapshot(workshop)
    said = convert(workshop, "--to", "xml", "web.snap")
    assert said == "web.snap.xml: web.snap as xml; not signed, as web.snap is not yours\n"
    assert "not signed" in convert(workshop, "--check", "web.snap.xml")
    said = convert(
        workshop, "--set", "registry[visits.Counter].value=1", "web.snap", "-o", "b.snap"
    )
    assert "not signed" in said
    # Another user's is no better, though it is signed.
    write_snapshot(workshop, "signed")
    workshop.environment["PERDURE_HOME"] += "-other"
    convert(workshop, "--to", "pickle", "web.snap", "-o", "c.snap")
    assert "not signed" in convert(workshop, "--check", "c.snap")


def test_a_file_with_a_mistake_is_told_by_line_and_place(counted: Workshop) -> None:
    convert(counted, "--to", "xml", "web.snap")
    path = counted.folder / "web.snap.xml"
    path.write_text(path.read_text().replace('<int value="41"/>', '<int value="4l"/>'))
    result = counted.run("appconvert", "--check", "web.snap.xml")
    assert result.status == 65
    assert result.err.count("\n") == len(result.err.splitlines())
    assert re.search(r"^appconvert: web\.snap\.xml:\d+:\d+: ", result.err)
    assert "application.registry[visits.Counter].value" in result.err


def test_all_the_mistakes_of_a_file_are_told(counted: Workshop) -> None:
    convert(counted, "--to", "xml", "web.snap")
    path = counted.folder / "web.snap.xml"
    text = path.read_text().replace('<int value="41"/>', '<int value="4l"/>')
    path.write_text(text.replace('<float value="1.5"/>', "<flaot/>"))
    result = counted.run("appconvert", "--check", "web.snap.xml")
    assert result.status == 65
    assert len(re.findall(r"^appconvert: web\.snap\.xml:\d+:", result.err, re.MULTILINE)) == 2
    assert "flaot" in result.err
    assert "4l" in result.err


@pytest.mark.parametrize(
    ("syntax", "suffix", "number", "text"),
    [
        ("xml", ".xml", '<int value="8080"/>', '<string value="8080"/>'),
        ("source", ".py", "port=8080", "port='8080'"),
    ],
)
def test_check_compares_with_code_only_on_request(
    web: Workshop, syntax: str, suffix: str, number: str, text: str
) -> None:
    convert(web, "--to", syntax, "web.snap")
    name = f"web.snap{suffix}"
    path = web.folder / name
    path.write_text(path.read_text().replace(number, text))
    convert(web, "--check", name)
    result = web.run("appconvert", "--check", "--with-code", name)
    assert result.status == 65
    port = r"application\.services\[0\]\.endpoints\[0\]\.port"
    said = rf"appconvert: {name}:(\d+): {port}: expected a whole number, got '8080'\n"
    found = re.fullmatch(said, result.err)
    assert found, result.err
    assert "TCPEndpoint" in "".join(path.read_text().splitlines()[int(found[1]) - 1 :][:2])
    convert(web, "--to", "pickle", name, "-o", "again.snap")
    result = web.run("appconvert", "--check", "--with-code", "again.snap")
    assert result.err.startswith("appconvert: again.snap: application.services[0]")


def test_check_with_code_imports_no_strangers_code(workshop: Workshop) -> None:
    write_snapshot(workshop)
    workshop.folder.joinpath("visits.py").write_text(TRAP)
    result = workshop.run("appconvert", "--check", "--with-code", "--pythonpath", ".", "web.snap")
    assert not workshop.folder.joinpath("touched").exists()
    assert (result.status, result.out) == (77, "")
    assert result.err == (
        "appconvert: web.snap: not compared: visits:Counter: its module is not trusted;"
        " say --trust visits, if you trust who wrote it\n"
    )


def test_check_with_code_says_what_it_could_not_compare(workshop: Workshop) -> None:
    write_snapshot(workshop, "signed")
    workshop.folder.joinpath("elsewhere").mkdir()
    workshop.folder.joinpath("visits.py").rename(workshop.folder / "elsewhere/visits.py")
    result = workshop.run("appconvert", "--check", "--with-code", "web.snap")
    assert (result.status, result.out) == (65, "")
    assert result.err == (
        "appconvert: web.snap: not compared: visits:Counter: ModuleNotFoundError: No module named"
        " 'visits'; say with --pythonpath in which folder its module is\n"
    )
    found = ("--check", "--with-code", "--pythonpath", "elsewhere", "web.snap")
    assert "valid pickle" in convert(workshop, *found)


def test_show_is_a_tree_of_plain_lines_in_a_pipe(counted: Workshop) -> None:
    shown = convert(counted, "--show", "web.snap").splitlines()
    assert shown[0].startswith("application: perdure.app.application.Application  (")
    assert "│  │  └─ [visits.Counter]: visits.Counter" in "\n".join(shown)
    assert "\x1b" not in "".join(shown)
    assert convert(counted, "--show", "registry[visits.Counter].value", "web.snap") == (
        "application.registry[visits.Counter].value: 41\n"
    )


def test_diff_is_quiet_about_the_same(counted: Workshop) -> None:
    convert(counted, "--to", "xml", "web.snap")
    result = counted.run("appconvert", "--diff", "web.snap", "web.snap.xml")
    assert (result.status, result.out, result.err) == (0, "", "")


def test_diff_tells_whose_snapshots_they_are(counted: Workshop, site: Path) -> None:
    counted.mkapp("web", "--path", site, "-o", "blue.snap")
    result = counted.run("appconvert", "--diff", "web.snap", "blue.snap")
    assert result.status == 1
    assert result.out.startswith(
        "~ passport application: web -> blue\n~ passport holds: state -> blueprint\n"
    )
    assert "- application.registry[visits.Counter]: visits.Counter(value=41" in result.out


def test_a_reader_that_leaves_early_is_no_mistake(counted: Workshop) -> None:
    for mode in (["--show"], ["--to", "source", "-o", "-"], ["--to", "xml", "-o", "-"]):
        command = subprocess.Popen(
            [COMMANDS / "appconvert", *mode, "web.snap"],
            cwd=counted.folder,
            env=counted.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert command.stdout is not None
        command.stdout.close()
        assert command.stderr is not None
        with command.stderr as stderr:
            assert stderr.read() == b""
        command.wait(timeout=60)


def test_git_shows_the_difference_of_binary_snapshots(counted: Workshop) -> None:
    def git(*arguments: str) -> str:
        environment = {
            **counted.environment,
            "PATH": f"{COMMANDS}:{counted.environment['PATH']}",
            "GIT_CONFIG_GLOBAL": "/dev/null",
            "GIT_CONFIG_NOSYSTEM": "1",
        }
        return subprocess.run(
            ["git", "-c", "user.name=x", "-c", "user.email=x@example.org", *arguments],
            cwd=counted.folder,
            env=environment,
            check=True,
            capture_output=True,
            text=True,
        ).stdout

    try:
        git("init", "-q")
    except FileNotFoundError:
        pytest.skip("there is no git here")
    counted.folder.joinpath(".gitattributes").write_text("*.snap diff=perdure\n")
    git("config", "diff.perdure.textconv", "appconvert --to source -o -")
    git("add", "web.snap", ".gitattributes")
    git("commit", "-q", "-m", "begin")
    convert(counted, "--set", "registry[visits.Counter].value=42", "--force", "web.snap")
    lines = git("diff").splitlines()
    changed = [line for line in lines if re.match(r"[+-](?![+-])", line) and "value=4" in line]
    assert [line.replace(" ", "") for line in changed] == ["-value=41,", "+value=42,"]
