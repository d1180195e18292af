"""What the README and the pages of docs/ show is true."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

from .transcript import COMMANDS, ROOT, Reader, blocks, steps

PAGES = [ROOT / "README.md", ROOT / "samples/README.md", *sorted((ROOT / "docs").glob("*.md"))]
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]
SERVES = ".venv/bin/rundaemon -n -f web.snap"

every_page = pytest.mark.parametrize("page", PAGES, ids=NAMES)


@every_page
def test_the_examples_do_what_the_page_says(page: Path, tmp_path: Path) -> None:
    with Reader(tmp_path) as reader:
        served = next((b.text for b in blocks(page, "sh") if SERVES in b.text), None)
        if served is not None:
            serve(served.strip(), reader)
        reader.follow(page)


def serve(command: str, reader: Reader) -> None:
    """Do the README's first command, but for the installation, which CI has just done."""
    build, run = command.split(" && ")[-2:]
    subprocess.run(
        reader.prepare(build.replace(".venv/bin", str(COMMANDS))).split(),
        cwd=reader.folder,
        env=reader.environment,
        stdout=subprocess.DEVNULL,
        check=True,
    )
    # A shell that ignores nothing, and a log that shows when the server accepts.
    server = subprocess.Popen(
        run.replace(".venv/bin", str(COMMANDS)).split(),
        cwd=reader.folder,
        env=reader.environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    reader.keep(server)
    assert server.stdout
    assert any(reader.with_ports(":8080") in line for line in server.stdout)


@every_page
def test_shell_commands_are_well_formed(page: Path) -> None:
    for block in blocks(page, "sh"):
        subprocess.run(["bash", "-n"], input=block.text, text=True, check=True)


@every_page
def test_options_that_are_shown_exist(page: Path) -> None:
    names = ("appconvert", "appstore", "mkapp", "rundaemon", "websetroot")
    known = {name: options(name) for name in names}
    commands = [block.text.replace("\\\n", " ") for block in blocks(page, "sh")]
    commands += [step.command for block in blocks(page, "console") for step in steps(block.text)]
    for line in "\n".join(commands).splitlines():
        for command in re.split(r"&&|;|\|", line):
            words = command.replace(".venv/bin/", "").split()
            if words and words[0] in known:
                shown = {word.partition("=")[0] for word in words if word.startswith("--")}
                assert shown <= known[words[0]], command


def options(command: str) -> set[str]:
    """The long options that `command` knows, and each of the kinds or commands that it has."""
    text = helped(command)
    _, _, parts = text.partition("Kinds:\n" if "Kinds:\n" in text else "Commands:\n")
    for part in re.findall(r"^  ([a-z]+)  ", parts, re.MULTILINE):
        text += helped(command, part)
    return set(re.findall(r"--[a-z][a-z-]+", text))


def helped(command: str, *arguments: str) -> str:
    """What `command` says of itself."""
    return subprocess.run(
        [COMMANDS / command, *arguments, "--help"], capture_output=True, text=True, check=True
    ).stdout


@every_page
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text()):
        assert "://" in target or (page.parent / target).exists(), target


def test_every_page_is_reached_from_the_readme() -> None:
    readme = (ROOT / "README.md").read_text()
    for page in sorted((ROOT / "docs").glob("*.md")):
        assert f"(docs/{page.name})" in readme


def test_the_table_of_dependencies_has_each_with_its_floor() -> None:
    with (ROOT / "pyproject.toml").open("rb") as file:
        needed = tomllib.load(file)["project"]["dependencies"]
    floors = {
        match[1]: f"{match[2]}, below {match[3]}" if match[3] else match[2]
        for match in (re.match(r"([\w-]+)>=([\d.]+)(?:,<(\d+))?", each) for each in needed)
        if match
    }
    table = (ROOT / "docs/design.md").read_text().partition("\n## Dependencies\n")[2]
    shown = dict(re.findall(r"^\| ([\w-]+) \| (\d[^|]*?) \|", table, re.MULTILINE))
    assert len(floors) == len(needed)
    assert shown == floors


def test_changes_are_called_by_number_and_kind() -> None:
    for fragment in (ROOT / "changes").iterdir():
        assert re.fullmatch(r"\d{4}\.(added|changed|fixed|removed|security)\.md", fragment.name), (
            fragment.name
        )
