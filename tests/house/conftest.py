"""What the house rules look at: the files of the checkout, not the installed package."""

from pathlib import Path

import attrs
import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("app", "convert", "persist", "tools")


@attrs.frozen
class Module:
    """A module file of the four folders."""

    path: Path

    @property
    def parts(self) -> tuple[str, ...]:
        """Where it stands, from the root: ("app", "web", "http")."""
        parts = self.path.relative_to(ROOT).with_suffix("").parts
        return parts[:-1] if parts[-1] == "__init__" else parts

    @property
    def name(self) -> str:
        """What it is called when installed: "perdure.app.web.http"."""
        return ".".join(("perdure", *self.parts))

    @property
    def package(self) -> tuple[str, ...]:
        """What its relative imports start from."""
        return self.parts if self.path.name == "__init__.py" else self.parts[:-1]


def all_modules() -> list[Module]:
    """Every module of the four folders; walked, since an editable install cannot list them."""
    return [Module(path) for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that takes `module` is run for every module."""
    if "module" in metafunc.fixturenames:
        modules = all_modules()
        metafunc.parametrize("module", modules, ids=[module.name for module in modules])


@pytest.fixture
def root() -> Path:
    """The top of the checkout."""
    return ROOT


@pytest.fixture
def modules() -> list[Module]:
    """Every module of the four folders."""
    return all_modules()
