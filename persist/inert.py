"""A first reading of a stranger's stream, in which nothing is imported and nothing is run.

The C unpickler reads the stream with a stand-in class for each name. What comes out is thrown away;
what counts is which names were asked for, and what was to be done with them.
"""

import io
import pickle
from collections.abc import Iterable, Mapping
from typing import Any, NoReturn, Self

from . import opcodes
from .opcodes import StreamError
from .values import SAFE_VALUES, Rule


class _StandIn:
    """Takes whatever an unpickler does to an instance, and keeps nothing.

    Identity serves as hash and equality, so that sets and keys work whatever the real class says.
    The methods have names for all their arguments: called on a stand-in class instead of an
    instance, as when a stream sets attributes of a class, they fail and the stream with them.
    """

    _rule: Rule | None = None
    _name = ""

    def __new__(cls, *arguments: Any, **keywords: Any) -> Self:
        if cls._rule is not None and (keywords or not cls._rule(arguments)):
            raise StreamError(f"{cls._name} is not made from such arguments")
        return object.__new__(cls)

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        pass

    def __setstate__(self, state: object) -> None:
        pass

    def __setitem__(self, key: object, value: object) -> None:
        pass

    def append(self, item: object) -> None:
        """Take a member."""

    def extend(self, items: Iterable[object]) -> None:
        """Take some members."""

    def add(self, item: object) -> None:
        """Take a member."""


class _Reader(pickle.Unpickler):
    def __init__(self, stream: bytes) -> None:
        super().__init__(io.BytesIO(stream), fix_imports=False)
        self.stand_ins: dict[tuple[str, str], type[_StandIn]] = {}

    def find_class(self, module_name: str, global_name: str, /) -> type[_StandIn]:
        known = self.stand_ins.get((module_name, global_name))
        if known is None:
            name = f"{module_name}:{global_name}"
            rule = SAFE_VALUES.get(name)
            content = {"_rule": None if rule is None else staticmethod(rule), "_name": name}
            known = type("_Named", (_StandIn,), content)
            self.stand_ins[module_name, global_name] = known
        return known

    def persistent_load(self, pid: Any, /) -> NoReturn:
        raise StreamError("it holds a persistent id")


def names_in(stream: bytes) -> Mapping[tuple[str, str], object]:
    """The (module, name) pairs that `stream` asks for, found without loading any of them.

    Raises `StreamError` if the stream is malformed, or asks a safe value for what is not safe.
    """
    opcodes.check(stream)
    reader = _Reader(stream)
    try:
        reader.load()
    except (StreamError, MemoryError):
        raise
    except Exception as error:
        raise StreamError(f"{type(error).__name__}: {error}") from error
    return reader.stand_ins
