"""The tools that read our source find nothing to say."""

import ast
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from .conftest import Module

PLACEHOLDERS = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")


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
    assert ast.get_docstring(ast.parse(module.path.read_bytes())) or module.package == module.parts


def test_nothing_is_left_for_later(module: Module) -> None:
    assert not PLACEHOLDERS.search(module.path.read_text())


def test_what_is_left_to_subclasses_is_defined_by_one(modules: list[Module]) -> None:
    """A method that raises NotImplementedError is abstract, not unfinished."""
    abstract: Counter[str] = Counter()
    defined: Counter[str] = Counter()
    for module in modules:
        for node in ast.walk(ast.parse(module.path.read_bytes())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                left = ast.unparse(node.body[-1]).startswith("raise NotImplementedError")
                (abstract if left else defined)[node.name] += 1
    assert set(abstract) <= set(defined)
