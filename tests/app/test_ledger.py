"""Turns and the ledger: what changed is written, told only when durable, and undone if it cannot be."""

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import attrs
import pytest

from perdure.app import ledger as ledgers
from perdure.app import watch as watches
from perdure.app.application import Application
from perdure.app.collection import ServiceCollection
from perdure.app.ledger import Ledger
from perdure.app.registry import Registry
from perdure.app.service import Service
from perdure.app.timer import Timer
from perdure.app.turns import Turn, UnsafeError, gathering, taking
from perdure.app.watch import LARGEST
from perdure.persist.trust import Policy

from ..paper import DiskError, Paper


class Counter:
    """A component as plain as can be."""

    def __init__(self) -> None:
        self.value = 0


class Shy:
    """Takes note of who looks at it."""

    looks: ClassVar[list[int]] = []

    def __init__(self) -> None:
        self.value = 0

    def __getstate__(self) -> dict[str, int]:
        self.looks.append(1)
        return dict(vars(self))


class Guests:
    """A component that holds another."""

    def __init__(self, counter: Counter) -> None:
        self.counter = counter
        self.names: list[str] = []


def add(registry: Registry) -> None:
    registry.get_component(Counter, default=Counter).value += 1


@attrs.define
class Run:
    """An application whose changes are written to paper."""

    application: Application
    paper: Paper
    ledger: Ledger

    def counter(self) -> Counter:
        """To be called in a turn."""
        return self.application.registry.get_component(Counter, default=Counter)

    def secure(self) -> None:
        """All that was appended is on the disk."""
        self.paper.secured = self.paper.appended
        self.ledger.progressed()


@pytest.fixture
def run() -> Iterator[Run]:
    application = Application("web", services=ServiceCollection([Service(name="clock")]))
    paper = Paper()
    application.ledger = ledger = Ledger(application, paper, Policy.everything())
    ledger.open()
    yield Run(application, paper, ledger)
    with contextlib.suppress(UnsafeError):
        ledger.close()


def test_a_component_made_in_a_turn_is_written_at_its_end(run: Run) -> None:
    with run.application.turn():
        run.counter().value += 1
    assert run.paper.kinds == [[("Counter", "state")]]


def test_a_turn_that_only_looks_writes_nothing(run: Run) -> None:
    with run.application.turn():
        run.counter()
    with run.application.turn():
        run.counter()
    assert run.paper.appended == 1


def test_what_was_there_before_is_known_to_be_saved() -> None:
    application = Application("web")
    application.registry.set_component(Counter, Counter())
    paper = Paper()
    application.ledger = Ledger(application, paper, Policy.everything())
    with application.turn():
        application.registry.get_component(Counter)
    assert paper.appended == 0
    with application.turn():
        application.registry.get_component(Counter, default=Counter).value = 1
    assert paper.kinds == [[("Counter", "state")]]


def test_all_changes_of_a_turn_are_one_record(run: Run) -> None:
    with run.application.turn():
        counter = run.counter()
        guests = Guests(counter)
        run.application.registry.set_component(Guests, guests)
        counter.value = 5
        guests.names.append("Ada")
    assert run.paper.kinds == [[("Counter", "state"), ("Guests", "state")]]


def test_a_change_that_came_by_a_reference_is_written(run: Run) -> None:
    """What a component refers to belongs to every turn that gets the component."""
    with run.application.turn():
        run.application.registry.set_component(Guests, Guests(run.counter()))
    with run.application.turn():
        guests = run.application.registry.get_component(Guests)
        assert guests is not None
        guests.counter.value = 6
    assert run.paper.kinds[1:] == [[("Counter", "state")]]


def test_new_components_refer_to_each_other_whatever_their_order(run: Run) -> None:
    with run.application.turn():
        counter = Counter()
        run.application.registry.set_component(Guests, Guests(counter))
        run.application.registry.set_component(Counter, counter)
    [[guests, _]] = run.paper.entries
    assert b"value" not in guests[2][1]


def test_what_is_removed_leads_to_what_it_referred_to(run: Run) -> None:
    """Who gets something to throw it away may change what it holds."""
    with run.application.turn():
        run.application.registry.set_component(Guests, Guests(run.counter()))
    with run.application.turn():
        run.application.registry.remove_component(Guests).counter.value = 7
    assert run.paper.kinds[1] == [("Guests", "gone"), ("Counter", "state")]


