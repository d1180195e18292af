"""A graph in parts: what cannot be loaded is taken out of it as streams, and put back as it was.

All of it is done on inert nodes. What is taken out leaves a node of `parked.StandIn` behind: it is the
node itself that changes, so that whatever has led to it leads to the stand-in, and back again.
Objects in it that are reached by other ways, too, stay where they are.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, Final, cast

import attrs

from . import graphstream
from .graph import Call, Global, Graph, GraphError, Instance, Names, Node, instance_of
from .graphstream import StreamError
from .parkedgraph import MODULE, Fields, check, is_stand_in, parked_in, reach
from .reduction import fields_of
from .survey import parts

_REFERRED: Final = ("perdure.persist.references", "referred")

Shapes = Mapping[str, str]
Resolve = Callable[[str], Any]
"""Gives the node that a reference means, the key of a component say; None if it is not there."""
Bring = Callable[[bytes, bytes, Fields], tuple[bytes, bytes]]
"""Brings a record, of what the fields describe, up to the present classes."""
Vet = Callable[[Iterable[Global]], str | None]
"""Says why such names cannot be loaded; None if they can."""


@attrs.frozen(eq=False)
class Bay:
    """A place in a graph, `at` a key or number of `holder`, where an object of its own stands."""

    key: str
    holder: Any
    at: Any

    @property
    def item(self) -> Any:
        """What is there."""
        return self.holder[self.at]


@attrs.frozen
class Reason:
    """Why, and since when, something is parked."""

    text: str
    since: str


def park(
    graph: Graph, bays: Mapping[Bay, Reason], shapes: Callable[[Collection[str]], Shapes]
) -> None:
    """Take what stands in the `bays` out of `graph`. `shapes` gives those of classes by their names.

    What stands in two bays is parked as that of the first.
    """
    kinds = {
        name: graph.names.find(MODULE, name) for name in ("StandIn", "stand_in", "Parked", "Lot")
    }
    berths: dict[int, tuple[Bay, Any, Any]] = {}
    for bay in bays:
        if not (isinstance(bay.item, Node) and is_stand_in(bay.item)):
            stand_in, content = _leave(bay, kinds)
            berths[id(stand_in)] = bay, stand_in, content
    live = {id(item): item for item in reach([graph.root])}
    writer = _Writer(
        graph.names, {number: bay.key for number, (bay, *_) in berths.items()}, live, shapes
    )
    common = writer.find_common([content for *_, content in berths.values()])
    lot = None
    if common:
        lot = instance_of(kinds["Lot"])
        lot.state = writer.part(common)
        writer.in_lot = {id(item): number for number, item in enumerate(common)}
    for bay, stand_in, content in berths.values():
        written = writer.part(content)
        record = instance_of(kinds["Parked"])
        record.state = {
            "key": bay.key,
            "reason": bays[bay].text,
            "since": bays[bay].since,
            "made": b"",
            "state": written.pop("stream"),
            **written,
            "lot": lot if writer.has_used_lot else None,
            "commands": (),
        }
        stand_in.state = {"parked": record}
    graph.names.keep({*kinds.values(), *(item for item in live.values() if type(item) is Global)})


def put_back(
    graph: Graph,
    bays: Iterable[Bay],
    staying: Mapping[str, str],
    resolve: Resolve,
    bring: Bring,
    vet: Vet,
    *,
    trusted: bool,
) -> dict[str, str]:
    """Put what is parked in the `bays` in the places of the stand-ins there.

    Not those whose keys are `staying`, nor what `vet` objects to, nor what has objects in common with
    such. For all that stay parked the reasons are given. A stream `trusted` is this user's own.
    Raises what `bring` and `vet` raise.
    """
    reader = _Putter(graph.names, resolve, bring, vet, trusted)
    contents: dict[int, tuple[Bay, Fields, Any]] = {}
    failures: dict[str, str] = {}
    lots: dict[int, str] = {}
    for bay in bays:
        fields = parked_in(bay.item)
        if fields is None or id(bay.item) in contents:
            continue
        content, reason = None, staying.get(bay.key)
        if reason is None:
            content, reason = reader.content(fields)
        if reason is not None:
            failures[bay.key] = reason
            lots.setdefault(id(fields.get("lot")), bay.key)
        contents[id(bay.item)] = bay, fields, content
    lots.pop(id(None), None)
    for bay, fields, content in contents.values():
        stand_in, mate = bay.item, lots.get(id(fields.get("lot")))
        if bay.key in failures:
            continue
        if mate is not None:
            failures[bay.key] = f"it has objects in common with {mate}, which is parked"
        elif id(content) in reader.resolved or not isinstance(content, Node):
            bay.holder[bay.at] = content
        elif isinstance(content, Call) != isinstance(stand_in, Call):
            failures[bay.key] = f"{content!r} cannot stand where {stand_in!r} stands"
        else:
            _become(stand_in, content)
    if failures:
        # Their names were met, and are in no part of it.
        graph.names.keep({item for item in reach([graph.root]) if type(item) is Global})
    return failures


class _Writer:
    """Writes what is taken out. `keys` are those of the stand-ins, and `live` all that stays, by ids."""

    def __init__(
        self,
        names: Names,
        keys: Mapping[int, str],
        live: Mapping[int, Any],
        shapes: Callable[[Collection[str]], Shapes],
    ) -> None:
        self.in_lot: Mapping[int, int] = {}
        self.has_used_lot = False
        self._referred = names.find(*_REFERRED)
        self._keys = keys
        self._live = live
        self._shapes = shapes

    def find_common(self, contents: Iterable[Any]) -> list[Any]:
        """What of more than one of the `contents` is reached directly by what is of one alone."""
        counts: Counter[int] = Counter()
        reached: list[Any] = []
        for content in contents:
            for item in reach([content], self._stays):
                if type(item) is not Global and not self._stays(item):
                    counts[id(item)] += 1
                    reached.append(item)
        common: dict[int, Any] = {}
        for holder in (contents, *(item for item in reached if counts[id(item)] == 1)):
            for part in holder if holder is contents else parts(holder):
                if counts[id(part)] > 1:
                    common[id(part)] = part
        return list(common.values())

    def part(self, content: Any) -> Fields:
        """`content` as a stream, and what goes with it."""
        references: dict[str, Any] = {}
        held: list[Any] = []
        self.has_used_lot = False

        def stop(item: Any) -> bool:
            key = self._keys.get(id(item))
            if key is None and id(item) in self.in_lot:
                key = f"@{self.in_lot[id(item)]}"
                self.has_used_lot = True
            elif key is None and self._stays(item):
                key = f"#{len(held)}"
                held.append(item)
            if key is None:
                return False
            references[key] = item
            return True

        names = [item for item in reach([content], stop) if type(item) is Global]
        texts = tuple(sorted(map(str, names)))
        return {
            "stream": graphstream.write_part(content, names, self._referred, references),
            "shapes": dict(self._shapes(texts)),
            "names": texts,
            "held": held,
        }

    def _stays(self, item: Any) -> bool:
        return id(item) in self._live and type(item) is not Global


class _Putter:
    """Reads what was taken out. `resolved` are the ids of what references have led to."""

    def __init__(
        self, names: Names, resolve: Resolve, bring: Bring, vet: Vet, trusted: bool
    ) -> None:
        self.resolved: dict[int, Any] = {}
        self._names = names
        self._resolve = resolve
        self._bring = bring
        self._vet = vet
        self._trusted = trusted
        self._lots: dict[int, list[Any]] = {}

    def content(self, fields: Fields) -> tuple[Any, str | None]:
        """What was parked, or why it cannot be put back."""
        try:
            check(fields, "Parked")
            return self._content(fields), None
        except (GraphError, StreamError) as error:
            return None, str(error)
        except (LookupError, TypeError, ValueError) as error:
            return None, f"what is parked is damaged: {type(error).__name__}: {error}"

    def _content(self, fields: Fields) -> Any:
        made, state = self._bring(fields["made"], fields["state"], fields)
        given = self._read(state, fields)
        if not made:
            return given
        kind = self._read(made, fields)
        if type(kind) is not Global or type(given) is not tuple:
            raise GraphError("what is parked is damaged: it is not made as records are")
        whole = instance_of(kind)
        parts: list[Any] = [*given, *[None] * 4]
        whole.state, whole.members, whole.pairs, whole.setter = parts[:4]
        return whole

    def _read(self, stream: bytes, fields: Fields) -> Any:
        def refer(text: str) -> Any:
            if text[:1] == "#":
                found = fields["held"][int(text[1:])]
            elif text[:1] == "@":
                found = self._of_lot(fields["lot"])[int(text[1:])]
            else:
                found = self._resolve(text)
            if found is not None:
                self.resolved[id(found)] = found
            return found

        names = _ReferringNames(self._names, refer)
        root = graphstream.read(stream, trusted=self._trusted, names=names).root
        objection = self._vet(names.met)
        if objection is not None:
            raise GraphError(objection)
        return root

    def _of_lot(self, lot: Any) -> list[Any]:
        if id(lot) not in self._lots:
            fields = cast("list[Fields]", fields_of(lot.state))[0]
            check(fields, "Lot")
            stream = self._bring(b"", fields["stream"], fields)[1]
            self._lots[id(lot)] = self._read(stream, fields)
        return self._lots[id(lot)]


class _ReferringNames(Names):
    """The names of a graph, and for what means a reference the function that follows it."""

    def __init__(self, names: Names, refer: Callable[[str], Any]) -> None:
        super().__init__()
        self.met: list[Global] = []
        self._names = names
        self._refer: Any = refer

    def find(self, module: str, name: str) -> Global:
        if (module, name) == _REFERRED:
            return cast("Global", self._refer)
        found = self._names.find(module, name)
        self.met.append(found)
        return found


def _leave(bay: Bay, kinds: Mapping[str, Global]) -> tuple[Any, Any]:
    """The stand-in that is now in the bay, and what was there."""
    item = bay.item
    if isinstance(item, Instance):
        content: Any = instance_of(cast("Global", type(item)))
        _become(content, item)
        _become(item, instance_of(kinds["StandIn"]))
        return item, content
    if isinstance(item, Call):
        content = Call(item.function, item.arguments)
        _become(content, item)
        _become(item, Call(kinds["stand_in"], ()))
        return item, content
    bay.holder[bay.at] = stand_in = instance_of(kinds["StandIn"])
    return stand_in, item


def _become(node: Any, other: Any) -> None:
    """Let `node`, an instance or a call as `other` is one, be what `other` is."""
    own = "function" if isinstance(node, Call) else "keywords"
    if own == "keywords":
        node.__class__ = type(other)
    for name in (*Node.__slots__, own):
        setattr(node, name, getattr(other, name))
