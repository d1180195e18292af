"""The same in the journal of a stranger, whose records are done again under the policy of the run."""

import pickle
import time
from typing import Any

import pytest

from perdure.app.application import Application
from perdure.app.mutations import mutation
from perdure.app.records import ReplayError
from perdure.app.replay import replay
from perdure.persist.restore import RestoreError, TrustError
from perdure.persist.trust import Policy

from ..persist.streams import called, named, number, stream, text
from .conftest import Canary
from .techniques import ALL, HERE, get, listed

ONLY = Policy.only([HERE, __name__])
KEY = f"{__name__}.Till"
KEPT = stream(named(HERE, "Kept"))
CALL = stream(pickle.EMPTY_TUPLE + pickle.EMPTY_DICT + pickle.TUPLE2)


class Till:
    """A component with a mutation."""

    def __init__(self) -> None:
        self.sum = 0

    @mutation
    def put(self, *amounts: int) -> None:
        """Add to the sum."""
        self.sum += sum(amounts)


def done(key: str, kind: str, content: Any) -> Application:
    """An application to which a record with that entry was done. Raises `RestoreError` for a parked one."""
    application = Application("web")
    application.registry.set_component(Till, Till())
    payload = pickle.dumps((time.time(), ((key, kind, content),)), 5)
    # What cannot be restored may be parked, and is then not run either.
    replayed: Any = replay(application, [(1, payload)], ONLY)
    failing = getattr(replayed, "failing", None)
    if failing:
        raise RestoreError("", failing[key], "take an earlier snapshot")
    return application


REFUSALS = (TrustError, RestoreError, ReplayError)


# A record is the place of references.
@pytest.mark.parametrize("name", [name for name in ALL if name != "a reference out of place"])
def test_a_record_is_refused_before_anything_runs(name: str, canary: Canary) -> None:
    trick = ALL[name]
    entries = {
        "whole": ("a.B", "state", (b"", trick)),
        "made": ("a.B", "state", (trick or b"\x80\x04", CALL)),
        "given": ("a.B", "state", (KEPT, trick)),
        "called": (KEY, "command", ("put", time.time(), None, None, trick)),
        "called by chance": (KEY, "command", ("put", time.time(), 1, None, trick)),
    }
    for entry in entries.values():
        with pytest.raises(REFUSALS):
            done(*entry)


@pytest.mark.parametrize("name", ALL)
def test_a_payload_that_is_such_a_stream_is_refused(name: str, canary: Canary) -> None:
    with pytest.raises(ReplayError):
        replay(Application("web"), [(1, ALL[name])], ONLY)


SITE = stream(named("perdure.app.web.site", "Site"))
RANGE = called(named("builtins", "range"), number(10**12))
NOTE = named(HERE, "note")
N = pickle.NONE


def given(*parts: bytes) -> bytes:
    return stream(pickle.MARK, *parts, pickle.TUPLE)


def fields(*pairs: bytes) -> bytes:
    return pickle.EMPTY_DICT + pickle.MARK + b"".join(pairs) + pickle.SETITEMS


# The class and what its object is given come apart in a record: what is judged is both together.
APART: dict[str, tuple[bytes, bytes]] = {
    "a field in the place of a method": (SITE, given(fields(text("check"), NOTE))),
    "a field of no name": (SITE, given(fields(number(1), N))),
    "a field of slots": (SITE, given(N + fields(text("check"), NOTE) + pickle.TUPLE2)),
    "members of a data class": (SITE, given(N, listed(number(1)), N)),
    "items of a data class": (SITE, given(N, N, listed(text("a") + N + pickle.TUPLE2))),
    "a setter": (SITE, given(text("touch canary"), N, N, named("os", "system"))),
    "a setter that is a value": (SITE, given(N, N, N, named("builtins", "bytearray"))),
    "a setter that is an object": (SITE, given(N, N, N, called(named("types", "SimpleNamespace")))),
    "the setter that gives methods": (SITE, given(text("a"), N, N, named("builtins", "getattr"))),
    "more than there is": (KEPT, given(N, N, N, N, N)),
    "members without end": (KEPT, given(N, RANGE)),
    "items without end": (KEPT, given(N, N, RANGE)),
    "parts without end": (KEPT, stream(RANGE)),
    "parts of a text": (KEPT, stream(text("abcd"))),
    "items that are none": (KEPT, given(N, N, listed(number(1)))),
    "an object for a class": (stream(called(named("types", "SimpleNamespace"))), given(N)),
    "a text for a class": (stream(text("a")), given(N)),
    "a function of Python": (stream(named("builtins", "getattr")), given(N)),
    "a uuid of a deep tuple": (
        stream(named("uuid", "UUID")),
        given(fields(text("int"), pickle.EMPTY_TUPLE + pickle.TUPLE1 * 300_000)),
    ),
    "a namespace with a state that is called": (
        stream(named("types", "SimpleNamespace")),
        given(fields(text("__setstate__"), NOTE)),
    ),
}


@pytest.mark.parametrize("name", APART)
def test_what_a_component_may_not_be_given_is_refused(name: str, canary: Canary) -> None:
    with pytest.raises(REFUSALS):
        done("a.B", "state", APART[name])


@pytest.mark.parametrize(
    "arguments",
    [
        RANGE + pickle.EMPTY_DICT + pickle.TUPLE2,
        pickle.EMPTY_TUPLE + listed() + pickle.TUPLE2,
        text("ab"),
        number(1),
        N,
        pickle.EMPTY_TUPLE + pickle.EMPTY_DICT + N + pickle.TUPLE3,
    ],
)
def test_what_is_no_call_is_refused(arguments: bytes, canary: Canary) -> None:
    with pytest.raises(ReplayError, match="it does not say what put is called with"):
        done(KEY, "command", ("put", time.time(), None, None, stream(arguments)))


@pytest.mark.parametrize("name", ["__init__", "__setattr__", "sum", "get", "__class__", "a.b", ""])
def test_only_mutations_are_called(name: str, canary: Canary) -> None:
    with pytest.raises(ReplayError, match="has no mutation"):
        done(KEY, "command", (name, time.time(), None, None, CALL))


def test_copies_in_a_record_are_counted(canary: Canary) -> None:
    part = pickle.MEMOIZE + listed(*[N] * 50_000) + pickle.TUPLE1 + pickle.MEMOIZE + pickle.POP
    copies = (get(0) + get(1) + pickle.REDUCE) * 1_000
    trick = named("collections", "deque") + part + pickle.POP + listed(copies)
    for entry in ((b"", stream(trick)), (KEPT, given(fields(text("a"), trick)))):
        with pytest.raises(RestoreError, match="made of the same parts"):
            done("a.B", "state", entry)


def test_an_honest_strangers_records_are_replayed(canary: Canary) -> None:
    good = given(fields(text("value"), number(3)))
    restored = done(f"{HERE}.Kept", "state", (KEPT, good))
    assert [
        vars(each)["value"] for key, each in restored.registry.components.items() if "Kept" in key
    ] == [3]
    called_twice = stream(number(3) + number(4) + pickle.TUPLE2 + pickle.EMPTY_DICT + pickle.TUPLE2)
    till = done(KEY, "command", ("put", time.time(), None, None, called_twice))
    found = till.registry.get_component(Till)
    assert found is not None
    assert found.sum == 7