def test_what_is_removed_is_written_as_gone(run: Run) -> None:
    with run.application.turn():
        run.counter()
    with run.application.turn():
        run.application.registry.remove_component(Counter)
    assert run.paper.kinds == [[("Counter", "state")], [("Counter", "gone")]]


def test_who_referred_to_what_is_gone_holds_it_from_then_on(run: Run) -> None:
    with run.application.turn():
        run.application.registry.set_component(Guests, Guests(run.counter()))
    with run.application.turn():
        run.application.registry.remove_component(Counter)
    assert run.paper.kinds[1] == [("Counter", "gone"), ("Guests", "state")]
    with run.application.turn():
        run.counter()
    with run.application.turn():
        run.application.registry.set_component(Counter, Counter())
    assert [("Guests", "state")] not in run.paper.kinds[2:]


def test_services_and_the_registry_are_references(run: Run) -> None:
    service = run.application.services.get("clock")
    assert service is not None
    with run.application.turn():
        counter = run.counter()
        vars(counter).update(
            service=service, home=run.application, registry=run.application.registry
        )
    [[(_, _, (_, state))]] = run.paper.entries
    assert b"/services/clock" in state
    assert b"/registry" in state
    assert len(state) < 200


def test_a_turn_is_durable_when_its_record_is(run: Run) -> None:
    async def scenario() -> None:
        with run.application.turn() as turn:
            run.counter().value += 1
            told = asyncio.ensure_future(turn.durable())
            await asyncio.sleep(0)
            assert not told.done()
            run.secure()
            await told

    asyncio.run(scenario())


def test_who_only_looks_waits_for_what_it_has_seen(run: Run) -> None:
    async def scenario() -> None:
        with run.application.turn():
            run.counter().value += 1
        with run.application.turn() as turn:
            run.counter()
            told = asyncio.ensure_future(turn.durable())
            await asyncio.sleep(0)
            assert not told.done()
            run.secure()
            await told

    asyncio.run(scenario())


def test_without_a_ledger_a_turn_is_durable_at_once() -> None:
    async def scenario() -> None:
        application = Application("web")
        with application.turn() as turn:
            application.registry.set_component(Counter, Counter())
            await turn.durable()

    asyncio.run(scenario())


def test_changes_that_cannot_be_written_are_undone_in_the_very_object(run: Run) -> None:
    with run.application.turn():
        counter = run.counter()
        counter.value = 1
    run.secure()
    for value in (2, 3):
        with run.application.turn():
            run.counter().value = value
    run.ledger.failed(DiskError())
    assert counter.value == 1
    assert run.application.registry.get_component(Counter) is counter
    with pytest.raises(UnsafeError, match="no space left"), run.application.turn():
        run.counter().value = 4
    assert counter.value == 1
    with run.application.turn():
        assert run.counter().value == 1
    run.ledger.failed(DiskError())
    run.ledger.recovered()
    with run.application.turn():
        run.counter().value = 5
    assert run.paper.kinds[-1] == [("Counter", "state")]


def test_what_was_secured_before_it_failed_is_not_undone(run: Run) -> None:
    """The journal may have got further than the loop has heard."""

    async def scenario() -> None:
        with run.application.turn() as turn:
            run.counter().value = 1
            first = asyncio.ensure_future(turn.durable())
            await asyncio.sleep(0)
        with run.application.turn() as turn:
            run.counter().value = 2
            second = asyncio.ensure_future(turn.durable())
            await asyncio.sleep(0)
        run.paper.secured = 1
        run.ledger.failed(DiskError())
        await first
        with pytest.raises(UnsafeError):
            await second
        assert run.counter().value == 1

    asyncio.run(scenario())


