"""An application of which parts cannot be loaded: these wait, and the rest runs."""

import asyncio
import builtins
import contextlib
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, cast

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perdure.app.alarms import AlarmClock, Alarms
from perdure.app.application import Application
from perdure.app.collection import ServiceCollection
from perdure.app.ledger import Ledger
from perdure.app.loader import Loaded, Loader, LoadError
from perdure.app.parking import all_parked, load
from perdure.app.recovery import begin
from perdure.app.replay import replay
from perdure.app.state import Keeping, LeftOutError
from perdure.app.web.sessions import KeptSession
from perdure.persist import graphstream, mandate, snapshot
from perdure.persist.errors import PerdureError
from perdure.persist.parked import ParkedError, StandIn
from perdure.persist.parkedgraph import Fields, field, parked_in, reach
from perdure.persist.schemaerrors import StepError
from perdure.persist.store import FolderStore
from perdure.persist.trust import Policy, Signer

from ..paper import Paper
from ..persist.evolution import code, releases

EVERYTHING = Policy.everything()
SYNTAXES = ("pickle", "xml", "source")
STAYS = """
    class Visits:
        def __init__(self):
            self.friend = None
            self.value = 0
"""
GOES = """
    from perdure.app.mutations import mutation
    from perdure.app.service import Service

    class Basket:
        def __init__(self):
            self.things = []
            self.friend = None

    class Calls:
        def __init__(self):
            self.taken = []

        @mutation
        def take(self, item):
            self.taken.append(item)

        def ring(self, *arguments):
            self.taken.append(arguments)

    class Inner:
        def __init__(self, number=0):
            self.number = number

    class Strange(Service):
        pass
"""


@pytest.fixture(autouse=True)
def _releases() -> Iterator[None]:
    with releases():
        yield


@attrs.define
class Shelf:
    """Where an application is saved and loaded."""

    folder: Path
    loader: Loader
    syntax: str

    def save(self, application: Application) -> None:
        snapshot.write(
            self.folder / "web.snap",
            application,
            application="web",
            holds="state",
            signer=self.loader.signer,
            syntax=self.syntax,
        )

    def load(self) -> Loaded:
        return self.loader.load(self.folder / "web.snap")

    def reload(self, application: Application) -> Application:
        self.save(application)
        return self.load().application


@pytest.fixture(params=SYNTAXES)
def shelf(tmp_path: Path, request: pytest.FixtureRequest) -> Shelf:
    return Shelf(tmp_path, Loader(Signer.of_user(tmp_path / "key")), request.param)


def codes() -> tuple[Any, Any]:
    return code("stays", STAYS), code("zzgoes", GOES)


def forget(name: str = "zzgoes") -> ModuleType:
    return sys.modules.pop(name)


def a_shop() -> Application:
    stays, goes = codes()
    application = Application("web")
    registry = application.registry
    visits = registry.get_component(stays.Visits, default=stays.Visits)
    basket = registry.get_component(goes.Basket, default=goes.Basket)
    visits.friend, basket.friend = basket, visits
    return application


def component(application: Application, key: str) -> Any:
    return application.registry.components[key]


def keys_parked(application: Application) -> list[str]:
    return [parked.key for parked in all_parked(application.registry)]


def test_what_cannot_be_loaded_is_parked_and_comes_back(shelf: Shelf) -> None:
    application = a_shop()
    component(application, "zzgoes.Basket").things.append(7)
    shelf.save(application)
    goes = forget()
    application = shelf.load().application
    (parked,) = all_parked(application.registry)
    assert parked.key == "zzgoes.Basket"
    assert parked.reason.startswith("zzgoes.Basket: there is no module zzgoes")
    assert set(parked.names) == {"zzgoes:Basket"}
    for _ in range(2):
        # Saved and loaded again, it is what it was to the last byte.
        application = shelf.reload(application)
        (again,) = all_parked(application.registry)
        assert (again.state, again.shapes, again.since) == (
            parked.state,
            parked.shapes,
            parked.since,
        )
    sys.modules["zzgoes"] = goes
    shelf.save(application)
    loaded = shelf.load()
    assert [str(each) for each in loaded.returned] == [
        f"zzgoes.Basket is back: it was parked since {parked.since}"
    ]
    basket = component(loaded.application, "zzgoes.Basket")
    visits = component(loaded.application, "stays.Visits")
    assert type(basket) is vars(goes)["Basket"]
    assert (basket.things, basket.friend is visits, visits.friend is basket) == ([7], True, True)


