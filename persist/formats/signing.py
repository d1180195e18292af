"""What both text syntaxes do about a signature: sign what is written, and look at who signed what is read."""

import hashlib

import attrs

from .. import mandate
from ..content import Content, Snapshot
from ..graph import Graph
from ..mandate import Signature
from ..passport import Passport
from ..survey import Survey, survey
from ..trust import Signer
from . import armor


def signed(
    passport: Passport, graph: Graph, signer: Signer | None
) -> tuple[Passport, Signature | None, Survey]:
    """`passport` with all that `graph` names, its signature if there is a signer, and the graph's survey."""
    looked = survey(graph.root)
    passport = attrs.evolve(passport, names=mandate.names_of(graph, looked))
    return passport, None if signer is None else mandate.sign(passport, signer), looked


def opened(
    data: bytes, syntax: str, passport: Passport, signature: Signature | None, graph: Graph
) -> Snapshot:
    """The snapshot of which all this was read in `data`. Raises FormatError for what was sealed."""
    if passport.sealed:
        return armor.opened(data, syntax, passport, graph)
    holder, voided_by = mandate.holder(passport, signature, graph)
    digest = hashlib.sha256(data).digest()
    return Snapshot(passport, Content.of_graph(graph), digest, holder, syntax, voided_by)