def test_what_failed_to_be_made_replaced_or_removed_is_as_before(run: Run) -> None:
    with run.application.turn():
        counter = run.counter()
        run.application.registry.set_component(Guests, Guests(counter), name="kept")
    run.secure()
    registry = run.application.registry
    with run.application.turn():
        registry.remove_component(Guests, name="kept")
        registry.set_component(Counter, Counter())
        registry.set_component(Guests, Guests(counter), name="new")
    run.ledger.failed(DiskError())
    assert registry.get_component(Counter) is counter
    assert registry.get_component(Guests, name="new") is None
    kept = registry.get_component(Guests, name="kept")
    assert kept is not None
    assert kept.counter is counter


def test_a_turn_whose_beginning_was_undone_is_undone_whole(run: Run) -> None:
    async def scenario() -> None:
        registry = run.application.registry
        with run.application.turn():
            registry.set_component(Counter, Counter(), name="from")
            registry.set_component(Counter, Counter(), name="to")
        run.secure()
        first = registry.get_component(Counter, name="from")
        second = registry.get_component(Counter, name="to")
        assert first is not None
        assert second is not None

        def transfer(turn: Turn) -> None:
            registry.get_component(Counter, name="from")
            first.value -= 10
            turn.commit()
            run.ledger.failed(DiskError())
            run.ledger.recovered()
            registry.get_component(Counter, name="to")
            second.value += 10

        with pytest.raises(UnsafeError, match="undone"), run.application.turn() as turn:
            transfer(turn)
        assert (first.value, second.value) == (0, 0)

    asyncio.run(scenario())


def test_what_could_not_be_undone_is_not_taken_for_written() -> None:
    """As nobody has got it from the registry, it is not known what it was."""
    application, paper, counter = Application("web"), Paper(), Counter()
    application.registry.set_component(Counter, counter)
    application.ledger = ledger = Ledger(application, paper, Policy.everything())
    with application.turn():
        application.registry.set_component(Guests, Guests(counter))
        counter.value = 1
    assert paper.kinds == [[("Guests", "state"), ("Counter", "state")]]
    ledger.failed(DiskError())
    ledger.recovered()
    assert application.registry.get_component(Guests) is None
    with application.turn():
        application.registry.get_component(Counter)
    assert paper.kinds == [[("Counter", "state")]]


def test_a_record_that_is_not_taken_is_undone(run: Run) -> None:
    with run.application.turn():
        counter = run.counter()
    run.paper.refusal = DiskError()
    with pytest.raises(UnsafeError), run.application.turn():
        run.counter().value = 1
    assert counter.value == 0
    run.paper.refusal = None
    with run.application.turn():
        run.counter().value = 2
    assert run.paper.appended == 2


def test_what_a_turn_raises_is_told_and_its_changes_are_written(run: Run) -> None:
    def fail() -> None:
        run.counter().value += 1
        raise LookupError

    with pytest.raises(LookupError), run.application.turn():
        fail()
    assert run.paper.kinds == [[("Counter", "state")]]
    run.ledger.failed(DiskError())
    with pytest.raises(LookupError), run.application.turn():
        fail()


def test_components_that_changed_places_are_undone(run: Run) -> None:
    registry = run.application.registry
    with run.application.turn():
        first, second = run.counter(), Counter()
        registry.set_component(Counter, second, name="second")
        registry.set_component(Guests, Guests(first))
    run.secure()
    run.paper.refusal = DiskError()
    turn = Turn(run.ledger)
    with taking(turn):
        registry.set_component(Counter, second)
        registry.set_component(Counter, first, name="second")
    with pytest.raises(UnsafeError):
        turn.end()
    run.paper.refusal = None
    assert run.counter() is first
    with run.application.turn():
        run.counter().value = 5
    assert run.paper.kinds[1:] == [[("Counter", "state")]], "whoever holds it refers to it as ever"


def test_what_is_made_while_what_is_got_is_noted_is_written(run: Run) -> None:
    """As by a script when it runs."""
    noted: dict[str, None] = {}
    with run.application.turn(), gathering(noted):
        run.counter()
    assert run.paper.kinds == [[("Counter", "state")]]
    assert list(noted) == [f"{Counter.__module__}.Counter"]


