"""What a record of the journal says, read and not done."""

import io
import os
import pickle
from collections.abc import Sequence
from typing import Any, ClassVar, NoReturn, TypeGuard, cast

import attrs

from ..persist import opcodes
from ..persist.errors import PerdureError


@attrs.define
class ReplayError(PerdureError):
    """The record number `sequence` cannot be done again. `reason` says why.

    Those before it have been done; the application is not to be used.
    """

    exit_status: ClassVar[int] = os.EX_DATAERR
    sequence: int
    reason: str

    def __str__(self) -> str:
        return f"record {self.sequence} of the journal cannot be replayed: {self.reason}"


@attrs.frozen
class Turn:
    """A record: when it was written, in seconds since 1970, and what became of components."""

    time: float
    entries: tuple[tuple[str, str, Any], ...]


def read_turn(sequence: int, payload: bytes) -> Turn:
    """The record in `payload`: scalars and bytes, which nothing has to be trusted for.

    Raises `ReplayError` if it is none.
    """
    try:
        opcodes.check(payload)
        when, entries = _Reader(io.BytesIO(payload)).load()
        turn = Turn(float(when), tuple(entries))
        if all(_is_entry(*entry) for entry in turn.entries):
            return turn
    except Exception as error:
        raise ReplayError(sequence, f"it is damaged: {error or type(error).__name__}") from error
    raise ReplayError(sequence, "it is damaged: it has an entry of no known kind")


class _Reader(pickle.Unpickler):
    def find_class(self, module_name: str, global_name: str, /) -> NoReturn:
        raise pickle.UnpicklingError(f"it names {module_name}.{global_name}")


def is_call(given: object) -> TypeGuard[tuple[tuple[Any, ...], dict[str, Any]]]:
    # Of exactly these types: a range would go on for ever.
    shape = [*map(type, cast("tuple[object, ...]", given))] if type(given) is tuple else []
    return shape == [tuple, dict]


def _is_entry(key: object, kind: object, content: object) -> bool:
    if type(key) is not str or type(kind) is not str:
        return False
    if content is None:
        return kind == "gone"
    if not isinstance(content, tuple):
        return False
    shape = tuple(map(type, cast("tuple[object, ...]", content)))
    if kind == "folders":
        return set(shape) <= {str}
    if kind == "secret":
        return key == "" and all(
            isinstance(name, str) and all(isinstance(field, str) for field in fields)
            for name, fields in cast("tuple[tuple[object, Sequence[object]], ...]", content)
        )
    if kind == "shapes":
        return all(_is_pair(pair) for pair in cast("tuple[object, ...]", content))
    if kind == "state":
        return shape == (bytes, bytes)
    return kind == "command" and shape in _CALLS


def _is_pair(pair: object) -> bool:
    return type(pair) is tuple and tuple(map(type, cast("tuple[object, ...]", pair))) == (str, str)


_NONE = type(None)
_CALLS = {(str, float, seed, failure, bytes) for seed in (int, _NONE) for failure in (str, _NONE)}
