"""What may be loaded, and what is said when it cannot be."""

import contextlib
import pickle
import posix
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure.persist import opcodes
from perdure.persist.capture import capture
from perdure.persist.deep import DeepPickler
from perdure.persist.modules import add_folders
from perdure.persist.restore import RestoreError, TrustError, restore
from perdure.persist.trust import Policy

from . import models
from .graphs import assert_same, graphs, safe_leaves
from .streams import HEAD, called, named, number, stream, text

EVERYTHING = Policy.everything()
ONLY = Policy.only()
MODELS = Policy.only([models.__name__])
EX_NOPERM = 77
EX_DATAERR = 65


class Trap:
    """Runs a command when loaded, as an attacker's snapshot would."""

    command = "system"

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return getattr(posix, self.command), (f"touch {self.path}",)


def test_a_snapshot_that_names_os_system_is_refused_with_nothing_run(tmp_path: Path) -> None:
    data = pickle.dumps([models.Plain(), Trap(tmp_path / "ran")], 5)
    with pytest.raises(TrustError) as caught:
        restore(data, MODELS)
    assert caught.value.names == ("posix:system",)
    assert caught.value.exit_status == EX_NOPERM
    assert str(caught.value) == (
        "this user has not signed the snapshot, and it names posix.system, which a stranger's may"
        " not load; nothing was run; posix.system is of Python itself, which no stranger's snapshot"
        " loads: it may be made to harm, do not run it"
    )
    assert not (tmp_path / "ran").exists()
    restore(data, EVERYTHING)
    assert (tmp_path / "ran").exists()