def test_what_is_parked_is_not_to_be_had_replaced_or_removed(shelf: Shelf) -> None:
    shelf.save(a_shop())
    goes: Any = forget()
    application = shelf.load().application
    registry = application.registry
    assert repr(registry) == "<Registry: stays.Visits, zzgoes.Basket (parked)>"
    assert (len(registry), len(list(registry))) == (2, 1)
    attempts: tuple[Callable[[], object], ...] = (
        lambda: registry.get_component(goes.Basket),
        lambda: registry.get_component(goes.Basket, default=goes.Basket),
        lambda: registry.set_component(goes.Basket, goes.Basket()),
        lambda: registry.remove_component(goes.Basket),
        lambda: component(application, "stays.Visits").friend.things,
    )
    for attempt in attempts:
        with pytest.raises(ParkedError, match=r"appconvert --parked FILE --drop") as caught:
            attempt()
        assert caught.value.key == "zzgoes.Basket"
    assert type(component(application, "zzgoes.Basket")) is StandIn


def test_an_adapter_does_not_stand_in_for_what_is_parked(shelf: Shelf) -> None:
    application = a_shop()
    shelf.save(application)
    goes: Any = forget()
    application = shelf.load().application
    stays: Any = sys.modules["stays"]
    application.registry.set_adapter(goes.Basket, stays.Visits, str)
    with pytest.raises(ParkedError):
        application.registry.get_component(goes.Basket)
    application.registry.set_adapter(goes.Basket, Inert, Inert)
    with pytest.raises(ParkedError):
        application.registry.get_component(Inert)


def values(application: Application) -> list[int]:
    items = cast("Iterable[Any]", application.registry)
    return [item.value for item in items]


class Inert:
    def __init__(self, other: object) -> None:
        pass


def test_a_component_is_parked_for_an_object_deep_inside(shelf: Shelf) -> None:
    stays, goes = codes()
    application = Application("web")
    visits = application.registry.get_component(stays.Visits, default=stays.Visits)
    visits.friend = [{"deep": (goes.Inner(3),)}]
    other = application.registry.get_component(stays.Visits, name="other", default=stays.Visits)
    other.friend = visits
    shelf.save(application)
    sys.modules["zzgoes"], there = ModuleType("zzgoes"), sys.modules["zzgoes"]
    application = shelf.load().application
    (parked,) = all_parked(application.registry)
    assert parked.key == "stays.Visits"
    assert "there is no Inner in the module zzgoes" in parked.reason
    assert component(application, "stays.Visits:other").friend is component(
        application, "stays.Visits"
    )
    sys.modules["zzgoes"] = there
    application = shelf.reload(application)
    friend = component(application, "stays.Visits").friend
    assert friend[0]["deep"][0].number == 3
    assert component(application, "stays.Visits:other").friend.friend is friend


