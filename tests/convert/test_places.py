"""One place has one spelling: what a reader complains of is found by what it says."""

from typing import Any

import pytest

from perdure.convert import lookup
from perdure.persist.content import Content
from perdure.persist.formats import table
from perdure.persist.formats.format import FormatError
from perdure.persist.graph import Call, Graph, Names, instance_of
from perdure.persist.words import Word, call_of

from ..passport import PASSPORT

MARK = 424242
NAMES = Names()


def instance(**given: Any) -> Any:
    made = instance_of(NAMES.find("visits", "Counter"))
    for name, value in given.items():
        setattr(made, name, value)
    return made


def call(*arguments: Any, **given: Any) -> Call:
    made = Call(NAMES.find("visits", "make"), arguments)
    for name, value in given.items():
        setattr(made, name, value)
    return made


def word(name: str, value: str, of: Any) -> Call:
    return call_of(Word(name, value, of), NAMES)


MOMENT = "2026-11-21T05:47:19"
PLACES: dict[str, Any] = {
    "value": instance(state={"value": MARK}),
    "[visits.Counter].value": instance(
        state={"_components": {"visits.Counter": instance(state={"value": MARK})}}
    ),
    "value[k]": instance(state={"value": {"k": MARK}}),
    "value[1][k]": instance(state={"value": (None, {"k": MARK})}),
    "left": instance(state=({"a": 1}, {"left": MARK})),
    "left[k]": instance(state=(None, {"left": {"k": MARK}})),
    "state[0]": instance(state=[MARK]),
    "state[1]": instance(state=(1, MARK)),
    "state[0][k]": instance(state=[{"k": MARK}]),
    "state.value": instance(state=instance(state={"value": MARK})),
    "[1]": instance(arguments=(1, MARK)),
    "size": instance(keywords={"size": MARK}),
    "[1][0]": instance(members=[0, [MARK]]),
    "[a]": instance(pairs=[("a", MARK)]),
    "setter[0]": instance(state={"a": 1}, setter=call(MARK)),
    "[1][k]": call(None, {"k": MARK}),
    "[0][1][k]": call((None, {"k": MARK})),
    "function[0]": Call(call(MARK), ()),
    "when": call(state={"when": MARK}),
    "__self__.value": word("method", "flash", instance(state={"value": MARK})),
    "tzinfo[0]": word("datetime", MOMENT, call(MARK)),
    "[0].tzinfo[0]": [word("time", "05:47:19", call(MARK))],
    "[(1, 2)]": {(1, 2): MARK},
    "[0][1]": [(1, MARK)],
}


@pytest.mark.parametrize("syntax", ["source", "xml"])
@pytest.mark.parametrize("place", PLACES)
def test_a_mistake_is_where_a_person_finds_it(place: str, syntax: str) -> None:
    graph = Graph(PLACES[place], NAMES)
    assert told(graph, syntax) == f"application{place if place[0] == '[' else f'.{place}'}"
    if "(" not in place:
        assert lookup.find(graph, place).value == MARK


@pytest.mark.parametrize("syntax", ["source", "xml"])
@pytest.mark.parametrize("root", [{MARK}, frozenset({MARK}), {MARK: 1}], ids=repr)
def test_what_has_no_place_of_its_own_is_told_by_what_holds_it(root: Any, syntax: str) -> None:
    assert told(Graph([root], NAMES), syntax) == "application[0]"


def told(graph: Graph, syntax: str) -> str | None:
    """Where `graph` is wrong, once there is a wrong number in the text of it."""
    form = table.by_name(syntax)
    text = b"".join(form.encode(PASSPORT, Content.of_graph(graph), None))
    assert text.count(b"424242") == 1
    with pytest.raises(FormatError) as caught:
        form.decode(text.replace(b"424242", b"4l"))
    return caught.value.place
