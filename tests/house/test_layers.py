"""Which folder may import which, read from the source of every module."""

import ast
from collections.abc import Iterator

import attrs
import pytest

from .conftest import FOLDERS, Module

ARROWS = {
    "app": {"persist"},
    "convert": {"persist"},
    "persist": set[str](),
    "tools": {"app", "convert", "persist"},
}
STANDS_ALONE = ("perdure", *FOLDERS)


@attrs.frozen
class Import:
    """One imported module: its absolute name in parts, and how it was written."""

    target: tuple[str, ...]
    relative: bool
    line: int


def imports(module: Module) -> Iterator[Import]:
    """Every import statement, also those inside functions and under TYPE_CHECKING."""
    for node in ast.walk(ast.parse(module.path.read_bytes())):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(tuple(alias.name.split(".")), False, node.lineno)
        elif isinstance(node, ast.ImportFrom):
            named = tuple(node.module.split(".")) if node.module else ()
            if not node.level:
                yield Import(named, False, node.lineno)
            else:
                base = module.package[: len(module.package) - node.level + 1]
                for alias in node.names if not base + named else ():
                    # from .. import persist
                    yield Import((alias.name,), True, node.lineno)
                yield Import(base + named, True, node.lineno)


def test_imports_follow_the_arrows(module: Module) -> None:
    """tools -> app, convert, persist; app -> persist; convert -> persist; nothing else."""
    floor = module.parts[0]
    for found in imports(module):
        if found.relative and found.target and found.target[0] != floor:
            assert found.target[0] in ARROWS[floor], f"{module.path}:{found.line}"


def test_imports_among_our_folders_are_relative(module: Module) -> None:
    """Absolute ones would give type checkers two classes for one, and snapshots a second name."""
    for found in imports(module):
        assert found.relative or found.target[0] not in STANDS_ALONE, f"{module.path}:{found.line}"


@pytest.mark.parametrize(
    ("name", "source", "target"),
    [
        ("perdure.app.web.http", "from ...persist.errors import PerdureError", "persist"),
        ("perdure.app.web.http", "from ..service import Service", "app"),
        ("perdure.tools.mkapp", "def f():\n    from ..app import registry", "app"),
    ],
)
def test_the_rule_sees_through_dots(
    name: str, source: str, target: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    class Written(Module):
        @property
        def parts(self) -> tuple[str, ...]:
            return tuple(name.split(".")[1:])

    path = tmp_path_factory.mktemp("layer") / "module.py"
    path.write_text(source)
    assert [found.target[0] for found in imports(Written(path))] == [target]
