"""Replay: records are done again, in order, to the objects that are there."""

import pickle
import time
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from perdure.app.application import Application
from perdure.app.collection import ServiceCollection
from perdure.app.ledger import Ledger
from perdure.app.mutations import CallError, mutation
from perdure.app.records import ReplayError, read_turn
from perdure.app.replay import replay
from perdure.app.service import Service
from perdure.app.turns import Turn, taking
from perdure.app.watch import LARGEST
from perdure.persist.restore import TrustError
from perdure.persist.trust import Policy

from ..paper import Paper

EVERYTHING = Policy.everything()


class Node:
    """A component that may hold others."""

    def __init__(self, value: int = 0) -> None:
        self.value = value
        self.others: dict[int, Any] = {}

    def count(self) -> int:
        return self.value


class Shelf:
    """Holds components, and is journaled by its calls."""

    def __init__(self) -> None:
        self.held: list[Any] = []

    @mutation
    def hold(self, *others: object) -> None:
        self.held += others

    @mutation
    def put(self, application: Application, name: str) -> None:
        """Make a component in place of any other, and keep it."""
        made = Node(5)
        application.registry.set_component(Node, made, name=name)
        self.held.append(made)

    @mutation
    def take(self, application: Application, name: str) -> None:
        """Remove a component, and keep it."""
        if application.registry.get_component(Node, name=name) is not None:
            self.held.append(application.registry.remove_component(Node, name=name))

    @mutation
    def count(self) -> None:
        """Change whatever is held."""
        for each in self.held:
            each.value += 1


def running() -> tuple[Application, Paper]:
    application, paper = Application("web"), Paper()
    application.ledger = Ledger(application, paper, EVERYTHING)
    return application, paper


def node(application: Application, name: str) -> Node:
    return application.registry.get_component(Node, name=name, default=Node)


def picture(application: Application) -> object:
    """All components, their order, and who holds whom."""
    names = {id(each): key for key, each in application.registry.items()}
    return [
        (
            key,
            each.value,
            {place: names.get(id(other), other) for place, other in each.others.items()},
        )
        for key, each in application.registry.items()
        if isinstance(each, Node)
    ]


def test_states_go_into_the_objects_that_are_there() -> None:
    application, paper = running()
    with application.turn():
        node(application, "a").value = 5
    other = Application("web")
    there = node(other, "a")
    replayed = replay(other, paper.payloads.items(), EVERYTHING)
    assert (replayed.records, replayed.divergences) == (1, ())
    assert there.value == 5
    assert node(other, "a") is there


def test_new_components_that_hold_each_other_are_made_whole() -> None:
    application, paper = running()
    with application.turn():
        a, b = node(application, "a"), node(application, "b")
        a.others[1], b.others[1] = b, a
        a.others[2] = a
    other = Application("web")
    replay(other, paper.payloads.items(), EVERYTHING)
    assert picture(other) == picture(application)


def test_what_referred_to_what_is_gone_has_it_still() -> None:
    application, paper = running()
    with application.turn():
        node(application, "a").others[1] = node(application, "b")
    with application.turn():
        node(application, "b").value = 7
    # As of a holder that has grown too large to be looked at when the other went.
    del application.registry.components[f"{Node.__module__}.Node:b"]
    gone = pickle.dumps((time.time(), [(f"{Node.__module__}.Node:b", "gone", None)]), 5)
    other = Application("web")
    replay(other, [*paper.payloads.items(), (3, gone)], EVERYTHING)
    assert node(other, "a").others[1].value == 7
    assert len(other.registry) == 1


def test_what_goes_may_refer_to_what_is_new_in_the_same_turn() -> None:
    application, paper = running()
    with application.turn():
        first = node(application, "first")
    with application.turn():
        first.others[0] = node(application, "new").count
        application.registry.remove_component(Node, name="first")
        application.registry.set_component(Node, first, name="second")
    again = Application("web")
    assert not replay(again, paper.payloads.items(), EVERYTHING).divergences
    assert node(again, "second").others[0].__self__ is node(again, "new")


def test_a_component_that_is_too_large_is_there_for_what_refers_to_it() -> None:
    application, paper = running()
    with application.turn():
        large = node(application, "large")
        large.others[1] = bytes(2 * LARGEST)
        node(application, "a").others[1] = large
    other = Application("web")
    replay(other, paper.payloads.items(), EVERYTHING)
    assert node(other, "a").others[1] is node(other, "large")


def test_a_component_with_two_keys_is_one_thing() -> None:
    application, paper = running()
    with application.turn():
        application.registry.set_component(Node, node(application, "a"), name="b")
    with application.turn():
        node(application, "b").value = 3
    with application.turn():
        application.registry.remove_component(Node, name="a")
    with application.turn():
        node(application, "b").value += 1
    for last, value in ((2, 3), (4, 4)):
        other = Application("web")
        replay(other, list(paper.payloads.items())[:last], EVERYTHING)
        assert node(other, "b").value == value
        assert (node(other, "a") is node(other, "b")) == (last == 2)


