"""A journal and a snapshot that earlier code has written, under the code of today."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure.app.application import Application
from perdure.app.ledger import Ledger
from perdure.app.loader import Loader, LoadError
from perdure.app.records import ReplayError
from perdure.app.replay import replay
from perdure.app.web.sessions import KeptSession
from perdure.persist import snapshot
from perdure.persist.schemaerrors import NewerSchemaError, StepError
from perdure.persist.trust import Policy, Signer

from ..paper import Paper
from ..persist.evolution import code, releases

EVERYTHING = Policy.everything()
FIRST = """
    from perdure.app.mutations import mutation

    class Counter:
        def __init__(self):
            self.total = 0
            self.friend = None

    class Calls:
        def __init__(self):
            self.taken = []

        @mutation
        def take(self, item):
            self.taken.append(item)
"""
SECOND = """
    from perdure.app.mutations import mutation

    @schema(version=2, was=("oldshop.Counter",))
    class Visits:
        def __init__(self):
            self.sum = 0
            self.friend = None

    @upgrades(Visits, to=2)
    def rename(state):
        return {"sum": state["total"], "friend": state["friend"]}

    @schema(was=("oldshop.Calls",))
    class Calls:
        def __init__(self):
            self.taken = []

        @mutation
        def take(self, item):
            self.taken.append(item)
"""


@pytest.fixture(autouse=True)
def _releases() -> Iterator[None]:
    with releases():
        yield


def running() -> tuple[Application, Paper]:
    application, paper = Application("web"), Paper()
    application.ledger = Ledger(application, paper, EVERYTHING)
    return application, paper


def written(totals: list[int], *, moved: bool = True) -> Paper:
    """What the first release has written, which is no more."""
    shop = code("oldshop", FIRST)
    application, paper = running()
    for number, total in enumerate(totals):
        with application.turn():
            counter = application.registry.get_component(
                shop.Counter, name=str(number), default=shop.Counter
            )
            counter.total = total
            other = application.registry.get_component(shop.Counter, name="0")
            counter.friend = other
            calls = application.registry.get_component(shop.Calls, default=shop.Calls)
        with application.turn():
            calls.take(shop.Counter())
    if moved:
        del sys.modules["oldshop"]
    return paper


@given(st.lists(st.integers(), min_size=1, max_size=5))
def test_records_of_an_earlier_release_are_replayed_by_a_later_one(totals: list[int]) -> None:
    with releases():
        paper = written(totals)
        shop = code("newshop", SECOND)
        application = Application("web")
        replay(application, paper.payloads.items(), EVERYTHING)
        visits: list[Any] = [
            application.registry.get_component(shop.Visits, name=str(number))
            for number in range(len(totals))
        ]
        assert [each.sum for each in visits] == totals
        assert all(each.friend is visits[0] for each in visits)
        calls: Any = application.registry.get_component(shop.Calls)
        assert [type(each) for each in calls.taken] == [shop.Visits] * len(totals)


def test_records_of_both_releases_in_a_row_are_replayed() -> None:
    paper = written([3])
    shop = code("newshop", SECOND)
    application, later = running()
    replay(application, paper.payloads.items(), EVERYTHING)
    with application.turn():
        visits: Any = application.registry.get_component(shop.Visits, name="0")
        visits.sum += 1
    payloads = [*paper.payloads.values(), *later.payloads.values()]
    again = Application("web")
    replay(again, enumerate(payloads), EVERYTHING)
    assert [key for key, _ in again.registry.items()] == ["newshop.Visits:0", "newshop.Calls"]
    found: Any = again.registry.get_component(shop.Visits, name="0")
    assert found.sum == 4


def test_a_checkpoint_has_the_shapes_told_again() -> None:
    shop = code("oldshop", FIRST)
    application, paper = running()
    with application.turn():
        application.registry.get_component(shop.Counter, default=shop.Counter)
    ledger: Any = application.ledger
    ledger.conclude()
    with application.turn():
        counter: Any = application.registry.get_component(shop.Counter)
        counter.total += 1
    last = {number: paper.payloads[number] for number in sorted(paper.payloads)[-1:]}
    del sys.modules["oldshop"]
    shop = code("newshop", SECOND)
    again = Application("web")
    replay(again, last.items(), EVERYTHING)
    found: Any = again.registry.get_component(shop.Visits)
    assert found.sum == 1


def test_records_of_a_later_release_are_refused() -> None:
    paper = written([1], moved=False)
    shop = code("oldshop", FIRST.replace("class Counter", "@schema(version=2)\n    class Counter"))
    application, paper = running()
    with application.turn():
        application.registry.get_component(shop.Counter, default=shop.Counter)
    code("oldshop", FIRST)
    with pytest.raises(NewerSchemaError, match="its state is of version 2, and the code here has"):
        replay(Application("web"), paper.payloads.items(), EVERYTHING)


def test_shapes_that_are_none_are_damage() -> None:
    import pickle

    payload = pickle.dumps((1.0, [("", "shapes", (("a:B", "x"),))]), 5)
    with pytest.raises(ReplayError, match="it is damaged: expected a version and fields"):
        replay(Application("web"), [(1, payload)], EVERYTHING)
    payload = pickle.dumps((1.0, [("", "shapes", (("a:B", 1),))]), 5)
    with pytest.raises(ReplayError, match="an entry of no known kind"):
        replay(Application("web"), [(1, payload)], EVERYTHING)


@pytest.mark.parametrize("syntax", ["pickle", "xml", "source"])
def test_a_snapshot_in_any_syntax_is_brought_up(
    tmp_path: Path, signer: Signer, syntax: str
) -> None:
    shop = code("oldshop", FIRST)
    application = Application("web")
    counter: Any = application.registry.get_component(shop.Counter, name="a", default=shop.Counter)
    counter.total = 7
    path = tmp_path / "web.snap"
    snapshot.write(
        path, application, application="web", holds="state", signer=signer, syntax=syntax
    )
    before = path.read_bytes()
    del sys.modules["oldshop"]
    shop = code("newshop", SECOND)
    loaded = Loader(signer).load(path)
    found: Any = loaded.application.registry.get_component(shop.Visits, name="a")
    assert found.sum == 7
    code("newshop", SECOND.replace('state["total"]', 'state["nothing"]'))
    with pytest.raises(LoadError) as caught:
        Loader(signer).load(path)
    assert isinstance(caught.value.cause, StepError)
    assert "raised KeyError: 'nothing', for application.registry" in str(caught.value)
    assert path.read_bytes() == before


TWO = """
    class A:
        def __init__(self, value):
            self.value = value
            self.other = None
    class B(A): pass
