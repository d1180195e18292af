"""A signer of its own for each test, and never the one of whoever runs them."""

from pathlib import Path

import pytest
from hypothesis import settings

from perdure.persist import journal
from perdure.persist.trust import Signer

# How long one example takes says more about the machine than about us.
settings.register_profile("perdure", deadline=None)
settings.load_profile("perdure")


@pytest.fixture
def signer(tmp_path_factory: pytest.TempPathFactory) -> Signer:
    return Signer.of_user(tmp_path_factory.mktemp("key"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "state"
    made.mkdir()
    return made


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A failed disk is tried again at once: what is tested is the order of things, not delays."""
    monkeypatch.setattr(journal, "_FIRST_DELAY", 0.0001)
    monkeypatch.setattr(journal, "_LONGEST_DELAY", 0.001)
