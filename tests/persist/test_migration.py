"""States of every version of a class become what the code has now, or the reason is told."""

import copy
import datetime
import functools
import pickle
import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure.persist import migration
from perdure.persist.capture import capture
from perdure.persist.migration import Migration
from perdure.persist.restore import RestoreError, TrustError, restore
from perdure.persist.schema import upgrades
from perdure.persist.schemaerrors import (
    FieldError,
    MissingStepError,
    NewerSchemaError,
    RetypedError,
    StepError,
)
from perdure.persist.trust import Policy

from .evolution import Kept, code, kept, releases
from .graphs import assert_same, graphs

EX_DATAERR = 65


@pytest.fixture(autouse=True)
def _releases() -> Iterator[None]:
    with releases():
        yield


FIRST = """
    class Counter:
        def __init__(self, total):
            self.total = total
"""
SECOND = """
    @schema(version=2)
    class Counter: ...

    @upgrades(Counter, to=2)
    def count_by_page(state):
        return {"pages": {"/": state["total"]}}
"""
THIRD = """
    @schema(version=3)
    class Counter: ...

    @upgrades(Counter, to=2)
    def count_by_page(state):
        return {"pages": {"/": state["total"]}}

    @upgrades(Counter, to=3)
    def date(state):
        return {**state, "since": None}
"""


def counters(count: int = 1) -> Kept:
    module = code("shop", FIRST)
    return kept([module.Counter(number) for number in range(count)])


def test_a_step_makes_the_state_of_the_next_version() -> None:
    old = counters(3)
    code("shop", SECOND)
    assert [vars(each) for each in old.restored()] == [
        {"pages": {"/": number}} for number in range(3)
    ]


def test_all_steps_run_in_their_order() -> None:
    old = counters()
    code("shop", THIRD)
    assert vars(old.restored()[0]) == {"pages": {"/": 0}, "since": None}


def test_what_was_brought_up_and_saved_again_is_brought_up_from_there() -> None:
    old = counters()
    code("shop", SECOND)
    later = kept(old.restored())
    code("shop", THIRD)
    assert vars(later.restored()[0]) == {"pages": {"/": 0}, "since": None}


def test_a_state_of_the_present_version_is_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    module = code("shop", SECOND)
    whole = kept(module.Counter())
    monkeypatch.setattr(migration, "_Reading", None)
    assert type(whole.restored()) is module.Counter


def test_a_missing_step_is_refused_with_both_versions() -> None:
    old = counters()
    code(
        "shop",
        "@schema(version=3)\nclass Counter: ...\n@upgrades(Counter, to=3)\ndef f(state): ...",
    )
    with pytest.raises(MissingStepError) as caught:
        old.restored()
    error = caught.value
    assert (error.name, error.recorded, error.present, error.missing) == ("shop.Counter", 1, 3, 2)
    assert error.exit_status == EX_DATAERR
    assert str(error) == (
        "shop.Counter: its state is of version 1, the code here has version 3, and no step leads to"
        " version 2; write one with @upgrades(Counter, to=2)"
    )


def test_a_newer_state_is_refused_with_both_versions() -> None:
    module = code("shop", THIRD)
    newer = kept(module.Counter())
    code("shop", FIRST)
    with pytest.raises(NewerSchemaError) as caught:
        newer.restored()
    assert str(caught.value) == (
        "shop.Counter: its state is of version 3, and the code here has version 1; run the newer"
        " code, or take an earlier snapshot"
    )


def test_a_step_that_fails_leaves_no_trace_and_says_for_which_object() -> None:
    old = counters(3)
    module = code(
        "shop",
        """
        built = []

        @schema(version=2)
        class Counter:
            def __setstate__(self, state):
                built.append(state)

        @upgrades(Counter, to=2)
        def divide(state):
            return {"share": 1 // (state["total"] - 2)}
        """,
    )
    before = old.stream
    with pytest.raises(StepError) as caught:
        old.restored()
    assert module.built == []
    assert old.stream == before
    assert str(caught.value) == (
        "shop.Counter: its step to version 2 raised ZeroDivisionError: integer division or modulo by"
        " zero, for application[2]; mend that step"
    )
    assert caught.value.place == "application[2]"


