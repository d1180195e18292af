"""The crash lab: servers that are killed, and clients that remember what they were told."""

import os
import random
import sys
from pathlib import Path

import pytest

from ..tools.conftest import site, workshop

ROOT = Path(__file__).parents[2]
# The lab is a part of the bench, which is run from the checkout and never installed. The root leaves
# the path at once, so that no test can import a folder of ours by its short name.
sys.path.append(str(ROOT))
from bench.crash import Lab

sys.path.remove(str(ROOT))

__all__ = ["site", "workshop"]


@pytest.fixture
def kills() -> int:
    """How often each test kills a server: PERDURE_TEST_KILLS, or enough to find a gross mistake."""
    return int(os.environ.get("PERDURE_TEST_KILLS", "2"))


@pytest.fixture
def chance() -> random.Random:
    """What decides when: PERDURE_TEST_SEED, or something new each time, which the output tells."""
    seed = int(os.environ.get("PERDURE_TEST_SEED", random.randrange(1 << 32)))
    print(f"PERDURE_TEST_SEED={seed}")
    return random.Random(seed)


@pytest.fixture
def lab(tmp_path: Path, chance: random.Random) -> Lab:
    """An application nobody has visited yet."""
    folder = tmp_path / "lab"
    folder.mkdir()
    return Lab(folder, chance)