def test_what_cannot_be_had_is_told_and_all_else_is_done_again() -> None:
    """As of a component that could never be saved: no record has it, and others refer to it."""
    application, paper = running()
    with application.turn():
        for name in ("a", "c"):
            holder = node(application, name)
            holder.others = {1: node(application, f"b{name}"), 2: holder}
            holder.value = 5
            vars(holder.others[1])["call"] = lambda: None
    other = Application("web")
    report = replay(other, paper.payloads.items(), EVERYTHING)
    assert node(other, "a").value == node(other, "c").value == 5
    assert node(other, "a").others == {1: None, 2: node(other, "a")}
    [told] = map(str, report.divergences)
    assert "Node:a] refers to registry[" in told
    assert "Node:ba], which could not be saved and is not there" in told
    assert "None is in its place, and so in 1 others of their classes" in told
    assert "transient" in told


def test_what_can_be_saved_at_last_is_where_it_was_held() -> None:
    application, paper = running()
    registry = application.registry
    with application.turn():
        held = node(application, "a").others[1] = node(application, "b")
        vars(held)["call"] = lambda: None
    with application.turn():
        registry.get_component(Shelf, default=Shelf).hold()  # So that states are done one by one.
    with application.turn():
        del vars(node(application, "b"))["call"]
    other = Application("web")
    replay(other, paper.payloads.items(), EVERYTHING)
    assert node(other, "a").others[1] is node(other, "b")


def test_a_service_that_is_not_there_is_told() -> None:
    application, paper = running()
    application.services = ServiceCollection([Service(name="clock")])
    with application.turn():
        node(application, "a").others[1] = application.services.get("clock")
    other = Application("web")
    [told] = map(str, replay(other, paper.payloads.items(), EVERYTHING).divergences)
    assert "refers to the service /services/clock, which is not there" in told
    assert node(other, "a").others == {1: None}


def test_calls_with_what_cannot_be_had_are_told() -> None:
    application, paper = running()
    with application.turn():
        shelf = application.registry.get_component(Shelf, default=Shelf)
        held = node(application, "b")
        vars(held)["call"] = lambda: None
        shelf.hold(held, 5)
    other = Application("web")
    [told] = map(str, replay(other, paper.payloads.items(), EVERYTHING).divergences)
    assert "a call of Shelf.hold refers to registry[" in told
    assert getattr(other.registry.get_component(Shelf), "held", ()) == [None, 5]


def test_calls_of_what_could_not_be_saved_are_left_out_and_told() -> None:
    application, paper = running()
    with application.turn():
        shelf = application.registry.get_component(Shelf, default=Shelf)
        vars(shelf)["call"] = lambda: None
        shelf.hold(1)
        shelf.hold(2)
        node(application, "a").value = 5
    other = Application("web")
    [told] = map(str, replay(other, paper.payloads.items(), EVERYTHING).divergences)
    assert "record 1: there is no registry[" in told
    assert "to call Shelf.hold of" in told
    assert "2 of its calls are left out" in told
    assert node(other, "a").value == 5


def test_the_policy_holds() -> None:
    application, paper = running()
    with application.turn():
        node(application, "a")
    with pytest.raises(TrustError):
        replay(Application("web"), paper.payloads.items(), Policy.only())
    replay(Application("web"), paper.payloads.items(), Policy.only([Node.__module__]))


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"nonsense",
        pickle.dumps(5),
        pickle.dumps((1.0, 5)),
        pickle.dumps((1.0, [5])),
        pickle.dumps((1.0, [("key", "state", None)])),
        pickle.dumps((1.0, [("key", "state", (b"", "text"))])),
        pickle.dumps((1.0, [("key", "gone", b"")])),
        pickle.dumps((1.0, [(5, "gone", None)])),
        pickle.dumps((1.0, [("key", "command", ("name", 1.0, None, None))])),
        pickle.dumps((1.0, [("key", "command", ("name", 1, None, None, b""))])),
        pickle.dumps((1.0, [("key", "other", (b"", b""))])),
        pickle.dumps((1.0, [("key", "state", (Node, b""))])),
    ],
)
def test_a_damaged_record_is_named_and_nothing_of_it_is_run(payload: bytes) -> None:
    with pytest.raises(ReplayError, match=r"record 7 .* damaged") as raised:
        read_turn(7, payload)
    assert raised.value.sequence == 7


@given(st.binary())
def test_no_bytes_are_worse_than_damaged(payload: bytes) -> None:
    with pytest.raises(ReplayError):
        read_turn(1, payload)


STEPS = ["set", "hold", "drop", "remove", "replace", "share"]
steps = st.lists(
    st.tuples(
        st.sampled_from(STEPS),
        st.sampled_from("abc"),
        st.sampled_from("abc"),
    ),
    max_size=5,
)