@pytest.mark.parametrize("method", ["__setstate__", "after_restore"])
def test_what_raises_when_it_is_restored_is_parked_alone(shelf: Shelf, method: str) -> None:
    text = "from perdure.persist.persistent import persistent\n" + STAYS.replace(
        "\n    class Visits:", "\n@persistent\nclass Visits:"
    ).replace("\n        ", "\n    ")
    stays = code("stays", text)
    application = Application("web")
    for number in range(3):
        visits = application.registry.get_component(
            stays.Visits, name=str(number), default=stays.Visits
        )
        visits.value = number
    shelf.save(application)

    def fail(self: Any, state: Any = None) -> None:
        if state is not None:
            self.__dict__ |= state
        if self.value == 1:
            raise ValueError("no ones")

    good = getattr(stays.Visits, method, None)
    setattr(stays.Visits, method, fail)
    application = shelf.load().application
    assert keys_parked(application) == ["stays.Visits:1"]
    assert "ValueError: no ones" in all_parked(application.registry)[0].reason
    assert values(application) == [0, 2]
    if good is None:
        delattr(stays.Visits, method)
    else:
        setattr(stays.Visits, method, good)
    application = shelf.reload(application)
    assert values(application) == [0, 1, 2]


def test_what_raises_because_of_another_component_is_parked_and_not_that(shelf: Shelf) -> None:
    text = """
        from perdure.persist.persistent import persistent

        @persistent
        class Leaning:
            friend = None

            def after_restore(self):
                if self.friend.value == 1:
                    raise ValueError("not that friend")
        """
    leaning, (stays, _) = code("leaning", text), codes()
    application = Application("web")
    visits = application.registry.get_component(stays.Visits, default=stays.Visits)
    kept = application.registry.get_component(leaning.Leaning, default=leaning.Leaning)
    kept.friend, visits.value = visits, 1
    shelf.save(application)
    application = shelf.load().application
    assert keys_parked(application) == ["leaning.Leaning"]
    visits = component(application, "stays.Visits")
    visits.value = 2
    application = shelf.reload(application)
    assert component(application, "leaning.Leaning").friend is component(
        application, "stays.Visits"
    )


def test_what_a_service_needs_refuses_the_start_and_names_it(shelf: Shelf) -> None:
    _, goes = codes()
    shelf.save(Application("web", services=ServiceCollection([goes.Strange(name="one")])))
    forget()
    with pytest.raises(LoadError, match=r"zzgoes\.Strange: application\.services\[0\] needs it"):
        shelf.load()


def test_a_step_that_raises_refuses_the_start_and_parks_nothing(shelf: Shelf) -> None:
    shelf.save(a_shop())
    forget()
    code(
        "stays",
        "@schema(version=2)"
        + STAYS.replace("\n    class", "\nclass").replace("\n        ", "\n    ")
        + "\n@upgrades(Visits, to=2)\ndef step(state):\n    raise ValueError(1)\n",
    )
    with pytest.raises(LoadError) as caught:
        shelf.load()
    assert isinstance(caught.value.cause, StepError)


def test_what_both_parked_and_loaded_have_stays_one(shelf: Shelf) -> None:
    stays, goes = codes()
    application = Application("web")
    registry = application.registry
    shared, twice = [1], {"k": "v"}
    registry.get_component(stays.Visits, default=stays.Visits).friend = shared
    for name in "ab":
        basket = registry.get_component(goes.Basket, name=name, default=goes.Basket)
        basket.things = [shared, twice]
    shelf.save(application)
    goes = forget()
    application = shelf.load().application
    assert keys_parked(application) == ["zzgoes.Basket:a", "zzgoes.Basket:b"]
    component(application, "stays.Visits").friend.append(2)
    sys.modules["zzgoes"] = goes
    application = shelf.reload(application)
    one, other = (component(application, f"zzgoes.Basket:{name}").things for name in "ab")
    assert one == [[1, 2], {"k": "v"}]
    assert one[0] is other[0] is component(application, "stays.Visits").friend
    assert one[1] is other[1]


