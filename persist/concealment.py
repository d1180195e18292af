r"""Values of secret fields in the text forms: concealed, so that the text may be read by others.

A field is secret if its class says so (see `persistent` and `secret`); passports have the names. In a
text the value of such a field is the word `concealed` (see `words`)::

    value     the name of the key: 16 hexadecimal digits, the BLAKE2b of the key
    of        the sealed bytes, as a text in base64; or a tuple of that text, and of the objects that
              the value leads to and that others lead to as well

    key       64 bytes: the BLAKE2b of the signature of a text by the user's signing key
    bytes     AES-256-SIV (RFC 5297), with these authenticated: a text for the purpose, the name of
              the application, the time when the snapshot was written, the class, the field

Sealed is JSON, filled up with blanks to the next 64 bytes: the number of the value in the snapshot; the
numbers of the objects in the tuple; the value, as a statement ``application = ...`` of the source syntax
in which ``Deref(number)`` means these; and, by their numbers, the statements ``Ref(number, ...)`` of
objects that several secret fields lead to. What the first statement gives is a list: the value, and these.

**What is concealed.** What hangs under secret fields only. What can be reached otherwise too is public,
and the value refers to it. An object under several secret fields is sealed with each of them, and is one
again when they are opened: so any of them may be taken out of a text. The same graph gives the same
bytes, and no two values the same.

**What may be edited.** All around a value, which may go wherever the object goes whose field it is. It
may be taken out, or replaced by a plain one. Elsewhere, or twice, it does not open. Without its
key it stays as it is in a text, and cannot be made binary, or run.
"""

import base64
import contextlib
import hashlib
import json
from collections.abc import Sequence
from typing import Any, Final

import attrs

from . import trail
from .collector import collector_off
from .content import Content, Snapshot
from .formats.format import FormatError
from .graph import Call, Graph
from .hiding import Search, Slot, merged, place_of, search
from .passport import Passport
from .survey import Survey, survey
from .trust import KeyFileError, Signer
from .words import CONCEALED

_PURPOSE: Final = b"perdure secret fields\n"
_STEP: Final = 64
_WORD: Final = "Concealed("
_DAMAGED: Final = (
    "the concealed value of {} was changed, or brought here from another place or file; put it back,"
    " or write a plain one: --to ... --reveal, where its key is, writes them"
)


@attrs.define
class ConcealedError(FormatError):
    """A concealed value cannot be opened. `index` is its number among all in the graph, from 0."""

    index: int = 0


@attrs.frozen
class Key:
    """What conceals the values of one user's secret fields. It is held in memory only."""

    _key: bytes = attrs.field(repr=False)

    @classmethod
    def of(cls, signer: Signer) -> "Key":
        """The key of the user whose signer that is."""
        # No digest of a snapshot is as long as this, so nobody has seen this signature.
        return cls(hashlib.blake2b(signer.sign(_PURPOSE)).digest())

    @property
    def name(self) -> str:
        """By which texts say whose a value is. It tells nothing of the key."""
        return hashlib.blake2b(self._key, digest_size=8, person=b"name").hexdigest()

    def closed(self, content: bytes, facts: list[bytes]) -> bytes:
        """`content`, sealed; the same always gives the same."""
        from cryptography.hazmat.primitives.ciphers.aead import AESSIV

        return AESSIV(self._key).encrypt(content, facts)

    def opened(self, sealed: bytes, facts: list[bytes]) -> bytes | None:
        """What was sealed with the same `facts`; None if that is not so."""
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESSIV

        try:
            return AESSIV(self._key).decrypt(sealed, facts)
        except (InvalidTag, ValueError):
            return None


# A server that has gone over to another user has its key in memory, and may not read the file.
_held: dict[str, Key] = {}


def hold(signer: Signer) -> Key:
    """Have the key of `signer` at hand, for as long as the process lives."""
    key = Key.of(signer)
    _held[key.name] = key
    return key


def sealed(*_parts: object) -> object:
    """What stands in a graph for a value that is still concealed. Never to be called."""
    raise RuntimeError("a concealed value was not opened")


def is_sealed(item: object) -> bool:
    """Whether `item` is a value that is still concealed."""
    return isinstance(item, Call) and str(item.function) == CONCEALED


def concealed(content: Content, passport: Passport, signer: Signer | None) -> Content:
    """What a text is to be made of: `content`, of which the secret values are concealed.

    It is `content` itself if there are none. Without a `signer` the key is that of this user.
    Raises FormatError, and `KeyFileError`.
    """
    secret = merged(passport.secret)
    if not any(str(name) in secret for name in content.graph.names):
        return content
    with collector_off():
        graph = content.copied()
        looked = survey(graph.root)
        found = search(graph, looked, secret, is_sealed)
        slots = [each for each in found.slots if _is_private(each.value, found)]
        if slots:
            key = hold(signer or Signer.of_user())
            _close(graph, slots, found, looked, key, passport)
    return Content.of_graph(graph)


def _is_private(value: Any, found: Search) -> bool:
    return id(value) not in found.public and not is_sealed(value)


def _close(
    graph: Graph, slots: Sequence[Slot], found: Search, looked: Survey, key: Key, passport: Passport
) -> None:
    from .formats.concealedtext import Lender

    lender = Lender([slot.value for slot in slots], looked, found.public)
    module, _, name = CONCEALED.partition(":")
    word = graph.names.find(module, name)
    made: list[Call] = []
    for number, slot in enumerate(slots):
        outer, text, lent = lender.texts(slot.value)
        content = json.dumps([number, [at for at, _ in outer], text, lent], separators=(",", ":"))
        content += " " * (-len(content) % _STEP)
        data = key.closed(content.encode("ascii"), _facts(passport, slot))
        sealed_text = base64.b64encode(data).decode("ascii")
        of: Any = (sealed_text, *(item for _, item in outer)) if outer else sealed_text
        made.append(Call(word, (key.name, of)))
    # Only now: the texts of some may lead to the fields of others.
    for slot, call in zip(slots, made, strict=True):
        slot.put(call)


