"""Whether the values of attrs fields are of the types that their classes say."""

import functools
import importlib
import sys
from collections import OrderedDict, defaultdict, deque
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import attrs
import click
import pytest

from perdure.app.application import Application, ProcessSettings
from perdure.app.collection import ServiceCollection
from perdure.app.endpoints import TCPEndpoint
from perdure.app.registry import Registry
from perdure.app.restart import Restart
from perdure.persist.fieldtypes import Allows, Examination, Problem, Unchecked, examine
from perdure.persist.graph import Call, Graph, Instance, instance_of
from perdure.persist.trust import Policy
from perdure.tools.kinds.web import KIND

from . import typed
from .texts import graph_of
from .typed import Base, Colour, Derived, Inner, Level, Text, Wide

EVERYTHING = Policy.everything().allows
SAMPLE = Path(__file__).parents[2] / "samples" / "site"
WIDE = f"{typed.__name__}.Wide"


def examined(root: object) -> Examination:
    return examine(graph_of(root), EVERYTHING)


def check(graph: Graph, allows: Allows) -> list[Problem]:
    return list(examine(graph, allows).problems)


def told(item: object, **fields: Any) -> list[str]:
    """What is said of `item` once it has such fields, without the class of a file's own."""
    for name, value in fields.items():
        object.__setattr__(item, name, value)
    found = examined(item).problems
    return [str(problem).replace(f"{typed.__name__}.", "") for problem in found]


