"""The signature of a text: a person may change values, and name and call nothing new."""

import datetime
import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pytest

from perdure.persist import mandate
from perdure.persist.graph import Call, Graph, Instance, Names, instance_of
from perdure.persist.mandate import Signature, holder, names_of, sign
from perdure.persist.passport import Passport
from perdure.persist.trust import Signer

from ..passport import PASSPORT
from . import models
from .texts import graph_of

HERE = models.__name__


def passport_of(graph: Graph) -> Passport:
    return attrs.evolve(PASSPORT, names=names_of(graph), paths=("/srv/site",))


def test_the_names_are_those_of_classes_functions_and_bound_methods() -> None:
    plain = models.Plain(a=1)
    root: list[Any] = [
        plain.method,
        models.function,
        datetime.date(2026, 1, 1),
        [1].append,
        plain,
        len,
    ]
    assert names_of(graph_of(root)) == (
        "builtins:getattr",
        "builtins:len",
        "builtins:list.append",
        "datetime:date",
        f"{HERE}:Plain",
        f"{HERE}:Plain.method",
        f"{HERE}:function",
    )


def test_a_method_of_what_a_call_returns_or_of_a_class_has_a_name_too() -> None:
    names = Names()
    getattr_ = names.find("builtins", "getattr")
    made = Call(names.find("visits", "make"), ())
    root = [
        Call(getattr_, (made, "flush")),
        Call(getattr_, (names.find("visits", "Counter"), "default")),
        Call(getattr_, (Call(Call(names.find("visits", "maker"), ()), ()), "run")),
        Call(getattr_, ("text", "upper")),
        Call(getattr_, (1, instance_of(names.find("visits", "Text")))),
    ]
    assert set(names_of(Graph(root, names))) - set(map(str, names)) == {
        "visits:make()",
        "visits:make().flush",
        "visits:Counter.default",
        "visits:maker()",
        "visits:maker()()",
        "visits:maker()().run",
        "builtins:str.upper",
        "builtins:getattr()",
    }


def test_what_is_called_has_a_name_besides_that_of_what_is_named_only() -> None:
    names = Names()
    make, reset = names.find("visits", "make"), names.find("visits", "reset")
    counter = names.find("visits", "Counter")
    flush = Call(names.find("builtins", "getattr"), (instance_of(counter), "flush"))
    set_ = instance_of(counter)
    set_.setter, set_.state = reset, 1
    root = [Call(make, (reset,)), Call(flush, ()), Call(instance_of(counter), ()), set_]
    assert set(names_of(Graph(root, names))) - set(map(str, names)) == {
        "visits:make()",
        "visits:reset()",
        "visits:Counter.flush",
        "visits:Counter.flush()",
        "visits:Counter.__call__()",
    }


def test_a_module_has_a_name_of_its_own() -> None:
    names = Names()
    load = names.find("importlib", "import_module")
    root = [
        Call(load, ("json",)),
        Call(names.find("builtins", "getattr"), (Call(load, ("os",)), "system")),
    ]
    assert set(names_of(Graph(root, names))) - set(map(str, names)) == {
        "json",
        "os",
        "os.system",
    }


def test_methods_are_found_at_any_depth_and_in_loops() -> None:
    loop: list[Any] = [models.Plain().method]
    loop.append(loop)
    for _ in range(100_000):
        loop = [loop]
    assert f"{HERE}:Plain.method" in names_of(graph_of(loop))


def test_who_changes_values_keeps_the_mandate(signer: Signer) -> None:
    graph = graph_of([models.Plain(a=1, b=models.function), models.Plain().method])
    passport = passport_of(graph)
    signature = sign(passport, signer)
    assert holder(passport, signature, graph)[0] == signer.public
    first: Instance = graph.root[0]
    first.state["a"] = [2, "more"]
    graph.root.append(first)
    del first.state["b"]
    assert holder(passport, signature, graph)[0] == signer.public


def getattr_of(graph: Graph) -> Any:
    return graph.names.find("builtins", "getattr")


def _one_more_name(graph: Graph) -> None:
    graph.root.append(graph.names.find("os", "system"))


def _another_method(graph: Graph) -> None:
    graph.root[1].arguments = (graph.root[1].arguments[0], "delete")


def _a_hidden_method(graph: Graph) -> None:
    call = graph.root[1]
    call.arguments = (call.arguments[0], instance_of(graph.names.find(HERE, "Plain")))


def _a_call_of_what_was_named(graph: Graph) -> None:
    graph.root.append(Call(graph.names.find(HERE, "function"), ()))


def _a_call_of_a_method(graph: Graph) -> None:
    graph.root.append(Call(graph.root[1], ()))


def _a_call_of_a_partial_object(graph: Graph) -> None:
    partial = Call(graph.names.find("functools", "partial"), (getattr_of(graph),))
    graph.root.append(Call(partial, (graph.names.find(HERE, "function"), "__globals__")))


def _a_setter(graph: Graph) -> None:
    graph.root[0].state, graph.root[0].setter = 1, graph.names.find(HERE, "function")


def _getattr_as_a_value(graph: Graph) -> None:
    graph.root.append(getattr_of(graph))


def _getattr_as_a_setter(graph: Graph) -> None:
    graph.root[0].state, graph.root[0].setter = "x", getattr_of(graph)


