"""The registry: an application's components, found by their class."""

import asyncio
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, TypeVar, cast, overload
from weakref import WeakKeyDictionary

import attrs

from ..persist.errors import PerdureError
from ..persist.moves import present_class
from ..persist.parked import parked_at, refuse, repark
from .alarms import Alarms
from .naming import check_callable, class_name
from .turns import put, touch

T = TypeVar("T")
S = TypeVar("S")

# Beside the registries, and not in them: they are saved.
_between_threads: Final = WeakKeyDictionary["Registry", asyncio.Lock]()


@attrs.define(str=False)
class ComponentError(PerdureError):
    """The registry was asked for something that makes no sense; nothing was changed."""

    key: str
    reason: str

    def __str__(self) -> str:
        return f"component {self.key}: {self.reason}"


@attrs.define(eq=False, repr=False)
class Registry:
    """Components by class, and optionally name; the part of an application that holds its state.

    The key is text: the dotted name of the class, and ``:name`` if there is a name. So a class
    that was loaded anew still finds its component. The class asked for must be the one it was set
    under: a subclass or base class finds nothing, because with several candidates any choice would
    be a surprise, and because an edit of a class statement must not change what is found.
    Components keep the order in which they came. What could not be loaded is in it as well, parked
    (see `persist.parked`): it counts, and has its key, but is not to be had, replaced or removed, and
    no iteration gives it.
    """

    _components: dict[str, object] = attrs.field(factory=dict[str, object], init=False)
    # target class -> source class -> factory
    _adapters: dict[str, dict[str, Callable[[Any], object]]] = attrs.field(
        factory=dict[str, dict[str, Callable[[Any], object]]], init=False
    )

    @overload
    def get_component(
        self, cls: type[T], *, name: str | None = None, default: Callable[[], T]
    ) -> T: ...
    @overload
    def get_component(
        self, cls: type[T], *, name: str | None = None, default: None = None
    ) -> T | None: ...
    def get_component(
        self, cls: type[T], *, name: str | None = None, default: Callable[[], T] | None = None
    ) -> T | None:
        """The component set for this class and name, or one made now, or None.

        If there is none, an adapter (`set_adapter`) from a component of the same name is tried,
        then `default` is called; what either makes is kept as the component. Raises `ParkedError` if
        there is one that could not be loaded.
        """
        key = _key(class_name(cls), name)
        component = self._find(class_name(cls), name, set())
        if component is None and default is not None:
            made = default()
            if made is None:
                raise ComponentError(key, "its default factory made None")
            component = self._put(key, made)
        return cast("T | None", component)

    def set_component(self, cls: type[T], component: T, *, name: str | None = None) -> None:
        """Keep `component` for this class and name, in place of any other.

        One that is parked is not replaced: `ParkedError` is raised.
        """
        key = _key(class_name(cls), name)
        if component is None:
            raise ComponentError(key, "None is not a component; use remove_component")
        refuse(self._components.get(key))
        touch(self, key)
        self._components[key] = component
        put(self, key, component)

    def remove_component(self, cls: type[T], *, name: str | None = None) -> T:
        """Forget and return the component set for this class and name.

        One that is parked stays: `ParkedError` is raised.
        """
        key = _key(class_name(cls), name)
        if key not in self._components:
            raise ComponentError(key, "there is none to remove")
        refuse(self._components[key])
        touch(self, key)
        return cast("T", self._components.pop(key))

    @property
    def alarms(self) -> Alarms:
        """The calls to come, a component like others."""
        return self.get_component(Alarms, default=Alarms)

    @property
    def between_threads(self) -> asyncio.Lock:
        """Whoever has this knows that no code in another thread has to do with components.

        Provided that it came there by `Application.in_thread`, or is a WSGI application.
        """
        lock = _between_threads.get(self)
        if lock is None:
            lock = _between_threads[self] = asyncio.Lock()
        return lock

    def set_adapter(self, source: type[S], target: type[T], factory: Callable[[S], T]) -> None:
        """Make components of `target` from those of `source` when they are asked for.

        `factory` is a class, a function of a module or a bound method, since snapshots keep it by
        name. Adapters combine: from a source that can itself be adapted. The first one set that
        applies is used; setting one for the same two classes replaces it.
        """
        check_callable(factory)
        self._adapters.setdefault(class_name(target), {})[class_name(source)] = factory

    def adopt(self, other: "Registry") -> None:
        """Take the components of `other` over, in place of ours where both have one.

        Adapters belong to the blueprint: ours stay, and only those we lack are taken.
        """
        self._components.update(other._components)
        for target, factories in other._adapters.items():
            self._adapters[target] = {**factories, **self._adapters.get(target, {})}

    def follow_moves(self) -> None:
        """Know components and adapters by the present names of their classes, where these have moved.

        One that is there under the present name already is not replaced (see `following_moves`).
        """
        self._components = following_moves(self._components)
        for key, component in self._components.items():
            parked = parked_at(component)
            if parked is not None and parked.key != key and present_key(parked.key) == key:
                repark(component, attrs.evolve(parked, key=key))
        self._adapters = {
            target: following_moves(factories)
            for target, factories in following_moves(self._adapters).items()
        }

    def replace(self, key: str, component: object | None) -> None:
        """Put `component` in place of the one there is at `key`, as `items` gives it.

        None forgets the one that is there. Raises KeyError if there is none.
        """
        if key not in self._components:
            raise KeyError(key)
        if component is None:
            del self._components[key]
        else:
            self._components[key] = component

    @property
    def components(self) -> dict[str, object]:
        """The components by their keys, to be changed by those only who keep them."""
        return self._components

    def items(self) -> Iterable[tuple[str, object]]:
        """The keys and components, oldest first."""
        return self._all()

    def __iter__(self) -> Iterator[object]:
        return iter([each for _, each in self._all() if parked_at(each) is None])

    def __len__(self) -> int:
        return len(self._components)

    def __bool__(self) -> bool:
        return True  # an empty registry is a registry

    def __repr__(self) -> str:
        shown = [
            key if parked_at(component) is None else f"{key} (parked)"
            for key, component in self._components.items()
        ]
        return f"<Registry: {', '.join(shown) or 'empty'}>"

    def capture_children(self) -> Iterable[tuple[str, object]]:
        """How the path to a component reads, in a message about what cannot be saved."""
        for key, component in self._components.items():
            yield f"[{key}]", component
        for target, factories in self._adapters.items():
            for source, factory in factories.items():
                yield f".adapters[{source} -> {target}]", factory

    def _all(self) -> Iterable[tuple[str, object]]:
        for key in self._components:
            touch(self, key)
        return tuple(self._components.items())

    def _find(self, target: str, name: str | None, tried: set[str]) -> object | None:
        key = _key(target, name)
        touch(self, key)
        component = self._components.get(key)
        if component is not None or target in tried:
            refuse(component)
            return component
        tried.add(target)
        for source, factory in self._adapters.get(target, {}).items():
            original = self._find(source, name, tried)
            if original is not None:
                adapted = factory(original)
                if adapted is None:
                    raise ComponentError(key, f"the adapter from {source} made None")
                return self._put(key, adapted)
        return None

    def _put(self, key: str, made: object) -> object:
        component = self._components.setdefault(key, made)
        put(self, key, component)
        return component


def present_key(key: str) -> str:
    """The key by which the component is known that was known by `key`."""
    dotted, colon, name = key.partition(":")
    return f"{present_class(dotted)}{colon}{name}"


def following_moves(items: dict[str, T]) -> dict[str, T]:
    """`items` by their present keys, in their order; the same where there is none that has moved.

    Of several that would come under one key the first does, and the others stay where they are.
    """
    taken: dict[str, str] = {}
    for key in items:
        present = present_key(key)
        if present != key and present not in items:
            taken.setdefault(present, key)
    if not taken:
        return items
    keys = {former: present for present, former in taken.items()}
    return {keys.get(key, key): item for key, item in items.items()}


def component_key(cls: type, name: str | None = None) -> str:
    """The key of the component set for this class and name."""
    return _key(class_name(cls), name)


def _key(dotted: str, name: str | None) -> str:
    return dotted if name is None else f"{dotted}:{name}"
