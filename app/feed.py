"""Who is to be told when a component has changed."""

from collections.abc import Collection
from typing import Final, Protocol
from weakref import WeakSet

import attrs

_FEW: Final = 64


class Watcher(Protocol):
    """Wants to know of changes."""

    def changed(self) -> None:
        """What it watches has changed. Called from the event loop; it raises nothing."""
        ...


@attrs.define(eq=False)
class Feed:
    """Tells watchers of changes of components, by their keys; one that nobody holds is forgotten."""

    _watchers: dict[str, WeakSet[Watcher]] = attrs.field(
        factory=dict[str, WeakSet[Watcher]], init=False
    )
    _many: int = attrs.field(default=_FEW, init=False)

    @property
    def watched(self) -> list[str]:
        """The keys of components that somebody watches."""
        for key in [key for key, watchers in self._watchers.items() if not watchers]:
            del self._watchers[key]
        return list(self._watchers)

    def add(self, key: str, watcher: Watcher) -> None:
        """Tell `watcher` of changes of the component with this key, as long as somebody holds it."""
        if key not in self._watchers:
            if len(self._watchers) >= self._many:
                # What nobody watches any more must not gather.
                self._many = max(_FEW, 2 * len(self.watched))
            self._watchers[key] = WeakSet()
        self._watchers[key].add(watcher)

    def tell(self, keys: Collection[str]) -> None:
        """What these keys stand for has changed, and that cannot be lost."""
        if self._watchers:
            for key in keys:
                for watcher in self._watchers.get(key, ()):
                    watcher.changed()
