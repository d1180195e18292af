"""A collection of services starts in order, stops in reverse, and never halfway."""

import asyncio
from typing import Any

import pytest

from perdure.app.collection import ServiceCollection
from perdure.app.service import Service, ServiceError, ServiceTreeError, State
from perdure.persist.capture import capture
from perdure.persist.restore import restore
from perdure.persist.trust import Policy

JOURNAL: list[str] = []


class Scribe(Service):
    """Writes down what is asked of it in the journal, and fails in the phases named."""

    def __init__(self, name: str | None = None, failing: tuple[str, ...] = ()) -> None:
        super().__init__(name=name)
        self.failing = failing

    async def note(self, phase: str) -> None:
        JOURNAL.append(f"{phase} {self.name}")
        await asyncio.sleep(0)
        if phase in self.failing:
            raise ValueError(f"{self.name} cannot {phase}")

    async def bind(self) -> None:
        await self.note("bind")

    async def start(self) -> None:
        await self.note("start")

    async def quiesce(self) -> None:
        await self.note("quiesce")

    async def stop(self) -> None:
        await self.note("stop")


class Steward(ServiceCollection):
    """Hears of the failures below it, and has something of its own to do when restored."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[str] = []

    def failed(self, service: Service, error: Exception) -> None:
        self.heard.append(f"{service.path}: {error}")

    def after_restore(self) -> None:
        self.heard = ["restored"]


@pytest.fixture(autouse=True)
def journal() -> list[str]:
    JOURNAL.clear()
    return JOURNAL


def restored(service: Service) -> Any:
    return restore(capture(service).stream, Policy.everything())


def test_all_are_bound_before_any_starts_and_they_stop_in_reverse(journal: list[str]) -> None:
    async def scenario() -> None:
        root = ServiceCollection([Scribe("a"), ServiceCollection([Scribe("b")]), Scribe("c")])
        await root.bring_up()
        await root.quiesce()
        await root.bring_down()

    asyncio.run(scenario())
    assert journal[:6] == ["bind a", "bind b", "bind c", "start a", "start b", "start c"]
    assert sorted(journal[6:9]) == ["quiesce a", "quiesce b", "quiesce c"]
    assert journal[9:] == ["stop c", "stop b", "stop a"]


@pytest.mark.parametrize(
    ("phase", "expected"),
    [
        ("bind", ["bind a", "bind b", "stop b", "stop a"]),
        (
            "start",
            ["bind a", "bind b", "bind c", "start a", "start b", "stop b", "stop c", "stop a"],
        ),
    ],
)
def test_when_one_fails_all_that_was_begun_is_undone(
    phase: str, expected: list[str], journal: list[str]
) -> None:
    async def scenario() -> None:
        inner = ServiceCollection([Scribe("b", failing=(phase,))], name="inner")
        children = [Scribe("a"), inner, Scribe("c")]
        root = ServiceCollection(children, name="root")
        with pytest.raises(ServiceError) as caught:
            await root.bring_up()
        assert caught.value.path == "root/inner/b"
        assert {root.state, *(child.state for child in children)} == {State.STOPPED}

    asyncio.run(scenario())
    assert journal == expected


def test_errors_of_stopping_are_collected_and_stop_nothing(journal: list[str]) -> None:
    async def scenario() -> None:
        inner = ServiceCollection([Scribe("c", failing=("stop",))], name="inner")
        root = ServiceCollection([Scribe("a", failing=("stop",)), Scribe("b"), inner])
        await root.bring_up()
        with pytest.raises(ExceptionGroup) as caught:
            await root.bring_down()
        assert all(isinstance(error, ServiceError) for error in caught.value.exceptions)
        assert [str(error) for error in caught.value.exceptions] == [
            "inner/c: cannot stop: ValueError: c cannot stop",
            "a: cannot stop: ValueError: a cannot stop",
        ]
        assert root.state is State.STOPPED

    asyncio.run(scenario())
    assert journal[-3:] == ["stop c", "stop b", "stop a"]


def test_errors_of_coming_to_rest_are_collected(journal: list[str]) -> None:
    async def scenario() -> None:
        root = ServiceCollection([Scribe("a", failing=("quiesce",)), Scribe("b")])
        await root.bring_up()
        with pytest.raises(ExceptionGroup, match="did not come to rest"):
            await root.quiesce()
        assert root.running
        await root.bring_down()

    asyncio.run(scenario())
    assert "quiesce b" in journal


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        (None, State.STOPPED),
        (ServiceCollection.bind_up, State.BOUND),
        (ServiceCollection.bring_up, State.RUNNING),
    ],
)
def test_what_is_added_gets_as_far_as_the_collection_is(step: Any, expected: State) -> None:
    async def scenario() -> None:
        root = ServiceCollection([Scribe("a")])
        if step is not None:
            await step(root)
        added = Scribe("b")
        await root.add(added)
        assert added.state is expected
        await root.bring_up()
        assert added.running
        assert await root.remove("b") is added
        assert added.state.value == "stopped"
        assert added.parent is None
        assert [child.name for child in root] == ["a"]
        await root.add(added)
        await root.bring_down()

    asyncio.run(scenario())


def test_what_is_added_while_it_starts_is_started_too() -> None:
    async def scenario() -> None:
        root = ServiceCollection()
        added = Scribe("added")

        class Adding(Service):
            async def start(self) -> None:
                await root.add(added)

        await root.add(Adding())
        await root.bring_up()
        assert added.running
        await root.bring_down()

    asyncio.run(scenario())


def test_what_cannot_start_is_not_added() -> None:
    async def scenario() -> None:
        root = ServiceCollection()
        await root.bring_up()
        bad = Scribe("bad", failing=("start",))
        with pytest.raises(ServiceError, match="bad cannot start"):
            await root.add(bad)
        assert len(root) == 0
        assert bad.parent is None
        assert root.running
        await root.bring_down()

    asyncio.run(scenario())


def test_what_does_not_stop_is_removed_all_the_same() -> None:
    async def scenario() -> None:
        root = ServiceCollection([Scribe("bad", failing=("stop",))])
        await root.bring_up()
        with pytest.raises(ServiceError, match="bad cannot stop"):
            await root.remove("bad")
        assert len(root) == 0
        await root.bring_down()

    asyncio.run(scenario())


def test_a_running_collection_is_not_changed_behind_its_back() -> None:
    async def scenario() -> None:
        root = ServiceCollection(name="root")
        running = Scribe("running")
        await root.bring_up()
        await running.bring_up()
        with pytest.raises(ServiceTreeError, match=r"root: it is running; use `await add"):
            root.append(Scribe())
        with pytest.raises(ServiceTreeError, match="running: it is running"):
            ServiceCollection().append(running)
        await running.bring_down()
        await root.bring_down()

    asyncio.run(scenario())


def test_a_stopping_collection_takes_nothing() -> None:
    async def scenario() -> None:
        root = ServiceCollection(name="root")

        class Adding(Service):
            async def stop(self) -> None:
                await root.add(Scribe())

        root.append(Adding())
        await root.bring_up()
        with pytest.raises(ExceptionGroup) as caught:
            await root.bring_down()
        assert "root: it is stopping" in str(caught.value.exceptions[0])

    asyncio.run(scenario())


def test_names_are_unique_and_fixed_among_siblings() -> None:
    first, second = Scribe("same"), Scribe("same")
    root = ServiceCollection([first, Scribe(), Scribe()], name="root")
    with pytest.raises(ServiceTreeError, match=r"'same'.*another name") as caught:
        root.append(second)
    assert repr(first) in caught.value.reason
    assert repr(second) in caught.value.reason
    with pytest.raises(ServiceTreeError, match="root/same: it cannot be renamed to 'new'"):
        first.name = "new"
    first.name = "same"
    second.name = "other"
    root.append(second)
    assert root.get("other") is second
    assert root.get("nobody") is None


def test_a_service_is_in_one_place_only() -> None:
    child = Scribe("child")
    first = ServiceCollection([child], name="first")
    with pytest.raises(ServiceTreeError, match="first/child: it is in first already"):
        ServiceCollection([child])
    with pytest.raises(ServiceTreeError, match="contain itself"):
        first.append(first)
    ServiceCollection([first], name="outer")
    outer = first.parent
    assert isinstance(outer, ServiceCollection)
    with pytest.raises(ServiceTreeError, match="contain itself"):
        first.append(outer)


def test_removing_a_stranger_names_those_that_are_there() -> None:
    async def scenario() -> None:
        root = ServiceCollection([Scribe("b"), Scribe("a"), Scribe()], name="root")
        for stranger in ("nobody", Scribe("nobody")):
            with pytest.raises(ServiceTreeError, match=r"nobody: it is not in root.*: a, b"):
                await root.remove(stranger)

    asyncio.run(scenario())


def test_an_empty_collection_is_not_nothing() -> None:
    assert ServiceCollection()


def test_a_restored_collection_is_the_parent_of_its_children() -> None:
    twin = restored(ServiceCollection([Scribe("a"), ServiceCollection([Scribe("b")])]))
    first, second = twin
    assert first.parent is twin
    assert next(iter(second)).parent is second


def test_a_child_alone_does_not_drag_its_parent_along() -> None:
    child = Scribe("a")
    ServiceCollection([child, Scribe("sibling")])
    assert b"sibling" not in capture(child).stream
    assert restored(child).parent is None


def test_a_subclass_may_have_something_to_do_when_restored() -> None:
    async def scenario() -> None:
        steward = Steward()
        steward.append(Scribe("a"))
        twin = restored(steward)
        assert twin.heard == ["restored"]
        await twin.bring_up()
        assert next(iter(twin)).parent is twin
        await twin.bring_down()

    asyncio.run(scenario())


def test_a_collection_may_answer_for_the_failures_below_it() -> None:
    steward = Steward()
    inner = ServiceCollection([Scribe("a")], name="inner")
    steward.append(inner)
    ServiceCollection([steward], name="root")
    next(iter(inner)).failed(next(iter(inner)), ValueError("no luck"))
    assert steward.heard == ["root/Steward/inner/a: no luck"]


def test_depth_is_no_limit() -> None:
    async def scenario() -> None:
        bottom = Scribe("bottom")
        chain: Service = bottom
        for _ in range(2000):
            chain = ServiceCollection([chain])
        await chain.bring_up()
        assert bottom.path.count("/") == 1999
        twin = restored(chain)
        await chain.bring_down()
        await twin.bring_up()
        await twin.bring_down()

    asyncio.run(scenario())