@given(st.lists(steps, max_size=8), st.integers(0, 8))
@example([[("set", "b", "a")], [("remove", "b", "a")], [("set", "a", "a"), ("hold", "a", "b")]], 0)
@example([[("hold", "a", "b")], [("replace", "b", "a")], [("hold", "a", "b")]], 0)
def test_whatever_turns_do_is_done_again(turns: list[Any], start: int) -> None:
    """From nothing, and from what there was at any earlier time."""
    application, paper = running()
    base: bytes | None = None
    at = 0
    for number, turn in enumerate(turns):
        if number == start:
            base, at = pickle.dumps(application.registry), paper.appended
        with application.turn():
            for step, name, second in turn:
                do(application, step, name, second)
    for begin, after in ((None, 0), (base, at)):
        other = Application("web")
        if begin is not None:
            other.registry.adopt(pickle.loads(begin))
        later = [each for each in paper.payloads.items() if each[0] > after]
        replay(other, later, EVERYTHING)
        assert contents(other) == contents(application)


@given(st.lists(steps, max_size=4), steps, st.lists(steps, max_size=3))
@example(
    [
        [
            ("set", "b", "a"),
            ("hold", "a", "b"),
            ("hold", "b", "a"),
            ("remove", "b", "a"),
            ("hold", "b", "a"),
        ]
    ],
    [("set", "b", "a"), ("hold", "a", "b"), ("remove", "b", "a")],
    [],
)
def test_what_a_turn_has_half_done_can_be_taken_back(
    before: list[Any], half: list[Any], after: list[Any]
) -> None:
    """What is left is what records say: so a checkpoint that was taken then goes with them."""
    application, paper = running()
    ledger = application.ledger
    assert ledger is not None

    def take(turn: list[Any]) -> None:
        for step, name, second in turn:
            do(application, step, name, second)

    for turn in before:
        with application.turn():
            take(turn)
    going_on = Turn(ledger)
    going_on.begin()
    with taking(going_on):
        take(half)
    for turn in after:
        with application.turn():
            take(turn)
    ledger.conclude()
    ledger.take_back()
    other = Application("web")
    replay(other, paper.payloads.items(), EVERYTHING)
    assert contents(other) == contents(application)


calls = st.lists(
    st.tuples(
        st.sampled_from(["hold", "put", "take", "count", "refused", *STEPS]),
        st.sampled_from("abc"),
        st.sampled_from("abc"),
    ),
    max_size=5,
)


@given(st.lists(calls, max_size=8))
@example([[("hold", "a", "")], [("replace", "a", "")], [("count", "", "")]])
@example([[("take", "a", "")], [("put", "a", "")], [("count", "", "")]])
@example([[("set", "a", "")], [("remove", "a", ""), ("refused", "", ""), ("hold", "a", "")]])
def test_what_calls_hold_is_the_same_as_it_was(turns: list[Any]) -> None:
    """A component is held as one, also when it has left the registry since."""
    application, paper = running()
    for turn in turns:
        with application.turn():
            for step, name, second in turn:
                call(application, step, name, second)
    other = Application("web")
    replay(other, paper.payloads.items(), EVERYTHING)
    assert held(other) == held(application)


def call(application: Application, step: str, name: str, second: str) -> None:
    shelf = application.registry.get_component(Shelf, default=Shelf)
    match step:
        case "hold":
            shelf.hold(node(application, name))
        case "put":
            shelf.put(application, name)
        case "take":
            shelf.take(application, name)
        case "count":
            for each in "abc":  # What a call may look at, the turn that calls has to have got.
                application.registry.get_component(Node, name=each)
            shelf.count()
        case "refused":
            with pytest.raises(CallError):
                shelf.hold(lambda: None)
        case _:
            do(application, step, name, second)


def held(application: Application) -> object:
    names = names_of(application)
    shelf = application.registry.get_component(Shelf)
    numbers: dict[int, int] = {}
    return contents(application), shelf and [
        (names.get(id(each)), numbers.setdefault(id(each), len(numbers)), each.value)
        for each in shelf.held
    ]


def do(application: Application, step: str, name: str, second: str) -> None:
    registry = application.registry
    match step:
        case "set":
            node(application, name).value += 1
        case "hold":
            node(application, name).others[len(second)] = node(application, second)
        case "drop":
            node(application, name).others.clear()
        case "replace":
            registry.set_component(Node, Node(9), name=name)
        case "share":
            registry.set_component(Node, node(application, name), name=second)
        case _:
            if registry.get_component(Node, name=name) is not None:
                registry.remove_component(Node, name=name)


def names_of(application: Application) -> dict[int, str]:
    """The keys of each component, of which it may have several."""
    names: dict[int, str] = {}
    for key, each in sorted(application.registry.items()):
        names[id(each)] = f"{names.get(id(each), '')} {key}"
    return names


def contents(application: Application) -> object:
    """As `picture`; what is no component any more by its value, at two steps."""
    names = names_of(application)

    def shown(item: Node, depth: int) -> object:
        if id(item) in names and depth:
            return names[id(item)]
        held = (
            {place: shown(each, depth + 1) for place, each in item.others.items()}
            if depth < 3
            else 0
        )
        return item.value, held

    return {
        key: shown(each, 0) for key, each in application.registry.items() if isinstance(each, Node)
    }