@pytest.mark.parametrize(
    ("text", "what"),
    [("None", "gave NoneType, and not a dict of fields"), ("exit()", "raised SystemExit: None")],
)
def test_a_step_that_gives_no_state_is_refused(text: str, what: str) -> None:
    old = counters()
    code(
        "shop",
        f"@schema(version=2)\nclass Counter: ...\n@upgrades(Counter, to=2)\ndef f(state):"
        f" return {text}",
    )
    with pytest.raises(StepError, match=re.escape(what)):
        old.restored()


def test_base_classes_are_brought_up_first() -> None:
    text = """
        class Base: ...
        class Counter(Base): ...
    """
    module = code("shop", text)
    item = module.Counter()
    item.log = []
    old = kept(item)
    code(
        "shop",
        """
        @schema(version=2)
        class Base: ...

        @schema(version=3)
        class Counter(Base): ...

        def step(name):
            return lambda state: {"log": [*state["log"], name]}

        upgrades(Counter, to=2)(step("counter 2"))
        upgrades(Counter, to=3)(step("counter 3"))
        upgrades(Base, to=2)(step("base 2"))
        """,
    )
    assert old.restored().log == ["base 2", "counter 2", "counter 3"]


def test_of_a_base_that_is_new_no_steps_are_run() -> None:
    old = counters()
    code(
        "shop",
        """
        @schema(version=2)
        class Base: ...
        @upgrades(Base, to=2)
        def fail(state): raise ValueError
        class Counter(Base): ...
        """,
    )
    assert old.restored()[0].total == 0


CLASSES = {
    "attrs": "@attrs.define(eq=False)",
    "frozen": "@attrs.frozen",
    "open": "@attrs.define(slots=False)",
    "dataclass": "@dataclasses.dataclass",
    "slotted dataclass": "@dataclasses.dataclass(slots=True, weakref_slot=True)",
    "frozen dataclass": "@dataclasses.dataclass(frozen=True, slots=True)",
}
kinds = pytest.mark.parametrize("kind", CLASSES.values(), ids=CLASSES)


@kinds
def test_new_fields_get_their_defaults(kind: str) -> None:
    module = code("shop", f"{kind}\nclass Item:\n    name: str")
    old = kept([module.Item("a"), module.Item("b")])
    default = (
        "attrs.field(factory=list)"
        if "attrs" in kind
        else "dataclasses.field(default_factory=list)"
    )
    module = code(
        "shop",
        f"{kind}\nclass Item:\n    tags: list = {default}\n    name: str = ''\n    more: int = 7",
    )
    first, second = old.restored()
    assert (first.name, first.tags, first.more) == ("a", [], 7)
    assert first.tags is not second.tags


@kinds
def test_a_new_field_without_a_default_is_refused(kind: str) -> None:
    module = code("shop", f"{kind}\nclass Item:\n    name: str")
    old = kept([module.Item("a")])
    code("shop", f"{kind}\nclass Item:\n    name: str\n    price: int")
    with pytest.raises(FieldError) as caught:
        old.restored()
    assert str(caught.value) == (
        "shop.Item: the field price is new, it has no default, and application[0] has no value for"
        " it; give it a default that needs no other fields, or declare a version and a step to it"
    )
    assert caught.value.field == "price"


@kinds
def test_a_step_may_rename_a_field(kind: str) -> None:
    module = code("shop", f"{kind}\nclass Item:\n    name: str")
    old = kept({"item": module.Item("a")})
    code(
        "shop",
        f"@schema(version=2)\n{kind}\nclass Item:\n    title: str\n"
        "@upgrades(Item, to=2)\ndef rename(state): return {'title': state['name']}\n",
    )
    assert old.restored()["item"].title == "a"


