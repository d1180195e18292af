"""Watching components: to learn of their changes without asking again and again.

::

    async for counter in watching(registry, Counter):
        ...

Where changes are journaled, each record that has become durable tells who watches. Nobody is told of
what could still be lost. Where nothing is journaled there is nothing that tells of a change: the
component is then looked at some times a second, as long as somebody watches it.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from typing import Final, Generic, Self, TypeVar
from weakref import WeakKeyDictionary

import attrs

from ..persist.components import Record, Recorder
from ..persist.references import References
from .feed import Feed
from .ledger import Ledger
from .registry import Registry, component_key
from .turns import open_ledgers

T = TypeVar("T")

_PAUSE: Final = 0.2
"""Seconds between two looks where nothing is journaled, if they are quick."""

_SHARE: Final = 50
"""Looks that take long are so many times as far apart."""

_LARGEST: Final = 1 << 20
"""Bytes of a component's record, beyond which such looks are not taken: they would halt everything."""

_log = logging.getLogger(__name__)


def watching(
    registry: Registry,
    cls: type[T],
    *,
    name: str | None = None,
    default: Callable[[], T] | None = None,
) -> "Watching[T]":
    """The component of this class and name: at once, and again whenever it has changed.

    Many changes between two turns of the loop count as one: what it gives is always the component as
    it is now, which may be as it was before: one that was just made is given again once that is
    durable. As long as there is none, and `default` makes none, it waits for one. What the
    component refers to counts only as far as it is no component itself. Not noticed are changes of
    one that is too large to be looked at (64 KB; 1 MB where nothing is journaled) and has no
    mutations.

    It stops watching when it is not held any more. Raises `ParkedError` as `get_component` does.
    """
    return Watching(registry, cls, name, default)


class Watching(AsyncIterator[T], Generic[T]):
    """What `watching` gives."""

    def __init__(
        self,
        registry: Registry,
        cls: type[T],
        name: str | None = None,
        default: Callable[[], T] | None = None,
    ) -> None:
        self._registry = registry
        self._cls = cls
        self._name = name
        self._default = default
        self._news = asyncio.Event()
        self._news.set()
        key = component_key(cls, name)
        ledger = next((each for each in open_ledgers() if each.is_of(registry)), None)
        if isinstance(ledger, Ledger):
            ledger.feed.add(key, self)
        else:
            _looks_at(registry).add(key, self)

    def changed(self) -> None:
        """See `feed.Watcher`."""
        self._news.set()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        while True:
            await self._news.wait()
            self._news.clear()
            component = self._get()
            if component is not None:
                return component

    def _get(self) -> T | None:
        if self._default is None:
            return self._registry.get_component(self._cls, name=self._name)
        return self._registry.get_component(self._cls, name=self._name, default=self._default)


@attrs.define(eq=False)
class _Looks:
    """Looks at those components of a registry that somebody watches; ends when nobody does."""

    registry: Registry
    feed: Feed = attrs.field(factory=Feed)
    _seen: dict[str, tuple[object, Record | None]] = attrs.field(
        factory=dict[str, tuple[object, Record | None]]
    )
    _is_looking: bool = False

    def add(self, key: str, watcher: Watching[T]) -> None:
        self.feed.add(key, watcher)
        if key not in self._seen:
            self._seen[key] = self._look(key, self._recorder())
        if not self._is_looking:
            self._is_looking = True
            asyncio.get_running_loop().call_later(_PAUSE, self._look_again)

    def _look_again(self) -> None:
        begun = time.perf_counter()
        watched = self.feed.watched
        self._seen = {key: self._seen[key] for key in watched}
        loop = asyncio.get_running_loop()
        if not watched:
            self._is_looking = False
            _looks[loop].pop(id(self.registry), None)
            return
        recorder = self._recorder()
        for key in watched:
            component, record = self._look(key, recorder)
            before, was = self._seen[key]
            if component is not before or record != was:
                self._seen[key] = component, record
                self.feed.tell((key,))
        taken = time.perf_counter() - begun
        loop.call_later(max(_PAUSE, _SHARE * taken), self._look_again)

    def _recorder(self) -> Recorder:
        return Recorder(References(self.registry.components), _LARGEST)

    def _look(self, key: str, recorder: Recorder) -> tuple[object, Record | None]:
        component = self.registry.components.get(key)
        if component is None:
            return None, None
        try:
            return component, recorder.record(component)
        except Exception as error:  # noqa: BLE001 - its own methods raise anything
            before, was = self._seen.get(key, (None, None))
            if was is not None or before is not component:
                _log.warning("changes of registry[%s] are not noticed: %s", key, error)
            return component, None


_looks: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[int, _Looks]] = WeakKeyDictionary()


def _looks_at(registry: Registry) -> _Looks:
    of_loop = _looks.setdefault(asyncio.get_running_loop(), {})
    return of_loop.setdefault(id(registry), _Looks(registry))