def test_all_refused_names_are_listed_before_anything_is_imported(tmp_path: Path) -> None:
    (tmp_path / "hostile.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    program = (
        "import sys; from perdure.persist.restore import restore, TrustError;"
        "from perdure.persist.trust import Policy;"
        f"sys.path.append({str(tmp_path)!r}); events = [];\n"
        "import pickle, decimal\n"
        "sys.addaudithook(lambda event, args: event in ('import', 'exec', 'open') and"
        " events.append((event, args)))\n"
        f"try: restore({stream(named('hostile', 'A'), named('shelve', 'Shelf'))!r}, Policy.only())\n"
        "except TrustError as error: print(error.names, events)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout == "('hostile:A', 'shelve:Shelf') []\n"
    assert not (tmp_path / "ran").exists()


@given(st.recursive(safe_leaves, lambda inner: st.lists(inner) | st.tuples(inner, inner)))
def test_safe_values_load_from_anyone(root: Any) -> None:
    for data in (capture(root).stream, pickle.dumps(root, 4), DeepPickler().dump(root)):
        assert_same(root, restore(data, ONLY))


@given(graphs())
def test_what_the_operator_trusts_loads_as_its_own_work_does(root: list[Any]) -> None:
    data = capture(root).stream
    refused: tuple[str, ...] = ()
    try:
        assert_same(root, restore(data, MODELS))
    except TrustError as error:
        refused = error.names
    # Bound methods and the classes of singletons need names that no stranger is given.
    assert set(refused) <= {"builtins:getattr", "builtins:type", "builtins:len"}


REFUSED = [
    ("posix", "system"),
    ("os", "system"),
    ("builtins", "eval"),
    ("builtins", "exec"),
    ("builtins", "open"),
    ("builtins", "setattr"),
    ("builtins", "type"),
    ("builtins", "__import__"),
    ("builtins", "list.append"),
    ("operator", "attrgetter"),
    ("functools", "partial"),
    ("copyreg", "_reconstructor"),
    ("copyreg", "__newobj__"),
    ("importlib", "import_module"),
    ("subprocess", "Popen"),
    ("pickle", "loads"),
    ("perdure.persist.files", "os.system"),
    ("perdure.persist.files", "os"),
    ("perdure.persist.files", "replace"),
    ("perdure.persist.files", "Path"),
    ("perdure.persist.files", "PerdureError"),
    ("perdure.persist.store", "FolderStore.save"),
    ("perdure.persist.restore", "restore"),
    ("perdure.persist.trust", "Signer.of_user"),
    ("perdurex", "A"),
    ("perdure", "persist"),
    (f"{models.__name__}x", "Plain"),
    (models.__name__, "threading.Thread"),
    (models.__name__, "attrs"),
    (models.__name__, "persistent"),
    (models.__name__, "Plain.__init__.__globals__"),
    (models.__name__, "Defined.__attrs_attrs__"),
    ("datetime", "datetime.now"),
    ("collections", "namedtuple"),
]


@pytest.mark.parametrize(("module", "name"), REFUSED, ids=".".join)
def test_a_name_outside_the_policy_is_refused(module: str, name: str) -> None:
    with pytest.raises(TrustError) as caught:
        restore(stream(named(module, name)), MODELS)
    assert caught.value.names == (f"{module}:{name}",)


def test_no_trust_is_offered_in_a_trusted_module_that_has_a_name_from_elsewhere() -> None:
    with pytest.raises(TrustError, match=r"does not define; .* do not run it") as caught:
        restore(stream(named(models.__name__, "dataclasses.sys.modules")), MODELS)
    assert "--trust" not in str(caught.value)


@pytest.mark.parametrize(
    "item",
    [models.Plain, models.Outer.Inner, models.function, models.THE_ONE, models.OfMeta],
)
def test_what_is_defined_in_a_trusted_module_is_let_in(item: object) -> None:
    assert restore(capture(item).stream, MODELS) is item


def test_a_trusted_module_is_trusted_with_what_is_below_it() -> None:
    policy = Policy.only(["visits"])
    assert policy.allows("visits", "A")
    assert policy.allows("visits.more", "A")
    assert not policy.allows("visitsmore", "A")
    assert not policy.allows("more.visits", "A")


HUGE = number(10**12)
BOMBS: dict[str, bytes] = {
    "bytearray": called(named("builtins", "bytearray"), HUGE),
    "bytes": called(named("builtins", "bytes"), HUGE),
    "list": called(named("builtins", "list"), called(named("builtins", "range"), HUGE)),
    "set": called(named("builtins", "set"), called(named("builtins", "range"), HUGE)),
    "deque": called(named("collections", "deque"), called(named("builtins", "range"), HUGE)),
    "Counter": called(named("collections", "Counter"), called(named("builtins", "range"), HUGE)),
    "Fraction": called(named("fractions", "Fraction"), text("1e999999999")),
    "Fraction of Decimal": called(
        named("fractions", "Fraction"), called(named("decimal", "Decimal"), text("1e999999999"))
    ),
    "new deque": named("collections", "deque")
    + called(named("builtins", "range"), HUGE)
    + pickle.TUPLE1
    + pickle.NEWOBJ,
    "keywords": named("builtins", "complex")
    + pickle.EMPTY_TUPLE
    + pickle.EMPTY_DICT
    + text("real")
    + number(1)
    + pickle.SETITEM
    + pickle.NEWOBJ_EX,
}


@pytest.mark.parametrize("bomb", BOMBS.values(), ids=BOMBS)
def test_a_harmless_class_asked_for_too_much_is_refused(bomb: bytes) -> None:
    with pytest.raises(RestoreError, match=r"is not made from such arguments"):
        restore(stream(bomb), ONLY)


PLAIN = named(models.__name__, "Plain")
STATE = pickle.NONE + pickle.EMPTY_DICT + text("method") + pickle.NONE + pickle.SETITEM
TRICKS: dict[str, bytes] = {
    "attributes of a class": PLAIN + STATE + pickle.TUPLE2 + pickle.BUILD,
    "a call of an instance": called(called(PLAIN)),
    "a class without a name": text("a") + pickle.EMPTY_TUPLE + pickle.NEWOBJ,
    "items of a class": PLAIN + pickle.MARK + number(1) + pickle.APPENDS,
    "a module that is no text": pickle.NONE + text("a") + pickle.STACK_GLOBAL,
    "nothing on the stack": pickle.TUPLE2,
    "an unknown memo": pickle.BINGET + b"\x07",
}


@pytest.mark.parametrize("trick", TRICKS.values(), ids=TRICKS)
def test_a_stream_that_no_pickler_writes_is_refused(trick: bytes) -> None:
    with pytest.raises(RestoreError, match="the content is not a stream of objects"):
        restore(stream(trick), MODELS)
    assert models.Plain().method() == "called"


CLAIM = b"\x00\x00\x00\x00\x00\x01\x00\x00"
MALFORMED: dict[str, bytes] = {
    "nothing": b"",
    "text": b"some text",
    "protocol 2": pickle.dumps([1], 2),
    "protocol 3": pickle.dumps([1], 3),
    "no end": HEAD + pickle.NONE,
    "more after the end": stream(pickle.NONE) + b"more",
    "a second protocol": stream(b"\x80\x02", pickle.NONE),
    "a value of a terabyte": stream(pickle.BINBYTES8 + CLAIM),
    "a text of a terabyte": stream(pickle.BINUNICODE8 + CLAIM),
    "an array of a terabyte": stream(pickle.BYTEARRAY8 + CLAIM),
    "a frame of a terabyte": stream(pickle.FRAME + CLAIM),
    "a number of a gigabyte": stream(pickle.LONG4 + b"\xff\xff\xff\x7f"),
    "a negative length": stream(pickle.LONG4 + b"\xff\xff\xff\xff"),
    "a numbered memo": stream(pickle.NONE + pickle.LONG_BINPUT + b"\xff\xff\xff\x7f"),
    "an extension": stream(pickle.EXT1 + b"\x01"),
    "a persistent id": stream(pickle.NONE + pickle.BINPERSID),
    "an old name": stream(pickle.GLOBAL + b"os\nsystem\n"),
    "an old instance": stream(pickle.MARK + pickle.INST + b"os\nsystem\n"),
    "an old object": stream(pickle.MARK + PLAIN + pickle.OBJ),
    "a buffer from elsewhere": stream(pickle.NEXT_BUFFER),
    "a value cut short": HEAD + pickle.BINFLOAT + b"1234",
}


@pytest.mark.parametrize("data", MALFORMED.values(), ids=MALFORMED)
def test_only_streams_as_picklers_write_them_are_read(data: bytes) -> None:
    with pytest.raises(RestoreError) as caught:
        restore(data, ONLY)
    assert caught.value.exit_status == EX_DATAERR


@given(st.binary(max_size=60))
def test_no_bytes_bring_the_reader_down(data: bytes) -> None:
    for candidate in (data, HEAD + data, HEAD + data + pickle.STOP):
        with contextlib.suppress(RestoreError, TrustError):
            restore(candidate, ONLY)


@given(graphs(), st.data())
def test_no_damage_brings_the_reader_down(root: list[Any], data: st.DataObject) -> None:
    content = bytearray(capture(root).stream)
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(content) - 1))
        content[place] = data.draw(st.integers(0, 255))
    with contextlib.suppress(RestoreError, TrustError):
        restore(bytes(content), ONLY)