def test_those_that_have_objects_in_common_come_back_together(shelf: Shelf) -> None:
    stays, goes = codes()
    application = Application("web")
    registry = application.registry
    more = code("zzmore", "class More:\n    friend = None")
    common = [0]
    basket = registry.get_component(goes.Basket, default=goes.Basket)
    registry.get_component(more.More, default=more.More).friend = basket.things = common
    shelf.save(application)
    goes, more = forget(), forget("zzmore")
    application = shelf.load().application
    sys.modules["zzgoes"] = goes
    application = shelf.reload(application)
    assert keys_parked(application) == ["zzgoes.Basket", "zzmore.More"]
    assert "in common with zzmore.More" in all_parked(application.registry)[0].reason
    sys.modules["zzmore"] = more
    application = shelf.reload(application)
    found = component(application, "zzgoes.Basket").things
    assert found is component(application, "zzmore.More").friend
    assert found == [0]
    assert stays


def test_a_second_component_may_be_parked_later(shelf: Shelf) -> None:
    shelf.save(a_shop())
    goes = forget()
    application = shelf.load().application
    shelf.save(application)
    stays = forget("stays")
    application = shelf.load().application
    assert keys_parked(application) == ["stays.Visits", "zzgoes.Basket"]
    sys.modules["zzgoes"] = goes
    application = shelf.reload(application)
    assert keys_parked(application) == ["stays.Visits"]
    sys.modules["stays"] = stays
    application = shelf.reload(application)
    visits, basket = (component(application, key) for key in ("stays.Visits", "zzgoes.Basket"))
    assert visits.friend is basket
    assert basket.friend is visits


def test_a_session_is_parked_alone(shelf: Shelf) -> None:
    _, goes = codes()
    application = Application("web")
    for name in ("one", "two"):
        kept = KeptSession(name, 900.0, 0.0)
        application.registry.set_component(KeptSession, kept, name=name)
    kept.components["zzgoes.Inner"] = goes.Inner()
    shelf.save(application)
    goes = forget()
    application = shelf.load().application
    (key,) = keys_parked(application)
    assert key.endswith(":two")
    sys.modules["zzgoes"] = goes
    application = shelf.reload(application)
    assert list(component(application, key).components) == ["zzgoes.Inner"]


def ring(application: Application) -> None:
    async def scenario() -> None:
        clock = AlarmClock(application)
        running = asyncio.create_task(clock.run())
        await asyncio.sleep(0)
        await clock.quiesce()
        await running

    asyncio.run(scenario())


def count(self: Any, *_arguments: object) -> None:
    self.value += 1


def ignore(_self: Any, *_arguments: object) -> None:
    pass


def test_an_alarm_waits_with_its_component_or_arguments(shelf: Shelf) -> None:
    stays, goes = codes()
    stays.Visits.ring = count
    application = Application("web")
    registry = application.registry
    calls = registry.get_component(goes.Calls, default=goes.Calls)
    visits = registry.get_component(stays.Visits, default=stays.Visits)
    registry.alarms.at(1.0, calls, "ring")
    registry.alarms.at(2.0, visits, "ring", goes.Inner(5))
    registry.alarms.at(3.0, visits, "ring", 6)
    shelf.save(application)
    goes = forget()
    application = shelf.load().application
    assert keys_parked(application) == ["zzgoes.Calls", "alarm 2"]
    ring(application)
    alarms = application.registry.alarms
    assert [(alarm.number, alarm.is_waiting) for alarm in alarms.all()] == [(1, True), (2, True)]
    assert component(application, "stays.Visits").value == 1
    sys.modules["zzgoes"] = goes
    application = shelf.reload(application)
    assert not keys_parked(application)
    assert application.registry.alarms.all()[1].arguments[0].number == 5  # type: ignore[attr-defined]
    ring(application)
    assert (len(application.registry.alarms), component(application, "stays.Visits").value) == (
        0,
        2,
    )
    assert component(application, "zzgoes.Calls").taken == [()]


# Records of the journal.


def running() -> tuple[Application, Paper]:
    application, paper = Application("web"), Paper()
    application.ledger = Ledger(application, paper, EVERYTHING)
    return application, paper