@pytest.mark.parametrize("kind", list(CLASSES.values())[:5], ids=list(CLASSES)[:5])
def test_a_field_that_is_gone_is_kept_and_comes_back(kind: str) -> None:
    first = f"{kind}\nclass Item:\n    name: str\n    note: str = ''"
    second = f"{kind}\nclass Item:\n    name: str"
    module = code("shop", first)
    old = kept([module.Item("a", "x"), module.Item("b", "y")])
    for _ in range(2):
        code("shop", second)
        items = old.restored()
        assert [each.name for each in items] == ["a", "b"]
        old = kept(items)
    code("shop", first)
    assert [each.note for each in old.restored()] == ["x", "y"]


def test_what_was_kept_is_nothing_that_a_later_step_is_blamed_for() -> None:
    module = code("shop", "@attrs.define\nclass Item:\n    name: str\n    note: str")
    old = kept(module.Item("a", "x"))
    code("shop", "@attrs.define\nclass Item:\n    name: str")
    between = kept(old.restored())
    code(
        "shop",
        "@schema(version=2)\n@attrs.define\nclass Item:\n    name: str\n"
        "@upgrades(Item, to=2)\ndef f(state): return {**state, 'name': 'b'}",
    )
    later = kept(between.restored())
    assert later.restored().name == "b"
    code("shop", "@schema(version=2)\n@attrs.define\nclass Item:\n    name: str\n    note: str")
    assert later.restored().note == "x"


def test_what_was_kept_goes_with_its_object() -> None:
    module = code("shop", "@attrs.define\nclass Item:\n    name: str\n    note: str = ''")
    old = kept([module.Item("a", "x")])
    module = code("shop", "@attrs.define\nclass Item:\n    name: str")
    items = old.restored()
    held: Any = module.Item.__leftovers__
    assert next(iter(held.values.values()))[1] == {"note": "x"}
    items.clear()
    assert held.values == {}


def test_a_step_may_use_up_a_field_that_is_gone() -> None:
    module = code("shop", "@attrs.define\nclass Item:\n    name: str\n    note: str = ''")
    old = kept(module.Item("a", "x"))
    module = code(
        "shop",
        """
        @schema(version=2)
        @attrs.define
        class Item:
            name: str

        @upgrades(Item, to=2)
        def join(state):
            return {"name": state["name"] + state["note"]}
        """,
    )
    again = kept(old.restored())
    assert old.restored().name == "ax"
    assert b"note" not in again.stream


def test_a_field_that_could_not_be_kept_is_not_dropped() -> None:
    plain = "@attrs.define(weakref_slot=False)\nclass Item:\n    name: str"
    module = code("shop", f"{plain}\n    note: str = ''")
    old = kept([module.Item("a", "x")])
    code("shop", plain)
    with pytest.raises(
        FieldError, match=r"the field note is gone, and application\[0\] has a value"
    ):
        old.restored()


def test_a_step_that_misspells_a_field_is_told() -> None:
    module = code("shop", "@attrs.define\nclass Item:\n    name: str")
    old = kept(module.Item("a"))
    code(
        "shop",
        "@schema(version=2)\n@attrs.define\nclass Item:\n    name: str\n"
        "@upgrades(Item, to=2)\ndef f(state): return {'nmae': state['name']}",
    )
    with pytest.raises(StepError, match="gave nmae, of which the class knows nothing"):
        old.restored()


def test_a_field_of_another_type_is_checked_and_told_by_its_place() -> None:
    module = code("shop", "@attrs.define\nclass Item:\n    ports: object")
    old = kept([module.Item([1]), module.Item([1, "x"])])
    code("shop", "@attrs.define\nclass Item:\n    ports: list[int]")
    with pytest.raises(RetypedError) as caught:
        old.restored()
    assert caught.value.problems == ("application[1].ports[1]: expected a whole number, got 'x'",)


