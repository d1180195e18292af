"""Mutations: taken down as calls, and called again."""

import asyncio
import contextlib
import pickle
from collections.abc import AsyncIterator, Iterator
from random import Random
from typing import Any

import pytest

from perdure.app import mutations
from perdure.app.application import Application
from perdure.app.ledger import Ledger
from perdure.app.mutations import CallError, mutation
from perdure.app.records import ReplayError
from perdure.app.replay import Replayed, replay
from perdure.app.turns import UnsafeError
from perdure.persist.restore import TrustError
from perdure.persist.trust import Policy

from ..paper import DiskError, Paper


class Counter:
    """Looked at as it is."""

    def __init__(self) -> None:
        self.value = 0


class Messages:
    """As large as can be."""

    def __init__(self) -> None:
        self.entries: list[Any] = []
        self.calls = 0

    @mutation
    def post(self, text: str, *, author: object = None) -> int:
        """Add a message, with all that a call may depend on."""
        self.entries.append((text, author, mutations.now(), mutations.random().random()))
        return len(self.entries)

    @mutation
    def post_twice(self, text: str) -> None:
        self.post(text)
        self.post(text + "!")

    @mutation
    def count(self, counter: Counter, by: int) -> None:
        """Depends on another component."""
        counter.value += by
        self.calls = counter.value

    @mutation
    def fail(self, text: str) -> None:
        self.entries.append(text)
        raise LookupError(text)

    @mutation
    def depend(self) -> None:
        """Depends on what it must not depend on."""
        if Messages.__doc__ == "Changed.":
            raise LookupError

    def plain(self) -> None:
        self.calls += 1


class Clerk:
    """Changes another component, which it has in a field."""

    def __init__(self, counter: Counter) -> None:
        self.counter = counter

    @mutation
    def count(self) -> None:
        self.counter.value += 1


class Loud(Messages):
    """Overrides a mutation with what is none."""

    def post(self, text: str, *, author: object = None) -> int:
        return super().post(text.upper(), author=author)


KEY = f"{Messages.__module__}.Messages"
EVERYTHING = Policy.everything()


@pytest.fixture
def application() -> Iterator[Application]:
    made = Application("web")
    made.ledger = ledger = Ledger(made, Paper(), EVERYTHING)
    ledger.open()
    yield made
    with contextlib.suppress(UnsafeError):
        ledger.close()


def paper(application: Application) -> Paper:
    assert application.ledger is not None
    assert isinstance(application.ledger.journal, Paper)
    return application.ledger.journal


def messages(application: Application) -> Messages:
    return application.registry.get_component(Messages, default=Messages)


def counter(application: Application) -> Counter:
    return application.registry.get_component(Counter, default=Counter)


def replayed(application: Application, policy: Policy = EVERYTHING) -> tuple[Application, Replayed]:
    """Another process that has nothing but the journal."""
    other = Application("web")
    return other, replay(other, paper(application).payloads.items(), policy)


def test_a_call_is_taken_down_instead_of_the_state(application: Application) -> None:
    with application.turn():
        messages(application).post("one")
    with application.turn():
        assert messages(application).post("two") == 2
    assert paper(application).kinds == [
        [("Messages", "state"), ("Messages", "command")],
        [("Messages", "command")],
    ]


def test_calls_are_called_again_with_their_time_and_chance(application: Application) -> None:
    with application.turn():
        messages(application).post("one", author="Ada")
        messages(application).post_twice("two")
    other, report = replayed(application)
    assert messages(other).entries == messages(application).entries
    assert len(messages(other).entries) == 3
    assert (report.records, report.divergences) == (1, ())


def test_only_the_outermost_is_taken_down(application: Application) -> None:
    with application.turn():
        messages(application).post_twice("one")
    assert paper(application).kinds == [[("Messages", "state"), ("Messages", "command")]]


def test_components_as_arguments_are_references(application: Application) -> None:
    with application.turn():
        counter(application).value = 5
        messages(application).count(counter(application), 2)
        counter(application).value += 10
        messages(application).count(counter(application), 1)
    assert messages(application).calls == 18
    other, _ = replayed(application)
    assert messages(other).calls == 18
    assert counter(other).value == 18