def replayed(paper: Paper) -> Application:
    """As a start does: what fails is parked from the start, the next time."""
    reasons: dict[str, str] = {}
    while True:
        application = Application("web")
        failing = replay(application, paper.payloads.items(), EVERYTHING, reasons).failing
        if not failing:
            return application
        assert not failing.keys() & reasons.keys()
        reasons |= failing


def test_records_of_what_is_parked_are_kept_and_done_when_it_is_back(shelf: Shelf) -> None:
    stays, goes = codes()
    application, paper = running()
    registry: Any = application.registry
    with application.turn():
        basket = registry.get_component(goes.Basket, default=goes.Basket)
        calls = registry.get_component(goes.Calls, default=goes.Calls)
        visits = registry.get_component(stays.Visits, default=stays.Visits)
        visits.friend, basket.friend = basket, visits
    for number in range(3):
        with application.turn():
            basket = registry.get_component(goes.Basket, default=goes.Basket)
            basket.things.append(number)
            visits.value = number
            calls.take(visits if number == 1 else number)
    goes = forget()
    application = replayed(paper)
    assert keys_parked(application) == ["zzgoes.Basket", "zzgoes.Calls"]
    assert component(application, "stays.Visits").value == 2
    friend = component(application, "stays.Visits").friend
    assert friend is component(application, "zzgoes.Basket")
    again = replayed(paper)
    assert [(each.state, each.commands) for each in all_parked(again.registry)] == [
        (each.state, each.commands) for each in all_parked(application.registry)
    ]
    application = shelf.reload(shelf.reload(application))
    sys.modules["zzgoes"] = goes
    application = shelf.reload(application)
    visits, basket, calls = (
        component(application, key) for key in ("stays.Visits", "zzgoes.Basket", "zzgoes.Calls")
    )
    assert (basket.things, visits.friend is basket, basket.friend is visits) == (
        [0, 1, 2],
        True,
        True,
    )
    assert calls.taken == [0, visits, 2]


def test_a_call_with_what_cannot_be_loaded_parks_the_component_with_all_that_follows(
    shelf: Shelf,
) -> None:
    _, goes = codes()
    calls_code = code("calls", GOES)
    application, paper = running()
    with application.turn():
        calls = application.registry.get_component(calls_code.Calls, default=calls_code.Calls)
    for item in (1, goes.Inner(2), 3):
        with application.turn():
            calls.take(item)
    there = forget()
    application = replayed(paper)
    (parked,) = all_parked(application.registry)
    assert [kind for _, kind, _ in parked.commands].count("command") == 3
    application = shelf.reload(application)
    assert keys_parked(application) == ["calls.Calls"], "its class is there, an argument is not"
    sys.modules["zzgoes"] = there
    application = shelf.reload(application)
    one, two, three = component(application, "calls.Calls").taken
    assert (one, two.number, three) == (1, 2, 3)


def test_an_alarm_set_in_a_record_waits_for_its_arguments(shelf: Shelf) -> None:
    stays, goes = codes()
    stays.Visits.ring = ignore
    application, paper = running()
    with application.turn():
        visits = application.registry.get_component(stays.Visits, default=stays.Visits)
        application.registry.alarms.at(5.0, visits, "ring", goes.Inner(9))
        application.registry.alarms.at(6.0, visits, "ring", 1)
    there = forget()
    application = replayed(paper)
    assert keys_parked(application) == ["alarm 1"]
    sys.modules["zzgoes"] = there
    application = shelf.reload(application)
    first, second = application.registry.alarms.all()
    assert first.arguments[0].number == 9  # type: ignore[attr-defined]
    assert second.arguments == (1,)


def test_a_run_writes_nothing_of_what_is_parked(shelf: Shelf) -> None:
    shelf.save(a_shop())
    forget()
    application = shelf.load().application
    paper = Paper()
    application.ledger = Ledger(application, paper, EVERYTHING)
    stays: Any = sys.modules["stays"]
    with application.turn():
        visits: Any = application.registry.get_component(stays.Visits)
        visits.value += 1
        visits.friend = [visits.friend]
    kinds = [(key, kind) for record in paper.kinds for key, kind in record if key]
    assert kinds == [("Visits", "state")]
    again = shelf.load().application
    replay(again, paper.payloads.items(), EVERYTHING)
    friend = component(again, "stays.Visits").friend
    assert friend[0] is component(again, "zzgoes.Basket")


