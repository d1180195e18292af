"""An object that cannot be saved is named by its path, with the reason and the way out."""

import asyncio
import io
import logging
import queue
import socket
import subprocess
import sys
import threading
import types
import weakref
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest

from perdure.persist.capture import CaptureError, capture

from . import models
from .models import Data, Defined, Plain, Registry, Slotted, function

EX_DATAERR = 65


def refusal(root: object, **options: str) -> CaptureError:
    with pytest.raises(CaptureError) as caught:
        capture(root, **options)
    return caught.value


def test_the_message_is_path_reason_and_remedy(tmp_path: Path) -> None:
    with open(tmp_path / "log", "w", encoding="utf-8") as log:
        records = Plain(log=log)
        root = Plain(registry=Registry({"visits.Records": records}))
        error = refusal(root)
        assert str(error) == (
            "application.registry[visits.Records].log: an open file cannot be saved; declare it with"
            " @persistent(reopen=('log',)), or transient=('log',) to leave it out"
        )
        assert error.path == "application.registry[visits.Records].log"
        assert error.type_name == "_io.TextIOWrapper"
        assert error.exit_status == EX_DATAERR
        assert refusal(root, name="web").path == "web.registry[visits.Records].log"


def lock() -> Any:
    return threading.Lock()


def slots() -> Slotted:
    made = Slotted()
    made.left = lock()
    return made


def keyed() -> dict[Any, Any]:
    return {(1, lock()): 1}


def mylist() -> models.MyList:
    return models.MyList([1, lock()])


def mydict() -> models.MyDict:
    return models.MyDict(a=lock())


@pytest.mark.parametrize(
    ("make", "path"),
    [
        (lock, "application"),
        (lambda: Plain(a=[1, {"b": (2, lock())}]), "application.a[1]['b'][1]"),
        (lambda: Defined(lock()), "application.left"),
        (lambda: Data(lock()), "application.left"),
        (slots, "application.left"),
        (lambda: {models.Plain: lock()}, f"application[{models.__name__}.Plain]"),
        (lambda: {b"x" * 99: lock()}, f"application[b'{'x' * 38}...]"),
        (lambda: {models.Pair(1, 2): lock()}, "application[<Pair>]"),
        (keyed, "application.keys()[<tuple>][1]"),
        (lambda: {lock()}, "application{<lock>}"),
        (mylist, "application[1]"),
        (mydict, "application['a']"),
        (lambda: Plain(far=[[[lock()]]], near=lock()), "application.near"),
        (lambda: types.SimpleNamespace(a=lock()), "application.a"),
        (lambda: [models.Plain(a=lock()).method], "application[0].__reduce__()[0].a"),
    ],
)
def test_the_path_is_the_shortest_one(make: Callable[[], object], path: str) -> None:
    assert refusal(make()).path == path


def test_a_path_deeper_than_any_recursion_is_found() -> None:
    root: list[Any] = [lock()]
    for _ in range(20_000):
        root = [root]
    assert refusal(root).path == "application" + "[0]" * 20_001


def generator() -> Iterator[int]:
    yield 1


async def agenerator() -> AsyncIterator[int]:
    yield 1


def local_function() -> object:
    def inside() -> None: ...

    return inside


def local_class() -> type:
    class Inside: ...

    return Inside


def in_main(kind: str) -> object:
    if kind == "class":
        return type("Mine", (), {"__module__": "__main__"})
    made = types.FunctionType(function.__code__, {}, "mine")
    made.__module__ = "__main__"
    made.__qualname__ = "mine"
    return made


def replaced() -> type:
    return type("Plain", (), {"__module__": models.__name__, "__qualname__": "Plain"})


def frame() -> object:
    return sys._getframe()  # pyright: ignore[reportPrivateUsage]


