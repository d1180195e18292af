"""What the signature of a snapshot in text covers: not the bytes, since a person edits values.

It covers the passport, and in the passport the names: of every class and function that the content
names, and of every method that is bound in it. So who edits values keeps the mandate of who signed,
to load those names and call those methods. A content that names anything more, and a passport that
was changed in any way, are a stranger's.

Signed is the SHA-256 of one line of text and the JSON of the passport, ordered and without spaces::

    perdure text snapshot
    {"application":"web","format":1,"holds":"state",...}
"""

import hashlib
import json
from typing import Any

import attrs

from .graph import SCALARS, Call, Global, Graph, Instance
from .passport import Passport
from .survey import parts
from .trust import Signer, verify

_PURPOSE = b"perdure text snapshot\n"
_METHOD = "builtins:getattr"


@attrs.frozen
class Seal:
    """The public `key` of a signer, 32 bytes, and the `signature`, 64 bytes (Ed25519)."""

    key: bytes
    signature: bytes


def sign(passport: Passport, signer: Signer) -> Seal:
    """The seal of `signer` for a content that names no more than ``passport.names``."""
    return Seal(signer.public, signer.sign(_digest(passport)))


def holder(passport: Passport, seal: Seal | None, graph: Graph) -> bytes | None:
    """The key whose `seal` covers `passport` and all that `graph` names; None if none does."""
    if seal is None or not verify(seal.key, _digest(passport), seal.signature):
        return None
    return None if added_names(passport, graph) else seal.key


def added_names(passport: Passport, graph: Graph) -> tuple[str, ...]:
    """What `graph` names beyond ``passport.names``: something was written into it by hand."""
    known = set(passport.names)
    return tuple(name for name in names_of(graph) if name not in known)


def names_of(graph: Graph) -> tuple[str, ...]:
    """What `graph` names, sorted: classes and functions as ``module:qualname``, and bound methods.

    A method is ``visits:Counter.flush``, by the class of what it is bound to; where that is the
    outcome of a call, ``visits:make().flush``.
    """
    names = {str(each) for each in graph.names}
    if _METHOD in names:
        names |= _methods(graph.root)
    return tuple(sorted(names))


def _methods(root: Any) -> set[str]:
    found: set[str] = set()
    seen: set[int] = set()
    stack = [root]
    while stack:
        item = stack.pop()
        if type(item) in SCALARS or id(item) in seen:
            continue
        seen.add(id(item))
        if isinstance(item, Call) and _is_name(item.function, _METHOD):
            found.add(_method(item))
        stack += parts(item)
    return found


def _is_name(item: Any, name: str) -> bool:
    return type(item) is Global and str(item) == name


def _method(call: Call) -> str:
    if len(call.arguments) != 2 or type(call.arguments[1]) is not str:
        # No pickler writes that: a name of its own, which no honest passport lists.
        return f"{_METHOD}(?)"
    owner, name = call.arguments
    if isinstance(owner, Instance):
        return f"{type(owner)}.{name}"
    if type(owner) is Global:
        return f"{owner}.{name}"
    if isinstance(owner, Call):
        return f"{owner.function if type(owner.function) is Global else '?'}().{name}"
    return f"builtins:{type(owner).__name__}.{name}"


def _digest(passport: Passport) -> bytes:
    text = json.dumps(passport.fields(), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(_PURPOSE + text.encode("ascii")).digest()
