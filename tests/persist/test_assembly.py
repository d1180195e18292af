"""A graph put together from parts in any order; what cannot be is refused where it stands."""

import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure.persist.assembly import Assembly, AssemblyError, node_parts
from perdure.persist.capture import capture
from perdure.persist.graph import CONTAINERS, Call, Global, Graph, Node, instance_of
from perdure.persist.graphstream import read
from perdure.persist.isomorphism import difference
from perdure.persist.reduction import class_of
from perdure.persist.survey import parts, survey

from .graphs import graphs
from .rows import ROWS


def assembled(assembly: Assembly, root: Any) -> Graph:
    return Graph(assembly.finish(root), assembly.names)


# Any graph, its objects defined in any order.


def pieces(graph: Graph) -> list[Any]:
    found: dict[int, Any] = {}
    stack = [graph.root]
    while stack:
        item = stack.pop()
        if id(item) not in found and (type(item) in CONTAINERS or isinstance(item, Node)):
            found[id(item)] = item
            stack += parts(item)
    return list(found.values())


def put_together(graph: Graph, items: list[Any]) -> Graph:
    """Define each of `items` by itself, in their order, with references for all that is in them."""
    assembly = Assembly()
    numbers = {id(item): number for number, item in enumerate(items)}

    def there(part: Any) -> Any:
        if type(part) is Global:
            return assembly.names.find(part.module, part.name)
        return assembly.refer(numbers[id(part)], part) if id(part) in numbers else part

    for item in items:
        number = numbers[id(item)]
        below = [there(part) for part in parts(item)]
        if type(item) in (tuple, frozenset):
            assembly.define(number, assembly.immutable(class_of(item), below, item), item)
        elif type(item) in (list, dict, set, bytearray):
            made: Any = bytearray(item) if type(item) is bytearray else type(item)()
            assembly.define(number, made, item)
            if type(item) is not bytearray:
                assembly.fill(made, below, item)
        else:
            node = _same_shape(item, assembly)
            assembly.define(number, node, item)
            assembly.fill(node, [there(part) for part in node_parts(item)], item)
    return assembled(assembly, there(graph.root))


def _same_shape(node: Any, assembly: Assembly) -> Any:
    if isinstance(node, Call):
        made: Any = Call(None, node.arguments)
    else:
        kind = assembly.names.find(node.module, node.name)
        made = instance_of(kind, *node.arguments, **(node.keywords or {}))
    made.members, made.pairs = node.members, node.pairs
    return made


@given(graphs(), st.randoms(use_true_random=False))
def test_a_graph_comes_together_in_any_order(root: list[Any], chance: Any) -> None:
    graph = read(capture(root).stream)
    items = pieces(graph)
    chance.shuffle(items)
    assert difference(graph, put_together(graph, items)) is None


@pytest.mark.parametrize("make", ROWS.values(), ids=ROWS)
@pytest.mark.parametrize("backwards", [False, True])
def test_every_kind_of_object_comes_together(make: Callable[[], object], backwards: bool) -> None:
    graph = read(capture(make()).stream)
    items = pieces(graph)
    assert difference(graph, put_together(graph, items[:: -1 if backwards else 1])) is None


# Cycles.


def test_cycles_lead_through_keys_members_tuples_and_arguments() -> None:
    assembly = Assembly()
    names = assembly.names
    node = instance_of(names.find("a", "A"), None)
    table: dict[Any, Any] = {}
    key = assembly.immutable(
        tuple, [assembly.refer("node", 1), assembly.refer("table items", 1)], 1
    )
    assembly.fill(table, [key, key], 1)
    members: set[Any] = set()
    assembly.fill(members, [assembly.refer("node", 1), key], 1)
    assembly.define("table items", assembly.immutable(frozenset, [assembly.refer("node", 1)], 1), 1)
    assembly.fill(node, [table, None, assembly.immutable(tuple, [members], 1)], 1)
    assembly.define("node", node, 1)
    root = assembly.finish(assembly.refer("node", 1))
    assert root is node
    assert root.state is table
    (found,) = table
    assert found is table[found]
    assert found == (node, frozenset({node}))
    assert members == {node, found}
    assert node.arguments == ((members,),)


def test_a_call_may_be_an_argument_of_itself() -> None:
    """It is a graph, if one that cannot be written (see `graphstream.write`)."""
    assembly = Assembly()
    call = Call(assembly.names.find("a", "f"), (None,))
    assembly.define(1, call, 1)
    assembly.fill(call, [call.function, None, None, assembly.refer(1, 1)], 1)
    assert assembly.finish(call).arguments == (call,)


@pytest.mark.parametrize("make", [tuple, frozenset])
def test_a_loop_of_nothing_but_tuples_is_refused(make: Any) -> None:
    assembly = Assembly()
    first = assembly.immutable(make, [assembly.refer(2, "a")], "first")
    assembly.define(1, first, "a")
    assembly.define(2, assembly.immutable(tuple, [1, assembly.refer(1, "b")], "second"), "b")
    with pytest.raises(AssemblyError, match="refers to itself through tuples") as caught:
        assembly.finish([first])
    assert caught.value.where in ("first", "second", "a", "b")


