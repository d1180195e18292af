"""What every release has written comes up under every later one, and is left alone by earlier ones."""

import shutil
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from .conftest import Matrix, files
from .releases import RELEASES, expected

SYNTAXES = ("pickle", "xml", "source")
SUFFIXES = {"pickle": ".snap", "xml": ".snap.xml", "source": ".snap.py"}
ENDS: dict[str, tuple[list[str], list[str]]] = {
    # The first run of each, and the second; of three days.
    "stopped": (["stop"], ["stop"]),
    "crashed": (["stop"], []),
    "crashed after a checkpoint": ([], ["checkpoint"]),
    "never saved": ([], []),
}
REFUSALS = ("NewerSchemaError", "RestoreError")
STATES = list(product(SYNTAXES, ENDS))


@pytest.fixture(scope="module")
def written(matrix: Matrix) -> Path:
    """The states and blueprints of all releases, each in a folder of its own."""
    folder = matrix.folder / "written"
    folder.mkdir()
    for release in RELEASES:
        jobs: list[list[Any]] = []
        for syntax, end in STATES:
            place = folder / f"{release} {syntax} {end}"
            first, second = ENDS[end]
            jobs.append(["live", place, syntax, [1], *first])
            jobs.append(["live", place, syntax, [2, 3], *second])
        for syntax in SYNTAXES:
            place = folder / f"{release}{SUFFIXES[syntax]}"
            jobs.append(["write", place, syntax, [1, 2, 3]])
        assert matrix.do(release, jobs) == [None] * len(jobs)
    return folder


def looks(folder: Path, writer: int) -> list[list[Any]]:
    """The jobs to look at all that the release `writer` has written."""
    return [
        *(["look", folder / f"{writer} {syntax} {end}", syntax] for syntax, end in STATES),
        *(["load", folder / f"{writer}{SUFFIXES[syntax]}"] for syntax in SYNTAXES),
    ]


@pytest.mark.parametrize("reader", RELEASES)
def test_all_that_earlier_releases_have_written_comes_up(
    matrix: Matrix, written: Path, reader: int
) -> None:
    before = files(written)
    writers = range(1, reader + 1)
    jobs = {writer: looks(written, writer) for writer in writers}
    found = iter(matrix.do(reader, [job for writer in writers for job in jobs[writer]]))
    for writer in writers:
        for job in jobs[writer]:
            assert next(found) == expected([writer] * 3, reader), (job, writer)
    assert files(written) == before


@pytest.mark.parametrize("reader", list(RELEASES)[:-1])
def test_what_later_releases_have_written_is_refused_or_parked_and_comes_up_again(
    matrix: Matrix, written: Path, tmp_path: Path, reader: int
) -> None:
    before = files(written)
    writers = range(reader + 1, max(RELEASES) + 1)
    copies = {writer: shutil.copytree(written, tmp_path / str(writer)) for writer in writers}
    jobs: list[list[Any]] = []
    for writer in writers:
        jobs += looks(written, writer)
        for syntax, end in STATES:
            # A run that carries what is parked.
            folder = copies[writer] / f"{writer} {syntax} {end}"
            jobs.append(["live", folder, syntax, [], "stop"])
    for job, found in zip(jobs, matrix.do(reader, jobs), strict=True):
        match job[0]:
            case "live":
                assert found is None or found["error"][-1] in REFUSALS, (job, found)
            case _:
                assert "parked" in found or found["error"][-1] in REFUSALS, (job, found)
    assert files(written) == before
    for writer in writers:
        again = looks(copies[writer], writer)
        found = matrix.do(writer, again)
        assert found == [expected([writer] * 3, writer)] * len(again)


@pytest.mark.parametrize("stopped", [True, False], ids=["stopped", "crashed"])
@pytest.mark.parametrize("syntax", SYNTAXES)
def test_one_state_goes_through_all_releases(
    matrix: Matrix, tmp_path: Path, syntax: str, stopped: bool
) -> None:
    place = tmp_path / "state"
    days: list[int] = []
    for release in RELEASES:
        days += [release, release]
        numbers = [len(days) - 1, len(days)]
        ends = ["stop"] if stopped else []
        jobs: list[list[Any]] = [["live", place, syntax, numbers, *ends], ["look", place, syntax]]
        assert matrix.do(release, jobs) == [None, expected(days, release)]


def test_a_step_that_raises_leaves_all_as_it_was(
    matrix: Matrix, written: Path, tmp_path: Path
) -> None:
    code = tmp_path / "code"
    shutil.copytree(matrix.code(3), code)
    stock = code / "store" / "stock.py"
    sound = stock.read_text()
    # Of three customers the second cannot be brought up.
    broken = sound.replace('state["address"].split(", ")', 'state["address"].split(", town")[:-2]')
    broken = sound.replace(
        "def split(state):", "def split(state):\n    1 / (state['name'] != 'c2')"
    )
    assert broken != sound
    stock.write_text(broken)
    before = files(written)
    jobs = looks(written, 1)
    for job, found in zip(jobs, matrix.do(3, jobs, code), strict=True):
        assert found["error"][-1] == "StepError", (job, found)
        assert "its step to version 2 raised ZeroDivisionError" in found["text"]
    assert files(written) == before
    stock.write_text(sound)
    assert matrix.do(3, jobs, code) == [expected([1] * 3, 3)] * len(jobs)
