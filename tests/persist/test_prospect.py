"""What will become of a snapshot here is told in sentences, without building any of it."""

import platform

import attrs

from perdure.persist.passport import Passport
from perdure.persist.prospect import Sentence, of_classes, of_environment, will_load
from perdure.persist.shapes import Shape, shape_of
from perdure.persist.trust import Policy

from ..passport import PASSPORT
from .models import Login, Plain, Slotted

HERE = attrs.evolve(PASSPORT, python=platform.python_version())
EVERYTHING = Policy.everything()


def name_of(kind: type) -> str:
    return f"{kind.__module__}:{kind.__qualname__}"


def said(sentences: list[Sentence]) -> list[str]:
    return [str(each).replace(f"{__package__}.models.", "") for each in sentences]


def test_of_what_is_the_same_here_nothing_is_said() -> None:
    passport = attrs.evolve(HERE, names=("attrs:define",), packages={"attrs": attrs.__version__})
    assert of_environment(passport) == []


def test_another_python_and_other_packages_are_told() -> None:
    passport: Passport = attrs.evolve(
        PASSPORT, python="3.9.1", names=("attrs:define", "shop:Cart"),
        packages={"attrs": "1.0", "shop": "7.1"},
    )  # fmt: skip
    assert said(of_environment(passport)) == [
        f"it was written under Python 3.9.1, and this is {platform.python_version()}",
        f"attrs: 1.0 was installed where it was written, and here it is {attrs.__version__}",
        "shop: 7.1 was installed where it was written, and is not here",
    ]


def test_classes_that_are_here_as_recorded_are_counted() -> None:
    kinds = [Plain, Login]
    shapes = {name_of(kind): shape_of(kind) for kind in kinds}
    assert said(of_classes(shapes, shapes, EVERYTHING)) == [
        "2 classes and functions of the application are here as recorded"
    ]


def test_what_is_newer_than_the_code_stops_it() -> None:
    found = of_classes([name_of(Plain)], {name_of(Plain): Shape(4)}, EVERYTHING)
    (text,) = said(found)
    assert text.startswith("Plain: its state is of version 4, and the code here has version 1; run")
    assert not will_load(found)


def test_what_is_missing_stops_it_unless_it_can_be_parked() -> None:
    names = ["nowhere:Cart"]
    (found,) = of_classes(names, {}, EVERYTHING)
    assert found.stops
    assert found.subject == "nowhere.Cart"
    assert found.text.startswith("there is no module nowhere")
    (found,) = of_classes(names, {}, EVERYTHING, parkable=names)
    assert not found.stops
    assert "the components that need it are parked" in found.text


def test_fields_that_came_and_went_are_told() -> None:
    was = Shape(1, (), {"name": "str", "old": "int"})
    assert said(of_classes([name_of(Login)], {name_of(Login): was}, EVERYTHING)) == [
        "Login: new, without a default: pem; each object must have a value",
        "Login: gone: old; values are kept",
    ]


def test_of_what_may_not_be_imported_nothing_is_said() -> None:
    assert of_classes([name_of(Slotted), "os:system"], {}, Policy.only()) == []
