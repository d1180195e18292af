"""What both text syntaxes do about a signature: seal what is written, and look at the seal of what is read."""

import hashlib

import attrs

from .. import mandate
from ..content import Content, Snapshot
from ..graph import Graph
from ..mandate import Seal
from ..passport import Passport
from ..survey import Survey, survey
from ..trust import Signer


def sealed(
    passport: Passport, graph: Graph, signer: Signer | None
) -> tuple[Passport, Seal | None, Survey]:
    """`passport` with all that `graph` names, its seal if there is a signer, and the graph's survey."""
    looked = survey(graph.root)
    passport = attrs.evolve(passport, names=mandate.names_of(graph, looked))
    return passport, None if signer is None else mandate.sign(passport, signer), looked


def opened(
    data: bytes, syntax: str, passport: Passport, seal: Seal | None, graph: Graph
) -> Snapshot:
    """The snapshot of which all this was read in `data`."""
    holder, voided_by = mandate.holder(passport, seal, graph)
    digest = hashlib.sha256(data).digest()
    return Snapshot(passport, Content.of_graph(graph), digest, holder, syntax, voided_by)
