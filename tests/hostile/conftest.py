"""A canary, which tells when anything of a stranger's has run or was imported."""

import sys
from collections.abc import Iterator, Sequence
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

import attrs
import pytest

from . import trusted
from .techniques import TRAP

# What values are made of, and what this package needs itself.
_HARMLESS = frozenset(
    [
        "_cffi_backend",
        "_decimal",
        "_uuid",
        "bcrypt",
        "cattrs",
        "cryptography",
        "decimal",
        "encodings",
        "fractions",
        "ipaddress",
        "lxml",
        "numbers",
        "perdure",
        "uuid",
        "zstandard",
    ]
)


@attrs.define(eq=False)
class Canary:
    """A finder that has modules looked for by others, and keeps their names."""

    folder: Path
    sought: list[str] = attrs.field(factory=list[str])

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        self.sought.append(name)
        return None

    def is_alive(self) -> bool:
        """Whether nothing has run, and no module was looked for but harmless ones of Python."""
        strange = {name for name in self.sought if name.partition(".")[0] not in _HARMLESS}
        return (
            not (self.folder / "canary").exists()
            and not strange.intersection(sys.modules)
            and TRAP not in sys.modules
            and TRAP not in self.sought
            and not trusted.calls
        )


@pytest.fixture
def canary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Canary]:
    """The canary, in a folder of its own, with a module beside it that does harm when imported."""
    trap = "open('canary', 'w').close()\n"
    (tmp_path / "trap.py").write_text(trap)
    (tmp_path / TRAP).mkdir()
    for name in ("__init__", "__main__", "below"):
        (tmp_path / TRAP / f"{name}.py").write_text(trap)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    made = Canary(tmp_path)
    monkeypatch.setattr(sys, "meta_path", [made, *sys.meta_path])
    trusted.calls.clear()
    yield made
    assert made.is_alive(), made.sought