def _getattr_with_a_default(graph: Graph) -> None:
    graph.root.append(Call(getattr_of(graph), (*graph.root[1].arguments, None)))


def _a_method_with_a_state(graph: Graph) -> None:
    graph.root[1].state = {"a": 1}


def _another_module(graph: Graph) -> None:
    graph.root[4].arguments = ("os",)


def _a_module_with_a_state(graph: Graph) -> None:
    graph.root[4].state = {"dumps": graph.names.find(HERE, "function")}


@pytest.mark.parametrize(
    "change",
    [
        _one_more_name,
        _another_method,
        _a_hidden_method,
        _a_call_of_what_was_named,
        _a_call_of_a_method,
        _a_call_of_a_partial_object,
        _a_setter,
        _getattr_as_a_value,
        _getattr_as_a_setter,
        _getattr_with_a_default,
        _a_method_with_a_state,
        _another_module,
        _a_module_with_a_state,
    ],
)
def test_a_name_that_was_not_signed_voids_it(
    change: Callable[[Graph], None], signer: Signer
) -> None:
    graph = graph_of(
        [models.Plain(), models.Plain().method, models.function, functools.partial(models.function)]
    )
    graph.root.append(Call(graph.names.find("importlib", "import_module"), ("json",)))
    passport = passport_of(graph)
    signature = sign(passport, signer)
    assert holder(passport, signature, graph)[0] == signer.public
    change(graph)
    assert holder(passport, signature, graph)[0] is None
    assert mandate.added_names(passport, graph)


def test_what_is_added_is_told_once_however_it_is_used(signer: Signer) -> None:
    graph = graph_of([models.Plain()])
    passport = passport_of(graph)
    graph.root.append(Call(graph.names.find("os", "system"), ("ls",)))
    assert mandate.added_names(passport, graph) == ("os:system",)
    voided_by = holder(passport, sign(passport, signer), graph)[1]
    assert voided_by == ("os:system",)
    assert "since it was signed: it now names os.system," in mandate.distrust(voided_by)


@pytest.mark.parametrize(
    "change",
    [
        {"names": ("os:system",)},
        {"paths": ("/tmp",)},
        {"application": "mail"},
        {"holds": "blueprint"},
        {"origin": "ab"},
        {"written": "2027-01-01T00:00:00Z"},
        {"secret": {"visits:Account": ("password",)}},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_change_of_the_passport_voids_it(change: dict[str, Any], signer: Signer) -> None:
    graph = graph_of([models.Plain()])
    passport = passport_of(graph)
    signature = sign(passport, signer)
    assert holder(attrs.evolve(passport, **change), signature, graph) == (None, ())


def test_only_a_right_signature_of_this_kind_counts(signer: Signer, tmp_path: Path) -> None:
    graph = graph_of([models.Plain()])
    passport = passport_of(graph)
    other = Signer.of_user(tmp_path / "stranger")
    signature = sign(passport, signer)
    for wrong in (
        None,
        Signature(other.public, signature.value),
        Signature(signature.key, bytes(64)),
        Signature(b"", b""),
        Signature(signature.key[:31], signature.value),
    ):
        assert holder(passport, wrong, graph)[0] is None
    assert holder(passport, sign(passport, other), graph)[0] == other.public


HOLDERS: dict[str, Callable[[Any, Any], object]] = {
    "list": lambda held, _kind: [held],
    "tuple": lambda held, _kind: (held,),
    "set": lambda held, _kind: {held},
    "frozenset": lambda held, _kind: frozenset([held]),
    "set of tuples": lambda held, _kind: {(1, held)},
    "key": lambda held, _kind: {held: 1},
    "value": lambda held, _kind: {1: held},
    "argument": lambda held, kind: instance_of(kind, held),
    "keyword": lambda held, kind: instance_of(kind, size=held),
    "argument of a call": lambda held, kind: Call(kind, (held,)),
}


@pytest.mark.parametrize("held", ["getattr", "call", "setter"])
@pytest.mark.parametrize("make", HOLDERS.values(), ids=HOLDERS)
def test_what_is_used_is_found_wherever_it_stands(
    make: Callable[[Any, Any], object], held: str
) -> None:
    names = Names()
    item: Any = names.find("builtins", "getattr")
    if held == "call":
        item = Call(names.find("visits", "make"), ())
    elif held == "setter":
        item = instance_of(names.find("visits", "Counter"))
        item.state, item.setter = 1, names.find("visits", "make")
    expected = "builtins:getattr()" if held == "getattr" else "visits:make()"
    graph = Graph(make(item, names.find("visits", "Box")), names)
    assert expected in names_of(graph)


@pytest.mark.parametrize("part", ["members", "pairs", "state"])
def test_what_is_used_is_found_in_each_part_of_an_object(part: str) -> None:
    names = Names()
    made = Call(names.find("visits", "make"), ())
    box = instance_of(names.find("visits", "Box"))
    setattr(box, part, [(1, made)])
    assert "visits:make()" in names_of(Graph(box, names))


def test_a_partial_object_counts_by_what_it_calls() -> None:
    names = names_of(graph_of(functools.partial(models.Plain().method)))
    assert {"functools:partial", f"{HERE}:Plain.method"} <= set(names)
