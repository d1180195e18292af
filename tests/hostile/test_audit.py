"""An audit tells all that a hostile snapshot is after, and imports and runs nothing of it."""

import shutil
import sys
from pathlib import Path

import pytest

from perdure.convert import convert
from perdure.convert.audit import Audit
from perdure.convert.hooks import hooks_of
from perdure.persist import graphstream
from perdure.persist.content import Content, Snapshot
from perdure.persist.graphstream import StreamError
from perdure.persist.trust import Policy
from perdure.tools import auditing

from ..passport import PASSPORT
from ..persist.streams import called, named, stream, text
from .conftest import Canary
from .techniques import ALL, CALLS, CODE, HERE, NEW_KEPT, SPACE, TRAP, state

EX_OK, EX_DATAERR, EX_NOPERM = 0, 65, 77


def said(trick: bytes, *trusted: str) -> str:
    audit = Audit()
    audit.add(graphstream.read(trick))
    return "\n".join(audit.lines(Policy.only(trusted)))


@pytest.mark.parametrize("name", ALL)
def test_nothing_is_imported(name: str, canary: Canary) -> None:
    try:
        told = said(ALL[name])
    except StreamError:
        return
    if name in CALLS:
        assert "REFUSED" in told or "builtins" in told or "done besides" in told


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERDURE_HOME", str(tmp_path / "home"))


@pytest.mark.parametrize("form", ["pickle", "xml", "source"])
def test_a_file_is_audited_without_an_import(
    form: str, canary: Canary, home: None, tmp_path: Path
) -> None:
    trick = stream(called(named("builtins", "eval"), called(named(TRAP, "Any.thing"), text(CODE))))
    found = Snapshot(PASSPORT, Content.of_stream(trick), b"", None, "pickle")
    path = tmp_path / "strange.snap"
    path.write_bytes(b"".join(convert.pieces(found, form, None)))
    outcome = auditing.audit(path, folders=[tmp_path])
    assert outcome.status == EX_NOPERM
    assert outcome.problems == ()
    told = "\n".join(outcome.said)
    assert "    eval: REFUSED, of Python itself; it is called\n" in told
    assert f"{TRAP}\n    Any.thing: REFUSED; it is called\n" in told
    assert "unsigned: not signed" in told
    assert "builtins.eval is of Python itself, which no stranger's snapshot loads" in told


def test_what_is_refused_for_what_it_does_is_told_so(
    canary: Canary, home: None, tmp_path: Path
) -> None:
    trick = stream(SPACE + state(text("__class__"), named("uuid", "UUID")))
    found = Snapshot(PASSPORT, Content.of_stream(trick), b"", None, "pickle")
    path = tmp_path / "strange.snap"
    path.write_bytes(b"".join(convert.pieces(found, "pickle", None)))
    outcome = auditing.audit(path)
    assert outcome.status == EX_DATAERR
    assert "a start refuses it: types:SimpleNamespace has no field '__class__'" in str(outcome)


def test_methods_of_the_source_are_told_with_their_lines(canary: Canary, tmp_path: Path) -> None:
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "__init__.py").write_text("open('canary', 'w')\n")
    (tmp_path / "shop" / "till.py").write_text(
        "open('canary', 'w')\n"
        "class Till(Base):\n"
        "    def __init__(self): pass\n"
        "    def __setstate__(self, state): pass\n"
        "    class Part:\n"
        "        def after_restore(self): pass\n"
    )
    made = named("shop.till", "Till") + b")\x81"
    part = called(named("shop.till", "Till.Part"))
    told = said(stream(made, part, b"\x86"), "shop")
    assert "    Till: allowed by --trust; an object is made\n" in told
    assert f"it runs __setstate__() at line 4 of {tmp_path}/shop/till.py\n" in told
    assert "and what it inherits from Base\n" in told
    assert f"it runs after_restore() at line 6 of {tmp_path}/shop/till.py" in told
    assert "shop" not in sys.modules


def test_a_source_that_is_none_or_too_strange_is_passed_over(
    canary: Canary, tmp_path: Path
) -> None:
    (tmp_path / "bent.py").write_bytes(b"class A:\0\xff")
    (tmp_path / "deep.py").write_text("(" * 100_000)
    (tmp_path / "odd.py").mkdir()
    for module in ("bent", "deep", "odd", "", ".", "a..b", "missing", "sys", "x" * 10_000, "a\0b"):
        assert hooks_of(module, "A") is None
    assert hooks_of(HERE, "Missing") is None


def test_names_that_the_passport_does_not_tell_of_are_said(
    canary: Canary, home: None, tmp_path: Path
) -> None:
    import attrs

    from perdure.persist.formats import table

    lying = attrs.evolve(PASSPORT, names=("datetime:date",))
    path = tmp_path / "strange.snap"
    found = Snapshot(lying, Content.of_stream(stream(NEW_KEPT)), b"", None, "pickle")
    encode = table.by_name("pickle").encode
    path.write_bytes(b"".join(encode(found.passport, found.content, None, None)))
    told = "\n".join(auditing.audit(path).said)
    assert f"its passport does not tell of {HERE}:Kept" in told


def test_bad_input_is_one_line(canary: Canary, home: None, tmp_path: Path) -> None:
    from perdure.persist.errors import PerdureError

    (tmp_path / "text").write_text("a text")
    (tmp_path / "web.journal").mkdir()
    for name in ("missing", "text", ".", "web.journal"):
        with pytest.raises(PerdureError) as caught:
            auditing.audit(tmp_path / name)
        assert "\n" not in str(caught.value)
    shutil.rmtree(tmp_path / "web.journal")
