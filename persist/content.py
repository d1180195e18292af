"""What a snapshot holds, as a stream or as a graph, and the snapshot that holds it."""

import os
from collections.abc import Sequence
from typing import ClassVar, Self

import attrs

from .formats.format import FormatError
from .graph import Graph, GraphError
from .opcodes import StreamError
from .passport import Passport
from .sealing import Envelope, Seal
from .trust import Policy, Signer


@attrs.define
class SealedContentError(FormatError):
    """What is sealed was asked for, and nobody has opened it."""

    exit_status: ClassVar[int] = os.EX_NOPERM


@attrs.frozen(eq=False)
class Sealed:
    """The content of a snapshot that is sealed: a block, and all of the file before it."""

    envelope: Envelope
    head: bytes = attrs.field(repr=False)
    block: memoryview = attrs.field(repr=False)


@attrs.define(eq=False)
class Content:
    """One content in two forms, each made from the other when it is first asked for, and kept.

    Nothing of it is imported or run by that.
    """

    _stream: bytes | None = attrs.field(default=None, repr=False)
    _graph: Graph | None = None
    _is_own: bool = False
    _is_sealed: bool = False

    @classmethod
    def of_sealed(cls) -> Self:
        """One of which nothing is known, since it is sealed: asking for it raises."""
        made = cls()
        made._is_sealed = True
        return made

    @classmethod
    def of_stream(cls, stream: bytes) -> Self:
        """The content of a pickle stream."""
        return cls(stream, None)

    @classmethod
    def of_graph(cls, graph: Graph) -> Self:
        """The content of a graph, which must not be changed any more."""
        return cls(None, graph)

    def believe(self) -> None:
        """This user's own pickler wrote the stream: do not look for keys that take years to hash."""
        self._is_own = True

    @property
    def stream(self) -> bytes:
        """The pickle stream. Raises FormatError if the graph is one that none can build."""
        if self._stream is None:
            from . import concealment, graphstream

            self._check_open()
            assert self._graph is not None
            concealment.check_open(self._graph)
            try:
                self._stream = graphstream.write(self._graph)
            except GraphError as error:
                raise FormatError(f"no objects can be made of this: {error}") from error
        return self._stream

    @property
    def graph(self) -> Graph:
        """The graph. Raises FormatError if the stream is none that a pickler writes."""
        if self._graph is None:
            from . import graphstream

            self._check_open()
            assert self._stream is not None
            try:
                self._graph = graphstream.read(self._stream, trusted=self._is_own)
            except (StreamError, GraphError) as error:
                raise FormatError(f"the content is not a stream of objects: {error}") from error
        return self._graph

    def copied(self) -> Graph:
        """The graph once more, for the caller to change. Raises FormatError as `stream`."""
        from . import graphstream

        try:
            stream = self._stream or graphstream.write(self.graph)
        except GraphError as error:
            raise FormatError(f"no objects can be made of this: {error}") from error
        return graphstream.read(stream, trusted=self._is_own or self._graph is not None)

    @property
    def names(self) -> tuple[str, ...]:
        """Every class and function that the graph names, sorted. Raises FormatError as `graph`."""
        return tuple(sorted(map(str, self.graph.names)))

    def _check_open(self) -> None:
        if self._is_sealed:
            raise SealedContentError("it is sealed, and was not opened: it takes its key")


@attrs.frozen(eq=False)
class Snapshot:
    """What a snapshot file holds, whole and undamaged, but not yet believed.

    `digest` names this very file: for a binary one its checksum, for text the SHA-256 of all of it.
    `signer_key` is the key whose signature was checked and covers it, or None if there is none.
    `syntax` is the name of its `Format`. `voided_by` is None but where a signature does not
    cover it any more: then the names that were added, or none if it is the passport that was changed.

    Of one that is `sealed` the passport says little, and there is no content, until it is opened with
    `seal`. The digest and the signature are those of the sealed file.
    """

    passport: Passport
    content: Content = attrs.field(repr=False)
    digest: bytes
    signer_key: bytes | None
    syntax: str
    voided_by: tuple[str, ...] | None = None
    sealed: Sealed | None = None
    seal: Seal | None = None

    @property
    def stream(self) -> bytes:
        """The content as a pickle stream. Raises FormatError (see `Content`)."""
        return self.content.stream

    def is_signed_by(self, signer: Signer) -> bool:
        """Whether `signer` signed it: then it is this user's own work."""
        return self.signer_key == signer.public

    def policy(self, signer: Signer, trusted: Sequence[str] = ()) -> Policy:
        """Everything may load if `signer` signed it; else only what is safe and `trusted` modules."""
        return Policy.everything() if self.is_signed_by(signer) else Policy.only(trusted)

    def folders(self, signer: Signer) -> tuple[str, ...]:
        """The folders to look for modules in: none, if a stranger named them."""
        return self.passport.paths if self.is_signed_by(signer) else ()
