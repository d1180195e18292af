"""The folders stand at the root and are installed as perdure.*, whole and under one name."""

import doctest
import importlib
import sys
import tomllib
from pathlib import Path

from .conftest import FOLDERS, Module


def test_every_folder_with_an_init_is_listed_as_a_package(
    root: Path, modules: list[Module]
) -> None:
    with (root / "pyproject.toml").open("rb") as file:
        listed = tomllib.load(file)["tool"]["setuptools"]["packages"]
    found = sorted(module.name for module in modules if module.path.name == "__init__.py")
    assert sorted(listed) == found


def test_every_module_stands_in_a_package(modules: list[Module]) -> None:
    for module in modules:
        assert (module.path.parent / "__init__.py").exists(), module.path


def test_each_folder_says_that_it_is_typed(root: Path) -> None:
    for folder in FOLDERS:
        assert (root / folder / "py.typed").exists(), folder


def test_the_root_is_no_package(root: Path) -> None:
    assert not (root / "__init__.py").exists()


def test_a_module_imports_under_its_installed_name(module: Module) -> None:
    assert Path(str(importlib.import_module(module.name).__file__)).name == module.path.name


def test_the_examples_in_the_docstrings_hold(module: Module) -> None:
    assert doctest.testmod(importlib.import_module(module.name)).failed == 0


def test_no_module_is_loaded_under_a_second_name(root: Path, modules: list[Module]) -> None:
    """A second name makes a second class, whose snapshots nobody else could load."""
    for module in modules:
        importlib.import_module(module.name)
    ours = {module.path: module.name for module in modules}
    for name, loaded in sorted(sys.modules.items()):
        file = getattr(loaded, "__file__", None)
        if file and (expected := ours.get(Path(file).resolve())):
            assert name == expected
