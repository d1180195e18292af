"""The tools that read our source find nothing to say."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import Module

PLACEHOLDERS = re.compile(r"\b(TODO|FIXME|XXX|HACK|NotImplementedError)\b")


def complaints(root: Path, *command: str) -> str:
    """What `command` of this environment prints when it fails; nothing when it passes."""
    tool, *arguments = command
    done = subprocess.run(
        [Path(sys.executable).with_name(tool), *arguments],
        cwd=root,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.stdout if done.returncode else ""


def test_ruff_finds_nothing(root: Path) -> None:
    assert complaints(root, "ruff", "check") == ""


def test_the_layout_is_that_of_ruff_format(root: Path) -> None:
    assert complaints(root, "ruff", "format", "--check") == ""


@pytest.mark.timeout(600)
def test_mypy_finds_nothing(root: Path) -> None:
    assert complaints(root, "mypy") == ""


@pytest.mark.timeout(600)
def test_pyright_finds_nothing(root: Path) -> None:
    assert complaints(root, "pyright") == ""


def test_a_module_has_at_most_400_lines(module: Module) -> None:
    assert len(module.path.read_text().splitlines()) <= 400


def test_a_module_says_what_it_is(module: Module) -> None:
    assert module.path.read_text().lstrip("#! \n").startswith('"""')


def test_nothing_is_left_for_later(root: Path, modules: list[Module]) -> None:
    for module in modules:
        assert not (found := PLACEHOLDERS.search(module.path.read_text())), (module.path, found)
