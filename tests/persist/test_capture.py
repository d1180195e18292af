"""Objects to a stream and back: the same graph, at any depth, by the fast way and the slow."""

import collections
import contextlib
import gc
import pickle
import typing
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure.persist.capture import CaptureError, capture
from perdure.persist.deep import DeepPickler
from perdure.persist.restore import restore
from perdure.persist.trust import Policy

from . import models
from .graphs import assert_same, graphs, leaves
from .models import Link, Plain, Reduced

EVERYTHING = Policy.everything()
DEEP = 100_000


def back(root: object) -> Any:
    return restore(capture(root).stream, EVERYTHING)


@given(graphs())
def test_what_is_restored_is_what_was_captured(root: list[Any]) -> None:
    assert_same(root, back(root))


@given(graphs())
def test_the_deep_pickler_saves_what_the_c_pickler_saves(root: list[Any]) -> None:
    slow = DeepPickler()
    stream = slow.dump(root)
    assert_same(pickle.loads(pickle.dumps(root, 5)), pickle.loads(stream))
    assert tuple(sorted(slow.names)) == capture(root).names


@given(st.recursive(leaves, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_trees_of_values_come_back(root: Any) -> None:
    assert_same(root, back(root))
    assert_same(root, pickle.loads(DeepPickler().dump(root)))


@given(st.sets(st.integers() | st.text()), st.frozensets(st.tuples(st.integers(), st.text())))
def test_sets_come_back(one: set[Any], other: frozenset[Any]) -> None:
    for stream in (capture([one, other]).stream, DeepPickler().dump([one, other])):
        assert pickle.loads(stream) == [one, other]


def reduced() -> Reduced:
    made = Reduced("name")
    made.members = [made, *range(2500)]
    made.pairs = dict.fromkeys(range(2500), made)
    made.state = {"self": made}
    return made


@pytest.mark.parametrize("slow", [False, True])
def test_every_part_of_a_reduction_is_kept(slow: bool) -> None:
    made: Any = pickle.loads(DeepPickler().dump(reduced()) if slow else capture(reduced()).stream)
    assert made.name == "name"
    assert made.members == [made, *range(2500)]
    assert made.pairs == dict.fromkeys(range(2500), made)
    assert made.state == {"self": made}


def test_a_tuple_that_contains_itself_comes_back_by_the_slow_way_too() -> None:
    for length in (1, 2, 3, 4, 5):
        inner: list[Any] = []
        whole = (inner, *range(length - 1))
        inner.append(whole)
        again: Any = pickle.loads(DeepPickler().dump(whole))
        assert again[0][0] is again
        assert len(again) == length


def test_a_frozenset_that_contains_itself_comes_back_by_the_slow_way_too() -> None:
    part: Any = Plain()
    whole = frozenset([part])
    part.whole = whole
    again: Any = pickle.loads(DeepPickler().dump(whole))
    assert next(iter(again)).whole is again


def test_large_values_and_buffers_come_back_by_the_slow_way_too() -> None:
    root = [
        bytes(70_000),
        "é" * 70_000,
        bytearray(300),
        list(range(70_000)),
        dict.fromkeys(range(3000)),
        set(range(3000)),
        -(1 << 4096),
        "\ud800",
    ]
    assert pickle.loads(DeepPickler().dump(root)) == root
    buffers = [pickle.PickleBuffer(b"abc"), pickle.PickleBuffer(bytearray(b"abc"))]
    assert pickle.loads(DeepPickler().dump(buffers)) == pickle.loads(pickle.dumps(buffers, 5))


def chain(kind: str) -> Any:
    made: Any = None
    for _ in range(DEEP):
        match kind:
            case "instances":
                made = Link(made)
            case "lists":
                made = [made]
            case "tuples":
                made = (made,)
            case "dicts":
                made = {"inner": made}
            case _:
                made = collections.deque([made])
    return made


def inner(item: Any) -> Any:
    if isinstance(item, Link):
        return item.after
    return item["inner" if hasattr(item, "keys") else 0]


@pytest.mark.parametrize("kind", ["instances", "lists", "tuples", "dicts", "deques"])
def test_a_hundred_thousand_levels_are_saved_and_loaded(kind: str) -> None:
    made = back(chain(kind))
    depth = 0
    while made is not None:
        made = inner(made)
        depth += 1
    assert depth == DEEP


def test_a_graph_that_never_ends_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("perdure.persist.deep._DEEPEST", 10_000)
    with pytest.raises(CaptureError, match="its parts never end") as caught:
        capture(models.Endless())
    assert caught.value.path == "application"


def test_the_names_are_those_of_classes_and_functions() -> None:
    members: list[int] = []
    root: list[object] = [Plain(), models.function, models.Outer.Inner, len, type(None)]
    root.append(members.append)
    assert capture(root).names == (
        "builtins:getattr",
        "builtins:len",
        "builtins:type",
        f"{models.__name__}:Outer.Inner",
        f"{models.__name__}:Plain",
        f"{models.__name__}:function",
    )


def test_things_of_the_library_come_back() -> None:
    root = [typing.Any, list[int], collections.Counter("aab"), contextlib.nullcontext(3)]
    assert back(root)[:3] == root[:3]


@pytest.mark.parametrize("enabled", [True, False])
def test_garbage_collection_is_left_as_it_was(enabled: bool) -> None:
    seen: list[bool] = []
    before = gc.isenabled()
    (gc.enable if enabled else gc.disable)()
    try:
        watcher = Watcher(seen)
        restore(capture(watcher).stream, EVERYTHING)
        with pytest.raises(CaptureError):
            capture(lambda: None)
        assert gc.isenabled() is enabled
    finally:
        (gc.enable if before else gc.disable)()
    assert seen == [False]


class Watcher:
    def __init__(self, seen: list[bool]) -> None:
        self.seen = seen

    def __getstate__(self) -> dict[str, object]:
        self.seen.append(gc.isenabled())
        return {}