def opened(found: Snapshot) -> Snapshot:
    """`found` with those of its concealed values in their places of which this user has the key.

    The graph of a text is changed for that. Raises `ConcealedError` for a value that was changed, or
    brought to where it is.
    """
    if found.syntax == "pickle" or found.sealed is not None or found.seal is not None:
        return found
    graph = found.content.graph
    if not has_sealed(graph):
        return found
    with collector_off():
        _Opening(graph, found.passport).run()
    names = {*found.passport.names, *found.content.names}
    if not has_sealed(graph):
        names -= {CONCEALED, f"{CONCEALED}()"}
    passport = attrs.evolve(found.passport, names=tuple(sorted(names)))
    return attrs.evolve(found, passport=passport)


def has_sealed(graph: Graph) -> bool:
    """Whether there may be values in `graph` that are concealed."""
    return any(str(name) == CONCEALED for name in graph.names)


def sealed_values(graph: Graph) -> list[Call]:
    """The concealed values in `graph`; an error tells the number of one of them in this list."""
    return search(graph, survey(graph.root), {}, is_sealed).strays


def check_open(graph: Graph) -> None:
    """Raise `ConcealedError` if a value in `graph` is concealed: it cannot be run, or be binary."""
    if not has_sealed(graph):
        return
    for index, call in enumerate(sealed_values(graph)):
        raise ConcealedError(
            f"this is concealed with the key {call.arguments[0]!s:.16}, which this user has not;"
            " write a plain value here, or take what --to ... --reveal writes where that key is",
            place=trail.find(graph.root, call),
            index=index,
        )


class _Opening:
    """Opens the values in one graph."""

    def __init__(self, graph: Graph, passport: Passport) -> None:
        self._graph = graph
        self._passport = passport
        self._order = {id(call): index for index, call in enumerate(sealed_values(graph))}
        self._lent: dict[tuple[int, bytes], Any] = {}
        self._numbers: dict[int, Slot] = {}
        self._is_any_left = False

    def run(self) -> None:
        graph = self._graph
        secret = merged(self._passport.secret)
        found = search(graph, survey(graph.root), secret, is_sealed)
        for stray in found.strays:
            reason = "a concealed value can stand in its own secret field only; put it back there"
            raise ConcealedError(
                reason, place=trail.find(graph.root, stray), index=self._order[id(stray)]
            )
        made = [(slot, self._value(slot)) for slot in found.slots if is_sealed(slot.value)]
        # Only now: those that are opened later may be referred to by the fields of others.
        for slot, value in made:
            slot.put(value)
        if not self._is_any_left:
            graph.names.forget(made[0][0].value.function)

    def _value(self, slot: Slot) -> Any:
        name, of = slot.value.arguments
        parts: Any = of
        given: tuple[Any, ...] = parts if type(of) is tuple and of else (parts,)
        sealed_text, outer = given[0], given[1:]
        key = _key_called(name)
        if key is None:
            self._is_any_left = True
            return slot.value
        content = key.opened(_bytes_in(sealed_text), _facts(self._passport, slot))
        if content is None:
            raise self._error(slot, _DAMAGED.format(slot.label))
        number, numbers, text, lent = json.loads(content)
        if len(numbers) != len(outer):
            raise self._error(slot, _DAMAGED.format(slot.label))
        twin = self._numbers.setdefault(number, slot)
        if twin is not slot:
            raise self._error(
                slot,
                f"this concealed value stands in {place_of(self._graph, twin)} already; write a plain"
                " one",
            )
        self._is_any_left |= _WORD in text
        return self._read(text, lent, [*zip(numbers, outer, strict=True)])

    def _read(self, text: str, lent: list[tuple[int, str]], known: list[tuple[int, Any]]) -> Any:
        from .formats.concealedtext import value_of

        marks = [(number, hashlib.blake2b(each.encode()).digest()) for number, each in lent]
        new = [each for mark, (_, each) in zip(marks, lent, strict=True) if mark not in self._lent]
        known += [(mark[0], self._lent[mark]) for mark in marks if mark in self._lent]
        value, *objects = value_of(text, new, known, self._graph.names)
        self._lent.update(zip(marks, objects, strict=True))
        return value

    def _error(self, slot: Slot, reason: str) -> ConcealedError:
        place = place_of(self._graph, slot)
        return ConcealedError(reason, place=place, index=self._order[id(slot.value)])


def _key_called(name: object) -> Key | None:
    """The key of that name, if it is held, or this user's."""
    if not isinstance(name, str):
        return None
    if name not in _held:
        # A key that cannot be read opens nothing; who must have it is told so elsewhere.
        with contextlib.suppress(KeyFileError, OSError):
            signer = Signer.of_user_if_any()
            if signer is not None:
                hold(signer)
    return _held.get(name)


def _bytes_in(text: object) -> bytes:
    """Those that `text` has in base64; none if it is no such text, so that nothing opens."""
    if not isinstance(text, str):
        return b""
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except ValueError:
        return b""


def _facts(passport: Passport, slot: Slot) -> list[bytes]:
    facts = passport.application, passport.written, slot.owner, slot.field
    return [_PURPOSE, *(each.encode("utf-8", "surrogatepass") for each in facts)]