@pytest.mark.parametrize(
    ("make", "reason", "remedy"),
    [
        (lock, "a lock", "leave it out with @persistent(transient=('field',))"),
        (threading.RLock, "a lock", "make it again when restored"),
        (threading.Thread, "a thread", "make it again when restored"),
        (threading.Event, "an event of threads", "transient"),
        (threading.Condition, "a condition of threads", "transient"),
        (queue.Queue, "a queue of threads", "transient"),
        (generator, "a generator", "hold what it takes to start it again"),
        (agenerator, "a generator", "hold what it takes to start it again"),
        (lambda: types, "a module", "hold its name"),
        (frame, "a running frame", "transient"),
        (lambda: function.__code__, "compiled code", "hold its source"),
        (lambda: models.Plain.__dict__, "a read-only view of a dict", "hold the dict"),
        (lambda: vars(models.Plain()).keys(), "a view of a dict", "hold list(...)"),
        (lambda: memoryview(b"a"), "a view of memory", "hold bytes(...)"),
        (lambda: weakref.ref(models.Plain), "a weak reference", "transient"),
        (logging.StreamHandler, "a log handler", "transient"),
        (lambda: property(), "a property", "hold what it gives"),
        (lambda: lambda: None, "a lambda has no name to be found by", "defined with def"),
        (local_function, "is defined inside a function", "at the top level of its module"),
        (local_class, "is defined inside a function", "at the top level of its module"),
        (lambda: local_class()(), "is defined inside a function", "at the top level"),
        (lambda: in_main("class"), "the class Mine belongs to the program", "a module of its own"),
        (lambda: in_main("function"), "the function mine belongs to the", "a module of its own"),
        (replaced, "leads to something else, not to this class", "leave the name as it was"),
        (models.RaisesInGetstate, "its __getstate__() raised LookupError: no state today", "mend"),
        (models.RaisesInReduce, "its __reduce__() raised LookupError: nothing to", "mend"),
        (models.ReducesToNonsense, "__reduce__ returned neither a string nor", "make it again"),
        (models.FailsBefore, "its before_capture() raised LookupError: not now", "mend"),
    ],
)
def test_the_reason_and_the_remedy_are_plain(
    make: Callable[[], object], reason: str, remedy: str
) -> None:
    error = refusal(Plain(field=make()))
    assert error.path.startswith("application.field")
    assert reason in error.reason
    assert remedy in error.remedy


def test_sockets_processes_and_tasks_are_named() -> None:
    async def scenario() -> list[CaptureError]:
        task = asyncio.ensure_future(asyncio.sleep(60))
        coroutine = asyncio.sleep(0)
        loop = asyncio.get_running_loop()
        try:
            held = [task, coroutine, loop, loop.create_future()]
            return [refusal(Plain(field=item)) for item in held]
        finally:
            task.cancel()
            coroutine.close()

    reasons = [error.reason for error in asyncio.run(scenario())]
    assert [reason.removesuffix(" cannot be saved") for reason in reasons] == [
        "a running task",
        "a coroutine",
        "an event loop",
        "a future",
    ]
    with socket.socket() as plug:
        assert refusal(Plain(field=plug)).reason == "a socket cannot be saved"
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        error = refusal(Plain(field=process))
    assert (error.path, error.reason) == (
        "application.field",
        "a running process cannot be saved",
    )


def test_a_class_of_such_a_kind_with_its_own_way_to_be_saved_is_saved() -> None:
    class OwnThread(threading.Thread):
        def __reduce__(self) -> Any:
            return Plain, ()

    capture([OwnThread(), models.Handle()])


def test_binary_and_text_files_are_files(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"abc")
    for mode, buffering in (("rb", -1), ("rb", 0), ("r+b", -1), ("wb", -1), ("r", -1)):
        with open(path, mode, buffering) as file:
            assert refusal(Plain(log=file)).reason == "an open file cannot be saved"
    capture(io.StringIO("text"))
    capture(io.BytesIO(b"data"))


def test_the_cause_is_what_the_object_itself_has_raised() -> None:
    assert isinstance(refusal([models.RaisesInGetstate()]).__cause__, LookupError)


@attrs.define
class Once:
    """Can be saved the second time only."""

    tries: list[int]

    def __getstate__(self) -> dict[str, object]:
        self.tries.append(1)
        if len(self.tries) == 1:
            raise LookupError("not the first time")
        return {}

    def __setstate__(self, state: object) -> None: ...


def test_a_refusal_that_does_not_come_again_is_told_as_it_was() -> None:
    error = refusal(Once([]))
    assert error.path == "application"
    assert "LookupError: not the first time" in error.reason
