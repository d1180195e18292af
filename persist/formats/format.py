"""What a syntax of snapshot files is to the rest: a name, and the two ways between file and content."""

import os
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, ClassVar, Protocol

import attrs

from ..errors import PerdureError

if TYPE_CHECKING:
    from ..content import Content, Snapshot
    from ..graph import Graph
    from ..passport import Passport
    from ..sealing import Seal
    from ..trust import Signer


@attrs.define
class FormatError(PerdureError):
    """The bytes of a file are not what its syntax allows; `snapshot` adds which file it was.

    `line` and `column` count from 1, for text; `offset` in bytes from 0, for the rest. `place` is
    where in the application, such as ``application.registry[visits.Counter].value``.
    """

    reason: str
    line: int | None = None
    column: int | None = None
    offset: int | None = None
    place: str | None = None
    exit_status: ClassVar[int] = os.EX_DATAERR

    def __str__(self) -> str:
        where = ""
        if self.line is not None:
            where = f"{self.line}: " if self.column is None else f"{self.line}:{self.column}: "
        elif self.offset is not None:
            where = f"byte {self.offset}: "
        return f"{where}{self.place}: {self.reason}" if self.place else f"{where}{self.reason}"


class Encode(Protocol):
    """Gives the pieces of a file, sealed if there is a seal."""

    def __call__(
        self,
        passport: "Passport",
        content: "Content",
        signer: "Signer | None",
        seal: "Seal | None" = None,
        /,
    ) -> Iterator[bytes]:
        """Raises FormatError for a content that cannot be written."""
        ...


@attrs.frozen
class Format:
    """One syntax. Its files are found by how they begin, never by their names."""

    name: str
    """``pickle``, ``xml`` or ``source``."""
    suffix: str
    """What a file's name has after ``.snap``, for people: nothing, or ``.xml``."""
    begins: tuple[bytes, ...]
    """How its files begin: one of these, after a byte-order mark and white space at most."""
    encode: Encode
    """The pieces of a file, sealed if there is a seal. Raises FormatError for a content that cannot
    be written in it."""
    decode: "Callable[[bytes], Snapshot]"
    """What the bytes of a file hold. Raises FormatError, and nothing else whatever they are."""
    locate: "Callable[[bytes, dict[int, int]], Graph] | None" = None
    """Like `decode`, of a text, noting by its id the line on which each object begins."""