def test_a_field_of_another_type_with_fitting_values_is_taken() -> None:
    module = code("shop", "@attrs.define\nclass Item:\n    when: object\n    price: object")
    now = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    old = kept(module.Item(now, Decimal("1.50")))
    code(
        "shop",
        "import datetime, decimal\n@attrs.define\nclass Item:\n    when: datetime.datetime\n"
        "    price: decimal.Decimal",
    )
    assert old.restored().when == now


def test_a_step_sees_dates_and_decimals_and_may_make_objects() -> None:
    module = code("shop", FIRST)
    item = module.Counter(Decimal("2.50"))
    item.other = module.Counter(item)
    old = kept(item)
    code(
        "shop",
        """
        @attrs.define
        class Price:
            amount: object

        @schema(version=2)
        class Counter: ...

        @upgrades(Counter, to=2)
        def split(state):
            total = state.pop("total")
            if not isinstance(total, Counter) and hasattr(total, "quantize"):
                total = Price(total * 2)
            return {**state, "total": total}
        """,
    )
    whole = old.restored()
    assert whole.total.amount == 5
    assert whole.other.total is whole


def test_a_state_of_its_own_shape_goes_through_steps_as_it_is() -> None:
    text = """
        class Pair:
            def __getstate__(self): return self.x, self.y
            def __setstate__(self, state): self.x, self.y = state[:2]; self.rest = state[2:]
    """
    module = code("shop", text)
    item = module.Pair()
    item.x, item.y = 1, [2]
    old = kept(item)
    code(
        "shop",
        text.replace("class Pair", "@schema(version=2)\n        class Pair")
        + """
        @upgrades(Pair, to=2)
        def longer(state):
            return (*state, 3)
    """,
    )
    found = old.restored()
    assert (found.x, found.y, found.rest) == (1, [2], (3,))


def test_an_object_in_a_set_and_as_a_key_is_brought_up_before_it_is_hashed() -> None:
    module = code("shop", "@attrs.frozen\nclass Key:\n    number: int")
    old = kept([{module.Key(1)}, {module.Key(2): "two"}])
    module = code(
        "shop",
        "@schema(version=2)\n@attrs.frozen\nclass Key:\n    number: str\n"
        "@upgrades(Key, to=2)\ndef f(state): return {'number': str(state['number'])}",
    )
    members, pairs = old.restored()
    assert members == {module.Key("1")}
    assert pairs == {module.Key("2"): "two"}


def test_an_exception_which_is_saved_as_a_call_is_brought_up() -> None:
    module = code("shop", "class Failure(Exception): ...")
    item = module.Failure("no")
    item.code = 5
    old = kept(item)
    module = code(
        "shop",
        "@schema(version=2)\nclass Failure(Exception): ...\n"
        "@upgrades(Failure, to=2)\ndef f(state): return {'number': state['code']}",
    )
    found = old.restored()
    assert (found.args, vars(found)) == (("no",), {"number": 5})


def test_a_chain_of_a_hundred_thousand_is_brought_up() -> None:
    module = code("shop", FIRST)
    chain = None
    for _ in range(100_000):
        chain = module.Counter(chain)
    old = kept(chain)
    chain = None
    code(
        "shop",
        "@schema(version=2)\nclass Counter: ...\n"
        "@upgrades(Counter, to=2)\ndef f(state): return {'below': state['total']}",
    )
    found, depth = old.restored(), 0
    while found is not None:
        below, found.below = found.below, None
        found, depth = below, depth + 1
    assert depth == 100_000


@given(graphs())
def test_to_go_the_long_way_changes_nothing_that_has_not_to_be_changed(root: list[Any]) -> None:
    with releases():
        module = code("shop", FIRST)
        whole = pickle.loads(capture([root, module.Counter(1)]).stream)
        old = kept(whole)
        code(
            "shop",
            "@schema(version=2)\nclass Counter: ...\n"
            "@upgrades(Counter, to=2)\ndef f(state): return state",
        )
        assert_same(pickle.loads(capture(root).stream), old.restored()[0])


