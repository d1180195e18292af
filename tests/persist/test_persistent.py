"""A class says what its objects keep."""

import copy
import functools
import pickle
from typing import Any

import attrs
import pytest

from perdure.persist.capture import capture
from perdure.persist.persistent import persistent
from perdure.persist.restore import RestoreError, restore
from perdure.persist.trust import Policy

from . import models
from .models import Indexed


def back(root: object) -> Any:
    return restore(capture(root).stream, Policy.everything())


def test_transient_fields_come_back_as_class_attribute_or_none() -> None:
    records = models.Records()
    records.entries.append("one")
    again = back(records)
    assert again.entries == ["one"]
    assert (again.cache, again.lock, again.shown) == (None, None, "never")
    assert "shown" not in vars(again)


@pytest.mark.parametrize(
    "made",
    [
        models.DefinedAbove(3),
        models.DefinedBelow(3),
        models.FrozenAbove(3),
        models.FrozenBelow(3),
        models.DefinedWithDict(3),
        models.DataAbove(3),
        models.FrozenDataAbove(3),
        models.FrozenDataBelow(3),
        models.DefinedSubclass(3, added=4),
    ],
    ids=lambda made: type(made).__name__,
)
def test_attrs_and_dataclass_defaults_are_made_anew(made: Any) -> None:
    made.cache["a"] = 1
    again = back([made, made])
    assert again[0] is again[1]
    assert again[0].kept == 3
    assert again[0].cache == {}
    assert getattr(again[0], "added", 4) == 4
    assert back(made).cache is not again[0].cache
    assert b"cache" not in capture(made).stream


def test_slotted_classes_may_declare_too() -> None:
    again = back(models.SlottedRecords(3))
    assert (again.kept, again.cache) == (3, None)


def test_private_names_may_be_declared_as_they_are_written() -> None:
    assert back(models.Mangled()).secret is None


def test_containers_may_declare_too() -> None:
    made = models.MyPersistentDict(a=1)
    made.cache = lambda: None
    again = back(made)
    assert again == {"a": 1}
    assert again.cache is None


def test_subclasses_inherit_and_may_add() -> None:
    special = models.SpecialRecords()
    assert back(special).lock is None
    more = models.MoreRecords()
    more.extra = lambda: None
    assert back(more).extra is None
    assert back(more).lock is None


def test_a_subclass_with_pickle_methods_of_its_own_still_inherits() -> None:
    again = back(OwnMethods())
    assert again.lock is None
    assert again.entries == ["put by __setstate__"]


class OwnMethods(models.Records):
    def __getstate__(self) -> Any:
        return dict(vars(self))

    def __setstate__(self, state: dict[str, object]) -> None:
        vars(self).update(state)
        self.entries = ["put by __setstate__"]


@persistent(transient=("one",))
class One:
    one: Any = None
    asked = 0

    def __init_subclass__(cls, **keywords: object) -> None:
        super().__init_subclass__(**keywords)
        cls.asked += 1


@persistent(transient=("two",))
class Two:
    two: Any = None


@attrs.define
class Both(One, Two):
    three: int = 3


def test_two_declarations_meet_in_a_subclass_of_both() -> None:
    made = Both()
    assert Both.asked >= 1
    made.one = made.two = lambda: None
    again = back(made)
    assert (again.one, again.two, again.three) == (None, None, 3)


@persistent(transient=("total",))
class Sum:
    computed = 0

    def __init__(self) -> None:
        self.numbers = [1, 2]

    @functools.cached_property
    def total(self) -> int:
        Sum.computed += 1
        return sum(self.numbers)


def test_a_cached_property_is_computed_when_asked_for() -> None:
    made = Sum()
    assert made.total == 3
    again = back(made)
    assert Sum.computed == 1
    assert again.total == 3
    assert Sum.computed == 2


def test_hooks_are_called_before_the_save_and_after_the_whole_restore() -> None:
    first, second = Indexed(), Indexed()
    first.neighbours += [second, second]
    second.neighbours += [first]
    one, other = back([first, second])
    assert one.saved == other.saved == 1
    assert one.index == [1, 1]
    assert other.index == [2]


def test_a_single_object_that_is_copied_has_its_hook_called_too() -> None:
    made = Indexed(Indexed())
    assert copy.copy(made).index == [0]
    assert pickle.loads(pickle.dumps(made)).index == [0]


@persistent
class Twin:
    """Copies itself when restored: the copy has a hook too."""

    twins = 0
    first = True

    def after_restore(self) -> None:
        Twin.twins += 1
        if self.first:
            self.first = False
            copy.copy(self)


def test_a_hook_may_copy_objects_that_have_hooks() -> None:
    back([Twin(), Twin()])
    assert Twin.twins == 4


def test_a_failing_hook_says_whose_it_is() -> None:
    with pytest.raises(RestoreError, match=r"models\.FailsAfter: its after_restore\(\) raised"):
        back(models.FailsAfter())


@persistent(secret=("password", "__pin"))
class Account:
    def __init__(self) -> None:
        self.password = "open sesame"
        self.__pin = 4711


@persistent(secret=("token",))
class Administrator(Account):
    """Declares more."""


class Guest(Account):
    """Inherits the declaration."""


@attrs.define
class Unsecret:
    accounts: list[Account]


def test_secret_fields_are_saved_and_noted_for_each_class_that_is_named() -> None:
    captured = capture(Unsecret([Guest(), Administrator()]))
    assert captured.secret == {
        f"{__name__}:Administrator": ("_Account__pin", "password", "token"),
        f"{__name__}:Guest": ("_Account__pin", "password"),
    }
    assert back(Account()).password == "open sesame"
    assert capture(models.Plain()).secret == {}


def test_secret_fields_are_noted_for_what_is_saved_at_any_depth() -> None:
    deep: Any = Account()
    for _ in range(100_000):
        deep = [deep]
    assert capture(deep).secret == {f"{__name__}:Account": ("_Account__pin", "password")}


def test_what_was_declared_wrongly_is_refused_at_once() -> None:
    with pytest.raises(TypeError, match=r"transient is a tuple of names: transient=\('cache',\)"):
        persistent(transient="cache")
    with pytest.raises(TypeError, match="Reduced has a __reduce__ of its own"):
        persistent(models.Reduced)
    with pytest.raises(TypeError, match="is an exception"):
        persistent(LookupError)
    with pytest.raises(TypeError, match="gives no dict of fields"):
        copy.copy(persistent(transient=("a",))(ListState)())


class ListState:
    def __getstate__(self) -> list[int]:
        return []


def test_other_classes_are_left_alone() -> None:
    assert models.Plain.__getstate__ is object.__getstate__
    assert not hasattr(models.Plain, "__setstate__")