def test_what_a_class_makes_by_default_is_right() -> None:
    assert told(Wide[str]()) == []


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("text", Text("a text of a class of its own")),
        ("number", Level.LOW),
        ("real", 3),
        ("real", float("nan")),
        ("turning", 1 + 2j),
        ("anything", {1: [2]}),
        ("maybe", "x"),
        ("either", "x"),
        ("words", ["a", Text("b")]),
        ("maybe_words", ["a"]),
        ("bare", [1, "x"]),
        ("many", (1, 2, 3)),
        ("pair", (1, "x")),
        ("empty", ()),
        ("by_name", {"a": 1}),
        ("by_name", OrderedDict([("a", 1)])),
        ("unique", {1}),
        ("fixed", frozenset({"a"})),
        ("queue", deque([1])),
        ("ordered", OrderedDict([("a", 1)])),
        ("defaults", defaultdict(list, {"a": [1]})),
        ("sequence", ["a"]),
        ("sequence", deque(["a"])),
        ("mapping", OrderedDict([("a", [1])])),
        ("iterable", {1: "x"}),
        ("call", Base().method),
        ("call", Derived()),
        ("any_call", functools.partial(print, 1)),
        ("any_call", int),
        ("path", Path("/x")),
        ("when", datetime.now(UTC)),
        ("day", datetime.now(UTC)),
        ("price", Decimal("1.50")),
        ("colour", Colour.BLUE),
        ("mode", "w"),
        ("mode", 3),
        ("base", Derived()),
        ("protocol", Base()),
        ("kind", Derived),
        ("any_kind", dict),
        ("type_variable", object()),
        ("small", "x"),
        ("later", [Inner()]),
        ("json", {"a": [1, {"b": None}]}),
        ("unresolved", "what it is cannot be known"),
    ],
)
def test_what_fits_is_let_pass(field: str, value: object) -> None:
    assert told(Wide[str](), **{field: value}) == []


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("text", 80, "text: expected text, got 80"),
        ("number", "x", "number: expected a whole number, got 'x'"),
        ("number", True, "number: expected a whole number, got True"),
        ("number", "x" * 70, f"number: expected a whole number, got '{'x' * 60}'..."),
        ("real", True, "real: expected a number, got True"),
        ("flag", 1, "flag: expected True or False, got 1"),
        ("raw", "x", "raw: expected bytes, got 'x'"),
        ("maybe", 3, "maybe: expected text or None, got 3"),
        ("either", 1.5, "either: expected a whole number or text, got 1.5"),
        ("words", "a", "words: expected a list of text, got 'a'"),
        ("words", ["a", 3], "words[1]: expected text, got 3"),
        ("maybe_words", ["a", 3], "maybe_words[1]: expected text, got 3"),
        ("maybe_words", 3, "maybe_words: expected a list of text or None, got 3"),
        ("bare", (), "bare: expected a list, got a tuple of 0"),
        ("many", (1, "x"), "many[1]: expected a whole number, got 'x'"),
        ("pair", (1, 2), "pair[1]: expected text, got 2"),
        ("pair", (1,), "pair: expected a tuple of (a whole number, text), got a tuple of 1"),
        ("empty", (1,), "empty: expected an empty tuple, got a tuple of 1"),
        ("by_name", {"a": "b"}, "by_name[a]: expected a whole number, got 'b'"),
        ("by_name", {1: 1}, "by_name[1]: expected text, got 1"),
        ("by_name", [], "by_name: expected a dictionary from text to whole numbers, got a list of 0"),
        ("unique", {"a"}, "unique[0]: expected a whole number, got 'a'"),
        ("fixed", {"a"}, "fixed: expected a frozenset of text, got a set of 1"),
        ("queue", deque(["x"]), "queue[0]: expected a whole number, got 'x'"),
        ("queue", [1], "queue: expected a deque of whole numbers, got a list of 1"),
        ("defaults", defaultdict(list, a=["x"]), "defaults[a][0]: expected a whole number, got 'x'"),
        ("sequence", 5, "sequence: expected a sequence of text, got 5"),
        ("mapping", {"a": [1, "x"]}, "mapping[a][1]: expected a whole number, got 'x'"),
        ("iterable", 3, "iterable: expected a collection of whole numbers, got 3"),
        ("call", "print", "call: expected a function or method or None, got 'print'"),
        ("any_call", Base(), "any_call: expected a function or method, got an instance of Base"),
        ("path", "/", "path: expected a path, got '/'"),
        ("when", date(2026, 1, 1), "when: expected a datetime, got a date"),
        ("day", "2026-01-01", "day: expected a date, got '2026-01-01'"),
        ("price", 1.5, "price: expected a decimal number, got 1.5"),
        ("colour", "red", "colour: expected an instance of Colour, got 'red'"),
        ("mode", "x", "mode: expected 'r' or 'w' or 3, got 'x'"),
        ("mode", [], "mode: expected 'r' or 'w' or 3, got a list of 0"),
        ("base", Inner(), "base: expected an instance of Base, got an instance of Inner"),
        ("base", Base, "base: expected an instance of Base, got the class or function Base"),
        ("inner", None, "inner: expected an instance of Inner, got None"),
        ("kind", Inner, "kind: expected the class Base or one below it, got the class or function Inner"),
        ("any_kind", 3, "any_kind: expected a class, got 3"),
        ("user", "x", "user: expected a whole number, got 'x'"),
        ("small", 1.5, "small: expected a whole number or text, got 1.5"),
        ("bounded", "x", "bounded: expected a whole number, got 'x'"),
        ("remark", 3, "remark: expected text, got 3"),
        ("final", None, "final: expected a whole number, got None"),
        ("later", [Base()], "later[0]: expected an instance of Inner, got an instance of Base"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_told_in_plain_words(field: str, value: object, said: str) -> None:
    assert told(Wide[str](), **{field: value}) == [f"application.{said}"]


def test_a_number_that_python_would_not_print_is_told_too() -> None:
    said = "application.text: expected text, got a whole number of 16,610 bits"
    assert told(Wide[str](), text=10**5000) == [said]


def test_an_annotation_that_refers_to_itself_is_checked_a_level_deep() -> None:
    [said] = told(Wide[str](), json={"a": 1.5})
    assert said.startswith("application.json: expected a dictionary from text to dictionaries or")
    assert said.endswith("or text or a whole number or None, got a dictionary of 1")
    assert told(Wide[str](), json={"a": {"b": 1.5}}) == []


def test_an_annotation_that_cannot_be_resolved_is_passed_over_and_listed() -> None:
    reason = "NameError: name 'tzinfo' is not defined"
    assert examined(Wide[str]()).unchecked == (
        Unchecked(f"{typed.__name__}:Wide.unresolved", reason),
    )


def test_a_problem_names_its_place_and_its_line() -> None:
    bad = Inner(port="eighty")  # type: ignore[arg-type]  # pyright: ignore
    graph = graph_of({"servers": [Inner(), bad], "bad": bad})
    where, expected, got = "application[servers][1].port", "a whole number", "'eighty'"
    assert check(graph, EVERYTHING) == [Problem(where, expected, got)]
    lines = {id(graph.root["servers"][1]): 7}
    assert examine(graph, EVERYTHING, lines).problems == (Problem(where, expected, got, 7),)


def test_a_service_is_found_where_a_person_looks_for_it() -> None:
    application = _built("--path", str(SAMPLE), "--port", "8080")
    service: Any = next(iter(application.services))
    object.__setattr__(service.endpoints[0], "port", "8080")
    object.__setattr__(application.process, "umask", "022")
    application.registry.set_component(Inner, Inner(port=1.5))  # type: ignore[arg-type]  # pyright: ignore
    application.paths.append(80)  # type: ignore[arg-type]  # pyright: ignore
    assert told(application) == [
        "application.paths[0]: expected text, got 80",
        "application.services[0].endpoints[0].port: expected a whole number, got '8080'",
        "application.registry[Inner].port: expected a whole number, got 1.5",
        "application.process.umask: expected a whole number or None, got '022'",
    ]


def test_objects_in_a_cycle_and_deep_below_each_other_are_each_looked_at_once() -> None:
    first = Inner(port="x")  # type: ignore[arg-type]  # pyright: ignore
    first.again = Inner(again=first)
    assert told(first) == ["application.port: expected a whole number, got 'x'"]
    names = graph_of(first).names
    kind = next(iter(names))
    node: Any = None
    for number in range(100_000):
        above = instance_of(kind)
        above.state = {"port": "x" if number == 0 else 1, "again": node}
        node = above
    [problem] = check(Graph(node, names), EVERYTHING)
    assert problem.place == f"application{'.again' * 99_999}.port"


def test_fields_with_a_default_may_be_missing() -> None:
    graph = graph_of(Inner())
    del graph.root.state["port"]
    assert check(graph, EVERYTHING) == []


@pytest.mark.parametrize("kind", [typed.Price, typed.OpenPrice])
def test_a_field_without_a_default_that_is_missing_is_told(kind: Any) -> None:
    graph = graph_of([kind(Decimal(1))])
    assert check(graph, EVERYTHING) == []
    del graph.root[0].state["amount"]
    [problem] = check(graph, EVERYTHING)
    told = "application[0].amount: expected a decimal number, got nothing: the field is missing"
    assert str(problem) == told


@pytest.mark.parametrize("kind", [typed.Fleeting, typed.Thrifty])
def test_a_field_that_its_class_leaves_out_itself_is_not_missing(kind: Any) -> None:
    assert check(graph_of(kind(Decimal(1))), EVERYTHING) == []


def test_a_member_that_an_enumeration_does_not_have_is_told_with_those_there_are() -> None:
    graph = graph_of({"a": Colour.RED, "b": [Level.LOW]})
    assert check(graph, EVERYTHING) == []
    graph.root["a"].arguments = ("green",)
    graph.root["b"][0].arguments = (7,)
    assert [
        str(problem).replace(f"{typed.__name__}.", "") for problem in check(graph, EVERYTHING)
    ] == [
        "application[a]: expected 'red' or 'blue' for Colour, got 'green'",
        "application[b][0]: expected 1 for Level, got 7",
    ]
    graph = graph_of([typed.Guessed.ONE, typed.Flags.A | typed.Flags.B])
    graph.root[0].arguments = (2,)
    assert check(graph, EVERYTHING) == []


@pytest.mark.parametrize(
    ("item", "place", "value"),
    [
        (TCPEndpoint(1), "port", 99999),
        (ProcessSettings(), "umask", 0o7777),
        (Application("web"), "name", "../web"),
        (Restart(), "factor", 0),
    ],
)
def test_values_that_records_of_perdure_do_not_take_are_told(
    item: object, place: str, value: object
) -> None:
    [problem] = told(item, **{place: value})
    assert problem.startswith(f"application.{place}: expected another value, got {value!r} (")


@pytest.mark.parametrize("state", [None, "text", 3, [1], (1, 2, 3), ("a", "b")])
def test_a_state_that_is_no_dict_of_fields_is_left_to_restoring(state: object) -> None:
    graph = graph_of(Inner())
    graph.root.state = state
    assert check(graph, EVERYTHING) == []


def test_a_field_that_slots_do_not_have_is_told_with_those_there_are() -> None:
    graph = graph_of(Inner())
    graph.root.state = {"prot": 80, "again": None}
    [problem] = check(graph, EVERYTHING)
    assert str(problem) == "application.prot: expected one of its fields (port, again), got prot"
    graph.root.state = {80: Inner(), "port": 80}
    [problem] = check(graph, EVERYTHING)
    assert str(problem) == "application[80]: expected one of its fields (port, again), got 80"


def test_a_class_with_a_dict_takes_any_field_but_checks_those_it_knows() -> None:
    item = typed.Open()
    assert told(item, other=3) == []
    assert told(item, port="x") == ["application.port: expected a whole number, got 'x'"]


def test_an_exception_of_attrs_is_checked_though_it_is_saved_as_a_call() -> None:
    graph = graph_of(typed.FailureError(3))
    assert isinstance(graph.root, Call)
    graph.root.state = {"code": 3}
    assert check(graph, EVERYTHING) == []
    graph.root.state = {"code": "three"}
    [problem] = check(graph, EVERYTHING)
    assert problem.place == "application.code"


def test_an_open_file_is_saved_as_something_else_than_the_field_says(tmp_path: Path) -> None:
    with open(tmp_path / "log", "w", encoding="utf-8") as log:
        assert told(typed.Logged(log)) == []
        assert told(typed.Logged(log), lines="x") == [
            "application.lines: expected a whole number, got 'x'"
        ]


def test_a_class_that_reads_its_state_itself_is_listed_and_not_judged() -> None:
    assert examined(typed.Own(80)) == Examination(
        (), (Unchecked(f"{typed.__name__}:Own", "it has a __setstate__ of its own"),)
    )


def test_a_field_without_a_type_takes_anything() -> None:
    assert told(typed.Unsaid(), value=object()) == []


def test_classes_that_are_not_trusted_are_listed_and_never_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    graph = _of_a_module("untrusted_fields", tmp_path, monkeypatch)
    found = examine(graph, Policy.only().allows)
    assert found.problems == ()
    assert [str(each) for each in found.unchecked] == [
        (
            "untrusted_fields:Thing: its module is not trusted;"
            " say --trust untrusted_fields, if you trust who wrote it"
        )
    ]
    assert "untrusted_fields" not in sys.modules
    [problem] = check(graph, Policy.only(["untrusted_fields"]).allows)
    assert str(problem) == "application[0].port: expected a whole number, got 'x'"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("", "AttributeError: module 'failing_fields' has no attribute 'Thing'"),
    ],
)
def test_a_module_that_cannot_be_imported_is_listed(
    text: str, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    graph = _of_a_module("failing_fields", tmp_path, monkeypatch)
    (tmp_path / "failing_fields.py").write_text(text)
    found = examine(graph, EVERYTHING)
    remedy = "mend its module, or name another with --pythonpath"
    assert found == Examination((), (Unchecked("failing_fields:Thing", reason, remedy),))


def test_a_module_that_is_not_there_is_listed_with_the_way_to_find_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    graph = _of_a_module("missing_fields", tmp_path, monkeypatch)
    (tmp_path / "missing_fields.py").unlink()
    [unchecked] = examine(graph, EVERYTHING).unchecked
    assert unchecked.remedy == "say with --pythonpath in which folder its module is"


def test_a_value_of_a_class_that_cannot_be_known_is_let_pass() -> None:
    graph = graph_of(Wide[str](text=Text("x"), base=Derived(), any_call=Base().method))
    for allowed in (Wide, Base):
        name = allowed.__name__

        def allows(_module: str, found: str, name: str = name) -> bool:
            return found == name

        assert check(graph, allows) == []


def _of_a_module(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Graph:
    """The graph of a list of one object, whose class is in a module that was never imported."""
    monkeypatch.setattr(sys, "path", [str(folder), *sys.path])
    monkeypatch.delitem(sys.modules, name, raising=False)
    (folder / f"{name}.py").write_text(
        "import attrs\n\n@attrs.define\nclass Thing:\n    port: int = 80\n"
    )
    graph = graph_of([Inner()])
    thing: Instance = instance_of(graph.names.find(name, "Thing"))
    thing.state = {"port": "x"}
    return Graph([thing], graph.names)


def _built(*options: str) -> Application:
    """What ``mkapp web`` makes of `options`."""
    context = click.Command("web", params=list(KIND.options)).make_context("web", list(options))
    services = ServiceCollection([KIND.make(context.params)])
    return Application("web", services=services)


@pytest.mark.parametrize(
    "options",
    [
        ["--path", str(SAMPLE)],
        ["--path", str(SAMPLE), "--no-scripts", "--port", "0", "--port", "8081"],
        ["--path", str(SAMPLE), "-i", "about.html", "-m", "text/x", "--ignore-ext", ".html"],
        ["--path", str(SAMPLE), "--processor", ".x=perdure.app.web.static.withhold"],
        ["--path", str(SAMPLE), "--add-header", "A: b", "--logfile", "access.log"],
        ["--class", "perdure.app.web.resource.Resource", "--listen", "unix:/run/x.sock:mode=600"],
        ["--resource-script", str(SAMPLE / "counter.rpy"), "--listen", r"tcp:1:interface=\:\:1"],
    ],
)
def test_what_mkapp_builds_is_right(options: list[str]) -> None:
    application = _built(*options)
    application.process = ProcessSettings(uid="nobody", gid=65534, umask=0o77)
    application.paths = ["/srv/app"]
    assert examined(application) == Examination((), ())


def test_the_state_of_the_samples_is_right(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [str(SAMPLE), *sys.path])
    visits: Any = importlib.import_module("visits")

    registry = Registry()
    counter: Any = registry.get_component(visits.Counter, default=visits.Counter)
    counter.increment()
    book: Any = registry.get_component(visits.GuestBook, default=visits.GuestBook)
    book.sign("Ada", "I was here.")
    application = _built("--path", str(SAMPLE))
    application.registry.adopt(registry)
    assert examined(application) == Examination((), ())


def test_every_attrs_class_here_has_annotations_that_resolve() -> None:
    kinds = [kind for kind in vars(typed).values() if isinstance(kind, type) and attrs.has(kind)]
    assert len(kinds) > 5
    required = {typed.Price, typed.OpenPrice, typed.Fleeting, typed.Thrifty}
    for kind in set(kinds) - {Wide, typed.Own, *required}:
        assert examined(kind()).unchecked == ()
