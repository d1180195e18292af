"""A `Secret` gives its value to who asks for it by name, and shows it nowhere."""

import copy
import pickle
import threading
from pathlib import Path
from typing import Any

import attrs
import pytest

from perdure.persist import fieldtypes, snapshot
from perdure.persist.capture import CaptureError, capture
from perdure.persist.classplan import planned
from perdure.persist.content import Content
from perdure.persist.persistent import persistent, secret_fields
from perdure.persist.restore import restore
from perdure.persist.schemaerrors import RetypedError
from perdure.persist.secret import Secret
from perdure.persist.shapes import Shape
from perdure.persist.trust import Policy, Signer

from .models import Account, Login

WORD = "hunter2"


def test_nothing_but_reveal_gives_the_value() -> None:
    secret = Secret(WORD)
    assert secret.reveal() == WORD
    shown = [repr(secret), str(secret), f"{secret:>30}", f"{secret!r}", str([secret]), f"{secret}"]
    assert all(WORD not in each and "Secret(hidden)" in each for each in shown)
    assert not hasattr(secret, "__dict__")


@pytest.mark.parametrize("value", [WORD, WORD.encode(), 7, None, (1, WORD), "\ud800"])
def test_two_are_equal_if_their_values_are(value: Any) -> None:
    assert Secret(value) == Secret(copy.deepcopy(value))
    assert hash(Secret(value)) == hash(Secret(value))
    assert Secret(value) != Secret([value])
    assert Secret(value) != value
    assert Secret(value).matches(value)
    assert not Secret(value).matches("another")


def test_it_does_not_change() -> None:
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        Secret(1)._value = 2  # type: ignore[misc]  # pyright: ignore[reportPrivateUsage]


def test_it_is_copied_pickled_and_captured() -> None:
    secret = Secret([WORD])
    for again in (
        copy.deepcopy(secret),
        pickle.loads(pickle.dumps(secret)),
        restore(capture(secret).stream, Policy.everything()),
        restore(capture(secret).stream, Policy.only()),
    ):
        assert again == secret
    assert capture(secret).secret == {"perdure.persist.secret:Secret": ("_value",)}


def test_a_base_s_fields_are_secret_in_subclasses_too() -> None:
    @persistent(secret=("pin",))
    class More(Account):
        pass

    @attrs.define(eq=False)
    class MoreLogin(Login):
        salt: str = attrs.field(default="", metadata={"secret": True})

    assert secret_fields(More) == ("password", "pin")
    assert secret_fields(MoreLogin) == ("pem", "salt")
    assert secret_fields(Account("a", 1)) == ()


def test_what_cannot_be_saved_in_a_secret_is_not_told() -> None:
    root = {"users": [Account("a", {WORD: {f"{WORD}s": threading.Lock()}})]}
    with pytest.raises(CaptureError) as caught:
        capture(root)
    error = caught.value
    assert WORD not in str(error) + error.type_name
    assert error.path == "application['users'][0].password"
    assert "something in this field, which is secret, cannot be saved" in str(error)
    assert error.__cause__ is None
    assert error.__suppress_context__


def test_a_value_of_another_type_is_not_told(tmp_path: Path) -> None:
    path = tmp_path / "web.snap"
    root = [Login("a", [WORD, {WORD: 1}])]  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    signer = Signer.of_user(tmp_path)
    snapshot.write(path, root, application="web", holds="state", signer=signer)
    graph = snapshot.read(path).content.graph
    (problem,) = fieldtypes.examine(graph, lambda _module, _name: True).problems
    assert str(problem) == (
        "application[0].pem: expected text, got something else, which is secret"
    )


def test_a_retyped_value_is_not_told() -> None:
    plan = planned(Login, Shape(1, (), {"name": "str", "pem": "object"}), {})
    assert plan is not None
    graph = Content.of_stream(capture([Login("a", [WORD])]).stream).graph  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    with pytest.raises(RetypedError) as caught:
        plan.run([graph.root[0]], lambda _: "application[0]")
    assert WORD not in str(caught.value)
    assert "application[0].pem: expected text, got something else, which is secret" in str(
        caught.value
    )


@pytest.mark.parametrize("fields", [None, {}, {"name": "str"}])
def test_a_shape_as_text_tells_what_is_secret_also_of_a_class_without_fields(
    fields: dict[str, str] | None,
) -> None:
    shape = Shape(2, ("visits:Base",), fields, ("old",), ("old", "pin"))
    assert Shape.parse(str(shape)) == shape
