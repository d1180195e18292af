"""The registry finds components by their class, and keeps them."""

from collections.abc import Callable
from typing import Any, assert_type

import hypothesis.strategies as st
import pytest
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from perdure.app.naming import UnnamedError
from perdure.app.registry import ComponentError, Registry
from perdure.persist.capture import CaptureError, capture
from perdure.persist.restore import restore
from perdure.persist.trust import Policy


class Counter:
    def __init__(self, start: int = 0) -> None:
        self.count = start


class Tally(Counter):
    pass


class Gauge:
    def __init__(self, source: object = None) -> None:
        self.source = source


class Dial:
    def __init__(self, source: Gauge) -> None:
        self.source = source

    def count(self) -> Counter:
        return Counter()


CLASSES: list[type[Any]] = [Counter, Tally, Gauge, Dial]


def nothing(source: object) -> Any:
    return None


def test_what_is_set_is_found_under_its_class_and_name_only() -> None:
    registry = Registry()
    plain, named = Counter(), Counter()
    registry.set_component(Counter, plain)
    registry.set_component(Counter, named, name="north")
    assert registry.get_component(Counter) is plain
    assert registry.get_component(Counter, name="north") is named
    assert registry.get_component(Counter, name="south") is None
    assert registry.get_component(Tally) is None
    assert [key.rpartition(".")[2] for key, _ in registry.items()] == ["Counter", "Counter:north"]


def test_a_subclass_is_another_key() -> None:
    registry = Registry()
    registry.set_component(Tally, Tally())
    assert registry.get_component(Counter) is None


def test_a_default_is_made_once_and_kept() -> None:
    registry = Registry()
    made = registry.get_component(Counter, default=Counter)
    assert registry.get_component(Counter, default=Counter) is made
    assert registry.get_component(Counter) is made


def test_a_default_that_sets_the_component_itself_has_set_it() -> None:
    registry = Registry()

    def make() -> Counter:
        registry.set_component(Counter, Counter(7))
        return Counter(8)

    assert registry.get_component(Counter, default=make).count == 7


def test_a_default_that_raises_leaves_no_trace() -> None:
    registry = Registry()

    def fail() -> Counter:
        raise ValueError("no counters today")

    with pytest.raises(ValueError, match="today"):
        registry.get_component(Counter, default=fail)
    assert len(registry) == 0


def test_the_types_follow_the_class_asked_for() -> None:
    registry = Registry()
    assert_type(registry.get_component(Counter), Counter | None)
    assert_type(registry.get_component(Counter, name="x"), Counter | None)
    assert_type(registry.get_component(Counter, default=Counter), Counter)
    assert_type(registry.get_component(Counter, name="x", default=Tally), Counter)
    assert_type(registry.remove_component(Counter), Counter)


def test_an_adapter_makes_a_component_from_another_and_it_is_kept() -> None:
    registry = Registry()
    registry.set_adapter(Counter, Gauge, Gauge)
    assert registry.get_component(Gauge) is None
    counter = registry.get_component(Counter, default=Counter)
    gauge = registry.get_component(Gauge)
    assert gauge is not None
    assert gauge.source is counter
    assert registry.get_component(Gauge) is gauge


def test_an_adapter_adapts_a_component_of_the_same_name() -> None:
    registry = Registry()
    registry.set_adapter(Counter, Gauge, Gauge)
    registry.set_component(Counter, Counter(), name="north")
    assert registry.get_component(Gauge) is None
    assert registry.get_component(Gauge, name="north") is not None


def test_an_adapter_comes_before_the_default() -> None:
    registry = Registry()
    registry.set_adapter(Counter, Gauge, Gauge)
    registry.set_component(Counter, Counter())
    assert isinstance(registry.get_component(Gauge, default=Gauge).source, Counter)


def test_adapters_combine_and_may_form_a_circle() -> None:
    registry = Registry()
    registry.set_adapter(Counter, Gauge, Gauge)
    registry.set_adapter(Gauge, Dial, Dial)
    registry.set_adapter(Dial, Counter, Dial.count)
    assert registry.get_component(Dial) is None
    counter = Counter()
    registry.set_component(Counter, counter)
    dial = registry.get_component(Dial)
    assert dial is not None
    assert dial.source.source is counter


def test_the_adapter_set_first_is_used() -> None:
    registry = Registry()
    registry.set_adapter(Tally, Gauge, Gauge)
    registry.set_adapter(Counter, Gauge, Gauge)
    registry.set_component(Counter, Counter())
    registry.set_component(Tally, Tally())
    gauge = registry.get_component(Gauge)
    assert gauge is not None
    assert isinstance(gauge.source, Tally)


def make_nothing() -> Any:
    return None


MISUSES: list[tuple[Callable[[Registry], object], str]] = [
    (lambda registry: registry.remove_component(Counter), "there is none to remove"),
    (lambda registry: registry.set_component(Counter, make_nothing()), "use remove_component"),
    (lambda registry: registry.get_component(Counter, default=make_nothing), "made None"),
]


@pytest.mark.parametrize(("misuse", "said"), MISUSES)
def test_misuse_names_the_component(misuse: Callable[[Registry], object], said: str) -> None:
    with pytest.raises(ComponentError, match=rf"component .*test_registry\.Counter: .*{said}"):
        misuse(Registry())