@given(graphs())
def test_every_stream_of_ours_passes_the_strict_look(root: list[Any]) -> None:
    opcodes.check(capture(root).stream)
    opcodes.check(pickle.dumps(root, 4))
    opcodes.check(DeepPickler().dump(root))


# When it may be loaded, but cannot.


def test_a_missing_module_is_named_with_the_folders_and_the_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path])
    add_folders([str(tmp_path)])
    with pytest.raises(RestoreError) as caught:
        restore(stream(named("visits_of_nobody", "Records")), EVERYTHING)
    message = str(caught.value)
    assert message.startswith("visits_of_nobody.Records: there is no module visits_of_nobody (")
    assert str(tmp_path) in message
    assert message.endswith("--pythonpath FOLDER, or install it")


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("import module_of_nobody", "its module needs a module module_of_nobody, which is not the"),
        ("1 / 0", "its module fails on import: ZeroDivisionError: division by zero"),
        ("def (", "its module fails on import: SyntaxError"),
        ("", "there is no Records in the module written ("),
    ],
)
def test_a_module_that_has_not_what_it_should_is_named(
    source: str, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "written.py").write_text(source)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.delitem(sys.modules, "written", raising=False)
    add_folders([str(tmp_path)])
    with pytest.raises(RestoreError) as caught:
        restore(stream(named("written", "Records")), EVERYTHING)
    assert caught.value.name == "written.Records"
    assert reason in caught.value.reason
    sys.modules.pop("written", None)


def test_folders_are_searched_last_and_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", ["/first"])
    monkeypatch.chdir(tmp_path)
    add_folders([".", str(tmp_path), "/first"])
    assert sys.path == ["/first", str(tmp_path)]


@pytest.mark.parametrize("policy", [EVERYTHING, MODELS])
def test_an_object_that_refuses_its_state_is_named(policy: Policy) -> None:
    data = capture(models.RaisesInSetstate()).stream
    with pytest.raises(RestoreError) as caught:
        restore(data, policy)
    assert caught.value.name == f"{models.__name__}.RaisesInSetstate.__setstate__"
    assert "LookupError: no room for a state" in caught.value.reason


def test_a_call_that_fails_is_told() -> None:
    with pytest.raises(RestoreError, match="cannot be built again: AddressValueError"):
        restore(stream(called(named("ipaddress", "IPv4Address"), text("1.2.3"))), ONLY)
