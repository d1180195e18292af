"""Why an object of some kind cannot be saved, in a person's words, and what to do instead."""

import os
import sys
from collections.abc import Iterator
from typing import Any, Final

from .reduction import class_of

_ANEW = "anew"
_REOPEN = "reopen"

# module, class, what a person calls it, the way out. Looked up in what is imported already: an
# object of a class that nobody has imported does not exist.
_RESOURCES: Final = (
    ("io", "IOBase", "an open file", _REOPEN),
    ("_io", "_IOBase", "an open file", _REOPEN),
    ("tempfile", "_TemporaryFileWrapper", "a temporary file", _ANEW),
    ("logging", "Handler", "a log handler", _ANEW),
    ("threading", "Thread", "a thread", _ANEW),
    ("threading", "Condition", "a condition of threads", _ANEW),
    ("threading", "Event", "an event of threads", _ANEW),
    ("threading", "Semaphore", "a semaphore", _ANEW),
    ("threading", "Barrier", "a barrier of threads", _ANEW),
    ("threading", "local", "data of one thread", _ANEW),
    ("_thread", "LockType", "a lock", _ANEW),
    ("_thread", "RLock", "a lock", _ANEW),
    ("threading", "_RLock", "a lock", _ANEW),
    ("queue", "Queue", "a queue of threads", _ANEW),
    ("queue", "SimpleQueue", "a queue of threads", _ANEW),
    ("socket", "socket", "a socket", _ANEW),
    ("ssl", "SSLContext", "a TLS context", _ANEW),
    ("select", "epoll", "a selector", _ANEW),
    ("selectors", "BaseSelector", "a selector", _ANEW),
    ("mmap", "mmap", "a mapped file", _ANEW),
    ("subprocess", "Popen", "a running process", _ANEW),
    ("sqlite3", "Connection", "an open database", _ANEW),
    ("sqlite3", "Cursor", "a cursor of a database", _ANEW),
    ("asyncio", "AbstractEventLoop", "an event loop", _ANEW),
    ("asyncio", "Task", "a running task", _ANEW),
    ("asyncio", "Future", "a future", _ANEW),
    ("asyncio", "Handle", "a scheduled call", _ANEW),
    ("asyncio", "BaseTransport", "a network connection", _ANEW),
    ("asyncio", "StreamWriter", "a network connection", _ANEW),
    ("asyncio", "AbstractServer", "a listening server", _ANEW),
    ("concurrent.futures", "Executor", "an executor", _ANEW),
    ("concurrent.futures", "Future", "a future", _ANEW),
    ("contextvars", "Context", "a context", _ANEW),
    ("contextvars", "ContextVar", "a context variable", "hold it in a module, not in an object"),
    ("weakref", "ReferenceType", "a weak reference", _ANEW),
    ("weakref", "WeakValueDictionary", "a weak dictionary", _ANEW),
    ("weakref", "WeakKeyDictionary", "a weak dictionary", _ANEW),
    ("weakref", "WeakSet", "a weak set", _ANEW),
    ("types", "GeneratorType", "a generator", "hold what it takes to start it again instead"),
    ("types", "AsyncGeneratorType", "a generator", "hold what it takes to start it again instead"),
    ("types", "CoroutineType", "a coroutine", "hold what it takes to start it again instead"),
    ("types", "ModuleType", "a module", "hold its name, or import it where it is used"),
    ("types", "FrameType", "a running frame", _ANEW),
    ("types", "TracebackType", "a traceback", "hold its text (traceback.format_exception) instead"),
    ("types", "CodeType", "compiled code", "hold its source, or name a function instead"),
    ("types", "MappingProxyType", "a read-only view of a dict", "hold the dict, or a copy, instead"),
    ("types", "CellType", "a closure", "use an instance of a class instead"),
    ("builtins", "memoryview", "a view of memory", "hold bytes(...) of it instead"),
    ("builtins", "property", "a property", "hold what it gives instead"),
    ("collections.abc", "KeysView", "a view of a dict", "hold list(...) of it instead"),
    ("collections.abc", "ValuesView", "a view of a dict", "hold list(...) of it instead"),
    ("collections.abc", "ItemsView", "a view of a dict", "hold list(...) of it instead"),
)  # fmt: skip


def resource_of(item: object) -> tuple[str, str] | None:
    """What a person calls `item`, and the way out, if it is of a kind known not to be saved."""
    kind = type(item)
    for module, name, phrase, way_out in _RESOURCES:
        known = getattr(sys.modules.get(module), name, None)
        if isinstance(known, type) and issubclass(kind, known):
            return phrase, way_out
    return None


def advise(item: Any, field: str | None, refusal: Exception) -> tuple[str, str]:
    """The reason why `item`, the value of `field`, was refused with `refusal`; and the remedy."""
    kind = class_of(item)
    known = resource_of(item)
    if known is not None:
        phrase, way_out = known
        return f"{phrase} cannot be saved", _remedy(way_out, field)
    method = _method_that_raised(refusal)
    said = f"{type(refusal).__name__}: {refusal}"
    if method is not None:
        return f"its {method}() raised {said}", "mend that method"
    if isinstance(item, Iterator):
        return (
            f"an iterator ({kind.__qualname__}) cannot be saved",
            "hold list(...) of what it goes through instead",
        )
    if isinstance(refusal, TypeError):
        name = f"{kind.__module__}.{kind.__qualname__}"
        return f"an object of {name} cannot be saved ({refusal})", _remedy(_ANEW, field)
    return f"it cannot be saved ({said})", _remedy(_ANEW, field)


def _remedy(way_out: str, field: str | None) -> str:
    if field is None and way_out in (_ANEW, _REOPEN):
        return "hold it in a field, and leave that out with @persistent(transient=(...,))"
    declared = repr((field,))
    if way_out == _REOPEN:
        return f"declare it with @persistent(reopen={declared}), or transient={declared} to leave it out"
    if way_out == _ANEW:
        return (
            f"leave it out with @persistent(transient={declared}) and make it again when restored"
        )
    return way_out


def _method_that_raised(refusal: Exception) -> str | None:
    """The method of the object's own that let `refusal` out, if its own code ran at all."""
    here = os.path.dirname(__file__)
    traceback = refusal.__traceback__
    while traceback is not None:
        code = traceback.tb_frame.f_code
        if os.path.dirname(code.co_filename) != here and code.co_filename != _COPYREG:
            return code.co_name
        traceback = traceback.tb_next
    return None


_COPYREG: Final = str(sys.modules["copyreg"].__file__)
