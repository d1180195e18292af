"""What a record says is shown in few lines, whatever it is, and nothing of it is run."""

import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure.convert import recordview
from perdure.convert.recordview import RecordView
from perdure.persist.components import Recorder
from perdure.persist.references import References
from perdure.persist.secret import Secret


class Board:
    def __init__(self, *entries: object, **fields: object) -> None:
        self.entries = list(entries)
        self.__dict__.update(fields)


class Trap:
    def __reduce__(self) -> Any:
        return exec, ("raise SystemExit('run')",)


KEY = "tests.Board"
PLACE = f"application.registry[{KEY}]"


def state(component: object, references: References | None = None) -> tuple[bytes, bytes]:
    record = Recorder(references or References()).record(component)
    return record.made, record.state


def call(*arguments: object, **keywords: object) -> tuple[str, float, None, None, bytes]:
    return "Board.post", 1.5, None, None, pickle.dumps((arguments, keywords), 5)


def show(view: RecordView, kind: str, content: object) -> list[str]:
    return list(view.lines(KEY, kind, content))


@pytest.fixture
def view() -> RecordView:
    return RecordView(trusted=False, secret={})


def test_a_component_that_is_met_first_is_shown_whole(view: RecordView) -> None:
    lines = show(view, "state", state(Board("a", size=3)))
    assert lines[0].startswith(f"= {PLACE}: ")
    assert lines[1:] == ["  ├─ entries: list (1)  (8 bytes)", "  │  └─ [0]: 'a'", "  └─ size: 3"]


def test_later_what_differs_is_shown(view: RecordView) -> None:
    view.note(KEY, "state", state(Board("a", size=3)))
    assert show(view, "state", state(Board("a", "b", size=4))) == [
        f"+ {PLACE}.entries[1]: 'b'",
        f"~ {PLACE}.size: 3 -> 4",
    ]


def test_what_is_gone_is_said_and_then_met_anew(view: RecordView) -> None:
    view.note(KEY, "state", state(Board()))
    assert show(view, "gone", None) == [f"- {PLACE}"]
    assert show(view, "state", state(Board()))[0].startswith("=")


def test_a_call_is_shown_with_its_arguments(view: RecordView) -> None:
    assert show(view, "command", call("me", text="hello", n=1)) == [
        f"! {PLACE}: Board.post('me', text='hello', n=1)"
    ]
    name, time, _, _, stream = call()
    failed = (name, time, 7, "ValueError", stream)
    assert show(view, "command", failed) == [
        f"! {PLACE}: Board.post(), which raised ValueError (with chance)"
    ]


def test_another_component_is_a_reference(view: RecordView) -> None:
    other = Board()
    known = References({"tests.Other": other})
    lines = show(view, "state", state(Board(other, friend=other), known))
    assert "  └─ friend: → registry[tests.Other]" in lines
    keywords: dict[str, object] = {}
    stream = Recorder(known).stream(((other,), keywords))
    shown = show(view, "command", ("Board.post", 1.5, None, None, stream))
    assert shown == [f"! {PLACE}: Board.post(→ registry[tests.Other])"]


def test_containers_are_components_too(view: RecordView) -> None:
    class_of = {"list": [1, 2], "dict": {"a": 1}, "set": {1}}
    for component in class_of.values():
        assert show(view, "state", state(component))
        assert show(view, "gone", None)


def test_secret_fields_are_hidden() -> None:
    view = RecordView(False, {f"{Board.__module__}:Board": ("password",)})
    lines = show(view, "state", state(Board(password="hunter2")))
    lines += show(view, "state", state(Board(1, password="hunter3")))
    assert "hunter" not in "".join(lines)


def test_nothing_is_run(view: RecordView) -> None:
    assert "exec" in "".join(show(view, "state", state(Board(Trap()))))
    assert "exec" in show(view, "command", call(Trap()))[0]


def test_a_large_record_is_cut(view: RecordView, monkeypatch: pytest.MonkeyPatch) -> None:
    view.note(KEY, "state", state(Board()))
    lines = show(view, "state", state(Board(*range(1000), text="x" * 100_000)))
    assert len(lines) <= 41
    assert max(map(len, lines)) < 300
    assert lines[-1] == "  … 961 more lines"
    assert len(show(view, "command", call(*range(1000)))[0]) < 300
    monkeypatch.setattr(recordview, "_LARGEST", 100)
    assert "too large" in show(view, "state", state(Board("y" * 200)))[0]
    assert "too large" in show(view, "command", call("y" * 200))[0]


def test_memory_is_bounded(view: RecordView, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recordview, "_REMEMBERED", 10_000)
    for number in range(100):
        view.note(f"a.B:{number}", "state", state(Board("z" * 1000)))
    (shown,) = view.lines("a.B:99", "state", state(Board("q")))
    assert shown.startswith("~")
    assert next(view.lines("a.B:1", "state", state(Board("q")))).startswith("=")


@given(st.binary(max_size=60), st.binary(max_size=60))
def test_any_bytes_give_few_lines_and_no_error(made: bytes, stream: bytes) -> None:
    view = RecordView(False, {})
    whole = state(Board(1))
    for content in ((made, stream), (b"", stream), (whole[0], stream), (made, whole[1])):
        assert 0 < len(show(view, "state", content)) <= 41
    assert len(show(view, "command", ("f", 0.0, None, None, stream))) == 1


@given(st.data())
def test_a_changed_stream_gives_no_error(data: st.DataObject) -> None:
    view = RecordView(False, {})
    made, stream = state(Board("a", size=3, more={"b": (1, [2])}))
    view.note(KEY, "state", (made, stream))
    place = data.draw(st.integers(0, len(stream) - 1))
    changed = stream[:place] + bytes([data.draw(st.integers(0, 255))]) + stream[place + 1 :]
    assert 0 < len(show(view, "state", (made, changed))) <= 41


def test_what_is_secret_the_journal_says_before_any_passport_does(view: RecordView) -> None:
    secret = ((f"{Board.__module__}:Board", ("password",)),)
    assert list(view.lines("", "secret", secret)) == []
    lines = show(view, "state", state(Board(password="hunter2")))
    assert "hidden" in "".join(lines)
    assert "hunter" not in "".join(lines)


def test_a_secret_wrapper_is_hidden_whatever_the_journal_says(view: RecordView) -> None:
    lines = show(view, "state", state(Board(key=Secret("hunter2"))))
    lines += show(view, "command", call(Secret("hunter2")))
    assert "hidden" in lines[-1]
    assert "hunter" not in "".join(lines)


def test_with_reveal_all_is_shown() -> None:
    view = RecordView(False, {f"{Board.__module__}:Board": ("password",)}, reveal=True)
    assert "hunter2" in "".join(show(view, "state", state(Board(password="hunter2"))))
