"""One component's state in a record, and put back."""

import collections
import copy
import pickle
from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure.persist.components import (
    Record,
    Recorder,
    TooLargeError,
    difference,
    put_back,
    read,
)
from perdure.persist.references import ReferenceLostError, References
from perdure.persist.restore import RestoreError, TrustError
from perdure.persist.trust import Policy

from . import models
from .models import (
    Colour,
    Data,
    Frozen,
    FrozenAbove,
    FrozenDataAbove,
    Indexed,
    MyDict,
    MyInt,
    MyList,
    MySet,
    Pair,
    Plain,
    RaisesInSetstate,
    Records,
    Reduced,
    Slotted,
    SlottedRecords,
    SlottedWithDict,
    WithNewArguments,
)

EVERYTHING = Policy.everything()


def taken(component: object, references: References | None = None) -> Record:
    return Recorder(references or References()).record(component)


def put(
    record: Record,
    component: object | None = None,
    references: References | None = None,
    key: str = "itself",
    policy: Policy = EVERYTHING,
) -> Any:
    return put_back(record, key, component, references or References(), policy)


def fields_of(item: Any) -> dict[str, Any]:
    slots = [name for base in type(item).__mro__ for name in getattr(base, "__slots__", ())]
    found = {name: getattr(item, name) for name in slots if hasattr(item, name)}
    return {**found, **getattr(item, "__dict__", {})}


def test_state_goes_back_into_the_object_that_is_there() -> None:
    counter = Plain(value=1, gone_later=[1])
    record = taken(counter)
    counter.__dict__.clear()
    counter.__dict__.update(value=2, new=3)
    assert put(record, counter) is counter
    assert vars(counter) == {"value": 1, "gone_later": [1]}


def test_without_an_object_a_new_one_is_made() -> None:
    made = put(taken(Plain(value=1)))
    assert type(made) is Plain
    assert vars(made) == {"value": 1}


def test_an_object_of_another_class_is_replaced() -> None:
    there = Slotted()
    references = References({"itself": there})
    made = put(taken(Plain(value=1)), there, references)
    assert type(made) is Plain
    assert references.find("itself") is made


def test_another_component_stays_a_reference() -> None:
    other = Plain(name="other")
    record = taken(Plain(friend=other), References({"visits.Other": other}))
    assert b"name" not in record.state
    assert record.met == ("visits.Other",)
    there = Plain()
    assert put(record, None, References({"visits.Other": there})).friend is there


def test_a_reference_to_itself_is_to_the_object_that_is_there() -> None:
    one = Plain(parts=[])
    one.__dict__["parts"].append(Plain(whole=one))
    record = taken(one, References({"one": one}))
    here: Any = Plain()
    assert put(record, here, References({"one": here}), "one") is here
    assert here.parts[0].whole is here
    new: Any = put(record, None, References(), "one")
    assert new.parts[0].whole is new


def test_a_lost_reference_is_named_and_nothing_changed() -> None:
    other = Plain()
    record = taken(Plain(friend=other), References({"visits.Other": other}))
    here = Plain(mine=1)
    references = References({"itself": here})
    with pytest.raises(ReferenceLostError) as raised:
        put(record, here, references)
    assert raised.value.key == "visits.Other"
    assert vars(here) == {"mine": 1}
    assert references.find("itself") is here


def test_a_value_is_never_a_reference() -> None:
    """Two components may hold the same member of an enum, and mean it."""
    references = References({"colour": Colour.RED, "class": Plain, "number": 5})
    record = taken(Plain(colour=Colour.RED, kind=Plain, number=5), references)
    assert record.met == ()
    assert vars(put(record)) == {"colour": Colour.RED, "kind": Plain, "number": 5}


def with_fields(item: Any) -> Any:
    item.extra = ["a field"]
    return item


def counted(*words: str) -> Any:
    return collections.Counter(words)


def slotted(kind: Callable[[], Any], left: object) -> Any:
    made = kind()
    made.left = left
    return made


IN_PLACE: list[tuple[Any, Any]] = [
    (Plain(a=1), Plain(b=2)),
    (slotted(Slotted, 1), slotted(Slotted, [2])),
    (with_fields(slotted(SlottedWithDict, 1)), slotted(SlottedWithDict, 2)),
    (Data([1], 2), Data(3)),
    (Frozen([1], (2,)), Frozen(3, 4)),
    ([1, [2]], [3]),
    ({"a": [1]}, {"b": 2, "a": 3}),
    ({1, 2}, {3}),
    (bytearray(b"one"), bytearray(b"other")),
    (deque([1], 5), deque([2, 3], 5)),
    (OrderedDict(a=1, b=2), OrderedDict(b=3, c=4)),
    (defaultdict(list, a=[1]), defaultdict(int, b=2)),
    (counted("a", "a"), counted("b")),
    (with_fields(MyList([1])), MyList([2])),
    (MyDict(a=1), with_fields(MyDict(b=2))),
    (with_fields(MySet([1])), with_fields(MySet([2]))),
]


@pytest.mark.parametrize(("first", "second"), IN_PLACE, ids=lambda item: type(item).__name__)
def test_whoever_holds_a_component_goes_on_holding_it(first: Any, second: Any) -> None:
    record = taken(first)
    there = copy.deepcopy(second)
    made = put(record, there)
    assert made is there
    assert taken(made) == record
    assert fields_of(made) == fields_of(first)


NEW: list[Any] = [
    Pair(1, [2]),
    MyInt(5),
    WithNewArguments(size=3),
    Colour.BLUE,
    models.THE_ONE,
    models.function,
    deque([1], 2),
]


