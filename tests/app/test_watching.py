"""Components that are watched."""

import asyncio
import gc
from collections.abc import Coroutine
from typing import Any

import pytest

from perdure.app import watching as module
from perdure.app.application import Application
from perdure.app.ledger import Ledger
from perdure.app.mutations import mutation
from perdure.app.registry import Registry
from perdure.app.turns import Turn, UnsafeError, taking
from perdure.app.watching import Watching, watching
from perdure.persist.trust import Policy

from ..paper import DiskError, Paper


class Counter:
    def __init__(self) -> None:
        self.value = 0


class Messages:
    """Journaled by its calls."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    @mutation
    def post(self, text: str) -> None:
        self.texts.append(text)


class World:
    """An application whose changes are journaled, as the test wants."""

    def __init__(self) -> None:
        self.application = Application("world")
        self.registry = self.application.registry
        self.registry.set_component(Counter, Counter())
        self.registry.set_component(Messages, Messages())
        self.paper = Paper()
        self.ledger = Ledger(self.application, self.paper, Policy.everything())

    def count(self) -> None:
        """A turn that counts."""
        turn = Turn(self.ledger)
        with taking(turn):
            counter = self.registry.get_component(Counter)
            assert counter is not None
            counter.value += 1
        turn.commit()

    def secure(self) -> None:
        self.paper.secured = self.paper.appended
        self.ledger.progressed()


def in_world(scenario: Any) -> None:
    async def run() -> None:
        world = World()
        world.ledger.open()
        try:
            await scenario(world)
        finally:
            world.secure()
            world.ledger.close()

    asyncio.run(run())


async def has_news(watched: Watching[Any]) -> bool:
    """Whether there is something to be told now."""
    coming = asyncio.ensure_future(anext(watched))
    for _ in range(3):
        await asyncio.sleep(0)
    if coming.done():
        await coming
        return True
    coming.cancel()
    await asyncio.gather(coming, return_exceptions=True)
    return False


def test_the_component_is_given_at_once_and_after_each_durable_change() -> None:
    async def scenario(world: World) -> None:
        watched = watching(world.registry, Counter)
        assert await has_news(watched)
        assert not await has_news(watched)
        world.count()
        assert not await has_news(watched)
        world.secure()
        counter = await anext(watched)
        assert counter.value == 1
        assert not await has_news(watched)

    in_world(scenario)


def test_many_changes_are_one() -> None:
    async def scenario(world: World) -> None:
        watched = watching(world.registry, Counter)
        await anext(watched)
        for _ in range(10):
            world.count()
            world.secure()
        assert (await anext(watched)).value == 10
        assert not await has_news(watched)

    in_world(scenario)


def test_calls_of_mutations_are_changes() -> None:
    async def scenario(world: World) -> None:
        watched = watching(world.registry, Messages)
        await anext(watched)
        turn = Turn(world.ledger)
        with taking(turn):
            messages = world.registry.get_component(Messages)
            assert messages is not None
            messages.post("hello")
        turn.commit()
        assert not await has_news(watched)
        world.secure()
        assert (await anext(watched)).texts == ["hello"]

    in_world(scenario)


def test_what_was_undone_is_never_told() -> None:
    async def scenario(world: World) -> None:
        watched = watching(world.registry, Counter)
        await anext(watched)
        world.count()
        world.ledger.failed(DiskError())
        with pytest.raises(UnsafeError):
            world.count()
        world.ledger.recovered()
        world.secure()
        assert not await has_news(watched)
        world.count()
        world.secure()
        assert (await anext(watched)).value == 1

    in_world(scenario)


def test_mutations_are_told_when_the_disk_takes_them_after_all() -> None:
    async def scenario(world: World) -> None:
        watched = watching(world.registry, Messages)
        await anext(watched)
        turn = Turn(world.ledger)
        with taking(turn):
            messages = world.registry.get_component(Messages)
            assert messages is not None
            messages.post("hello")
        turn.commit()
        world.ledger.failed(DiskError())
        assert not await has_news(watched)
        world.paper.secured = world.paper.appended
        world.ledger.recovered()
        assert (await anext(watched)).texts == ["hello"]

    in_world(scenario)


def test_a_component_that_comes_later_is_waited_for() -> None:
    async def scenario(world: World) -> None:
        watched = watching(world.registry, str)
        assert not await has_news(watched)
        turn = Turn(world.ledger)
        with taking(turn):
            world.registry.set_component(str, "here")
        turn.commit()
        world.secure()
        assert await anext(watched) == "here"

    in_world(scenario)


def test_what_nobody_holds_is_not_watched_any_more() -> None:
    async def scenario(world: World) -> None:
        watched = watching(world.registry, Counter)
        await anext(watched)
        feed = world.ledger.feed
        assert feed.watched == [f"{Counter.__module__}.Counter"]
        del watched
        gc.collect()
        assert feed.watched == []

    in_world(scenario)


def test_watchers_of_many_components_do_not_gather() -> None:
    async def scenario(world: World) -> None:
        for number in range(1000):
            watching(world.registry, Counter, name=str(number))
        assert len(world.ledger.feed._watchers) < 200  # pyright: ignore[reportPrivateUsage]

    in_world(scenario)


def unjournaled(scenario: Coroutine[Any, Any, None]) -> None:
    asyncio.run(scenario)


def test_where_nothing_is_journaled_changes_are_found_by_looking() -> None:
    async def scenario() -> None:
        registry = Registry()
        counter = registry.get_component(Counter, default=Counter)
        first, second = watching(registry, Counter), watching(registry, Counter)
        assert await anext(first) is counter
        assert await anext(second) is counter
        assert not await has_news(first)
        counter.value += 1
        assert await anext(first) is counter
        assert await anext(second) is counter
        registry.set_component(Counter, Counter())
        assert await anext(first) is not counter

    unjournaled(scenario())


def test_nothing_is_looked_at_when_nobody_watches_any_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "_PAUSE", 0.001)

    async def scenario() -> None:
        registry = Registry()
        registry.set_component(Counter, Counter())
        watched = watching(registry, Counter)
        await anext(watched)
        looks = module._looks[asyncio.get_running_loop()]  # pyright: ignore[reportPrivateUsage]
        assert looks
        del watched
        while looks:
            await asyncio.sleep(0)

    unjournaled(scenario())


class Unsavable:
    def __init__(self) -> None:
        self.held = lambda: None


def test_what_cannot_be_looked_at_is_told_to_the_log_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "_PAUSE", 0.001)

    async def scenario() -> None:
        registry = Registry()
        registry.set_component(Unsavable, Unsavable())
        registry.set_component(Counter, Counter())
        watched, other = watching(registry, Unsavable), watching(registry, Counter)
        await anext(watched)
        for _ in range(2):
            await anext(other)
            counter = registry.get_component(Counter)
            assert counter is not None
            counter.value += 1
        assert not await has_news(watched)

    unjournaled(scenario())
    assert caplog.text.count("are not noticed") == 1
