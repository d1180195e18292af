"""What is shared in a graph, and an order for sets that is the same wherever the graph is read."""

import os
import random
import struct
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure.persist.capture import capture
from perdure.persist.graph import Call, Graph, Names, Node, instance_of
from perdure.persist.graphstream import read
from perdure.persist.isomorphism import difference
from perdure.persist.survey import Survey, parts, survey

from .graphs import graphs
from .models import Plain

NAMES = Names()
A = NAMES.find("a", "A")


def node(*arguments: Any, **state: Any) -> Node:
    made = instance_of(A, *arguments)
    made.state = state or None
    return made


# What is shared.


def test_what_is_met_twice_is_shared() -> None:
    once, twice, long = [1], [2], "long" * 30
    root = [once, twice, (twice,), long, long, "short", "short", 5, 5, (), (), A, A, None]
    assert survey(root).shared == {id(twice), id(long)}


def test_what_contains_itself_is_shared() -> None:
    root: list[Any] = []
    root.append(root)
    assert survey(root).shared == {id(root)}


def test_what_is_in_a_set_and_elsewhere_is_shared() -> None:
    long, also, made = "long" * 30, b"long" * 30, node()
    assert survey([{long, 1}, long, {also}, {also, 2}, {made}, (made,)]).shared == {
        *map(id, (long, also, made))
    }
    assert survey([{1, 2}, {1, 2}, 1, {"a"}, frozenset({"a"})]).shared == frozenset()


def test_every_part_of_a_node_is_looked_at() -> None:
    shared = [[number] for number in range(7)]
    made = instance_of(A, shared[0], key=shared[1])
    made.members, made.pairs, made.state = [shared[2]], [(("a", shared[3]), shared[4])], shared[5]
    made.setter = call = Call(A, (shared[6],))
    assert survey([made, *shared, call]).shared == {*map(id, shared), id(call)}


@given(graphs())
def test_exactly_what_is_met_twice_is_shared(root: list[Any]) -> None:
    graph = read(capture(root).stream).root
    met: dict[int, int] = {}
    stack = [graph]
    while stack:
        item = stack.pop()
        met[id(item)] = met.get(id(item), 0) + 1
        if met[id(item)] == 1:
            stack += parts(item)
    found = survey(graph).shared
    containers = (list, dict, set, frozenset, bytearray)
    assert all(met[each] > 1 for each in found)
    stack, seen = [graph], set[int]()
    while stack:
        item = stack.pop()
        if id(item) not in seen:
            seen.add(id(item))
            if type(item) in containers or isinstance(item, Node):
                assert (met[id(item)] > 1) == (id(item) in found)
            stack += parts(item)


# The order of sets.


def order(items: Any, *before: Any) -> list[Any]:
    return survey([*before, items]).members(items)


def test_scalars_go_by_class_and_value() -> None:
    items = {2.5, 10, 9, -1, "b", "a", b"c", None, True + 1, float("inf")}
    assert order(items) == [None, b"c", 2.5, float("inf"), -1, 2, 9, 10, "a", "b"]
    huge = {10**5000, -(10**5000), 1}
    assert order(huge) == [-(10**5000), 1, 10**5000]
    assert order({node(), 10**5000, "a"})[:2] == [10**5000, "a"]


def test_odd_nans_have_an_order() -> None:
    bits = [0x7FF8000000000000 + number for number in (5, 3, 900, 1)]
    nans = {struct.unpack(">d", each.to_bytes(8, "big"))[0] for each in bits}
    assert [struct.pack(">d", each)[-2:].hex() for each in order(nans)] == [
        "0001", "0003", "0005", "0384",
    ]  # fmt: skip


def test_what_was_met_before_goes_first_and_in_that_order() -> None:
    nodes = [node() for _ in range(50)]
    items = {*nodes, node(1), "a"}
    found = order(items, nodes[25:], nodes[:25])
    again = order(set(found), nodes[25:], nodes[:25])
    assert found == again
    assert found[0] == "a"
    assert set(found[1:51]) == set(nodes)


def test_members_that_differ_only_far_away_have_an_order() -> None:
    def chain(end: int) -> Any:
        made: Any = [end]
        for _ in range(5000):
            made = node(made)
        return made

    for _ in range(3):
        found = order({chain(3), chain(1), chain(2)})
        ends: list[int] = []
        for each in found:
            inner = each
            while isinstance(inner, Node):
                inner = inner.arguments[0]
            ends += inner
        assert ends == [1, 2, 3]


def test_members_that_refer_to_each_other_have_an_order() -> None:
    found: set[tuple[int, ...]] = set()
    for _ in range(20):
        chain = [node(), node(), node()]
        for each, after in zip(chain, [*chain[1:], None], strict=True):
            each.state = {"next": after}
        found.add(tuple(chain.index(each) for each in order(set(chain))))
    assert len(found) == 1


