"""What classes declare, and what is recorded of them."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure.persist.schema import declaration_of, moved, schema, upgrades
from perdure.persist.shapes import UNKNOWN, Shape, parsed, shape_of, texts_of

from .evolution import code, releases


@pytest.fixture(autouse=True)
def _releases() -> Iterator[None]:
    with releases():
        yield


class Plain:
    """Declares nothing."""


def declared(**options: Any) -> type[Any]:
    return schema(**options)(type("Thing", (), {}))


@pytest.mark.parametrize(
    ("declare", "message"),
    [
        (lambda: declared(version=0), "a version is a whole number from 1 on, got 0"),
        (lambda: declared(version=True), "got True"),
        (lambda: declared(was="a.B"), "was is a tuple of names: was=('a.B',)"),
        (lambda: declared(was=("B",)), "'B' has no module; write module.B"),
        (lambda: declared(was=("a:B",)), "expected a dotted name such as module.Name, got 'a:B'"),
        (lambda: schema()(declared()), "Thing has a schema already"),
        (lambda: upgrades(Plain, to=2), "Plain has version 1, and no step leads to 2"),
        (lambda: upgrades(declared(version=2), to=1), "no step leads to 1"),
        (lambda: moved("a b", "c"), "old: expected a dotted name"),
    ],
)
def test_what_makes_no_sense_is_refused_when_it_is_declared(
    declare: Callable[[], object], message: str
) -> None:
    with pytest.raises(TypeError, match=re.escape(message)):
        declare()


def test_a_step_is_declared_once() -> None:
    thing = declared(version=2)
    upgrades(thing, to=2)(dict)
    with pytest.raises(TypeError, match="Thing has a step to version 2 already"):
        upgrades(thing, to=2)


def test_a_subclass_has_a_version_of_its_own() -> None:
    base = declared(version=3)
    assert declaration_of(type("Below", (base,), {})).version == 1


@pytest.mark.parametrize("above", [True, False])
def test_it_stands_above_or_below_the_decorator_of_attrs(above: bool) -> None:
    order = ("@schema(version=2)", "@attrs.define")
    module = code("shop", "\n".join((*order[:: 1 if above else -1], "class Item:\n    x: int")))
    upgrades(module.Item, to=2)(dict)
    assert str(shape_of(module.Item)) == "2; x: int"
    assert list(declaration_of(module.Item).steps) == [2]


def test_a_shape_tells_version_bases_and_fields_but_no_transient_ones() -> None:
    module = code(
        "shop",
        """
        from perdure.persist.persistent import persistent
        class Mixin: ...
        @attrs.define
        class Base:
            name: str
        @persistent(transient=("cache",))
        @schema(version=3)
        @attrs.define
        class Item(Base, Mixin):
            prices: "dict[str, int]" = {}
            note: "str | None" = ""
            cache: dict | None = None
        """,
    )
    assert texts_of([module.Item, dict, int, Exception, len]) == {
        "shop:Base": "1; name: str",
        "shop:Item": "3 < shop:Base, shop:Mixin; name: str; prices: dict[str, int]; note: str | None",
        "shop:Mixin": "1",
    }


def test_a_class_with_a_state_of_its_own_tells_no_fields() -> None:
    module = code(
        "shop", "@attrs.define\nclass Item:\n    x: int\n    def __getstate__(self): return 1"
    )
    assert shape_of(module.Item) == UNKNOWN


def test_an_annotation_with_an_address_is_the_same_in_every_process() -> None:
    module = code("shop", "@attrs.define\nclass Item:\n    x: type('T', (), {})() = 1")
    assert shape_of(module.Item).fields == {"x": "?"}


names = st.from_regex(r"[a-z_][a-z0-9_]{0,5}", fullmatch=True)
words = st.from_regex(r"[A-Za-z0-9_\[\], .|'\"]{1,20}", fullmatch=True).map(str.strip)
dotted = st.lists(names, min_size=1, max_size=3).map(".".join)


@given(
    st.builds(
        Shape,
        version=st.integers(1, 99),
        bases=st.lists(st.builds("{}:{}".format, dotted, dotted)).map(tuple),
        fields=st.none() | st.dictionaries(names, words),
        kept=st.lists(names, unique=True).map(tuple),
    )
)
def test_a_shape_comes_back_from_its_text(shape: Shape) -> None:
    if shape.fields is None and shape.kept:
        shape = attrs.evolve(shape, kept=())
    assert Shape.parse(str(shape)) == shape
    assert parsed({"a": str(shape)}) == {"a": shape}
    assert "\n" not in str(shape)


@pytest.mark.parametrize("text", ["", "x", "0", "-1; a", "1.5", "; a: int"])
def test_a_text_that_is_no_shape_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected a version and fields"):
        Shape.parse(text)
