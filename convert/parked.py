"""What a snapshot has parked: told, repaired by another name of a class or module, or given up.

Nothing of it is loaded, and what is not touched stays byte for byte what it was.
"""

import os
from collections.abc import Callable, Iterator
from typing import Any, ClassVar, Final, cast

import attrs

from ..persist import graphstream
from ..persist.concealment import is_sealed
from ..persist.errors import PerdureError
from ..persist.graph import Call, Global, Graph, GraphError, Node, is_shared
from ..persist.graphstream import StreamError
from ..persist.parkedgraph import Fields, dict_in, field, is_dict, is_list, parked_in, reach
from ..persist.shapes import Shape
from ..persist.survey import parts
from ..persist.trail import find as place_of

_REFERRED: Final = "perdure.persist.references:referred"
_ALARMS: Final = "perdure.app.alarms.Alarms"
_ALARM: Final = "alarm "
_MOST: Final = 10
_KINDS: Final[dict[str, type[Any]]] = {
    "key": str,
    "reason": str,
    "since": str,
    "made": bytes,
    "state": bytes,
    "shapes": dict,
    "names": tuple,
    "commands": tuple,
}


@attrs.define(str=False)
class ParkedEditError(PerdureError):
    """What is parked cannot be changed so; nothing was changed in any file. `what` was asked for."""

    exit_status: ClassVar[int] = os.EX_DATAERR
    what: str
    reason: str

    def __str__(self) -> str:
        return f"{self.what}: {self.reason}"


@attrs.frozen
class Listed:
    """Something parked: `size` is that of its bytes, `calls` the number of those that wait for it.

    Both are unknown where it is concealed in a text, with a key that this user has not.
    """

    key: str
    reason: str
    since: str
    size: int | None
    calls: int

    def __str__(self) -> str:
        size = "concealed" if self.size is None else f"{self.size:,} bytes"
        word = "call" if self.calls == 1 else "calls"
        calls = f", and {self.calls:,} {word} that came after" if self.calls else ""
        return f"{self.key}: {self.reason}; since {self.since}, {size}{calls}"


def listed(graph: Graph) -> list[Listed]:
    """All that is parked in `graph`, in its order."""
    found: dict[str, Listed] = {}
    for fields in _records(graph):
        key = fields["key"]
        if _is_closed(fields):
            found[key] = Listed(key, fields["reason"], fields["since"], None, 0)
            continue
        calls = sum(entry[1] == "command" for entry in fields["commands"])
        size = len(fields["made"]) + len(fields["state"])
        found[key] = Listed(key, fields["reason"], fields["since"], size, calls)
    order = {key: number for number, key in enumerate(_components(graph))}
    return sorted(found.values(), key=lambda each: (order.get(each.key, len(order)), each.key))


@attrs.frozen
class Renaming:
    """Another name for a class, a module, or all below a package: dotted, or ``module:Class``."""

    old: str
    new: str

    @classmethod
    def parse(cls, text: str) -> "Renaming":
        """From ``OLD=NEW``. Raises ValueError."""
        old, equals, new = (part.strip() for part in text.partition("="))
        names = [part for each in (old, new) for part in each.replace(":", ".").split(".")]
        if not equals or not all(name.isidentifier() for name in names) or new.count(":") > 1:
            raise ValueError(f"{text!r}: expected OLD=NEW, such as visits.Counter=shop.Visits")
        return cls(old, new)

    def name(self, name: str) -> str:
        """The name, as ``module:qualname``, that `name` is now; maybe the same."""
        module, _, qualname = name.partition(":")
        rest = self._rest(f"{module}.{qualname}")
        if rest is None or (":" in self.old and self.old.partition(":")[0] != module):
            return name
        depth = len(self.old) - len(module)
        if depth <= 0:
            return f"{self.new.replace(':', '.')}{module[depth or len(module) :]}:{qualname}"
        if ":" in self.new:
            return f"{self.new}{rest}"
        count = self.old[len(module) + 1 :].count(".") + 1
        pieces = self.new.rsplit(".", count)
        return f"{pieces[0]}:{'.'.join(pieces[1:])}{rest}"

    def key(self, key: str) -> str:
        """The key of a component by the class that is called otherwise now; maybe the same."""
        dotted, colon, name = key.partition(":")
        rest = self._rest(dotted)
        return key if rest is None else f"{self.new.replace(':', '.')}{rest}{colon}{name}"

    def _rest(self, dotted: str) -> str | None:
        old = self.old.replace(":", ".")
        if dotted == old or dotted.startswith(f"{old}."):
            return dotted[len(old) :]
        return None


def rename(graph: Graph, renaming: Renaming) -> list[str]:
    """Give classes in what is parked in `graph` their other names; the keys of what has changed.

    So have the components of these classes other keys. Raises `ParkedEditError`.
    """
    what = f"--rename {renaming.old}={renaming.new}"
    records = list(_records(graph))
    if not records:
        raise ParkedEditError(what, "nothing is parked in it")
    changed: list[str] = []
    for fields in (*records, *_lots(graph)):
        before = {name: renaming.name(name) for name in fields["names"]}
        if all(name == present for name, present in before.items()):
            continue
        if _is_closed(fields):
            raise ParkedEditError(
                what,
                "what is parked is concealed with a key that this user has not; do it where that is",
            )
        _rename_within(fields, renaming, what)
        changed.append(fields.get("key", ""))
    if not changed:
        names = sorted({name.replace(":", ".") for fields in records for name in fields["names"]})
        shown = ", ".join(names[:_MOST]) + (", ..." if len(names) > _MOST else "")
        raise ParkedEditError(
            what, f"nothing that is parked names {renaming.old}; named are: {shown}"
        )
    _rename_keys(graph, records, renaming, what)
    return sorted(key for key in changed if key)