"""


def test_two_classes_that_become_one_keep_what_both_have() -> None:
    two = code("oldshop", TWO)
    application, paper = running()
    with application.turn():
        first, second = two.A(1), two.B(2)
        first.other, second.other = second, first
        application.registry.set_component(two.A, first)
        application.registry.set_component(two.B, second)
    with application.turn():
        second = application.registry.get_component(two.B, default=two.B)
        second.value = 3
    del sys.modules["oldshop"]
    one = code(
        "newshop",
        """
        @schema(was=("oldshop.A", "oldshop.B"))
        class C: pass
    """,
    )
    again = Application("web")
    replay(again, paper.payloads.items(), EVERYTHING)
    found: Any = again.registry.get_component(one.C)
    kept: Any = dict(again.registry.items())["oldshop.B"]
    assert (found.value, kept.value) == (1, 3)
    assert type(kept) is one.C
    assert found.other is kept
    # As a snapshot has it.
    other = Application("web")
    other.registry.components.update({"oldshop.A": found, "oldshop.B": kept})
    other.registry.follow_moves()
    assert list(other.registry.components) == ["newshop.C", "oldshop.B"]


def test_what_a_session_and_an_alarm_have_follows_the_moves() -> None:
    shop = code("oldshop", FIRST)
    application, paper = running()
    with application.turn():
        kept = KeptSession("x", 60.0, 0.0)
        application.registry.set_component(KeptSession, kept, name="x")
        kept.components["oldshop.Counter:mine"] = shop.Counter()
        counter = application.registry.get_component(shop.Counter, default=shop.Counter)
        application.registry.alarms.at(2e9, counter, "__init__")
    del sys.modules["oldshop"]
    shop = code("newshop", SECOND)
    again = Application("web")
    replay(again, paper.payloads.items(), EVERYTHING)
    found = again.registry.get_component(KeptSession, name="x")
    assert found is not None
    assert list(found.components) == ["newshop.Visits:mine"]
    assert type(found.components["newshop.Visits:mine"]) is shop.Visits
    alarm = again.registry.alarms.next()
    assert alarm is not None
    assert alarm.component is again.registry.get_component(shop.Visits)


def test_adapters_follow_the_moves() -> None:
    shop = code("oldshop", FIRST)
    application = Application("web")
    application.registry.set_adapter(shop.Counter, shop.Calls, len)
    del sys.modules["oldshop"]
    shop = code("newshop", SECOND)
    application.registry.follow_moves()
    application.registry.set_component(shop.Visits, ["a", "b"])
    assert application.registry.get_component(shop.Calls) == 2
