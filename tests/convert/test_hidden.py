"""Where only the class knows what of a state or a call is its secret, no view shows any of it."""

import re
from typing import Any

import attrs
import pytest

from perdure.convert import page
from perdure.convert.brief import Brief
from perdure.convert.diff import compare
from perdure.convert.edit import Edit, EditError, apply
from perdure.convert.lookup import LookupFailedError, find
from perdure.convert.tree import Tree
from perdure.persist.content import Content, Snapshot
from perdure.persist.graph import Call, Graph, Names, instance_of

from ..passport import PASSPORT

SECRET = {"visits:Odd": ("pin",), "visits:make": ("pin",), "visits:Box": ("pin",)}
WORD = "hunter2"


def graph(word: str) -> Graph:
    names = Names()
    odd = instance_of(names.find("visits", "Odd"))
    odd.state = [word]
    called = Call(names.find("visits", "make"), (word, 1))
    growing = Call(names.find("visits", "make"), (word,))
    growing.members = ["public"]
    box = instance_of(names.find("visits", "Box"))
    box.state = {"pin": {word: [word, 5]}, "name": "box"}
    return Graph([odd, called, growing, box], names)


def test_the_tree_hides_it() -> None:
    for item in graph(WORD).root:
        shown = "\n".join(map(str, Tree(item, [], SECRET).lines()))
        assert WORD not in shown
        assert "hidden" in shown


def test_the_page_hides_it() -> None:
    passport = attrs.evolve(PASSPORT, secret=SECRET)
    found = Snapshot(passport, Content.of_graph(graph(WORD)), b"", None, "xml")
    assert WORD.encode() not in b"".join(page.render(found))
    assert WORD.encode() in b"".join(page.render(found, reveal=True))


def test_a_comparison_hides_it_and_tells_that_it_differs() -> None:
    told = [str(each) for each in compare(graph(WORD), graph(f"{WORD}!"), Brief(SECRET))]
    assert told == [
        "~ application[0].state: hidden, differs",
        "~ application[1].arguments: hidden, differs",
        "~ application[2].arguments: hidden, differs",
        "~ application[3].pin: hidden, differs",
    ]
    assert compare(graph(WORD), graph(WORD), Brief(SECRET)) == []
    assert WORD in str(compare(graph(WORD), graph("other"), Brief())[0])


@pytest.mark.parametrize("place", ["[3].pin[x]", "[3].pin.x", f"[3].pin[{WORD}].x"])
def test_a_place_that_is_not_there_tells_nothing_of_what_is(place: str) -> None:
    with pytest.raises(LookupFailedError) as caught:
        find(graph(WORD), place, SECRET)
    assert caught.value.reason.startswith("there is no such place in this, which is secret")


def test_a_value_that_does_not_fit_is_not_told() -> None:
    with pytest.raises(EditError) as caught:
        apply(graph(WORD), [Edit(f"[3].pin[{WORD}][1]", "hunter3")], SECRET)
    assert "hunter3" not in str(caught.value)
    assert "does not fit the secret one that is there" in str(caught.value)
    assert caught.value.__suppress_context__


def test_what_is_concealed_may_be_set_by_who_has_not_the_key() -> None:
    names = Names()
    box: Any = instance_of(names.find("visits", "Box"))
    sealed = Call(names.find("perdure.persist.concealment", "sealed"), ("00" * 8, "AAAA"))
    box.state = {"pin": sealed}
    whole = Graph([box], names)
    (change,) = apply(whole, [Edit("[0].pin", "4711")], SECRET)
    assert (change.before, change.after, box.state) == ("hidden", "hidden", {"pin": 4711})
    assert [str(name) for name in names] == ["visits:Box"]


def test_what_is_concealed_shows_as_that_where_nothing_says_that_it_is_secret() -> None:
    names = Names()
    sealed = Call(names.find("perdure.persist.concealment", "sealed"), ("00" * 8, "AAAA"))
    shown = "\n".join(map(str, Tree([sealed], [], {}).lines()))
    assert "concealed" in shown
    assert re.search("sealed: 'AAAA'", shown)
