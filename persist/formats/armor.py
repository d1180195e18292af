"""What both text syntaxes do about a sealed snapshot: its binary form in base64 stands for the application.

The passport above it is that of the binary form, and says no more. It is there to be read; what counts
is what the signature in the binary form covers, so that a passport that was changed is refused.
"""

import base64
import binascii
import hashlib

import attrs

from ..content import Content, Snapshot
from ..graph import Graph, Names
from ..passport import Passport
from ..sealing import Seal
from ..trust import Signer
from . import pickled
from .format import FormatError

_DAMAGED = "the sealed content is damaged ({}); take a copy, or an earlier generation"


def armored(
    passport: Passport, content: Content, signer: Signer | None, seal: Seal
) -> tuple[Passport, Content]:
    """The passport and the content of a text in which `content` is sealed and signed."""
    data = b"".join(pickled.encode(passport, content, signer, seal))
    text = base64.encodebytes(data).decode("ascii")
    return passport.outside(str(seal.envelope)), Content.of_graph(Graph(text, Names()))


def opened(data: bytes, syntax: str, passport: Passport, graph: Graph) -> Snapshot:
    """The sealed snapshot of which this was read in `data`. Raises FormatError."""
    if type(graph.root) is not str:
        raise FormatError(_DAMAGED.format("there is something else in its place"))
    try:
        binary = base64.b64decode("".join(graph.root.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise FormatError(_DAMAGED.format(f"it is not base64: {error}")) from error
    try:
        found = pickled.decode(binary)
    except FormatError as error:
        raise FormatError(error.reason) from error
    if found.passport != passport:
        raise FormatError(
            "the passport was changed since it was sealed; put back what was changed, or take a copy"
        )
    return attrs.evolve(found, digest=hashlib.sha256(data).digest(), syntax=syntax)
