"""A pickle stream to a graph, and a graph to a pickle stream.

Both ways it is the C pickler's work. For reading, each name that the stream asks for is a `Global`, whose
instances take whatever an unpickler gives them. For writing, the pickler finds the names in its memo
already: the stream begins with all of them, which to a pickler would be impossible to look up.
"""

import io
import pickle
import struct
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, Final, cast

from . import keys, opcodes, trail
from .collector import collector_off
from .deep import DeepPickler, EndlessError, Memo
from .graph import Global, Graph, GraphError, Names, Node
from .opcodes import StreamError
from .reduction import PROTOCOL

__all__ = ["StreamError", "read", "write", "write_part"]

_NOTHING: Final[Mapping[str, object]] = MappingProxyType({})
_FIRST: Final = pickle.BINGET + b"\0"
_CALLED: Final = pickle.REDUCE + pickle.MEMOIZE + pickle.POP

# TUPLE3 in place of TUPLE2, so that the setter is in it, and then the persistent id of it instead of
# the call. No stream has persistent ids of its own: `opcodes.check` refuses them.
_CAUGHT_SETTER: Final = pickle.TUPLE3 + pickle.BINPERSID + pickle.POP


class _Reader(pickle.Unpickler):
    def __init__(self, stream: bytes, names: Names) -> None:
        super().__init__(io.BytesIO(stream), fix_imports=False)
        self.find_class = names.find  # type: ignore[method-assign]


class _CatchingReader(_Reader):
    """Also keeps what a state setter is called with, the result of which a stream drops."""

    def persistent_load(self, pid: Any, /) -> None:
        setter, item, state = pid
        if not isinstance(item, Node) or state is None:
            raise GraphError("a state setter is called as no pickler does")
        item.setter, item.state = setter, state


def read(stream: bytes, *, trusted: bool = False, names: Names | None = None) -> Graph:
    """The graph that `stream` holds. Nothing is imported, and nothing of the stream's is run.

    A stream `trusted` to be from this user's own pickler is not asked what its keys cost (see `keys`), which
    takes several times as long as to read it. `names` are those to find the names in, if there are
    such.

    Raises `StreamError` for whatever no pickler of protocol 4 or 5 writes: among it, what would
    take more memory than a small multiple of the stream's size. MemoryError passes.
    """
    # Of our own pickler's there is nothing to be found but setters, and hardly ever one.
    setters = opcodes.check(stream) if not trusted or opcodes.SETTER in stream else []
    if not trusted:
        keys.check(stream)
    names = Names() if names is None else names
    if setters:
        patched = bytearray(stream)
        for place in setters:
            patched[place : place + len(_CAUGHT_SETTER)] = _CAUGHT_SETTER
        reader: _Reader = _CatchingReader(bytes(patched), names)
    else:
        reader = _Reader(stream, names)
    try:
        with collector_off():
            return Graph(reader.load(), names)
    except MemoryError:
        raise
    except (GraphError, pickle.UnpicklingError) as error:
        raise StreamError(str(error)) from error
    except Exception as error:
        raise StreamError(f"{type(error).__name__}: {error}") from error


def write(graph: Graph) -> bytes:
    """The stream of `graph`, protocol 5, at any depth. Two isomorphic graphs may have different ones.

    Raises `GraphError` if it has a loop that cannot be built, or a node of an impossible shape.
    """
    try:
        with collector_off():
            return _write(graph.root, graph.names)
    except EndlessError as error:
        raise GraphError(f"{trail.find(graph.root, error.item)}: {error}") from error
    except pickle.PicklingError as error:
        raise GraphError(str(error)) from error


def write_part(
    root: object, names: Iterable[Global], referred: Global, references: Mapping[str, object]
) -> bytes:
    """As `write`, for a part of a graph: what is among the `references` is written as one.

    A reference is a call of `referred` with its text. `names` are at least those of the part.
    """
    try:
        with collector_off():
            return _write(root, dict.fromkeys([referred, *names]), references)
    except EndlessError as error:
        raise GraphError(f"a part of it: {error}") from error
    except pickle.PicklingError as error:
        raise GraphError(str(error)) from error


def _write(
    root: object, names: Iterable[Global], references: Mapping[str, object] = _NOTHING
) -> bytes:
    named = dict.fromkeys(names)
    memo: Memo = {id(name): (number, name) for number, name in enumerate(named)}
    pieces = [_named(name) for name in named]
    for text, item in references.items():
        # The function that is called has the number 0, and each text one that nobody asks for.
        memo[id(item)] = (len(memo), item)
        pieces.append(b"".join((_FIRST, _text(text), pickle.TUPLE1, _CALLED)))
    head = b"".join(pieces)
    pieces = _Pieces()
    pickler = pickle.Pickler(pieces, PROTOCOL)
    pickler.memo = cast("Any", memo)
    try:
        pickler.dump(root)
    except RecursionError:
        return DeepPickler(head, memo).dump(root)
    protocol, rest = pieces[0][:2], pieces[0][2:]
    return b"".join((protocol, head, rest, *pieces[1:]))


class _Pieces(list[bytes]):
    write = list[bytes].append


def _named(name: Global) -> bytes:
    return b"".join(
        (_text(name.module), _text(name.name), pickle.STACK_GLOBAL, pickle.MEMOIZE, pickle.POP)
    )


def _text(text: str) -> bytes:
    data = text.encode("utf-8", "surrogatepass")
    if len(data) < 256:
        return pickle.SHORT_BINUNICODE + bytes([len(data)]) + data
    return pickle.BINUNICODE + struct.pack("<I", len(data)) + data