def test_what_cannot_be_saved_refers_to_what_is_parked_in_its_former_state_too(
    tmp_path: Path, shelf: Shelf
) -> None:
    """And so to whatever is there besides: neither is there twice, and each comes back where it was."""
    stays, goes = codes()
    store = FolderStore(tmp_path, "web", syntax=shelf.syntax)

    def begun() -> tuple[Any, Any]:
        made = begin(Application("web"), None, store, shelf.loader)
        return made.application.registry, Keeping(made, store, shelf.loader)

    registry, keeping = begun()
    visits = registry.get_component(stays.Visits, default=stays.Visits)
    other = registry.get_component(stays.Visits, name="other", default=stays.Visits)
    visits.friend = [registry.get_component(goes.Basket, default=goes.Basket), other]
    keeping.save(1, recorded=False)
    forget()
    registry, keeping = begun()
    registry.get_component(stays.Visits).value = lambda: 1
    registry.get_component(stays.Visits, name="other").value = 5
    with pytest.raises(LeftOutError, match="lambda"):
        keeping.save(2, recorded=False)
    sys.modules["zzgoes"] = goes
    registry, _ = begun()
    basket, other = registry.get_component(stays.Visits).friend
    assert basket is registry.get_component(goes.Basket)
    assert other is registry.get_component(stays.Visits, name="other")
    assert other.value == 5


# What is not believed.


def test_names_that_are_not_allowed_refuse_the_start_also_in_what_is_parked(
    tmp_path: Path, shelf: Shelf
) -> None:
    shelf.save(a_shop())
    goes = forget()
    shelf.save(shelf.load().application)
    stranger = Loader(Signer.of_user(tmp_path / "other"), ("stays",))
    sys.modules["zzgoes"] = goes
    with pytest.raises(PerdureError, match=r"--trust zzgoes"):
        stranger.load(tmp_path / "web.snap")
    trusting = attrs.evolve(stranger, trusted=("stays", "zzgoes"))
    assert type(component(trusting.load(tmp_path / "web.snap").application, "zzgoes.Basket"))


def test_the_names_in_parked_bytes_are_among_those_a_signature_covers(shelf: Shelf) -> None:
    shelf.save(a_shop())
    forget()
    shelf.save(shelf.load().application)
    graph = snapshot.read(shelf.folder / "web.snap").content.graph
    (fields,) = filter(None, map(parked_in, reach([graph.root])))
    assert "zzgoes:Basket" in mandate.names_of(graph)
    fields["state"] = fields["state"].replace(b"Basket", b"Hazard")
    assert "zzgoes:Hazard" in mandate.names_of(graph)


HAZARD = b"\x80\x05\x8c\x08zzhazard\x8c\x04Base\x93."
# Behind a key that costs too much to be looked at.
HIDDEN = b"\x80\x05})" + b"\x85" * 1500 + b"K\x01s0" + HAZARD[2:]


def _call(arguments: Any) -> Any:
    return ((1, "command", arguments),)