@pytest.mark.parametrize("item", NEW, ids=lambda item: type(item).__name__)
def test_what_is_made_by_more_than_its_class_is_made_anew(item: Any) -> None:
    record = taken(item)
    made = put(record, None)
    assert type(made) is type(item)
    assert taken(made) == record


def test_a_deque_of_another_length_is_replaced() -> None:
    there = deque([1], 5)
    made = put(taken(deque([1], 2)), there)
    assert made is not there
    assert made.maxlen == 2


def test_every_part_of_a_reduction_comes_back() -> None:
    one = Reduced("name")
    one.members, one.pairs, one.state = [1], {"a": [2]}, ["state"]
    made = put(taken(one), Reduced("another"))
    assert vars(made) == vars(one)


def test_a_set_that_holds_what_refers_to_it_is_made_anew_whole() -> None:
    one = MySet()
    one.__dict__["inside"] = Plain(whole=one)
    there = MySet()
    made = put(taken(one), there)
    assert made.inside.whole is made
    assert made is not there


def test_a_frozen_attrs_or_dataclass_takes_its_state() -> None:
    for one, other in (
        (FrozenAbove(1), FrozenAbove(2)),
        (FrozenDataAbove(1), FrozenDataAbove(2)),
    ):
        other.cache["kept"] = 1
        assert put(taken(one), other) is other
        assert other.kept == 1
        assert other.cache == {"kept": 1}, "transient fields stay as they are"


def test_transient_fields_of_a_new_one_are_as_after_any_restore() -> None:
    made = put(taken(SlottedRecords(5)))
    assert made.kept == 5
    assert made.cache is None


def test_an_open_file_is_at_its_place_again(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text("one\ntwo\nthree\n")
    with path.open() as log:
        records = Records(log)
        lock = records.lock
        log.readline()
        record = taken(records)
        log.readline()
        assert taken(records) != record
        put(record, records)
        assert records.lock is lock
        assert records.log is not None
        with records.log:
            assert records.log.readline() == "two\n"
        assert log.closed, "the file of the state that was given up is not left open"


def test_hooks_are_called_when_everything_is_there() -> None:
    one = Indexed()
    one.neighbours.append(Indexed(one))
    record = taken(one, References({"one": one}))
    assert one.saved == 1
    made = put(record, None, References(), "one")
    assert made.index == [1]
    assert made.neighbours[0].index == [1], "it saw its neighbour with all its fields"


def test_a_component_that_fails_half_way_says_so() -> None:
    with pytest.raises((RestoreError, LookupError)):
        put(taken(RaisesInSetstate()))


def test_the_limit_is_kept_before_all_was_looked_at() -> None:
    recorder = Recorder(References(), 1 << 16)
    with pytest.raises(TooLargeError):
        recorder.record(Plain(load=bytes(1 << 17)))
    with pytest.raises(TooLargeError):
        recorder.record(Plain(load=list(range(1 << 17))))
    assert recorder.record(Plain(load=bytes(1 << 15))).state


def test_what_cannot_be_saved_harms_no_later_record() -> None:
    recorder = Recorder(References())
    with pytest.raises((pickle.PicklingError, AttributeError)):
        recorder.record(Plain(call=lambda: None))
    assert recorder.record(Plain(value=1)) == taken(Plain(value=1))


def test_the_recorder_may_be_used_by_what_it_records() -> None:
    @attrs.define
    class Nosy:
        recorder: Recorder

        def __getstate__(self) -> dict[str, object]:
            return {"neighbour": self.recorder.record(Plain(value=1)).state}

    recorder = Recorder(References())
    nosy = Plain(value=2, inner=MyDict(a=1))
    expected = recorder.record(nosy)
    Nosy(recorder).__getstate__()
    assert recorder.record(nosy) == expected


def test_under_a_policy_only_what_it_allows_is_made() -> None:
    other = Plain()
    record = taken(Plain(friend=other, size=1), References({"other": other}))
    with pytest.raises(TrustError):
        put(record, None, References({"other": other}), policy=Policy.only())
    policy = Policy.only([Plain.__module__])
    assert put(record, None, References({"other": other}), policy=policy).friend is other


def test_a_reference_is_allowed_to_a_stranger_as_a_key_alone() -> None:
    references = References({"a": Plain()})
    stream = Recorder(references).stream([references.find("a")])
    assert read(stream, references, Policy.only()) == [references.find("a")]
    with pytest.raises(ReferenceLostError):
        read(stream, References(), Policy.only())


DIFFERENCES: list[tuple[Any, Any, str | None]] = [
    (Plain(value=1), Plain(value=2), ".value"),
    (Plain(a=[1, {"b": 2}]), Plain(a=[1, {"b": 3}]), ".a[1][b]"),
    ([1, 2], [1, 3], "[1]"),
    (Plain(), Slotted(), ", its class,"),
    (Plain(a="xy", b="xy"), Plain(a="xy", b="".join("xy")), None),
]


@pytest.mark.parametrize(("first", "second", "where"), DIFFERENCES)
def test_where_two_states_differ(first: Any, second: Any, where: str | None) -> None:
    assert difference(taken(first), taken(second)) == where


simple = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner, inner),
    max_leaves=8,
)


fields = st.dictionaries(st.text(min_size=1).filter(lambda name: name[:2] != "__"), simple)


@given(fields, fields)
def test_any_state_replaces_any_other(first: dict[str, object], second: dict[str, object]) -> None:
    one, other = Plain(), Plain()
    vars(one).update(first)
    vars(other).update(second)
    record = taken(one)
    put(record, other)
    assert vars(other) == first