def test_an_adapter_that_makes_nothing_is_named() -> None:
    registry = Registry()
    registry.set_component(Counter, Counter())
    registry.set_adapter(Counter, Gauge, nothing)
    with pytest.raises(ComponentError, match=r"Gauge: the adapter from .*Counter made None"):
        registry.get_component(Gauge)


def test_what_is_not_a_class_is_no_key() -> None:
    registry: Any = Registry()
    with pytest.raises(UnnamedError, match="a class is expected"):
        registry.get_component("Counter")


def test_an_adapter_that_no_snapshot_could_name_is_refused_at_once() -> None:
    with pytest.raises(UnnamedError, match="no name of its own"):
        Registry().set_adapter(Counter, Gauge, lambda counter: Gauge(counter))


def test_adopting_takes_components_over_and_keeps_our_adapters() -> None:
    ours, theirs = Registry(), Registry()
    for registry in (ours, theirs):
        registry.set_component(Counter, Counter())
    ours.set_component(Gauge, Gauge())
    theirs.set_component(Tally, Tally())
    ours.set_adapter(Gauge, Dial, Dial)
    theirs.set_adapter(Counter, Gauge, Gauge)
    theirs.set_adapter(Gauge, Dial, nothing)
    gauge = ours.get_component(Gauge)
    ours.adopt(theirs)
    assert ours.get_component(Counter) is theirs.get_component(Counter)
    assert ours.get_component(Gauge) is gauge
    assert [type(component) for component in ours] == [Counter, Gauge, Tally]
    assert isinstance(ours.get_component(Dial), Dial)
    assert len(theirs) == 2


def test_a_captured_registry_comes_back_as_it_was() -> None:
    registry = Registry()
    registry.set_adapter(Counter, Gauge, Gauge)
    registry.set_component(Counter, Counter(3), name="north")
    registry.set_component(Tally, Tally(4))
    twin = restore(capture(registry).stream, Policy.everything())
    assert isinstance(twin, Registry)
    assert [key for key, _ in twin.items()] == [key for key, _ in registry.items()]
    assert repr(twin) == repr(registry)
    gauge = twin.get_component(Gauge, name="north")
    assert gauge is not None
    assert isinstance(gauge.source, Counter)
    assert gauge.source.count == 3


def test_what_cannot_be_saved_is_named_by_its_key() -> None:
    registry = Registry()
    registry.set_component(Gauge, Gauge(lambda: None), name="north")
    with pytest.raises(CaptureError) as caught:
        capture(registry, name="registry")
    assert caught.value.path == f"registry[{__name__}.Gauge:north].source"


def test_an_empty_registry_is_not_nothing() -> None:
    assert Registry()


class AgainstADict(RuleBasedStateMachine):
    """Whatever is done to it, a registry without adapters is a dict of class and name."""

    def __init__(self) -> None:
        super().__init__()
        self.registry = Registry()
        self.model: dict[tuple[type[Any], str | None], object] = {}

    keys = st.tuples(st.sampled_from(CLASSES), st.none() | st.sampled_from(["", "a", "b:c"]))

    @rule(key=keys)
    def set(self, key: tuple[type[Any], str | None]) -> None:
        component = object()
        self.registry.set_component(key[0], component, name=key[1])
        self.model[key] = component

    @rule(key=keys)
    def get(self, key: tuple[type[Any], str | None]) -> None:
        assert self.registry.get_component(key[0], name=key[1]) is self.model.get(key)

    @rule(key=keys)
    def get_with_default(self, key: tuple[type[Any], str | None]) -> None:
        component = self.registry.get_component(key[0], name=key[1], default=object)
        assert component is self.model.setdefault(key, component)

    @rule(key=keys)
    def remove(self, key: tuple[type[Any], str | None]) -> None:
        if key in self.model:
            removed = self.registry.remove_component(key[0], name=key[1])
            assert removed is self.model.pop(key)
        else:
            with pytest.raises(ComponentError):
                self.registry.remove_component(key[0], name=key[1])

    @rule(keys=st.lists(keys))
    def adopt(self, keys: list[tuple[type[Any], str | None]]) -> None:
        other = Registry()
        theirs = {key: object() for key in keys}
        for (cls, name), component in theirs.items():
            other.set_component(cls, component, name=name)
        self.registry.adopt(other)
        self.model.update(theirs)

    @rule(number=st.integers(0, 9), forget=st.booleans())
    def replace_by_key(self, number: int, forget: bool) -> None:
        entries = list(self.registry.items())
        if not entries:
            with pytest.raises(KeyError):
                self.registry.replace("nothing.Here", object())
            return
        number %= len(entries)
        component = None if forget else object()
        self.registry.replace(entries[number][0], component)
        key = list(self.model)[number]
        if component is None:
            del self.model[key]
        else:
            self.model[key] = component

    @invariant()
    def the_components_are_those_of_the_model_in_order(self) -> None:
        assert list(self.registry) == list(self.model.values())
        assert len(self.registry) == len(self.model)


TestAgainstADict = AgainstADict.TestCase