def test_a_large_component_is_left_to_checkpoints_and_said_once(
    run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(2):
        with run.application.turn():
            vars(run.counter())["load"] = bytes(2 * LARGEST)
    written = [[("Counter", "state")]]
    assert run.paper.kinds == written, "as it came, since others may refer to it"
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "Counter] is too large" in caplog.text
    vars(run.counter()).pop("load")
    asyncio.run(run.ledger.look_around())
    with run.application.turn():
        run.counter().value = 1
    assert run.paper.kinds == [*written, [("Counter", "state")]], "it is small again"


def test_what_cannot_be_saved_is_said_once_and_tried_again(
    run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(2):
        with run.application.turn():
            vars(run.counter())["call"] = lambda: None
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    with run.application.turn():
        vars(run.counter()).pop("call")
    assert run.paper.kinds == [[("Counter", "state")]]


def test_that_a_class_cannot_be_saved_is_not_said_for_each_component(
    run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(120):
        with run.application.turn():
            visitor = run.application.registry.get_component(
                Counter, name=f"{number}", default=Counter
            )
            vars(visitor)["call"] = lambda: None
    said = [record.getMessage().partition("]")[2] for record in caplog.records]
    assert [each.partition(" cannot")[0] for each in said] == [
        "",
        ", like 9 others of its class,",
        ", like 99 others of its class,",
    ]


def test_what_was_got_outside_of_turns_is_looked_at_in_each(run: Run) -> None:
    counter = run.counter()
    counter.value = 1
    with run.application.turn():
        pass
    assert run.paper.kinds == [[("Counter", "state")]]
    counter.value = 2
    run.ledger.survey()
    assert run.paper.appended == 2


def test_a_task_that_outlives_its_turn_is_followed(run: Run) -> None:
    async def scenario() -> None:
        going_on = asyncio.Event()

        async def later() -> None:
            await going_on.wait()
            run.counter().value = 7

        with run.application.turn():
            task = asyncio.ensure_future(later())
        going_on.set()
        await task
        run.ledger.survey()
        assert run.paper.kinds == [[("Counter", "state")]]

    asyncio.run(scenario())


def test_what_changed_in_no_turn_is_found_named_and_followed(
    run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    with run.application.turn():
        counter = run.counter()
    counter.value = 3  # Whoever held it from that turn.
    with run.application.turn():
        pass
    assert run.paper.appended == 1
    run.ledger.settle()
    assert run.paper.appended == 2
    assert "Counter].value was changed" in caplog.text
    counter.value = 4
    with run.application.turn():
        pass
    assert run.paper.appended == 3


def test_the_look_at_all_leaves_the_loop_to_others_and_the_instant_to_nobody(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many components there are, nobody waits for more than a few milliseconds."""
    monkeypatch.setattr(ledgers, "_SLICE", 0)
    monkeypatch.setattr(ledgers, "_PAUSE", 0)
    with run.application.turn():
        for number in range(20):
            run.application.registry.set_component(Shy, Shy(), name=str(number))
    Shy.looks.clear()

    async def scenario() -> None:
        seen: list[int] = []

        async def others() -> None:
            while True:
                seen.append(len(Shy.looks))
                await asyncio.sleep(0)

        task = asyncio.ensure_future(others())
        await run.ledger.look_around()
        task.cancel()
        assert len(Shy.looks) == 20
        assert len(set(seen)) >= 20
        run.ledger.conclude()
        assert len(Shy.looks) == 20

    asyncio.run(scenario())


def test_very_many_that_roam_are_looked_at_in_rotation(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledgers, "_SLICE", 0)
    shy = [run.application.registry.get_component(Shy, name=f"{n}", default=Shy) for n in range(30)]
    asyncio.run(run.ledger.look_around())
    assert run.paper.appended == 30
    Shy.looks.clear()
    with run.application.turn():
        run.counter()
    run.ledger.conclude()
    assert not Shy.looks
    for each in shy:
        each.value = 1
    for _ in range(32):
        run.ledger.survey()
    assert run.paper.appended == 61


def test_records_that_are_forgotten_are_learned_again_before_a_change(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not forgotten are those of what may be changed before it is got again."""
    monkeypatch.setattr(watches, "_KEPT", 0)
    with run.application.turn():
        counter = run.counter()
        run.application.registry.set_component(Guests, Guests(counter))
    roaming = run.application.registry.get_component(Counter, name="roaming", default=Counter)
    with run.application.turn():
        pass
    run.secure()
    with run.application.turn():
        guests = run.application.registry.get_component(Guests)
        assert guests is not None
        asyncio.run(run.ledger.look_around())
        guests.names.append("Ada")
        roaming.value = 1
    with run.application.turn():
        run.counter().value = 5
    assert run.paper.kinds[2:] == [
        [("Guests", "state"), ("Counter:roaming", "state")],
        [("Counter", "state")],
    ]
    run.ledger.failed(DiskError())
    assert (guests.names, roaming.value, counter.value) == ([], 0, 0)
    assert run.application.registry.get_component(Guests) is guests


def test_what_a_turn_is_doing_is_not_astray(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    with run.application.turn():
        run.counter()
    with run.application.turn():
        run.counter().value = 1
        run.ledger.survey()
    assert caplog.text == ""
    assert run.paper.appended == 2


def test_code_in_a_thread_is_a_part_of_its_turn_and_alone(run: Run) -> None:
    running: list[int] = []

    def work() -> int:
        running.append(1)
        assert len(running) == 1
        run.counter().value += 1
        running.pop()
        return 5

    async def scenario() -> None:
        async def one() -> None:
            with run.application.turn():
                assert await run.application.in_thread(work) == 5

        await asyncio.gather(*(one() for _ in range(5)))

    asyncio.run(scenario())
    assert run.counter().value == 5
    assert run.paper.kinds == [[("Counter", "state")]] * run.paper.appended


def test_the_call_of_a_timer_is_a_turn(run: Run, in_no_time: Callable[[Any], None]) -> None:
    called: list[int] = []

    async def scenario() -> None:
        timer = Timer(10, add, run.application.registry)
        await run.application.services.add(timer)
        run.application.services.belong_to(run.application)
        await run.application.services.bring_up()
        await asyncio.sleep(15)
        called.append(run.paper.appended)
        await run.application.services.bring_down()

    in_no_time(scenario())
    assert called == [2]
    assert run.paper.kinds == [[("Counter", "state")]] * 2


def test_turns_of_one_application_leave_another_alone(run: Run) -> None:
    other: Any = Application("other")
    other.registry.get_component(Counter, default=Counter)
    with run.application.turn() as turn, taking(turn):
        other.registry.get_component(Counter)
    assert run.paper.appended == 0


def test_what_a_component_let_go_of_is_written_as_it_was_changed_before(run: Run) -> None:
    """As with a job that is taken from a queue, and marked as done."""
    registry = run.application.registry
    with run.application.turn():
        registry.set_component(Guests, Guests(run.counter()))
    with run.application.turn():
        guests = registry.get_component(Guests)
        assert guests is not None
        counter = vars(guests).pop("counter")
        counter.value += 1
    assert sorted(run.paper.kinds[-1]) == [("Counter", "state"), ("Guests", "state")]


def test_what_a_turn_made_and_another_met_is_gone_when_its_record_was_given_up(run: Run) -> None:
    registry = run.application.registry
    with run.application.turn():
        registry.set_component(Guests, Guests(run.counter()))
    run.secure()
    waits = Turn(run.ledger)
    waits.begin()
    with taking(waits):
        guests = registry.get_component(Guests)
        assert guests is not None
        guests.counter = registry.get_component(Counter, name="new", default=Counter)
    with run.application.turn():
        registry.get_component(Guests)
        guests.names.append("Ada")
    run.ledger.failed(DiskError())
    run.ledger.recovered()
    assert registry.get_component(Counter, name="new") is None
    with pytest.raises(UnsafeError):
        waits.end()


def test_what_a_turn_took_out_before_it_waited_is_written_though_another_met_it(run: Run) -> None:
    registry = run.application.registry
    with run.application.turn():
        registry.set_component(Guests, Guests(run.counter()))
    waits = Turn(run.ledger)
    waits.begin()
    with taking(waits):
        guests = registry.get_component(Guests)
        assert guests is not None
        counter = vars(guests).pop("counter")
    with run.application.turn():
        registry.get_component(Guests)
        guests.names.append("Ada")
    counter.value = 7
    waits.end()
    assert run.paper.kinds[-1] == [("Counter", "state")]
