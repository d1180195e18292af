"""A stranger's bound methods: those of classes that the operator trusts, and nothing else."""

import json
from typing import Any, ClassVar

import pytest

from perdure.app.web.resource import Resource
from perdure.persist.capture import capture
from perdure.persist.restore import RestoreError, TrustError, restore
from perdure.persist.trust import Policy, UntrustableError, is_pythons_own, way_out

from .streams import called, named, stream, text

THIS = Policy.only([__name__])
METHOD = named("builtins", "getattr")


class Counter:
    """A class that the operator trusts, whose fields lead further than its methods."""

    library: ClassVar[Any] = json
    count = 0

    def __init__(self) -> None:
        self.call: object = None

    def up(self) -> int:
        self.count += 1
        return self.count

    @classmethod
    def make(cls) -> "Counter":
        return cls()

    @staticmethod
    def loads(value: str) -> object:
        return json.loads(value)


def library() -> Any:
    """What the operator trusts, and what gives more than itself."""
    return json


def decoder() -> Any:
    return json.JSONDecoder()


def counter() -> bytes:
    return called(named(__name__, "Counter"))


def test_a_method_of_a_trusted_class_needs_no_more_than_the_trust_in_it() -> None:
    made = Counter()
    made.call = made.up
    data = capture([made, made.up, Counter.make]).stream
    found: Any = restore(data, THIS)
    assert found[0].call() == found[1]() - 1 == found[0].count - 1 == 1
    assert isinstance(found[2](), Counter)


def test_of_a_class_that_is_not_trusted_the_class_is_named_and_nothing_of_python() -> None:
    with pytest.raises(TrustError) as caught:
        restore(capture(Counter().up).stream, Policy.only())
    assert caught.value.names == (f"{__name__}:Counter",)
    assert str(caught.value).endswith(f"if you trust who wrote it: --trust {__name__}")


@pytest.mark.parametrize(
    "data",
    [
        called(METHOD, counter(), text("_up")),
        called(METHOD, counter(), text("__class__")),
        called(METHOD, counter(), text("up.__func__")),
        called(METHOD, counter(), text("")),
        called(METHOD, counter(), text("up"), text("default")),
        called(METHOD, counter()),
        called(METHOD, text("abc"), text("join")),
        called(METHOD, METHOD, text("up")),
        called(METHOD, called(METHOD, counter(), text("up")), text("up")),
        called(METHOD, named("datetime", "datetime"), text("now")),
        called(METHOD, called(named("types", "SimpleNamespace")), text("up")),
        called(called(METHOD, counter(), text("up"))),
        called(METHOD, counter(), text("count")),
        called(METHOD, counter(), text("library")),
        called(METHOD, counter(), text("loads")),
        called(METHOD, named(__name__, "Counter"), text("up")),
        called(METHOD, named(__name__, "Counter"), text("mro")),
        called(METHOD, called(named(__name__, "library")), text("loads")),
        called(METHOD, called(named(__name__, "decoder")), text("decode")),
    ],
)
def test_nothing_else_is_reached_by_the_way_to_methods(data: bytes) -> None:
    with pytest.raises(RestoreError):
        restore(stream(data), THIS)


def test_a_method_of_a_listed_class_is_no_value() -> None:
    with pytest.raises(RestoreError):
        restore(capture(Resource().get_child).stream, Policy.only())


@pytest.mark.parametrize("module", ["builtins", "os", "os.path", "posix", "subprocess", "json"])
def test_no_module_of_python_itself_can_be_trusted(module: str) -> None:
    with pytest.raises(UntrustableError, match=rf"--trust {module}: .* never trusted") as caught:
        Policy.only(["visits", module])
    assert caught.value.exit_status == 64
    assert is_pythons_own(module)
    assert not is_pythons_own(f"perdure.{module}")


def test_trust_is_never_offered_in_python_itself() -> None:
    with pytest.raises(TrustError) as caught:
        restore(stream(called(named("builtins", "exec"), text("1"))), Policy.only())
    assert "--trust" not in str(caught.value)
    assert "builtins.exec is of Python itself" in str(caught.value)
    assert way_out(["b:C", "a.b:D", "b:E"]).endswith("--trust a.b --trust b")


def test_the_way_to_methods_is_as_narrow_in_other_hands() -> None:
    way: Any = restore(stream(METHOD), THIS)
    assert way(Counter(), "up")() == 1
    for item, name in ((json, "loads"), (Counter(), "library"), (object(), "__init__")):
        with pytest.raises(RestoreError, match="none of a trusted class"):
            way(item, name)
