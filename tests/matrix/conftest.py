"""Releases that are installed, and what they are told to do in processes of their own."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import attrs
import pytest

from .releases import RELEASES, install

DRIVER = Path(__file__).with_name("driver.py")


@attrs.frozen
class Matrix:
    """A folder with all releases, each in a folder of its own, and what they write."""

    folder: Path

    def code(self, release: int) -> Path:
        """Where the packages of a release are found."""
        return self.folder / f"release{release}"

    @property
    def environment(self) -> dict[str, str]:
        """That of a user with a key of his own."""
        return {
            **os.environ,
            "PERDURE_HOME": str(self.folder / "home"),
            "PYTHONDONTWRITEBYTECODE": "1",
        }

    def do(self, release: int, jobs: list[list[Any]], code: Path | None = None) -> list[Any]:
        """Have all of it done in one process of that release."""
        path = self.code(release) if code is None else code
        others = os.environ.get("PYTHONPATH", "")
        process = subprocess.run(
            [sys.executable, DRIVER],
            input=json.dumps(jobs, default=str),
            env={**self.environment, "PYTHONPATH": f"{path}{os.pathsep}{others}"},
            stdout=subprocess.PIPE,
            text=True,
            timeout=100,
            check=True,
        )
        found: list[Any] = json.loads(process.stdout)
        return found


def files(folder: Path) -> dict[str, bytes]:
    """All there is in `folder` but its lock, by name."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.suffix != ".lock"
    }


@pytest.fixture(scope="session")
def matrix(tmp_path_factory: pytest.TempPathFactory) -> Matrix:
    made = Matrix(tmp_path_factory.mktemp("matrix"))
    for release in RELEASES:
        install(release, made.code(release))
    return made


@pytest.fixture
def kills() -> int:
    """How often a test kills something: PERDURE_TEST_KILLS, or enough to find a gross mistake."""
    return int(os.environ.get("PERDURE_TEST_KILLS", "4"))