def test_a_call_that_raises_is_called_again_and_raises_again(application: Application) -> None:
    with pytest.raises(LookupError), application.turn():
        messages(application).fail("one")
    other, report = replayed(application)
    assert messages(other).entries == ["one"]
    assert report.divergences == ()


def test_a_call_that_ends_otherwise_is_reported(
    application: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    with application.turn():
        messages(application).depend()
    monkeypatch.setattr(Messages, "__doc__", "Changed.")
    _, report = replayed(application)
    [divergence] = report.divergences
    assert divergence.key == KEY
    assert "Messages.depend" in str(divergence)
    assert "raised LookupError, and returned when" in str(divergence)


def test_calls_of_turns_that_wait_are_in_the_order_in_which_they_were_called(
    application: Application,
) -> None:
    async def scenario() -> None:
        with application.turn():
            messages(application).post("first")
            with application.turn():
                messages(application).post("second")
            messages(application).post("third")

    asyncio.run(scenario())
    other, _ = replayed(application)
    assert messages(other).entries == messages(application).entries


def test_the_very_method_is_called_again(application: Application) -> None:
    """A subclass that overrides a mutation, and calls it, is not called in its place."""
    with application.turn():
        loud = application.registry.get_component(Messages, name="loud", default=Loud)
        loud.post("hear")
    other, _ = replayed(application)
    heard = other.registry.get_component(Messages, name="loud")
    assert heard is not None
    assert [entry[0] for entry in heard.entries] == ["HEAR"]


def test_outside_of_any_turn_a_call_is_a_turn_of_its_own(application: Application) -> None:
    with application.turn():
        held = messages(application)
    held.post("one")
    assert paper(application).kinds[-1] == [("Messages", "command")]


def test_outside_of_an_application_a_mutation_is_a_method() -> None:
    assert Messages().post("one") == 1
    assert mutations.random().random() != mutations.random().random()
    assert mutations.now() > 1.6e9


def test_on_what_is_no_component_a_mutation_is_a_method(application: Application) -> None:
    with application.turn():
        made = Messages()
        made.post("built")
        application.registry.set_component(Messages, made)
    assert paper(application).kinds == [[("Messages", "state")]]
    other, _ = replayed(application)
    assert messages(other).entries == made.entries


def test_arguments_that_cannot_be_saved_are_refused_before_the_call(
    application: Application,
) -> None:
    with application.turn():
        for author in (lambda: None, bytes(1 << 27)):
            with pytest.raises(CallError, match=r"Messages\.post was not called"):
                messages(application).post("one", author=author)
        assert messages(application).entries == []


def test_what_does_not_run_to_its_end_is_refused() -> None:
    async def coroutine(self: object) -> None:
        pass

    def generator(self: object) -> Iterator[int]:
        yield 1

    async def both(self: object) -> AsyncIterator[int]:
        yield 1

    waiting: list[Any] = [coroutine, generator, both]
    for refused in waiting:
        with pytest.raises(TypeError, match="wait before or after"):
            mutation(refused)
    other: list[Any] = [staticmethod(generator), classmethod(generator), 5]
    for refused in other:
        with pytest.raises(TypeError, match="plain methods"):
            mutation(refused)


def test_a_mutation_is_refused_while_nothing_can_be_written(application: Application) -> None:
    with application.turn():
        held = messages(application)
    ledger = application.ledger
    assert ledger is not None
    paper(application).secured = 1
    ledger.progressed()
    ledger.failed(DiskError())
    with pytest.raises(UnsafeError), application.turn():
        messages(application).post("one")
    assert held.entries == []
    ledger.recovered()
    with application.turn():
        messages(application).post("two")


def test_calls_that_cannot_be_written_stay_and_their_readers_are_refused(
    application: Application,
) -> None:
    ledger = application.ledger
    assert ledger is not None

    async def scenario() -> None:
        with application.turn() as turn:
            held, counted = messages(application), counter(application)
            held.post("one")
        with application.turn():
            application.registry.set_component(Counter, Counter(), name="apart")
        paper(application).secured = 2
        ledger.progressed()
        with application.turn() as turn:
            messages(application).post("two")
            counter(application).value = 2
            told = asyncio.ensure_future(turn.durable())
            await asyncio.sleep(0)
        ledger.failed(DiskError())
        with pytest.raises(UnsafeError):
            await told
        assert len(held.entries) == 2
        assert counted.value == 2, "it stays with the call it came with"
        for touch in (messages, counter):
            with pytest.raises(UnsafeError), application.turn() as turn:
                touch(application)
        with application.turn() as turn:
            application.registry.get_component(Counter, name="apart")
            await turn.durable()
        with pytest.raises(UnsafeError), application.turn():
            vars(application.registry.get_component(Counter, name="apart")).update(value=9)
        with application.turn():
            assert (
                application.registry.get_component(Counter, name="apart", default=Counter).value
                == 0
            )
        paper(application).secured = paper(application).appended
        ledger.recovered()
        with application.turn() as turn:
            assert len(messages(application).entries) == 2
            await turn.durable()

    # Nothing is got outside of turns here: it would belong to all of them.
    asyncio.run(scenario())
    other, _ = replayed(application)
    assert len(messages(other).entries) == 2
    assert counter(other).value == 2


def test_what_a_call_did_to_a_component_it_has_is_not_undone_with_what_came_after(
    application: Application,
) -> None:
    ledger, registry = application.ledger, application.registry
    assert ledger is not None
    with application.turn():
        registry.set_component(Clerk, Clerk(counter(application)))
    with application.turn():
        registry.get_component(Clerk, default=lambda: Clerk(Counter())).count()
    paper(application).secured = paper(application).appended
    ledger.progressed()
    with application.turn():
        counter(application).value += 10
    ledger.failed(DiskError())
    ledger.recovered()
    with application.turn():
        assert counter(application).value == 1


def test_calls_that_were_not_taken_are_written_later(application: Application) -> None:
    with application.turn():
        messages(application)
    paper(application).refusal = DiskError()
    with pytest.raises(UnsafeError), application.turn():
        messages(application).post("one")
    with pytest.raises(UnsafeError), application.turn():
        pass
    paper(application).refusal = None
    with application.turn():
        pass
    other, _ = replayed(application)
    assert [entry[0] for entry in messages(other).entries] == ["one"]


def test_all_calls_are_written_before_a_checkpoint(application: Application) -> None:
    """A checkpoint that has the effect of a call must have its number, too."""
    ledger = application.ledger
    assert ledger is not None
    with application.turn():
        messages(application)
        messages(application).post("one")
        assert paper(application).appended == 0
        ledger.settle()
        assert paper(application).kinds == [[("Messages", "state"), ("Messages", "command")]]


def record_of_call(application: Application) -> bytes:
    with application.turn():
        messages(application)
    with application.turn():
        messages(application).post("one", author=Random)
    return paper(application).payloads[2]


def test_a_call_of_no_mutation_is_an_error(application: Application) -> None:
    payload = record_of_call(application)
    other = Application("web")
    other.registry.set_component(Messages, Messages())
    when, [(key, kind, (name, *rest))] = pickle.loads(payload)
    assert name == "Messages.post"
    for wrong in ("Messages.plain", "Messages.__init__", "Messages.nothing", "post.__class__"):
        payload = pickle.dumps((when, [(key, kind, (wrong, *rest))]), 5)
        with pytest.raises(ReplayError, match="has no mutation"):
            replay(other, [(2, payload)], EVERYTHING)


def test_the_policy_holds_for_arguments(application: Application) -> None:
    payload = record_of_call(application)
    other = Application("web")
    other.registry.set_component(Messages, Messages())
    with pytest.raises(TrustError, match=r"random\.Random"):
        replay(other, [(2, payload)], Policy.only([Messages.__module__]))
    assert messages(other).entries == []