def drop(graph: Graph, key: str) -> list[str]:
    """Give up what is parked as `key`, exactly; the places that have None now in its stead.

    Raises `ParkedEditError`, also if it is held where nothing can be put in its place.
    """
    what = f"--drop {key}"
    components = _components(graph)
    item = components.get(key)
    alarm = _alarm(graph, key)
    if alarm is None and parked_in(item) is None:
        keys = ", ".join(each.key for each in listed(graph)) or "nothing"
        raise ParkedEditError(what, f"it is not parked; parked here: {keys}")
    if alarm is not None:
        alarms, number = alarm
        del alarms[number]
        places: list[str] = []
    else:
        del components[key]
        places = _let_go(graph, item, what)
    graph.names.keep({each for each in reach([graph.root]) if type(each) is Global})
    return places


def _records(graph: Graph) -> Iterator[Fields]:
    """The fields of all that is parked. Raises `ParkedEditError` for what has been damaged."""
    for item in reach([graph.root]):
        fields = parked_in(item)
        if fields is not None:
            for name, kind in _KINDS.items():
                value = fields.get(name)
                if type(value) is not kind and not is_sealed(value):
                    what = f"{place_of(graph.root, item)}.parked.{name}"
                    raise ParkedEditError(what, f"{kind.__name__} was expected; mend that first")
            yield fields


def _is_closed(fields: Fields) -> bool:
    """Whether it is secret, and not opened."""
    return any(is_sealed(fields.get(name)) for name in ("state", "commands", "stream"))


def _lots(graph: Graph) -> Iterator[Fields]:
    seen: set[int] = set()
    for fields in _records(graph):
        lot = fields["lot"]
        if isinstance(lot, Node) and id(lot) not in seen:
            seen.add(id(lot))
            yield cast("Fields", lot.state)


def _components(graph: Graph) -> dict[Any, Any]:
    return dict_in(field(graph.root, "registry"), "_components")


def _alarm(graph: Graph, key: str) -> tuple[dict[Any, Any], Any] | None:
    """Where the alarm is that `key` means, if its arguments are parked."""
    alarms = dict_in(_components(graph).get(_ALARMS), "_alarms")
    for number, alarm in alarms.items():
        if key == f"{_ALARM}{number}" and parked_in(field(alarm, "arguments")) is not None:
            return alarms, number
    return None


def _rename_within(fields: Fields, renaming: Renaming, what: str) -> None:
    def renamed(stream: bytes) -> bytes:
        try:
            graph = graphstream.read(stream)
            for name in list(graph.names):
                name.module, _, name.name = renaming.name(str(name)).partition(":")
            for item in reach([graph.root]):
                if isinstance(item, Call) and str(item.function) == _REFERRED and item.arguments:
                    item.arguments = (renaming.key(item.arguments[0]),)
            return graphstream.write(graph)
        except (StreamError, GraphError) as error:
            raise ParkedEditError(what, f"what is parked is damaged: {error}") from error

    for name in ("made", "state", "stream"):
        if fields.get(name):
            fields[name] = renamed(fields[name])
    fields["names"] = tuple(sorted(map(renaming.name, fields["names"])))
    fields["shapes"] = _shapes(fields["shapes"], renaming)
    if "commands" in fields:
        fields["commands"] = tuple(
            (number, kind, _entry(kind, content, renaming, renamed))
            for number, kind, content in fields["commands"]
        )


def _entry(
    kind: str, content: Any, renaming: Renaming, renamed: Callable[[bytes], bytes]
) -> tuple[Any, ...]:
    if kind == "shapes":
        return tuple(_shapes(dict(content), renaming).items())
    return (*content[:-1], renamed(content[-1]))


def _shapes(texts: dict[str, str], renaming: Renaming) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, text in texts.items():
        shape = Shape.parse(text)
        shape = attrs.evolve(shape, bases=tuple(map(renaming.name, shape.bases)))
        found[renaming.name(name)] = str(shape)
    return found


def _rename_keys(graph: Graph, records: list[Fields], renaming: Renaming, what: str) -> None:
    components = _components(graph)
    former = {fields["key"] for fields in records}
    for key in list(components):
        present = renaming.key(key) if key in former else key
        if present == key:
            continue
        if present in components:
            raise ParkedEditError(what, f"there is another component {present}; --drop one of them")
        items = [(present if each == key else each, item) for each, item in components.items()]
        components.clear()
        components.update(items)
    for fields in records:
        if fields["key"] in former:
            fields["key"] = renaming.key(fields["key"])


def _let_go(graph: Graph, item: Any, what: str) -> list[str]:
    """Put None wherever `item` is held in `graph`; the places."""
    holders: list[Any] = [each for each in reach([graph.root]) if _holds(each, item)]
    found = [place_of(graph.root, holder) for holder in holders]
    places: list[str] = []
    for holder, place in zip(holders, found, strict=True):
        if is_list(holder):
            numbers = [number for number, part in enumerate(holder) if part is item]
            for number in numbers:
                holder[number] = None
            places += [f"{place}[{number}]" for number in numbers]
        elif is_dict(holder) and item not in holder:
            keys = [key for key, part in holder.items() if part is item]
            holder.update(dict.fromkeys(keys))
            places += [f"{place}: {key}" for key in keys]
        else:
            raise ParkedEditError(
                what, f"{place} holds it where nothing can be put in its place; edit that first"
            )
    return places


def _holds(holder: Any, item: Any) -> bool:
    return is_shared(holder) and any(part is item for part in parts(holder))
