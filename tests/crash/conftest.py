"""The crash lab: servers that are killed, and clients that remember what they were told."""

import os
import random

import pytest

from ..tools.conftest import site, workshop

__all__ = ["site", "workshop"]


@pytest.fixture
def kills() -> int:
    """How often each test kills a server: PERDURE_TEST_KILLS, or enough to find a gross mistake."""
    return int(os.environ.get("PERDURE_TEST_KILLS", "5"))


@pytest.fixture
def chance() -> random.Random:
    """What decides when: PERDURE_TEST_SEED, or something new each time, which the output tells."""
    seed = int(os.environ.get("PERDURE_TEST_SEED", random.randrange(1 << 32)))
    print(f"PERDURE_TEST_SEED={seed}")
    return random.Random(seed)