@pytest.mark.parametrize(
    "edit",
    [
        {"state": HAZARD},
        {"state": bytearray(HAZARD)},
        {"state": HIDDEN},
        {"made": HIDDEN, "state": b"\x80\x05)."},
        {"commands": _call(("take", 0.0, None, None, HAZARD))},
        {"commands": _call(["take", 0.0, None, None, HAZARD])},
        {"commands": _call(("take", 0.0, None, None, bytearray(HAZARD)))},
        {"commands": _call(("take", 0.0, None, None, HIDDEN))},
        {"commands": [*_call(("take", 0.0, None, None, HAZARD))]},
        {"commands": [[*_call(("take", 0.0, None, None, HAZARD))[0]]]},
        {"commands": ((1, "shapes", (("zzhazard:Base", "2"),)),)},
        {"commands": ((1, "shapes", [["zzhazard:Base", "2"]]),)},
        {"shapes": {"zzhazard:Base": "2"}},
        {"shapes": {"zzgoes:Calls": "1 < zzhazard:Base"}},
        {"names": ("zzgoes:Calls", "zzhazard:Base")},
        {"names": ["zzhazard:Base"]},
    ],
)
@pytest.mark.parametrize("kind", ["Parked", "Visits"])
def test_what_an_edit_hides_in_what_is_parked_voids_the_signature_or_is_never_run(
    shelf: Shelf,
    edit: Fields,
    kind: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stays, goes = codes()
    application = Application("web")
    application.registry.get_component(stays.Visits, default=stays.Visits)
    application.registry.get_component(goes.Calls, default=goes.Calls)
    shelf.save(application)
    forget()
    shelf.save(shelf.load().application)
    found = snapshot.read(shelf.folder / "web.snap")
    graph = found.content.graph
    (stand_in,) = (item for item in reach([graph.root]) if parked_in(item) is not None)
    record: Any = field(stand_in, "parked")
    record.state |= edit
    record.__class__ = next(each for each in graph.names if each.name == kind)
    (tmp_path / "zzhazard.py").write_text("import builtins\nbuiltins.hazard.append('imported')\n")
    ran: list[str] = []
    monkeypatch.setattr(builtins, "hazard", ran, raising=False)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    sys.modules["zzgoes"] = goes
    if mandate.added_names(found.passport, graph):
        return
    with contextlib.suppress(PerdureError):
        load(graphstream.write(graph), EVERYTHING, found.passport, {})
    assert not ran


# The law.


@settings(max_examples=40, deadline=None)
@given(
    edges=st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), max_size=12),
    going=st.sets(st.integers(0, 5)),
    shared=st.lists(st.sets(st.integers(0, 5)), max_size=3),
    syntax=st.sampled_from(SYNTAXES),
)
def test_what_is_parked_and_comes_back_is_the_same(
    tmp_path_factory: pytest.TempPathFactory,
    edges: list[tuple[int, int]],
    going: set[int],
    shared: list[set[int]],
    syntax: str,
) -> None:
    with releases():
        folder = tmp_path_factory.mktemp("law")
        shelf = Shelf(folder, Loader(Signer.of_user(folder / "key")), syntax)
        stays, goes = codes()
        application = Application("web")
        made: list[Any] = []
        for number in range(6):
            kind = goes.Basket if number in going else stays.Visits
            item = application.registry.get_component(kind, name=str(number), default=kind)
            item.things, item.friend = [], []
            made.append(item)
        for first, second in edges:
            made[first].friend.append(made[second])
        for holders in shared:
            thing: list[Any] = [len(holders)]
            for number in sorted(holders):
                made[number].things.append(thing)
        before = shape(application)
        shelf.save(application)
        there = forget()
        application = shelf.load().application
        assert len(keys_parked(application)) == len(going)
        application = shelf.reload(application)
        sys.modules["zzgoes"] = there
        assert shape(shelf.reload(application)) == before


def shape(application: Application) -> list[Any]:
    """Who refers to whom, and who has which objects in common."""
    registry = application.registry
    keys = {id(item): key for key, item in registry.items()}
    things: dict[int, int] = {}
    return [
        (
            key,
            type(item).__name__,
            [keys[id(each)] for each in item.friend],
            [(things.setdefault(id(each), len(things)), each[0]) for each in item.things],
        )
        for key, item in cast("list[tuple[str, Any]]", list(registry.items()))
    ]


def test_alarms_are_there_while_one_is_parked() -> None:
    assert isinstance(Application("web").registry.alarms, Alarms)
