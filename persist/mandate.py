"""What the signature of a snapshot in text covers: not the bytes, since a person edits values.

It covers the passport, and in the passport the names: of every class and function that the content
names, of every one that it calls, and of every method that is bound in it. So who edits values keeps
the mandate of who signed, to load those names, to call what was called, and to bind those methods. A
content that names or calls anything more, and a passport that was changed in any way, are a stranger's.

Signed is the SHA-256 of one line of text and the JSON of the passport, ordered and without spaces::

    perdure text snapshot
    {"application":"web","format":1,"holds":"state",...}
"""

import hashlib
import json
from typing import Any, Final

import attrs

from . import parkedgraph
from .graph import Call, Global, Graph, Instance, Names
from .passport import Passport
from .reduction import class_of
from .survey import Survey, survey
from .trust import Signer, verify
from .values import SAFE_VALUES

_PURPOSE: Final = b"perdure text snapshot\n"
_METHOD: Final = "builtins:getattr"
_MODULE: Final = "importlib:import_module"
# What leads to every other name, so that it matters what it is given.
_MASTERS: Final = frozenset({_METHOD, _MODULE})
_CALLED: Final = "()"
# A call of what a call returned, and so on: longer than this is nobody's.
_FAR: Final = 20


@attrs.frozen
class Signature:
    """The public `key` of a signer, 32 bytes, and the `value` of the signature, 64 bytes (Ed25519)."""

    key: bytes
    value: bytes


def sign(passport: Passport, signer: Signer) -> Signature:
    """The signature of `signer` for a content that names no more than ``passport.names``."""
    return Signature(signer.public, signer.sign(_digest(passport)))


def holder(
    passport: Passport, signature: Signature | None, graph: Graph
) -> tuple[bytes | None, tuple[str, ...] | None]:
    """The key of the `signature`, if that covers `passport` and all that `graph` names, else None.

    And, of one that does not, what `graph` names beyond it; nothing if `passport` was changed.
    """
    if signature is None:
        return None, None
    if not verify(signature.key, _digest(passport), signature.value):
        return None, ()
    added = added_names(passport, graph)
    return (None, added) if added else (signature.key, None)


def distrust(voided_by: tuple[str, ...] | None) -> str:
    """Why nobody's signature covers a text, by what `holder` has found."""
    if voided_by is None:
        return "this user has not signed the snapshot"
    if not voided_by:
        return "its passport was changed since it was signed, so that it counts as a stranger's"
    shown = ", ".join(name.replace(":", ".") for name in voided_by)
    return (
        f"it was changed since it was signed: it now names {shown}, and counts as a stranger's for"
        " as long as it does"
    )


def added_names(passport: Passport, graph: Graph) -> tuple[str, ...]:
    """What `graph` names or calls beyond ``passport.names``: something was written into it by hand.

    What it both names and calls is told once.
    """
    added = set(names_of(graph)).difference(passport.names)
    return tuple(name for name in sorted(added) if name.removesuffix(_CALLED) not in added - {name})


def names_of(graph: Graph, looked: Survey | None = None) -> tuple[str, ...]:
    """What `graph` names, sorted: classes and functions as ``module:qualname``; and what it does.

    ``visits:make()`` is what is called, as a function or as the setter of a state; harmless values
    apart. A method is ``visits:Counter.flush``, by the class of what it is bound to, or
    ``visits:make().flush`` where that is the outcome of a call; a module is ``json``. Where the
    functions that give these two are themselves a value, or given anything that no pickler gives
    them, they count as called. `looked` is the survey of `graph`, if there is one already.
    """
    uses = _uses(looked or survey(graph.root), graph.names)
    # Bytes of what is parked are looked into: they are loaded one day.
    within = parkedgraph.names_within(graph, names_of)
    return tuple(sorted({*map(str, graph.names), *uses, *within}))


def _uses(looked: Survey, names: Names) -> set[str]:
    harmless = {name for name in names if str(name) in SAFE_VALUES}
    masters = {name for name in names if str(name) in _MASTERS}
    found: set[str] = set()
    for item in looked.doers:
        if type(item) is Global:
            if item in masters:
                found.add(f"{item}{_CALLED}")
            continue
        if item.setter is not None:
            found.add(_label(item.setter, _CALLED))
        if type(item) is Call:
            function = item.function
            if type(function) is not Global:
                found.add(_label(function, _CALLED))
            elif function in masters and _is_master_at_work(item):
                found.add(_label(item))
            elif function not in harmless:
                found.add(f"{function}{_CALLED}")
    return found


def _is_master_at_work(call: Call) -> bool:
    """Whether `call` gives a method or a module, just as picklers write it."""
    if type(call.function) is not Global or not (
        call.state is call.members is call.pairs is call.setter is None
    ):
        return False
    kinds = [class_of(argument) for argument in call.arguments]
    name = str(call.function)
    return (name == _METHOD and len(kinds) == 2 and kinds[1] is str) or (
        name == _MODULE and kinds == [str]
    )


def _label(item: Any, after: str = "") -> str:
    """What is called or bound, ``visits:make().flush``, and `after` that what is done with it."""
    for _ in range(_FAR):
        if type(item) is Global:
            return f"{item}{after}"
        if isinstance(item, Instance):
            call = ".__call__" if after.startswith(_CALLED) else ""
            return f"{type(item)}{call}{after}"
        if type(item) is not Call:
            return f"builtins:{type(item).__name__}{after}"
        if not _is_master_at_work(item):
            item, after = item.function, f"{_CALLED}{after}"
        elif str(item.function) == _MODULE:
            return f"{item.arguments[0]}{after}"
        else:
            item, after = item.arguments[0], f".{item.arguments[1]}{after}"
    return f"...{after}"


def _digest(passport: Passport) -> bytes:
    text = json.dumps(passport.fields(), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(_PURPOSE + text.encode("ascii")).digest()
