"""A graph of which parts are parked, and put back."""

from collections.abc import Collection, Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure.persist import graphstream, isomorphism
from perdure.persist.capture import capture
from perdure.persist.graph import SCALARS, Global, Graph
from perdure.persist.parked import StandIn, parked_at
from perdure.persist.parkedgraph import Fields, parked_in
from perdure.persist.parting import Bay, Reason, park, put_back
from perdure.persist.restore import restore
from perdure.persist.trust import Policy

from .graphs import assert_same, graphs
from .models import Plain

REASON = Reason("its module is gone", "2026-11-21T10:00:00Z")


def no_shapes(_names: Collection[str]) -> dict[str, str]:
    return {}


def as_it_is(made: bytes, state: bytes, _fields: Fields) -> tuple[bytes, bytes]:
    return made, state


def no_objection(_names: Iterable[Global]) -> None:
    return None


def read(root: object) -> Graph:
    return graphstream.read(capture(root).stream, trusted=True)


def bays_of(graph: Graph) -> list[Bay]:
    """Those of the members of the list that the graph is which are objects of their own."""
    return [
        Bay(str(number), graph.root, number)
        for number, item in enumerate(graph.root)
        if type(item) not in SCALARS and type(item) is not Global
    ]


def parked(root: list[Any], places: Collection[int]) -> Graph:
    graph = read(root)
    park(graph, {bay: REASON for bay in bays_of(graph) if bay.at in places}, no_shapes)
    return graph


def back(graph: Graph) -> Graph:
    """`graph` with all that is parked in its place again."""
    bays = bays_of(graph)
    items = {bay.key: bay.item for bay in bays}
    assert not put_back(graph, bays, {}, items.__getitem__, as_it_is, no_objection, trusted=True)
    return graph


@given(graphs(), st.sets(st.integers(0, 20)))
def test_what_is_parked_and_put_back_is_the_same_graph(root: list[Any], places: set[int]) -> None:
    stream = graphstream.write(parked(root, places))
    again = back(graphstream.read(stream))
    assert isomorphism.difference(read(root), graphstream.read(graphstream.write(again))) is None


@given(graphs(), st.sets(st.integers(0, 20)))
def test_live_stand_ins_keep_what_they_stand_for(root: list[Any], places: set[int]) -> None:
    """Whoever loads and saves what has parked parts carries these along."""
    graph = parked(root, places)
    live: Any = restore(graphstream.write(graph), Policy.everything())
    for bay in bays_of(graph):
        if (fields := parked_in(bay.item)) is not None:
            found = parked_at(live[bay.at])
            assert found is not None
            assert found.state == fields["state"]
    again = back(read(live))
    assert_same(restore(graphstream.write(again), Policy.everything()), root)


@given(graphs(), st.sets(st.integers(0, 20)), st.sets(st.integers(0, 20)))
def test_what_is_parked_in_two_steps_comes_back_in_one(
    root: list[Any], first: set[int], second: set[int]
) -> None:
    graph = graphstream.read(graphstream.write(parked(root, first)))
    park(graph, {bay: REASON for bay in bays_of(graph) if bay.at in second}, no_shapes)
    again = back(graphstream.read(graphstream.write(graph)))
    assert isomorphism.difference(read(root), graphstream.read(graphstream.write(again))) is None


def test_names_that_only_what_is_parked_has_are_not_left() -> None:
    graph = parked([Plain(), 1], {0})
    assert not any(name.module.endswith("models") for name in graph.names)
    fields = parked_in(graph.root[0])
    assert fields is not None
    assert any(name.endswith("models:Plain") for name in fields["names"])


@pytest.mark.parametrize("text", ["#7", "@0", "gone", "#x"])
def test_a_reference_that_leads_nowhere_leaves_it_parked(text: str) -> None:
    graph = parked([Plain(), [1]], {0})
    fields = parked_in(graph.root[0])
    assert fields is not None
    referred = graph.names.find("perdure.persist.references", "referred")
    fields["state"] = graphstream.write_part(graph.root[1], (), referred, {text: graph.root[1]})
    none: dict[str, Any] = {}
    failures = put_back(
        graph, bays_of(graph), {}, none.__getitem__, as_it_is, no_objection, trusted=False
    )
    assert list(failures) == ["0"]
    assert parked_in(graph.root[0]) is fields


def test_a_stand_in_is_restored_as_one() -> None:
    live: Any = restore(graphstream.write(parked([Plain()], {0})), Policy.everything())
    assert type(live[0]) is StandIn