@given(
    st.lists(st.lists(st.integers(0, 5), min_size=1, max_size=2), max_size=8),
    st.randoms(use_true_random=False),
)
def test_members_that_differ_only_in_what_they_share_have_an_order(
    holders: list[list[int]], chance: random.Random
) -> None:
    """Or whichever goes first makes no difference."""

    def graph() -> Graph:
        shared = {number: [list[int]()] for number in chance.sample(range(6), 6)}
        members = [node([shared[number] for number in each]) for each in holders]
        chance.shuffle(members)
        items = frozenset(members)
        return Graph([items, {items, frozenset({items})}], NAMES)

    assert difference(graph(), graph()) is None


def test_many_members_that_share_take_no_long_time() -> None:
    hub = node()
    members = {node(hub, [part, number // 3]) for number in range(3000) for part in [node()]}
    pairs = [node() for _ in range(3000)]
    members |= {node(pairs[number // 2], hub) for number in range(6000)}
    assert timed(members) < 5


def test_sets_in_sets_are_told_apart_by_what_is_in_them() -> None:
    found: set[tuple[bool, ...]] = set()
    for number in range(20):
        padding = [frozenset[int]() for _ in range(number)]
        one = frozenset([frozenset[int](), (), ((None,), len(padding))[:1]])
        two = frozenset([frozenset[int](), ((None, False),), ()])
        found.add(tuple(each == one for each in order({one, two, True}) if each is not True))
    assert len(found) == 1


def test_sets_in_sets_have_an_order() -> None:
    items = {frozenset({number, frozenset({node(number)})}) for number in range(30)}
    found = [next(part for part in each if type(part) is int) for each in order(items)]
    assert sorted(found) == list(range(30))
    assert found == [
        next(part for part in each if type(part) is int) for each in order({*reversed(list(items))})
    ]


SEEDED = """
import pickle, sys
from perdure.persist.graphstream import read
from perdure.persist.isomorphism import difference
from perdure.persist.survey import survey, parts
from perdure.persist.graph import Node
padding = [object() for _ in range(int(sys.argv[2]))]
root = read(open(sys.argv[1], "rb").read()).root
found, said, seen = survey(root), [], {}
stack = [root]
while stack:
    item = stack.pop()
    if isinstance(item, (list, tuple, dict, set, frozenset, Node)):
        if id(item) in seen:
            said.append(f"#{seen[id(item)]}")
            continue
        seen[id(item)] = len(seen)
        said.append(f"{type(item)}{id(item) in found.shared}")
        inner = found.members(item) if isinstance(item, (set, frozenset)) else parts(item)
        stack += list(inner)[::-1]
    else:
        said.append(repr(item))
print(len(said), " ".join(said).encode("ascii", "backslashreplace"))
"""


def members_of_sets() -> list[Any]:
    plain = [Plain(number=number % 7, name=f"n{number % 5}") for number in range(35)]
    for number, each in enumerate(plain):
        each.__dict__["next"] = plain[(number * 8 + 1) % 35]
    return [
        {"alpha", "beta", "gamma", *map(str, range(100))},
        frozenset(plain[:20]),
        {*plain, "a", 5, ("x", "y"), frozenset({("a", 1), "b", "c"})},
        {frozenset({str(number), str(number + 1)}) for number in range(40)},
        {("a", number): {number, "s", plain[number]} for number in range(9)},
    ]


def test_the_order_depends_neither_on_the_hash_seed_nor_on_addresses(tmp_path: Path) -> None:
    said: set[str] = set()
    for seed in ("0", "1", "2", "3"):
        path = tmp_path / seed
        path.write_bytes(capture(members_of_sets()).stream)
        done = subprocess.run(
            [sys.executable, "-c", SEEDED, path, str(int(seed) * 1001)],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        said.add(done.stdout)
    assert len(said) == 1
    assert len(said.pop()) > 5000


# How long it takes.


def timed(root: Any) -> float:
    begun = time.thread_time()
    survey(root)
    return time.thread_time() - begun


@pytest.mark.parametrize("kind", ["many sets", "one large set", "one thing in all", "a wide thing"])
def test_time_grows_with_the_size(kind: str) -> None:
    def root(size: int) -> Any:
        match kind:
            case "many sets":
                return [{node(number)} for number in range(size)]
            case "one large set":
                return {node(number) for number in range(size)}
            case "one thing in all":
                thing = [node() for _ in range(size)]
                return {node(thing, number) for number in range(size)}
            case _:
                wide: Any = 0
                for _ in range(4):
                    wide = [wide] * size
                return {node(wide, number) for number in range(size)}

    small, large = root(2_000), root(20_000)
    assert min(timed(large) for _ in range(2)) < 40 * max(0.01, timed(small))


def test_no_depth_is_too_great() -> None:
    made: Any = None
    for _ in range(100_000):
        made = frozenset([node(made)])
    found = survey(made)
    assert len(found.orders) == 100_000
    assert type(found) is Survey
