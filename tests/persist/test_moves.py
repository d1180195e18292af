"""A class that moved, and a module that was renamed, are found by what the code declares."""

import sys
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from perdure.persist import moves
from perdure.persist.restore import RestoreError
from perdure.persist.schema import moved
from perdure.persist.trust import Policy

from .evolution import HEAD, Kept, code, kept, releases

PLAIN = "class Counter:\n    total = 0"


@pytest.fixture(autouse=True)
def _releases() -> Iterator[None]:
    with releases():
        yield


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An application's folder, which is searched for modules."""
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    return tmp_path


def old_counter(text: str = PLAIN) -> Kept:
    module = code("oldshop", text)
    item = module.Counter()
    item.total = 5
    old = kept([item, module.Counter])
    del sys.modules["oldshop"]
    return old


def test_a_class_is_found_by_its_former_name() -> None:
    old = old_counter()
    module = code("store", '@schema(was=("oldshop.Counter",))\nclass Visits: ...')
    item, named = old.restored()
    assert type(item) is named is module.Visits
    assert item.total == 5


def test_a_class_that_moved_and_changed_is_brought_up() -> None:
    old = old_counter()
    code(
        "store",
        '@schema(version=2, was=("oldshop.Counter",))\nclass Counter: ...\n'
        "@upgrades(Counter, to=2)\ndef f(state): return {'sum': state['total']}",
    )
    assert old.restored()[0].sum == 5


def test_a_class_that_moved_twice_is_found() -> None:
    old = old_counter()
    code("store", '@schema(was=("oldshop.Counter", "middle.Counter"))\nclass Counter: ...')
    moved("oldshop", "middle")
    assert old.restored()[0].total == 5


def test_a_class_in_a_class_is_found() -> None:
    module = code("oldshop", "class Outer:\n    class Inner: ...")
    old = kept(module.Outer.Inner())
    module = code("oldshop", '@schema(was=("oldshop.Outer.Inner",))\nclass Inner: ...')
    assert type(old.restored()) is module.Inner


def test_all_of_a_module_is_found_by_the_prefix() -> None:
    code("oldshop", "")
    module = code("oldshop.cart", PLAIN + "\ndef make(): ...")
    old = kept([module.Counter(), module.make])
    del sys.modules["oldshop.cart"]
    code("store", "")
    module = code("store.cart", PLAIN + "\ndef make(): ...")
    moved("oldshop", "store")
    found = old.restored()
    assert type(found[0]) is module.Counter
    assert found[1] is module.make


def test_what_is_installed_says_so_by_an_entry_point(monkeypatch: pytest.MonkeyPatch) -> None:
    old = old_counter()
    module = code("store", PLAIN)

    def points(group: str) -> list[EntryPoint]:
        return [EntryPoint("oldshop", "store", group)]

    monkeypatch.setattr(moves, "entry_points", points)
    moves.installed.cache_clear()
    try:
        assert type(old.restored()[0]) is module.Counter
    finally:
        moves.installed.cache_clear()


def test_bases_that_moved_are_brought_up_too() -> None:
    module = code("oldshop", "class Base: ...\nclass Counter(Base): ...")
    item = module.Counter()
    item.total = 1
    old = kept(item)
    code(
        "oldshop",
        '@schema(version=2, was=("oldshop.Base",))\nclass Foundation: ...\n'
        "class Counter(Foundation): ...\n"
        "@upgrades(Foundation, to=2)\ndef f(state): return {'total': state['total'] + 1}",
    )
    assert old.restored().total == 2


def test_sources_are_searched_for_who_had_the_name_and_nothing_else_is_imported(
    folder: Path,
) -> None:
    old = old_counter()
    package = folder / "newstore"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "visits.py").write_text(
        f'{HEAD}@schema(was=("oldshop.Counter",))\nclass Counter: ...\n'
    )
    (folder / "hostile.py").write_text("raise SystemExit  # oldshop, schema\n")
    (folder / "broken.py").write_text("def oldshop schema\n")
    assert type(old.restored()[0]).__module__ == "newstore.visits"
    assert "hostile" not in sys.modules


def test_sources_are_searched_for_a_module_that_was_renamed(folder: Path) -> None:
    old = old_counter()
    (folder / "renamedstore.py").write_text(f"{HEAD}moved('oldshop', 'renamedstore')\n{PLAIN}\n")
    assert type(old.restored()[0]).__module__ == "renamedstore"


def test_a_name_under_which_there_is_something_again_means_that() -> None:
    old = old_counter()
    code("store", '@schema(was=("oldshop.Counter",))\nclass Counter: ...')
    module = code("oldshop", PLAIN)
    assert type(old.restored()[0]) is module.Counter


def test_names_that_lead_to_each_other_end_as_not_found() -> None:
    old = old_counter()
    moved("oldshop", "nowhere")
    moved("nowhere", "oldshop")
    with pytest.raises(RestoreError, match="there is no module oldshop"):
        old.restored()


def test_a_strangers_names_are_followed_where_both_are_trusted(folder: Path) -> None:
    old = old_counter()
    code("store", '@schema(was=("oldshop.Counter",))\nclass Counter: ...')
    with pytest.raises(RestoreError, match="there is no module oldshop"):
        old.restored(Policy.only(["oldshop"]))
    assert old.restored(Policy.only(["oldshop", "store"]))[0].total == 5


def test_a_class_that_is_still_there_by_its_former_name_needs_no_word() -> None:
    old = old_counter("@schema(version=1)\n" + PLAIN)
    module = code(
        "store",
        "@schema(version=2)\nclass Counter: ...\n"
        "@upgrades(Counter, to=2)\ndef f(state): return {'sum': state['total']}",
    )
    code("oldshop", "from store import Counter")
    item, named = old.restored()
    assert type(item) is named is module.Counter
    assert item.sum == 5
    assert moves.present_class("oldshop.Counter") == "store.Counter"


def test_a_class_that_is_not_there_by_its_own_name_keeps_the_one_it_was_found_by() -> None:
    module = code("store", PLAIN)
    module.Counter.__module__ = "nowhere"
    assert moves.present_class("store.Counter") == "store.Counter"
    assert moves.own_place(module.Counter) is None
    assert moves.own_place(moves) is None
