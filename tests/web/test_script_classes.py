"""Objects of classes that are defined in scripts: saved, found again, and followed through edits."""

import gc
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from perdure.app.registry import Registry
from perdure.app.web.scripts.scriptmodule import (
    ScriptFinder,
    install,
    module_name,
    run_script,
    script_path,
)
from perdure.persist.capture import capture
from perdure.persist.restore import RestoreError, restore
from perdure.persist.trust import Policy


@pytest.fixture
def script(tmp_path: Path) -> Iterator[Path]:
    """Where a script may be; its name makes trouble where names of modules are taken apart."""
    folder = tmp_path / "my site.d"
    folder.mkdir(mode=0o755)
    before = list(sys.path)
    path = folder / "guest book:1.rpy"
    yield path
    sys.path[:] = before
    sys.modules.pop(module_name(str(path)), None)


def run(script: Path, registry: Registry, text: str) -> Any:
    """Runs `text` as that script."""
    script.write_text(dedent(text))
    script.chmod(0o644)
    return run_script(str(script), registry)


BOOK = """
class Entry:
    def __init__(self, text): self.text = text
    def shown(self): return {shown}

class Book:
    class Page:
        pass
    def __init__(self):
        self.entries = [Entry("first")]
        self.page = Book.Page()

book = registry.get_component(Book, default=Book)
"""
PLAIN, LOUD = BOOK.format(shown="self.text"), BOOK.format(shown="self.text.upper()")


def test_names_of_script_modules_lead_back_to_their_files(script: Path) -> None:
    name = module_name(str(script))
    assert "." not in name
    assert ":" not in name
    assert script_path(name) == str(script)
    assert script_path("perdure.app") is None


def test_state_of_a_scripts_own_class_survives_the_process(script: Path) -> None:
    """It is restored by a process that has not run the script, and never will have to ask."""
    registry = Registry()
    run(script, registry, PLAIN).book.entries[0].text = "kept"
    (script.parent / "state").write_bytes(capture(registry).stream)
    program = f"""
        from pathlib import Path
        from perdure.app.web.scripts.scriptmodule import install, run_script
        from perdure.persist.capture import capture
        from perdure.persist.restore import restore
        from perdure.persist.trust import Policy

        install()
        stream = Path({str(script.parent / "state")!r}).read_bytes()
        registry = restore(stream, Policy.everything())
        capture(registry)
        module = run_script({str(script)!r}, registry)
        assert module.book.entries[0].text == "kept"
        assert type(module.book) is module.Book
        assert type(module.book.entries[0]) is module.Entry
        assert len(registry) == 1
        capture(registry)
    """
    subprocess.run([sys.executable, "-c", dedent(program)], check=True)


def test_after_an_edit_all_objects_have_the_new_methods(script: Path) -> None:
    registry = Registry()
    book = run(script, registry, PLAIN).book
    assert book.entries[0].shown() == "first"
    module = run(script, registry, LOUD)
    assert module.book is book
    assert type(book) is module.Book
    assert book.entries[0].shown() == "FIRST"
    assert type(book.page) is module.Book.Page
    restored: Any = restore(capture(registry).stream, Policy.everything())
    assert restored.get_component(module.Book).entries[0].shown() == "FIRST"


def test_objects_that_the_collector_has_frozen_follow_too(script: Path) -> None:
    registry = Registry()
    book = run(script, registry, PLAIN).book
    gc.freeze()
    try:
        run(script, registry, LOUD)
        assert book.entries[0].shown() == "FIRST"
        assert gc.get_freeze_count() > 0
    finally:
        gc.unfreeze()


def test_a_run_without_change_leaves_objects_alone_and_they_can_be_saved(script: Path) -> None:
    registry = Registry()
    first = run(script, registry, PLAIN)
    run_script(str(script), registry)
    last = run_script(str(script), registry)
    assert type(last.book) is first.Book is not last.Book
    restored: Any = restore(capture(registry).stream, Policy.everything())
    assert type(restored.get_component(last.Book)) is last.Book
    run(script, registry, LOUD)
    assert last.book.entries[0].shown() == "FIRST"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("class Box: pass", "class Box:\n    __slots__ = ('a', '__dict__')"),
        ("class Box: pass", "import attrs\n@attrs.define\nclass Box:\n    a: int = 0"),
        ("import attrs\n@attrs.define\nclass Box:\n    a: int = 0", "class Box: pass"),
        ("class Box(dict): pass", "class Box(dict):\n    'changed'"),
        (
            "class Base: pass\nclass Box(Base): pass",
            "class Base:\n    x = 1\nclass Box(Base):\n    def f(self): return super().x",
        ),
        (
            "import dataclasses\n@dataclasses.dataclass(frozen=True)\nclass Box:\n    a: int = 0",
            "import dataclasses\n@dataclasses.dataclass(frozen=True)\nclass Box:\n    a: int = 1",
        ),
        (
            "from typing import NamedTuple\nclass Box(NamedTuple):\n    a: int = 0",
            "from typing import NamedTuple\nclass Box(NamedTuple):\n    a: int = 1",
        ),
        (
            "import enum\nclass Box(enum.Enum):\n    A = 1",
            "import enum\nclass Box(enum.Enum):\n    A = 1\n    B = 2",
        ),
    ],
)
def test_whatever_an_edit_does_to_a_class_its_objects_can_be_saved(
    script: Path, before: str, after: str
) -> None:
    registry = Registry()
    make = "\nmade = registry.get_component(Box, default=lambda: Box(1) if 'Enum' in repr(Box.__mro__) else Box())\n"
    box = run(script, registry, before + make).made
    module = run(script, registry, after + make)
    assert module.made is box
    restored: Any = restore(capture(registry).stream, Policy.everything())
    assert isinstance(restored.get_component(module.Box), module.Box)


def test_a_class_that_an_edit_removed_is_missed_when_the_state_is_saved(script: Path) -> None:
    registry = Registry()
    run(script, registry, PLAIN)
    run(script, registry, "x = 1")
    with pytest.raises(Exception, match="Book"):
        capture(registry)


def test_a_script_that_is_gone_or_broken_is_named_when_its_state_is_restored(
    script: Path,
) -> None:
    install()
    registry = Registry()
    run(script, registry, PLAIN)
    stream = capture(registry).stream

    def restored_anew() -> None:
        del sys.modules[module_name(str(script))]
        try:
            restore(stream, Policy.everything())
        finally:
            sys.modules.setdefault(module_name(str(script)), sys)

    spoil: dict[str, Callable[[], object]] = {
        "ZeroDivisionError": lambda: script.write_text("1 / 0"),
        "chmod go-w": lambda: script.chmod(0o666),
        "rpy: No such file": script.unlink,
    }
    for told, change in spoil.items():
        change()
        with pytest.raises(RestoreError, match=told):
            restored_anew()


def test_the_finder_is_installed_once() -> None:
    install()
    install()
    assert sum(isinstance(finder, ScriptFinder) for finder in sys.meta_path) == 1