def test_a_number_that_is_its_own_reference_is_refused() -> None:
    assembly = Assembly()
    assembly.define(1, assembly.refer(2, "a"), "a")
    assembly.define(2, assembly.refer(1, "b"), "b")
    with pytest.raises(AssemblyError, match="refers to itself"):
        assembly.finish(assembly.refer(1, "c"))


# What is refused.


def test_a_reference_to_nothing_is_refused_where_it_stands() -> None:
    for place in ("root", "list", "tuple", "nobody's tuple"):
        assembly = Assembly()
        lost = assembly.refer(99, "here")
        root: Any = lost if place == "root" else []
        if place == "list":
            assembly.fill(root, [1, lost], "there")
        elif place == "tuple":
            assembly.fill(root, [assembly.immutable(tuple, [lost], "there")], "there")
        elif place == "nobody's tuple":
            assembly.define(1, assembly.immutable(tuple, [lost], "there"), "there")
        with pytest.raises(AssemblyError, match="refers to 99, which nothing defines") as caught:
            assembly.finish(root)
        assert caught.value.where == "here"


def test_none_may_have_a_number() -> None:
    assembly = Assembly()
    assembly.define(1, None, 1)
    root: list[Any] = []
    assembly.fill(root, [assembly.refer(1, 1)], 1)
    assert assembly.finish(root) == [None]


def test_a_number_for_two_objects_is_refused() -> None:
    assembly = Assembly()
    assembly.define(1, [], "a")
    with pytest.raises(AssemblyError, match="the number 1 is given to two objects") as caught:
        assembly.define(1, [], "b")
    assert caught.value.where == "b"


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("kind", [dict, set, frozenset])
def test_a_key_that_changes_is_refused(kind: Any, late: bool) -> None:
    with pytest.raises(AssemblyError, match="must not change: unhashable type: 'list'") as caught:
        _filled(kind, [([],), 1], late)
    assert caught.value.where == "here"


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("kind", [dict, set, frozenset])
@pytest.mark.parametrize(
    ("key", "shown"),
    [(5, "5"), ("a b", "'a b'"), (("x", 1), r"\(x, 1\)"), (1 << 40_000, "0x8000")],
    ids=["number", "text", "tuple", "huge number"],
)
def test_a_key_that_is_there_twice_is_refused(kind: Any, late: bool, key: Any, shown: str) -> None:
    below = [key, 1, key, 2] if kind is dict else [key, key]
    with pytest.raises(AssemblyError, match=f"the (key|member) {shown}.* is there twice") as caught:
        _filled(kind, below, late)
    assert len(str(caught.value)) < 300


def _filled(kind: Any, below: list[Any], late: bool) -> Any:
    assembly = Assembly()
    if late:
        assembly.define(1, below[-1], 1)
        below[-1] = assembly.refer(2, 1)
        assembly.define(2, assembly.refer(1, 1), 1)
    return assembly.finish(_put(assembly, kind, below))


def _put(assembly: Assembly, kind: Any, below: list[Any]) -> Any:
    if kind is frozenset:
        return assembly.immutable(kind, below, "here")
    made = kind()
    assembly.fill(made, below, "here")
    return made


def test_true_and_one_are_the_same_key() -> None:
    with pytest.raises(AssemblyError, match="the key True is there twice"):
        _filled(dict, [1, "a", True, "b"], late=False)


def nested(assembly: Assembly, depth: int) -> Any:
    made: Any = (1,)
    for _ in range(depth):
        made = assembly.immutable(tuple, [made], 1)
    return made


@pytest.mark.parametrize("kind", [dict, set, frozenset])
def test_a_key_that_no_stack_can_hash_is_refused(kind: Any) -> None:
    assembly = Assembly()
    key = nested(assembly, 300_000 if kind is set else 2_000)
    below = [key, 1] if kind is dict else [key]
    with pytest.raises(AssemblyError, match="nested more than 1,000 tuples deep"):
        _put(assembly, kind, below)


def test_a_key_that_would_take_years_to_hash_is_refused() -> None:
    assembly = Assembly()
    key: Any = (1,)
    for number in range(60):
        assembly.define(number, key, 1)
        key = assembly.immutable(tuple, [assembly.refer(number, 1), assembly.refer(number, 1)], 1)
    with pytest.raises(AssemblyError, match="take too long to hash"):
        assembly.fill({}, [key, 1], 1)


def test_tuples_of_any_depth_are_put_together() -> None:
    assembly = Assembly()
    root = assembly.refer("end", 1)
    for _ in range(100_000):
        root = assembly.immutable(tuple, [root], 1)
    assembly.define("end", (), 1)
    made = assembly.finish(root)
    assert len(survey(made).shared) == 0
    depth = 0
    while made:
        (made,) = made
        depth += 1
    assert depth == 100_000


# How long it takes.


def timed(size: int) -> float:
    begun = time.thread_time()
    assembly = Assembly()
    items: list[Any] = []
    for number in range(size):
        item: list[Any] = []
        later = [assembly.refer((number * 7919) % size, 1) for _ in range(3)]
        assembly.fill(item, [assembly.immutable(tuple, later, 1), *later], 1)
        assembly.define(number, item, 1)
        items.append(item)
    assembly.finish(items)
    return time.thread_time() - begun


def test_time_grows_with_the_size() -> None:
    assert min(timed(40_000) for _ in range(2)) < 40 * max(0.01, timed(4_000))