@given(
    st.lists(st.dictionaries(st.sampled_from("abcde"), st.integers() | st.text(), max_size=5)),
    st.lists(
        st.tuples(st.sampled_from(("rename", "drop", "add")), st.sampled_from("abcde")), max_size=4
    ),
    st.integers(0, 4),
)
def test_states_become_what_the_steps_say_from_whichever_version(
    states: list[dict[str, Any]], changes: list[tuple[str, str]], saved_at: int
) -> None:
    def apply(change: tuple[str, str], state: dict[str, Any]) -> dict[str, Any]:
        kind, name = change
        if kind == "add":
            return {**state, name: 0}
        rest = {key: value for key, value in state.items() if key != name}
        return (
            {**rest, f"{name}{name}": state[name]} if kind == "rename" and name in state else rest
        )

    def release(version: int) -> Any:
        module = code("shop", f"@schema(version={version})\nclass Thing: ...")
        for number, change in enumerate(changes[: version - 1]):
            upgrades(module.Thing, to=number + 2)(functools.partial(apply, change))
        return module

    with releases():
        first = min(saved_at, len(changes)) + 1
        module = release(first)
        things: list[Any] = [module.Thing() for _ in states]
        for thing, state in zip(things, states, strict=True):
            thing.__dict__.update(state)
        old = kept([*things, *things])
        release(len(changes) + 1)
        expected = copy.deepcopy(states)
        for change in changes[first - 1 :]:
            expected = [apply(change, state) for state in expected]
        found = old.restored()
        assert [vars(each) for each in found[: len(states)]] == expected
        assert [id(each) for each in found] == [id(each) for each in found[: len(states)]] * 2


# Strangers.


def test_a_strangers_state_is_brought_up_by_trusted_code_only() -> None:
    old = counters()
    code("shop", SECOND)
    with pytest.raises(TrustError):
        old.restored(Policy.only())
    assert old.restored(Policy.only(["shop"]))[0].pages == {"/": 0}


def test_what_a_step_brings_in_is_judged_too() -> None:
    old = counters()
    code(
        "shop",
        "import shelve\n@schema(version=2)\nclass Counter: ...\n"
        "@upgrades(Counter, to=2)\ndef f(state): return {'total': shelve.Shelf}",
    )
    with pytest.raises(TrustError) as caught:
        old.restored(Policy.only(["shop"]))
    assert caught.value.names == ("shelve:Shelf",)


def test_a_class_that_is_not_there_is_told_as_ever() -> None:
    old = counters()
    code("shop", "")
    with pytest.raises(RestoreError, match="there is no Counter in the module shop"):
        old.restored()


# Records of a journal.


def test_a_record_of_a_component_is_brought_up_like_a_snapshot() -> None:
    from perdure.persist.components import Record, Recorder, put_back
    from perdure.persist.references import References

    module = code("shop", FIRST)
    other = module.Counter(9)
    item = module.Counter([module.Counter(2), other])
    shapes = kept(item).shapes
    record = Recorder(References({"other": other})).record(item)
    module = code("shop", SECOND)
    found = Migration.of(shapes, Policy.everything()).record(record.made, record.state)
    there = module.Counter()
    whole: Any = put_back(
        Record(*found), "key", None, References({"other": there}), Policy.everything()
    )
    assert type(whole) is module.Counter
    inner, reference = whole.pages["/"]
    assert inner.pages == {"/": 2}
    assert reference is there


def test_a_record_of_what_is_there_whole_is_brought_up() -> None:
    module = code("shop", FIRST)
    data = pickle.dumps([module.Counter(1)], 5)
    shapes = kept([module.Counter(1)]).shapes
    code("shop", SECOND)
    made, state = Migration.of(shapes, Policy.everything()).record(b"", data)
    found: Any = restore(state, Policy.everything())
    assert (made, found[0].pages) == (b"", {"/": 1})
