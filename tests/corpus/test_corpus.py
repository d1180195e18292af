"""What released versions have written is read by this one, and by each to come."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from perdure.persist.formats import table
from perdure.persist.trust import KEY_FILE
from perdure.tools import kind

from .writing import CORPUS, GOING, RUN, TEMPLATE, ReleasedError, write

RELEASES = sorted((CORPUS / "releases").glob("[0-9]*"))
LARGEST = 600_000
DIVER = "harbour.Plain:diver"
EMPTY: dict[str, Any] = {"components": {}, "alarms": [], "sessions": []}
WEB = [["WebService", "web", [["TCPEndpoint", "127.0.0.1", 0]]]]

every_release = pytest.mark.parametrize("release", RELEASES, ids=lambda release: release.name)


def manifest(release: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((release / "manifest.json").read_text())
    return found


def read(release: Path, folder: Path, *modules: Path) -> list[dict[str, Any]]:
    """What all cases of a release hold, where there are further `modules`."""
    home, copy = folder / "home", folder / "set"
    home.mkdir()
    shutil.copy(CORPUS / KEY_FILE, home)
    (home / KEY_FILE).chmod(0o600)
    shutil.copytree(release, copy)
    for module in modules:
        shutil.copy(module, copy / "site")
    done = subprocess.run(
        [sys.executable, "-m", "tests.corpus.reading", copy],
        cwd=CORPUS.parents[1],
        env={**os.environ, "PERDURE_HOME": str(home), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@every_release
def test_all_that_a_release_has_written_holds_what_it_held(release: Path, tmp_path: Path) -> None:
    found = read(release, tmp_path)
    cases = manifest(release)["cases"]
    assert [each["name"] for each in found] == [case["name"] for case in cases]
    for each, case in zip(found, cases, strict=True):
        assert each["own"]
        assert each["sealed"] == ("-sealed-" in each["name"])
        assert each["holds"] == "blueprint"
        assert each["name"].endswith(each["syntax"])
        parked = each["name"].startswith("parked-")
        assert [line.partition(" is parked")[0] for line in each["warnings"]] == (
            ["wreck.Wreck"] if parked else []
        )
        assert each["recovered"] == bool(case.get("records"))
        if case["kind"] == RUN:
            assert each["services"] == WEB
        file = release / each["name"] / "expected.json"
        expected = json.loads(file.read_text()) if file.exists() else EMPTY
        assert each["state"] == expected, each["name"]


@every_release
def test_what_a_release_has_parked_comes_back_with_its_module(
    release: Path, tmp_path: Path
) -> None:
    held = {each["name"]: each["state"] for each in read(release, tmp_path, TEMPLATE / GOING)}
    for syntax in table.SUFFIXES:
        components = held[f"parked-{syntax}"]["components"]
        assert components["wreck.Wreck"]["class"] == "Wreck"
        assert "same" in components[DIVER]["fields"]["found"]


@pytest.mark.parametrize("release", RELEASES[-1:], ids=lambda release: release.name)
def test_the_last_set_has_everything(release: Path) -> None:
    """Each kind in each syntax, and each kind of entry that a journal may have."""
    cases = {case["name"]: case for case in manifest(release)["cases"]}
    for syntax in table.SUFFIXES:
        for name in kind.names():
            assert f"{name}-blueprint-{syntax}" in cases
            assert f"{name}-blueprint-sealed-{syntax}" in cases
        assert {f"crash-{syntax}", f"crash-sealed-{syntax}", f"parked-{syntax}"} <= cases.keys()
        expected = json.loads((release / f"stop-{syntax}" / "expected.json").read_text())
        assert len(expected["components"]) >= 12
        assert len(expected["alarms"]) == len(expected["sessions"]) == 1
    entries = {*cases["journal-pickle"]["records"], *cases["crash-pickle"]["records"]}
    assert entries >= {"state", "command", "gone", "folders", "shapes", "secret"}


def test_a_set_that_is_there_is_never_written_again() -> None:
    for release in RELEASES:
        with pytest.raises(ReleasedError, match="never written again"):
            write(release.name)


def test_the_corpus_stays_small() -> None:
    for release in RELEASES:
        size = sum(path.stat().st_size for path in release.rglob("*") if path.is_file())
        assert size <= LARGEST, release
