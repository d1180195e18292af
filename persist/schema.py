"""What a class says of the states of its objects: their version, the way up to it, its earlier names.

    @schema(version=3, was=("visits.Counter",))
    class Counter: ...

    @upgrades(Counter, to=3)
    def count_by_page(state: State) -> State:
        return {**state, "pages": {"/": state.pop("total")}}

A class that declares nothing has version 1.
"""

from collections.abc import Callable, Iterable
from typing import Any, Final, TypeVar

import attrs

C = TypeVar("C", bound=type[Any])
State = dict[str, Any]
Step = Callable[[Any], Any]
S = TypeVar("S", bound=Step)

_DECLARATION: Final = "__schema__"
FIRST: Final = 1
"""The version of a class that declares none."""


@attrs.frozen
class Declaration:
    """What one class declares; its subclasses do not inherit it. `steps` are by where they lead."""

    version: int = FIRST
    steps: dict[int, Step] = attrs.field(factory=dict[int, Step])


@attrs.frozen
class Moved:
    """What was declared of names that are no more.

    `classes` are by their dotted name of old, with their present ``module:qualname``. `modules`
    have the present place of a module and of all below it.
    """

    classes: dict[str, str] = attrs.field(factory=dict[str, str])
    modules: dict[str, str] = attrs.field(factory=dict[str, str])


MOVED: Final = Moved()
"""What the modules that were imported so far have declared."""


def schema(*, version: int = FIRST, was: Iterable[str] = ()) -> Callable[[C], C]:
    """Declare the version of a class, and the dotted names it had before: ``old.module.Name``.

    It works for plain, attrs and dataclass classes, above or below their own decorators. A new
    version needs a step (`upgrades`) from the one before. A new field with a default needs neither.
    Names are for classes that moved; an old name under which there is a class again means that one.
    Raises TypeError for what makes no sense.
    """
    if type(version) is not int or version < FIRST:
        raise TypeError(f"a version is a whole number from {FIRST} on, got {version!r}")
    if isinstance(was, str):
        raise TypeError(f"was is a tuple of names: was=({was!r},)")
    names = tuple(was)
    for name in names:
        _check_name("was", name)
        if "." not in name:
            raise TypeError(f"was: {name!r} has no module; write module.{name}")

    def decorate(decorated: C) -> C:
        if _DECLARATION in vars(decorated):
            raise TypeError(f"{decorated.__qualname__} has a schema already")
        setattr(decorated, _DECLARATION, Declaration(version))
        for name in names:
            MOVED.classes[name] = f"{decorated.__module__}:{decorated.__qualname__}"
        return decorated

    return decorate


def upgrades(cls: type[Any], *, to: int) -> Callable[[S], S]:
    """Declare the step that brings states of `cls` from the version before to the version `to`.

    The step takes the state of one object and returns the one to take its place, the same or
    another. A state is a dict of all fields by name, with those of base classes, which have been
    brought up before; of a class whose ``__getstate__`` gives something else it is that. Dates,
    decimal numbers and the like are themselves; other objects are nodes, to be put elsewhere but not
    to be looked into, since they may or may not have been brought up. A new object may be put into
    the state. The step must depend on nothing but the state: it runs again at the next start, for
    as long as no newer state was saved. What is given to ``__new__`` is not part of it.

    Raises TypeError if `cls` declares no such version, or has that step already.
    """
    declared = declaration_of(cls)
    if not FIRST < to <= declared.version:
        raise TypeError(
            f"{cls.__qualname__} has version {declared.version}, and no step leads to {to};"
            f" declare @schema(version={to}) above the class"
        )
    if to in declared.steps:
        raise TypeError(f"{cls.__qualname__} has a step to version {to} already")

    def declare(step: S) -> S:
        declared.steps[to] = step
        return step

    return declare


def moved(old: str, new: str) -> None:
    """Declare that the module `old`, with all below it, is now called `new`.

    To be called where it is imported, or searched for, in time: in a module of the application. What
    is installed may declare it by an entry point in its place (see `moves`).
    """
    _check_name("old", old)
    _check_name("new", new)
    MOVED.modules[old] = new


def declaration_of(cls: type[Any]) -> Declaration:
    """What `cls` itself declares."""
    found = vars(cls).get(_DECLARATION)
    return found if isinstance(found, Declaration) else Declaration()


def _check_name(option: str, name: object) -> None:
    if not isinstance(name, str) or not all(part.isidentifier() for part in name.split(".")):
        raise TypeError(f"{option}: expected a dotted name such as module.Name, got {name!r}")
