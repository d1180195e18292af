"""Memory gathered in huge pages: it holds what it held, and a system without them does no harm."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from perdure.persist import hugepages


@pytest.fixture(autouse=True)
def _anew() -> Iterator[None]:
    hugepages.size.cache_clear()
    yield
    hugepages.size.cache_clear()


def test_what_is_in_it_stays() -> None:
    texts = [str(number) * 100 for number in range(200_000)]
    before = hash("".join(texts))
    gathered = hugepages.gather()
    assert hash("".join(texts)) == before
    assert gathered.huge % (hugepages.size() or 1) == 0


def test_it_is_given_up_when_that_is_asked_for() -> None:
    kept = bytearray(b"x") * (256 << 20)
    assert hugepages.gather(lambda: True).huge == 0
    assert len(kept) == 256 << 20


@pytest.mark.parametrize("text", [None, "", "many\n"])
def test_without_huge_pages_nothing_is_done(
    text: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "size"
    if text is not None:
        file.write_text(text)
    monkeypatch.setattr(hugepages, "SIZE_FILE", file)
    assert hugepages.gather() == hugepages.Gathered()


def test_where_the_system_does_not_show_the_memory_nothing_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hugepages, "MAPS", tmp_path / "none")
    assert hugepages.gather() == hugepages.Gathered()
